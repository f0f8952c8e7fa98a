"""NetworkEdgeSelector against a dense matrix of partial correlations, sorted."""

import re
from itertools import combinations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.covariance import GraphicalLasso, LedoitWolf

from sklearn_grn import FactorPrecisionEstimator, NetworkEdgeSelector
from sklearn_grn.datasets import make_sparse_network

FRAME = make_sparse_network(70, 60, as_frame=True, random_state=0).data
SAMPLES, GENES = FRAME.to_numpy(), list(FRAME)
N_PAIRS = 60 * 59 // 2
CUTS = {
    "a threshold": {"threshold": 0.1},
    "threshold 0": {"threshold": 0},
    "the strongest": {"threshold": 0, "max_edges": 25},
    "the strongest above": {"threshold": 0.1, "max_edges": 10},
    "fewer above": {"threshold": 0.2, "max_edges": 1000},
    "GeneNet": {"significance": "genenet"},
    "GeneNet at 0.3": {"significance": "genenet", "fdr": 0.3},
    "GeneNet's strongest": {"significance": "genenet", "max_edges": 12},
}
TESTS = {
    "leave-pair-out": {"significance": "leave_pair_out"},
    "leave-pair-out's strongest": {"significance": "leave_pair_out", "max_edges": 12},
    "t": {"significance": "t", "fdr": 0.3},
}
on_cuts = pytest.mark.parametrize("choice", CUTS.values(), ids=CUTS)
on_choices = pytest.mark.parametrize(
    "choice", [*CUTS.values(), *TESTS.values()], ids=[*CUTS, *TESTS]
)


# ------------------------------------------------------------------ the naive answers
def all_pairs(samples, estimator=None):
    """(i, j, partial correlation) of all pairs of a dense matrix, strongest first."""
    fitted = (estimator or FactorPrecisionEstimator()).fit(samples)
    precision = np.asarray(fitted.get_precision())
    scale = np.sqrt(precision.diagonal())
    rho = -precision / np.outer(scale, scale)
    pairs = [(i, j, rho[i, j]) for i, j in combinations(range(len(rho)), 2)]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))


def assert_edges(selector, expected, rtol=1e-9):
    names = getattr(selector, "feature_names_in_", [f"x{i}" for i in range(1000)])
    table = selector.edges_
    ends = [(names[i], names[j]) for i, j, _ in expected]
    assert list(zip(table["source"], table["target"], strict=True)) == ends
    values = [value for *_, value in expected]
    assert_allclose(table["partial_correlation"], values, rtol=rtol, atol=1e-14)


def assert_same_network(selector, other, rtol=0.0):
    columns = ["source", "target", "partial_correlation"]
    pd.testing.assert_frame_equal(
        selector.edges_[columns], other.edges_[columns], rtol=rtol, atol=0
    )
    assert_allclose(selector.network_.toarray(), other.network_.toarray(), rtol=rtol)


# ------------------------------------------------------------------- equal to all pairs
INSIDE = [
    FactorPrecisionEstimator(),
    FactorPrecisionEstimator(5),
    LedoitWolf(),
    GraphicalLasso(0.3),
]
on_inside = pytest.mark.parametrize("estimator", INSIDE, ids=str)


@on_inside
@pytest.mark.parametrize("threshold", [0.05, 0.15, 0.5, 1.0])
@pytest.mark.filterwarnings("ignore:no edge was selected")
def test_edges_are_those_above_the_threshold(estimator, threshold):
    selector = NetworkEdgeSelector(estimator, threshold=threshold).fit(FRAME)
    pairs = all_pairs(FRAME, estimator)
    assert_edges(selector, [pair for pair in pairs if abs(pair[2]) > threshold])
    assert selector.threshold_ == threshold


@on_inside
@pytest.mark.parametrize("max_edges", [1, 30])
def test_edges_are_the_strongest(estimator, max_edges):
    selector = NetworkEdgeSelector(estimator, threshold=0, max_edges=max_edges)
    pairs = all_pairs(FRAME, estimator)
    assert_edges(selector.fit(FRAME), pairs[:max_edges])
    assert_allclose(selector.threshold_, abs(pairs[max_edges][2]), rtol=1e-9)


def test_edges_are_the_strongest_above_a_threshold():
    pairs = all_pairs(FRAME)
    threshold = (abs(pairs[20][2]) + abs(pairs[19][2])) / 2
    few = NetworkEdgeSelector(threshold=threshold, max_edges=8).fit(FRAME)
    assert_edges(few, pairs[:8])
    many = NetworkEdgeSelector(threshold=threshold, max_edges=50).fit(FRAME)
    assert_edges(many, pairs[:20])


def test_all_edges():
    selector = NetworkEdgeSelector(threshold=0).fit(FRAME)
    assert_edges(selector, all_pairs(FRAME), rtol=1e-7)
    assert len(selector.edges_) == N_PAIRS


