"""Variances of activities: the likelihood is highest there, and 0 is 0."""

import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn._activity_variance import variance_components
from sklearn_grn.datasets import load_leukemia, load_progeny
from sklearn_grn.pathways import (
    fit_activity_variance,
    pathway_loadings,
    scale_loadings,
)

N_GENES = 25
NAMES = ["alpha", "beta", "gamma"]


def simulate(variances, n_samples=200, seed=0):
    """Return samples at rest, samples with active pathways, and the loadings."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(N_GENES, len(variances)))
    loadings *= rng.random(loadings.shape) < 0.5
    rest = rng.normal(size=(n_samples, N_GENES))
    activities = rng.normal(size=(n_samples, len(variances))) * np.sqrt(variances)
    active = rng.normal(size=(n_samples, N_GENES)) + activities @ loadings.T
    return rest, active, pd.DataFrame(loadings, columns=NAMES[: len(variances)])


def score_of(estimator, loadings, variances, samples):
    grown = copy.copy(estimator)
    grown.partial_fit_pathways(loadings, activity_variance=variances)
    return grown.score(samples)


# --------------------------------------------------------------- the highest likelihood
@pytest.mark.parametrize("shrinkage", ["auto", 1.0])
@pytest.mark.parametrize("n_samples", [10, 200])
def test_no_other_variances_are_more_likely(shrinkage, n_samples):
    rest, active, loadings = simulate([2.0, 0.3, 0.0], n_samples)
    estimator = FactorPrecisionEstimator(shrinkage=shrinkage).fit(rest)
    found = fit_activity_variance(estimator, active, loadings)
    best = score_of(estimator, loadings, found, active)
    rng = np.random.default_rng(1)
    for _ in range(50):
        other = found * rng.uniform(0.5, 2.0, 3) + rng.uniform(0, 0.05, 3)
        assert score_of(estimator, loadings, other, active) < best


@pytest.mark.parametrize("seed", range(5))
def test_variances_are_those_of_a_general_optimiser(seed):
    rest, active, loadings = simulate([1.5, 0.1, 0.0], 60, seed)
    estimator = FactorPrecisionEstimator().fit(rest)
    found = fit_activity_variance(estimator, active, loadings)

    def deviance(variances):
        return -score_of(estimator, loadings, variances, active)

    other = minimize(
        deviance, np.ones(3), bounds=[(0, None)] * 3, options={"ftol": 1e-14}
    )
    assert_allclose(found, other.x, atol=2e-4)
    assert deviance(found) <= other.fun + 1e-12


@pytest.mark.parametrize("n_pathways", [1, 5, 40])
@pytest.mark.parametrize("n_samples", [5, 500])
def test_likelihood_equations_hold(n_pathways, n_samples):
    # The slope is 0 where a variance is positive, and not negative where it is 0.
    rng = np.random.default_rng(n_pathways)
    loadings = rng.normal(size=(100, n_pathways)) * (rng.random((100, 1)) < 0.5)
    true = rng.uniform(0, 0.3, n_pathways) * (rng.random(n_pathways) < 0.6)
    noise = rng.normal(size=(n_samples, 100))
    samples = noise + rng.normal(size=(n_samples, n_pathways)) * true**0.5 @ loadings.T
    scores = samples @ loadings
    gram, moment = loadings.T @ loadings, scores.T @ scores / n_samples
    found = variance_components(gram, moment)
    weight = np.linalg.inv(np.eye(n_pathways) + gram * found)
    slope = (weight @ gram - weight @ moment @ weight.T).diagonal() / gram.max()
    assert_allclose(slope[found > 0], 0.0, atol=1e-6)
    assert (slope[found == 0] >= 0).all()


def test_one_pathway_has_a_formula():
    # phi = max(0, (m - g) / g^2) with g = x' B^-1 x and m = x' B^-1 S B^-1 x.
    gram, moment = np.array([[4.0]]), np.array([[10.0]])
    assert_allclose(variance_components(gram, moment), [6 / 16])
    assert variance_components(gram, np.array([[3.0]])) == [0.0]


# ----------------------------------------------------------------- what it is good for
def test_variances_are_found_again():
    rest, active, loadings = simulate([4.0, 0.5, 0.0], 5000)
    estimator = FactorPrecisionEstimator(shrinkage=1.0).fit(rest)
    found = fit_activity_variance(estimator, active, loadings)
    assert found.index.tolist() == NAMES
    assert_allclose(found, [4.0, 0.5, 0.0], rtol=0.05, atol=0.01)


def test_pathways_that_explain_nothing_get_0():
    # Where samples vary less than the model says already, nothing is left to explain.
    rest, active, loadings = simulate([4.0, 1.0, 0.5])
    estimator = FactorPrecisionEstimator(shrinkage=1.0).fit(rest)
    assert_array_equal(fit_activity_variance(estimator, 0.5 * rest, loadings), 0.0)
    assert (fit_activity_variance(estimator, active, loadings) > 0).all()


def test_pathway_without_loadings_gets_0():
    rest, active, loadings = simulate([4.0, 1.0])
    found = fit_activity_variance(
        FactorPrecisionEstimator().fit(rest), active, loadings * [1.0, 0.0]
    )
    assert found["alpha"] > 0
    assert found["beta"] == 0


def test_variance_makes_up_for_the_size_of_the_loadings():
    rest, active, loadings = simulate([2.0, 0.4])
    estimator = FactorPrecisionEstimator().fit(rest)
    found = fit_activity_variance(estimator, active, loadings)
    scaled = fit_activity_variance(estimator, active, loadings * [1e3, 1e-3])
    assert_allclose(scaled, found * [1e-6, 1e6], rtol=1e-6)


def test_two_pathways_of_the_same_genes_share_what_they_explain():
    rest, active, loadings = simulate([2.0])
    estimator = FactorPrecisionEstimator().fit(rest)
    alone = fit_activity_variance(estimator, active, loadings)
    twice = np.column_stack([loadings, loadings])
    assert fit_activity_variance(estimator, active, twice).sum() == pytest.approx(
        alone.iloc[0], rel=1e-6
    )


# --------------------------------------------------------------- models and their state
def test_pathways_in_the_model_are_asked_for_without_loadings():
    rest, active, loadings = simulate([2.0, 0.4])
    estimator = FactorPrecisionEstimator().fit(rest)
    found = fit_activity_variance(estimator, active, loadings)
    estimator.partial_fit_pathways(loadings, activity_variance=[7.0, 0.0])
    inside = fit_activity_variance(estimator, active)
    assert_allclose(inside, found, rtol=1e-7)
    assert inside.index.tolist() == NAMES[:2]


def test_pathways_that_arrive_find_the_others_in_place():
    rest, active, loadings = simulate([2.0, 0.4])
    estimator = FactorPrecisionEstimator().fit(rest)
    both = fit_activity_variance(estimator, active, loadings)
    estimator.partial_fit_pathways(loadings["alpha"], activity_variance=both["alpha"])
    second = fit_activity_variance(estimator, active, loadings[["beta"]])
    assert second["beta"] == pytest.approx(both["beta"], rel=1e-5)


def test_the_estimator_stays_what_it_is():
    rest, active, loadings = simulate([2.0])
    estimator = FactorPrecisionEstimator().fit(rest)
    state = estimator._state
    fit_activity_variance(estimator, active, loadings)
    assert estimator._state is state


def test_float32_finds_what_float64_finds():
    rest, active, loadings = simulate([2.0, 0.4])
    found = [
        fit_activity_variance(
            FactorPrecisionEstimator().fit(rest.astype(dtype)), active, loadings
        )
        for dtype in (np.float32, np.float64)
    ]
    assert_allclose(*found, rtol=1e-4)


def test_nothing_dense_is_built(allocation_peak):
    rng = np.random.default_rng(0)
    samples, loadings = rng.normal(size=(20, 4000)), rng.normal(size=(4000, 3))
    estimator = FactorPrecisionEstimator().fit(samples)
    with allocation_peak() as peak:
        fit_activity_variance(estimator, samples, loadings)
    assert peak() < 0.1 * 4000**2 * 8


def test_steps_that_do_not_suffice_are_told(monkeypatch):
    rest, active, loadings = simulate([2.0, 0.4, 1.0])
    monkeypatch.setattr("sklearn_grn._activity_variance._MAX_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match="3 activities still move after 1 step"):
        fit_activity_variance(FactorPrecisionEstimator().fit(rest), active, loadings)


def test_model_without_pathways_is_refused():
    rest, active, _ = simulate([2.0])
    with pytest.raises(ValueError, match="no pathways; add some, or pass loadings"):
        fit_activity_variance(FactorPrecisionEstimator().fit(rest), active)


# ----------------------------------------------------------------- leukaemia, for real
@pytest.fixture(scope="module")
def leukemia():
    expression = load_leukemia(as_frame=True).data
    net = load_progeny().data
    net = net[net["target"].isin(expression.columns)]
    loadings = scale_loadings(pathway_loadings(net, expression), expression.var())
    return expression, loadings


def test_jak_stat_is_most_active_in_leukaemia_and_two_pathways_are_silent(leukemia):
    expression, loadings = leukemia
    independent = FactorPrecisionEstimator(shrinkage=1.0).fit(expression)
    found = fit_activity_variance(independent, expression, loadings)
    assert found.idxmax() == "JAK-STAT"
    assert found.index[found == 0].tolist() == ["Estrogen", "Trail"]
    before = independent.score(expression)
    assert score_of(independent, loadings, found, expression) > before
    assert score_of(independent, loadings, found, expression) > score_of(
        independent, loadings, None, expression
    )


def test_nothing_is_left_for_pathways_in_samples_that_the_model_knows(leukemia):
    expression, loadings = leukemia
    estimator = FactorPrecisionEstimator().fit(expression)
    assert_array_equal(fit_activity_variance(estimator, expression, loadings), 0.0)
