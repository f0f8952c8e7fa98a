"""Samples in, a covariance held as diagonal plus low rank out; arrays only.

Every model has the form Sigma = diag(psi) + L L' exactly, and the diagonal of Sigma
is the (shrunken) variance of each gene whatever was cut off. While there are no more
samples than genes no genes x genes array is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

# The smallest intensity that an analytic rule may return. It only acts on tables whose
# genes are exact copies of each other, where the rule says 0 and Sigma is singular.
_LEAST_SHRINKAGE = 1e-8

_BATCH = 1024  # genes or samples a time, so that a batch stays in the cache


@dataclass(frozen=True, eq=False)
class Factors:
    """A covariance diag(noise_variance) + loadings' loadings.

    Attributes
    ----------
    noise_variance : ndarray of shape (n_features,)
    loadings : ndarray of shape (n_components, n_features)
        L', a component a row, in units of expression.
    """

    noise_variance: NDArray
    loadings: NDArray


@dataclass(frozen=True, eq=False)
class Dense:
    """A covariance as it stands, where there are more samples than genes.

    Attributes
    ----------
    covariance : ndarray of shape (n_features, n_features), float64
    least : float
        Lower bound of the smallest eigenvalue of its correlation matrix, as far as the
        shrinkage gives one.
    dtype : dtype
        Data type of the samples.
    """

    covariance: NDArray
    least: float
    dtype: np.dtype


@dataclass(frozen=True, eq=False)
class CovarianceModel:
    """What samples say of a covariance.

    Attributes
    ----------
    location : ndarray of shape (n_features,)
    covariance : Factors or Dense
    shrinkage : float
        Intensity towards the diagonal target.
    variance_shrinkage : float
        Intensity of the variances towards their common target.
    varies : ndarray of shape (n_features,), bool
        False for genes that are constant in the samples.
    """

    location: NDArray
    covariance: Factors | Dense
    shrinkage: float
    variance_shrinkage: float
    varies: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Table:
    """Centred samples and what is counted of them."""

    samples: NDArray  # (n_samples, n_features); ours, free to be overwritten
    location: NDArray
    dof: int  # samples less the estimated mean
    variance: NDArray  # with divisor dof
    varies: NDArray[np.bool_]
    unit: float  # the samples were divided by this

    @cached_property
    def gram(self) -> NDArray:
        """The smaller of the two products of the table with itself, float64."""
        wide = self.samples.shape[0] <= self.samples.shape[1]
        tall = self.samples.T if wide else self.samples
        gram = np.zeros((tall.shape[1], tall.shape[1]))
        for batch in _batches(len(tall)):
            part = tall[batch].astype(np.float64, copy=False)
            gram += part.T @ part
        return gram

    @property
    def lengths(self) -> NDArray:
        """Squared length of each sample, float64."""
        if len(self.samples) <= self.samples.shape[1]:
            return self.gram.diagonal()
        return np.einsum("ij,ij->i", self.samples, self.samples, dtype=np.float64)


def shrinkage_model(
    X: NDArray,
    *,
    shrinkage: str | float = "auto",
    n_components: int | None = None,
    assume_centered: bool = False,
) -> CovarianceModel:
    """Estimate a covariance by shrinkage towards a diagonal.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Finite; at least two samples.
    shrinkage : {"auto", "ledoit_wolf", "oas"} or float, default="auto"
        "auto" shrinks correlations to 0 and variances to their median with the analytic
        intensities of [1]_ (eq. 10 there and eq. 8 of [2]_); a float fixes the first.
        "ledoit_wolf" [3]_ and "oas" [4]_ shrink the covariance to a multiple of the
        identity.
    n_components : int or None
        Number of leading axes of the scaled table to keep; None keeps all.
    assume_centered : bool
        Whether the mean is known to be 0.

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
    table = _centre(X, assume_centered)
    if shrinkage in ("ledoit_wolf", "oas"):
        model = _identity_target(table, str(shrinkage), n_components)
    else:
        given = None if shrinkage == "auto" else float(shrinkage)
        model = _correlation_target(table, given, n_components)
    if table.unit == 1.0:
        return model
    return replace(model, covariance=_restore_unit(model.covariance, table.unit))


