"""Pathways that pass through a selector to the estimator inside, and the network."""

import copy
from contextlib import contextmanager

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.covariance import LedoitWolf
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
)
from sklearn_grn.datasets import make_sparse_network

N_GENES = 50
FRAME = make_sparse_network(70, N_GENES, as_frame=True, random_state=0).data
SAMPLES, GENES = FRAME.to_numpy(), list(FRAME)
RNG = np.random.default_rng(0)
LOADINGS = pd.DataFrame(
    RNG.normal(size=(N_GENES, 3)) * (RNG.random((N_GENES, 3)) < 0.3),
    index=GENES,
    columns=["p53", "NFkB", "MAPK"],
)
FIRST, SECOND, THIRD = (LOADINGS[[name]] for name in LOADINGS)

SELECTORS = {
    "a threshold": NetworkEdgeSelector(threshold=0.1),
    "the strongest": NetworkEdgeSelector(threshold=0, max_edges=30),
    "GeneNet": NetworkEdgeSelector(significance="genenet"),
    "leave-pair-out": NetworkEdgeSelector(significance="leave_pair_out"),
    "t": NetworkEdgeSelector(significance="t", fdr=0.2),
    "leave-pair-out's strongest": NetworkEdgeSelector(
        significance="leave_pair_out", max_edges=10
    ),
    "cross-validated": NetworkEdgeSelectorCV(thresholds=[0.05, 0.1, 0.2]),
}
on_selectors = pytest.mark.parametrize("name", SELECTORS)


def fit_selector(name="a threshold"):
    return copy.deepcopy(SELECTORS[name]).fit(FRAME)


@contextmanager
def left_as_it_was(selector, error, message=None):
    before = joblib.hash(selector)
    with pytest.raises(error, match=message):
        yield
    assert joblib.hash(selector) == before


# ------------------------------------------------------------------ the naive answers
def dense_values(estimator):
    """Partial correlations of a fitted estimator, 0 on the diagonal."""
    precision = np.linalg.inv(estimator.covariance_.toarray())
    scale = np.sqrt(precision.diagonal())
    return -precision / np.outer(scale, scale) * (1 - np.eye(len(precision)))


def updated_estimator(*pathways):
    estimator = FactorPrecisionEstimator().fit(FRAME)
    for loadings in pathways:
        estimator.partial_fit_pathways(loadings)
    return estimator


def naive_network(selector, values):
    """Pairs beyond all that was left out; and edges no weaker than the weakest was."""
    was_edge = selector.network_.toarray() != 0
    weakest = np.abs(selector.edges_["partial_correlation"]).min()
    sizes = np.abs(values)
    return values * ((sizes > selector.threshold_) | (was_edge & (sizes >= weakest)))


def naive_changes(before, after):
    i, j = np.triu_indices(N_GENES, 1)
    old, new = before[i, j], after[i, j]
    ends = {"source": np.array(GENES)[i], "target": np.array(GENES)[j]}
    values = {"before": old, "after": new, "change": new - old}
    table = pd.DataFrame(ends | values | {"change_of_size": abs(new) - abs(old)})
    order = np.argsort(-table["change"].abs(), kind="stable")
    return table.iloc[order].reset_index(drop=True)


# ------------------------------------------------------------------------- one arrives
@on_selectors
def test_the_network_is_that_of_the_updated_estimator_at_the_same_cut(name):
    selector = fit_selector(name)
    expected = naive_network(selector, dense_values(updated_estimator(FIRST)))
    selector.partial_fit_pathways(FIRST)
    assert_allclose(selector.network_.toarray(), expected, atol=1e-9)


@on_selectors
def test_the_cut_stays(name):
    selector = fit_selector(name)
    threshold = selector.threshold_
    assert selector.partial_fit_pathways(FIRST).threshold_ == threshold
    assert selector.remove_pathways("p53").threshold_ == threshold


