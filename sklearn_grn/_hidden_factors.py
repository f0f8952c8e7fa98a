"""Hidden factors that link all genes: whether there are any, and their removal.

A factor that acts on most genes makes the correlations of unconnected pairs too large,
which the scale of the null shows. A gene with many targets is not a factor: what it
does is an edge. Both are leading directions of the samples; the scale tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._orthonormal import leading_eigenpairs
from sklearn_grn._prepared_table import standardise

_MOST_FACTORS = 10
_PERMUTATIONS, _ABOVE_CHANCE = 3, 1.05

# Chosen on simulated networks with and without factors, hubs, chains and blocks.
_SUSPICIOUS, _WORTH, _ENOUGH, _UNEXPLAINED = 1.08, 0.03, 1.05, 1.2


def choose_n_factors(
    rows: NDArray, scale_without: Callable[[int], float], most: int
) -> int:
    """Choose how many leading directions of the samples to remove.

    One more is removed as long as the scale of the null falls enough. If it stays
    large, several factors may hide each other, and the number with the smallest scale
    is taken.

    Parameters
    ----------
    rows : ndarray of shape (n_genes, n_samples)
        A gene a row, standardised.
    scale_without : callable
        ``scale_without(n_factors)``, the scale of the null after their removal.
    most : int
        No more than these, because of the degrees of freedom.

    Returns
    -------
    int
    """
    scale = cache(scale_without)
    if scale(0) <= _SUSPICIOUS:
        return 0
    most = min(most, n_beyond_chance(rows))
    chosen = 0
    while (
        chosen < most
        and scale(chosen) > _ENOUGH
        and scale(chosen + 1) <= scale(chosen) - _WORTH
    ):
        chosen += 1
    if scale(chosen) > _UNEXPLAINED:
        return min(range(most + 1), key=scale)
    return chosen


def n_beyond_chance(rows: NDArray) -> int:
    """Return how many leading directions explain more than chance, at most 10.

    Parallel analysis [1]_: their eigenvalues exceed those of tables in which each gene
    has its samples in an order of its own. The orders are the same in each call.

    Parameters
    ----------
    rows : ndarray of shape (n_genes, n_samples)

    Returns
    -------
    int

    References
    ----------
    .. [1] Horn, J. L. (1965). A rationale and test for the number of factors in factor
       analysis. Psychometrika 30, 179-185.
    """
    values, _ = leading_directions(rows, _MOST_FACTORS)
    by_chance = np.zeros(len(values))
    for seed in range(_PERMUTATIONS):
        shuffled = np.random.default_rng(seed).permuted(rows, axis=1)
        by_chance += leading_directions(shuffled, _MOST_FACTORS)[0] / _PERMUTATIONS
    return int(np.append(values > _ABOVE_CHANCE * by_chance, False).argmin())


def without_factors(rows: NDArray, n_factors: int) -> NDArray[np.float64]:
    """Return genes without the leading directions of the samples, standardised."""
    if n_factors == 0:
        return rows
    _, directions = leading_directions(rows, n_factors)
    return standardise(rows - (rows @ directions) @ directions.T)


def leading_directions(rows: NDArray, n_directions: int) -> tuple[NDArray, NDArray]:
    """Return the largest eigenvalues of Z Z' and their eigenvectors, a sample a row."""
    n_directions = min(n_directions, *rows.shape)
    if rows.shape[1] <= len(rows):
        return leading_eigenpairs(rows.T @ rows, n_directions)
    values, axes = leading_eigenpairs(rows @ rows.T, n_directions)
    return values, rows.T @ axes / np.sqrt(values)
