"""Batches of samples that are sparse or lie in a file, centred only in thought."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_grn._centred_table import moment


class Batch(Protocol):
    """Some rows C of a centred table; all that comes out is float64."""

    def times(self, right: NDArray) -> NDArray:
        """Return C B."""

    def transposed_times(self, left: NDArray) -> NDArray:
        """Return C'A."""

    def gram_times(self, right: NDArray) -> NDArray:
        """Return C'(C b)."""

    def moments(self, power: int) -> NDArray:
        """Return the sum over samples of c^power, 2 to 4, for each gene."""

    def squared_lengths(self, weight: NDArray) -> NDArray:
        """Return the sum over genes of w c^2 for each sample."""

    def largest(self) -> float:
        """Return the largest absolute value."""

    def scaled(self, factor: NDArray, dtype: np.dtype) -> NDArray:
        """Return C diag(factor), dense."""


@dataclass(frozen=True, eq=False)
class SparseBatch:
    """C = S - 1 m', with S sparse and m dense.

    Attributes
    ----------
    rows : csr_array of shape (n_rows, n_features), float64
        S.
    offset : ndarray of shape (n_features,)
        m.
    """

    rows: sparse.csr_array
    offset: NDArray

    @cached_property
    def _columns(self) -> sparse.csc_array:
        return self.rows.T

    def times(self, right: NDArray) -> NDArray:
        """Return C B."""
        return self.rows @ right - self.offset @ right

    def transposed_times(self, left: NDArray) -> NDArray:
        """Return C'A."""
        return self._columns @ left - np.multiply.outer(self.offset, left.sum(axis=0))

    def gram_times(self, right: NDArray) -> NDArray:
        """Return C'(C b)."""
        return self.transposed_times(self.times(right))

    def moments(self, power: int) -> NDArray:
        """Return the sum over samples of c^power, 2 to 4, for each gene.

        Summed over the stored values, and a multiple for the zeros: nothing cancels. A
        sum that leaves the range of floats is not finite.
        """
        n_rows, n_features = self.rows.shape
        zeros = n_rows - np.bincount(self.rows.indices, minlength=n_features)
        with np.errstate(over="ignore", invalid="ignore"):
            stored = self._with(self._centred_values**power)
            return stored.T @ np.ones(n_rows) + zeros * (-self.offset) ** power

    def squared_lengths(self, weight: NDArray) -> NDArray:
        """Return the sum over genes of w c^2 for each sample."""
        beyond = self.rows.data * (self._centred_values - self._offsets)
        return self._with(beyond) @ weight + self.offset**2 @ weight

    def largest(self) -> float:
        """Return the largest absolute value, also of a zero that is in other rows."""
        values = np.concatenate([self._centred_values, self.offset])
        return float(np.abs(values).max())

    def scaled(self, factor: NDArray, dtype: np.dtype) -> NDArray:
        """Return C diag(factor), dense."""
        values = (self.rows.data * factor[self.rows.indices]).astype(dtype, copy=False)
        dense = self._with(values).toarray()
        dense -= (self.offset * factor).astype(dtype)
        return dense

    @property
    def _offsets(self) -> NDArray:
        return self.offset[self.rows.indices]

    @property
    def _centred_values(self) -> NDArray:
        return self.rows.data - self._offsets

    def _with(self, values: NDArray) -> sparse.csr_array:
        parts = values, self.rows.indices, self.rows.indptr
        return sparse.csr_array(parts, shape=self.rows.shape)


@dataclass(frozen=True, eq=False)
class FileBatch:
    """Rows that are read, and centred, each time they are used.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_features)
        They may lie in a file.
    location : ndarray of shape (n_features,)
    unit : float
        What is left after the mean was subtracted is divided by it.
    """

    rows: NDArray
    location: NDArray
    unit: float

    def times(self, right: NDArray) -> NDArray:
        """Return C B."""
        return self._centred() @ right

    def transposed_times(self, left: NDArray) -> NDArray:
        """Return C'A."""
        return self._centred().T @ left

    def gram_times(self, right: NDArray) -> NDArray:
        """Return C'(C b), of rows that are read once."""
        rows = self._centred()
        return rows.T @ (rows @ right)

    def moments(self, power: int) -> NDArray:
        """Return the sum over samples of c^power, 2 to 4, for each gene."""
        return moment(self._centred(), power)

    def squared_lengths(self, weight: NDArray) -> NDArray:
        """Return the sum over genes of w c^2 for each sample."""
        return np.square(self._centred()) @ weight

    def largest(self) -> float:
        """Return the largest absolute value."""
        return float(np.abs(self._centred()).max())

    def scaled(self, factor: NDArray, dtype: np.dtype) -> NDArray:
        """Return C diag(factor), dense."""
        dense = self._centred()
        dense *= factor
        return dense.astype(dtype, copy=False)

    def _centred(self) -> NDArray:
        dense = np.subtract(self.rows, self.location, dtype=np.float64)
        if self.unit != 1.0:
            dense /= self.unit
        return dense
