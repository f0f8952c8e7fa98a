"""The t test against regressions, one pair after another."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from sklearn_grn._classical_significance import classical_test


def naive(samples, confounders=None):
    """Correlation of the residuals of each pair given all others, and its p-value."""
    n_samples, n_genes = samples.shape
    known = np.ones((n_samples, 1))
    if confounders is not None:
        known = np.hstack([known, confounders])
    found = {}
    for i, j in combinations(range(n_genes), 2):
        others = np.hstack([known, np.delete(samples, [i, j], axis=1)])
        left = [
            samples[:, k] - others @ np.linalg.lstsq(others, samples[:, k])[0]
            for k in (i, j)
        ]
        r = left[0] @ left[1] / np.linalg.norm(left[0]) / np.linalg.norm(left[1])
        freedom = n_samples - others.shape[1] - 1
        t = r * np.sqrt(freedom / (1 - r**2))
        found[i, j] = r, 2 * stats.t.sf(abs(t), freedom)
    return found


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 6))
    table[:, 1] += table[:, 0]
    table[:, 4] -= 2 * table[:, 3]
    return table


def by_pair(found):
    values = zip(found.statistic, found.pvalue, strict=True)
    return dict(
        zip(
            zip(found.sources.tolist(), found.targets.tolist(), strict=True),
            values,
            strict=True,
        )
    )


@pytest.mark.parametrize("n_confounders", [0, 2])
def test_correlations_and_pvalues_are_those_of_regressions(samples, n_confounders):
    known = np.random.default_rng(1).normal(size=(40, 2))[:, :n_confounders]
    found = by_pair(classical_test(samples, 1.0, known if n_confounders else None))
    expected = naive(samples, known)
    assert found.keys() == expected.keys()
    for pair, values in expected.items():
        assert_allclose(found[pair], values, rtol=1e-9)


def test_qvalues_are_those_of_all_pairs(samples):
    found = classical_test(samples, 1.0)
    assert_allclose(found.qvalue, stats.false_discovery_control(found.pvalue))


def test_edges_are_those_up_to_the_rate_strongest_first(samples):
    every, some = classical_test(samples, 1.0), classical_test(samples, 0.05)
    n_edges = np.count_nonzero(every.qvalue <= 0.05)
    assert 2 <= n_edges < 15
    assert_array_equal(some.statistic, every.statistic[:n_edges])
    assert (np.diff(np.abs(every.statistic)) <= 0).all()


def test_degrees_of_freedom_are_reported(samples):
    batch = np.repeat([[0.0], [1.0]], 20, axis=0)
    assert classical_test(samples, 0.05).report["degrees_of_freedom"] == 34
    assert classical_test(samples, 0.05, batch).report["degrees_of_freedom"] == 33


def test_constant_genes_are_not_tested(samples):
    wider = np.insert(samples, 2, 7.0, axis=1)
    found, expected = classical_test(wider, 1.0), classical_test(samples, 1.0)
    assert found.report["n_pairs"] == 15
    assert 2 not in np.concatenate([found.sources, found.targets])
    assert_allclose(found.pvalue, expected.pvalue)


def test_too_few_samples_find_nothing_and_say_so():
    table = np.random.default_rng(2).normal(size=(8, 6))
    with pytest.warns(UserWarning, match="of 6 genes needs more than the 8 samples"):
        found = classical_test(table, 0.05)
    assert len(found.sources) == 0


def test_one_gene_has_no_pair():
    found = classical_test(np.arange(5.0)[:, None], 0.05)
    assert found.report["n_pairs"] == 0
