"""The effect of a pathway on each edge, against dense models with and without it."""

import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn._pathway_effects import rows_without
from sklearn_grn.datasets import load_leukemia, load_progeny
from sklearn_grn.pathways import (
    edge_effects,
    network_changes,
    pathway_loadings,
    scale_loadings,
)

N_GENES = 30
GENES = [f"g{i}" for i in range(N_GENES)]
NAMES = ["alpha", "beta", "gamma", "delta"]


def make(scale=0.5, n_samples=12, dtype=np.float64):
    """Return an estimator without pathways, and loadings of four."""
    rng = np.random.default_rng(0)
    samples = pd.DataFrame(rng.normal(size=(n_samples, N_GENES)), columns=GENES)
    sparse = rng.normal(size=(N_GENES, 4)) * (rng.random((N_GENES, 4)) < 0.4)
    loadings = pd.DataFrame(scale * sparse, GENES, NAMES)
    return FactorPrecisionEstimator().fit(samples.astype(dtype)), loadings


def dense_partial_correlations(covariance):
    precision = np.linalg.inv(np.asarray(covariance, dtype=float))
    scale = np.sqrt(precision.diagonal())
    return -precision / scale / scale[:, None]


def naive_changes(estimator, loadings, variance=1.0):
    """Partial correlations with one pathway less those without, off the diagonal."""
    covariance = np.asarray(estimator.covariance_, dtype=float)
    before = dense_partial_correlations(covariance)
    after = dense_partial_correlations(
        covariance + variance * np.outer(loadings, loadings)
    )
    return np.triu(after - before, 1)


# ------------------------------------------------------------- a pathway in the model
@pytest.fixture
def grown():
    estimator, loadings = make()
    return estimator.partial_fit_pathways(loadings, activity_variance=[1, 2, 0.5, 3])


@pytest.mark.parametrize("name", NAMES)
def test_effects_are_those_of_a_model_that_never_saw_the_pathway(grown, name):
    others = copy.copy(grown).remove_pathways(name)
    table = edge_effects(grown, name, n_edges=N_GENES**2)
    assert len(table) == N_GENES * (N_GENES - 1) // 2
    i, j = (table[end].str[1:].astype(int) for end in ("source", "target"))
    without = dense_partial_correlations(others.covariance_)
    present = dense_partial_correlations(grown.covariance_)
    assert_allclose(table["without"], without[i, j], atol=1e-12)
    assert_allclose(table["with"], present[i, j], atol=1e-12)
    assert_allclose(table["effect"], (present - without)[i, j], atol=1e-12)


def test_effects_come_largest_first(grown):
    sizes = edge_effects(grown, "beta", n_edges=N_GENES**2)["effect"].abs()
    assert sizes.is_monotonic_decreasing
    first = edge_effects(grown, "beta", n_edges=5)["effect"].abs()
    assert_allclose(first, sizes[:5])


def test_genes_without_names_are_told_by_position():
    estimator, loadings = make()
    estimator.fit(np.random.default_rng(0).normal(size=(12, N_GENES)))
    estimator.partial_fit_pathways(loadings.to_numpy(), NAMES)
    first = edge_effects(estimator, "alpha", n_edges=1).iloc[0]
    without = copy.copy(estimator).remove_pathways("alpha").partial_correlation_
    effect = np.triu(estimator.partial_correlation_ - without, 1)
    at = np.unravel_index(np.abs(effect).argmax(), effect.shape)
    assert (first["source"], first["target"]) == at
    assert first["effect"] == pytest.approx(effect[at])


@pytest.mark.parametrize("size", [1e4, 1e8])
def test_effect_of_a_pathway_that_leaves_a_gene_no_noise(size):
    # 1 - h of gene 0 is 1e-9 and less: nothing of it can be found by subtracting.
    estimator, _ = make()
    huge = pd.DataFrame({"huge": [size, 1.0]}, ["g0", "g1"])
    grown = copy.copy(estimator).partial_fit_pathways(huge)
    rows = rows_without(grown._state, grown.n_components_)
    products = rows @ rows.T
    expected = estimator.partial_correlation_.toarray()
    np.fill_diagonal(products, 1.0)
    assert_allclose(products, expected, atol=1e-15 * size)


def test_pathway_of_no_variance_has_no_effect():
    estimator, loadings = make()
    estimator.partial_fit_pathways(loadings["alpha"], activity_variance=0.0)
    assert_allclose(edge_effects(estimator, "alpha")["effect"], 0.0, atol=1e-15)


