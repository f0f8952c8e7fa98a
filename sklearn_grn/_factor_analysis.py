"""Maximum-likelihood factor analysis of tables with many more genes than samples."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize

from sklearn_grn._capacitance import factorise
from sklearn_grn._centred_table import centre
from sklearn_grn._column_blocks import ColumnBlocks
from sklearn_grn._covariance_models import CovarianceModel, Factors, restore_unit
from sklearn_grn._likelihood import log_density
from sklearn_grn._orthonormal import leading_eigenpairs

# A gene whose noise variance would go below this share of its variance is a Heywood
# case: the likelihood wants a factor of its own for it.
_HEYWOOD = 1e-6

_SIMPLE_STEPS = 8
_FOLDS = 3


@dataclass(frozen=True, eq=False)
class FactorAnalysis:
    """A fitted factor model.

    Attributes
    ----------
    noise_variance : ndarray of shape (n_features,)
    loadings : ndarray of shape (n_components, n_features)
    log_likelihoods : list of float
        Of all samples, after each iteration.
    converged : bool
    heywood : ndarray of shape (n_features,), bool
        Genes whose noise variance stopped at its lower bound.
    """

    noise_variance: NDArray
    loadings: NDArray
    log_likelihoods: list[float]
    converged: bool
    heywood: NDArray[np.bool_]


def factor_analysis_model(
    X: NDArray,
    n_components: int | str | None,
    assume_centered: bool,
    *,
    tol: float,
    max_iter: int,
) -> CovarianceModel:
    """Estimate a covariance by factor analysis.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Finite; at least two samples.
    n_components : int, "auto" or None
        Number of factors. "auto" and None choose it by held-out likelihood.
    assume_centered : bool
        Whether the mean is known to be 0.
    tol, max_iter
        As in `factor_analysis`.

    Returns
    -------
    CovarianceModel
        Constant genes have no loadings and the smallest noise variance of the others.

    Raises
    ------
    ValueError
        If no gene varies or variances leave the range of floats.
    """
    table = centre(X, assume_centered)
    varies, samples = table.varies, table.samples[:, table.varies]
    fit = partial(factor_analysis, tol=tol, max_iter=max_iter)
    if n_components is None or isinstance(n_components, str):
        n_components = choose_n_components(samples, fit)
    found = fit(samples, min(n_components, min(table.dof, samples.shape[1]) - 1))
    noise = np.full(len(varies), found.noise_variance.min())
    noise[varies] = found.noise_variance
    loadings = np.zeros((len(found.loadings), len(varies)), dtype=X.dtype)
    loadings[:, varies] = found.loadings
    heywood = np.zeros(len(varies), dtype=bool)
    heywood[varies] = found.heywood
    shift = len(X) * varies.sum() * np.log(table.unit)
    attributes = {
        "n_iter_": len(found.log_likelihoods),
        "loglike_": [value - shift for value in found.log_likelihoods],
    }
    pieces = restore_unit(Factors(noise, loadings), table.unit)
    return CovarianceModel(
        table.location, pieces, varies, attributes, heywood, found.converged
    )


def factor_analysis(
    samples: NDArray, n_components: int, tol: float, max_iter: int
) -> FactorAnalysis:
    """Fit diag(psi) + L L' by maximum likelihood.

    Given psi the best L is known: the leading axes of the whitened samples. What is
    left is a function of psi with a known gradient [1]_, minimised over log psi. While
    there are no more samples than genes one evaluation costs
    O(n_samples^2 n_features), and a dozen or two are enough.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_features)
        Centred, and without constant genes.
    n_components : int
        Number of factors, less than both dimensions; may be 0.
    tol : float
        Relative change of the mean log-likelihood at which to stop.
    max_iter : int
        Largest number of iterations.

    Returns
    -------
    FactorAnalysis

    References
    ----------
    .. [1] Joreskog, K. G. (1967). Some contributions to maximum likelihood factor
       analysis. Psychometrika 32, 443-482, eq. 22-26.
    """
    variance = np.einsum("ij,ij->j", samples, samples, dtype=np.float64) / len(samples)
    whitened = np.divide(samples, np.sqrt(variance), dtype=np.float64)
    problem = _ProfileLikelihood(whitened, n_components)
    constant = 0.5 * float(np.log(2 * np.pi * variance).sum())
    start = np.full(len(variance), np.log(0.5 if n_components else 1.0))
    log_noise, values, converged = _minimise(problem, start, tol, max_iter)
    loadings = problem.loadings(np.exp(log_noise))
    # The likelihood equations put what the factors leave of a variance into psi.
    share = np.maximum(1.0 - np.square(loadings).sum(axis=0), _HEYWOOD)
    return FactorAnalysis(
        share * variance,
        (loadings * np.sqrt(variance)).astype(samples.dtype),
        [-len(samples) * (value + constant) for value in values],
        converged,
        share <= _HEYWOOD * (1 + 1e-6),
    )


def _minimise(
    problem: _ProfileLikelihood, start: NDArray, tol: float, max_iter: int
) -> tuple[NDArray, list[float], bool]:
    """Return the minimum in log psi, the values on the way and whether it is one.

    A few steps psi <- 1 - ||l_i||^2, which the likelihood equations suggest, are enough
    where the factors are strong, and a good start for L-BFGS-B where they are not.
    """
    log_noise, values = start, []
    value, gradient = problem(start)
    for _ in range(min(_SIMPLE_STEPS, max_iter)):
        noise = np.exp(log_noise) * (1.0 - 2.0 * gradient)
        proposed = np.log(np.clip(noise, _HEYWOOD, 1.0))
        last, (value, gradient) = value, problem(proposed)
        if value > last:
            break
        log_noise = proposed
        values.append(value)
        if last - value <= tol * max(1.0, abs(value)):
            return log_noise, values, True
    if len(values) == max_iter:
        return log_noise, values, False
    found = minimize(
        problem,
        log_noise,
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(np.log(_HEYWOOD), 0.0),
        callback=lambda intermediate_result: values.append(intermediate_result.fun),
        options={"maxiter": max_iter - len(values), "ftol": tol, "gtol": 0.0},
    )
    return found.x, values or [float(found.fun)], bool(found.status != 1)


def choose_n_components(samples: NDArray, fit: Callable[..., FactorAnalysis]) -> int:
    """Choose the number of factors by held-out likelihood.

    The likelihood of left-out samples rises with the number of factors and falls again;
    its top is bracketed by doubling and found by bisection. Information criteria count
    n_features parameters a factor against fewer samples, where their theory ends, and
    held-out likelihood is what `score` and a grid search maximise. Sample i belongs to
    fold i modulo 3, so that samples sorted by group are spread over the folds.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_features)
        Centred, and without constant genes.
    fit : callable
        ``fit(samples, n_components)``.

    Returns
    -------
    int
        From 0 to half of the rank.
    """
    n_train = len(samples) - len(samples) // _FOLDS - 1
    largest = (min(n_train, samples.shape[1]) - 1) // 2

    @cache
    def score(n_components: int) -> float:
        return _held_out(samples, n_components, fit)

    if largest < 1:
        return 0
    high = 1
    while high < largest and score(min(2 * high, largest)) > score(high):
        high = min(2 * high, largest)
    candidates = range(high // 2, min(2 * high, largest))
    return candidates.start + bisect_left(
        candidates, True, key=lambda k: score(k + 1) <= score(k)
    )


def _held_out(
    samples: NDArray, n_components: int, fit: Callable[..., FactorAnalysis]
) -> float:
    folds = np.arange(len(samples)) % _FOLDS
    total = 0.0
    for fold in range(_FOLDS):
        train = samples[folds != fold]
        location = train.mean(axis=0, dtype=np.float64).astype(train.dtype)
        varies = np.ptp(train, axis=0) > 0  # others tell nothing of the number
        model = fit((train - location)[:, varies], n_components)
        state = factorise(model.noise_variance, ColumnBlocks(model.loadings))
        test = samples[folds == fold]
        total += float(log_density(state, (test - location)[:, varies]).sum())
    return total


class _ProfileLikelihood:
    """Minus the mean log-likelihood as a function of log psi, with its gradient.

    For standardised genes, up to a constant. The call remembers nothing of the samples
    but what the next one needs.
    """

    def __init__(self, whitened: NDArray, n_components: int) -> None:
        self.n_components = n_components
        n_samples, n_features = whitened.shape
        self.wide = n_samples <= n_features
        scaled = whitened / n_samples**0.5
        self.table = scaled if self.wide else scaled.T @ scaled

    def __call__(self, log_noise: NDArray) -> tuple[float, NDArray]:
        noise = np.exp(log_noise)
        values, axes = self._leading(noise)
        explained = ((values - 1.0)[:, None] * np.square(axes)).sum(axis=0)
        fit = np.log(values).sum() + len(values) - values.sum() + (1.0 / noise).sum()
        gradient = 0.5 * (1.0 + explained - 1.0 / noise)
        return 0.5 * float(log_noise.sum() + fit), gradient

    def loadings(self, noise: NDArray) -> NDArray:
        """Return the best L' for psi, shape (n_components, n_features)."""
        values, axes = self._leading(noise)
        return np.sqrt(values - 1.0)[:, None] * axes * np.sqrt(noise)

    def _leading(self, noise: NDArray) -> tuple[NDArray, NDArray]:
        """Return leading eigenvalues, at least 1, and axes of the whitened covariance.

        Where an eigenvalue is below 1 its factor is best left out.
        """
        scale = 1.0 / np.sqrt(noise)
        scaled = (
            self.table * scale if self.wide else self.table * np.outer(scale, scale)
        )
        gram = scaled @ scaled.T if self.wide else scaled
        values, axes = leading_eigenpairs(gram, self.n_components)
        if self.wide:
            axes = (axes / np.sqrt(np.maximum(values, 1.0))).T @ scaled
        else:
            axes = axes.T
        return np.maximum(values, 1.0), axes
