"""Tables that are centred and scaled only in thought: sparse, or in a file.

The mean is never subtracted from what is stored. Products and sums come out as if it
had been, in float64, and no dense copy of the table is made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from sklearn_grn._centred_table import refuse_constant, rounding_of_mean
from sklearn_grn._implicit_gram import assemble, gram_panels, squared_norm
from sklearn_grn._implicit_samples import (
    Given,
    ImplicitSamples,
    gram_product,
    hold,
    largest,
    means,
    moments,
    squared_lengths,
    transposed_product,
)
from sklearn_grn._orthonormal import leading_eigenpairs

_SMALL = 500  # samples or genes: their eigenvectors are found at once

# Lanczos vectors for each axis. Where the spectrum is a bulk with a soft edge, more of
# them save products; beyond this their own orthogonalisation takes longer.
_LANCZOS = 4

_TOLERANCE = 1e-10  # of an eigenpair, relative to its eigenvalue
_RESTARTS = 100


@dataclass(frozen=True, eq=False)
class ImplicitTable:
    """Centred samples D = C diag(factor): a `SampleTable`.

    Attributes
    ----------
    samples : ImplicitSamples
        C, divided by `unit`.
    factor : ndarray of shape (n_features,)
        0 for constant genes.
    dtype : dtype
        float32 or float64, of what comes out.
    location : ndarray of shape (n_features,)
    dof : int
        Samples less the estimated mean.
    variance : ndarray of shape (n_features,)
        With divisor dof; exactly 0 for constant genes.
    varies : ndarray of shape (n_features,), bool
    unit : float
    """

    samples: ImplicitSamples
    factor: NDArray
    dtype: np.dtype
    location: NDArray
    dof: int
    variance: NDArray
    varies: NDArray[np.bool_]
    unit: float

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.samples.shape[0]

    @property
    def n_features(self) -> int:
        """Number of genes."""
        return self.samples.shape[1]

    @property
    def _lengths(self) -> NDArray:
        return squared_lengths(self.samples, self.factor**2)

    def scaled(self, factor: NDArray) -> ImplicitTable:
        """Return the table with each gene times a factor; they share the samples."""
        variance = self.variance * factor**2
        return replace(self, factor=self.factor * factor, variance=variance)

    def squared_moments(self) -> NDArray:
        """Return the sum over samples of d^2 for each gene, float64."""
        return self.dof * self.variance

    def third_moments(self) -> NDArray:
        """Return the sum over samples of d^3 for each gene, float64."""
        return moments(self.samples, 3) * self.factor**3

    def fourth_moments(self) -> NDArray:
        """Return the sum over samples of d^4 for each gene, float64."""
        return moments(self.samples, 4) * self.factor**4

    def squared_product(self) -> float:
        """Return the squared Frobenius norm of D'D.

        To rounding in float64 where sparse samples are multiplied as such; to that in
        float32 where more samples than genes in float32 are multiplied dense.
        """
        tall = self.n_samples > self.n_features
        panels = gram_panels(self.samples, self.factor, tall, self.dtype)
        diagonal = self.squared_moments() if tall else self._lengths
        return squared_norm(panels, diagonal)

    def fourth_lengths(self) -> float:
        """Return the sum over samples of |d_k|^4."""
        return float(np.square(self._lengths).sum())

    def sample_basis(self) -> NDArray:
        """Return `dof` rows with the second moments of the samples, dense.

        By the reflection of `CentredTable.sample_basis`.
        """
        basis = np.empty((self.n_samples, self.n_features), dtype=self.dtype)
        for rows, batch in self.samples.parts:
            basis[rows] = batch.scaled(self.factor, self.dtype)
        if self.dof == self.n_samples:
            return basis
        basis[:-1] -= basis[-1] * basis.dtype.type(1.0 / (self.n_samples**0.5 + 1.0))
        return basis[:-1]

    def second_moments(self) -> NDArray:
        """Return D'D, float64."""
        return self._gram(of_genes=True)

    def leading_axes(self, n_axes: int) -> NDArray:
        """Return rows e^1/2 v' for the leading eigenpairs of D'D; they have no sign."""
        smaller = min(self.n_samples, self.n_features)
        if smaller <= max(_SMALL, 2 * _LANCZOS * n_axes):
            axes = self._axes_of_gram(n_axes)
        else:
            axes = self._axes_by_lanczos(n_axes)
        return axes.astype(self.dtype, copy=False)

    def _gram(self, of_genes: bool) -> NDArray:
        size = self.n_features if of_genes else self.n_samples
        float64 = np.dtype(np.float64)
        panels = gram_panels(self.samples, self.factor, of_genes, float64)
        return assemble(panels, size)

    def _axes_of_gram(self, n_axes: int) -> NDArray:
        tall = self.n_samples > self.n_features
        values, vectors = leading_eigenpairs(self._gram(of_genes=tall), n_axes)
        if tall:
            return vectors.T * np.sqrt(np.maximum(values, 0.0))[:, None]
        return transposed_product(self.samples, vectors).T * self.factor

    def _axes_by_lanczos(self, n_axes: int) -> NDArray:
        """Find eigenpairs of the operator v -> D'(D v), which reads a batch once."""
        operator = LinearOperator(
            (self.n_features, self.n_features), self._gram_times, dtype=np.float64
        )
        start = np.random.default_rng(0).normal(size=self.n_features)
        try:
            values, vectors = eigsh(
                operator,
                n_axes,
                v0=self._gram_times(start),
                ncv=_LANCZOS * n_axes + 20,
                tol=_TOLERANCE,
                maxiter=_RESTARTS,
            )
        except ArpackNoConvergence:
            return self._axes_of_gram(n_axes)
        order = np.argsort(-values)
        return (vectors * np.sqrt(np.maximum(values, 0.0))).T[order]

    def _gram_times(self, right: NDArray) -> NDArray:
        return self.factor * gram_product(self.samples, self.factor * right)


