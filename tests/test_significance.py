"""`test_edges`: the tests of edges as people call them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import FactorPrecisionEstimator, NetworkEdgeSelector, test_edges
from sklearn_grn._significance import as_confounders
from sklearn_grn.datasets import make_sparse_network

TABLE = make_sparse_network(120, 60, as_frame=True, random_state=0).data
BATCH = pd.DataFrame({"batch": ["a", "b", "c"] * 40, "age": np.arange(120.0)})
TESTS = ["leave_pair_out", "genenet", "t"]
on_tests = pytest.mark.parametrize("significance", TESTS)


@on_tests
def test_the_table_names_its_genes_and_is_cut_at_the_rate(significance):
    edges, report = test_edges(TABLE, significance=significance, fdr=0.1)
    assert list(edges)[:5] == ["source", "target", "statistic", "pvalue", "qvalue"]
    assert len(edges) > 0
    assert edges["qvalue"].max() <= 0.1
    assert set(edges["source"]) <= set(TABLE.columns)
    assert report.test == significance
    assert (report.n_samples, report.n_pairs) == (120, 60 * 59 // 2)


@on_tests
def test_the_selector_finds_the_same_edges(significance):
    edges, report = test_edges(TABLE, significance=significance)
    selector = NetworkEdgeSelector(significance=significance).fit(TABLE)
    pairs = [
        set(zip(table["source"], table["target"], strict=True))
        for table in (edges, selector.edges_)
    ]
    assert pairs[0] == pairs[1]
    assert selector.significance_.keys() == report.keys()


@on_tests
def test_a_confounder_is_taken_out(significance):
    shift = np.where(BATCH["batch"] == "a", 3.0, 0.0)[:, None]
    shifted = TABLE + shift * np.linspace(-1, 1, 60)
    plain = test_edges(TABLE, significance=significance, confounders=BATCH)
    moved = test_edges(shifted, significance=significance, confounders=BATCH)
    assert_array_equal(plain.edges["source"], moved.edges["source"])
    assert_allclose(plain.edges["pvalue"], moved.edges["pvalue"], rtol=1e-3)


def test_confounders_cost_degrees_of_freedom():
    for significance, without in [("leave_pair_out", 118), ("t", 60)]:
        found = [
            test_edges(TABLE, significance=significance, confounders=known).report
            for known in (None, BATCH)
        ]
        freedom = [report.degrees_of_freedom for report in found]
        assert freedom == [without, without - 3]


def test_confounders_cost_them_where_genenet_falls_back_on_the_t_test():
    few = TABLE.iloc[:, :20]
    expected = test_edges(few, significance="t", confounders=BATCH)
    found = test_edges(few, significance="genenet", confounders=BATCH)
    assert found.report == expected.report
    assert_allclose(found.edges["pvalue"], expected.edges["pvalue"])


@pytest.mark.parametrize("options", [{"threshold": 0.1}, {"significance": "genenet"}])
def test_confounders_are_not_dropped_in_silence(options):
    selector = NetworkEdgeSelector(**options)
    with pytest.raises(ValueError, match="confounders are for a test of samples"):
        selector.fit(TABLE, confounders=BATCH)


def test_the_selector_passes_confounders_on():
    found = NetworkEdgeSelector().fit(TABLE, confounders=BATCH)
    expected = test_edges(TABLE, confounders=BATCH)
    assert found.significance_ == expected.report


def test_options_reach_the_test():
    params = {"n_factors": 2, "veto": False}
    report = NetworkEdgeSelector(significance_params=params).fit(TABLE).significance_
    assert (report.n_factors, report.veto) == (2, False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"significance": "z"}, "significance='z' must be one of"),
        ({"fdr": 5}, "fdr=5 is a rate"),
        ({"n_factors": -1}, "n_factors=-1 must be"),
        ({"n_factors": "none"}, "n_factors='none' must be"),
        ({"confounders": BATCH[:9]}, "confounders have 9 rows, and there are 120"),
        ({"confounders": BATCH.replace("a", None)}, "40 missing values"),
    ],
)
def test_what_is_not_known_is_named(options, words):
    with pytest.raises(ValueError, match=words):
        test_edges(TABLE, **options)


@pytest.mark.parametrize("n_samples", [2, 3])
def test_too_few_samples_for_any_test_find_nothing(n_samples):
    with pytest.warns(UserWarning, match=f"{n_samples} samples are too few for a test"):
        found = test_edges(TABLE.iloc[:n_samples])
    assert len(found.edges) == 0


@pytest.mark.filterwarnings("ignore:1 of the 60 genes")
def test_float32_and_constant_genes_are_tested_as_others():
    table = TABLE.astype(np.float32)
    table["gene7"] = 1.0
    expected = test_edges(TABLE.drop(columns="gene7").astype(np.float32))
    found = test_edges(table)
    assert found.report.n_pairs == 59 * 58 // 2
    assert_allclose(found.edges["pvalue"], expected.edges["pvalue"], rtol=1e-6)


def test_labels_become_indicators():
    table = as_confounders(BATCH, 120)
    assert table.shape == (120, 4)
    assert_array_equal(table.sum(axis=1) - BATCH["age"], 1.0)
    assert as_confounders(None, 120) is None


def test_an_estimator_of_a_covariance_cannot_be_tested():
    covariance = np.cov(TABLE.T)
    selector = NetworkEdgeSelector(FactorPrecisionEstimator(method="precomputed"))
    with pytest.raises(ValueError, match="tests samples"):
        selector.fit(covariance)
