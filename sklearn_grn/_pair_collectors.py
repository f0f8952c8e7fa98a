"""Who looks through the tiles of all pairs, and what each of them collects.

A collector looks at one tile after another. Panels of rows are the tasks of workers,
each with a collector of its own, which the first one absorbs.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed

from sklearn_grn._pair_tiles import PairTiles, RowsNotSentError, Tile, n_panels

_SPARE = 2**14  # pairs held beyond twice those wanted before the weakest are dropped
_ABOVE_ZERO = float(np.nextafter(0.0, 1.0))
N_BINS = 2**16


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


# ------------------------------------------------------------- panels and their workers
class Collector(Protocol):
    """Looks through tiles, panel after panel; another one may have looked at others."""

    least: float  # pairs below it are of no interest
    measures: bool  # each tile asks for values in float64, and so for the rows

    def look(self, pairs: PairTiles, tile: Tile) -> None:
        """Take from a tile what is wanted."""

    def empty(self) -> Any:
        """Return a collector of the same kind that has seen nothing."""

    def absorb(self, pairs: PairTiles, other: Any) -> None:
        """Take what another collector has."""


_Kind = TypeVar("_Kind", bound=Collector)


def searched(pairs: PairTiles, collector: _Kind, n_jobs: int | None) -> _Kind:
    """Look through all panels. The first tells the workers from where on to look."""
    panels = range(n_panels(pairs))
    if len(panels) < 2 or effective_n_jobs(n_jobs) == 1:
        for panel in panels:
            _look_through(collector, pairs, panel)
        return collector
    with ThreadPoolExecutor(1) as pool:  # the first panel takes as long as sending
        sending = _send(pairs if collector.measures else pairs.screen(), pool)
        _look_through(collector, pairs, 0)
    at_workers = pairs if sending is None else sending.result()
    search = delayed(_screen_through)
    tasks = (search(collector.empty(), at_workers, panel) for panel in panels[1:])
    for panel, other in zip(panels[1:], Parallel(n_jobs=n_jobs)(tasks), strict=True):
        if other is None:
            _look_through(collector, pairs, panel)
        else:
            collector.absorb(pairs, other)
    return collector


# joblib's Dask backend scatters a large argument to one worker, from which tasks are
# stolen, or not. Here each worker gets it before the first task, and handed on from one
# to the next. Threads share memory, and loky maps arrays from one file.
def _send(pairs: PairTiles, pool: ThreadPoolExecutor) -> Future | None:
    """Start to send what tiles are made of to all workers of a Dask cluster, if any."""
    client = getattr(get_active_backend()[0], "client", None)
    if client is None:
        return None
    return pool.submit(client.scatter, pairs, broadcast=True, hash=False)


def _look_through(collector: _Kind, pairs: PairTiles, panel: int) -> _Kind:
    for tile in pairs.tiles(panel, collector):
        collector.look(pairs, tile)
    return collector


def _screen_through(collector: _Kind, pairs: PairTiles, panel: int) -> _Kind | None:
    """Return None where pairs are too alike to be told apart without the rows."""
    try:
        return _look_through(collector, pairs, panel)
    except RowsNotSentError:
        return None


class AllAbove:
    """All pairs from a bound up, as long as they fit in memory."""

    measures = True

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most
        self.held, self.n_held = [Edges()], 0

    def look(self, pairs: PairTiles, tile: Tile) -> None:
        """Take from a tile what is wanted."""
        self._hold(_measured(pairs, _candidates(pairs, tile, self.least), self.least))

    def empty(self) -> AllAbove:
        """Return a collector of the same kind that has seen nothing."""
        return AllAbove(self.least, self.most)

    def absorb(self, pairs: PairTiles, other: AllAbove) -> None:
        """Take what another collector has."""
        self._hold(*other.held)

    def _hold(self, *edges: Edges) -> None:
        self.held += edges
        self.n_held += sum(len(part.values) for part in edges)
        if self.n_held > self.most:
            raise TooManyError


class TooManyError(Exception):
    """More pairs exceed the threshold than fit in memory."""


class Strongest:
    """The strongest pairs; the bound rises while they are collected."""

    measures = False

    def __init__(self, n_edges: int, least: float = _ABOVE_ZERO) -> None:
        self.n_edges, self.n_wanted, self.least = n_edges, n_edges + 1, least
        self.held, self.n_held = [Edges()], 0

    def look(self, pairs: PairTiles, tile: Tile) -> None:
        """Take from a tile what is wanted."""
        if self.n_held == 0 and tile.values.size > 4 * self.n_wanted:
            self._raise_bound(pairs, tile)
        self._hold(pairs, _candidates(pairs, tile, self.least))

    def empty(self) -> Strongest:
        """Return a collector of the same kind that has seen nothing."""
        return Strongest(self.n_edges, self.least)

    def absorb(self, pairs: PairTiles, other: Strongest) -> None:
        """Take what another collector has."""
        self.least = max(self.least, other.least)
        self._hold(pairs, *other.held)

    def _raise_bound(self, pairs: PairTiles, tile: Tile) -> None:
        """Start from what a tile alone holds, for the first one is full of pairs."""
        sizes, number = np.abs(_upper(tile, tile.values)), self.n_wanted
        if len(sizes) >= number:
            sure = float(np.partition(sizes, -number)[-number]) - tile.margin
            self.least = max(self.least, sure * pairs.unit)

    def _hold(self, pairs: PairTiles, *candidates: Edges) -> None:
        self.held += candidates
        self.n_held += sum(len(part.values) for part in candidates)
        if self.n_held > 2 * self.n_wanted + _SPARE:
            self._drop_weakest(pairs)

    def _drop_weakest(self, pairs: PairTiles) -> None:
        """Drop pairs that enough others exceed, and raise the bound accordingly."""
        held, n_wanted = join(self.held), self.n_wanted
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


class Counts:
    """Numbers of pairs in bins of their values, and the strongest pairs."""

    least, measures = -np.inf, False

    def __init__(self, reach: float, strongest: Strongest) -> None:
        self.reach, self.strongest = reach, strongest
        self.counts = np.zeros(N_BINS, dtype=np.int64)

    def look(self, pairs: PairTiles, tile: Tile) -> None:
        """Take from a tile what is wanted."""
        self.strongest.look(pairs, tile)
        # From -reach to reach the bins have the numbers 0 to N_BINS.
        scale = min(N_BINS / 2 / self.reach * pairs.unit, 1e30)  # a float32, too
        numbers = np.multiply(tile.values, scale)
        numbers += N_BINS / 2
        if numbers.min(initial=0) < 0 or numbers.max(initial=0) >= N_BINS:
            np.clip(numbers, 0, N_BINS - 1, out=numbers)
        numbers = _upper(tile, numbers.astype(np.intp))
        self.counts = self.counts + np.bincount(numbers, None, N_BINS)

    def empty(self) -> Counts:
        """Return a collector of the same kind that has seen nothing."""
        other = Counts(self.reach, self.strongest.empty())
        other.counts = other.counts[:1]  # a single 0 is sent with a task
        return other

    def absorb(self, pairs: PairTiles, other: Counts) -> None:
        """Take what another collector has."""
        self.counts += other.counts
        self.strongest.absorb(pairs, other.strongest)


class AbsoluteSum:
    """The sums of |value| over the pairs of each tile, in units of the tiles."""

    least, measures = -np.inf, False

    def __init__(self) -> None:
        self.sums: list[float] = []

    def look(self, pairs: PairTiles, tile: Tile) -> None:
        """Take from a tile what is wanted."""
        sizes = np.abs(_upper(tile, tile.values))
        self.sums.append(float(sizes.sum(dtype=np.float64)))

    def empty(self) -> AbsoluteSum:
        """Return a collector of the same kind that has seen nothing."""
        return AbsoluteSum()

    def absorb(self, pairs: PairTiles, other: AbsoluteSum) -> None:
        """Take what another collector has."""
        self.sums += other.sums


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


def join(parts: list[Edges]) -> Edges:
    """Return the pairs of all parts, one part after the other."""
    return Edges(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
