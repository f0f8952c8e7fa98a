"""Standardised genes of samples of equal scale, against the formulas."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn._prepared_table import prepare


def naive_standardise(X):
    X = X - X.mean(axis=0)
    return X / X.std(axis=0)


def naive_equal_scale(X):
    Z = naive_standardise(X)
    Z = Z / np.sqrt(np.square(Z).mean(axis=1, keepdims=True))
    return naive_standardise(Z)


def regression_residuals(X, confounders):
    design = np.column_stack([np.ones(len(X)), confounders])
    return X - design @ np.linalg.lstsq(design, X, rcond=None)[0]


@pytest.fixture
def expression():
    rng = np.random.default_rng(0)
    return rng.normal(5, 2, size=(30, 12)) * rng.uniform(0.5, 3, size=(30, 1))


def batches(n_samples, n_batches):
    """Indicators of all batches; with the constant one too many."""
    return np.eye(n_batches)[np.arange(n_samples) % n_batches]


def test_samples_have_equal_scale(expression):
    assert_allclose(prepare(expression).rows.T, naive_equal_scale(expression))


def test_confounders_are_regressed_out(expression):
    confounders = batches(30, 3)[:, :2]
    Z = naive_standardise(regression_residuals(expression, confounders))
    Z = Z / np.sqrt(np.square(Z).mean(axis=1, keepdims=True))
    expected = naive_standardise(regression_residuals(Z, confounders))
    assert_allclose(prepare(expression, confounders).rows.T, expected, atol=1e-12)


def test_rows_have_no_part_in_confounders(expression):
    confounders = 1e6 * np.random.default_rng(1).normal(3, 1, size=(30, 4))
    assert_allclose(prepare(expression, confounders).rows @ confounders, 0, atol=1e-6)


def test_redundant_confounders_take_no_degrees_of_freedom(expression):
    indicators = batches(30, 4)
    confounders = np.hstack([indicators, indicators[:, :1] * 7, np.ones((30, 1))])
    assert prepare(expression, confounders).confounder_rank == 3


def test_genes_that_do_not_vary_are_left_out(expression):
    expression[:, 3] = 7.0
    assert_array_equal(prepare(expression).genes, np.delete(np.arange(12), 3))


def test_genes_that_confounders_determine_are_left_out(expression):
    confounders = batches(30, 3)
    expression[:, 5] = 100 + confounders @ [1.0, 2.0, 4.0]
    table = prepare(expression, confounders)
    assert_array_equal(table.genes, np.delete(np.arange(12), 5))


def test_a_sample_at_the_mean_of_all_genes_stays_there(expression):
    expression[4] = np.delete(expression, 4, axis=0).mean(axis=0)
    assert np.isfinite(prepare(expression).rows).all()


def test_units_do_not_matter(expression):
    scaled = 1e3 + expression * np.logspace(-9, 9, 12)
    assert_allclose(prepare(scaled).rows, prepare(expression).rows, atol=1e-3)


def test_confounders_that_explain_everything_are_refused():
    with pytest.raises(ValueError, match="of rank 3, explain all of the 2 genes"):
        prepare(batches(12, 4)[:, :2], batches(12, 4))
