"""Two features of each gene, and how much all genes have in common."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._centred_table import centre
from sklearn_grn._nonparanormal import normal_scores

# The standard deviation of normal samples is 1.4826 times their median deviation from
# the median: 1 / ndtri(3/4).
_NORMAL_MAD = 1.4826

# What is left of a square that does not vary is rounding.
_ROUNDING = 1e-8


class RegulatoryFeatures(NamedTuple):
    """A level and a square for each gene that varies.

    Attributes
    ----------
    levels : ndarray of shape (n_varying, n_samples)
        z, a gene a row, of mean 0 and length 1.
    squares : ndarray of shape (n_varying, n_samples)
        q = z^2, of mean 0; its length is the weight of squares, and 0 where the square
        does not vary.
    genes : ndarray of shape (n_varying,)
        Numbers of these genes in the table.
    """

    levels: NDArray[np.float64]
    squares: NDArray[np.float64]
    genes: NDArray[np.intp]


def regulatory_features(
    X: NDArray, *, clip: float, square_weight: float
) -> RegulatoryFeatures:
    """Return the two features of each gene that varies.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Finite.
    clip : float
        How many robust standard deviations from its median a value counts at most.
    square_weight : float
        Length of the squares, of which that of the levels is 1.

    Returns
    -------
    RegulatoryFeatures

    Raises
    ------
    ValueError
        If no gene varies.
    """
    genes = np.flatnonzero(centre(X, False).varies)
    rows = np.ascontiguousarray(X.T[genes], dtype=np.float64)
    # Ranks alone lose the one sample in which a gene was knocked out; values alone let
    # it rule. Their sum is affine-invariant but for the sign, and the sign cancels.
    levels = normal_scores(rows) + _clipped_deviations(rows, clip)
    levels = _unit_rows(levels - levels.mean(axis=1, keepdims=True))
    squares = np.square(levels)
    squares -= squares.mean(axis=1, keepdims=True)
    # Of a gene with two values, equally frequent, the square is constant.
    varies = _lengths(squares) > _ROUNDING * levels.shape[1] ** -0.5
    squares[~varies] = 0.0
    return RegulatoryFeatures(levels, square_weight * _unit_rows(squares), genes)


def mean_squared_correlation(levels: NDArray) -> float:
    """Return by how much the mean r^2 of all pairs exceeds that of independent genes.

    Parameters
    ----------
    levels : ndarray of shape (n_genes, n_samples)
        Rows of mean 0 and length 1.

    Returns
    -------
    float
        The mean of r^2 over pairs, less 1 / (n_samples - 1), which is its expectation
        for independent normal genes; at least 0.
    """
    n_genes, n_samples = levels.shape
    if n_genes < 2:
        return 0.0
    # The squared norm of Z Z' is that of Z' Z: whichever is smaller.
    gram = levels @ levels.T if n_genes < n_samples else levels.T @ levels
    squares = float(np.square(gram).sum()) - n_genes
    return max(0.0, squares / (n_genes * (n_genes - 1)) - 1 / (n_samples - 1))


def _clipped_deviations(rows: NDArray, clip: float) -> NDArray[np.float64]:
    """Return deviations from the median in robust standard deviations, clipped."""
    deviations = rows - np.median(rows, axis=1, keepdims=True)
    sizes = np.abs(deviations)
    largest = sizes.max(axis=1, keepdims=True)
    deviations /= largest  # squares stay within the range of floats
    scale = _NORMAL_MAD * np.median(sizes, axis=1, keepdims=True) / largest
    # More than half of the values are equal, as in single cells.
    scale = np.where(scale > 0, scale, deviations.std(axis=1, keepdims=True))
    return np.clip(deviations / scale, -clip, clip)


def _unit_rows(rows: NDArray) -> NDArray[np.float64]:
    """Return rows of length 1; rows of 0 stay."""
    lengths = _lengths(rows)
    return rows / np.where(lengths > 0, lengths, 1.0)[:, None]


def _lengths(rows: NDArray) -> NDArray[np.float64]:
    return np.sqrt(np.einsum("ij,ij->i", rows, rows))
