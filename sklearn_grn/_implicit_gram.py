"""The product of an implicit table with itself, a panel of columns at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.utils import gen_batches
from sklearn.utils.parallel import Parallel, delayed

from sklearn_grn._implicit_samples import (
    ImplicitSamples,
    SparseSamples,
    some_lines,
)

# How many dense multiplications take as long as one of two sparse matrices, for data of
# four bytes. Measured with SciPy 1.17 and OpenBLAS on one core, tables of 1 to 20 %.
_DENSE_SPEED = 200

_TILE = (
    1024  # lines; the sparse product is fastest while a row of it stays in the cache
)


class Panel(NamedTuple):
    """Columns of a symmetric matrix, from the diagonal downwards.

    Attributes
    ----------
    start : int
        Number of the first column, and of the first row.
    values : ndarray of shape (size - start, n_columns), float64
    """

    start: int
    values: NDArray


class _Lines(NamedTuple):
    """G = diag(a) (L diag(w) L' + U V') diag(a), with L sparse."""

    lines: sparse.csr_array  # L
    weight: NDArray | None  # w
    left: NDArray  # U
    right: NDArray  # V
    scale: NDArray  # a


def gram_panels(
    samples: ImplicitSamples, factor: NDArray, of_genes: bool, dtype: np.dtype
) -> Iterator[Panel]:
    """Yield D'D, or DD', of which only a panel is held at a time.

    Sparse samples are multiplied as they are, or made dense a batch at a time, whatever
    needs less time by the number of multiplications.

    Parameters
    ----------
    samples : ImplicitSamples
        C.
    factor : ndarray of shape (n_features,)
        D = C diag(factor).
    of_genes : bool
        Whether D'D is asked for.
    dtype : dtype
        Of dense products in D'D; their sums over batches are float64.

    Yields
    ------
    Panel
    """
    if isinstance(samples, SparseSamples) and _sparse_is_faster(
        samples, of_genes, dtype
    ):
        lines = _lines_of_genes if of_genes else _lines_of_samples
        return _sparse_panels(lines(samples, factor))
    if of_genes:
        return _gene_panels(samples, factor, dtype)
    return _sample_panels(samples, factor)


def squared_norm(panels: Iterator[Panel], diagonal: NDArray) -> float:
    """Return the squared Frobenius norm of a symmetric matrix.

    Parameters
    ----------
    panels : iterator of Panel
        Their diagonals are overwritten.
    diagonal : ndarray of shape (size,)
        The diagonal, which rounding in float32 would bias.

    Returns
    -------
    float
    """
    total = 0.0
    for start, values in panels:
        n_columns = values.shape[1]
        np.fill_diagonal(values, diagonal[start : start + n_columns])
        upper, below = np.vsplit(values, [n_columns])
        total += _squared(upper) + 2.0 * _squared(below)
    return total


def assemble(panels: Iterator[Panel], size: int) -> NDArray:
    """Return a symmetric matrix as one array."""
    matrix = np.empty((size, size))
    for start, values in panels:
        n_columns = values.shape[1]
        columns, below = slice(start, start + n_columns), slice(start + n_columns, None)
        lower = np.tril(values[:n_columns])
        matrix[columns, columns] = lower + np.tril(lower, -1).T
        matrix[below, columns] = values[n_columns:]
        matrix[columns, below] = values[n_columns:].T
    return matrix


# --------------------------------------------------------------------- sparse products
def _sparse_is_faster(samples: SparseSamples, of_genes: bool, dtype: np.dtype) -> bool:
    """Compare the numbers of multiplications."""
    n_samples, n_features = samples.shape
    stored = np.diff(samples.rows.indptr) if of_genes else samples.stored_by_gene
    size, length = (n_features, n_samples) if of_genes else (n_samples, n_features)
    dense_speed = _DENSE_SPEED * 4 / dtype.itemsize
    return dense_speed * np.square(stored, dtype=np.float64).sum() < size**2 * length


def _lines_of_genes(samples: SparseSamples, factor: NDArray) -> _Lines:
    """F (S'S - m s' + (n m - s) m') F, with s = S'1."""
    lines, means = samples.by_gene, samples.offset
    sums = lines @ np.ones(samples.shape[0])
    left = np.array([-means, samples.shape[0] * means - sums]).T
    return _Lines(lines, None, left, np.array([sums, means]).T, factor)


def _lines_of_samples(samples: SparseSamples, factor: NDArray) -> _Lines:
    """S F^2 S' - b 1' - 1 b' + m'F^2 m, with b = S F^2 m."""
    weight, ones = factor**2, np.ones(samples.shape[0])
    shared = samples.rows @ (weight * samples.offset)
    constant = weight @ samples.offset**2
    left, right = np.array([-shared, ones]).T, np.array([ones, constant - shared]).T
    return _Lines(samples.rows, weight, left, right, ones)


def _sparse_panels(product: _Lines) -> Iterator[Panel]:
    size = product.lines.shape[0]
    n_columns = min(_TILE, _columns_in_memory(size))
    for columns in gen_batches(size, n_columns):
        right = some_lines(product.lines, columns).T.tocsr().astype(np.float64)
        if product.weight is not None:
            right.data *= np.repeat(product.weight, np.diff(right.indptr))
        tiles = (
            delayed(_tile)(
                product, slice(start, min(start + _TILE, size)), columns, right
            )
            for start in range(columns.start, size, _TILE)
        )
        yield Panel(columns.start, np.vstack(Parallel(backend="threading")(tiles)))


def _tile(
    product: _Lines, rows: slice, columns: slice, right: sparse.csr_array
) -> NDArray:
    tile = (some_lines(product.lines, rows) @ right).toarray()
    tile += product.left[rows] @ product.right[columns].T
    tile *= product.scale[rows, None]
    tile *= product.scale[columns]
    return tile


# ---------------------------------------------------------------------- dense products
def _gene_panels(
    samples: ImplicitSamples, factor: NDArray, dtype: np.dtype
) -> Iterator[Panel]:
    n_features = samples.shape[1]
    for columns in gen_batches(n_features, _columns_in_memory(n_features)):
        panel = np.zeros((n_features - columns.start, columns.stop - columns.start))
        for _, batch in samples.parts:
            dense = batch.scaled(factor, dtype)
            panel += dense[:, columns.start :].T @ dense[:, columns]
        yield Panel(columns.start, panel)


def _sample_panels(samples: ImplicitSamples, factor: NDArray) -> Iterator[Panel]:
    float64, parts = np.dtype(np.float64), samples.parts
    for number, (columns, batch) in enumerate(parts):
        right = batch.scaled(factor, float64).T
        below = [part.scaled(factor, float64) @ right for _, part in parts[number:]]
        yield Panel(columns.start, np.vstack(below))


def _columns_in_memory(size: int) -> int:
    """Return how many columns of a panel, and what is added to it, fit in memory."""
    room = get_config()["working_memory"] * 2**20 // 4
    return max(1, min(size, int(room // (16 * size))))


def _squared(values: NDArray) -> float:
    return float(np.vdot(values, values))