def test_more_edges_than_there_are_pairs():
    every = NetworkEdgeSelector(threshold=0).fit(FRAME)
    selector = NetworkEdgeSelector(threshold=0, max_edges=10**6).fit(FRAME)
    assert_same_network(selector, every)
    assert selector.threshold_ == 0


@pytest.mark.parametrize("fdr", [0.01, 0.05, 0.3])
def test_genenet_edges_are_the_strongest(fdr):
    selector = NetworkEdgeSelector(significance="genenet", fdr=fdr).fit(FRAME)
    n_edges = len(selector.edges_)
    assert n_edges > 5
    pairs = all_pairs(FRAME)
    assert_edges(selector, pairs[:n_edges])
    assert_allclose(selector.threshold_, abs(pairs[n_edges][2]), rtol=1e-9)
    assert selector.edges_["qvalue"].max() <= fdr


@on_choices
def test_threshold_is_the_largest_left_out(choice):
    selector = NetworkEdgeSelector(**choice).fit(FRAME)
    ends = zip(selector.edges_["source"], selector.edges_["target"], strict=True)
    edges = {frozenset(pair) for pair in ends}
    left_out = [
        abs(value)
        for i, j, value in all_pairs(FRAME)
        if {GENES[i], GENES[j]} not in edges
    ]
    largest = max(left_out, default=0)
    if isinstance(selector.threshold, float):
        assert largest <= selector.threshold_ * (1 + 1e-9)
    else:
        assert_allclose(selector.threshold_, largest, rtol=1e-9)


@on_cuts
def test_its_threshold_reproduces_the_network(choice):
    selector = NetworkEdgeSelector(**choice).fit(FRAME)
    again = NetworkEdgeSelector(threshold=selector.threshold_).fit(FRAME)
    assert_same_network(again, selector)


@on_choices
def test_edges_that_were_tested_have_columns_for_it(choice):
    selector = NetworkEdgeSelector(**choice).fit(FRAME)
    columns = ["source", "target", "partial_correlation"]
    if "significance" in choice:
        columns += ["pvalue", "qvalue"]
        columns += ["local_fdr"] if choice["significance"] == "genenet" else []
    assert list(selector.edges_) == columns
    assert hasattr(selector, "significance_") == ("significance" in choice)


@on_choices
def test_the_network_holds_the_edges(choice):
    selector = NetworkEdgeSelector(**choice).fit(FRAME)
    expected = pd.DataFrame(0.0, index=GENES, columns=GENES)
    for source, target, value, *_ in selector.edges_.itertuples(index=False):
        expected.loc[source, target] = expected.loc[target, source] = value
    assert_array_equal(selector.network_.toarray(), expected)


@on_choices
def test_no_more_edges_than_asked_for(choice):
    selector = NetworkEdgeSelector(**choice).fit(FRAME)
    assert len(selector.edges_) <= choice.get("max_edges", N_PAIRS)


class Given(BaseEstimator):
    """Its precision is a parameter."""

    def __init__(self, matrix):
        self.matrix = matrix

    def fit(self, X, y=None):
        self.precision_ = self.matrix
        return self


def given(*correlations):
    """A selector's estimator of three genes with these partial correlations."""
    precision, above = np.eye(3), np.triu_indices(3, 1)
    precision[above] = precision.T[above] = np.negative(correlations)
    return Given(precision)


@pytest.mark.parametrize(("max_edges", "n_edges"), [(1, 1), (2, 1), (3, 3), (9, 3)])
def test_ties_at_the_cut_are_left_out(max_edges, n_edges):
    estimator = given(0.25, -0.5, -0.25)
    selector = NetworkEdgeSelector(estimator, threshold=0, max_edges=max_edges)
    selector.fit(SAMPLES[:, :3])
    assert len(selector.edges_) == n_edges
    again = NetworkEdgeSelector(estimator, threshold=selector.threshold_)
    assert_same_network(again.fit(SAMPLES[:, :3]), selector)


@pytest.mark.parametrize(("threshold", "n_edges"), [(0.25, 1), (0.2499, 3)])
def test_an_edge_exceeds_the_threshold(threshold, n_edges):
    selector = NetworkEdgeSelector(given(0.25, -0.5, -0.25), threshold=threshold)
    assert len(selector.fit(SAMPLES[:, :3]).edges_) == n_edges


# ------------------------------------------------- order of genes, workers, data types
@on_choices
def test_the_order_of_genes_permutes_the_result(choice):
    order = np.random.default_rng(1).permutation(60)
    selector = NetworkEdgeSelector(**choice).fit(FRAME)
    other = NetworkEdgeSelector(**choice).fit(FRAME.iloc[:, order])
    network = selector.network_.toarray()[np.ix_(order, order)]
    assert_allclose(other.network_.toarray(), network, rtol=0, atol=1e-12)
    assert_allclose(other.threshold_, selector.threshold_, rtol=0, atol=1e-12)
    score = other.score(FRAME.iloc[:, order])
    assert_allclose(score, selector.score(FRAME), rtol=1e-10)


