"""Exact search over the values of pairs; the matrix of all is never built.

Tiles are looked through one at a time (`_pair_tiles.py`). What they hold is screened
with a margin, and the values that decide are computed again in float64. Hence results
depend neither on the tiles, nor on the number of workers, nor on the order of rows.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.parallel import Parallel, delayed

from sklearn_grn._array_interface import _free_memory
from sklearn_grn._pair_tiles import (
    PairTiles,
    RowProducts,
    Tile,
    inner_products,
    n_panels,
)

_SPARE = 2**14  # pairs held beyond twice those wanted before the weakest are dropped
_EDGE_BYTES = 3 * 24  # two numbers and a value, held, joined and sorted
_EXACT_PAIRS = 2**16  # a census of so few pairs holds the value of each
_ABOVE_ZERO = float(np.nextafter(0.0, 1.0))

# A bin of the histogram is a 4096th of the root mean square of all values, and the
# outermost bins hold what is beyond 8 of them, where the strongest pairs are.
_BINS, _REACH = 2**16, 8.0


class Edges(NamedTuple):
    """Pairs of rows, source < target, each with a value."""

    sources: NDArray[np.intp] = np.empty(0, dtype=np.intp)
    targets: NDArray[np.intp] = np.empty(0, dtype=np.intp)
    values: NDArray[np.float64] = np.empty(0)

    def take(self, index: NDArray | slice) -> Edges:
        """Return some of the pairs."""
        return Edges(self.sources[index], self.targets[index], self.values[index])

    def strongest_first(self) -> Edges:
        """Sort by decreasing |value|, equal ones in the order of (i, j)."""
        return self.take(self.order())

    def order(self) -> NDArray[np.intp]:
        """Return where the strongest is, the next, and so on."""
        return np.lexsort((self.targets, self.sources, -np.abs(self.values)))


class Census(NamedTuple):
    """How the values of all pairs are distributed, and the strongest of them.

    Attributes
    ----------
    counts : ndarray of shape (n_bins,), int64
        Number of pairs i < j with a value in each bin.
    bounds : ndarray of shape (n_bins + 1,)
        Bounds of the bins; the outermost bins also hold what lies beyond.
    tail : Edges
        The strongest pairs, strongest first.
    left_out : float
        The largest |value| of all other pairs.
    """

    counts: NDArray[np.int64]
    bounds: NDArray[np.float64]
    tail: Edges
    left_out: float


# ------------------------------------------------------------------ what is asked of it
def edges_above(
    rows: ArrayLike | PairTiles, threshold: float, *, n_jobs: int | None = None
) -> Edges:
    """Return all pairs i < j with |w_i . w_j| > threshold.

    Parameters
    ----------
    rows : array-like of shape (n_rows, n_columns), or PairTiles
        W, finite; or the values of pairs in another form. Values are computed in
        float64, also for float32 rows.
    threshold : float
    n_jobs : int or None
        Number of joblib tasks at a time; a task is a panel of rows.

    Returns
    -------
    Edges
        i, j and w_i . w_j, strongest first, equal ones in the order of (i, j).

    Raises
    ------
    ValueError
        If the pairs take more than half of the free memory.
    """
    pairs, above = _pairs(rows), float(np.nextafter(float(threshold), np.inf))
    most = _free_memory() / 2 / _EDGE_BYTES
    try:
        found = _searched(pairs, _Above(above, most), n_jobs)
    except _TooManyError:
        raise ValueError(_too_many(pairs, threshold, most, n_jobs)) from None
    return _join(found.held).strongest_first()


def strongest_edges(
    rows: ArrayLike | PairTiles, n_edges: int, *, n_jobs: int | None = None
) -> tuple[Edges, float]:
    """Return the pairs i < j with the largest |w_i . w_j|.

    Parameters
    ----------
    rows : array-like of shape (n_rows, n_columns), or PairTiles
        As in `edges_above`.
    n_edges : int
        How many at the most. Pairs that tie at the cut are all left out, and so are
        pairs of value 0: what is found does not depend on the order of the rows.
    n_jobs : int or None
        As in `edges_above`.

    Returns
    -------
    edges : Edges
        As from `edges_above`.
    left_out : float
        The largest |w_i . w_j| of all other pairs, 0 where there is none, so that
        `edges_above` finds the same edges above it.

    Raises
    ------
    ValueError
        If so many pairs may take more than half of the free memory.
    """
    pairs = _pairs(rows)
    n_edges = min(n_edges, math.comb(len(pairs.order), 2))
    most = int(_free_memory() / 2 / _EDGE_BYTES / 2)  # as many again wait to be sorted
    if n_edges > most:
        raise ValueError(
            f"{n_edges:,} edges are asked for, and more than {most:,} may not fit in "
            "half of the free memory. Ask for fewer"
        )
    return _searched(pairs, _Strongest(n_edges), n_jobs).result(pairs)


def largest_of_others(
    rows: ArrayLike | PairTiles, edges: Edges, *, n_jobs: int | None = None
) -> float:
    """Return the largest |w_i . w_j| of all pairs that are not among some edges.

    Parameters
    ----------
    rows : array-like of shape (n_rows, n_columns), or PairTiles
        As in `edges_above`.
    edges : Edges
        Some of its pairs.
    n_jobs : int or None
        As in `edges_above`.

    Returns
    -------
    float
    """
    pairs = _pairs(rows)
    found, left_out = strongest_edges(pairs, len(edges.values), n_jobs=n_jobs)
    first, second = (
        part.sources * len(pairs.order) + part.targets for part in (found, edges)
    )
    others = ~np.isin(first, second)
    return float(np.abs(found.values[others]).max(initial=left_out))


def strongest_changes(
    rows_before: ArrayLike,
    rows_after: ArrayLike,
    n_edges: int,
    *,
    n_jobs: int | None = None,
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return the pairs whose inner product differs most between two sets of rows.

    With the moves m_i = a_i - b_i and the sums s_i = a_i + b_i (zeros stand for columns
    that are lacking), a_i . a_j - b_i . b_j = (m_i . s_j + s_i . m_j) / 2 is an inner
    product of rows again, and small where neither row moved. So most tiles are skipped
    where the columns correspond, as after an update that appends some.

    Parameters
    ----------
    rows_before, rows_after : array-like of shape (n_rows, n_columns)
        B and A, finite; the number of columns may differ.
    n_edges : int
        How many pairs at the most. Pairs that tie at the cut are all left out, and so
        are pairs that did not change.
    n_jobs : int or None
        As in `edges_above`.

    Returns
    -------
    sources, targets, before, after : ndarray of shape (n_edges,)
        i, j, b_i . b_j and a_i . a_j by decreasing |after - before|, then (i, j).
    """
    B, A = (np.ascontiguousarray(W, np.float64) for W in (rows_before, rows_after))
    difference = _Difference(B, A)
    width = max(A.shape[1], B.shape[1])
    B, A = (np.pad(rows, ((0, 0), (0, width - rows.shape[1]))) for rows in (B, A))
    left, right = np.hstack([A - B, A + B]), np.hstack([A + B, A - B]) / 2
    pairs = RowProducts(left, right, difference)
    (i, j, _), _ = strongest_edges(pairs, n_edges, n_jobs=n_jobs)
    return i, j, difference.before(i, j), difference.after(i, j)


