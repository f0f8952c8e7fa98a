"""Leading axes of samples that come in batches, as in incremental PCA.

The rows K of the axes stand for the samples: with S the sum of squares and products of
all samples, S - K'K is positive semi-definite. Each batch is put below the axes of the
earlier ones and the leading axes of both are kept [Ross et al. (2008), Int. J. Comput.
Vis. 77, 125-141, 2.2]. So an eigenvalue of S is larger than that of K'K by at most
the sum of the largest eigenvalue that each batch left out (Weyl's inequality). Means
and the moments of single genes stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._centred_table import refuse_constant, rounding_of_mean
from sklearn_grn._orthonormal import leading_eigenpairs
from sklearn_grn._sample_batch import Batch, merged_mean, row_parts
from sklearn_grn._sample_table import SampleTable

_ROWS = 512  # of a batch that join the axes at a time


class LengthSums(NamedTuple):
    """Two sums over pairs of genes or samples that an analytic intensity needs."""

    squared_product: float  # of D'D
    fourth_lengths: float  # of the rows of D


@dataclass(frozen=True, eq=False)
class RunningAxes:
    """Axes and moments of samples that are gone: a `SampleTable`.

    Attributes
    ----------
    n_samples : int
    dof : int
    location : ndarray of shape (n_features,)
    axes : ndarray of shape (n_axes, n_features)
        K.
    moments : ndarray of shape (3, n_features)
        Sums over samples of d^2, d^3 and d^4 for each gene.
    sums : LengthSums or None
        As far as an analytic intensity was asked for, of genes divided by their
        standard deviations if `standardised`.
    standardised : bool
        Whether axes are chosen, and `sums` hold, for genes divided by their standard
        deviations, or for genes as they are.
    unit : float
        All of these are of samples divided by this.
    factor : ndarray of shape (n_features,)
        What each gene is multiplied by.
    """

    n_samples: int
    dof: int
    location: NDArray
    axes: NDArray
    moments: NDArray
    sums: LengthSums | None
    standardised: bool
    unit: float
    factor: NDArray

    @property
    def n_features(self) -> int:
        """Number of genes."""
        return len(self.location)

    @property
    def dtype(self) -> np.dtype:
        """Data type of the axes."""
        return self.axes.dtype

    @cached_property
    def variance(self) -> NDArray:
        """Variance of each gene; exactly 0 for constant genes."""
        return np.where(self.varies, self.moments[0] / self.dof, 0.0) * self.factor**2

    @cached_property
    def varies(self) -> NDArray[np.bool_]:
        """Which genes are not constant."""
        rounding = rounding_of_mean(self.location, self.n_samples, self.dtype)
        varies = self.moments[0] / self.dof > (rounding / self.unit) ** 2
        refuse_constant(varies, self.n_samples)
        return varies

    def scaled(self, factor: NDArray) -> RunningAxes:
        """Return the axes and moments of genes times a factor."""
        return replace(self, factor=self.factor * factor)

    def squared_moments(self) -> NDArray:
        """Return the sum over samples of d^2 for each gene."""
        return self.moments[0] * self._used**2

    def third_moments(self) -> NDArray:
        """Return the sum over samples of d^3 for each gene."""
        return self.moments[1] * self._used**3

    def fourth_moments(self) -> NDArray:
        """Return the sum over samples of d^4 for each gene."""
        return self.moments[2] * self._used**4

    def squared_product(self) -> float:
        """Return the squared Frobenius norm of D'D, as far as it is known."""
        return self._known_sums().squared_product

    def fourth_lengths(self) -> float:
        """Return the sum over samples of |d_k|^4, as far as it is known."""
        return self._known_sums().fourth_lengths

    def sample_basis(self) -> NDArray:
        """Return rows that stand for the samples."""
        return self.axes * self._used.astype(self.dtype)

    def second_moments(self) -> NDArray:
        """Return D'D, as far as the axes hold it."""
        basis = self.sample_basis().astype(np.float64, copy=False)
        return basis.T @ basis

    def leading_axes(self, n_axes: int) -> NDArray:
        """Return rows e^1/2 v' for the leading eigenpairs of D'D; they have no sign."""
        return _leading(self.sample_basis(), n_axes)

    def join(self, batch: Batch) -> RunningAxes:
        """Return the axes of these samples and of further ones.

        Parameters
        ----------
        batch : ndarray or sparse of shape (n_samples, n_features)

        Returns
        -------
        RunningAxes
        """
        joined = self
        for rows in row_parts(batch, _ROWS):
            joined = joined._join_part(rows)
        return joined

    def _join_part(self, rows: NDArray) -> RunningAxes:
        centred = self.dof == self.n_samples
        location = merged_mean(self.location, self.n_samples, rows, centred)
        step = (location - self.location) / self.unit
        fresh = (rows - location) / self.unit
        # What the step of the mean adds to the squares of the earlier samples is a row.
        fresh = np.vstack([fresh, np.sqrt(self.n_samples) * step])
        grown = replace(
            self,
            n_samples=self.n_samples + len(rows),
            dof=self.dof + len(rows),
            location=location,
            moments=_moved(self.moments, self.n_samples, step, fresh[:-1]),
        )
        weight = grown.weight
        axes = np.vstack([self.axes * weight, fresh * weight])
        kept = _leading(axes, len(self.axes)) / weight
        sums = None if self.sums is None else self._grown_sums(weight, fresh)
        return replace(grown, axes=kept.astype(self.dtype), sums=sums)

    @property
    def weight(self) -> NDArray:
        """What genes are multiplied by before axes are chosen."""
        if not self.standardised:
            return np.ones(self.n_features)
        return 1.0 / np.sqrt(np.where(self.varies, self.moments[0] / self.dof, 1.0))

    def _grown_sums(self, weight: NDArray, fresh: NDArray) -> LengthSums:
        """Return the two sums with further rows, all genes weighted anew.

        The product of the earlier samples is known by its norm, and as K'K + diag(r),
        where r is what the axes lack of the squares: the norm changes by as much as
        that of this model does. The squared lengths of the earlier samples change as
        their sum does.
        """
        known = self._known_sums()
        before, after = (self._modelled(w) for w in (self.weight, weight))
        rows = fresh * weight
        cross = np.square(after.axes @ rows.T).sum() + (rows**2 @ after.left).sum()
        lengths = np.einsum("ij,ij->i", rows[:-1], rows[:-1])
        product = known.squared_product + after.norm() - before.norm()
        product += 2.0 * cross + np.square(rows @ rows.T).sum()
        moved = (self.moments[0] @ weight**2 + rows[-1] @ rows[-1]) / (
            self.moments[0] @ self.weight**2
        )
        fourth = known.fourth_lengths * moved**2 + np.square(lengths).sum()
        return LengthSums(float(product), float(fourth))

    def _modelled(self, weight: NDArray) -> _Modelled:
        axes = self.axes * weight
        left = self.moments[0] * weight**2 - np.einsum("ij,ij->j", axes, axes)
        return _Modelled(axes, np.maximum(left, 0.0))

    def _known_sums(self) -> LengthSums:
        if self.sums is None:
            raise ValueError(
                "these batches began with an intensity that was given, and without "
                "what an analytic one needs. Begin again with shrinkage='auto'"
            )
        return self.sums

    @property
    def _used(self) -> NDArray:
        """Factors of genes, 0 for those that only seem to vary."""
        return self.factor * self.varies