def test_effects_in_float32_are_those_in_float64():
    tables = []
    for dtype in (np.float32, np.float64):
        estimator, loadings = make(dtype=dtype)
        estimator.partial_fit_pathways(loadings)
        tables.append(edge_effects(estimator, "gamma", n_edges=3))
    assert_allclose(tables[0]["effect"], tables[1]["effect"], rtol=1e-4)


def test_unknown_pathway_is_refused(grown):
    with pytest.raises(ValueError, match=r"'epsilon'; there are \['alpha'"):
        edge_effects(grown, "epsilon")


# --------------------------------------------------------- pathways that might arrive
@pytest.mark.parametrize("variance", [1.0, 0.2])
def test_changes_are_those_of_dense_models(variance):
    estimator, loadings = make()
    table = network_changes(estimator, loadings, variance)
    for name in NAMES:
        naive = naive_changes(estimator, loadings[name], variance)
        row, n_pairs = table.loc[name], N_GENES * (N_GENES - 1) / 2
        assert row["mean_change"] == pytest.approx(np.abs(naive).sum() / n_pairs)
        i, j = np.unravel_index(np.abs(naive).argmax(), naive.shape)
        assert row["largest_change"] == pytest.approx(naive[i, j])
        assert [row["source"], row["target"]] == [GENES[i], GENES[j]]


def test_changes_start_from_the_model_with_its_pathways():
    estimator, loadings = make()
    estimator.partial_fit_pathways(loadings[["alpha", "beta"]])
    table = network_changes(estimator, loadings[["gamma"]])
    naive = naive_changes(estimator, loadings["gamma"])
    n_pairs = N_GENES * (N_GENES - 1) / 2
    mean = table.loc["gamma", "mean_change"]
    assert mean == pytest.approx(np.abs(naive).sum() / n_pairs)


def test_changes_come_in_decreasing_order():
    estimator, loadings = make()
    table = network_changes(estimator, loadings)
    assert table["mean_change"].is_monotonic_decreasing
    assert sorted(table.index) == sorted(NAMES)


def test_changes_do_not_depend_on_the_tiles(monkeypatch):
    estimator, loadings = make()
    whole = network_changes(estimator, loadings)
    monkeypatch.setattr("sklearn_grn._pathway_effects._TILE", 7 * 8 * N_GENES)
    pd.testing.assert_frame_equal(network_changes(estimator, loadings), whole)


def test_the_estimator_stays_what_it_is():
    estimator, loadings = make()
    state = estimator._state
    network_changes(estimator, loadings)
    assert estimator._state is state
    assert not len(estimator.pathway_names_)


def test_changes_of_a_huge_pathway_are_right():
    estimator, _ = make()
    huge = pd.DataFrame({"huge": [1e6, 1e6]}, ["g0", "g1"])
    row = network_changes(estimator, huge).iloc[0]
    after = copy.copy(estimator).partial_fit_pathways(huge).partial_correlation_
    change = np.triu(after - estimator.partial_correlation_, 1)
    assert row["largest_change"] == pytest.approx(change[0, 1], rel=1e-9)
    mean = np.abs(change).sum() / (N_GENES * (N_GENES - 1) / 2)
    assert row["mean_change"] == pytest.approx(mean, rel=1e-6)


def test_one_gene_is_no_network():
    estimator = FactorPrecisionEstimator().fit([[0.0], [1.0], [3.0]])
    with pytest.raises(ValueError, match="two genes or more"):
        network_changes(estimator, [[1.0]])


def test_loadings_are_checked_as_where_they_arrive():
    estimator, loadings = make()
    with pytest.raises(ValueError, match=r"pass loadings\.T"):
        network_changes(estimator, loadings.T)


# ------------------------------------------------------------- 14 regulators, for real
@pytest.fixture(scope="module")
def leukemia():
    expression = load_leukemia(as_frame=True).data
    net = load_progeny().data
    net = net[net["target"].isin(expression.columns)]
    loadings = scale_loadings(pathway_loadings(net, expression), expression.var())
    return FactorPrecisionEstimator().fit(expression), loadings


def test_jak_stat_changes_the_leukaemia_network_most(leukemia):
    table = network_changes(*leukemia)
    assert table.shape == (14, 4)
    assert table.index[:3].tolist() == ["JAK-STAT", "NFkB", "TNFa"]
    assert table["mean_change"].iloc[0] > 1.1 * table["mean_change"].iloc[1]


def test_p53_links_its_own_targets_in_leukaemia(leukemia):
    estimator, loadings = leukemia
    grown = copy.copy(estimator).partial_fit_pathways(loadings)
    first = edge_effects(grown, "p53", n_edges=1).iloc[0]
    assert {first["source"], first["target"]} == {"CDKN1A", "GADD45A"}