def implicit_table(X: Given, assume_centered: bool) -> ImplicitTable:
    """Count what `centre` counts, of a table that is not copied.

    Parameters
    ----------
    X : csr or csc matrix or array, or ndarray, of shape (n_samples, n_features)
        float32 or float64, finite; at least two samples. It is not modified, and must
        not be while the result is in use.
    assume_centered : bool
        Whether the mean is known to be 0.

    Returns
    -------
    ImplicitTable

    Raises
    ------
    ValueError
        If no gene varies.
    """
    samples: ImplicitSamples = hold(X)
    n_samples, n_features = samples.shape
    location = np.zeros(n_features) if assume_centered else means(samples)
    dof = n_samples if assume_centered else n_samples - 1
    samples = samples.less(location)
    rounding = rounding_of_mean(location, n_samples, X.dtype)
    unit, variance = 1.0, moments(samples, 2) / dof
    size = largest(samples)
    if not 1e-30 < variance.max() < 1e30 and size > 0.0:
        # Fourth powers would leave the range of floats; a power of two is exact.
        unit = float(2.0 ** np.floor(np.log2(size)))
        samples = samples.divided(unit)
        variance, rounding = moments(samples, 2) / dof, rounding / unit
    varies = variance > rounding**2
    refuse_constant(varies, n_samples)
    return ImplicitTable(
        samples,
        varies.astype(np.float64),
        X.dtype,
        location,
        dof,
        np.where(varies, variance, 0.0),
        varies,
        unit,
    )


def lies_in_file(X: Given) -> bool:
    """Return whether an array is a memory map, or a view of one."""
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base
    return False


def is_implicit(X: Given) -> bool:
    """Return whether samples are to be held as they are, by `implicit_table`."""
    return sparse.issparse(X) or lies_in_file(X)
