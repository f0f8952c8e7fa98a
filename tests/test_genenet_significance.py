"""GeneNet's test, in bins and on the list of all pairs."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    _edge_search,
    _genenet_significance,
)
from sklearn_grn._genenet_null import Values, fit_null
from sklearn_grn._genenet_significance import genenet_test
from sklearn_grn._pair_tiles import DenseEntries, RowProducts
from sklearn_grn.datasets import make_sparse_network

N_GENES = 400


@pytest.fixture(scope="module")
def rows():
    simulated = make_sparse_network(150, N_GENES, structure="random", random_state=0)
    correlation = FactorPrecisionEstimator().fit(simulated.data).partial_correlation_
    return np.ascontiguousarray(correlation.row_factor())


def naive(rows, alpha):
    """Fit the null to the list of all pairs."""
    i, j = np.triu_indices(len(rows), 1)
    values = np.einsum("ij,ij->i", rows[i], rows[j])
    once = np.ones(len(values), dtype=np.int64)
    null = fit_null(Values.of(values, once, np.zeros(len(values))))
    p = null.pvalue(values)
    q = null.qvalue(p)
    order = np.argsort(-np.abs(values))[: np.count_nonzero(q <= alpha)]
    return null, i[order], j[order], p[order], q[order], null.local_fdr(p)[order]


def assert_like(found, expected, tolerance):
    null, i, j, p, q, local = expected
    assert_array_equal(found.sources, i)
    assert_array_equal(found.targets, j)
    assert_allclose(found.pvalue, p, rtol=tolerance)
    assert_allclose(found.qvalue, q, rtol=tolerance)
    assert_allclose(found.local_fdr, local, rtol=5 * tolerance)
    for name in ("kappa", "eta0", "cutoff"):
        assert_allclose(found.report[name], getattr(null, name), rtol=tolerance)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_few_pairs_are_all_exact(rows, alpha):
    few = rows[:300]
    found = genenet_test(RowProducts(few), 300, alpha)
    assert 0 < len(found.sources) < 1200
    assert_like(found, naive(few, alpha), 1e-3)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_bins_and_tail_find_the_same_edges(rows, alpha):
    assert N_GENES * (N_GENES - 1) // 2 > _edge_search._EXACT_PAIRS
    found = genenet_test(RowProducts(rows), N_GENES, alpha)
    assert 0 < len(found.sources) < 4 * N_GENES
    assert_like(found, naive(rows, alpha), 2e-2)


def test_more_edges_than_the_first_pass_holds_are_found(rows, monkeypatch):
    expected = genenet_test(RowProducts(rows), N_GENES, 0.2)
    monkeypatch.setattr(_genenet_significance, "_TAIL", 0)
    found = genenet_test(RowProducts(rows), N_GENES, 0.2)
    assert len(found.sources) > 0.1 * N_GENES
    assert_array_equal(found.sources, expected.sources)
    assert_allclose(found.qvalue, expected.qvalue, rtol=2e-2)


def test_a_dense_matrix_is_tested_alike(rows):
    expected = genenet_test(RowProducts(rows), N_GENES, 0.05)
    found = genenet_test(DenseEntries(rows @ rows.T), N_GENES, 0.05)
    assert_array_equal(found.sources, expected.sources)
    assert_allclose(found.qvalue, expected.qvalue, rtol=1e-3)


def test_genes_that_do_not_vary_are_not_tested(rows):
    with_constant = np.insert(rows, [5, 100, 200], 0.0, axis=0)
    found = genenet_test(RowProducts(with_constant), N_GENES, 0.05)
    expected = genenet_test(RowProducts(rows), N_GENES, 0.05)
    assert found.report["n_pairs"] == expected.report["n_pairs"]
    assert_allclose(found.report["kappa"], expected.report["kappa"], rtol=1e-3)
    assert len(found.sources) == len(expected.sources)


def test_left_out_is_the_largest_that_is_no_edge(rows):
    found = genenet_test(RowProducts(rows), N_GENES, 0.05)
    above = _edge_search.edges_above(rows, found.left_out)
    assert_array_equal(above.sources, found.sources)
    sizes = np.abs(_edge_search.strongest_edges(rows, 2000)[0].values)
    assert found.left_out in sizes


def test_a_null_without_spread_is_refused_in_a_warning():
    matrix = np.zeros((60, 60))
    matrix[0, 1] = matrix[1, 0] = 0.5
    with pytest.warns(UserWarning, match="more than half of the partial correlations"):
        found = genenet_test(DenseEntries(matrix), 60, 0.05)
    assert len(found.sources) == 0


# --------------------------------------------------------------------------- few pairs
def test_the_t_test_stands_in_where_there_are_samples_enough():
    samples = np.random.default_rng(0).normal(size=(50, 10))
    samples[:, 1] += 3 * samples[:, 0]
    found = genenet_test(DenseEntries(np.eye(10)), 10, 0.05, samples)
    assert found.report["test"] == "t"
    assert (found.sources.tolist(), found.targets.tolist()) == ([0], [1])


@pytest.mark.parametrize("samples", [None, np.ones((12, 10))])
def test_nothing_is_significant_without_samples_enough(samples):
    n_samples = 0 if samples is None else 12
    words = f"45 pairs are too few .* more than the {n_samples} samples"
    with pytest.warns(UserWarning, match=words):
        found = genenet_test(DenseEntries(np.eye(10)), 10, 0.05, samples)
    assert len(found.sources) == 0


def test_one_gene_is_no_reason_to_warn():
    assert len(genenet_test(DenseEntries(np.eye(1)), 1, 0.05).sources) == 0


# ------------------------------------------------------------------------- equal to R's
@pytest.mark.parametrize(
    ("fdr", "n_edges"), [(0.01, 37), (0.05, 68), (0.1, 118), (0.2, 210)]
)
def test_edges_of_e_coli_are_those_of_genenet(reference_data, fdr, n_edges):
    """GeneNet 1.2.17 finds them in the stress experiment, 9 samples of 102 genes."""
    path = reference_data / "genenet" / "ecoli_expression.tsv.gz"
    expression = pd.read_csv(path, sep="\t", index_col=0)
    selector = NetworkEdgeSelector(fdr=fdr, significance="genenet").fit(expression)
    assert len(selector.edges_) == n_edges
    assert_allclose(selector.significance_.kappa, 2043.377, rtol=1e-4)
    assert_allclose(selector.significance_.cutoff, 0.0355307, rtol=1e-5)
    assert_allclose(selector.significance_.eta0, 0.94746, rtol=1e-5)


@pytest.mark.parametrize(
    ("rate", "n_edges"), [(0.05, 42), (0.1, 65), (0.2, 125), (0.5, 232)]
)
def test_local_rates_of_e_coli_are_those_of_genenet(reference_data, rate, n_edges):
    path = reference_data / "genenet" / "ecoli_expression.tsv.gz"
    expression = pd.read_csv(path, sep="\t", index_col=0)
    selector = NetworkEdgeSelector(fdr=0.9, significance="genenet").fit(expression)
    assert (selector.edges_["local_fdr"] < rate).sum() == n_edges
