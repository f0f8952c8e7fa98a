"""The textbook formulas on dense genes x genes arrays, which the package avoids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_grn import FactorPrecisionEstimator


def textbook_covariance(base: FactorPrecisionEstimator, pathways: NDArray) -> NDArray:
    """Sigma + X X' from the attributes that describe the model."""
    loadings = np.vstack([base.components_, pathways.T])
    covariance = loadings.T @ loadings
    covariance.flat[:: len(covariance) + 1] += base.noise_variance_
    return covariance


def textbook_woodbury(precision: NDArray, pathways: NDArray) -> NDArray:
    """P - P X (I + X' P X)^-1 X' P, with no more large arrays than the result."""
    right = precision @ pathways
    capacitance = np.eye(pathways.shape[1]) + pathways.T @ right
    change = right @ np.linalg.solve(capacitance, right.T)
    return np.subtract(precision, change, out=change)


def textbook_partial_correlation(precision: NDArray) -> NDArray:
    scale = 1.0 / np.sqrt(precision.diagonal())
    correlation = precision * -scale * scale[:, None]
    np.fill_diagonal(correlation, 1.0)
    return correlation


def update_both(precision: NDArray, pathways: NDArray) -> tuple[NDArray, NDArray]:
    updated = textbook_woodbury(precision, pathways)
    return updated, textbook_partial_correlation(updated)


def textbook_shrinkage(samples: NDArray) -> tuple[NDArray, NDArray]:
    """Precision and partial correlations of Schafer & Strimmer (2005), genes x genes.

    With factor n / (n - 1)^3, the variance of r_ij is that of z_ki z_kj over samples.
    """
    n = len(samples)
    centred = samples - samples.mean(axis=0)
    variance = np.square(centred).sum(axis=0) / (n - 1)
    standard = centred / np.sqrt(variance)
    products, squares = standard.T @ standard, np.square(standard)
    uncertainty = (squares.T @ squares - products**2 / n) * (n / (n - 1) ** 3)
    correlation = products / (n - 1)
    shrinkage = (uncertainty.sum() - uncertainty.trace()) / (
        np.square(correlation).sum() - np.square(correlation.diagonal()).sum()
    )
    correlation *= 1.0 - np.clip(shrinkage, 0.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    spread = np.sqrt(shrunken_variance(centred, variance))
    precision = np.linalg.inv(correlation * spread * spread[:, None])
    return precision, textbook_partial_correlation(precision)


def shrunken_variance(centred: NDArray, variance: NDArray) -> NDArray:
    """Opgen-Rhein & Strimmer (2007), eq. 8: variances shrunk to their median."""
    n = len(centred)
    uncertainty = np.square(centred**2 - (n - 1) / n * variance).sum(axis=0)
    distance = variance - np.median(variance)
    shrinkage = n / (n - 1) ** 3 * uncertainty.sum() / np.square(distance).sum()
    return variance - np.clip(shrinkage, 0.0, 1.0) * distance