def census(
    rows: ArrayLike | PairTiles, n_tail: int, *, n_jobs: int | None = None
) -> Census:
    """Count the values of all pairs in fine bins, and find the strongest, in one pass.

    Parameters
    ----------
    rows : array-like of shape (n_rows, n_columns), or PairTiles
        As in `edges_above`.
    n_tail : int
        How many of the strongest to find; all where there are few pairs.
    n_jobs : int or None
        As in `edges_above`.

    Returns
    -------
    Census
    """
    pairs = _pairs(rows)
    n_pairs = math.comb(len(pairs.order), 2)
    strongest = _Strongest(n_pairs if n_pairs <= _EXACT_PAIRS else n_tail)
    reach = _REACH * pairs.root_mean_square() or 1.0
    found = _searched(pairs, _Counts(reach, strongest), n_jobs)
    bounds = np.linspace(-reach, reach, _BINS + 1)
    return Census(found.counts, bounds, *strongest.result(pairs))


def mean_absolute(rows: ArrayLike | PairTiles, *, n_jobs: int | None = None) -> float:
    """Return the mean of |w_i . w_j| over all pairs i < j, 0 where there is none.

    Parameters
    ----------
    rows : array-like of shape (n_rows, n_columns), or PairTiles
        As in `edges_above`.
    n_jobs : int or None
        As in `edges_above`.

    Returns
    -------
    float
        To the precision of float32 products.
    """
    pairs = _pairs(rows)
    total = _searched(pairs, _AbsoluteSum(), n_jobs).total
    return pairs.unit * total / max(1, math.comb(len(pairs.order), 2))


# ------------------------------------------------------------- panels and their workers
class _Collector(Protocol):
    """Looks through tiles, panel after panel; another one may have looked at others."""

    least: float  # pairs below it are of no interest

    def look(self, pairs: PairTiles, tile: Tile) -> None:
        """Take from a tile what is wanted."""

    def empty(self) -> Any:
        """Return a collector of the same kind that has seen nothing."""

    def absorb(self, pairs: PairTiles, other: Any) -> None:
        """Take what another collector has."""


