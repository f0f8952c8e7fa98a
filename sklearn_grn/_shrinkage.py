"""Shrinkage of a sample covariance towards a diagonal.

Every model has the form Sigma = diag(psi) + L L' exactly, and the diagonal of Sigma
is the (shrunken) variance of each gene whatever was cut off. While there are no more
samples than genes no genes x genes array is made.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._centred_table import CentredTable, TooFewSamplesError, centre
from sklearn_grn._covariance_models import (
    CovarianceModel,
    Dense,
    Factors,
    restore_unit,
    with_signs,
)
from sklearn_grn._implicit_table import ImplicitTable, implicit_table, is_implicit
from sklearn_grn._running_axes import LengthSums, RunningAxes, begin_axes
from sklearn_grn._sample_stream import (
    Kept,
    KeptSamples,
    SamplesInComponents,
    Stream,
    keep_all,
)
from sklearn_grn._sample_table import SampleTable

# The smallest intensity that an analytic rule may return. It only acts on tables whose
# genes are exact copies of each other, where the rule says 0 and Sigma is singular.
_LEAST_SHRINKAGE = 1e-8

_ROUNDING = 1e-13  # an intensity below this is 0 but for rounding


_GIVEN = (CentredTable, ImplicitTable)  # tables of samples that are there


_IDENTITY_TARGETS = ("ledoit_wolf", "oas")


class _Target(NamedTuple):
    """Sigma = diag(noise) + diag(spread) D'D diag(spread)."""

    table: SampleTable  # D
    factor: NDArray  # what the genes of D were multiplied by
    noise: NDArray
    spread: NDArray
    sums: LengthSums | None  # of D, as far as the intensity needed them
    standardised: bool
    found: dict[str, Any]


def shrinkage_model(
    X: Any,
    n_components: int | None = None,
    assume_centered: bool = False,
    shrinkage: str | float = "auto",
) -> CovarianceModel:
    """Estimate a covariance by shrinkage towards a diagonal, from samples.

    Parameters
    ----------
    X : ndarray, csr or csc array of shape (n_samples, n_features)
        float32 or float64, finite; at least two samples.
    n_components : int or None
        As in `model_of_table`.
    assume_centered : bool
        Whether the mean is known to be 0.
    shrinkage : {"auto", "ledoit_wolf", "oas"} or float, default="auto"
        As in `model_of_table`.

    Returns
    -------
    CovarianceModel

    Raises
    ------
    ValueError
        If no gene varies; and as in `model_of_table`.
    """
    table = (implicit_table if is_implicit(X) else centre)(X, assume_centered)
    return model_of_table(table, n_components, shrinkage)


def model_of_table(
    table: SampleTable,
    n_components: int | None = None,
    shrinkage: str | float = "auto",
) -> CovarianceModel:
    """Estimate a covariance by shrinkage towards a diagonal.

    Parameters
    ----------
    table : SampleTable
        It may be used up.
    n_components : int or None
        Number of leading axes of the scaled table to keep; None keeps all.
    shrinkage : {"auto", "ledoit_wolf", "oas"} or float, default="auto"
        "auto" shrinks correlations to 0 and variances to their median with the analytic
        intensities of [1]_ (eq. 10 there and eq. 8 of [2]_); a float fixes the first.
        "ledoit_wolf" [3]_ and "oas" [4]_ shrink the covariance to a multiple of the
        identity.

    Returns
    -------
    CovarianceModel

    Raises
    ------
    ValueError
        If variances leave the range of floats, or if the covariance would be singular.

    References
    ----------
    .. [1] Schafer & Strimmer (2005), Stat. Appl. Genet. Mol. Biol. 4, 32.
    .. [2] Opgen-Rhein & Strimmer (2007), Stat. Appl. Genet. Mol. Biol. 6, 9.
    .. [3] Ledoit & Wolf (2004), J. Multivariate Anal. 88, 365-411.
    .. [4] Chen, Wiesel, Eldar & Hero (2010), IEEE Trans. Signal Process. 58, 5016-5029.
    """
    if shrinkage in _IDENTITY_TARGETS:
        target = _identity_target(table, str(shrinkage))
    else:
        given = None if shrinkage == "auto" else float(shrinkage)
        target = _correlation_target(table, given)
    pieces, kept = _shrink(target, n_components)
    pieces = restore_unit(pieces, table.unit)
    found = target.found
    return CovarianceModel(table.location, pieces, table.varies, found, kept=kept)


