"""Shrinkage of a sample covariance towards a diagonal.

Every model has the form Sigma = diag(psi) + L L' exactly, and the diagonal of Sigma
is the (shrunken) variance of each gene whatever was cut off. While there are no more
samples than genes no genes x genes array is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._centred_table import CentredTable, centre, moment
from sklearn_grn._covariance_models import (
    CovarianceModel,
    Dense,
    Factors,
    restore_unit,
    with_signs,
)
from sklearn_grn._orthonormal import leading_eigenpairs

# The smallest intensity that an analytic rule may return. It only acts on tables whose
# genes are exact copies of each other, where the rule says 0 and Sigma is singular.
_LEAST_SHRINKAGE = 1e-8

_ROUNDING = 1e-13  # an intensity below this is 0 but for rounding


def shrinkage_model(
    X: NDArray,
    n_components: int | None = None,
    assume_centered: bool = False,
    shrinkage: str | float = "auto",
) -> CovarianceModel:
    """Estimate a covariance by shrinkage towards a diagonal.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Finite; at least two samples.
    n_components : int or None
        Number of leading axes of the scaled table to keep; None keeps all.
    assume_centered : bool
        Whether the mean is known to be 0.
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
        If no gene varies, if variances leave the range of floats, or if the covariance
        would be singular.

    References
    ----------
    .. [1] Schafer & Strimmer (2005), Stat. Appl. Genet. Mol. Biol. 4, 32.
    .. [2] Opgen-Rhein & Strimmer (2007), Stat. Appl. Genet. Mol. Biol. 6, 9.
    .. [3] Ledoit & Wolf (2004), J. Multivariate Anal. 88, 365-411.
    .. [4] Chen, Wiesel, Eldar & Hero (2010), IEEE Trans. Signal Process. 58, 5016-5029.
    """
    table = centre(X, assume_centered)
    if shrinkage in ("ledoit_wolf", "oas"):
        pieces, found = _identity_target(table, str(shrinkage), n_components)
    else:
        given = None if shrinkage == "auto" else float(shrinkage)
        pieces, found = _correlation_target(table, given, n_components)
    pieces = restore_unit(pieces, table.unit)
    return CovarianceModel(table.location, pieces, table.varies, found)


# ---------------------------------------------------------------------- the targets
def _correlation_target(
    table: CentredTable, given: float | None, n_components: int | None
) -> tuple[Factors | Dense, dict[str, Any]]:
    """Shrink correlations to 0 and variances to their median (Schafer-Strimmer)."""
    towards = _variance_intensity(table)
    median = np.median(table.variance[table.varies])
    variance = towards * median + (1.0 - towards) * table.variance
    # A constant gene whose shrunken variance is 0 gets the smallest positive one.
    variance = np.where(variance > 0, variance, variance[variance > 0].min())

    spread = np.sqrt(np.where(table.varies, table.variance, 1.0))
    table.samples[...] /= spread.astype(table.samples.dtype)
    intensity = _correlation_intensity(table) if given is None else given
    # A constant gene is not correlated, and all of its variance is its own.
    noise = np.where(table.varies, intensity * variance, variance)
    covariance = _shrink(
        table, noise, np.sqrt(variance), intensity, table.dof, n_components
    )
    return covariance, {"shrinkage_": intensity, "variance_shrinkage_": towards}


def _identity_target(
    table: CentredTable, rule: str, n_components: int | None
) -> tuple[Factors | Dense, dict[str, Any]]:
    """Shrink the covariance to its mean variance times the identity."""
    n_samples, n_features = table.samples.shape
    mean = float(table.variance.mean()) * table.dof / n_samples
    find = _ledoit_wolf_intensity if rule == "ledoit_wolf" else _oas_intensity
    intensity = find(table, mean)
    noise = np.full(n_features, intensity * mean)
    if intensity == 0.0 and not table.varies.all():
        smallest = table.variance[table.varies].min() * table.dof / n_samples
        noise[~table.varies] = smallest
    covariance = _shrink(
        table, noise, np.ones(n_features), intensity, n_samples, n_components
    )
    return covariance, {"shrinkage_": intensity, "variance_shrinkage_": intensity}


def _variance_intensity(table: CentredTable) -> float:
    """Opgen-Rhein & Strimmer 2007, eq. 8: sum Var(v_i) / sum (v_i - median)^2."""
    n_samples, dof, variance = len(table.samples), table.dof, table.variance
    uncertainty = (moment(table.samples, 4) - (dof * variance) ** 2 / n_samples).sum()
    uncertainty *= n_samples / (dof**2 * (n_samples - 1))
    moving = variance[table.varies]  # constant genes are not uncertain, and no target
    return _ratio(uncertainty, np.square(moving - np.median(moving)).sum())


def _correlation_intensity(table: CentredTable) -> float:
    """Schafer & Strimmer 2005, eq. 10: sum Var(r_ij) / sum r_ij^2 over i != j.

    The sums over pairs of genes are sums over pairs of samples: with standardised rows
    z_k, sum_ij (sum_k z_ki z_kj)^2 = ||Z Z'||^2 and sum_ij z_ki^2 z_kj^2 = ||z_k||^4.
    """
    if table.varies.sum() < 2 or table.dof < 2:
        return 1.0  # one gene has no partner; two samples correlate all genes perfectly
    n_samples, dof = len(table.samples), table.dof
    fourth = moment(table.samples, 4).sum()
    products = np.square(table.lengths).sum() - fourth
    squares = np.square(table.gram).sum() - table.varies.sum() * float(dof) ** 2
    uncertainty = (products - squares / n_samples) * n_samples / (n_samples - 1)
    return max(_LEAST_SHRINKAGE, _ratio(uncertainty, squares))


def _ledoit_wolf_intensity(table: CentredTable, mean: float) -> float:
    """Ledoit & Wolf 2004, lemmas 3.2 to 3.5, normalised as scikit-learn does."""
    n_samples, n_features = table.samples.shape
    if n_features == 1:
        return 0.0
    squares = np.square(table.gram).sum() / n_samples**2
    beta = (np.square(table.lengths).sum() / n_samples - squares) / n_samples
    return _ratio(beta, squares - n_features * mean**2)


def _oas_intensity(table: CentredTable, mean: float) -> float:
    """Chen et al. 2010, eq. 23, without its factor 2 / n_features as scikit-learn."""
    n_samples, n_features = table.samples.shape
    if n_features == 1:
        return 0.0
    square = np.square(table.gram).sum() / (n_samples * n_features) ** 2
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
    table: CentredTable,
    noise: NDArray,
    weight: NDArray,
    intensity: float,
    divisor: int,
    n_components: int | None,
) -> Factors | Dense:
    """Return diag(noise) + (1 - t) diag(w) Z'Z diag(w) / divisor in its pieces."""
    n_samples, n_features = table.samples.shape
    if intensity == 0.0 and n_samples <= n_features:
        raise ValueError(
            f"shrinkage 0 with {n_samples} samples of {n_features} genes: the sample "
            "covariance is singular. Use shrinkage='auto', or more samples than genes"
        )
    spread = weight * np.sqrt((1.0 - intensity) / divisor)
    rank = min(table.dof, n_features) if intensity < 1.0 else 0
    if rank == 0:
        return Factors(noise, np.empty((0, n_features), dtype=table.samples.dtype))
    if n_components is not None and n_components < rank:
        return _cut(table, n_components, spread, noise)
    if n_samples <= n_features:
        loadings = _sample_basis(table)
        loadings *= spread.astype(loadings.dtype)
        return Factors(noise, loadings)
    covariance = table.gram * spread * spread[:, None]
    covariance.flat[:: n_features + 1] += noise
    least = float((noise / covariance.diagonal()).min())
    return Dense(covariance, least, table.samples.dtype)


