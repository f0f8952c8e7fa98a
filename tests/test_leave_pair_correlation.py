"""Leave-pair-out correlations of all pairs, and their distribution."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from sklearn_grn._lasso_pilot import lasso_pilot
from sklearn_grn._leave_pair_correlation import normal_scores, null_scale, scan_pairs
from sklearn_grn._prepared_table import prepare


def naive_correlations(pilot):
    """Each pair on its own."""
    n_genes = len(pilot.rows)
    B = np.zeros((n_genes, n_genes))
    B[pilot.genes, pilot.predictors] = pilot.coefficients
    r = np.zeros((n_genes, n_genes))
    for i in range(n_genes):
        for j in range(i + 1, n_genes):
            left = pilot.residuals[i] + B[i, j] * pilot.rows[j]
            right = pilot.residuals[j] + B[j, i] * pilot.rows[i]
            r[i, j] = np.corrcoef(left, right)[0, 1]
    return r[np.triu_indices(n_genes, 1)]


def make_pilot(n_genes, n_samples=50, strictness=1.3):
    """Genes in chains of four."""
    X = np.random.default_rng(0).normal(size=(n_samples, n_genes))
    for start in range(1, 4):
        X[:, start::4] += X[:, start - 1 :: 4][:, : X[:, start::4].shape[1]]
    return lasso_pilot(prepare(X).rows, strictness)


@pytest.fixture(scope="module")
def large():
    """More pairs than are all held, with some that predict each other by chance."""
    pilot = make_pilot(400, strictness=0.8)
    return pilot, naive_correlations(pilot)


# ------------------------------------------------------------------ equal to all pairs
def test_all_pairs_of_a_small_table():
    pilot = make_pilot(30)
    edges = scan_pairs(pilot, 0).edges
    r = np.zeros((30, 30))
    r[edges.sources, edges.targets] = edges.values
    expected = naive_correlations(pilot)
    assert_allclose(r[np.triu_indices(30, 1)], expected, atol=1e-12)


def test_pairs_that_predict_each_other_are_stronger_than_their_residuals():
    """Else the lasso leaves no more than its penalty of their correlation."""
    pilot = make_pilot(30)
    edges = scan_pairs(pilot, 0).edges
    linked = pilot.coefficients_of(edges.sources, edges.targets) != 0
    raw = np.corrcoef(pilot.residuals)[edges.sources, edges.targets]
    assert linked.any()
    assert (np.abs(edges.values) > np.abs(raw))[linked].all()


@pytest.mark.parametrize("n_edges", [0, 1000])
def test_the_strongest_pairs_are_held(large, n_edges):
    pilot, r = large
    scan = scan_pairs(pilot, n_edges)
    assert n_edges <= len(scan.edges.values) < len(r)
    expected = np.sort(np.abs(r))[::-1][: len(scan.edges.values)]
    assert_allclose(np.abs(scan.edges.values), expected, atol=1e-12)


@pytest.mark.parametrize("n_edges", [0, 1000])
def test_no_other_pair_is_stronger(large, n_edges):
    pilot, r = large
    scan = scan_pairs(pilot, n_edges)
    expected = np.sort(np.abs(r))[::-1][len(scan.edges.values)]
    assert np.abs(scan.edges.values[-1]) > scan.left_out
    assert scan.left_out >= expected - 1e-12


def test_counts_are_those_of_all_pairs(large):
    pilot, r = large
    scan = scan_pairs(pilot, 0)
    edges = np.append(scan.bounds[:-1], np.inf)
    expected = np.histogram(np.abs(r), edges)[0].cumsum()
    # The bins are narrower than the rounding of the scan allows to tell neighbours.
    assert np.abs(scan.counts.cumsum() - expected).max() <= 3
    assert scan.n_pairs == len(r)


@pytest.mark.parametrize("n_edges", [0, 10**6])
def test_the_median_is_that_of_all_pairs(large, n_edges):
    pilot, r = large
    median = np.median(np.abs(r))
    assert_allclose(scan_pairs(pilot, n_edges).median, median, rtol=5e-4)


def test_workers_change_nothing(large):
    pilot, _ = large
    alone, together = scan_pairs(pilot, 500), scan_pairs(pilot, 500, n_jobs=2)
    assert_array_equal(alone.counts, together.counts)
    for ours, theirs in zip(alone.edges, together.edges, strict=True):
        assert_array_equal(ours, theirs)


def test_equal_genes_correlate_at_1():
    rows = make_pilot(30).rows.copy()
    rows[9] = rows[2]
    edges = scan_pairs(lasso_pilot(rows, 1.3), 0).edges
    assert (edges.sources[0], edges.targets[0]) == (2, 9)
    assert_allclose(edges.values[0], 1.0)


def test_a_single_gene_has_no_pairs():
    scan = scan_pairs(make_pilot(1), 10)
    assert (scan.n_pairs, scan.median, len(scan.edges.values)) == (0, 0.0, 0)


# ------------------------------------------------------------------- their distribution
@pytest.mark.parametrize("dof", [2, 28, 400])
def test_scores_are_as_unlikely_as_correlations(dof):
    r = np.linspace(0, 0.9, 10)
    t = r * np.sqrt(dof / (1 - r**2))
    expected = stats.norm.isf(stats.t.sf(t, dof))
    assert_allclose(normal_scores(r, dof), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("dof", [5, 100, 1000, 20000])
@pytest.mark.parametrize("rest", [1e-3, 1e-8, 1e-15, 0.5])
def test_scores_far_in_the_tail(dof, rest):
    r = 1.0 - rest
    with mpmath.workdps(50):
        one = mpmath.mpf(1)
        x = (one - r) * (one + r)
        p = mpmath.betainc(mpmath.mpf(dof) / 2, one / 2, 0, x, regularized=True)
        start = float(mpmath.sqrt(-2 * mpmath.log(p)))
        z = mpmath.findroot(
            lambda z: mpmath.log(mpmath.erfc(z / mpmath.sqrt(2))) - mpmath.log(p), start
        )
    assert_allclose(normal_scores(np.array([r]), dof), float(z), rtol=1e-9)


def test_the_sign_does_not_count():
    r = np.linspace(-0.99, 0.99, 7)
    assert_array_equal(normal_scores(r, 30), normal_scores(-r, 30))


def test_scores_rise_with_correlations():
    r = 1 - np.logspace(0, -12, 2000)
    assert (np.diff(normal_scores(r, 500)) > 0).all()


def test_equal_genes_are_infinitely_unlikely():
    assert_array_equal(normal_scores(np.array([1.0, -1.0]), 30), np.inf)


def test_unrelated_genes_have_a_scale_of_1():
    rows = prepare(np.random.default_rng(0).normal(size=(60, 300))).rows
    scan = scan_pairs(lasso_pilot(rows, 1.3), 0)
    assert null_scale(scan, 58) == pytest.approx(1.0, abs=0.01)


def test_few_pairs_do_not_tell_a_scale():
    for n_genes, told in [(12, False), (13, True)]:
        rows = np.random.default_rng(1).normal(size=(60, 13)).cumsum(axis=1)
        pilot = lasso_pilot(prepare(rows[:, :n_genes]).rows, 1.3)
        assert (null_scale(scan_pairs(pilot, 0), 58) > 1.0) == told


def test_the_scale_is_the_median_score(large):
    pilot, r = large
    scores = normal_scores(np.abs(r), 48)
    expected = max(1.0, np.median(scores) / stats.norm.ppf(0.75))
    assert null_scale(scan_pairs(pilot, 10**6), 20) == 1.0
    assert null_scale(scan_pairs(pilot, 10**6), 48) == pytest.approx(expected, rel=1e-6)
