"""Exact search over the inner products of rows; the matrix of all is never built.

Products are computed a tile at a time and looked through at once. Rows are sorted by
norm, so that tiles are skipped where |w_i . w_j| <= ||w_i|| ||w_j|| is too small.

Matrix products round in an order of their own: tiles only tell, with a margin, which
pairs may belong to the result. Values are computed again in float64, each from its two
rows, and decide. Hence results depend neither on the tiles nor on the order of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config

from sklearn_grn._array_interface import _free_memory

_CACHE = 2**21  # bytes; a tile of this size is still in cache when it is looked through
_SPARE = 2**14  # pairs held beyond twice those wanted before the weakest are dropped
_EDGE_BYTES = 3 * 24  # two numbers and a value, held, joined and sorted
_FLOAT = np.finfo(np.float64)
_ABOVE_ZERO = float(np.nextafter(0.0, 1.0))
Measure = Callable[..., NDArray]  # numbers of two rows -> the value that counts


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
        return self.take(np.lexsort((self.targets, self.sources, -np.abs(self.values))))


# ------------------------------------------------------------------ what is asked of it
def edges_above(rows: ArrayLike, threshold: float) -> Edges:
    """Return all pairs i < j with |w_i . w_j| > threshold.

    Parameters
    ----------
    rows : array-like of shape (n_rows, n_columns)
        W, finite. Values are computed in float64, also for float32 rows.
    threshold : float

    Returns
    -------
    sources, targets, values : ndarray of shape (n_edges,)
        i, j and w_i . w_j, strongest first, equal ones in the order of (i, j).

    Raises
    ------
    ValueError
        If the pairs take more than half of the free memory.
    """
    W = np.ascontiguousarray(rows, dtype=np.float64)
    tiles = _Tiles(W, W, partial(_inner, W), np.nextafter(float(threshold), np.inf))
    held, n_held, most = [Edges()], 0, _free_memory() / 2 / _EDGE_BYTES
    for found in tiles.candidates():
        held.append(tiles.measured(found))
        n_held += len(held[-1].values)
        if n_held > most:
            raise ValueError(_too_many(_join(held), tiles, most))
    return _join(held).strongest_first()


def strongest_edges(rows: ArrayLike, n_edges: int) -> tuple[Edges, float]:
    """Return the pairs i < j with the largest |w_i . w_j|.

    Parameters
    ----------
    rows : array-like of shape (n_rows, n_columns)
        W, finite. Values are computed in float64, also for float32 rows.
    n_edges : int
        How many; all where there are fewer. Pairs of value 0 count. Where pairs tie at
        the cut, those first in the order of (i, j) are kept.

    Returns
    -------
    edges : tuple of (sources, targets, values)
        As from `edges_above`.
    left_out : float
        The largest |w_i . w_j| of all other pairs, 0 where there is none.
    """
    W = np.ascontiguousarray(rows, dtype=np.float64)
    edges = _strongest(_Tiles(W, W, partial(_inner, W), _ABOVE_ZERO), n_edges + 1)
    left_out = np.abs(edges.values[n_edges:]).max(initial=0.0)
    return edges.take(slice(n_edges)), float(left_out)


def strongest_changes(
    rows_before: ArrayLike, rows_after: ArrayLike, n_edges: int
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
        How many pairs; all where there are fewer.

    Returns
    -------
    sources, targets, before, after : ndarray of shape (n_edges,)
        i, j, b_i . b_j and a_i . a_j by decreasing |after - before|, then (i, j).
    """
    B, A = (np.ascontiguousarray(W, np.float64) for W in (rows_before, rows_after))
    before, after = partial(_inner, B), partial(_inner, A)
    width = max(A.shape[1], B.shape[1])
    B, A = (np.pad(rows, ((0, 0), (0, width - rows.shape[1]))) for rows in (B, A))
    left, right = np.hstack([A - B, A + B]), np.hstack([A + B, A - B]) / 2
    tiles = _Tiles(left, right, lambda i, j: after(i, j) - before(i, j), _ABOVE_ZERO)
    pairs = _strongest(tiles, n_edges + 1).take(slice(n_edges))[:2]
    return *pairs, before(*pairs), after(*pairs)


