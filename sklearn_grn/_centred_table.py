"""A table of samples in memory, centred, and what is counted of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._orthonormal import leading_eigenpairs

_BATCH = 1024  # genes or samples a time, so that a batch stays in the cache


class TooFewSamplesError(ValueError):
    """Samples do not give a covariance, but may with further ones."""


@dataclass(frozen=True, eq=False)
class CentredTable:
    """Centred samples and what is counted of them: a `SampleTable`.

    Attributes
    ----------
    samples : ndarray of shape (n_samples, n_features)
        Free to be overwritten by the model that asked for it.
    location : ndarray of shape (n_features,)
    dof : int
        Samples less the estimated mean.
    variance : ndarray of shape (n_features,)
        With divisor dof; exactly 0 for constant genes.
    varies : ndarray of shape (n_features,), bool
    unit : float
        The samples were divided by this.
    """

    samples: NDArray
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
    def dtype(self) -> np.dtype:
        """Data type of the samples."""
        return self.samples.dtype

    @cached_property
    def gram(self) -> NDArray:
        """The smaller of the two products of the table with itself, float64."""
        wide = self.samples.shape[0] <= self.samples.shape[1]
        tall = self.samples.T if wide else self.samples
        gram = np.zeros((tall.shape[1], tall.shape[1]))
        for batch in batches(len(tall)):
            part = tall[batch].astype(np.float64, copy=False)
            gram += part.T @ part
        return gram

    @property
    def lengths(self) -> NDArray:
        """Squared length of each sample, float64."""
        if len(self.samples) <= self.samples.shape[1]:
            return self.gram.diagonal()
        return np.einsum("ij,ij->i", self.samples, self.samples, dtype=np.float64)

    def scaled(self, factor: NDArray) -> CentredTable:
        """Return the table with each gene times a factor, in the same memory."""
        self.samples[...] *= factor.astype(self.samples.dtype)
        return replace(self, variance=self.variance * factor**2)

    def squared_moments(self) -> NDArray:
        """Return the sum over samples of d^2 for each gene, float64."""
        return moment(self.samples, 2)

    def third_moments(self) -> NDArray:
        """Return the sum over samples of d^3 for each gene, float64."""
        return moment(self.samples, 3)

    def fourth_moments(self) -> NDArray:
        """Return the sum over samples of d^4 for each gene, float64."""
        return moment(self.samples, 4)

    def squared_product(self) -> float:
        """Return the squared Frobenius norm of D'D."""
        return float(np.square(self.gram).sum())

    def fourth_lengths(self) -> float:
        """Return the sum over samples of |d_k|^4."""
        return float(np.square(self.lengths).sum())

    def sample_basis(self) -> NDArray:
        """Return `dof` rows with the second moments of the samples, in their memory.

        The samples are reflected so that their mean direction becomes the last axis,
        where nothing is left: each row is still one sample, up to a multiple of the
        last. (The Householder reflection that takes the ones to sqrt(n) times the last
        axis.)
        """
        samples, n_samples = self.samples, len(self.samples)
        if self.dof == n_samples:
            return samples
        samples[:-1] -= samples[-1] * samples.dtype.type(1.0 / (n_samples**0.5 + 1.0))
        return samples[:-1]

    def second_moments(self) -> NDArray:
        """Return D'D, float64."""
        if self.n_samples > self.n_features:
            return self.gram
        samples = self.samples.astype(np.float64, copy=False)
        return samples.T @ samples

    def leading_axes(self, n_axes: int) -> NDArray:
        """Return rows e^1/2 v' for the leading eigenpairs of D'D; they have no sign."""
        values, vectors = leading_eigenpairs(self.gram, n_axes)
        if self.n_samples <= self.n_features:
            return vectors.T.astype(self.dtype) @ self.samples
        return vectors.T * np.sqrt(np.maximum(values, 0.0))[:, None]


def centre(X: NDArray, assume_centered: bool) -> CentredTable:
    """Centre samples, and bring them within the range of floats if need be.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
    assume_centered : bool
        Whether the mean is known to be 0.

    Returns
    -------
    CentredTable
        Of a copy.

    Raises
    ------
    ValueError
        If no gene varies.
    """
    if assume_centered:
        return count(X.copy(), np.zeros(X.shape[1]), len(X))
    location = X.mean(axis=0, dtype=np.float64)
    return count(X - location.astype(X.dtype), location, len(X) - 1)


def count(samples: NDArray, location: NDArray, dof: int) -> CentredTable:
    """Return what is counted of samples that are centred already.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_features)
        They are taken over, and may be overwritten.
    location : ndarray of shape (n_features,)
        What was subtracted.
    dof : int

    Returns
    -------
    CentredTable

    Raises
    ------
    ValueError
        If no gene varies.
    """
    rounding = rounding_of_mean(location, len(samples), samples.dtype)
    unit, variance = 1.0, moment(samples, 2) / dof
    if not 1e-30 < variance.max() < 1e30 and samples.any():
        # Fourth powers would leave the range of floats; a power of two is exact.
        unit = float(2.0 ** np.floor(np.log2(np.abs(samples).max())))
        samples /= samples.dtype.type(unit)
        variance, rounding = moment(samples, 2) / dof, rounding / unit
    varies = variance > rounding**2
    refuse_constant(varies, len(samples))
    samples[:, ~varies] = 0.0
    return CentredTable(
        samples, location, dof, np.where(varies, variance, 0), varies, unit
    )


def rounding_of_mean(location: NDArray, n_samples: int, dtype: np.dtype) -> NDArray:
    """Return what may be left of a constant gene: the rounding of its mean."""
    steps = 10 * np.finfo(dtype).eps + n_samples * np.finfo(np.float64).eps
    return steps * np.abs(location)


def refuse_constant(varies: NDArray[np.bool_], n_samples: int) -> None:
    """Raise ValueError if no gene varies."""
    if not varies.any():
        raise TooFewSamplesError(
            f"none of the {len(varies)} genes varies over the {n_samples} samples, so "
            "there is no covariance to estimate. Check that samples are rows"
        )


def moment(samples: NDArray, power: int) -> NDArray:
    """Return the sum over samples of x^power, 2 to 4, for each gene, float64."""
    sums = []
    for batch in batches(samples.shape[1]):
        part = samples[:, batch].astype(np.float64, copy=False)
        squares = part * part if power > 2 else part
        sums.append(np.einsum("ij,ij->j", squares, part if power == 3 else squares))
    return np.concatenate(sums)


def batches(size: int) -> Iterator[slice]:
    """Yield slices that cover ``range(size)``."""
    return (slice(start, start + _BATCH) for start in range(0, size, _BATCH))
