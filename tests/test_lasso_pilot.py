"""The lasso of every gene against scikit-learn's on all other genes."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Lasso

from sklearn_grn import _lasso_pilot
from sklearn_grn._lasso_pilot import lasso_pilot
from sklearn_grn._prepared_table import prepare


def naive_coefficients(rows, penalty):
    """B with z_i = sum_j b_ij z_j + e_i, one lasso a gene on all others."""
    B = np.zeros((len(rows), len(rows)))
    for gene, others in enumerate(~np.eye(len(rows), dtype=bool)):
        lasso = Lasso(penalty, fit_intercept=False, tol=1e-12, max_iter=100_000)
        B[gene, others] = lasso.fit(rows[others].T, rows[gene]).coef_
    return B


def dense(pilot):
    B = np.zeros((len(pilot.rows), len(pilot.rows)))
    B[pilot.genes, pilot.predictors] = pilot.coefficients
    return B


def chain(rng, n_samples, n_genes):
    X = rng.normal(size=(n_samples, n_genes))
    for gene in range(1, n_genes):
        X[:, gene] += X[:, gene - 1]
    return X


def hub(rng, n_samples, n_genes):
    X = rng.normal(size=(n_samples, n_genes))
    X[:, 1:] += X[:, :1]
    return X


def factors(rng, n_samples, n_genes):
    """Almost all genes correlate: many candidates, few of which are needed."""
    loadings = rng.normal(size=(2, n_genes))
    return (
        rng.normal(size=(n_samples, n_genes))
        + 2 * rng.normal(size=(n_samples, 2)) @ loadings
    )


def unrelated(rng, n_samples, n_genes):
    return rng.normal(size=(n_samples, n_genes))


KINDS = [chain, hub, factors, unrelated]


def make_rows(kind, n_samples=40, n_genes=60):
    return prepare(kind(np.random.default_rng(0), n_samples, n_genes)).rows


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strictness", [0.7, 1.3])
def test_coefficients_are_those_of_the_lasso(kind, strictness):
    rows = make_rows(kind)
    penalty = strictness * np.sqrt(np.log(60) / 40)
    found = dense(lasso_pilot(rows, strictness))
    assert_allclose(found, naive_coefficients(rows, penalty), atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_residuals_are_what_the_regressions_leave(kind):
    rows = make_rows(kind)
    pilot = lasso_pilot(rows, 0.7)
    assert_allclose(pilot.residuals, rows - dense(pilot) @ rows, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_candidates_may_come_one_at_a_time(kind, monkeypatch):
    rows = make_rows(kind)
    expected = dense(lasso_pilot(rows, 0.7))
    monkeypatch.setattr(_lasso_pilot, "_MOST_ADDED", 1)
    assert_allclose(dense(lasso_pilot(rows, 0.7)), expected, atol=1e-7)


def test_conditions_of_an_optimum_hold_over_all_genes():
    rows = make_rows(factors, n_samples=30, n_genes=500)
    pilot = lasso_pilot(rows, 1.0)
    gradient = np.abs(pilot.residuals @ rows.T) / 30
    np.fill_diagonal(gradient, 0.0)
    penalty = np.sqrt(np.log(500) / 30)
    assert gradient.max() <= penalty * (1 + 1e-6)
    assert_allclose(gradient[pilot.genes, pilot.predictors], penalty, rtol=1e-6)


def test_unrelated_genes_need_no_solver(monkeypatch):
    monkeypatch.setattr(_lasso_pilot, "lasso_path", None)
    rows = make_rows(unrelated)
    assert_array_equal(lasso_pilot(rows, 3.0).residuals, rows)


@pytest.mark.parametrize("kind", [chain, factors])
def test_workers_change_nothing(kind, monkeypatch):
    monkeypatch.setattr(_lasso_pilot, "_MOST_GENES", 20)
    rows = make_rows(kind)
    alone, together = lasso_pilot(rows, 0.7), lasso_pilot(rows, 0.7, n_jobs=2)
    for ours, theirs in zip(
        *(vars(p).values() for p in (alone, together)), strict=True
    ):
        assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_change_nothing(kind):
    rows = make_rows(kind)
    expected = lasso_pilot(rows, 0.7)
    with sklearn.config_context(working_memory=8 * 60 * 7 / 2**20):
        found = lasso_pilot(rows, 0.7)
    assert_allclose(dense(found), dense(expected), atol=1e-10)
    assert_allclose(found.residuals, expected.residuals, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_genes_does_not_matter(kind):
    rows, order = make_rows(kind), np.random.default_rng(1).permutation(60)
    expected = dense(lasso_pilot(rows, 0.7))
    found = dense(lasso_pilot(rows[order], 0.7))
    assert_allclose(found, expected[np.ix_(order, order)], atol=1e-7)


def test_some_genes_are_predicted_from_all():
    rows, some = make_rows(factors), np.array([3, 17, 4, 50])
    pilot, everything = lasso_pilot(rows, 0.7, genes=some), lasso_pilot(rows, 0.7)
    assert_allclose(pilot.residuals, everything.residuals[some], atol=1e-10)
    assert_allclose(dense(pilot), dense(everything)[np.ix_(some, some)], atol=1e-10)
    assert_array_equal(pilot.rows, rows[some])


def test_coefficients_of_any_pairs():
    pilot = lasso_pilot(make_rows(chain), 0.7)
    genes, predictors = np.indices((60, 60)).reshape(2, -1)
    found = pilot.coefficients_of(genes, predictors)
    assert_array_equal(found.reshape(60, 60), dense(pilot))


def test_coefficients_where_there_are_none():
    pilot = lasso_pilot(make_rows(unrelated), 3.0)
    assert_array_equal(pilot.coefficients_of(np.arange(3), np.arange(3, 6)), 0.0)


def test_equal_genes_share_a_prediction():
    rows = make_rows(chain)
    rows[1] = rows[0]
    pilot = lasso_pilot(rows, 0.7)
    assert_allclose(pilot.residuals, rows - dense(pilot) @ rows, atol=1e-12)


def test_no_genes_by_genes_array(allocation_peak):
    rows = make_rows(unrelated, n_samples=20, n_genes=3000)
    with allocation_peak() as peak:
        lasso_pilot(rows, 1.3)
    assert peak() < 0.4 * 3000**2 * 8
