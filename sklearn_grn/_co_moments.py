"""Moments of pairs of genes: all that is kept of samples once they outnumber genes.

The Schafer-Strimmer intensity is no function of the covariance. It needs the sum over
samples of the fourth power of their length, *after* genes were divided by standard
deviations that move with every batch:

    sum_k (sum_i u_i d_ki^2)^2 = u' M u,    M_ij = sum_k d_ki^2 d_kj^2.

When the mean moves by a step s, so do S_ij = sum_k d_ki d_kj and M, and M by means of
T_ij = sum_k d_ki^2 d_kj, by the binomial formula [cf. Pebay (2008), Sandia Report
SAND2008-6212, for one variable].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._centred_table import refuse_constant, rounding_of_mean
from sklearn_grn._orthonormal import leading_eigenpairs
from sklearn_grn._sample_batch import Batch, centred_parts, merged_mean


@dataclass(frozen=True, eq=False)
class CoMoments:
    """Second and fourth moments of samples that are gone: a `SampleTable`.

    Attributes
    ----------
    n_samples : int
    dof : int
    dtype : dtype
    location : ndarray of shape (n_features,)
    second, third, fourth : ndarray of shape (n_features, n_features), float64
        S, T and M.
    unit : float
        All of these are of samples divided by this.
    factor : ndarray of shape (n_features,)
        What each gene is multiplied by.
    """

    n_samples: int
    dof: int
    dtype: np.dtype
    location: NDArray
    second: NDArray
    third: NDArray
    fourth: NDArray
    unit: float
    factor: NDArray

    @property
    def n_features(self) -> int:
        """Number of genes."""
        return len(self.location)

    @cached_property
    def variance(self) -> NDArray:
        """Variance of each gene; exactly 0 for constant genes."""
        return self.squared_moments() / self.dof

    @cached_property
    def varies(self) -> NDArray[np.bool_]:
        """Which genes are not constant."""
        rounding = rounding_of_mean(self.location, self.n_samples, self.dtype)
        varies = self.second.diagonal() / self.dof > (rounding / self.unit) ** 2
        refuse_constant(varies, self.n_samples)
        return varies

    def scaled(self, factor: NDArray) -> CoMoments:
        """Return the moments of genes times a factor."""
        return replace(self, factor=self.factor * factor)

    def squared_moments(self) -> NDArray:
        """Return the sum over samples of d^2 for each gene."""
        return self.second.diagonal() * self._used**2

    def third_moments(self) -> NDArray:
        """Return the sum over samples of d^3 for each gene."""
        return self.third.diagonal() * self._used**3

    def fourth_moments(self) -> NDArray:
        """Return the sum over samples of d^4 for each gene."""
        return self.fourth.diagonal() * self._used**4

    def squared_product(self) -> float:
        """Return the squared Frobenius norm of D'D."""
        weight = self._used**2
        return float(weight @ np.square(self.second) @ weight)

    def fourth_lengths(self) -> float:
        """Return the sum over samples of |d_k|^4."""
        weight = self._used**2
        return float(weight @ self.fourth @ weight)

    def sample_basis(self) -> NDArray:
        """Return rows with the second moments of the samples."""
        return self.leading_axes(min(self.dof, self.n_features))

    def second_moments(self) -> NDArray:
        """Return D'D."""
        return self.second * self._used * self._used[:, None]

    def leading_axes(self, n_axes: int) -> NDArray:
        """Return rows e^1/2 v' for the leading eigenpairs of D'D; they have no sign."""
        values, vectors = leading_eigenpairs(self.second_moments(), n_axes)
        return vectors.T * np.sqrt(np.maximum(values, 0.0))[:, None]

    def join(self, batch: Batch) -> CoMoments:
        """Return the moments of these samples and of further ones.

        Parameters
        ----------
        batch : ndarray or sparse of shape (n_samples, n_features)

        Returns
        -------
        CoMoments

        Raises
        ------
        ValueError
            If fourth powers leave the range of floats.
        """
        centred = self.dof == self.n_samples
        location = merged_mean(self.location, self.n_samples, batch, centred)
        with np.errstate(over="ignore", invalid="ignore"):
            second, third, fourth = self._moved((location - self.location) / self.unit)
            for part in centred_parts(batch, location):
                part /= self.unit
                squares = part * part
                second += part.T @ part
                third += squares.T @ part
                fourth += squares.T @ squares
        if not np.isfinite(fourth).all():
            raise ValueError(
                "these samples are so much larger than those before that their fourth "
                "powers leave the range of floating point numbers; rescale them"
            )
        return replace(
            self,
            n_samples=self.n_samples + batch.shape[0],
            dof=self.dof + batch.shape[0],
            dtype=np.result_type(self.dtype, batch.dtype),
            location=location,
            second=second,
            third=third,
            fourth=fourth,
        )

    def _moved(self, step: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Return S, T and M about a mean that is a step away."""
        n, S, T = self.n_samples, self.second, self.third
        variance, square = S.diagonal(), step * step
        second = S + n * np.outer(step, step)
        third = T - 2.0 * step[:, None] * S
        third -= np.outer(variance + n * square, step)
        across = 2.0 * step * T - 2.0 * np.outer(step, step) * S
        fourth = self.fourth - across - across.T
        across = np.outer(variance + 0.5 * n * square, square)
        fourth += across + across.T
        return second, third, fourth

    @property
    def _used(self) -> NDArray:
        """Factors of genes, 0 for those that only seem to vary."""
        return self.factor * self.varies


def no_moments(
    n_features: int, assume_centered: bool, dtype: Any, unit: float = 1.0
) -> CoMoments:
    """Return the moments of no samples at all.

    Parameters
    ----------
    n_features : int
    assume_centered : bool
    dtype : dtype
    unit : float, default=1.0
        What samples are divided by before they are counted.

    Returns
    -------
    CoMoments
        To be joined by samples.
    """
    second, third, fourth = np.zeros((3, n_features, n_features))
    return CoMoments(
        0,
        0 if assume_centered else -1,
        np.dtype(dtype),
        np.zeros(n_features),
        second,
        third,
        fourth,
        unit,
        np.ones(n_features),
    )
