"""FactorPrecisionEstimator against its dense twin, while pathways come and go."""

import copy

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from sklearn_grn import FactorPrecisionEstimator

MATRICES = ["covariance_", "precision_", "partial_correlation_"]
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


def dense(estimator, matrix="covariance_"):
    return getattr(estimator, matrix).toarray()


def matrices_of(estimator):
    return [dense(estimator, matrix) for matrix in MATRICES]


# ------------------------------------------------------------- the naive formulas
def naive_matrices(covariance):
    """Covariance, its inverse, and the partial correlations, by LU of all of it."""
    precision = np.linalg.inv(covariance)
    scale = np.sqrt(precision.diagonal())
    partial = -precision / np.outer(scale, scale)
    np.fill_diagonal(partial, 1.0)
    return covariance, precision, partial


def naive_covariance(model, loadings):
    base = fit(model)
    components = base.components_.astype(np.float64)
    base = np.diag(base.noise_variance_) + components.T @ components
    return base + loadings.astype(np.float64) @ loadings.T


def assert_close(computed, expected, dtype):
    """Relative to the largest entry."""
    tolerance = TOLERANCE[dtype] * np.abs(expected).max(initial=0.0)
    assert_allclose(computed, expected, rtol=0, atol=tolerance)


# ------------------------------------------------------- pathways that come and go
def nothing_happens(estimator, loadings):
    return loadings[:, :0]


def all_come_at_once(estimator, loadings):
    estimator.partial_fit_pathways(loadings, list("abcd"))
    return loadings


def they_come_one_by_one(estimator, loadings):
    for name, column in zip("abcd", loadings.T, strict=True):
        estimator.partial_fit_pathways(column, name)
    return loadings


def the_first_goes(estimator, loadings):
    they_come_one_by_one(estimator, loadings)
    estimator.remove_pathways("a")
    return loadings[:, 1:]


def two_go(estimator, loadings):
    all_come_at_once(estimator, loadings)
    estimator.remove_pathways(["d", "b"])
    return loadings[:, [0, 2]]


def the_last_goes(estimator, loadings):
    they_come_one_by_one(estimator, loadings)
    estimator.remove_pathways("d")
    return loadings[:, :3]


def all_go(estimator, loadings):
    all_come_at_once(estimator, loadings)
    estimator.remove_pathways(list("abcd"))
    return loadings[:, :0]


def one_comes_again(estimator, loadings):
    they_come_one_by_one(estimator, loadings)
    estimator.remove_pathways("b").partial_fit_pathways(2 * loadings[:, 1], "b")
    return loadings[:, [0, 2, 3, 1]] * [1, 1, 1, 2]


STORIES = [
    nothing_happens,
    all_come_at_once,
    they_come_one_by_one,
    the_first_goes,
    two_go,
    the_last_goes,
    all_go,
    one_comes_again,
]
on_stories = pytest.mark.parametrize("story", STORIES)


@on_models
@on_stories
def test_the_matrices_are_those_of_the_dense_twin(model, story):
    estimator, dtype = fit(model), MODELS[model][1]
    loadings = story(estimator, make_loadings(model))
    expected = naive_matrices(naive_covariance(model, loadings))
    for computed, naive in zip(matrices_of(estimator), expected, strict=True):
        assert_close(computed, naive, dtype)


@on_stories
def test_the_loadings_are_those_of_the_pathways_that_are_there(story):
    estimator = fit("wide")
    loadings = story(estimator, make_loadings("wide"))
    assert_array_equal(estimator.pathway_loadings_, loadings)
    n_pathways = loadings.shape[1]
    assert len(estimator.pathway_names_) == n_pathways
    assert_array_equal(estimator.activity_variance_, np.ones(n_pathways))


@on_models
def test_what_the_samples_gave_stays(model):
    estimator, base = fit(model), fit(model)
    one_comes_again(estimator, make_loadings(model))
    assert_array_equal(estimator.components_, base.components_)
    assert_array_equal(estimator.noise_variance_, base.noise_variance_)
    assert estimator.n_components_ == base.n_components_


@on_models
def test_one_by_one_equals_at_once(model):
    one_by_one, at_once = fit(model), fit(model)
    they_come_one_by_one(one_by_one, make_loadings(model))
    all_come_at_once(at_once, make_loadings(model))
    pairs = zip(matrices_of(one_by_one), matrices_of(at_once), strict=True)
    for computed, expected in pairs:
        assert_close(computed, expected, MODELS[model][1])


