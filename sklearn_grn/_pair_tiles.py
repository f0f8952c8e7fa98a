"""Values of all pairs of rows, a tile at a time; the matrix of all is never built.

Tiles are products in float32, twice as quick as in float64, and only tell, with a
proven margin, which pairs may belong to a result. `measure` computes the values that
decide: in float64, each from its two rows, so that they depend neither on the tiles nor
on the order of the rows.
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config

_CACHE = 2**20  # bytes; a tile of this size is still in cache when it is looked through
_BATCH = 2**21  # bytes of rows that are gathered at a time
_EPS, _EPS32 = float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps)
_TINY, _TINY32 = float(np.finfo(np.float64).tiny), float(np.finfo(np.float32).tiny)

Measure = Callable[[NDArray, NDArray], NDArray]  # numbers of two rows -> values


class Tile(NamedTuple):
    """Values of some rows crossed with some columns, of one memory with all tiles."""

    at: int  # position of the first row, and of the first column
    to: int
    values: NDArray  # in units of `PairTiles.unit`
    margin: float  # no value is further from what `measure` says, in the same units


class Bound(Protocol):
    """Whoever looks through tiles: those with |value| < least are of no interest."""

    least: float


class PairTiles(Protocol):
    """What the search needs to know of the values of pairs."""

    order: NDArray[np.intp]  # number of the row at each position
    unit: float

    def tiles(self, panel: int, bound: Bound) -> Iterator[Tile]:
        """Yield the tiles of a panel of rows that may reach the bound."""

    def measure(self, sources: NDArray, targets: NDArray) -> NDArray[np.float64]:
        """Return the values of pairs."""

    def margins(self, sources: NDArray, targets: NDArray) -> NDArray[np.float64]:
        """Return how far the values in the tiles may be from those of `measure`."""

    def root_mean_square(self) -> float:
        """Return that of the values of all pairs i != j."""

    def screen(self) -> PairTiles:
        """Return what makes the same tiles, in few bytes; it need not measure."""


class RowsNotSentError(Exception):
    """Values in float64 are asked for where only the tiles can be made."""


def tile_side() -> int:
    """Return how many rows and columns a tile has; a panel has as many rows."""
    n_bytes = min(_CACHE, get_config()["working_memory"] * 2**20)
    return max(1, math.isqrt(int(n_bytes) // 4))


def n_panels(pairs: PairTiles) -> int:
    """Return into how many panels of rows the tiles are laid."""
    return -(-len(pairs.order) // tile_side())


class RowProducts:
    """Products l_i . r_j of rows, symmetric in i and j.

    Where `right` is given, the columns are in two halves, and the products of the norms
    of the halves, summed, bound |l_i . r_j|. Positions are sorted by the norm of the
    first half, so that tiles are skipped where no product reaches the bound.

    Parameters
    ----------
    left : ndarray of shape (n_rows, n_columns), float64
        Finite.
    right : ndarray of shape (n_rows, n_columns), float64, or None
        None stands for `left`.
    measure : callable or None
        Computes the values that decide; None stands for inner products of `left`.
    """

    def __init__(
        self,
        left: NDArray,
        right: NDArray | None = None,
        measure: Measure | None = None,
    ) -> None:
        sides = [left] if right is None else [left, right]
        norms = [_norms(side, len(sides)) for side in sides]
        self.order = np.argsort(-norms[0][:, 0], kind="stable")
        units = [_power_of_two(norm.max(initial=0.0)) for norm in norms]
        scaled = [
            _scaled(side, self.order, unit)
            for side, unit in zip(sides, units, strict=True)
        ]
        self.unit = units[0] * units[-1]
        self._left, self._right, self.rows = scaled[0], scaled[-1], left
        self._norms = norms[0], norms[-1]  # of the rows as they came
        self._measure = measure

    # Summed in any order, an inner product of k terms is off by at most k eps / 2, plus
    # terms of eps^2, times the sum of |l| |r| [Higham (2002), 3.1], and its two factors
    # were rounded to float32 before. Twice as much covers the terms in eps^2 and the
    # rounding of the norms. What underflows, in units where the longest rows have norms
    # from 1/2 to 1, is below the smallest normal number for each term.
    def _slack(self, bounds: NDArray, lengths: NDArray) -> NDArray[np.float64]:
        """Return the margin of products from bounds of their sums of |l| |r|.

        `measure` rounds too, and may subtract inner products that are as large as the
        product of the lengths of both rows.
        """
        terms = self._left.shape[1] + 4
        below = 2 * terms * _TINY32 * self.unit * (bounds > 0)  # exact for rows of 0
        return terms * (_EPS32 * bounds + 2 * _EPS * lengths) + below

    def margins(self, sources: NDArray, targets: NDArray) -> NDArray[np.float64]:
        """Return how far the values in the tiles may be from those of `measure`."""
        left, right = self._norms[0][sources], self._norms[1][targets]
        lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        # Tiles may hold l_j . r_i for l_i . r_j: each is bounded by either sum.
        turned = (self._norms[0][targets] * self._norms[1][sources]).sum(axis=1)
        bounds = np.maximum((left * right).sum(axis=1), turned)
        return self._slack(bounds, lengths)

    def measure(self, sources: NDArray, targets: NDArray) -> NDArray[np.float64]:
        """Return the values of pairs, each the same in any company."""
        if self._measure is not None:
            return self._measure(sources, targets)
        return inner_products(self.rows, sources, targets)

    def tiles(self, panel: int, bound: Bound) -> Iterator[Tile]:
        """Yield the tiles of a panel of rows that may reach the bound."""
        side = tile_side()
        starts = np.arange(0, len(self.order), side)
        left, right = (
            np.maximum.reduceat(norm[self.order], starts) for norm in self._norms
        )
        lengths = np.linalg.norm(right, axis=1) * np.linalg.norm(left[panel])
        limits = right @ left[panel]
        margins = self._slack(limits, lengths)
        at = panel * side
        rows = self._left[at : at + side]
        memory = np.empty(len(rows) * min(side, len(self.order)), dtype=np.float32)
        for k in range(panel, len(starts)):
            if limits[k] + margins[k] >= bound.least:
                columns = self._right[starts[k] : starts[k] + side]
                shape = len(rows), len(columns)
                values = memory[: math.prod(shape)].reshape(shape)
                np.matmul(rows, columns.T, out=values)
                yield Tile(at, int(starts[k]), values, margins[k] / self.unit)

    def screen(self) -> RowProducts:
        """Return what makes the same tiles, in a third of the bytes, or fewer."""
        screen = copy.copy(self)
        screen.rows, screen._measure = self.rows[:0], _not_sent
        return screen

    def __sizeof__(self) -> int:
        """Return the bytes of all arrays, by which Dask knows how full a worker is."""
        arrays = self.order, self._left, self._right, *self._norms, self.rows
        sizes = {id(array): array.nbytes for array in arrays}
        return sum(sizes.values()) + sys.getsizeof(self._measure)

    def root_mean_square(self) -> float:
        """Return that of the values of all pairs i != j, to a few digits.

        The sum of (w_i . w_j)^2 over all i and j is the squared norm of W'W.
        """
        rows = self._left
        squares = float(np.square(rows.T @ rows, dtype=np.float64).sum())
        lengths = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        squares -= float(np.square(lengths).sum())
        n_pairs = len(rows) * (len(rows) - 1)
        return self.unit * math.sqrt(max(0.0, squares) / max(1, n_pairs))


class DenseEntries:
    """Entries of a dense symmetric matrix.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_rows)
        Finite. The diagonal is not used.
    """

    def __init__(self, matrix: NDArray) -> None:
        self.order, self.unit = np.arange(len(matrix)), 1.0
        self._matrix = matrix

    def margins(self, sources: NDArray, targets: NDArray) -> NDArray[np.float64]:
        """Return 0 for each pair: the values in the tiles are those of `measure`."""
        return np.zeros(len(sources))

    def measure(self, sources: NDArray, targets: NDArray) -> NDArray[np.float64]:
        """Return the values of pairs."""
        return self._matrix[sources, targets].astype(np.float64)

    def tiles(self, panel: int, bound: Bound) -> Iterator[Tile]:
        """Yield the tiles of a panel of rows."""
        side = tile_side()
        at = panel * side
        for to in range(at, len(self._matrix), side):
            values = self._matrix[at : at + side, to : to + side]
            yield Tile(at, to, values.astype(np.float64), 0.0)

    def screen(self) -> DenseEntries:
        """Return the same: the entries are the values."""
        return self

    def __sizeof__(self) -> int:
        """Return the bytes of all arrays."""
        return self.order.nbytes + self._matrix.nbytes

    def root_mean_square(self) -> float:
        """Return that of the values of all pairs i != j."""
        squares, n_rows = 0.0, len(self._matrix)
        for number, row in enumerate(self._matrix):
            others = np.delete(row, number).astype(np.float64)
            squares += float(others @ others)
        return math.sqrt(squares / max(1, n_rows * (n_rows - 1)))


def inner_products(
    rows: NDArray, sources: NDArray, targets: NDArray
) -> NDArray[np.float64]:
    """Return the inner products of pairs of rows, each the same in any company."""
    values = np.zeros(len(sources))
    n_batch = max(1, _BATCH // (16 * max(1, rows.shape[1])))
    for start in range(0, len(sources), n_batch):
        batch = slice(start, start + n_batch)
        left, right = rows[sources[batch]], rows[targets[batch]]
        for at in range(0, rows.shape[1], 4096):  # einsum sums longer rows in pieces
            part = np.s_[:, at : at + 4096]
            values[batch] += np.einsum("ij,ij->i", left[part], right[part])
    return values


def _not_sent(sources: NDArray, targets: NDArray) -> NDArray[np.float64]:
    raise RowsNotSentError


def _scaled(rows: NDArray, order: NDArray, unit: float) -> NDArray[np.float32]:
    """Return rows in another order and unit, in float32, a batch at a time."""
    scaled = np.empty(rows.shape, dtype=np.float32)
    n_batch = max(1, _BATCH // (8 * max(1, rows.shape[1])))
    for start in range(0, len(rows), n_batch):
        batch = slice(start, start + n_batch)
        # Divided in float64: a row may be beyond the range of float32.
        scaled[batch] = rows[order[batch]] / unit
    return scaled


def _norms(rows: NDArray, n_blocks: int) -> NDArray[np.float64]:
    """Return the norm of each block of each row, or slightly more; 0 for 0 alone."""
    blocks = rows.reshape(len(rows), n_blocks, rows.shape[1] // n_blocks)
    # What squares may lose to underflow is added: no small row passes for a row of 0.
    squares = np.einsum("ijk,ijk->ij", blocks, blocks)
    return np.sqrt(squares + 2 * rows.shape[1] * _TINY) * blocks.any(axis=2)


def _power_of_two(size: float) -> float:
    """Return the power of two that brings a size to between 1/2 and 1."""
    exponent = math.frexp(size)[1] if size > 0 else 0
    return math.ldexp(1.0, max(-400, exponent))  # the product of two must not underflow