@on_choices
def test_two_workers_find_what_one_finds(choice):
    one = NetworkEdgeSelector(**choice).fit(FRAME)
    two = NetworkEdgeSelector(**choice, n_jobs=2).fit(FRAME)
    pd.testing.assert_frame_equal(one.edges_, two.edges_, check_exact=True)
    assert one.threshold_ == two.threshold_


def test_float32_stays_float32():
    table = FRAME.astype(np.float32)
    selector = NetworkEdgeSelector(threshold=0, max_edges=20).fit(table)
    double = NetworkEdgeSelector(threshold=0, max_edges=20).fit(FRAME)
    assert selector.network_.dtype == np.float32
    assert selector.transform(table).dtype == np.float32
    assert_allclose(selector.network_.toarray(), double.network_.toarray(), atol=1e-5)


def test_float32_threshold_reproduces_the_network():
    table = FRAME.astype(np.float32)
    selector = NetworkEdgeSelector(threshold=0, max_edges=20).fit(table)
    again = NetworkEdgeSelector(threshold=selector.threshold_).fit(table)
    assert_same_network(again, selector)


def test_polars_gives_what_pandas_gives():
    frame = pl.DataFrame({name: FRAME[name].to_numpy() for name in GENES})
    selector = NetworkEdgeSelector(threshold=0, max_edges=20).fit(frame)
    other = NetworkEdgeSelector(threshold=0, max_edges=20).fit(FRAME)
    # To rounding: the arrays of the two are laid out differently.
    pd.testing.assert_frame_equal(selector.edges_, other.edges_, rtol=1e-10)
    assert selector.score(frame) == pytest.approx(selector.score(FRAME), rel=1e-12)


def test_genes_without_names_are_numbered():
    selector = NetworkEdgeSelector(threshold=0, max_edges=20).fit(SAMPLES)
    assert_edges(selector, all_pairs(SAMPLES)[:20])


def test_a_list_of_lists_is_a_table():
    selector = NetworkEdgeSelector(threshold=0, max_edges=20)
    from_list = selector.fit(SAMPLES.tolist()).edges_
    pd.testing.assert_frame_equal(from_list, selector.fit(SAMPLES).edges_)


# ------------------------------------------------------------------- an empty network
def suggestion(estimator, table):
    """Largest value, threshold, and number of edges, as the warning names them."""
    with pytest.warns(UserWarning, match="no edge was selected") as caught:
        selector = NetworkEdgeSelector(estimator, threshold=0.99).fit(table)
    assert len(selector.edges_) == 0
    pattern = r"is ([\d.e-]+); threshold=([\d.e-]+) keeps (\d+) edges"
    numbers = re.search(pattern, str(caught[0].message)).groups()
    return tuple(map(float, numbers))


@on_inside
def test_an_empty_network_says_what_the_largest_value_is(estimator):
    largest, threshold, n_edges = suggestion(estimator, FRAME)
    pairs = all_pairs(FRAME, estimator)
    assert_allclose(largest, abs(pairs[0][2]), rtol=1e-2)
    n_linked = sum(value != 0 for *_, value in pairs)
    assert n_edges == min(100, n_linked)
    # To the digits that are printed.
    assert abs(pairs[100][2]) * (1 - 1e-5) <= threshold < abs(pairs[99][2])


def test_the_suggested_threshold_keeps_as_many_edges_as_it_says():
    for n_samples in range(20, 70, 5):
        table = SAMPLES[:n_samples]
        _, threshold, n_edges = suggestion(None, table)
        selector = NetworkEdgeSelector(threshold=threshold).fit(table)
        assert len(selector.edges_) == n_edges


def test_a_small_network_that_is_empty_suggests_to_keep_all():
    estimator = given(0.25, -0.5, -0.25)
    largest, threshold, n_edges = suggestion(estimator, SAMPLES[:, :3])
    assert (largest, n_edges) == (0.5, 3)
    assert threshold < 0.25


def test_where_all_are_0_no_threshold_is_suggested():
    with pytest.warns(UserWarning, match="All partial correlations are 0"):
        NetworkEdgeSelector(given(0, 0, 0), threshold=0).fit(SAMPLES[:, :3])


@pytest.mark.filterwarnings("ignore:no edge was selected")
def test_an_empty_network_is_an_answer():
    selector = NetworkEdgeSelector(threshold=0.99).fit(FRAME)
    assert selector.network_.nnz == 0
    assert not selector.get_support().any()
    density = stats.norm.logpdf(FRAME, FRAME.mean(), FRAME.std())
    assert_allclose(selector.score(FRAME), density.sum(axis=1).mean())