@on_models
@pytest.mark.parametrize("n_last", [1, 3])
def test_taking_back_the_last_restores_every_bit(model, n_last):
    estimator, loadings = fit(model), make_loadings(model)
    estimator.partial_fit_pathways(loadings[:, 0], "kept")
    before = matrices_of(estimator)
    estimator.partial_fit_pathways(10 * loadings[:, :n_last])
    estimator.remove_pathways(estimator.pathway_names_[1:])
    for computed, expected in zip(matrices_of(estimator), before, strict=True):
        assert_array_equal(computed, expected)


@on_models
def test_taking_back_all_restores_every_bit(model):
    estimator = fit(model)
    before = matrices_of(estimator)
    they_come_one_by_one(estimator, make_loadings(model))
    estimator.remove_pathways(estimator.pathway_names_)
    for computed, expected in zip(matrices_of(estimator), before, strict=True):
        assert_array_equal(computed, expected)


@pytest.mark.parametrize("names", [[], (), np.array([]), iter([])])
def test_taking_back_nothing_changes_nothing(names):
    estimator = fit("wide").partial_fit_pathways(make_loadings("wide"))
    before = matrices_of(estimator)
    estimator.remove_pathways(names)
    for computed, expected in zip(matrices_of(estimator), before, strict=True):
        assert_array_equal(computed, expected)


def test_names_to_take_back_may_be_any_text_like():
    estimator = fit("wide").partial_fit_pathways(make_loadings("wide"), [1, 2, 3, 4])
    estimator.remove_pathways(pd.Index([4, 1])).remove_pathways(np.array(["2", "2"]))
    assert_array_equal(estimator.pathway_names_, ["3"])


@pytest.mark.parametrize("names", ["e", ["a", "e"], ["e", "pathway0"], [0]])
def test_taking_back_an_unknown_name_is_refused(names):
    estimator = fit("wide")
    all_come_at_once(estimator, make_loadings("wide"))
    before = joblib.hash(estimator)
    with pytest.raises(ValueError, match=r"no pathway is named .*'a', 'b', 'c', 'd'"):
        estimator.remove_pathways(names)
    assert joblib.hash(estimator) == before


def test_methods_that_change_the_estimator_return_it():
    estimator, loadings = fit("wide"), make_loadings("wide")
    assert estimator.fit(make_table("wide")) is estimator
    assert estimator.partial_fit_pathways(loadings) is estimator
    assert estimator.remove_pathways("pathway0") is estimator


NEED_FIT = {
    "partial_fit_pathways": lambda e: e.partial_fit_pathways(np.ones((10, 1))),
    "remove_pathways": lambda e: e.remove_pathways("p53"),
    "activities": lambda e: e.activities(np.ones((2, 10))),
    "score": lambda e: e.score(np.ones((2, 10))),
    "score_samples": lambda e: e.score_samples(np.ones((2, 10))),
    "mahalanobis": lambda e: e.mahalanobis(np.ones((2, 10))),
    "error_norm": lambda e: e.error_norm(np.eye(10)),
    "get_covariance": lambda e: e.get_covariance(),
    "get_precision": lambda e: e.get_precision(),
}


@pytest.mark.parametrize("method", NEED_FIT)
def test_methods_before_fit_say_so(method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        NEED_FIT[method](FactorPrecisionEstimator())


@on_models
@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_two_grown_from_one_base_do_not_see_each_other(model, copier):
    base, loadings = fit(model), make_loadings(model)
    before = joblib.hash(base)
    grown = [copier(base).partial_fit_pathways(column) for column in loadings.T]
    assert joblib.hash(base) == before
    for estimator, column in zip(grown, loadings.T, strict=True):
        alone = fit(model).partial_fit_pathways(column)
        for computed, expected in zip(
            matrices_of(estimator), matrices_of(alone), strict=True
        ):
            assert_array_equal(computed, expected)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_taking_back_from_a_copy_leaves_the_original(copier):
    estimator = fit("wide").partial_fit_pathways(make_loadings("wide"))
    before = joblib.hash(estimator)
    copier(estimator).remove_pathways(["pathway0", "pathway3"])
    assert joblib.hash(estimator) == before