def stream_model(
    stream: Stream, n_components: int | None, shrinkage: str | float
) -> tuple[CovarianceModel, Kept]:
    """Estimate a covariance from samples that came in batches.

    Parameters
    ----------
    stream : KeptSamples, CoMoments or RunningAxes
    n_components : int or None
    shrinkage : {"auto", "ledoit_wolf", "oas"} or float
        As in `model_of_table`.

    Returns
    -------
    model : CovarianceModel
    kept : Kept
        What further samples can join.

    Raises
    ------
    TooFewSamplesError
        If there is one sample, no gene varies, or the covariance would be singular.
    ValueError
        As in `model_of_table`.
    """
    if stream.n_samples < 2:
        raise TooFewSamplesError("there is one sample, and a covariance takes two")
    if isinstance(stream, RunningAxes):
        n_components = min(n_components or len(stream.axes), len(stream.axes))
        if stream.standardised == (shrinkage in _IDENTITY_TARGETS):
            raise ValueError(
                f"shrinkage={shrinkage!r} scales genes otherwise than the shrinkage "
                "that these batches began with. Begin again on a new estimator"
            )
    if isinstance(stream, KeptSamples) and stream.outgrow(n_components):
        stream = stream.moments()
    table = stream.table() if isinstance(stream, KeptSamples) else stream
    model = model_of_table(table, n_components, shrinkage)
    if isinstance(stream, KeptSamples):
        return model, model.kept
    return model, stream


# ---------------------------------------------------------------------- the targets
def _correlation_target(table: SampleTable, given: float | None) -> _Target:
    """Shrink correlations to 0 and variances to their median (Schafer-Strimmer)."""
    towards = _variance_intensity(table)
    median = np.median(table.variance[table.varies])
    variance = towards * median + (1.0 - towards) * table.variance
    # A constant gene whose shrunken variance is 0 gets the smallest positive one.
    variance = np.where(variance > 0, variance, variance[variance > 0].min())

    factor = 1.0 / np.sqrt(np.where(table.varies, table.variance, 1.0))
    table = table.scaled(factor)
    sums = _length_sums(table) if given is None else None
    intensity = _correlation_intensity(table, sums) if sums else float(given or 0.0)
    # A constant gene is not correlated, and all of its variance is its own.
    noise = np.where(table.varies, intensity * variance, variance)
    spread = np.sqrt(variance) * np.sqrt((1.0 - intensity) / table.dof)
    found = {"shrinkage_": intensity, "variance_shrinkage_": towards}
    return _Target(table, factor, noise, spread, sums, True, found)


def _identity_target(table: SampleTable, rule: str) -> _Target:
    """Shrink the covariance to its mean variance times the identity."""
    n_samples, every = table.n_samples, np.ones(table.n_features)
    mean = float(table.variance.mean()) * table.dof / n_samples
    sums = _length_sums(table)
    find = _ledoit_wolf_intensity if rule == "ledoit_wolf" else _oas_intensity
    intensity = find(table, mean, sums)
    noise = intensity * mean * every
    if intensity == 0.0 and not table.varies.all():
        smallest = table.variance[table.varies].min() * table.dof / n_samples
        noise[~table.varies] = smallest
    spread = np.sqrt((1.0 - intensity) / n_samples) * every
    found = {"shrinkage_": intensity, "variance_shrinkage_": intensity}
    return _Target(table, every, noise, spread, sums, False, found)


def _length_sums(table: SampleTable) -> LengthSums:
    return LengthSums(table.squared_product(), table.fourth_lengths())


def _variance_intensity(table: SampleTable) -> float:
    """Opgen-Rhein & Strimmer 2007, eq. 8: sum Var(v_i) / sum (v_i - median)^2."""
    n_samples, dof, variance = table.n_samples, table.dof, table.variance
    uncertainty = (table.fourth_moments() - (dof * variance) ** 2 / n_samples).sum()
    uncertainty *= n_samples / (dof**2 * (n_samples - 1))
    moving = variance[table.varies]  # constant genes are not uncertain, and no target
    return _ratio(uncertainty, np.square(moving - np.median(moving)).sum())


