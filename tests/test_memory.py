"""What is promised of memory, measured."""

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklearn_grn import (
    EdgeFeatures,
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
    compare_networks,
    network_statistics,
)

SAMPLES, GENES = 60, 4000
DENSE = GENES**2 * 8


@pytest.fixture(scope="module")
def expression():
    return np.random.default_rng(0).normal(size=(SAMPLES, GENES))


@pytest.fixture(scope="module")
def loadings():
    return 0.1 * np.random.default_rng(1).normal(size=(GENES, 5))


@pytest.mark.parametrize("n_components", [None, 10])
@pytest.mark.parametrize("shrinkage", ["auto", "ledoit_wolf", "oas", 0.3])
def test_fit_allocates_nothing_quadratic(
    expression, allocation_peak, n_components, shrinkage
):
    with allocation_peak() as peak:
        FactorPrecisionEstimator(n_components, shrinkage=shrinkage).fit(expression)
    assert peak() < 0.1 * DENSE


def test_use_allocates_nothing_quadratic(expression, loadings, allocation_peak):
    estimator = FactorPrecisionEstimator().fit(expression)
    with allocation_peak() as peak:
        estimator.partial_fit_pathways(loadings)
        estimator.score(expression)
        estimator.activities(expression)
        estimator.remove_pathways("pathway2")
        estimator.partial_correlation_ @ expression.T
        estimator.precision_.diagonal()
        assert estimator.condition_number_ > 1
    assert peak() < 0.15 * DENSE


def test_fit_score_update_stay_within_eight_tables(allocation_peak):
    table = np.random.default_rng(2).normal(size=(128, 9054))
    loadings = 0.1 * np.random.default_rng(3).normal(size=(9054, 5))
    with allocation_peak() as peak:
        estimator = FactorPrecisionEstimator().fit(table)
        estimator.score(table)
        estimator.partial_fit_pathways(loadings)
    assert peak() <= 8 * table.nbytes


def test_update_copies_nothing_of_the_samples(expression, loadings, allocation_peak):
    estimator = FactorPrecisionEstimator().fit(expression)
    with allocation_peak() as peak:
        estimator.partial_fit_pathways(loadings)
    # A few columns and vectors of the length of the genes, not SAMPLES of them.
    assert peak() < 40 * GENES * 8


def test_grown_estimators_share_their_base(expression, loadings):
    base = FactorPrecisionEstimator().fit(expression)
    grown = copy.copy(base).partial_fit_pathways(loadings)
    ours, theirs = base._state.basis.blocks[0], grown._state.basis.blocks[0]
    assert np.shares_memory(ours, theirs)


def test_fitted_estimator_holds_no_table(expression):
    estimator = FactorPrecisionEstimator().fit(expression)
    held = vars(estimator) | vars(estimator._state)
    arrays = [value for value in held.values() if isinstance(value, np.ndarray)]
    assert not any(np.shares_memory(array, expression) for array in arrays)
    assert max(array.size for array in arrays) <= expression.size


def test_sample_basis_does_not_hold_one_row_more(expression):
    base = FactorPrecisionEstimator().fit(expression).components_.base
    assert base is None or base.size <= expression.size


# ---------------------------------------------------------------------------- networks
@pytest.mark.parametrize(
    "selector",
    [
        NetworkEdgeSelector(threshold=0, max_edges=1000),
        NetworkEdgeSelector(threshold=0.05),
        NetworkEdgeSelector(significance="genenet"),
        NetworkEdgeSelector(),
        NetworkEdgeSelectorCV(thresholds=5, cv=2),
    ],
    ids=["strongest", "threshold", "genenet", "leave_pair_out", "cv"],
)
@pytest.mark.filterwarnings("ignore:no edge was selected:UserWarning")
@pytest.mark.filterwarnings("ignore:.*threshold is the smallest:UserWarning")
def test_finding_a_network_allocates_nothing_quadratic(
    expression, allocation_peak, selector
):
    with allocation_peak() as peak:
        clone(selector).fit(expression)
    assert peak() < 0.5 * DENSE


def test_using_a_network_allocates_nothing_quadratic(
    expression, loadings, allocation_peak
):
    selector = NetworkEdgeSelector(threshold=0, max_edges=1000).fit(expression)
    with allocation_peak() as peak:
        network_statistics(selector)
        grown = copy.copy(selector).partial_fit_pathways(loadings)
        compare_networks(selector, grown)
        grown.score(expression)
        EdgeFeatures(FrozenEstimator(selector)).fit(expression).transform(expression)
    assert peak() < 0.5 * DENSE
