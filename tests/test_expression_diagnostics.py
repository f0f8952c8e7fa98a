"""What is said of tables that do not suit the test, and of those that do."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from sklearn_grn._expression_diagnostics import (
    concerns,
    diagnose_expression,
    typical_count,
)
from sklearn_grn._prepared_table import prepare

SHAPE = 80, 150


def normal(rng):
    return rng.normal(5, 2, size=SHAPE)


def correlated_groups(rng):
    """Two groups of samples, in an order by chance."""
    groups = rng.integers(0, 2, SHAPE[0])[:, None] * rng.normal(size=SHAPE[1])
    return normal(rng) + 2 * groups


def heavy_tails(rng):
    return stats.t.ppf(stats.norm.cdf(rng.normal(size=SHAPE)), 3)


def elliptical(rng):
    """Heavy tails that an equal scale of samples cures."""
    return rng.normal(size=SHAPE) / np.sqrt(rng.chisquare(3, size=(SHAPE[0], 1)) / 3)


def low_counts(rng):
    return np.log1p(rng.poisson(rng.uniform(2, 6, size=SHAPE[1]), size=SHAPE))


def counts(rng):
    return np.log2(1 + rng.poisson(rng.uniform(20, 200, size=SHAPE[1]), size=SHAPE))


def dropouts(rng):
    return np.maximum(rng.normal(size=SHAPE), -0.5)


def replicates(rng):
    return np.repeat(rng.normal(size=(40, 150)), 2, axis=0) + 0.1 * normal(rng)


def time_series(rng):
    X = rng.normal(size=SHAPE)
    for row, previous in zip(X[1:], X[:-1], strict=True):
        row *= 0.8
        row += 0.6 * previous
    return X


def made(kind):
    return diagnose_expression(kind(np.random.default_rng(0)))


@pytest.mark.parametrize("kind", [normal, correlated_groups, elliptical, counts])
def test_nothing_is_said_of_tables_that_suit(kind):
    assert concerns(made(kind), 1.1) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (heavy_tails, "of the genes have heavy tails"),
        (low_counts, "the median gene has a count of 4"),
        (dropouts, "3.% of the values are the lowest of their gene"),
        (replicates, "80 of the 80 samples are almost equal"),
        (time_series, r"a mean correlation of 0\.5"),
    ],
)
def test_one_thing_is_said_of_tables_that_do_not(kind, words):
    [said] = concerns(made(kind), 1.0)
    with pytest.raises(ValueError, match=words):
        raise ValueError(said)


def test_few_samples():
    X = normal(np.random.default_rng(0))
    assert "29 samples are few" in concerns(diagnose_expression(X[:29]), 1.0)[0]
    assert concerns(diagnose_expression(X[:30]), 1.0) == []


def test_a_large_scale():
    assert "correlate 1.21 times" in concerns(made(normal), 1.21)[0]


def test_kurtosis_is_that_of_samples_of_equal_scale():
    X = elliptical(np.random.default_rng(0))
    expected = stats.kurtosis(prepare(X).rows, axis=1)
    assert_allclose(diagnose_expression(X).excess_kurtosis, expected)


def test_confounders_are_not_heavy_tails():
    rng = np.random.default_rng(0)
    outliers = (np.arange(80) < 4).astype(float)[:, None]
    X = normal(rng) + outliers * rng.normal(0, 30, size=150)
    assert concerns(diagnose_expression(X, outliers), 1.0) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "scale", [lambda c: c, np.log1p, lambda c: np.log2(1 + c)], ids=["raw", "e", "2"]
)
@pytest.mark.parametrize("level", [3, 50, 5000])
def test_counts_are_told_in_any_scale(level, scale, dtype):
    counted = np.random.default_rng(0).negative_binomial(2, 2 / (2 + level), (60, 40))
    expected = np.median(np.median(counted, axis=0))
    assert_allclose(typical_count(scale(counted).astype(dtype)), expected, rtol=0.02)


@pytest.mark.parametrize(
    "X",
    [
        normal(np.random.default_rng(0)),
        np.abs(normal(np.random.default_rng(0))),
        np.random.default_rng(0).integers(-5, 5, SHAPE).astype(float),
        np.full(SHAPE, 1e300) * np.random.default_rng(0).random(SHAPE),
    ],
    ids=["normal", "positive", "negative integers", "huge"],
)
def test_other_tables_hold_no_counts(X):
    assert np.isnan(typical_count(X))


def test_constant_genes_are_no_dropouts():
    X = normal(np.random.default_rng(0))
    X[:, :75] = 0.0
    assert diagnose_expression(X).floor_share == 0.0


def test_replicates_are_counted():
    X = normal(np.random.default_rng(0))
    X[10] = X[3]
    X[50] = X[70] + 0.01 * X[1]
    found = diagnose_expression(X)
    assert found.n_replicates == 4
    assert concerns(found, 1.0) == []  # few of them do no harm


@pytest.mark.parametrize("n_genes", [1, 2, 5])
def test_few_genes_say_nothing_of_samples(n_genes):
    X = np.random.default_rng(0).normal(size=(60, n_genes))
    assert concerns(diagnose_expression(X), 1.0) == []
