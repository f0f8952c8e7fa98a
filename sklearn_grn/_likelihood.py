"""What a covariance held in factors says of samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._capacitance import Capacitance, posterior_mean


def explain(state: Capacitance, centred: NDArray) -> tuple[NDArray, NDArray]:
    """Split samples into their factors and what the factors do not explain.

    Parameters
    ----------
    state : Capacitance
    centred : ndarray of shape (n_samples, n_features)
        Samples less their location.

    Returns
    -------
    factors : ndarray of shape (n_samples, rank)
        Posterior mean of the factors, float64.
    residual : ndarray of shape (n_samples, n_features)
        Whitened, of the type of the samples.
    """
    scale = state.scale.astype(centred.dtype)
    whitened = centred * scale
    factors = posterior_mean(state, whitened)
    whitened -= state.loadings.combine(factors.T) * scale
    return factors, whitened


def squared_mahalanobis(state: Capacitance, centred: NDArray) -> NDArray:
    """Return the squared Mahalanobis distance of each sample from the location.

    x' Sigma^-1 x is the squared length of the factors plus that of the residual: a sum
    of squares, so never negative.

    Parameters
    ----------
    state : Capacitance
    centred : ndarray of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples,), float64
    """
    factors, residual = explain(state, centred)
    left = np.einsum("ij,ij->i", residual, residual, dtype=np.float64)
    return np.square(factors).sum(axis=1) + left


def log_density(state: Capacitance, centred: NDArray) -> NDArray:
    """Return the Gaussian log-density of each sample.

    Parameters
    ----------
    state : Capacitance
    centred : ndarray of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples,), float64
    """
    constant = np.log(2 * np.pi * state.noise_variance).sum() + state.log_det
    return -0.5 * (constant + squared_mahalanobis(state, centred))
