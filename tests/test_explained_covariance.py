"""What pathways explain of a covariance sums to the whole, down to a pair of genes."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn.pathways import (
    baseline_covariance,
    explain_pair,
    pathway_covariance,
    variance_shares,
)

GENES = [f"g{i}" for i in range(12)]
NAMES = ["alpha", "beta", "gamma"]
VARIANCES = [1.0, 0.5, 2.0]


def make(n_samples=8, dtype=np.float64, **parameters):
    """Return an estimator with three pathways."""
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(n_samples, 12)).astype(dtype)
    loadings = pd.DataFrame(rng.normal(size=(12, 3)), GENES, NAMES)
    estimator = FactorPrecisionEstimator(**parameters)
    estimator.fit(pd.DataFrame(samples, columns=GENES))
    return estimator.partial_fit_pathways(loadings, activity_variance=VARIANCES)


@pytest.fixture(params=[{}, {"n_samples": 40}, {"n_components": 2}, {"shrinkage": 1.0}])
def estimator(request):
    return make(**request.param)


def test_pathway_covariance_is_the_outer_product(estimator):
    for k, name in enumerate(NAMES):
        x = estimator.pathway_loadings_[:, k]
        part = pathway_covariance(estimator, name)
        assert part.rank == 1
        assert_allclose(part, VARIANCES[k] * np.outer(x, x), atol=1e-15)


def test_baseline_is_the_covariance_before(estimator):
    baseline = baseline_covariance(estimator)
    before = estimator.remove_pathways(NAMES).covariance_
    assert_array_equal(baseline, before)


def test_parts_sum_to_the_covariance(estimator):
    parts = [pathway_covariance(estimator, name) for name in NAMES]
    total = sum(np.asarray(part) for part in [baseline_covariance(estimator), *parts])
    assert_allclose(total, estimator.covariance_, atol=1e-14)


def test_parts_of_a_pair_are_the_entries_of_the_parts(estimator):
    parts = [baseline_covariance(estimator)]
    parts += [pathway_covariance(estimator, name) for name in NAMES]
    table = explain_pair(estimator, "g2", "g9")
    assert table.index.tolist() == ["baseline", *NAMES]
    assert_allclose(table["covariance"], [part[2, 9] for part in parts], atol=1e-15)


def test_parts_of_a_pair_sum_to_its_covariance(estimator):
    table = explain_pair(estimator, "g2", "g9")
    assert table["covariance"].sum() == pytest.approx(estimator.covariance_[2, 9])


def test_parts_of_a_pair_sum_to_its_correlation(estimator):
    covariance = np.asarray(estimator.covariance_)
    scale = np.sqrt(covariance.diagonal())
    correlation = covariance[2, 9] / scale[2] / scale[9]
    total = explain_pair(estimator, "g2", "g9")["correlation"].sum()
    assert total == pytest.approx(correlation)


def test_a_gene_with_itself_splits_its_variance(estimator):
    table = explain_pair(estimator, "g4", "g4")
    assert table["covariance"].sum() == pytest.approx(estimator.covariance_[4, 4])
    assert table["correlation"].sum() == pytest.approx(1.0)
    assert_allclose(table["correlation"], variance_shares(estimator).loc["g4"])


def test_genes_may_be_told_by_position(estimator):
    pd.testing.assert_frame_equal(
        explain_pair(estimator, 2, np.int64(9)), explain_pair(estimator, "g2", "g9")
    )


def test_the_pair_of_the_textbook():
    # 0.8 * 0.7 = 0.56 through the first pathway, 0.1 * 0.1 = 0.01 through the second.
    estimator = FactorPrecisionEstimator(method="precomputed").fit(np.eye(2))
    estimator.partial_fit_pathways([[0.8, 0.1], [0.7, 0.1]], ["first", "second"])
    parts = explain_pair(estimator, 0, 1)["covariance"]
    assert_allclose(parts, [0.0, 0.56, 0.01], atol=1e-15)
    assert estimator.covariance_[0, 1] == pytest.approx(0.57)


def test_shares_of_variances_are_the_diagonals_of_the_parts(estimator):
    shares = variance_shares(estimator)
    assert shares.index.tolist() == GENES
    assert shares.columns.tolist() == ["baseline", *NAMES]
    variances = estimator.covariance_.diagonal()
    for name in NAMES:
        diagonal = pathway_covariance(estimator, name).diagonal()
        assert_allclose(shares[name], diagonal / variances)
    assert_allclose(shares.sum(axis=1), 1.0)


def test_without_pathways_all_is_baseline():
    estimator = FactorPrecisionEstimator().fit(
        np.random.default_rng(0).normal(size=(5, 4))
    )
    assert_allclose(variance_shares(estimator), np.ones((4, 1)))
    assert explain_pair(estimator, 0, 1).index.tolist() == ["baseline"]


def test_float32_is_split_in_double_precision():
    estimator = make(dtype=np.float32)
    assert pathway_covariance(estimator, "beta").dtype == np.float32
    assert_allclose(variance_shares(estimator).sum(axis=1), 1.0, rtol=1e-12)
    total = explain_pair(estimator, 0, 1)["covariance"].sum()
    assert total == pytest.approx(float(estimator.covariance_[0, 1]), rel=1e-5)


def test_unknown_pathway_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'delta'; there are \['alpha', 'beta', 'gam"):
        pathway_covariance(make(), "delta")


@pytest.mark.parametrize("gene", ["TP53", 12, -1, 1.5, None])
def test_unknown_gene_is_refused(gene):
    with pytest.raises(ValueError, match=r"12 genes, at 0 to 11.*\['g0', 'g1', 'g2'\]"):
        explain_pair(make(), "g0", gene)


def test_genes_without_names_have_positions_only():
    estimator = FactorPrecisionEstimator().fit(
        np.random.default_rng(0).normal(size=(5, 4))
    )
    with pytest.raises(ValueError, match=r"no gene 'TP53'.*no names"):
        explain_pair(estimator, "TP53", 0)


@pytest.mark.parametrize(
    "function",
    [
        baseline_covariance,
        variance_shares,
        lambda estimator: pathway_covariance(estimator, "alpha"),
        lambda estimator: explain_pair(estimator, 0, 1),
    ],
    ids=["baseline", "shares", "pathway", "pair"],
)
def test_estimator_must_be_fitted(function):
    with pytest.raises(ValueError, match="not fitted"):
        function(FactorPrecisionEstimator())
