"""What a covariance model needs to know of samples, however they are held."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class SampleTable(Protocol):
    """Centred samples D, divided by `unit`, and what is counted of them.

    They may lie in memory (`_centred_table.py`), be centred only in thought
    (`_implicit_table.py`), or be gone (`_co_moments.py`, `_running_axes.py`).
    """

    @property
    def n_samples(self) -> int:
        """Number of samples."""

    @property
    def n_features(self) -> int:
        """Number of genes."""

    @property
    def dof(self) -> int:
        """Samples less the estimated mean."""

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64, of what comes out."""

    @property
    def location(self) -> NDArray:
        """Mean of each gene, float64."""

    @property
    def variance(self) -> NDArray:
        """Variance of each gene with divisor dof; exactly 0 for constant genes."""

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Which genes are not constant."""

    @property
    def unit(self) -> float:
        """What the samples were divided by, so that powers stay within floats."""

    def scaled(self, factor: NDArray) -> SampleTable:
        """Return the table with each gene times a factor; this one may be used up."""

    def squared_moments(self) -> NDArray:
        """Return the sum over samples of d^2 for each gene, float64."""

    def third_moments(self) -> NDArray:
        """Return the sum over samples of d^3 for each gene, float64."""

    def fourth_moments(self) -> NDArray:
        """Return the sum over samples of d^4 for each gene, float64."""

    def squared_product(self) -> float:
        """Return the squared Frobenius norm of D'D."""

    def fourth_lengths(self) -> float:
        """Return the sum over samples of |d_k|^4."""

    def sample_basis(self) -> NDArray:
        """Return `dof` rows with the second moments of the samples."""

    def second_moments(self) -> NDArray:
        """Return D'D, float64."""

    def leading_axes(self, n_axes: int) -> NDArray:
        """Return rows e^1/2 v' for the leading eigenpairs of D'D; they have no sign."""