def _cut(
    table: CentredTable, n_components: int, spread: NDArray, least: NDArray
) -> Factors:
    """Keep the leading axes of the table; what they miss goes to the diagonal."""
    n_samples, n_features = table.samples.shape
    values, vectors = leading_eigenpairs(table.gram, n_components)
    if n_samples <= n_features:
        loadings = vectors.T.astype(table.samples.dtype) @ table.samples
    else:
        loadings = vectors.T * np.sqrt(np.maximum(values, 0.0))[:, None]
    loadings = with_signs(loadings) * spread * table.varies
    loadings = loadings.astype(table.samples.dtype, copy=False)
    total = least + moment(table.samples, 2) * spread**2
    kept = np.einsum("ij,ij->j", loadings, loadings, dtype=np.float64)
    rounding = 10 * np.finfo(loadings.dtype).eps * total
    noise = np.maximum(total - kept, np.maximum(least, rounding))
    return Factors(noise, loadings)


def _sample_basis(table: CentredTable) -> NDArray:
    """Return n - 1 rows with the same second moments as the n centred samples.

    The samples are reflected so that their mean direction becomes the last axis, where
    nothing is left: each row is still one sample, up to a multiple of the last. (The
    Householder reflection that takes the ones to sqrt(n) times the last axis.)
    """
    samples, n_samples = table.samples, len(table.samples)
    if table.dof == n_samples:
        return samples
    samples[:-1] -= samples[-1] * samples.dtype.type(1.0 / (n_samples**0.5 + 1.0))
    return samples[:-1]