class _Modelled(NamedTuple):
    """D'D as K'K + diag(r)."""

    axes: NDArray
    left: NDArray

    def norm(self) -> float:
        """Return the squared Frobenius norm."""
        squares = np.einsum("ij,ij->j", self.axes, self.axes, dtype=np.float64)
        product = np.square(self.axes @ self.axes.T).sum(dtype=np.float64)
        return float(product + 2.0 * squares @ self.left + self.left @ self.left)


def begin_axes(
    table: SampleTable,
    factor: NDArray,
    axes: NDArray,
    sums: LengthSums | None,
    standardised: bool,
) -> RunningAxes:
    """Return what is kept of a table of which only the leading axes are kept.

    Parameters
    ----------
    table : SampleTable
        Its genes times `factor`.
    factor : ndarray of shape (n_features,)
    axes : ndarray of shape (n_axes, n_features)
        Leading axes of the table, scaled as it is.
    sums : LengthSums or None
        Of the table, scaled as it is.
    standardised : bool
        Whether the factors are the inverse standard deviations, or 1.

    Returns
    -------
    RunningAxes
    """
    second = table.squared_moments() / factor / factor
    third = table.third_moments() / factor / factor / factor
    fourth = table.fourth_moments() / factor / factor / factor / factor
    return RunningAxes(
        table.n_samples,
        table.dof,
        table.location,
        (axes / factor).astype(table.dtype, copy=False),
        np.stack([second, third, fourth]),
        sums,
        standardised,
        table.unit,
        np.ones(table.n_features),
    )


def _leading(rows: NDArray, n_axes: int) -> NDArray:
    """Return the leading axes of rows: e^1/2 v' for eigenpairs of their products."""
    wide = rows.astype(np.float64, copy=False)
    _, vectors = leading_eigenpairs(wide @ wide.T, min(n_axes, len(rows)))
    return (vectors.T @ wide).astype(rows.dtype, copy=False)


def _moved(moments: NDArray, n_samples: int, step: NDArray, fresh: NDArray) -> NDArray:
    """Return the moments about a mean that is a step away, with further rows."""
    second, third, fourth = moments
    squares = fresh * fresh
    return np.stack(
        [
            second + n_samples * step**2 + squares.sum(axis=0),
            third
            - 3.0 * step * second
            - n_samples * step**3
            + np.einsum("ij,ij->j", squares, fresh),
            fourth
            - 4.0 * step * third
            + 6.0 * step**2 * second
            + n_samples * step**4
            + np.einsum("ij,ij->j", squares, squares),
        ]
    )
