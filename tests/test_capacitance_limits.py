"""Where the capacitance state changes its mind, and what it says of itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import _capacitance
from sklearn_grn._capacitance import append, factorise, factorise_dense, remove
from sklearn_grn._column_blocks import ColumnBlocks

N_FEATURES = 6


def normal(n_columns, seed=0):
    return np.random.default_rng(seed).normal(size=(n_columns, N_FEATURES))


def state_of(n_columns):
    return factorise(np.ones(N_FEATURES), ColumnBlocks(normal(n_columns)))


def correlation_with(smallest):
    """Two genes; the inverse has the trace 2 / (1 - r^2), about 1 / smallest."""
    return np.array([[1.0, 1.0 - smallest], [1.0 - smallest, 1.0]])


# ----------------------------------------------------------- what it says of itself
@pytest.mark.parametrize("rank", [0, 1, 5])
def test_few_columns_are_not_of_a_dense_inverse(rank):
    assert not state_of(rank).of_dense_inverse


@pytest.mark.parametrize("rank", [6, 7])
def test_as_many_columns_as_genes_may_be_of_a_dense_inverse(rank):
    assert state_of(rank).of_dense_inverse


def test_dense_covariance_is_of_a_dense_inverse_whatever_is_appended():
    state = factorise_dense(np.eye(N_FEATURES) + 0.1)
    assert state.of_dense_inverse
    assert append(state, normal(2)).of_dense_inverse


def test_states_are_equal_only_to_themselves():
    state = state_of(2)
    assert state == state
    assert state != state_of(2)


def test_columns_that_are_easy_leave_nothing_uncertain():
    state = append(state_of(2), normal(1, seed=1))
    assert (state.uncertainty, state.dense_uncertainty) == (0.0, 0.0)


# ---------------------------------------------------------------- a dense covariance
def test_noise_of_a_dense_covariance_is_half_of_what_the_trace_allows():
    covariance = np.full((N_FEATURES, N_FEATURES), 0.1) + 0.9 * np.eye(N_FEATURES)
    theta = 0.5 / np.trace(np.linalg.inv(covariance))
    for least in (0.0, 1e-3):
        noise = factorise_dense(4 * covariance, least).noise_variance
        assert_allclose(noise, 4 * theta)


def test_message_names_the_smallest_eigenvalue_of_the_correlations():
    covariance = 9 * correlation_with(smallest=-0.25)
    with pytest.raises(ValueError, match=r"correlation matrix is -0\.25\. Use more"):
        factorise_dense(covariance)


def test_smallest_eigenvalue_may_be_fifty_roundings_but_not_two():
    eps = np.finfo(np.float64).eps
    assert factorise_dense(correlation_with(50 * eps)).rank == 2
    with pytest.raises(ValueError, match="not positive definite"):
        factorise_dense(correlation_with(2 * eps))


# ----------------------------------------------------------------------------- removal
def test_columns_of_the_head_and_behind_it_are_removed_in_their_own_ways(monkeypatch):
    calls = []
    build = _capacitance.factorise

    def counted(*arguments):
        calls.append(arguments)
        return build(*arguments)

    state = append(state_of(2), normal(2, seed=1))
    monkeypatch.setattr(_capacitance, "factorise", counted)
    for gone, n_builds in [(3, 0), (2, 0), (1, 1), (0, 2)]:
        remove(state, np.arange(4) != gone)
        assert len(calls) == n_builds


def test_root_behind_a_removed_column_has_a_positive_diagonal():
    state = append(state_of(1), normal(4, seed=1))
    for gone in range(1, 5):
        rest = remove(state, np.arange(5) != gone)
        assert (rest.root.diagonal()[1:] > 0).all()
        assert_array_equal(np.tril(rest.root, -1)[:, 1:], 0)


def test_a_state_rebuilt_twice_goes_back_to_the_last_one_that_was_trusted():
    first = state_of(2)
    huge = 1e9 * np.eye(1, N_FEATURES)
    once = append(first, huge)
    assert not once.trusted
    assert once.base.rank == first.rank
    twice = append(once, normal(1, seed=1))
    assert twice.base is once.base


def test_what_a_state_goes_back_to_keeps_no_state_itself():
    psi, first = np.ones(N_FEATURES), normal(1)
    state = append(factorise(psi, ColumnBlocks(first)), 1e9 * normal(1, seed=1))
    state = append(state, 1e9 * normal(1, seed=1))
    assert state.base is not None
    assert state.base.base is None