_Kind = TypeVar("_Kind", bound=_Collector)


def _searched(pairs: PairTiles, collector: _Kind, n_jobs: int | None) -> _Kind:
    """Look through all panels. The first tells the workers from where on to look."""
    panels, alone = range(n_panels(pairs)), effective_n_jobs(n_jobs) == 1
    for panel in panels if alone else panels[:1]:
        _look_through(collector, pairs, panel)
    if not alone:
        search = delayed(_look_through)
        tasks = (search(collector.empty(), pairs, panel) for panel in panels[1:])
        for other in Parallel(n_jobs=n_jobs)(tasks):
            collector.absorb(pairs, other)
    return collector


def _look_through(collector: _Kind, pairs: PairTiles, panel: int) -> _Kind:
    for tile in pairs.tiles(panel, collector):
        collector.look(pairs, tile)
    return collector


class _Above:
    """All pairs from a bound up, as long as they fit in memory."""

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most
        self.held, self.n_held = [Edges()], 0

    def look(self, pairs: PairTiles, tile: Tile) -> None:
        """Take from a tile what is wanted."""
        self._hold(_measured(pairs, _candidates(pairs, tile, self.least), self.least))

    def empty(self) -> _Above:
        """Return a collector of the same kind that has seen nothing."""
        return _Above(self.least, self.most)

    def absorb(self, pairs: PairTiles, other: _Above) -> None:
        """Take what another collector has."""
        self._hold(*other.held)

    def _hold(self, *edges: Edges) -> None:
        self.held += edges
        self.n_held += sum(len(part.values) for part in edges)
        if self.n_held > self.most:
            raise _TooManyError


class _TooManyError(Exception):
    """More pairs exceed the threshold than fit in memory."""


class _Strongest:
    """The strongest pairs; the bound rises while they are collected."""

    def __init__(self, n_edges: int, least: float = _ABOVE_ZERO) -> None:
        self.n_edges, self.n_wanted, self.least = n_edges, n_edges + 1, least
        self.held, self.n_held = [Edges()], 0

    def look(self, pairs: PairTiles, tile: Tile) -> None:
        """Take from a tile what is wanted."""
        self._hold(pairs, _candidates(pairs, tile, self.least))

    def empty(self) -> _Strongest:
        """Return a collector of the same kind that has seen nothing."""
        return _Strongest(self.n_edges, self.least)

    def absorb(self, pairs: PairTiles, other: _Strongest) -> None:
        """Take what another collector has."""
        self.least = max(self.least, other.least)
        self._hold(pairs, *other.held)

    def _hold(self, pairs: PairTiles, *candidates: Edges) -> None:
        self.held += candidates
        self.n_held += sum(len(part.values) for part in candidates)
        if self.n_held > 2 * self.n_wanted + _SPARE:
            self._drop_weakest(pairs)

    def _drop_weakest(self, pairs: PairTiles) -> None:
        """Drop pairs that enough others exceed, and raise the bound accordingly."""
        held, n_wanted = _join(self.held), self.n_wanted
        if len(held.values) > n_wanted:
            sizes, margins = np.abs(held.values), pairs.margins(*held[:2])
            sure = np.partition(sizes - margins, -n_wanted)[-n_wanted]
            self.least = max(self.least, float(sure))
            held = held.take(sizes + margins >= self.least)
        if len(held.values) > n_wanted + _SPARE // 2:  # too alike for the margin
            held = _measured(pairs, held, self.least).strongest_first()
            held = held.take(slice(n_wanted))
        self.held, self.n_held = [held], len(held.values)

    def result(self, pairs: PairTiles) -> tuple[Edges, float]:
        """Return the edges above the largest value left out, and that value."""
        self._drop_weakest(pairs)
        edges = _measured(pairs, self.held[0], self.least).strongest_first()
        sizes = np.abs(edges.values)
        left_out = float(sizes[self.n_edges :].max(initial=0.0))
        return edges.take(sizes > left_out), left_out


