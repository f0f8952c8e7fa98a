"""q-values against their definition."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from sklearn_grn._tested_pairs import TestedPairs, benjamini_hochberg, nothing_found


def test_qvalues_are_those_of_scipy():
    pvalue = np.random.default_rng(0).uniform(size=100) ** 3
    expected = stats.false_discovery_control(pvalue)
    assert_allclose(benjamini_hochberg(pvalue, 100), expected)


def test_the_smallest_are_enough():
    pvalue = np.sort(np.random.default_rng(1).uniform(size=200) ** 3)
    every = benjamini_hochberg(pvalue, 200)
    some = benjamini_hochberg(pvalue[:50], 200)
    small = every[:50] < pvalue[50] * 200 / 200  # later ones cannot lower these
    assert small.any()
    assert_allclose(some[small], every[:50][small])


@pytest.mark.parametrize("n_tests", [1, 7])
def test_no_qvalue_exceeds_one(n_tests):
    assert benjamini_hochberg(np.array([0.9]), n_tests)[0] == min(1.0, 0.9 * n_tests)


def test_without_pvalues_there_are_none():
    assert benjamini_hochberg(np.empty(0), 0).shape == (0,)


def test_columns_are_those_that_were_found():
    two = np.array([1, 2])
    found = TestedPairs(two, two, two, two / 10, two / 5, None, {})
    assert list(found.table) == ["pvalue", "qvalue"]
    assert list(found._replace(local_fdr=two).table) == [*found.table, "local_fdr"]


def test_nothing_keeps_its_report():
    found = nothing_found(5, {"test": "t"})
    assert found.report == {"test": "t", "n_pairs": 5}
    assert_array_equal([len(column) for column in found[:5]], 0)
