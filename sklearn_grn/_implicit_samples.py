"""Samples that are never copied dense: how they are held, and sums over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.utils import gen_batches
from sklearn.utils.parallel import Parallel, delayed

from sklearn_grn._implicit_batches import Batch, FileBatch, SparseBatch

# Stored values in a sparse batch: few enough for the second product of C'(C b) to find
# them in the cache, and enough to drown the overhead of a call.
_STORED = 2**19

_GROUPS = 16  # of batches; threads share them, and sums have one order however many

Part: TypeAlias = tuple[slice, Batch]  # which samples, and these
Given: TypeAlias = Any  # a sparse array or matrix, or an ndarray


class ImplicitSamples(Protocol):
    """A centred table C that comes in parts."""

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of samples and genes."""

    @property
    def parts(self) -> list[Part]:
        """All samples, in their order."""

    def less(self, location: NDArray) -> ImplicitSamples:
        """Return the samples with a mean subtracted."""

    def divided(self, unit: float) -> ImplicitSamples:
        """Return the samples divided by a power of two."""


@dataclass(frozen=True, eq=False)
class SparseSamples:
    """C = S - 1 m', with S sparse.

    A gene that is stored for every sample is centred in S itself, and m is 0 there: its
    mean may be large beside its deviations. That of any other gene is at most
    n_samples^1/2 standard deviations, since it has a zero, and can be subtracted from
    sums in float64.

    Attributes
    ----------
    rows : csr_array of shape (n_samples, n_features), float64
        S.
    offset : ndarray of shape (n_features,)
        m.
    genes : csr_array of shape (n_features, n_samples) or None
        S transposed, if it came in this order.
    """

    rows: sparse.csr_array
    offset: NDArray
    genes: sparse.csr_array | None

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of samples and genes."""
        return self.rows.shape

    @cached_property
    def parts(self) -> list[Part]:
        """All samples, in their order."""
        stored = self.rows.nnz // self.shape[0] + 1
        n_rows = min(_STORED // stored + 1, rows_in_memory(self.shape[1]))
        return [
            (rows, SparseBatch(some_lines(self.rows, rows), self.offset))
            for rows in gen_batches(self.shape[0], n_rows)
        ]

    @cached_property
    def stored_by_gene(self) -> NDArray:
        """How many values of each gene are stored."""
        some = gen_batches(max(self.rows.nnz, 1), _STORED)
        parts = (self.rows.indices[batch] for batch in some)
        return reduce(np.add, (np.bincount(p, minlength=self.shape[1]) for p in parts))

    @property
    def by_gene(self) -> sparse.csr_array:
        """S transposed, with the values of a gene beside each other."""
        return self.rows.tocsc().T if self.genes is None else self.genes

    def less(self, location: NDArray) -> SparseSamples:
        """Return the samples with a mean subtracted."""
        full = self.stored_by_gene == self.shape[0]
        offset = np.where(full, 0.0, location)
        if not (full & (location != 0.0)).any():
            return replace(self, offset=offset)
        shift = np.where(full, location, 0.0)
        values = self.rows.data.copy()
        for some in gen_batches(len(values), _STORED):
            values[some] -= shift[self.rows.indices[some]]
        return SparseSamples(with_values(self.rows, values), offset, None)

    def divided(self, unit: float) -> SparseSamples:
        """Return the samples divided by a power of two."""
        rows = with_values(self.rows, self.rows.data / unit)
        return SparseSamples(rows, self.offset / unit, None)


@dataclass(frozen=True, eq=False)
class FileSamples:
    """C = (X - 1 m') / unit, with X in a file.

    Attributes
    ----------
    rows : ndarray of shape (n_samples, n_features)
        X.
    offset : ndarray of shape (n_features,)
        m.
    unit : float, default=1.0
    """

    rows: NDArray
    offset: NDArray
    unit: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of samples and genes."""
        return self.rows.shape[0], self.rows.shape[1]

    @property
    def parts(self) -> list[Part]:
        """All samples, in their order."""
        return [
            (rows, FileBatch(self.rows[rows], self.offset, self.unit))
            for rows in gen_batches(self.shape[0], rows_in_memory(self.shape[1]))
        ]

    def less(self, location: NDArray) -> FileSamples:
        """Return the samples with a mean subtracted."""
        return replace(self, offset=location)

    def divided(self, unit: float) -> FileSamples:
        """Return the samples divided by a power of two."""
        return replace(self, unit=unit)


def hold(X: Given) -> SparseSamples | FileSamples:
    """Return samples that share the memory, or the file, of a table.

    Parameters
    ----------
    X : csr or csc matrix or array, or ndarray, of shape (n_samples, n_features)
        float32 or float64. Sparse samples need float64 values and an order by samples:
        what X does not have of these is copied.

    Returns
    -------
    SparseSamples or FileSamples
        Not centred.
    """
    offset = np.zeros(X.shape[1])
    if not sparse.issparse(X):
        return FileSamples(X, offset)
    rows = sparse.csr_array(X)
    genes = sparse.csr_array(X.T) if X.format == "csc" else None
    if not rows.has_canonical_format:
        rows, genes = rows.copy(), None
        rows.sum_duplicates()
    rows = with_values(rows, rows.data.astype(np.float64, copy=False))
    return SparseSamples(rows, offset, genes)


# ------------------------------------------------------------------ sums over samples
def means(samples: ImplicitSamples) -> NDArray:
    """Return the mean of each gene, float64."""
    ones = np.ones(samples.shape[0])
    return transposed_product(samples, ones) / len(ones)


def moments(samples: ImplicitSamples, power: int) -> NDArray:
    """Return the sum over samples of c^power, 2 to 4, for each gene, float64."""
    return _summed(samples, lambda _, batch: batch.moments(power))


def transposed_product(samples: ImplicitSamples, left: NDArray) -> NDArray:
    """Return C'A, float64."""
    return _summed(samples, lambda rows, batch: batch.transposed_times(left[rows]))


def gram_product(samples: ImplicitSamples, right: NDArray) -> NDArray:
    """Return C'(C b), float64."""
    return _summed(samples, lambda _, batch: batch.gram_times(right))


def squared_lengths(samples: ImplicitSamples, weight: NDArray) -> NDArray:
    """Return the sum over genes of w c^2 for each sample, float64."""
    return np.concatenate([batch.squared_lengths(weight) for _, batch in samples.parts])


def largest(samples: ImplicitSamples) -> float:
    """Return the largest absolute value."""
    return max(batch.largest() for _, batch in samples.parts)


def _summed(
    samples: ImplicitSamples, function: Callable[[slice, Batch], NDArray]
) -> NDArray:
    """Return the sum of a function over all parts.

    Threads take part where `joblib.parallel_config` says so: SciPy's sparse products
    and BLAS let others work meanwhile.
    """

    def of_group(group: list[Part]) -> NDArray:
        return reduce(np.add, (function(*part) for part in group))

    parts = samples.parts
    size = -(-len(parts) // _GROUPS)
    groups = [parts[group] for group in gen_batches(len(parts), size)]
    if len(groups) == 1:
        return of_group(parts)
    tasks = (delayed(of_group)(group) for group in groups)
    return reduce(np.add, Parallel(backend="threading")(tasks))


# ------------------------------------------------------------------------ sparse lines
def some_lines(matrix: sparse.csr_array, lines: slice) -> sparse.csr_array:
    """Return some rows, in the same memory."""
    ends = matrix.indptr[lines.start : lines.stop + 1]
    stored = slice(ends[0], ends[-1])
    parts = matrix.data[stored], matrix.indices[stored], ends - ends[0]
    return sparse.csr_array(parts, shape=(len(ends) - 1, matrix.shape[1]))


def with_values(matrix: sparse.csr_array, values: NDArray) -> sparse.csr_array:
    """Return other values at the places that a matrix stores, in the same memory."""
    parts = values, matrix.indices, matrix.indptr
    return sparse.csr_array(parts, shape=matrix.shape)


def rows_in_memory(n_columns: int) -> int:
    """Return how many dense float64 rows fill an eighth of the working memory."""
    return max(1, int(get_config()["working_memory"] * 2**20 // (64 * n_columns)))
