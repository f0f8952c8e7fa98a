"""Variances of pathways' activities by maximum likelihood, given their loadings.

With B what the covariance is without the pathways, Sigma = B + X diag(phi) X'. All that
the likelihood knows of phi is in two small matrices, whatever the number of genes,

    G = X' B^-1 X,        M = X' B^-1 S B^-1 X,        S = sum_i x_i x_i' / n :

log|Sigma| - log|B| = log|I + G diag(phi)|, and with W = (I + G diag(phi))^-1 the
matrices X' Sigma^-1 X and X' Sigma^-1 S Sigma^-1 X are W G and W M W'. This is a model
of variance components, as in quantitative genetics, and solved as there: by steps of
average information (Gilmour, Thompson & Cullis 1995), each a non-negative least squares
problem, so that a variance can be 0 and is then 0 exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from sklearn_grn._anndata import dense_table
from sklearn_grn._capacitance import Capacitance, remove
from sklearn_grn._fitted_covariance import read_samples
from sklearn_grn._loadings import Pathways, read_pathways
from sklearn_grn._warn import warn_caller

_MAX_STEPS = 500
_RIDGE = 1e-12  # of a diagonal of order 1: two pathways may have the same genes


def fit_activity_variance(estimator: Any, X: Any, loadings: Any = None) -> pd.Series:
    """Estimate the variance of each pathway's activity from samples.

    Maximum likelihood, given the loadings and the rest of the model: variances are not
    negative, and that of a pathway that explains nothing is 0.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator
        Fitted. It stays what it is.
    X : array-like of shape (n_samples, n_features)
        Expression. What the model says of these samples already, no pathway can
        explain: see Notes.
    loadings : DataFrame, array-like or sparse of shape (n_features, n_pathways), \
            default=None
        Pathways that are to arrive, as for `partial_fit_pathways`; those that are in
        the model stay there. None asks for the variances of those in the model.

    Returns
    -------
    Series of shape (n_pathways,)
        The variances, by the names of the pathways, to be passed on as
        ``partial_fit_pathways(loadings, activity_variance=...)``.

    Raises
    ------
    ValueError
        If there is no pathway, or samples or loadings do not fit the model.

    Warns
    -----
    ConvergenceWarning
        If the likelihood still rises after 500 steps.

    Notes
    -----
    The samples that the model was fitted on are in its components already, so pathways
    seem to do little in them. Ask in one of two ways: fit the model on other samples
    (at rest, controls), or fit it with ``shrinkage=1.0``, where it holds the variances
    of the genes and no correlation, so that all of these are left to the pathways.

    References
    ----------
    .. [1] Gilmour, A. R., Thompson, R. & Cullis, B. R. (1995). Average information
       REML: an efficient algorithm for variance parameter estimation in linear mixed
       models. Biometrics 51, 1440-1450.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_grn import FactorPrecisionEstimator
    >>> from sklearn_grn.pathways import fit_activity_variance
    >>> rng = np.random.default_rng(0)
    >>> rest, activity = rng.normal(size=(200, 6)), 2 * rng.normal(size=(200, 1))
    >>> estimator = FactorPrecisionEstimator(shrinkage=1.0).fit(rest)
    >>> loadings = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, -1, 1]]).T
    >>> samples = rng.normal(size=(200, 6)) + activity * loadings[:, 0]
    >>> fit_activity_variance(estimator, samples, loadings).round(1).tolist()
    [4.4, 0.0]
    """
    check_is_fitted(estimator)
    base, present = estimator._state, estimator._pathways
    if loadings is None:
        pathways = present
        keep = np.arange(base.rank) < estimator.n_components_
        base = remove(base, keep)
    else:
        pathways = read_pathways(
            loadings,
            None,
            None,
            gene_names=getattr(estimator, "feature_names_in_", None),
            present=Pathways.none(estimator.n_features_in_, present.loadings.dtype),
        )
    if not len(pathways.names):
        raise ValueError("the model has no pathways; add some, or pass loadings")
    samples = dense_table(read_samples(estimator, X, reset=False))
    centred = samples - estimator.location_.astype(samples.dtype)
    gram, moment = _sufficient(base, pathways.loadings.lying(), centred)
    variance = variance_components(gram, moment)
    return pd.Series(variance, index=pathways.names, name="activity_variance")


def _sufficient(
    state: Capacitance, columns: NDArray, centred: NDArray
) -> tuple[NDArray, NDArray]:
    """Return G and M, in float64, in O(p k) for each pathway and each sample."""
    scale = state.scale
    whitened = columns.astype(np.float64) * scale
    shared = state.basis.project(whitened.T)
    # As in `append`: Y'(I - QQ')Y as a sum of squares, where I - Q'Q = T'T.
    carried = state.root @ shared
    whitened -= state.basis.combine(shared)
    gram = carried.T @ carried + whitened @ whitened.T
    scores = centred @ (whitened * scale).T
    return gram, scores.T @ scores / len(centred)


def variance_components(
    gram: NDArray[np.float64], moment: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the non-negative phi of the highest likelihood.

    Parameters
    ----------
    gram : ndarray of shape (n_pathways, n_pathways)
        G.
    moment : ndarray of shape (n_pathways, n_pathways)
        M.

    Returns
    -------
    ndarray of shape (n_pathways,)
        0 for a pathway without loadings.
    """
    size = np.sqrt(gram.diagonal())
    loaded = size > 0
    unit = np.ix_(loaded, loaded)
    outer = np.outer(size[loaded], size[loaded])
    variance = np.zeros(len(size))
    variance[loaded] = _climb(gram[unit] / outer, moment[unit] / outer)
    variance[loaded] /= size[loaded] ** 2
    return variance


