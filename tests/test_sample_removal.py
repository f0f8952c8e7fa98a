"""Samples that are alone in their direction, against sixty digits."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_grn._centred_table import centre
from sklearn_grn._edge_search import Edges
from sklearn_grn._sample_removal import (
    correlations_without,
    held_out_log_density,
    remove_each,
)

GENES = 7
PAIRS = Edges(*np.triu_indices(GENES, 1), np.zeros(GENES * (GENES - 1) // 2))
NO_PATHWAYS = np.empty((0, GENES))

exactly = np.vectorize(mpmath.mpf, otypes=[object])


def samples(n_samples):
    """Correlated genes of unlike scale and mean."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(n_samples, GENES)) @ rng.normal(size=(GENES, GENES))
    return table * np.exp(rng.normal(size=GENES)) + 3


def parts(X, noise_share, assume_centered=False):
    """Return a table, and a covariance of correlations that are shrunk by a share."""
    table = centre(X, assume_centered)
    spread = np.sqrt((1 - noise_share) / (table.dof - 1) / table.variance)
    return table, np.full(GENES, noise_share), spread


def exact(X, table, noise, spread, pathways, k):
    """Share of the determinant, log-density and partial correlations without one."""
    known = table.dof == len(X)
    every, others = exactly(X), np.delete(exactly(X), k, axis=0)
    mean, left = (0 if known else x.sum(axis=0) / len(x) for x in (every, others))
    rest = np.diag(exactly(noise)) + exactly(pathways).T @ exactly(pathways)
    scaled, remaining = (every - mean) * exactly(spread), (others - left) * spread
    whole, covariance = (
        mpmath.matrix(rest + part.T @ part) for part in (scaled, remaining)
    )
    precision = np.array((covariance**-1).tolist()).reshape(GENES, GENES)
    residual, determinant = every[k] - left, mpmath.det(covariance)
    log_det = mpmath.log(determinant) + GENES * mpmath.log(2 * mpmath.pi)
    density = -(log_det + residual @ precision @ residual) / 2
    scale = np.sqrt(precision.diagonal())
    correlations = (-precision / scale / scale[:, None])[PAIRS.sources, PAIRS.targets]
    share = determinant / mpmath.det(whole)
    return float(share), float(density), correlations.astype(float)


def assert_exact(X, table, noise, spread, pathways, rtol, atol, which=(0, -1)):
    removals = remove_each(table, noise, spread, pathways)
    densities = held_out_log_density(removals, table)
    held = np.zeros(X.shape)
    correlations, _ = correlations_without(removals, held, PAIRS, len(PAIRS.values))
    with mpmath.workdps(60):
        for k in which:
            expected = exact(X, table, noise, spread, pathways, k)
            assert_allclose(removals.shares[k], expected[0], rtol=rtol)
            assert_allclose(densities[k], expected[1], rtol=rtol)
            assert_allclose(correlations[k], expected[2], atol=atol)


@pytest.mark.parametrize("assume_centered", [False, True])
@pytest.mark.parametrize("noise_share", [1e-2, 1e-6, 1e-8])
@pytest.mark.parametrize("n_samples", [5, 7])
def test_where_each_sample_is_alone_no_digit_is_lost(
    n_samples, noise_share, assume_centered
):
    X = samples(n_samples)
    table, noise, spread = parts(X, noise_share, assume_centered)
    assert_exact(X, table, noise, spread, NO_PATHWAYS, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("noise_share", [1e-2, 1e-6, 1e-8])
@pytest.mark.parametrize("n_samples", [8, 9, 12])
def test_where_samples_are_hardly_more_than_genes_few_are_lost(n_samples, noise_share):
    X = samples(n_samples)
    table, noise, spread = parts(X, noise_share)
    assert_exact(X, table, noise, spread, NO_PATHWAYS, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("n_samples", [5, 8, 12])
def test_pathways_share_directions_with_samples(n_samples):
    X = samples(n_samples)
    table, noise, spread = parts(X, 1e-6)
    pathways = np.eye(GENES)[:2] + 1e-3 * table.samples[:2]
    assert_exact(X, table, noise, spread, pathways, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("assume_centered", [False, True])
@pytest.mark.parametrize("distance", [1e3, 1e5])
def test_a_far_sample_among_many(distance, assume_centered):
    X = samples(30) - 3
    X[3, 2] += distance
    table, noise, spread = parts(X, 1e-6, assume_centered)
    spread *= np.sqrt(table.variance)  # genes in their own units: one dwarfs the rest
    pathways = np.eye(GENES)[:1]
    assert remove_each(table, noise, spread, pathways).shares[3] < 1e-4
    assert_exact(X, table, noise, spread, pathways, rtol=1e-7, atol=1e-7, which=[3])