def mean_absolute(rows: ArrayLike) -> float:
    """Return the mean of |w_i . w_j| over all pairs i < j, 0 where there is none.

    Parameters
    ----------
    rows : array-like of shape (n_rows, n_columns)
        W, finite.

    Returns
    -------
    float
    """
    W, total = np.ascontiguousarray(rows, dtype=np.float64), 0.0
    for at, to, tile, _ in _Tiles(W, W, partial(_inner, W), -np.inf).products():
        np.abs(tile, out=tile)
        total += float((np.triu(tile, 1) if at == to else tile).sum())
    return total / max(1, math.comb(len(W), 2))


# -------------------------------------------------------------------------- its tiles
class _Tiles:
    """Products l_i . r_j of rows, but for tiles in which all are below `least`.

    Where `right` is not `left`, the columns are in two halves. The products of norms,
    summed over the halves, bound |l_i . r_j|. Rows are sorted by the norm of the first
    half, and `least` may rise while tiles are visited.
    """

    def __init__(
        self, left: NDArray, right: NDArray, measure: Measure, least: float
    ) -> None:
        norms = [_norms(rows, 1 if right is left else 2) for rows in (left, right)]
        self.order = np.argsort(-norms[0][:, 0], kind="stable")
        self.left = left[self.order]
        self.right = self.left if right is left else right[self.order]
        self.norms = [norm[self.order] for norm in norms]
        # Summed in any order, an inner product of k terms is off by at most k eps / 2
        # times the norms [Higham (2002), 3.1], so two of one pair differ by k eps times
        # them. Twice as much covers the rounding of the norms and of `left`, `right`.
        slack = 2 * (left.shape[1] + 4) * _FLOAT.eps
        lengths = [np.linalg.norm(norm, axis=1) for norm in norms]
        self.margin = np.sqrt(slack * lengths[0] * lengths[1])  # of a pair, the product
        self.measure, self.least, self.n_seen = measure, float(least), 0

    def candidates(self) -> Iterator[Edges]:
        """Yield the pairs whose |value| may reach `least`, with that of the tile."""
        for at, to, tile, margin in self.products():
            i, j, sizes = _entries_from(tile, self.least - margin)
            rows, columns = self.order[at + i], self.order[to + j]
            found = Edges(np.minimum(rows, columns), np.maximum(rows, columns), sizes)
            near = sizes + self.margins(found) >= self.least
            yield found.take(near & (at + i < to + j))

    def measured(self, pairs: Edges) -> Edges:
        """Return the pairs whose value does reach `least`, with these values."""
        edges = pairs._replace(values=self.measure(pairs.sources, pairs.targets))
        return edges.take(np.abs(edges.values) >= self.least)

    def margins(self, pairs: Edges) -> NDArray[np.float64]:
        """Return what rounding may add to the value of each pair, or take from it."""
        return self.margin[pairs.sources] * self.margin[pairs.targets]

    def products(self) -> Iterator[tuple[int, int, NDArray, float]]:
        """Yield first row, first column, tile and margin; tiles share their memory."""
        n_bytes = min(_CACHE, get_config()["working_memory"] * 2**20)
        side = max(1, math.isqrt(int(n_bytes) // 8))
        starts = range(0, len(self.left), side)
        memory = np.empty(min(side, len(self.left)) ** 2)
        left, right = (np.maximum.reduceat(norm, starts) for norm in self.norms)
        margin = np.maximum.reduceat(self.margin[self.order], starts)
        for k, at in enumerate(starts):
            limits, margins = right @ left[k], margin * margin[k]
            rows = self.left[at : at + side]
            for to in starts[k:]:
                columns = self.right[to : to + side]
                shape = len(rows), len(columns)
                self.n_seen += math.comb(len(rows), 2) if at == to else math.prod(shape)
                if limits[to // side] + margins[to // side] >= self.least:
                    tile = memory[: math.prod(shape)].reshape(shape)
                    np.matmul(rows, columns.T, out=tile)
                    yield at, to, tile, margins[to // side]


def _norms(rows: NDArray, n_blocks: int) -> NDArray[np.float64]:
    """Return the norm of each block of each row, or slightly more; 0 for 0 alone."""
    blocks = rows.reshape(len(rows), n_blocks, rows.shape[1] // n_blocks)
    # What squares may lose to underflow is added: no small row passes for a row of 0.
    squares = np.einsum("ijk,ijk->ij", blocks, blocks)
    return np.sqrt(squares + 2 * rows.shape[1] * _FLOAT.tiny) * blocks.any(axis=2)


def _entries_from(tile: NDArray, least: float) -> tuple[NDArray, NDArray, NDArray]:
    """Return row, column and size of entries from `least` up, which few rows have."""
    rows = np.flatnonzero((tile.max(axis=1) >= least) | (tile.min(axis=1) <= -least))
    sizes = np.abs(tile[rows]).ravel()
    found = np.flatnonzero(sizes >= least)
    i, j = np.divmod(found, tile.shape[1])
    return rows[i], j, sizes[found]


# ---------------------------------------------------------------------- its decisions
def _inner(rows: NDArray, sources: NDArray, targets: NDArray) -> NDArray[np.float64]:
    """Return the inner products of pairs of rows, each the same in any company."""
    values = np.zeros(len(sources))
    n_batch = max(1, _CACHE // (16 * max(1, rows.shape[1])))
    for start in range(0, len(sources), n_batch):
        batch = slice(start, start + n_batch)
        left, right = rows[sources[batch]], rows[targets[batch]]
        for at in range(0, rows.shape[1], 4096):  # einsum sums longer rows in pieces
            part = np.s_[:, at : at + 4096]
            values[batch] += np.einsum("ij,ij->i", left[part], right[part])
    return values


def _strongest(tiles: _Tiles, n_wanted: int) -> Edges:
    """Return the first `n_wanted` pairs by decreasing |value|, then (i, j)."""
    held, n_held = [Edges()], 0
    for found in tiles.candidates():
        held.append(found)
        n_held += len(found.values)
        if n_held > 2 * n_wanted + _SPARE:
            held = [_leaders(_join(held), tiles, n_wanted)]
            n_held = len(held[0].values)
    edges = tiles.measured(_leaders(_join(held), tiles, n_wanted)).strongest_first()
    return _filled(edges, len(tiles.order), n_wanted).take(slice(n_wanted))


def _leaders(held: Edges, tiles: _Tiles, n_wanted: int) -> Edges:
    """Drop pairs that `n_wanted` others exceed, and raise `least` accordingly."""
    if len(held.values) <= n_wanted:
        return held
    sizes, margins = np.abs(held.values), tiles.margins(held)
    tiles.least = max(tiles.least, np.partition(sizes - margins, -n_wanted)[-n_wanted])
    held = held.take(sizes + margins >= tiles.least)
    if len(held.values) > n_wanted + _SPARE // 2:  # too alike for the margin
        held = tiles.measured(held).strongest_first().take(slice(n_wanted))
    return held


def _filled(edges: Edges, n_rows: int, n_wanted: int) -> Edges:
    """Append pairs of value 0, which the search leaves out, up to `n_wanted`."""
    if len(edges.values) >= n_wanted:
        return edges
    present = set(zip(*(numbers.tolist() for numbers in edges[:2]), strict=True))
    others = (pair for pair in combinations(range(n_rows), 2) if pair not in present)
    first = [*islice(others, n_wanted - len(present))]
    sources, targets = np.array(first, dtype=np.intp).reshape(-1, 2).T
    return _join([edges, Edges(sources, targets, np.zeros(len(first)))])


def _join(parts: list[Edges]) -> Edges:
    return Edges(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _too_many(held: Edges, tiles: _Tiles, most: float) -> str:
    share = tiles.n_seen / math.comb(len(tiles.order), 2)
    wanted = int(min(10**6, most))
    rank = max(1, int(wanted * share))
    better = np.partition(np.abs(held.values), -rank)[-rank]
    return (
        f"{len(held.values):,} pairs exceed the threshold in the first {share:.1%} of "
        "the search, and more do not fit in half of the free memory. From these, a "
        f"threshold of {better:.6g} is estimated to keep {wanted:,} pairs"
    )
