"""Where the exact search changes its mind: room, few pairs, bounds of the census."""

import numpy as np
import pytest

from sklearn_grn import _edge_search
from sklearn_grn._edge_search import (
    census,
    edges_above,
    largest_of_others,
    mean_absolute,
    strongest_edges,
)
from sklearn_grn._pair_collectors import N_BINS
from sklearn_grn._pair_tiles import DenseEntries

PAIR_BYTES = 8 + 8 + 8  # two numbers and a value
HELD = 3 * PAIR_BYTES  # held, joined and sorted


@pytest.fixture
def free_memory(monkeypatch):
    """Set what is free."""

    def set_to(n_bytes):
        monkeypatch.setattr(_edge_search, "_free_memory", lambda: float(n_bytes))

    return set_to


def random_rows(n_rows, rank=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, rank))


def dense_entries(n_rows, *groups):
    """Pairs of some values, the others of value 0; the root mean square is 1/8."""
    matrix = np.zeros((n_rows, n_rows))
    values = np.repeat([value for value, _ in groups], [count for _, count in groups])
    i, j = (part[: len(values)] for part in np.triu_indices(n_rows, 1))
    matrix[i, j] = matrix[j, i] = values
    entries = DenseEntries(matrix)
    entries.root_mean_square = lambda: 1 / 8  # so that the census reaches to 1
    return entries


# ------------------------------------------------------------------------------- room
def test_half_of_the_free_memory_holds_the_pairs_above(free_memory):
    rows, n_pairs = np.ones((20, 1)), 190
    free_memory(2 * HELD * n_pairs)
    assert len(edges_above(rows, 0.5).values) == n_pairs
    free_memory(2 * HELD * n_pairs - 1)
    with pytest.raises(ValueError, match="pairs exceed the threshold"):
        edges_above(rows, 0.5)


def test_half_of_the_free_memory_holds_the_strongest_pairs_twice(free_memory):
    rows = random_rows(20)
    free_memory(2 * HELD * 2 * 100)
    assert len(strongest_edges(rows, 100)[0].values) == 100
    with pytest.raises(ValueError, match=r"101 edges .* more than 100 may not fit"):
        strongest_edges(rows, 101)


def test_no_more_pairs_are_counted_than_there_are(free_memory):
    rows = random_rows(10)
    free_memory(2 * HELD * 2 * 45)
    assert len(strongest_edges(rows, 1000)[0].values) == 45


# ----------------------------------------------------------------- what a refusal says
def test_threshold_that_keeps_exactly_what_fits_is_named(free_memory):
    free_memory(2 * HELD * 45)
    entries = dense_entries(60, (0.75, 45), (0.5, 400))
    with pytest.raises(ValueError, match=r"about 445 .* keeps about 45 pairs"):
        edges_above(entries, 0.25)


def test_outermost_bin_can_be_the_threshold(free_memory):
    width = 2 / N_BINS
    free_memory(2 * HELD * 15)
    entries = dense_entries(40, (1 - width / 2, 10), (1 - 1.5 * width, 20))
    expected = f"A threshold of {1 - width:.6g} keeps about 10 pairs"
    with pytest.raises(ValueError, match=expected):
        edges_above(entries, 0.5)


def test_threshold_beyond_the_census_counts_the_outermost_bin(free_memory):
    free_memory(2 * HELD * 15)
    entries = dense_entries(40, (9.0, 20), (1 - 3 / N_BINS, 5))
    with pytest.raises(ValueError, match=r"about 20 pairs exceed the threshold of 5,"):
        edges_above(entries, 5.0)


def test_no_threshold_is_named_where_all_pairs_lie_in_the_outermost_bin(free_memory):
    free_memory(2 * HELD * 15)
    with pytest.raises(ValueError, match=r"\. Ask for a number of edges instead"):
        edges_above(dense_entries(40, (9.0, 20)), 0.5)


def test_no_threshold_is_named_that_keeps_more_than_a_million(free_memory):
    rows = random_rows(2000)
    free_memory(2 * HELD * 1_500_000)
    with pytest.raises(ValueError, match=r"keeps about 999,\d{3} pairs"):
        edges_above(rows, 0.0)


# -------------------------------------------------------------------------- the census
def test_census_holds_all_of_65536_pairs_and_no_more():
    assert len(census(random_rows(362), 5).tail.values) == 362 * 361 // 2
    assert len(census(random_rows(363), 5).tail.values) == 5


def test_census_of_nothing_but_zeros_reaches_to_one():
    bounds = census(np.zeros((5, 2)), 0).bounds
    assert (bounds[0], bounds[-1]) == (-1.0, 1.0)


# --------------------------------------------------------------------------- the others
def test_mean_of_a_single_pair_is_its_size():
    assert mean_absolute([[2.0], [-3.0]]) == 6.0


def test_largest_of_others_is_that_of_the_pairs_not_given():
    rows = random_rows(30)
    every, _ = strongest_edges(rows, 30 * 29 // 2)
    given = every.take(np.r_[0, 2, 3])
    assert largest_of_others(rows, given) == abs(every.values[1])
    assert largest_of_others(rows, every.take(slice(4))) == abs(every.values[4])


def test_largest_of_others_tells_pairs_apart_by_both_ends():
    entries = np.zeros((4, 4))
    for i, j, value in [(0, 3, 5.0), (1, 2, 4.0), (1, 3, 3.0), (2, 3, 2.0)]:
        entries[i, j] = entries[j, i] = value
    pairs = DenseEntries(entries)
    every, _ = strongest_edges(pairs, 6)
    for left_out in range(4):
        given = every.take(np.arange(4) != left_out)
        assert largest_of_others(pairs, given) == abs(every.values[left_out])
