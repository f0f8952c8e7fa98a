"""Models cut to their leading components, by a naive SVD of the scaled table."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_grn import FactorPrecisionEstimator

WIDE, TALL = (6, 15), (60, 7)
on_shapes = pytest.mark.parametrize("shape", [WIDE, TALL], ids="{0[0]}x{0[1]}".format)
METHODS = ["auto", 0.3, "ledoit_wolf", "oas"]
on_methods = pytest.mark.parametrize("shrinkage", METHODS)
MATRICES = ["covariance_", "precision_", "partial_correlation_"]


def make_table(shape, seed=0):
    """Correlated genes, their means and scales apart, none of them Gaussian."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = shape
    programme = rng.normal(size=(n_samples, 1)) * rng.normal(size=n_features)
    noise = rng.exponential(size=shape) - 1.0
    return (programme + noise) * rng.uniform(0.5, 4.0, n_features) + 0.5


def fit(X, n_components=None, **parameters):
    return FactorPrecisionEstimator(n_components, **parameters).fit(X)


def dense(estimator, matrix):
    return getattr(estimator, matrix).toarray()


def assert_close(computed, expected, tolerance):
    """Relative to the largest entry."""
    largest = np.abs(expected).max()
    assert_allclose(computed, expected, rtol=0, atol=tolerance * largest)


def assert_same(estimator, other, order=slice(None), tolerance=0.0):
    """The three matrices of one are those of the other with the genes in `order`."""
    for matrix in MATRICES:
        expected = dense(other, matrix)[order][:, order]
        assert_close(dense(estimator, matrix), expected, tolerance)


def naive_low_rank(X, estimator, n_components):
    """Leading axes of the scaled table by SVD, in units of expression."""
    centred = X - X.mean(axis=0)
    if estimator.shrinkage in ("ledoit_wolf", "oas"):
        scale, weight, divisor = 1.0, 1.0, len(X)
    else:
        scale = centred.std(axis=0, ddof=1)
        weight = np.sqrt(estimator.covariance_.diagonal())
        divisor = len(X) - 1
    _, lengths, axes = np.linalg.svd(centred / scale, full_matrices=False)
    loadings = (lengths[:, None] * axes)[:n_components] * weight
    return (1 - estimator.shrinkage_) / divisor * (loadings.T @ loadings)


@on_shapes
@on_methods
@pytest.mark.parametrize("n_components", [1, 3, 5])
def test_components_are_the_leading_axes_of_the_scaled_table(
    shape, shrinkage, n_components
):
    X = make_table(shape)
    estimator = fit(X, n_components, shrinkage=shrinkage)
    low_rank = estimator.components_.T @ estimator.components_
    assert_close(low_rank, naive_low_rank(X, estimator, n_components), 1e-12)


@on_shapes
@on_methods
@pytest.mark.parametrize("n_components", [1, 4])
def test_a_cut_keeps_the_variance_of_every_gene(shape, shrinkage, n_components):
    X = make_table(shape)
    cut, whole = (fit(X, k, shrinkage=shrinkage) for k in (n_components, None))
    variances = cut.covariance_.diagonal(), whole.covariance_.diagonal()
    assert_allclose(*variances, rtol=1e-12)


@on_shapes
@on_methods
def test_a_cut_keeps_the_intensities(shape, shrinkage):
    X = make_table(shape)
    cut, whole = (fit(X, k, shrinkage=shrinkage) for k in (2, None))
    assert cut.shrinkage_ == whole.shrinkage_
    assert cut.variance_shrinkage_ == whole.variance_shrinkage_


@on_shapes
def test_the_largest_loading_of_a_component_is_positive(shape):
    # Eigenvectors have no sign of their own, and results must not depend on LAPACK's.
    components = fit(make_table(shape), 4, shrinkage="oas").components_
    largest = np.abs(components).argmax(axis=1)
    assert (components[np.arange(4), largest] > 0).all()


@on_shapes
@on_methods
@pytest.mark.parametrize("n_components", [1, 4, None])
def test_components_and_noise_variance_rebuild_the_covariance(
    shape, shrinkage, n_components
):
    estimator = fit(make_table(shape), n_components, shrinkage=shrinkage)
    components, noise = estimator.components_, estimator.noise_variance_
    assert components.shape == (estimator.n_components_, shape[1])
    assert (noise > 0).all()
    rebuilt = np.diag(noise) + components.T @ components
    assert_close(rebuilt, dense(estimator, "covariance_"), 1e-13)


@pytest.mark.parametrize("n_components", [None, 5, 100])
@on_methods
def test_no_more_components_than_samples_span(n_components, shrinkage):
    estimator = fit(make_table(WIDE), n_components, shrinkage=shrinkage)
    assert estimator.n_components_ == WIDE[0] - 1


def test_one_component_more_with_a_known_mean():
    estimator = fit(make_table(WIDE), assume_centered=True)
    assert estimator.n_components_ == WIDE[0]


@pytest.mark.parametrize("n_components", [None, 7, 100])
@on_methods
def test_no_more_components_than_genes(n_components, shrinkage):
    estimator = fit(make_table(TALL), n_components, shrinkage=shrinkage)
    assert estimator.n_components_ == TALL[1]


@on_shapes
@on_methods
@pytest.mark.parametrize("surplus", [0, 1, 100])
def test_as_many_components_as_there_are_is_as_good_as_none(shape, shrinkage, surplus):
    X, n_components = make_table(shape), min(shape[0] - 1, shape[1]) + surplus
    clipped, whole = (fit(X, k, shrinkage=shrinkage) for k in (n_components, None))
    assert_same(clipped, whole)
