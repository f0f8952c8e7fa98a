"""Exact search over the values of pairs; the matrix of all is never built.

Tiles (`_pair_tiles.py`) are looked through one at a time (`_pair_collectors.py`). What
they hold is screened with a margin, and the values that decide are computed again in
float64. Hence results depend neither on the tiles, nor on the number of workers, nor on
the order of rows.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_grn._array_interface import _free_memory
from sklearn_grn._pair_collectors import (
    N_BINS,
    AbsoluteSum,
    AllAbove,
    Counts,
    Strongest,
    TooManyError,
    join,
    searched,
)
from sklearn_grn._pair_collectors import Edges as Edges  # what the search returns
from sklearn_grn._pair_tiles import PairTiles, RowProducts, inner_products

_EDGE_BYTES = 3 * 24  # two numbers and a value, held, joined and sorted
_EXACT_PAIRS = 2**16  # a census of so few pairs holds the value of each

# A bin of the histogram is a 4096th of the root mean square of all values, and the
# outermost bins hold what is beyond 8 of them, where the strongest pairs are.
_REACH = 8.0


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
        found = searched(pairs, AllAbove(above, most), n_jobs)
    except TooManyError:
        raise ValueError(_too_many(pairs, threshold, most, n_jobs)) from None
    return join(found.held).strongest_first()


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
    return searched(pairs, Strongest(n_edges), n_jobs).result(pairs)


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
    strongest = Strongest(n_pairs if n_pairs <= _EXACT_PAIRS else n_tail)
    reach = _REACH * pairs.root_mean_square() or 1.0
    found = searched(pairs, Counts(reach, strongest), n_jobs)
    bounds = np.linspace(-reach, reach, N_BINS + 1)
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
    sums = searched(pairs, AbsoluteSum(), n_jobs).sums
    total = math.fsum(sums)  # the same in any order of the tiles
    return pairs.unit * total / max(1, math.comb(len(pairs.order), 2))


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


def _too_many(
    pairs: PairTiles, threshold: float, most: float, n_jobs: int | None
) -> str:
    """Count the pairs above a threshold, and find one that keeps fewer."""
    found = census(pairs, 0, n_jobs=n_jobs)
    folded = (found.counts + found.counts[::-1])[N_BINS // 2 :]
    above, bounds = folded[::-1].cumsum()[::-1], found.bounds[N_BINS // 2 : -1]
    wanted = int(min(10**6, most))
    count = above[min(int(np.searchsorted(bounds, threshold)), len(above) - 1)]
    refused = (
        f"about {count:,} pairs exceed the threshold of {threshold:.6g}, more than fit "
        "in half of the free memory. "
    )
    if above[-1] > wanted:  # they all lie in the outermost bin
        return refused + "Ask for a number of edges instead, with max_edges"
    at = np.argmax(above <= wanted)
    return refused + f"A threshold of {bounds[at]:.6g} keeps about {above[at]:,} pairs"