def _climb(gram: NDArray, moment: NDArray) -> NDArray:
    """Return phi for a gram matrix whose diagonal is 1."""
    variance = np.zeros(len(gram))
    deviance = _deviance(gram, moment, variance)
    for _ in range(_MAX_STEPS):
        aim = _next(gram, moment, variance)
        for step in 0.5 ** np.arange(34):
            trial = variance + step * (aim - variance)
            reached = _deviance(gram, moment, trial)
            if reached < deviance:
                break
        else:
            return variance
        variance, deviance = trial, reached
    warn_caller(
        f"the variances of {len(gram)} activities still move after {_MAX_STEPS} steps. "
        "Pathways of nearly the same genes cannot be told apart: drop some",
        ConvergenceWarning,
    )
    return variance


def _deviance(gram: NDArray, moment: NDArray, variance: NDArray) -> float:
    """Return -2 / n times the log-likelihood, but for what does not depend on phi.

    log|I + G D| - tr(D W M), where D^1/2 (I + D^1/2 G D^1/2)^-1 D^1/2 = D W.
    """
    root = np.sqrt(variance)
    inner = np.eye(len(gram)) + root[:, None] * gram * root
    triangle = np.linalg.cholesky(inner)
    explained = np.linalg.solve(inner, root[:, None] * moment * root).trace()
    return float(2 * np.log(triangle.diagonal()).sum() - explained)


def _next(gram: NDArray, moment: NDArray, variance: NDArray) -> NDArray:
    """Return the non-negative phi that the quadratic model at phi is least for."""
    weight = np.linalg.inv(np.eye(len(gram)) + gram * variance)
    expected, observed = weight @ gram, weight @ moment @ weight.T
    slope = (expected - observed).diagonal()
    # The average of observed and expected information, positive semi-definite as the
    # product, entry by entry, of two such matrices (Schur).
    information = expected * observed
    scale = np.sqrt(np.maximum(information.diagonal(), np.finfo(float).tiny))
    curvature = information / np.outer(scale, scale) + _RIDGE * np.eye(len(gram))
    triangle = np.linalg.cholesky(curvature).T
    wanted = curvature @ (scale * variance) - slope / scale
    return nnls(triangle, np.linalg.solve(triangle.T, wanted))[0] / scale
