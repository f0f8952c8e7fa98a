"""A covariance that somebody already has."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import cross_val_score

from sklearn_grn import DiagonalPlusLowRank, FactorPrecisionEstimator


def random_covariance(n_features, seed=0):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n_features, 2 * n_features))
    spread = rng.uniform(0.1, 10.0, n_features)
    return root @ root.T * spread * spread[:, None]


def fit(covariance, **parameters):
    estimator = FactorPrecisionEstimator(method="precomputed", **parameters)
    return estimator.fit(covariance)


@pytest.mark.parametrize("n_features", [1, 2, 7, 40])
def test_three_matrices_equal_dense_ones(n_features):
    covariance = random_covariance(n_features)
    estimator, inverse = fit(covariance), np.linalg.inv(covariance)
    assert_allclose(estimator.covariance_.toarray(), covariance, rtol=1e-12)
    tolerance = 1e-10 * np.abs(inverse).max()
    assert_allclose(estimator.precision_.toarray(), inverse, atol=tolerance)
    scale = np.sqrt(np.diag(inverse))
    rho = -inverse / np.outer(scale, scale) + 2 * np.eye(n_features)
    assert_allclose(estimator.partial_correlation_.toarray(), rho, atol=1e-10)


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10])
def test_ill_conditioned_covariance_keeps_its_digits(condition):
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    covariance = (axes * np.geomspace(1, 1 / condition, 20)) @ axes.T
    covariance = 0.5 * (covariance + covariance.T)
    product = fit(covariance).precision_.toarray() @ covariance
    assert_allclose(product, np.eye(20), atol=1e-14 * condition)


def test_update_of_a_precomputed_covariance():
    covariance, loadings = random_covariance(9), np.ones((9, 2)) * [[1.0, 2.0]]
    loadings[:4, 0] = 0
    updated = fit(covariance).partial_fit_pathways(loadings).precision_
    expected = np.linalg.inv(covariance + loadings @ loadings.T)
    assert_allclose(updated.toarray(), expected, atol=1e-9 * np.abs(expected).max())


def test_names_come_from_a_table():
    names = list("abcde")
    covariance = pd.DataFrame(random_covariance(5), names, names)
    estimator = fit(covariance, pathways=pd.Series(1.0, index=["d", "a"], name="x"))
    assert estimator.feature_names_in_.tolist() == names
    assert_array_equal(estimator.pathway_loadings_[:, 0], [1, 0, 0, 1, 0])


def test_structured_covariance_is_taken_as_it_is():
    loadings = np.random.default_rng(0).normal(size=(6, 2))
    given = DiagonalPlusLowRank(np.arange(1.0, 7.0), loadings)
    estimator = fit(given)
    assert estimator.n_components_ == 2
    assert_array_equal(estimator.noise_variance_, np.arange(1.0, 7.0))
    assert_array_equal(estimator.covariance_.toarray(), given.toarray())


def test_covariance_of_another_estimator_with_its_pathways():
    samples = np.random.default_rng(0).normal(size=(10, 6))
    other = FactorPrecisionEstimator(pathways=np.ones((6, 1))).fit(samples)
    estimator = fit(other.covariance_)
    assert_array_equal(estimator.precision_.toarray(), other.precision_.toarray())
    assert estimator.pathway_names_.size == 0
    estimator.partial_fit_pathways(np.eye(6)[:, :1]).remove_pathways("pathway0")
    assert_array_equal(estimator.precision_.toarray(), other.precision_.toarray())


def test_cut_keeps_the_variances():
    covariance = random_covariance(8)
    estimator = fit(covariance, n_components=3)
    assert estimator.n_components_ == 3
    assert_allclose(estimator.covariance_.diagonal(), np.diag(covariance))


def test_score_is_the_gaussian_density_around_zero():
    covariance = random_covariance(4)
    samples = np.random.default_rng(1).normal(size=(5, 4))
    quadratic = np.einsum("ij,ij->i", samples @ np.linalg.inv(covariance), samples)
    constant = 4 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1]
    expected = -0.5 * (quadratic + constant)
    assert_allclose(fit(covariance).score_samples(samples), expected)


def test_float32_stays_float32():
    covariance = random_covariance(5).astype(np.float32)
    assert fit(covariance).covariance_.dtype == np.float32


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (np.ones((3, 4)), r"square, and X has shape \(3, 4\)"),
        (np.array([[1.0, 0.5], [0.2, 1.0]]), "not symmetric: entries differ by .* 0.3"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "smallest eigenvalue .* is -1"),
        (np.ones((3, 3)), "not positive definite: the smallest eigenvalue"),
        (np.diag([1.0, -2.0]), "a variance is -2, the smallest eigenvalue -2"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "NaN"),
        (DiagonalPlusLowRank(np.ones(2), [[0.1], [0.1]], sign=-1), "inverse of one"),
        (DiagonalPlusLowRank([1.0, -1.0], [[2.0], [2.0]]), "entry of -1"),
    ],
)
def test_what_is_no_covariance_is_refused(covariance, message):
    estimator = fit(np.eye(3))
    with pytest.raises(ValueError, match=message):
        estimator.fit(covariance)
    assert_array_equal(estimator.covariance_.toarray(), np.eye(3))


def test_cross_validation_is_refused():
    estimator = FactorPrecisionEstimator(method="precomputed")
    with pytest.raises(ValueError, match="cannot be split into samples"):
        cross_val_score(estimator, random_covariance(6), cv=3, error_score="raise")


def test_structured_covariance_is_not_cut():
    given = DiagonalPlusLowRank(np.ones(3), np.eye(3)[:, :2])
    with pytest.raises(ValueError, match="taken as it is"):
        fit(given, n_components=1)


def test_large_structured_covariance_is_not_built(allocation_peak):
    given = DiagonalPlusLowRank(np.ones(4000), np.ones((4000, 2)))
    with allocation_peak() as peak:
        fit(given).partial_fit_pathways(np.ones((4000, 1)))
    assert peak() < 0.05 * 4000**2 * 8
