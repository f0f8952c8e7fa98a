"""What is known of a covariance, as every method hands it to the estimator.

A method is a function that returns a `CovarianceModel`: from samples by shrinkage
(`_shrinkage.py`) or by factor analysis (`_factor_analysis.py`), or here from a
covariance that somebody already has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sklearn_grn._capacitance import Capacitance, factorise, factorise_dense
from sklearn_grn._column_blocks import ColumnBlocks
from sklearn_grn._orthonormal import leading_eigenpairs
from sklearn_grn._warn import warn_caller


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
    """A covariance and where it comes from.

    Attributes
    ----------
    location : ndarray of shape (n_features,)
    covariance : Factors, Dense or Capacitance
    varies : ndarray of shape (n_features,), bool
        False for genes that are constant in the samples.
    attributes : dict
        What else the method found, by the name of the fitted attribute.
    heywood : ndarray of shape (n_features,), bool, or None
        Genes whose noise variance stopped at a lower bound.
    converged : bool
        Whether an iteration came to its end.
    kept : object or None
        What further samples can join (`_sample_stream.py`).
    """

    location: NDArray
    covariance: Factors | Dense | Capacitance
    varies: NDArray[np.bool_]
    attributes: dict[str, Any]
    heywood: NDArray[np.bool_] | None = None
    converged: bool = True
    kept: Any = None


def restore_unit(covariance: Factors | Dense, unit: float) -> Factors | Dense:
    """Return the covariance of samples that were divided by `unit`, within range.

    Parameters
    ----------
    covariance : Factors or Dense
    unit : float

    Returns
    -------
    Factors or Dense

    Raises
    ------
    ValueError
        If variances, or their inverses, leave the range of floats.
    """
    with np.errstate(over="ignore", under="ignore"):
        if isinstance(covariance, Dense):
            dtype = covariance.dtype
            noise = covariance.covariance.diagonal() * unit * unit
        else:
            dtype = covariance.loadings.dtype
            noise = covariance.noise_variance * unit * unit
    largest = float(np.finfo(dtype).max)
    if not (noise.max() < 1e-3 * largest and noise.min() > 1e3 / largest):
        raise ValueError(
            f"variances between {noise.min():.3g} and {noise.max():.3g} leave the "
            f"range of floating point numbers ({dtype}); rescale the table"
        )
    if unit == 1.0:
        return covariance
    if isinstance(covariance, Dense):
        return replace(covariance, covariance=covariance.covariance * unit * unit)
    return Factors(noise, covariance.loadings * covariance.loadings.dtype.type(unit))


def precomputed_model(covariance: NDArray, n_components: int | None) -> CovarianceModel:
    """Take a covariance that somebody already has.

    Parameters
    ----------
    covariance : ndarray of shape (n_features, n_features), float32 or float64
        Finite.
    n_components : int or None
        Number of leading axes of its correlation matrix to keep; None keeps all.

    Returns
    -------
    CovarianceModel

    Raises
    ------
    ValueError
        If it is not square, not symmetric, or a variance is not positive.
    """
    n_features, dtype = covariance.shape[1], covariance.dtype
    if len(covariance) != n_features:
        raise ValueError(
            "method='precomputed' takes a covariance, which is square, and X has shape "
            f"{covariance.shape}. It cannot be split into samples for cross-validation "
            "either; fit the samples themselves with another method"
        )
    covariance = covariance.astype(np.float64)
    asymmetry = np.abs(covariance - covariance.T).max()
    if asymmetry > 100 * np.finfo(dtype).eps * np.abs(covariance).max():
        raise ValueError(
            f"the covariance is not symmetric: entries differ by up to {asymmetry:.3g} "
            "from those across the diagonal. Use (S + S.T) / 2 if this is rounding"
        )
    if covariance.diagonal().min() <= 0:
        smallest = np.linalg.eigvalsh(covariance)[0]
        raise ValueError(
            "the covariance is not positive definite: a variance is "
            f"{covariance.diagonal().min():.3g}, the smallest eigenvalue {smallest:.3g}"
        )
    covariance = 0.5 * (covariance + covariance.T)
    pieces: Factors | Dense = Dense(covariance, 0.0, dtype)
    if n_components is not None and n_components < n_features:
        pieces = _cut_dense(covariance, n_components, dtype)
    every = np.ones(n_features, dtype=bool)
    return CovarianceModel(np.zeros(n_features), pieces, every, {})


def structured_model(state: Capacitance, n_components: int | None) -> CovarianceModel:
    """Take a covariance that is a diagonal plus a low-rank product already.

    Parameters
    ----------
    state : Capacitance
    n_components : int or None
        None, or at least the rank: the factor is taken as it is.

    Returns
    -------
    CovarianceModel

    Raises
    ------
    ValueError
        If fewer components are asked for.
    """
    if n_components is not None and n_components < state.rank:
        raise ValueError(
            f"n_components={n_components} of a structured covariance of rank "
            f"{state.rank}: it is taken as it is. Pass covariance.toarray() to cut it"
        )
    n_features = len(state.noise_variance)
    every = np.ones(n_features, dtype=bool)
    return CovarianceModel(np.zeros(n_features), state, every, {})


def _cut_dense(covariance: NDArray, n_components: int, dtype: np.dtype) -> Factors:
    """Keep the leading axes of a correlation matrix; the rest goes to the diagonal."""
    variance = covariance.diagonal()
    deviation = np.sqrt(variance)
    correlation = covariance / deviation / deviation[:, None]
    values, vectors = leading_eigenpairs(correlation, n_components)
    loadings = np.sqrt(np.maximum(values, 0.0))[:, None] * with_signs(vectors.T)
    left = 1.0 - np.square(loadings).sum(axis=0)
    floor = 10 * np.finfo(dtype).eps
    scaled = np.multiply(loadings, deviation, dtype=dtype, casting="same_kind")
    return Factors(np.maximum(left, floor) * variance, scaled)


def with_signs(loadings: NDArray) -> NDArray:
    """Make the largest loading of each axis positive; axes have no sign."""
    largest = np.abs(loadings).argmax(axis=1)
    return loadings * np.sign(loadings[np.arange(len(loadings)), largest])[:, None]


def factorise_model(covariance: Factors | Dense | Capacitance) -> Capacitance:
    """Return what inverts the covariance of a model."""
    if isinstance(covariance, Capacitance):
        return covariance
    if isinstance(covariance, Dense):
        return factorise_dense(
            covariance.covariance, covariance.least, covariance.dtype
        )
    return factorise(covariance.noise_variance, ColumnBlocks(covariance.loadings))


def warn_of(model: CovarianceModel, names: NDArray | None) -> None:
    """Warn of genes that do not vary, Heywood cases and an early end."""
    named = np.arange(len(model.varies)) if names is None else names
    if not model.varies.all():
        _warn_of_genes(
            named[~model.varies],
            len(named),
            "do not vary and have no link to others",
        )
    if model.heywood is not None and model.heywood.any():
        _warn_of_genes(
            named[model.heywood],
            len(named),
            "are Heywood cases: their noise variance stopped at its lower bound. Use "
            "fewer components if there are many",
        )
    if not model.converged:
        warn_caller(
            "factor analysis stopped at max_iter before it converged; raise max_iter "
            "or tol",
            ConvergenceWarning,
        )


def _warn_of_genes(genes: NDArray, n_genes: int, what: str) -> None:
    more = ", ..." if len(genes) > 5 else ""
    message = (
        f"{len(genes)} of the {n_genes} genes {what}: "
        f"{', '.join(map(str, genes[:5]))}{more}"
    )
    warn_caller(message)
