"""Scores, distances, activities and norms against SciPy and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.covariance import EmpiricalCovariance

from sklearn_grn import FactorPrecisionEstimator

TOLERANCE = {np.float32: 2e-4, np.float64: 1e-10}

# Shape of the table, its data type, parameters of the estimator.
MODELS = {
    "wide": ((6, 10), np.float64, {}),
    "wide float32": ((6, 10), np.float32, {}),
    "square": ((9, 9), np.float64, {"shrinkage": "oas"}),
    "tall": ((40, 7), np.float64, {}),
    "tall float32": ((40, 7), np.float32, {}),
    "not shrunk": ((40, 7), np.float64, {"shrinkage": 0}),
    "cut": ((6, 10), np.float64, {"n_components": 2}),
    "diagonal": ((6, 10), np.float64, {"shrinkage": 1}),
    "centred": ((6, 10), np.float64, {"assume_centered": True}),
    "one gene": ((6, 1), np.float64, {"shrinkage": 0.5}),
}
on_models = pytest.mark.parametrize("model", MODELS)


def make_table(model, seed=0):
    (n_samples, n_features), dtype, _ = MODELS[model]
    rng = np.random.default_rng(seed)
    mixing = np.eye(n_features) + 0.3 * rng.normal(size=(n_features, n_features))
    return (rng.normal(size=(n_samples, n_features)) @ mixing + 1.0).astype(dtype)


def make_loadings(model, n_pathways=4):
    (_, n_features), dtype, _ = MODELS[model]
    loadings = np.random.default_rng(1).normal(size=(n_features, n_pathways))
    return loadings.astype(dtype)


def fit(model):
    return FactorPrecisionEstimator(**MODELS[model][2]).fit(make_table(model))


def dense(estimator):
    return estimator.covariance_.toarray()


def assert_close(computed, expected, dtype):
    """Relative to the largest entry."""
    tolerance = TOLERANCE[dtype] * np.abs(expected).max(initial=0.0)
    assert_allclose(computed, expected, rtol=0, atol=tolerance)


def grown(model):
    return fit(model).partial_fit_pathways(
        make_loadings(model), activity_variance=[0.5, 1, 2, 0]
    )


on_grown_or_not = pytest.mark.parametrize("make", [fit, grown])


@on_models
@on_grown_or_not
def test_score_samples_is_the_gaussian_log_density(model, make):
    estimator, samples = make(model), make_table(model, seed=2)
    twin = stats.multivariate_normal(estimator.location_, dense(estimator))
    expected = np.atleast_1d(twin.logpdf(samples))
    assert_close(estimator.score_samples(samples), expected, MODELS[model][1])


@on_models
@on_grown_or_not
def test_score_is_the_mean_over_samples(model, make):
    estimator, samples = make(model), make_table(model, seed=2)
    score = estimator.score(samples)
    assert type(score) is float
    assert score == estimator.score_samples(samples).mean()
    assert score == estimator.score(samples, "not used")


def scikit_learn_twin(model, make):
    """Scikit-learn's class, holding the same covariance as a dense array."""
    estimator, twin = make(model), EmpiricalCovariance().fit(make_table(model))
    twin.location_, twin.covariance_ = estimator.location_, dense(estimator)
    twin.precision_ = np.linalg.inv(twin.covariance_.astype(np.float64))
    return twin


@on_models
@on_grown_or_not
def test_mahalanobis_is_that_of_scikit_learn(model, make):
    samples = make_table(model, seed=2)
    expected = scikit_learn_twin(model, make).mahalanobis(samples)
    assert_close(make(model).mahalanobis(samples), expected, MODELS[model][1])


@pytest.mark.parametrize("model", ["wide", "tall", "cut"])
def test_the_mean_is_at_distance_zero(model):
    estimator = grown(model)
    assert_array_equal(estimator.mahalanobis(estimator.location_[None]), [0.0])


@on_models
def test_activities_are_the_posterior_mean(model):
    estimator, samples = grown(model), make_table(model, seed=2)
    loadings = estimator.pathway_loadings_ * estimator.activity_variance_
    inverse = np.linalg.inv(dense(estimator).astype(np.float64))
    expected = (samples - estimator.location_) @ inverse @ loadings
    assert_close(estimator.activities(samples), expected, MODELS[model][1])


def test_without_pathways_there_are_no_activities():
    assert fit("wide").activities(make_table("wide")).shape == (6, 0)