@on_selectors
def test_the_table_holds_the_network_strongest_first(name):
    selector = fit_selector(name).partial_fit_pathways(FIRST)
    table, network = selector.edges_, np.triu(selector.network_.toarray())
    assert len(table) == np.count_nonzero(network)
    sizes = table["partial_correlation"].abs()
    assert sizes.is_monotonic_decreasing
    numbers = [[GENES.index(gene) for gene in table[end]] for end in table.columns[:2]]
    assert_array_equal(network[tuple(numbers)], table["partial_correlation"])


@pytest.mark.parametrize("name", ["GeneNet", "leave-pair-out", "t"])
def test_p_values_are_dropped(name):
    selector = fit_selector(name)
    assert "pvalue" in selector.edges_
    selector.partial_fit_pathways(FIRST)
    assert list(selector.edges_) == ["source", "target", "partial_correlation"]
    assert not hasattr(selector, "significance_")


def test_support_follows_the_network():
    selector = fit_selector().partial_fit_pathways(FIRST)
    linked = (selector.network_.toarray() != 0).any(axis=0)
    assert_array_equal(selector.get_support(), linked)
    assert selector.transform(FRAME).shape == (70, linked.sum())


def test_the_estimator_inside_has_the_pathway():
    selector = fit_selector().partial_fit_pathways(FIRST, activity_variance=2.0)
    assert selector.estimator_.pathway_names_.tolist() == ["p53"]
    assert selector.estimator_.activity_variance_.tolist() == [2.0]


def test_names_and_variances_are_handed_on():
    selector = fit_selector().partial_fit_pathways(LOADINGS.to_numpy(), list("abc"))
    assert selector.estimator_.pathway_names_.tolist() == ["a", "b", "c"]


def test_the_selector_itself_is_returned():
    selector = fit_selector()
    assert selector.partial_fit_pathways(FIRST) is selector
    assert selector.remove_pathways(["p53"]) is selector


def test_an_empty_network_may_get_edges():
    with pytest.warns(UserWarning, match="no edge was selected"):
        selector = NetworkEdgeSelector(threshold=0.6).fit(FRAME)
    loadings = pd.DataFrame({"shared": [5.0, -5.0]}, index=["gene4", "gene9"])
    selector.partial_fit_pathways(loadings)
    values = dense_values(updated_estimator(loadings))
    expected = values * (np.abs(values) > 0.6)
    assert selector.network_.nnz == 2
    assert_allclose(selector.network_.toarray(), expected, atol=1e-9)


def test_a_network_may_lose_all_its_edges():
    selector = NetworkEdgeSelector(threshold=0, max_edges=1).fit(FRAME)
    source, target, value = selector.edges_.loc[0]
    # A pathway that moves both genes against their link cancels some of it.
    loadings = pd.DataFrame({"p": [0.3, -0.3 * np.sign(value)]}, index=[source, target])
    selector.partial_fit_pathways(loadings)
    assert len(selector.edges_) == selector.network_.nnz == 0
    assert np.isfinite(selector.score(FRAME))


# -------------------------------------------------------------------------- what moved
@on_selectors
def test_changes_are_the_dense_differences(name):
    selector = fit_selector(name).partial_fit_pathways(FIRST)
    values = [dense_values(updated_estimator(*added)) for added in ((), (FIRST,))]
    expected = naive_changes(*values).head(1000)
    found = selector.edge_changes_
    pd.testing.assert_frame_equal(found.head(100), expected.head(100), rtol=1e-7)
    assert_allclose(found["change"].abs(), expected["change"].abs(), atol=1e-10)


def test_changes_of_a_removal_are_those_of_the_arrival_turned_round():
    selector = fit_selector().partial_fit_pathways(FIRST)
    arrived = selector.edge_changes_
    left = selector.remove_pathways("p53").edge_changes_
    assert_array_equal(left["before"], arrived["after"])
    assert_array_equal(left["after"], arrived["before"])
    assert_array_equal(left["change"], -arrived["change"])


