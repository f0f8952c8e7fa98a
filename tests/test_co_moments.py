"""Moments of pairs of genes against sums over samples."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from sklearn_grn._centred_table import TooFewSamplesError, centre
from sklearn_grn._co_moments import no_moments

on_centring = pytest.mark.parametrize("assume_centered", [False, True])


def make_table(n_samples=40, n_features=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.exponential(size=(n_samples, n_features)) * [1, 2, 3, 4, 50] + 7


def naive_moments(X, assume_centered):
    """S, T and M about the mean, a sum over samples."""
    D = X if assume_centered else X - X.mean(axis=0)
    return D.T @ D, (D**2).T @ D, (D**2).T @ D**2


def joined(X, cuts, assume_centered):
    moments = no_moments(X.shape[1], assume_centered, X.dtype)
    for batch in np.split(X, cuts):
        moments = moments.join(batch)
    return moments


@on_centring
@pytest.mark.parametrize("cuts", [[], [1], [1, 2, 3], [20], [5, 39]])
def test_moments_of_batches(cuts, assume_centered):
    X = make_table()
    moments = joined(X, cuts, assume_centered)
    found = moments.second, moments.third, moments.fourth
    for mine, theirs in zip(found, naive_moments(X, assume_centered), strict=True):
        assert_allclose(mine, theirs, rtol=1e-11, atol=1e-11 * np.abs(theirs).max())


@on_centring
def test_sparse_batch(assume_centered):
    X = make_table()
    X[X < 9] = 0
    start = no_moments(5, assume_centered, X.dtype)
    one, other = start.join(X), start.join(sparse.csr_array(X))
    assert_allclose(one.fourth, other.fourth)


COUNTS = [
    "squared_moments",
    "third_moments",
    "fourth_moments",
    "squared_product",
    "fourth_lengths",
    "second_moments",
]


@on_centring
@pytest.mark.parametrize("count", COUNTS)
def test_counts_are_those_of_a_table(count, assume_centered):
    X = make_table()
    X[:, 3] = 0.1
    factor = np.array([1.0, 0.5, 2.0, 1.0, 0.02])
    moments = joined(X, [3, 17], assume_centered).scaled(factor)
    table = centre(X, assume_centered).scaled(factor)
    assert_allclose(
        getattr(moments, count)(), getattr(table, count)(), rtol=1e-11, atol=1e-9
    )


@on_centring
def test_variances_are_those_of_a_table(assume_centered):
    X = make_table()
    moments, table = joined(X, [9], assume_centered), centre(X, assume_centered)
    assert_allclose(moments.variance, table.variance)
    assert (moments.n_samples, moments.dof) == (table.n_samples, table.dof)


def test_leading_axes():
    X = make_table()
    mine = joined(X, [9], False).leading_axes(2)
    theirs = centre(X, False).leading_axes(2)
    assert_allclose(mine.T @ mine, theirs.T @ theirs, rtol=1e-10)


def test_basis_has_the_second_moments():
    moments = joined(make_table(), [9], False)
    basis = moments.sample_basis()
    assert_allclose(basis.T @ basis, moments.second, rtol=1e-9)


def test_joining_leaves_the_moments_alone():
    moments = joined(make_table(), [], False)
    before = moments.second.copy(), moments.fourth.copy()
    moments.join(make_table(seed=1))
    assert_allclose((moments.second, moments.fourth), before, rtol=0)


def test_nothing_varies():
    with pytest.raises(TooFewSamplesError, match="none of the 5 genes"):
        joined(np.full((9, 5), 0.1), [3], False).variance  # noqa: B018


def test_fourth_powers_out_of_range():
    moments = joined(make_table(), [], False)
    with pytest.raises(ValueError, match="fourth powers"):
        moments.join(np.full((2, 5), 1e90))