# ------------------------------------------------------------------------ the table
def _centre(X: NDArray, assume_centered: bool) -> _Table:
    n_samples, n_features = X.shape
    if assume_centered:
        location, samples, dof = np.zeros(n_features), X.copy(), n_samples
    else:
        location = X.mean(axis=0, dtype=np.float64)
        samples, dof = X - location.astype(X.dtype), n_samples - 1
    rounding = 10 * np.finfo(X.dtype).eps * np.abs(location)
    unit, variance = 1.0, _moment(samples, 2) / dof
    if not 1e-30 < variance.max() < 1e30 and samples.any():
        # Fourth powers would leave the range of floats; a power of two is exact.
        unit = float(2.0 ** np.floor(np.log2(np.abs(samples).max())))
        samples /= samples.dtype.type(unit)
        variance, rounding = _moment(samples, 2) / dof, rounding / unit
    varies = variance > rounding**2
    if not varies.any():
        raise ValueError(
            f"none of the {n_features} genes varies over the {n_samples} samples, so "
            "there is no covariance to estimate. Check that samples are rows"
        )
    samples[:, ~varies] = 0.0
    return _Table(samples, location, dof, np.where(varies, variance, 0), varies, unit)


def _moment(samples: NDArray, power: int) -> NDArray:
    """Return the sum over samples of x^power for each gene, float64."""
    sums = []
    for batch in _batches(samples.shape[1]):
        part = samples[:, batch].astype(np.float64, copy=False)
        if power == 4:
            part = part * part
        sums.append(np.einsum("ij,ij->j", part, part))
    return np.concatenate(sums)


def _batches(size: int) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, size, _BATCH))


def _restore_unit(covariance: Factors | Dense, unit: float) -> Factors | Dense:
    restored: Factors | Dense
    if isinstance(covariance, Dense):
        restored = replace(covariance, covariance=covariance.covariance * unit * unit)
        noise = restored.covariance.diagonal()
    else:
        noise = covariance.noise_variance * unit * unit
        loadings = covariance.loadings * covariance.loadings.dtype.type(unit)
        restored = Factors(noise, loadings)
    if not (np.isfinite(noise).all() and noise.min() > np.finfo(np.float64).tiny):
        raise ValueError(
            f"variances between {noise.min():.3g} and {noise.max():.3g} leave the "
            "range of floating point numbers; rescale the table"
        )
    return restored


# ---------------------------------------------------------------------- the targets
def _correlation_target(
    table: _Table, given: float | None, n_components: int | None
) -> CovarianceModel:
    """Shrink correlations to 0 and variances to their median (Schafer-Strimmer)."""
    towards = _variance_intensity(table)
    median = np.median(table.variance[table.varies])
    variance = towards * median + (1.0 - towards) * table.variance
    # A constant gene whose shrunken variance is 0 gets the smallest positive one.
    variance = np.where(variance > 0, variance, variance[variance > 0].min())

    spread = np.sqrt(np.where(table.varies, table.variance, 1.0))
    table.samples[...] /= spread.astype(table.samples.dtype)
    intensity = _correlation_intensity(table) if given is None else given
    covariance = _shrink(
        table, variance, np.sqrt(variance), intensity, table.dof, n_components
    )
    return CovarianceModel(table.location, covariance, intensity, towards, table.varies)


def _identity_target(
    table: _Table, rule: str, n_components: int | None
) -> CovarianceModel:
    """Shrink the covariance to its mean variance times the identity."""
    n_samples, n_features = table.samples.shape
    mean = float(table.variance.mean()) * table.dof / n_samples
    find = _ledoit_wolf_intensity if rule == "ledoit_wolf" else _oas_intensity
    intensity = find(table, mean)
    every = np.full(n_features, mean)
    covariance = _shrink(
        table, every, np.ones(n_features), intensity, n_samples, n_components
    )
    return CovarianceModel(
        table.location, covariance, intensity, intensity, table.varies
    )


def _variance_intensity(table: _Table) -> float:
    """Opgen-Rhein & Strimmer 2007, eq. 8: sum Var(v_i) / sum (v_i - median)^2."""
    n_samples, dof, variance = len(table.samples), table.dof, table.variance
    uncertainty = (_moment(table.samples, 4) - (dof * variance) ** 2 / n_samples).sum()
    uncertainty *= n_samples / (dof**2 * (n_samples - 1))
    moving = variance[table.varies]  # constant genes are not uncertain, and no target
    return _ratio(uncertainty, np.square(moving - np.median(moving)).sum())


