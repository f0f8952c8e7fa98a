"""The exact search against all pairs, computed one by one and sorted."""

import re
from contextlib import contextmanager
from itertools import combinations

import joblib
import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import (
    FactorPrecisionEstimator,
    _edge_search,
    _pair_collectors,
    _pair_tiles,
)
from sklearn_grn._edge_search import (
    census,
    edges_above,
    mean_absolute,
    strongest_changes,
    strongest_edges,
)
from sklearn_grn._pair_tiles import DenseEntries

DTYPES = [np.float32, np.float64]


# ------------------------------------------------------------------ the naive answers
def all_pairs(rows):
    """Each pair on its own, strongest first."""
    W = np.array(rows, dtype=np.float64, order="C")
    pairs = np.array(list(combinations(range(len(W)), 2)), dtype=int).reshape(-1, 2)
    sources, targets = pairs.T
    values = np.einsum("ij,ij->i", W[sources], W[targets])
    order = np.lexsort((targets, sources, -np.abs(values)))
    return sources[order], targets[order], values[order]


def all_changes(before, after):
    """Each pair on its own, by decreasing change."""
    (i, j, old), (k, m, new) = all_pairs(before), all_pairs(after)
    by_pair, again = np.lexsort((j, i)), np.lexsort((m, k))
    i, j, old, new = i[by_pair], j[by_pair], old[by_pair], new[again]
    order = np.lexsort((j, i, -np.abs(new - old)))
    return i[order], j[order], old[order], new[order]


def largest_changes(before, after, n_edges):
    every = all_changes(before, after)
    return strongest(every, np.abs(every[3] - every[2]), n_edges)[0]


def assert_same(edges, expected):
    for ours, theirs in zip(edges, expected, strict=True):
        assert_array_equal(ours, theirs)


def first(expected, n_edges):
    return [array[:n_edges] for array in expected]


def strongest(expected, sizes, n_edges):
    """Those above the first size that is left out, so that a tie is left out whole."""
    left_out = max(sizes[n_edges:], default=0.0)
    return first(expected, np.count_nonzero(sizes > left_out)), left_out