@pytest.mark.parametrize("model", ["wide", "wide float32", "tall", "diagonal"])
@pytest.mark.parametrize("norm", ["frobenius", "spectral"])
@pytest.mark.parametrize("scaling", [True, False])
@pytest.mark.parametrize("squared", [True, False])
def test_error_norm_is_that_of_scikit_learn(model, norm, scaling, squared):
    options = {"norm": norm, "scaling": scaling, "squared": squared}
    other = np.cov(make_table(model), rowvar=False)
    expected = scikit_learn_twin(model, grown).error_norm(other, **options)
    computed = grown(model).error_norm(other, **options)
    assert_allclose(computed, expected, rtol=TOLERANCE[MODELS[model][1]])


@pytest.mark.parametrize("norm", ["frobenius", "spectral"])
@pytest.mark.parametrize("form", [pd.DataFrame, np.ndarray.tolist])
def test_error_norm_takes_any_array_like(norm, form):
    estimator, other = grown("wide"), dense(fit("wide"))
    expected = estimator.error_norm(other, norm)
    assert estimator.error_norm(form(other), norm) == expected


@pytest.mark.parametrize("norm", ["frobenius", "spectral"])
@pytest.mark.parametrize("n_features", [10, 600])
def test_error_norm_takes_structured_matrices(norm, n_features):
    X = np.random.default_rng(0).normal(size=(8, n_features))
    estimator, other = (FactorPrecisionEstimator(k).fit(X) for k in (None, 2))
    computed = estimator.error_norm(other.covariance_, norm)
    expected = estimator.error_norm(dense(other), norm)
    assert_allclose(computed, expected, rtol=1e-10)


@pytest.mark.parametrize("factor", [0.5, 3.0])
@pytest.mark.parametrize("n_features", [10, 600])
def test_spectral_norm_of_the_distance_to_a_multiple(factor, n_features):
    X = np.random.default_rng(0).normal(size=(8, n_features))
    estimator = FactorPrecisionEstimator().fit(X)
    covariance = dense(estimator)
    distance = estimator.error_norm(factor * covariance, "spectral", False, False)
    expected = abs(1 - factor) * np.linalg.eigvalsh(covariance)[-1]
    assert_allclose(distance, expected, rtol=1e-10)


@pytest.mark.parametrize("norm", ["frobenius", "spectral"])
@pytest.mark.parametrize("n_features", [10, 600])
def test_the_distance_to_itself_is_zero(norm, n_features):
    X = np.random.default_rng(0).normal(size=(8, n_features))
    estimator = FactorPrecisionEstimator().fit(X)
    assert estimator.error_norm(estimator.covariance_, norm) < 1e-25


def test_spectral_norm_of_a_difference_that_takes_the_diagonal_to_zero():
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(4, 600))
    estimator = FactorPrecisionEstimator(shrinkage=1).fit(np.vstack([signs, -signs]))
    direction = np.zeros(600)
    direction[:2] = 1.0, -1.0
    other = estimator.covariance_.append(direction[:, None])
    distance = estimator.error_norm(other, "spectral", scaling=False, squared=False)
    assert_allclose(distance, 2.0, rtol=1e-10)


@pytest.mark.parametrize("shape", [(9, 9), (10, 9)])
def test_error_norm_refuses_another_shape(shape):
    with pytest.raises(ValueError, match=r"\(10, 10\) and .*\(\d+, 9\)"):
        fit("wide").error_norm(np.ones(shape))


def test_error_norm_refuses_another_norm():
    with pytest.raises(ValueError, match="'nuclear'; it must be 'frobenius' or"):
        fit("wide").error_norm(np.eye(10), norm="nuclear")


# --------------------------------------------------------------- other ways to look
@on_models
def test_getters_return_the_attributes(model):
    estimator = grown(model)
    assert estimator.get_covariance() is estimator.covariance_
    assert estimator.get_precision() is estimator.precision_


@on_grown_or_not
@pytest.mark.parametrize("model", [m for m in MODELS if MODELS[m][1] == np.float64])
def test_condition_number(model, make):
    estimator = make(model)
    expected = np.linalg.cond(dense(estimator))
    assert_allclose(estimator.condition_number_, expected, rtol=1e-10)


@pytest.mark.parametrize("n_components", [None, 2])
def test_condition_number_of_many_genes_to_six_digits(n_components):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 600)) * rng.uniform(0.1, 3.0, 600)
    estimator = FactorPrecisionEstimator(n_components).fit(X)
    estimator.partial_fit_pathways(rng.normal(size=(600, 2)))
    values = np.linalg.eigvalsh(dense(estimator))
    assert_allclose(estimator.condition_number_, values[-1] / values[0], rtol=1e-6)


def test_condition_number_follows_the_pathways():
    estimator = fit("wide")
    before = estimator.condition_number_
    estimator.partial_fit_pathways(10 * make_loadings("wide"))
    assert estimator.condition_number_ > 10 * before