class _Counts:
    """Numbers of pairs in bins of their values, and the strongest pairs."""

    least = -np.inf

    def __init__(self, reach: float, strongest: _Strongest) -> None:
        self.reach, self.strongest = reach, strongest
        self.counts = np.zeros(_BINS, dtype=np.int64)

    def look(self, pairs: PairTiles, tile: Tile) -> None:
        """Take from a tile what is wanted."""
        self.strongest.look(pairs, tile)
        # From -reach to reach the bins have the numbers 0 to _BINS.
        scale = min(_BINS / 2 / self.reach * pairs.unit, 1e30)  # a float32, too
        numbers = np.multiply(tile.values, scale)
        numbers += _BINS / 2
        if numbers.min(initial=0) < 0 or numbers.max(initial=0) >= _BINS:
            np.clip(numbers, 0, _BINS - 1, out=numbers)
        self.counts += np.bincount(_upper(tile, numbers.astype(np.intp)), None, _BINS)

    def empty(self) -> _Counts:
        """Return a collector of the same kind that has seen nothing."""
        return _Counts(self.reach, self.strongest.empty())

    def absorb(self, pairs: PairTiles, other: _Counts) -> None:
        """Take what another collector has."""
        self.counts += other.counts
        self.strongest.absorb(pairs, other.strongest)


class _AbsoluteSum:
    """The sum of |value| over the pairs, in units of the tiles."""

    least = -np.inf
    total = 0.0

    def look(self, pairs: PairTiles, tile: Tile) -> None:
        """Take from a tile what is wanted."""
        sizes = np.abs(_upper(tile, tile.values))
        self.total += float(sizes.sum(dtype=np.float64))

    def empty(self) -> _AbsoluteSum:
        """Return a collector of the same kind that has seen nothing."""
        return _AbsoluteSum()

    def absorb(self, pairs: PairTiles, other: _AbsoluteSum) -> None:
        """Take what another collector has."""
        self.total += other.total


# ---------------------------------------------------------------- tiles, and decisions
def _candidates(pairs: PairTiles, tile: Tile, least: float) -> Edges:
    """Return the pairs whose |value| may reach `least`, with that of the tile."""
    i, j = _entries_from(tile.values, least / pairs.unit - tile.margin)
    i, j = (found[tile.at + i < tile.to + j] for found in (i, j))
    values = tile.values[i, j].astype(np.float64) * pairs.unit
    rows, columns = pairs.order[tile.at + i], pairs.order[tile.to + j]
    found = Edges(np.minimum(rows, columns), np.maximum(rows, columns), values)
    return found.take(np.abs(values) + pairs.margins(*found[:2]) >= least)


def _entries_from(tile: NDArray, least: float) -> tuple[NDArray, NDArray]:
    """Return row and column of entries with |value| >= least, which few rows have."""
    if tile.max(initial=0) < least and tile.min(initial=0) > -least:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    rows = np.flatnonzero((tile.max(axis=1) >= least) | (tile.min(axis=1) <= -least))
    i, j = np.nonzero(np.abs(tile[rows]) >= least)
    return rows[i], j


def _measured(pairs: PairTiles, candidates: Edges, least: float) -> Edges:
    """Return the pairs whose value does reach `least`, with these values."""
    edges = candidates._replace(values=pairs.measure(*candidates[:2]))
    return edges.take(np.abs(edges.values) >= least)


def _upper(tile: Tile, values: NDArray) -> NDArray:
    """Return what stands for the pairs i < j of a tile, as a vector."""
    if tile.at != tile.to:
        return values.ravel()
    return values[np.triu_indices(len(values), 1)]


class _Difference:
    """The values of pairs after less those before."""

    def __init__(self, rows_before: NDArray, rows_after: NDArray) -> None:
        self.before = partial(inner_products, rows_before)
        self.after = partial(inner_products, rows_after)

    def __call__(self, sources: NDArray, targets: NDArray) -> NDArray[np.float64]:
        return self.after(sources, targets) - self.before(sources, targets)


def _pairs(rows: ArrayLike | PairTiles) -> PairTiles:
    if hasattr(rows, "tiles"):
        return rows  # type: ignore[return-value]
    return RowProducts(np.ascontiguousarray(rows, dtype=np.float64))


def _join(parts: list[Edges]) -> Edges:
    return Edges(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _too_many(
    pairs: PairTiles, threshold: float, most: float, n_jobs: int | None
) -> str:
    """Count the pairs above a threshold, and find one that keeps fewer."""
    found = census(pairs, 0, n_jobs=n_jobs)
    folded = (found.counts + found.counts[::-1])[_BINS // 2 :]
    above, bounds = folded[::-1].cumsum()[::-1], found.bounds[_BINS // 2 : -1]
    wanted = int(min(10**6, most))
    better = bounds[np.argmax(above <= wanted)]
    count = above[min(int(np.searchsorted(bounds, threshold)), len(above) - 1)]
    return (
        f"about {count:,} pairs exceed the threshold of {threshold:.6g}, more than fit "
        f"in half of the free memory. A threshold of {better:.6g} keeps about "
        f"{above[np.argmax(above <= wanted)]:,} pairs"
    )