def _correlation_intensity(table: SampleTable, sums: LengthSums) -> float:
    """Schafer & Strimmer 2005, eq. 10: sum Var(r_ij) / sum r_ij^2 over i != j.

    The sums over pairs of genes are sums over pairs of samples: with standardised rows
    z_k, sum_ij (sum_k z_ki z_kj)^2 = ||Z Z'||^2 and sum_ij z_ki^2 z_kj^2 = ||z_k||^4.
    """
    if table.varies.sum() < 2 or table.dof < 2:
        return 1.0  # one gene has no partner; two samples correlate all genes perfectly
    n_samples, dof = table.n_samples, table.dof
    products = sums.fourth_lengths - table.fourth_moments().sum()
    squares = sums.squared_product - table.varies.sum() * float(dof) ** 2
    uncertainty = (products - squares / n_samples) * n_samples / (n_samples - 1)
    return max(_LEAST_SHRINKAGE, _ratio(uncertainty, squares))


def _ledoit_wolf_intensity(table: SampleTable, mean: float, sums: LengthSums) -> float:
    """Ledoit & Wolf 2004, lemmas 3.2 to 3.5, normalised as scikit-learn does."""
    n_samples, n_features = table.n_samples, table.n_features
    if n_features == 1:
        return 0.0
    squares = sums.squared_product / n_samples**2
    beta = (sums.fourth_lengths / n_samples - squares) / n_samples
    return _ratio(beta, squares - n_features * mean**2)


def _oas_intensity(table: SampleTable, mean: float, sums: LengthSums) -> float:
    """Chen et al. 2010, eq. 23, without its factor 2 / n_features as scikit-learn."""
    n_samples, n_features = table.n_samples, table.n_features
    if n_features == 1:
        return 0.0
    square = sums.squared_product / (n_samples * n_features) ** 2
    excess = square - mean**2 / n_features
    return _ratio(square + mean**2, (n_samples + 1) * excess)


def _ratio(numerator: float, denominator: float) -> float:
    """Return an intensity: the ratio, from 0 to 1, and 1 where nothing is left."""
    if denominator <= 0.0:
        return 1.0
    ratio = float(np.clip(numerator / denominator, 0.0, 1.0))
    return ratio if ratio > _ROUNDING else 0.0


# --------------------------------------------------------- Sigma in its two pieces
def _shrink(
    target: _Target, n_components: int | None
) -> tuple[Factors | Dense, Kept | None]:
    """Return Sigma in its pieces, and what further samples can join."""
    table, noise, spread = target.table, target.noise, target.spread
    n_samples, n_features = table.n_samples, table.n_features
    if target.found["shrinkage_"] == 0.0 and n_samples <= n_features:
        raise TooFewSamplesError(
            f"shrinkage 0 with {n_samples} samples of {n_features} genes: the sample "
            "covariance is singular. Use shrinkage='auto', or more samples than genes"
        )
    if n_components is not None and n_components < min(table.dof, n_features):
        axes = table.leading_axes(n_components)
        begun = begin_axes(table, target.factor, axes, target.sums, target.standardised)
        return _cut(target, axes), begun
    if n_samples <= n_features and target.found["shrinkage_"] < 1.0:
        return _samples_as_components(target)
    kept = keep_all(table, target.factor) if isinstance(table, _GIVEN) else None
    if target.found["shrinkage_"] == 1.0:
        return _only_noise(target), kept
    covariance = table.second_moments() * spread * spread[:, None]
    covariance.flat[:: n_features + 1] += noise
    least = float((noise / covariance.diagonal()).min())
    return Dense(covariance, least, table.dtype), kept


def _samples_as_components(target: _Target) -> tuple[Factors, Kept]:
    table, basis = target.table, target.table.sample_basis()
    basis *= target.spread.astype(basis.dtype)
    scale = target.factor * target.spread
    kept = SamplesInComponents(scale, table.location, table.n_samples)
    return Factors(target.noise, basis), kept


def _only_noise(target: _Target) -> Factors:
    empty = np.empty((0, target.table.n_features), dtype=target.table.dtype)
    return Factors(target.noise, empty)


def _cut(target: _Target, axes: NDArray) -> Factors:
    """Keep the leading axes of the table; what they miss goes to the diagonal."""
    if target.found["shrinkage_"] == 1.0:
        return _only_noise(target)
    table, spread, least = target.table, target.spread, target.noise
    loadings = with_signs(axes) * spread * table.varies
    loadings = loadings.astype(table.dtype, copy=False)
    total = least + table.squared_moments() * spread**2
    kept = np.einsum("ij,ij->j", loadings, loadings, dtype=np.float64)
    rounding = 10 * np.finfo(loadings.dtype).eps * total
    noise = np.maximum(total - kept, np.maximum(least, rounding))
    return Factors(noise, loadings)