def _correlation_intensity(table: _Table) -> float:
    """Schafer & Strimmer 2005, eq. 10: sum Var(r_ij) / sum r_ij^2 over i != j.

    The sums over pairs of genes are sums over pairs of samples: with standardised rows
    z_k, sum_ij (sum_k z_ki z_kj)^2 = ||Z Z'||^2 and sum_ij z_ki^2 z_kj^2 = ||z_k||^4.
    """
    n_samples, dof = len(table.samples), table.dof
    fourth = _moment(table.samples, 4).sum()
    products = np.square(table.lengths).sum() - fourth
    squares = np.square(table.gram).sum() - table.varies.sum() * float(dof) ** 2
    uncertainty = (products - squares / n_samples) * n_samples / (n_samples - 1)
    # At most 1, at least 0: what is left of `squares` for one gene is rounding.
    return max(_LEAST_SHRINKAGE, _ratio(uncertainty, squares))


def _ledoit_wolf_intensity(table: _Table, mean: float) -> float:
    """Ledoit & Wolf 2004, lemmas 3.2 to 3.5, normalised as scikit-learn does."""
    n_samples, n_features = table.samples.shape
    if n_features == 1:
        return 0.0
    squares = np.square(table.gram).sum() / n_samples**2
    beta = (np.square(table.lengths).sum() / n_samples - squares) / n_samples
    return _ratio(beta, squares - n_features * mean**2)


def _oas_intensity(table: _Table, mean: float) -> float:
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
    return float(np.clip(numerator / denominator, 0.0, 1.0))


# --------------------------------------------------------- Sigma in its two pieces
def _shrink(
    table: _Table,
    target: NDArray,
    weight: NDArray,
    intensity: float,
    divisor: int,
    n_components: int | None,
) -> Factors | Dense:
    """Return t diag(target) + (1 - t) diag(w) Z'Z diag(w) / divisor in its pieces."""
    n_samples, n_features = table.samples.shape
    if intensity == 0.0 and n_samples <= n_features:
        raise ValueError(
            f"shrinkage 0 with {n_samples} samples of {n_features} genes: the sample "
            "covariance is singular. Use shrinkage='auto', or more samples than genes"
        )
    spread = weight * np.sqrt((1.0 - intensity) / divisor)
    rank = min(table.dof, n_features) if intensity < 1.0 else 0
    if rank == 0:
        return Factors(target, np.empty((0, n_features), dtype=table.samples.dtype))
    if n_components is not None and n_components < rank:
        return _cut(table, n_components, spread, intensity * target)
    if n_samples <= n_features:
        loadings = _sample_basis(table)
        loadings *= spread.astype(loadings.dtype)
        return Factors(intensity * target, loadings)
    covariance = table.gram * spread * spread[:, None]
    covariance.flat[:: n_features + 1] += intensity * target
    least = intensity * float((target / covariance.diagonal()).min())
    return Dense(covariance, least, table.samples.dtype)


def _cut(table: _Table, n_components: int, spread: NDArray, least: NDArray) -> Factors:
    """Keep the leading axes of the table; what they miss goes to the diagonal."""
    n_samples, n_features = table.samples.shape
    size = len(table.gram)
    leading = [size - n_components, size - 1]
    values, vectors = linalg.eigh(table.gram, subset_by_index=leading)
    values, vectors = values[::-1], vectors[:, ::-1]
    if n_samples <= n_features:
        loadings = vectors.T.astype(table.samples.dtype) @ table.samples
    else:
        loadings = vectors.T * np.sqrt(np.maximum(values, 0.0))[:, None]
    # Eigenvectors have no sign of their own: the largest loading is made positive.
    largest = np.abs(loadings).argmax(axis=1)
    loadings *= np.sign(loadings[np.arange(n_components), largest])[:, None]
    loadings = (loadings * spread).astype(table.samples.dtype, copy=False)
    total = least + _moment(table.samples, 2) * spread**2
    kept = np.einsum("ij,ij->j", loadings, loadings, dtype=np.float64)
    rounding = 10 * np.finfo(loadings.dtype).eps * total
    noise = np.maximum(total - kept, np.maximum(least, rounding))
    return Factors(noise, loadings)


def _sample_basis(table: _Table) -> NDArray:
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