def test_changes_are_those_of_the_last_update():
    selector = fit_selector().partial_fit_pathways(FIRST).partial_fit_pathways(SECOND)
    values = [dense_values(updated_estimator(*p)) for p in ((FIRST,), (FIRST, SECOND))]
    expected = naive_changes(*values).head(20)
    found = selector.edge_changes_.head(20)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-7)


# ------------------------------------------------------------------------- going again
@on_selectors
def test_removal_restores_the_network_exactly(name):
    selector, before = fit_selector(name), fit_selector(name)
    selector.partial_fit_pathways(FIRST).remove_pathways("p53")
    columns = ["source", "target", "partial_correlation"]
    pd.testing.assert_frame_equal(
        selector.edges_, before.edges_[columns], check_exact=True
    )
    difference = selector.network_ - before.network_
    assert np.abs(difference.toarray()).max() == 0


@on_selectors
def test_removal_in_another_order_restores_the_network(name):
    selector, before = fit_selector(name), fit_selector(name)
    selector.partial_fit_pathways(FIRST).partial_fit_pathways(SECOND)
    selector.remove_pathways("p53").remove_pathways("NFkB")
    assert_allclose(
        selector.network_.toarray(), before.network_.toarray(), rtol=1e-9, atol=0
    )


@on_selectors
def test_all_at_once_is_one_by_one(name):
    one_by_one, at_once = fit_selector(name), fit_selector(name)
    for pathway in (FIRST, SECOND, THIRD):
        one_by_one.partial_fit_pathways(pathway)
    at_once.partial_fit_pathways(LOADINGS)
    expected = at_once.network_.toarray()
    assert_allclose(one_by_one.network_.toarray(), expected, rtol=1e-8, atol=0)


# ------------------------------------------------------------------------------- score
def conditional_score(samples, covariance, location, network):
    """Sum of normal log-densities of each gene given its neighbours."""
    total = 0.0
    for gene in range(N_GENES):
        others = np.flatnonzero(network[gene])
        inner = covariance[np.ix_(others, others)]
        slopes = np.linalg.solve(inner, covariance[others, gene])
        variance = covariance[gene, gene] - slopes @ covariance[others, gene]
        mean = location[gene] + (samples[:, others] - location[others]) @ slopes
        total += stats.norm.logpdf(samples[:, gene], mean, np.sqrt(variance)).mean()
    return total


def test_the_score_after_an_update_is_of_the_fitted_covariance():
    selector = fit_selector().partial_fit_pathways(FIRST)
    last = updated_estimator(FIRST)
    covariance, network = last.covariance_.toarray(), selector.network_.toarray()
    expected = conditional_score(SAMPLES, covariance, last.location_, network)
    assert_allclose(selector.score(FRAME), expected)


# ---------------------------------------------------------------------- all or nothing
BAD_LOADINGS = {
    "orientation": (LOADINGS.to_numpy().T, None),
    "length": (np.ones((7, 1)), None),
    "NaN": (FIRST.where(FIRST > 0), "NaN"),
    "no gene": (pd.DataFrame({"p": [1.0]}, index=["GAPDH"]), "GAPDH"),
}


@pytest.mark.parametrize(
    ("loadings", "message"), BAD_LOADINGS.values(), ids=BAD_LOADINGS
)
def test_bad_loadings_leave_the_selector_as_it_was(loadings, message):
    selector = fit_selector("GeneNet")
    with left_as_it_was(selector, ValueError, message):
        selector.partial_fit_pathways(loadings)


def test_a_name_that_is_there_leaves_the_selector_as_it_was():
    selector = fit_selector().partial_fit_pathways(FIRST)
    with left_as_it_was(selector, ValueError, "p53"):
        selector.partial_fit_pathways(FIRST)


def test_a_name_that_is_not_there_leaves_the_selector_as_it_was():
    selector = fit_selector().partial_fit_pathways(FIRST)
    with left_as_it_was(selector, ValueError, "no pathway is named"):
        selector.remove_pathways(["p53", "Wnt"])


