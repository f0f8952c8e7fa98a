"""What an estimator keeps of its samples, so that further ones can join them.

Nothing that grows with the samples for ever. Where all components are kept: the samples
themselves, which are those components, scaled, while there are no more of them than
genes; and once there are three times as many, moments of pairs of genes
(`_co_moments.py`). Where components are cut off: the leading axes
(`_running_axes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._centred_table import CentredTable, count
from sklearn_grn._co_moments import CoMoments, no_moments
from sklearn_grn._implicit_table import ImplicitTable
from sklearn_grn._running_axes import RunningAxes
from sklearn_grn._sample_batch import Batch, dense, merged_mean

_SAMPLES_A_GENE = 3  # take as much room as the three moments of each pair of genes


@dataclass(frozen=True, eq=False)
class KeptSamples:
    """The samples themselves, centred.

    Attributes
    ----------
    samples : ndarray of shape (n_samples, n_features)
    location : ndarray of shape (n_features,)
    assume_centered : bool
        Whether the mean is known to be 0.
    factor : ndarray of shape (n_features,) or None
        What the samples were multiplied by; None stands for 1.
    """

    samples: NDArray
    location: NDArray
    assume_centered: bool
    factor: NDArray | None = None

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.samples)

    def join(self, batch: Batch) -> KeptSamples:
        """Return these samples and further ones, about their common mean."""
        location = merged_mean(
            self.location, len(self.samples), batch, self.assume_centered
        )
        dtype = np.result_type(self.samples.dtype, batch.dtype)
        earlier = self.plain().samples - (location - self.location)
        earlier = earlier.astype(dtype, copy=False)
        fresh = (dense(batch) - location).astype(dtype, copy=False)
        joined = np.concatenate([earlier, fresh])
        return KeptSamples(joined, location, self.assume_centered)

    def plain(self) -> KeptSamples:
        """Return the samples with a factor of 1."""
        if self.factor is None:
            return self
        samples = self.samples / self.factor.astype(self.samples.dtype)
        return replace(self, samples=samples, factor=None)

    def outgrow(self, n_components: int | None) -> bool:
        """Return whether their moments are smaller, if all components are kept."""
        n_samples, n_features = self.samples.shape
        if n_components is not None and n_components < n_features:
            return False
        return n_samples > _SAMPLES_A_GENE * n_features

    def table(self) -> CentredTable:
        """Return what is counted of them."""
        dof = len(self.samples) - (not self.assume_centered)
        return count(self.plain().samples.copy(), self.location, dof)

    def moments(self, unit: float = 1.0) -> CoMoments:
        """Return their moments, the samples left behind."""
        samples = self.plain().samples
        start = no_moments(samples.shape[1], True, samples.dtype, unit)
        # They are centred already: their mean is added afterwards.
        moments = replace(start.join(samples), location=self.location)
        return replace(moments, dof=len(samples) - (not self.assume_centered))


@dataclass(frozen=True, eq=False)
class SamplesInComponents:
    """The samples, read from the components of the estimator.

    Attributes
    ----------
    spread : ndarray of shape (n_features,)
        What the components are multiples of, by genes.
    location : ndarray of shape (n_features,)
    n_samples : int
    """

    spread: NDArray
    location: NDArray
    n_samples: int

    def read(self, components: NDArray) -> KeptSamples:
        """Return the samples, in the order in which they came.

        The components are the samples reflected (`CentredTable.sample_basis`): a row is
        d_k - d_n / (n^1/2 + 1). Since the d_k add up to 0, the rows of all but the last
        sample add up to -n^1/2 d_n.
        """
        rows = components / self.spread.astype(components.dtype)
        if len(rows) == self.n_samples:
            return KeptSamples(rows, self.location, True)
        root = self.n_samples**0.5
        last = rows.sum(axis=0, dtype=np.float64) / -root
        samples = np.vstack([rows + last / (root + 1.0), last])
        samples = samples.astype(components.dtype, copy=False)
        return KeptSamples(samples, self.location, False)


Stream: TypeAlias = KeptSamples | CoMoments | RunningAxes
Kept: TypeAlias = Stream | SamplesInComponents


def keep_all(
    table: CentredTable | ImplicitTable, factor: NDArray
) -> KeptSamples | CoMoments:
    """Return what is kept of a table all of whose components are kept.

    Parameters
    ----------
    table : CentredTable or ImplicitTable
        Its genes times `factor`.
    factor : ndarray of shape (n_features,)

    Returns
    -------
    KeptSamples or CoMoments
    """
    scale, centred = factor / table.unit, table.dof == table.n_samples
    if isinstance(table, CentredTable):
        kept = KeptSamples(table.samples, table.location, centred, scale)
        return kept.moments(table.unit) if kept.outgrow(None) else kept
    if table.n_samples > _SAMPLES_A_GENE * table.n_features:
        return _moments_of_parts(table)
    held = SamplesInComponents(scale, table.location, table.n_samples)
    return held.read(table.sample_basis())


def _moments_of_parts(table: ImplicitTable) -> CoMoments:
    """Return the moments of a table that is centred only in thought."""
    moments = no_moments(table.n_features, True, table.dtype)
    for _, part in table.samples.parts:
        moments = moments.join(part.scaled(moments.factor, np.dtype(np.float64)))
    return replace(moments, location=table.location, dof=table.dof, unit=table.unit)


def begin_stream(n_features: int, assume_centered: bool, dtype: np.dtype) -> Stream:
    """Return the stream before its first batch.

    Parameters
    ----------
    n_features : int
    assume_centered : bool
        Whether the mean is known to be 0.
    dtype : dtype

    Returns
    -------
    KeptSamples
    """
    nothing = np.empty((0, n_features), dtype=dtype)
    return KeptSamples(nothing, np.zeros(n_features), assume_centered)


def continue_stream(
    kept: Kept | None, components: NDArray | None, further: Batch
) -> Stream:
    """Return the stream that further samples have joined.

    Parameters
    ----------
    kept : Stream, SamplesInComponents or None
        What the estimator kept.
    components : ndarray of shape (n_components, n_features) or None
        Those of the estimator.
    further : ndarray or sparse of shape (n_samples, n_features)

    Returns
    -------
    KeptSamples, CoMoments or RunningAxes

    Raises
    ------
    ValueError
        If nothing was kept.
    """
    if kept is None:
        raise ValueError(
            "nothing was kept that further samples could join; begin with partial_fit "
            "on a new estimator"
        )
    if isinstance(kept, SamplesInComponents) and components is not None:
        kept = kept.read(components)
    return kept.join(further)  # type: ignore[union-attr]
