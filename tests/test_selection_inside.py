"""NetworkEdgeSelector with all sorts of estimators inside, or a covariance outside."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.covariance import EmpiricalCovariance, GraphicalLasso, LedoitWolf
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from sklearn_grn import FactorPrecisionEstimator, NetworkEdgeSelector
from sklearn_grn.datasets import make_sparse_network

FRAME = make_sparse_network(70, 60, as_frame=True, random_state=0).data
SAMPLES, GENES = FRAME.to_numpy(), list(FRAME)


def assert_same_network(selector, other, rtol=0.0):
    pd.testing.assert_frame_equal(selector.edges_, other.edges_, rtol=rtol, atol=0)
    assert_allclose(selector.network_.toarray(), other.network_.toarray(), rtol=rtol)


# ----------------------------------------------------------------- around the precision
def test_steps_before_the_precision_change_what_it_sees():
    inside = make_pipeline(PowerTransformer(), FactorPrecisionEstimator())
    selector = NetworkEdgeSelector(inside, threshold=0, max_edges=20).fit(FRAME)
    transformed = PowerTransformer().fit_transform(FRAME)
    expected = NetworkEdgeSelector(threshold=0, max_edges=20).fit(transformed)
    assert_allclose(selector.network_.toarray(), expected.network_.toarray())
    assert_allclose(selector.score(FRAME), expected.score(transformed))
    assert set(selector.edges_["source"]) <= set(GENES)


def test_a_scaler_does_not_change_the_network_of_shrunken_correlations():
    inside = make_pipeline(StandardScaler(), FactorPrecisionEstimator())
    scaled = NetworkEdgeSelector(inside, threshold=0.1).fit(FRAME)
    plain = NetworkEdgeSelector(threshold=0.1).fit(FRAME)
    network = scaled.network_.toarray()
    assert_array_equal(network != 0, plain.network_.toarray() != 0)


def test_a_frozen_estimator_is_not_fitted_again():
    fitted = FactorPrecisionEstimator().fit(FRAME.iloc[:30])
    selector = NetworkEdgeSelector(FrozenEstimator(fitted), threshold=0.1).fit(FRAME)
    expected = NetworkEdgeSelector(threshold=0.1).fit(FRAME.iloc[:30])
    assert_same_network(selector, expected)


def test_a_frozen_estimator_of_genes_in_another_order_is_refused():
    selector = NetworkEdgeSelector(
        FrozenEstimator(FactorPrecisionEstimator().fit(FRAME)), threshold=0.1
    )
    with pytest.raises(ValueError, match="feature names"):
        selector.fit(FRAME[GENES[::-1]])


def test_a_search_inside_gives_the_network_of_its_best_estimator():
    search = GridSearchCV(FactorPrecisionEstimator(), {"shrinkage": [0.2, 0.9]}, cv=3)
    selector = NetworkEdgeSelector(search, threshold=0, max_edges=20).fit(FRAME)
    best = FactorPrecisionEstimator(**selector.estimator_.best_params_)
    alone = NetworkEdgeSelector(best, threshold=0, max_edges=20).fit(FRAME)
    assert_same_network(selector, alone)
    assert set(selector.edges_["source"]) <= set(GENES)


# ----------------------------------------------------------------- in place of samples
@pytest.mark.parametrize(
    "estimator",
    [
        FactorPrecisionEstimator(method="precomputed"),
        GraphicalLasso(1e-9, covariance="precomputed"),
    ],
    ids=str,
)
def test_a_network_from_a_covariance(estimator):
    covariance = LedoitWolf().fit(SAMPLES).covariance_
    selector = NetworkEdgeSelector(estimator, threshold=0.1).fit(covariance)
    expected = NetworkEdgeSelector(LedoitWolf(), threshold=0.1).fit(SAMPLES)
    network = expected.network_.toarray()
    assert_allclose(selector.network_.toarray(), network, atol=1e-4)


def test_a_structured_covariance():
    fitted = FactorPrecisionEstimator().fit(SAMPLES)
    inside = FactorPrecisionEstimator(method="precomputed")
    selector = NetworkEdgeSelector(inside, threshold=0.1).fit(fitted.covariance_)
    assert_same_network(
        selector, NetworkEdgeSelector(threshold=0.1).fit(SAMPLES), rtol=1e-9
    )


@pytest.mark.parametrize("significance", ["t", "leave_pair_out"])
def test_a_covariance_has_no_samples_to_test(significance):
    inside = FactorPrecisionEstimator(method="precomputed")
    selector = NetworkEdgeSelector(inside, significance=significance)
    with pytest.raises(ValueError, match="was fitted to a covariance"):
        selector.fit(np.cov(SAMPLES.T) + np.eye(60))


def test_a_network_from_a_covariance_has_no_score():
    inside = FactorPrecisionEstimator(method="precomputed")
    selector = NetworkEdgeSelector(inside, threshold=0.01)
    selector.fit(np.cov(SAMPLES.T) + np.eye(60))
    with pytest.raises(ValueError, match="there are no samples to"):
        selector.score(SAMPLES)


def test_all_edges_of_a_singular_covariance():
    selector = NetworkEdgeSelector(EmpiricalCovariance(), threshold=0)
    assert np.isfinite(selector.fit(SAMPLES[:20]).score(SAMPLES))


# ------------------------------------------------------ genes that do not vary, or few
def with_constant_genes(n_samples):
    table = SAMPLES[:n_samples].copy()
    table[:, [2, 31]] = 4.0
    return table


@pytest.mark.filterwarnings("ignore:2 of the 60 genes do not vary")
@pytest.mark.parametrize("n_samples", [30, 70])
def test_constant_genes_have_no_edge(n_samples):
    table = with_constant_genes(n_samples)
    selector = NetworkEdgeSelector(threshold=0).fit(table)
    varies = table.std(axis=0) > 0
    assert_array_equal(selector.get_support(), varies)
    assert len(selector.edges_) == 58 * 57 // 2
    assert np.isfinite(selector.score(table))


@pytest.mark.filterwarnings("ignore:2 of the 60 genes do not vary")
@pytest.mark.parametrize(
    "n_samples",
    [30, 70],
)
def test_constant_genes_are_not_tested(n_samples):
    selector = NetworkEdgeSelector(significance="genenet")
    selector.fit(with_constant_genes(n_samples))
    assert selector.significance_.n_pairs == 58 * 57 // 2


def test_one_gene_is_a_network_without_edges():
    with pytest.warns(UserWarning, match="no edge was selected"):
        selector = NetworkEdgeSelector(threshold=0).fit(FRAME[GENES[:1]])
    assert selector.network_.shape == (1, 1)
    assert selector.network_.nnz == 0
    assert np.isfinite(selector.score(FRAME[GENES[:1]]))


def test_two_genes_have_their_correlation_as_partial_correlation():
    table = SAMPLES[:, :2] @ [[1.0, 0.8], [0.0, 0.6]]
    estimator = FactorPrecisionEstimator(shrinkage=0.0)
    selector = NetworkEdgeSelector(estimator, threshold=0).fit(table)
    correlation = np.corrcoef(table.T)[0, 1]
    assert_allclose(selector.network_.toarray(), [[0, correlation], [correlation, 0]])


@pytest.mark.parametrize("n_genes", [1, 2, 5])
@pytest.mark.parametrize("significance", ["leave_pair_out", "genenet", "t"])
@pytest.mark.filterwarnings("ignore:no edge", "ignore:unconnected genes correlate")
def test_few_genes_are_no_error_of_a_test(n_genes, significance):
    selector = NetworkEdgeSelector(significance=significance)
    table = np.random.default_rng(0).normal(size=(30, n_genes))
    assert len(selector.fit(table).edges_) <= 1


def test_genes_that_are_copies_have_an_edge():
    table = FRAME.assign(copy=FRAME["gene3"])
    selector = NetworkEdgeSelector(threshold=0, max_edges=1).fit(table)
    assert selector.edges_.loc[0, ["source", "target"]].tolist() == ["gene3", "copy"]
    assert np.isfinite(selector.score(table))