def test_a_search_that_fails_leaves_the_selector_as_it_was(monkeypatch):
    def fail(*args):
        raise MemoryError("too many")

    selector = fit_selector()
    monkeypatch.setattr("sklearn_grn._edge_selector.change_table", fail)
    with left_as_it_was(selector, MemoryError):
        selector.partial_fit_pathways(FIRST)


def test_a_copy_goes_its_own_way():
    selector = fit_selector()
    before = joblib.hash(selector)
    copy.copy(selector).partial_fit_pathways(FIRST)
    assert joblib.hash(selector) == before


# ------------------------------------------------------------------- what is around it
def test_a_frozen_estimator_stays_as_it_was():
    fitted = FactorPrecisionEstimator().fit(FRAME)
    before = joblib.hash(fitted)
    selector = NetworkEdgeSelector(FrozenEstimator(fitted), threshold=0.1).fit(FRAME)
    selector.partial_fit_pathways(FIRST)
    assert joblib.hash(fitted) == before
    expected = fit_selector().partial_fit_pathways(FIRST).network_.toarray()
    assert_array_equal(selector.network_.toarray(), expected)


def scaled_inside():
    scaler = StandardScaler().set_output(transform="pandas")
    inside = make_pipeline(scaler, FactorPrecisionEstimator())
    return NetworkEdgeSelector(inside, threshold=0.1).fit(FRAME)


def test_behind_a_scaler_loadings_are_in_units_of_the_scaled_table():
    selector = scaled_inside().partial_fit_pathways(FIRST)
    scaled = pd.DataFrame(StandardScaler().fit_transform(FRAME), columns=GENES)
    expected = NetworkEdgeSelector(threshold=0.1).fit(scaled)
    expected.partial_fit_pathways(FIRST)
    found = selector.network_.toarray()
    assert_allclose(found, expected.network_.toarray(), rtol=1e-9, atol=0)
    assert_allclose(selector.score(FRAME), expected.score(scaled))


def test_behind_a_scaler_loadings_are_aligned_by_name():
    in_order = scaled_inside().partial_fit_pathways(FIRST)
    shuffled = scaled_inside().partial_fit_pathways(
        FIRST.sample(frac=1, random_state=0)
    )
    assert_array_equal(shuffled.network_.toarray(), in_order.network_.toarray())


def test_a_pipeline_keeps_its_last_step_for_the_next_pathway():
    selector = scaled_inside().partial_fit_pathways(FIRST).partial_fit_pathways(SECOND)
    assert selector.estimator_[-1].pathway_names_.tolist() == ["p53", "NFkB"]
    selector.remove_pathways(["p53", "NFkB"])
    expected = scaled_inside().network_.toarray()
    assert_array_equal(selector.network_.toarray(), expected)


def test_a_search_inside_takes_pathways_once_it_is_finished():
    search = GridSearchCV(FactorPrecisionEstimator(), {"shrinkage": ["auto"]}, cv=2)
    selector = NetworkEdgeSelector(search, threshold=0.1).fit(FRAME)
    selector.partial_fit_pathways(FIRST)
    expected = fit_selector().partial_fit_pathways(FIRST).network_.toarray()
    assert_array_equal(selector.network_.toarray(), expected)


@pytest.mark.parametrize("name", ["partial_fit_pathways", "remove_pathways"])
@pytest.mark.parametrize("estimator", [LedoitWolf(), make_pipeline(LedoitWolf())])
def test_an_estimator_without_pathways_has_no_such_method(name, estimator):
    selector = NetworkEdgeSelector(estimator, threshold=0.1)
    assert not hasattr(selector, name)
    assert not hasattr(selector.fit(FRAME), name)


@pytest.mark.parametrize("estimator", [None, make_pipeline(FactorPrecisionEstimator())])
def test_the_method_is_there_before_fit(estimator):
    assert hasattr(NetworkEdgeSelector(estimator), "partial_fit_pathways")
