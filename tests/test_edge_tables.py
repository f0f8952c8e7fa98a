"""Tables and sparse matrices of edges against loops over pairs of names."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_grn import FactorPrecisionEstimator, _edge_tables
from sklearn_grn._edge_search import Edges
from sklearn_grn._edge_tables import (
    change_table,
    changes_of,
    clipped,
    edge_table,
    joined,
    network_of,
)

NAMES = np.array(["TP53", "MDM2", "LCK", "CD3D"], dtype=object)
EDGES = Edges(np.array([1, 0, 0]), np.array([3, 1, 2]), np.array([-0.9, 0.5, 0.25]))
NONE = Edges()


# ------------------------------------------------------------------------ edge tables
def test_one_row_for_each_edge():
    table = edge_table(EDGES, NAMES, {"pvalue": np.array([0.01, 0.02, 0.03])})
    assert table.to_dict("list") == {
        "source": ["MDM2", "TP53", "TP53"],
        "target": ["CD3D", "MDM2", "LCK"],
        "partial_correlation": [-0.9, 0.5, 0.25],
        "pvalue": [0.01, 0.02, 0.03],
    }


def test_a_table_without_edges_has_its_columns():
    table = edge_table(NONE, NAMES, {"pvalue": np.empty(0)})
    assert list(table) == ["source", "target", "partial_correlation", "pvalue"]
    assert len(table) == 0
    assert table["partial_correlation"].dtype == np.float64


def test_a_table_is_numbered_from_0():
    assert_array_equal(edge_table(EDGES, NAMES, {}).index, [0, 1, 2])


# --------------------------------------------------------------------------- networks
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_has_each_edge_twice(dtype):
    network = network_of(EDGES, np.empty((4, 4), dtype=dtype))
    expected = np.zeros((4, 4), dtype=dtype)
    for i, j, value in zip(*EDGES, strict=True):
        expected[i, j] = expected[j, i] = value
    assert_array_equal(network.toarray(), expected)
    assert network.dtype == dtype
    assert isinstance(network, sparse.csr_array)


def test_a_network_stores_its_edges_alone():
    network = network_of(EDGES, np.empty((4, 4)))
    assert network.nnz == 6
    assert network.has_canonical_format


def test_a_network_without_edges():
    network = network_of(NONE, np.empty((4, 4)))
    assert network.shape == (4, 4)
    assert network.nnz == 0


# ---------------------------------------------------------------------------- changes
def make_models(n_samples, n_genes=12):
    rng = np.random.default_rng(n_samples)
    samples = rng.normal(size=(n_samples, n_genes)) @ rng.normal(size=(n_genes,) * 2)
    before = FactorPrecisionEstimator().fit(samples)
    after = FactorPrecisionEstimator().fit(samples)
    after.partial_fit_pathways(rng.normal(size=(n_genes, 2)))
    return before.partial_correlation_, after.partial_correlation_


def naive_changes(before, after, names):
    """Each pair on its own, by decreasing change."""
    before, after = before.toarray(), after.toarray()
    columns = ["source", "target", "before", "after", "change", "change_of_size"]
    rows = [
        (names[i], names[j], b, a, a - b, abs(a) - abs(b))
        for i, j in zip(*np.triu_indices(len(names), 1), strict=True)
        for b, a in [(before[i, j], after[i, j])]
    ]
    table = pd.DataFrame(rows, columns=columns)
    order = np.argsort(-table["change"].abs(), kind="stable")
    return table.iloc[order].reset_index(drop=True)


@pytest.mark.parametrize("n_samples", [8, 40])
def test_changes_are_the_dense_differences(n_samples):
    before, after = make_models(n_samples)
    names = np.array([f"gene{i}" for i in range(12)], dtype=object)
    found = change_table(before, after, names)
    expected = naive_changes(before, after, names)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-8, atol=1e-12)


def test_the_largest_changes_are_listed(monkeypatch):
    monkeypatch.setattr(_edge_tables, "_N_CHANGES", 5)
    before, after = make_models(8)
    found = change_table(before, after, np.arange(12))
    expected = naive_changes(before, after, np.arange(12)).head(5)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-8, atol=1e-12)


def test_what_did_not_change_is_not_listed():
    before, _ = make_models(8)
    assert len(change_table(before, before, np.arange(12))) == 0


def test_a_change_of_sign_is_a_change_of_size_too():
    ends = np.array([0]), np.array([2])
    table = changes_of(*ends, np.array([0.5]), np.array([-0.75]), NAMES)
    assert table.to_dict("records") == [
        {
            "source": "TP53",
            "target": "LCK",
            "before": 0.5,
            "after": -0.75,
            "change": -1.25,
            "change_of_size": 0.25,
        }
    ]


# -------------------------------------------------------------------- lists of edges
def test_no_correlation_is_past_1():
    past = np.array([1 + 1e-15, -1 - 1e-15, 0.5])
    assert_array_equal(clipped(EDGES._replace(values=past)).values, [1, -1, 0.5])


def test_joined_parts_are_strongest_first():
    other = Edges(np.array([2, 1]), np.array([3, 2]), np.array([1 + 1e-15, -0.5]))
    found = joined(EDGES, other)
    assert_array_equal(found.sources, [2, 1, 0, 1, 0])
    assert_array_equal(found.targets, [3, 3, 1, 2, 2])
    assert_allclose(found.values, [1, -0.9, 0.5, -0.5, 0.25], rtol=0)


def test_joined_with_nothing():
    for ours, theirs in zip(joined(NONE, EDGES, NONE), EDGES, strict=True):
        assert_array_equal(ours, theirs)