@contextmanager
def small_tiles(side, spare):
    """Tiles of `side` rows, and hardly more pairs held than are wanted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pair_collectors, "_SPARE", spare)
        with sklearn.config_context(working_memory=4 * side**2 / 2**20):
            yield


# ---------------------------------------------------------------------- tables of rows
def smooth(rng, shape):
    return rng.normal(size=shape)


def whole(rng, shape):
    """Few different values: most pairs tie, many at 0."""
    return rng.integers(-1, 2, size=shape)


def nearly_tied(rng, shape):
    """Products that differ by the rounding of their last digits at most."""
    return rng.choice([-1, 1], size=shape) * rng.choice(
        [0.1, 0.1 * (1 + 2**-52)], shape
    )


def repeated(rng, shape):
    return rng.normal(size=shape)[rng.integers(0, max(1, shape[0] // 3), shape[0])]


def spread(rng, shape):
    """Norms from 1e-200 to 1e100: squares, and some products, underflow."""
    return rng.normal(size=shape) * 10.0 ** rng.integers(-200, 100, (shape[0], 1))


def with_zeros(rng, shape):
    return rng.normal(size=shape) * (rng.random((shape[0], 1)) < 0.5)


def disjoint(rng, shape):
    """Rows that share no column: their products are 0, the norms are not."""
    return rng.normal(size=shape) * (rng.random(shape) < 0.2)


KINDS = [smooth, whole, nearly_tied, repeated, spread, with_zeros, disjoint]


def make_rows(kind, n_rows, rank, dtype, seed):
    rows = kind(np.random.default_rng(seed), (n_rows, rank))
    with np.errstate(under="ignore", over="ignore"):
        return rows.astype(np.float64 if kind is spread else dtype)


tables = st.builds(
    make_rows,
    st.sampled_from(KINDS),
    st.integers(0, 20),
    st.integers(0, 9),
    st.sampled_from(DTYPES),
    st.integers(0, 2**16),
)
sides, spares = st.integers(1, 30), st.sampled_from([0, 5, 1000])


# ------------------------------------------------------------------ equal to all pairs
@given(tables, st.integers(0, 200), sides, spares)
def test_strongest_are_the_first_of_all(rows, n_edges, side, spare):
    expected = all_pairs(rows)
    with small_tiles(side, spare):
        edges, left_out = strongest_edges(rows, n_edges)
    strong, expected_left_out = strongest(expected, np.abs(expected[2]), n_edges)
    assert_same(edges, strong)
    assert left_out == expected_left_out


@given(tables, sides, st.data())
def test_edges_above_are_all_above(rows, side, data):
    expected = all_pairs(rows)
    sizes = np.unique(np.abs(expected[2])).tolist()
    # A value that occurs is the hardest threshold: its pairs are not above it.
    threshold = data.draw(st.sampled_from([*sizes, 0.0, -1.0, 0.5, np.inf]))
    n_above = np.count_nonzero(np.abs(expected[2]) > threshold)
    with small_tiles(side, spare=0):
        assert_same(edges_above(rows, threshold), first(expected, n_above))


@given(tables, tables, st.integers(0, 200), sides, spares)
def test_changes_are_the_first_of_all(before, after, n_edges, side, spare):
    n_rows = min(len(before), len(after))
    before, after = before[:n_rows], after[:n_rows]
    with small_tiles(side, spare):
        changes = strongest_changes(before, after, n_edges)
    assert_same(changes, largest_changes(before, after, n_edges))


@given(tables, st.integers(0, 3), st.integers(0, 200), sides, st.integers(0, 99))
def test_changes_where_few_rows_moved(before, n_new, n_edges, side, seed):
    rng = np.random.default_rng(seed)
    moved = rng.random((len(before), 1)) < 0.3
    after = np.hstack([before * (1 - 0.5 * moved), moved * rng.normal(size=n_new)])
    with small_tiles(side, spare=0):
        changes = strongest_changes(before, after, n_edges)
    assert_same(changes, largest_changes(before, after, n_edges))


@given(tables, sides)
def test_mean_absolute_is_that_of_all(rows, side):
    values = np.abs(all_pairs(rows)[2])
    terms = all_pairs(np.abs(rows))[2]  # rounding is relative to these
    with small_tiles(side, spare=0):
        ours = mean_absolute(rows)
    rounding = 1e-6 * terms.sum() / max(1, len(terms))
    assert_allclose(ours, values.sum() / max(1, len(values)), rtol=0, atol=rounding)


def test_default_tiles_hold_more_than_one():
    rows = np.random.default_rng(0).normal(size=(1200, 7))
    expected = all_pairs(rows)
    edges, left_out = strongest_edges(rows, 2000)
    assert_same(edges, first(expected, 2000))
    assert left_out == abs(expected[2][2000])
    assert_same(edges_above(rows, left_out), edges)
    assert_allclose(mean_absolute(rows), np.abs(expected[2]).mean(), rtol=1e-6)


# --------------------------------------------------------------------- small and empty
@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (1, 0), (0, 0)])
def test_without_pairs_there_are_no_edges(shape):
    rows = np.ones(shape)
    edges, left_out = strongest_edges(rows, 5)
    for found in (edges, edges_above(rows, -1.0), strongest_changes(rows, rows, 5)):
        assert [len(array) for array in found] == [0] * len(found)
    assert left_out == 0.0
    assert mean_absolute(rows) == 0.0


def test_two_rows_have_one_edge():
    edges, left_out = strongest_edges([[1.0, 2.0], [3.0, -4.0]], 1)
    assert_same(edges, ([0], [1], [-5.0]))
    assert left_out == 0.0


def test_a_tie_at_the_cut_is_left_out_whole():
    rows = [[1.0], [-1.0], [1.0], [2.0]]
    for n_edges in (3, 4, 5):
        edges, left_out = strongest_edges(rows, n_edges)
        assert_same(edges, ([0, 1, 2], [3, 3, 3], [2.0, -2.0, 2.0]))
        assert left_out == 1.0
    for n_edges in (0, 1, 2):
        edges, left_out = strongest_edges(rows, n_edges)
        assert len(edges.values) == 0
        assert left_out == 2.0


def test_ties_within_the_cut_are_in_the_order_of_the_pairs():
    edges, left_out = strongest_edges([[1.0], [-1.0], [1.0], [1.0]], 6)
    assert_same(edges[:2], ([0, 0, 0, 1, 1, 2], [1, 2, 3, 2, 3, 3]))
    assert left_out == 0.0


def test_pairs_of_value_zero_are_no_edges():
    rows = np.diag([1.0, 2.0, 3.0, 4.0])
    rows[3, 1] = 5.0
    edges, left_out = strongest_edges(rows, 3)
    assert_same(edges, ([1], [3], [10.0]))
    assert left_out == 0.0


def test_left_out_is_the_threshold_of_the_same_edges():
    rows = np.random.default_rng(1).normal(size=(50, 6))
    edges, left_out = strongest_edges(rows, 100)
    assert_same(edges_above(rows, left_out), edges)


def test_rows_whose_squares_underflow_are_found():
    with small_tiles(side=1, spare=0):
        edges, _ = strongest_edges([[1e-170], [1e10], [0.0]], 1)
    assert_same(edges, ([0], [1], [1e-170 * 1e10]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_threshold_is_of_double_precision(dtype):
    # The next float32 number after the threshold is larger than the value.
    threshold = dtype(0.25)
    edges = edges_above([[0.5], [0.5 + 1e-12]], threshold)
    assert_same(edges, ([0], [1], [0.5 * (0.5 + 1e-12)]))


def test_float32_rows_are_compared_in_float64():
    rows = np.array([[4097.0], [4097.0], [4096.0], [4098.0]], dtype=np.float32)
    edges, _ = strongest_edges(rows, 6)
    assert_same(edges, all_pairs(rows))
    assert 4097.0**2 in edges.values  # 25 binary digits: float32 would round it
    assert edges.values.dtype == np.float64


# ------------------------------------------------------------------ what may not matter
def test_a_permutation_of_the_rows_permutes_the_edges():
    rng = np.random.default_rng(2)
    rows, order = rng.normal(size=(60, 9)), rng.permutation(60)
    for search in (lambda W: strongest_edges(W, 70)[0], lambda W: edges_above(W, 2.0)):
        plain, permuted = search(rows), search(rows[order])
        ends = np.sort([order[permuted.sources], order[permuted.targets]], axis=0)
        assert_same((*ends, permuted.values), plain)


@pytest.mark.parametrize("rank", [9, 199, 20_011])
@pytest.mark.parametrize("seed", range(3))
def test_a_value_is_the_same_alone_and_among_others(rank, seed):
    rows = np.random.default_rng(seed).normal(size=(12, rank))
    every, _ = strongest_edges(rows, 66)
    alone = edges_above(rows, np.abs(every.values[:2]).mean())
    assert_same(alone, first(every, 1))


@pytest.mark.parametrize("arrange", [np.asfortranarray, np.ndarray.tolist])
def test_the_layout_of_the_rows_does_not_matter(arrange):
    rows = np.random.default_rng(3).normal(size=(40, 17))
    assert_same(strongest_edges(arrange(rows), 50)[0], strongest_edges(rows, 50)[0])


@pytest.mark.parametrize("search", [strongest_edges, edges_above])
def test_the_rows_are_not_written(search):
    rows = np.random.default_rng(4).normal(size=(40, 3))
    copy = rows.copy()
    search(rows, 1)
    mean_absolute(rows)
    strongest_changes(rows, rows[::-1], 5)
    assert_array_equal(rows, copy)


# ------------------------------------------------------------------- rounding of tiles
@pytest.fixture
def patch_matmul(monkeypatch):
    """Replace the product of matrices that the search calls."""

    def patch(matmul):
        class Numpy:
            def __getattr__(self, name):
                return matmul if name == "matmul" else getattr(np, name)

        monkeypatch.setattr(_pair_tiles, "np", Numpy())

    return patch


@pytest.mark.parametrize("seed", range(5))
def test_tiles_may_round_twice_as_badly_as_theory_allows(patch_matmul, seed):
    rng = np.random.default_rng(seed)
    rank, eps = 30, np.finfo(np.float32).eps
    rows = 0.99 / np.sqrt(rank) + 0.3 * eps * rng.normal(size=(40, rank))

    def matmul(left, right, out):
        error = rng.choice([-0.9, 0.9], size=out.shape) * rank * eps
        return np.add(left @ right, error, out=out, casting="same_kind")

    patch_matmul(matmul)
    expected = all_pairs(rows)
    for n_edges in (1, 20, 300, 700):
        with small_tiles(side=9, spare=0):
            edges, left_out = strongest_edges(rows, n_edges)
        assert_same(edges, strongest(expected, np.abs(expected[2]), n_edges)[0])
        n_above = np.count_nonzero(np.abs(expected[2]) > left_out)
        with small_tiles(side=9, spare=0):
            assert_same(edges_above(rows, left_out), first(expected, n_above))


# ------------------------------------------------------------------------ work and room
@pytest.fixture
def multiplications(patch_matmul):
    """Sizes of the tiles that are computed."""
    sizes = []

    def matmul(left, right, out):
        sizes.append(out.size)
        return np.matmul(left, right, out=out)

    patch_matmul(matmul)
    return sizes


def uneven(n_rows, n_long):
    """Few long rows among many short ones."""
    rng = np.random.default_rng(5)
    lengths = np.where(rng.permutation(n_rows) < n_long, 1.0, 0.01)
    rows = rng.normal(size=(n_rows, 8))
    return rows * (lengths / np.linalg.norm(rows, axis=1))[:, None]


@pytest.mark.parametrize(
    "search",
    [lambda W: edges_above(W, 0.1), lambda W: strongest_edges(W, 100)],
    ids=["above", "strongest"],
)
def test_tiles_of_short_rows_are_skipped(search, multiplications):
    with small_tiles(side=50, spare=0):
        search(uneven(1000, n_long=50))
    assert len(multiplications) == 1


def test_tiles_of_rows_that_did_not_move_are_skipped(multiplications):
    before = 10 * np.random.default_rng(6).normal(size=(1000, 8))
    after = np.hstack([before, np.zeros((1000, 1))])
    after[::50, -1] = 10.0
    with small_tiles(side=50, spare=0):
        sources, targets, _, _ = strongest_changes(before, after, 100)
    assert (sources % 50 == 0).all()
    assert (targets % 50 == 0).all()
    assert len(multiplications) <= 20


def test_pairs_of_value_zero_are_not_searched(multiplications):
    rows = np.zeros((1000, 3))
    rows[[7, 9]] = 1.0
    edges, _ = strongest_edges(rows, 3)
    assert_same(edges, ([7], [9], [3.0]))
    assert sum(multiplications) <= 512**2


N_MANY = 4000


@pytest.mark.parametrize(
    "search",
    [
        lambda W: edges_above(W, 3.5),
        lambda W: strongest_edges(W, 1000),
        lambda W: strongest_edges(np.ones_like(W[:, :1]), 1000),
        lambda W: strongest_edges(W[:, :0], 1000),
        lambda W: strongest_changes(W, W[::-1], 1000),
        mean_absolute,
    ],
    ids=["above", "strongest", "all tie", "rank 0", "changes", "mean"],
)
def test_nothing_quadratic_is_allocated(search, allocation_peak):
    rows = np.random.default_rng(7).normal(size=(N_MANY, 10)) / 10**0.25
    with small_tiles(side=128, spare=2**14), allocation_peak() as peak:
        search(rows)
    assert peak() < 0.1 * N_MANY**2 * 8


# ------------------------------------------------------------------------ a full search
@pytest.fixture
def little_memory(monkeypatch):
    """Room for 500 pairs."""
    n_bytes = 500 * 2 * _edge_search._EDGE_BYTES
    monkeypatch.setattr(_edge_search, "_free_memory", lambda: float(n_bytes))


def test_more_pairs_than_memory_are_refused(little_memory):
    rows = np.random.default_rng(8).normal(size=(200, 20))
    with small_tiles(side=20, spare=0), pytest.raises(ValueError, match="pairs exceed"):
        edges_above(rows, 0.0)


def test_the_refusal_names_a_threshold_that_fits(little_memory):
    rows = np.random.default_rng(9).normal(size=(200, 20))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    expected = r"A threshold of (\S+) keeps about (\d+) pairs"
    with (
        small_tiles(side=20, spare=0),
        pytest.raises(ValueError, match=expected) as refused,
    ):
        edges_above(rows, 0.01)
    better = re.search(expected, str(refused.value))
    n_kept = np.count_nonzero(np.abs(all_pairs(rows)[2]) > float(better[1]))
    assert n_kept == pytest.approx(int(refused.value.args[0].split()[-2]), abs=3)
    assert 450 < n_kept <= 500


def test_the_refusal_counts_the_pairs(little_memory):
    expected = "about 19,900 pairs exceed the threshold of 0.5,"
    with small_tiles(side=20, spare=0), pytest.raises(ValueError, match=expected):
        edges_above(np.ones((200, 1)), 0.5)


def test_more_strongest_pairs_than_memory_are_refused(little_memory):
    with pytest.raises(ValueError, match="1,000 edges are asked for"):
        strongest_edges(np.ones((200, 1)), 1000)


def test_as_many_pairs_as_fit_are_returned(little_memory):
    assert len(edges_above(np.ones((32, 1)), 0.5).values) == 32 * 31 // 2


# ---------------------------------------------------------------------- fitted networks
@pytest.fixture(scope="module")
def networks():
    """Partial correlations before and after two pathways, as rows and dense."""
    rng = np.random.default_rng(10)
    samples = rng.normal(size=(30, 5)) @ rng.normal(size=(5, 120))
    estimator = FactorPrecisionEstimator().fit(samples + rng.normal(size=(30, 120)))
    before = estimator.partial_correlation_
    loadings = rng.normal(size=(120, 2)) * (rng.random((120, 2)) < 0.1)
    after = estimator.partial_fit_pathways(loadings).partial_correlation_
    return before, after


def test_edges_are_the_partial_correlations(networks):
    for matrix in networks:
        (i, j, values), left_out = strongest_edges(matrix.row_factor(), 300)
        dense = matrix.toarray()
        assert_allclose(values, dense[i, j], rtol=0, atol=1e-14)
        others = np.abs(np.triu(dense, 1))
        others[i, j] = 0
        assert_allclose(others.max(), left_out, rtol=0, atol=1e-14)


def test_changes_are_the_largest_of_the_dense_difference(networks):
    before, after = (matrix.toarray() for matrix in networks)
    rows = [matrix.row_factor() for matrix in networks]
    sources, targets, old, new = strongest_changes(*rows, 50)
    assert_allclose(old, before[sources, targets], rtol=0, atol=1e-14)
    assert_allclose(new, after[sources, targets], rtol=0, atol=1e-14)
    difference = np.abs(after - before)[np.triu_indices(120, 1)]
    largest = np.sort(difference)[::-1][:50]
    assert_allclose(np.abs(new - old), largest, rtol=0, atol=1e-13)


def test_changes_report_the_values_of_either_network(networks):
    rows = [matrix.row_factor() for matrix in networks]
    sources, targets, old, new = strongest_changes(*rows, 50)
    for factor, values in zip(rows, (old, new), strict=True):
        every = strongest_edges(factor, 120 * 119 // 2)[0]
        entries = np.zeros((120, 120))
        entries[every.sources, every.targets] = every.values
        assert_array_equal(values, entries[sources, targets])


# -------------------------------------------------------------------------- the census
@given(tables, sides, st.integers(0, 200))
def test_the_census_counts_every_pair_once(rows, side, n_tail):
    with small_tiles(side, spare=0), pytest.MonkeyPatch.context() as patch:
        patch.setattr(_edge_search, "_EXACT_PAIRS", -1)
        counts, bounds, tail, left_out = census(rows, n_tail)
    every = all_pairs(rows)
    assert counts.sum() == len(every[2])
    assert (np.diff(bounds) > 0).all()
    strong, expected_left_out = strongest(every, np.abs(every[2]), n_tail)
    assert_same(tail, strong)
    assert left_out == expected_left_out


def test_the_census_counts_a_value_in_its_bin():
    rows = np.random.default_rng(11).normal(size=(500, 20))
    with small_tiles(side=90, spare=0):
        counts, bounds, _, _ = census(rows, 0)
    values = np.sort(all_pairs(rows)[2])
    naive = np.searchsorted(values, bounds[1:-1])
    assert np.abs(counts.cumsum()[:-1] - naive).max() <= 3  # float32 at the bounds
    assert_allclose(bounds[-1], 8 * np.sqrt(np.square(values).mean()), rtol=1e-5)


def test_the_census_of_few_pairs_holds_them_all():
    rows = np.random.default_rng(12).normal(size=(60, 9))
    assert_same(census(rows, 0).tail, all_pairs(rows))


# ------------------------------------------------------------------ workers, and arrays
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_find_what_one_finds(backend):
    rows = np.random.default_rng(13).normal(size=(1500, 30))
    searches = [
        lambda n_jobs: strongest_edges(rows, 500, n_jobs=n_jobs)[0],
        lambda n_jobs: edges_above(rows, 20.0, n_jobs=n_jobs),
        lambda n_jobs: strongest_changes(rows, rows[::-1], 500, n_jobs=n_jobs),
        lambda n_jobs: [census(rows, 9, n_jobs=n_jobs).counts],
    ]
    for search in searches:
        with joblib.parallel_config(backend):
            assert_same(search(2), search(None))


def test_workers_refuse_more_pairs_than_memory(little_memory):
    rows = np.ones((200, 1))
    with (
        small_tiles(side=20, spare=0),
        joblib.parallel_config("threading", n_jobs=2),
        pytest.raises(ValueError, match="about 19,900 pairs"),
    ):
        edges_above(rows, 0.5)


@given(tables, st.integers(0, 200), sides)
def test_entries_of_a_dense_matrix_are_searched_alike(rows, n_edges, side):
    i, j, values = every = all_pairs(np.clip(rows, -1e9, 1e9))
    matrix = np.full((len(rows), len(rows)), 1e300)  # the diagonal does not count
    matrix[i, j] = matrix[j, i] = values
    with small_tiles(side, spare=0):
        edges, left_out = strongest_edges(DenseEntries(matrix), n_edges)
        above = edges_above(DenseEntries(matrix), left_out)
        counts = census(DenseEntries(matrix), 0).counts
    assert_same(edges, strongest(every, np.abs(values), n_edges)[0])
    assert_same(above, edges)
    assert counts.sum() == len(values)
