"""GeneNet's null against R's own numbers, and weighted values against the list."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

from sklearn_grn._genenet_null import Values, fit_null


def listed(values):
    once, exact = np.ones(len(values), dtype=np.int64), np.zeros(len(values))
    return Values.of(np.asarray(values), once, exact)


def mixture(n_null, n_edges, kappa, seed=0):
    """Correlations of which some are not null: they spread six times as far."""
    rng = np.random.default_rng(seed)
    null = np.sqrt(rng.beta(0.5, (kappa - 1) / 2, n_null))
    edges = np.sqrt(rng.beta(0.5, kappa / 72, n_edges))
    return np.append(null, edges) * rng.choice([-1, 1], n_null + n_edges)


# ----------------------------------------------------------------------- equal to R's
@pytest.fixture(scope="module")
def ecoli(reference_data):
    """GeneNet 1.2.17 with fdrtool 1.2.18 on the stress experiment, 9 x 102."""
    folder = reference_data / "genenet"
    summary = json.loads((folder / "ecoli_ref_summary.json").read_text())
    pairs = pd.read_csv(folder / "ecoli_ref_edges_static.tsv.gz", sep="\t")
    return summary["static"], pairs, fit_null(listed(pairs["pcor"].to_numpy()))


@pytest.mark.parametrize("name", ["cutoff", "kappa", "eta0"])
def test_parameters_are_those_of_fdrtool(ecoli, name):
    expected, _, null = ecoli
    assert_allclose(getattr(null, name), expected["fdr_param"][name], rtol=1e-5)


def test_pvalues_are_those_of_fdrtool(ecoli):
    _, pairs, null = ecoli
    ours, theirs = null.pvalue(pairs["pcor"].to_numpy()), pairs["pval"].to_numpy()
    # R subtracts from 1, which leaves no digits of the smallest.
    assert_allclose(ours, theirs, rtol=1e-4, atol=1e-12)


def test_qvalues_are_those_of_fdrtool(ecoli):
    _, pairs, null = ecoli
    ours = null.qvalue(null.pvalue(pairs["pcor"].to_numpy()))
    assert_allclose(ours, pairs["qval"], rtol=1e-4, atol=1e-12)


def test_local_rates_are_those_of_fdrtool(ecoli):
    _, pairs, null = ecoli
    ours = null.local_fdr(null.pvalue(pairs["pcor"].to_numpy()))
    assert_allclose(ours, 1 - pairs["prob"], atol=1e-4)


def test_numbers_of_edges_are_those_of_fdrtool(ecoli):
    expected, pairs, null = ecoli
    p = null.pvalue(pairs["pcor"].to_numpy())
    q, local = null.qvalue(p), null.local_fdr(p)
    for name, values in {"qval_lt": q, "lfdr_lt": local}.items():
        for level, number in expected[name].items():
            assert (values < float(level)).sum() == number


# ------------------------------------------------------------------- what it estimates
@pytest.mark.parametrize("kappa", [10, 200, 50_000])
def test_kappa_of_a_pure_null_is_found(kappa):
    null = fit_null(listed(mixture(20_000, 0, kappa)))
    assert_allclose(null.kappa, kappa, rtol=0.05)
    assert null.eta0 > 0.97


def test_the_share_of_edges_is_found():
    null = fit_null(listed(mixture(90_000, 10_000, 1000)))
    # Edges that are as small as null pairs pass for null: the rule errs on that side.
    assert 0.9 < null.eta0 < 0.97
    assert 500 < null.kappa <= 1000


def test_pvalues_are_the_tails_of_the_null_density():
    null = fit_null(listed(mixture(5_000, 100, 30)))

    def density(r):
        return (1 - r**2) ** ((null.kappa - 3) / 2)

    total = integrate.quad(density, -1, 1)[0]
    for size in (0.0, 0.1, 0.5):
        tail = 2 * integrate.quad(density, size, 1)[0] / total
        assert_allclose(null.pvalue(np.array([size, -size])), tail, rtol=1e-6)


def test_the_density_of_pvalues_falls_and_integrates_to_one():
    null = fit_null(listed(mixture(5_000, 300, 500)))
    assert (np.diff(null.density) <= 1e-12).all()
    assert_allclose((null.density * np.diff(null.p_knots)).sum(), 1.0)
    assert null.density[-1] == pytest.approx(null.eta0)


def test_q_rises_as_correlations_fall():
    values = mixture(5_000, 300, 500)
    null = fit_null(listed(values))
    q = null.qvalue(null.pvalue(np.sort(np.abs(values))[::-1]))
    assert (np.diff(q) >= -1e-12).all()


def test_the_local_rate_is_no_smaller_than_the_rate():
    values = mixture(5_000, 300, 500)
    null = fit_null(listed(values))
    p = null.pvalue(values)
    assert (null.local_fdr(p) >= null.qvalue(p) - 1e-12).all()


def test_correlations_of_one_have_the_smallest_pvalue():
    null = fit_null(listed(np.append(mixture(2_000, 0, 100), [1.0, -1.0])))
    assert_allclose(null.pvalue(np.array([1.0, -1.0])), np.finfo(float).eps)


# -------------------------------------------------------------------- weighted values
def test_repeated_values_count_as_often_as_their_weight():
    values = np.round(mixture(3_000, 200, 500), 3)
    unique, counts = np.unique(values, return_counts=True)
    whole, weighted = (
        fit_null(listed(values)),
        fit_null(Values(unique, counts, np.zeros(len(unique)))),
    )
    assert_allclose(weighted[:3], whole[:3], rtol=1e-6)
    p = whole.pvalue(unique)
    assert_allclose(weighted.qvalue(p), whole.qvalue(p), rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.99, 1.0])
def test_weighted_quantiles_are_those_of_the_list(share):
    rng = np.random.default_rng(0)
    values, weights = np.sort(rng.normal(size=30)), rng.integers(1, 5, 30)
    expected = np.quantile(np.repeat(values, weights), share)
    assert_allclose(Values(values, weights, np.zeros(30)).quantile(share), expected)


def test_a_bin_is_filled_evenly():
    two = Values(np.array([1.0, 3.0]), np.array([4, 4]), np.array([2.0, 2.0]))
    assert [two.share_below(x) for x in (0.0, 0.5, 2.0, 4.0)] == [0, 0.125, 0.5, 1]
    assert_allclose(two.quantile(0.5), 2.0)


def test_bins_beside_an_exact_tail_fit_as_the_list_does():
    values = mixture(200_000, 5_000, 2_000, seed=1)
    tail = np.abs(values) > np.quantile(np.abs(values), 0.96)
    counts, bounds = np.histogram(values[~tail], np.linspace(-0.2, 0.2, 2**15 + 1))
    filled = counts > 0
    centres = (bounds[1:] + bounds[:-1])[filled] / 2
    widths = np.diff(bounds)[filled]
    bins, exact = Values(centres, counts[filled], widths), listed(values[tail])
    binned = fit_null(Values.of(*map(np.append, bins, exact)))
    kappa, eta0, cutoff = fit_null(listed(values))[:3]
    assert_allclose(binned.kappa, kappa, rtol=1e-3)
    assert_allclose(binned.eta0, eta0, rtol=1e-5)
    assert_allclose(binned.cutoff, cutoff, rtol=5e-3)  # a quantile where few are


def test_a_null_is_uniform_in_its_pvalues():
    values = mixture(20_000, 0, 100, seed=2)
    p = fit_null(listed(values)).pvalue(values)
    assert stats.kstest(p, "uniform").statistic < 0.02
