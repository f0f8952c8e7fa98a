"""A table of samples, centred, and what is counted of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_BATCH = 1024  # genes or samples a time, so that a batch stays in the cache


@dataclass(frozen=True, eq=False)
class CentredTable:
    """Centred samples and what is counted of them.

    Attributes
    ----------
    samples : ndarray of shape (n_samples, n_features)
        A copy, free to be overwritten by the model that asked for it.
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

    Raises
    ------
    ValueError
        If no gene varies.
    """
    n_samples, n_features = X.shape
    if assume_centered:
        location, samples, dof = np.zeros(n_features), X.copy(), n_samples
    else:
        location = X.mean(axis=0, dtype=np.float64)
        samples, dof = X - location.astype(X.dtype), n_samples - 1
    # What is left of a constant gene is the rounding of its mean.
    steps = 10 * np.finfo(X.dtype).eps + n_samples * np.finfo(np.float64).eps
    rounding = steps * np.abs(location)
    unit, variance = 1.0, moment(samples, 2) / dof
    if not 1e-30 < variance.max() < 1e30 and samples.any():
        # Fourth powers would leave the range of floats; a power of two is exact.
        unit = float(2.0 ** np.floor(np.log2(np.abs(samples).max())))
        samples /= samples.dtype.type(unit)
        variance, rounding = moment(samples, 2) / dof, rounding / unit
    varies = variance > rounding**2
    if not varies.any():
        raise ValueError(
            f"none of the {n_features} genes varies over the {n_samples} samples, so "
            "there is no covariance to estimate. Check that samples are rows"
        )
    samples[:, ~varies] = 0.0
    return CentredTable(
        samples, location, dof, np.where(varies, variance, 0), varies, unit
    )


def moment(samples: NDArray, power: int) -> NDArray:
    """Return the sum over samples of x^power for each gene, float64."""
    sums = []
    for batch in batches(samples.shape[1]):
        part = samples[:, batch].astype(np.float64, copy=False)
        if power == 4:
            part = part * part
        sums.append(np.einsum("ij,ij->j", part, part))
    return np.concatenate(sums)


def batches(size: int) -> Iterator[slice]:
    """Yield slices that cover ``range(size)``."""
    return (slice(start, start + _BATCH) for start in range(0, size, _BATCH))
