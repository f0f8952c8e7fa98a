"""Blocks of columns behave as the matrix they hold, and old ones are never written."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from sklearn_grn._column_blocks import ColumnBlocks

N_ROWS = 4
DTYPES = [np.float32, np.float64]


def integers(n_columns, *, dtype=np.float64, start=0):
    """Small whole numbers, whose sums of products are exact in every data type."""
    numbers = np.arange(start, start + n_columns * N_ROWS)
    return ((7 * numbers) % 11 - 5.0).reshape(n_columns, N_ROWS).astype(dtype)


def grow(widths, dtype=np.float64):
    """A matrix that arrived in blocks, and the same matrix in one piece."""
    parts = [integers(width, dtype=dtype, start=i) for i, width in enumerate(widths)]
    grown = ColumnBlocks(parts[0])
    for part in parts[1:]:
        grown = grown.append(part)
    return grown, np.concatenate(parts).T


matrices = st.builds(
    grow,
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
    st.sampled_from(DTYPES),
)


# ------------------------------------------------------------------ what it holds
@given(matrices)
def test_lying_is_the_transpose(pair):
    grown, dense = pair
    assert_array_equal(grown.lying(), dense.T, strict=True)


@given(matrices)
def test_shape_and_dtype(pair):
    grown, dense = pair
    assert grown.shape == dense.shape
    assert grown.dtype == dense.dtype


@given(matrices)
def test_columns_come_in_their_order_of_arrival(pair):
    grown, dense = pair
    columns = list(grown.columns())
    assert len(columns) == dense.shape[1]
    for column, expected in zip(columns, dense.T, strict=True):
        assert_array_equal(column, expected, strict=True)


@given(matrices, st.data())
def test_first(pair, data):
    grown, dense = pair
    n_columns = data.draw(st.integers(0, dense.shape[1]))
    assert_array_equal(grown.first(n_columns).lying().T, dense[:, :n_columns])


@given(matrices, st.data())
def test_last_lying(pair, data):
    grown, dense = pair
    n_columns = data.draw(st.integers(0, dense.shape[1]))
    expected = dense[:, dense.shape[1] - n_columns :].T
    assert_array_equal(grown.last_lying(n_columns), expected, strict=True)


@given(matrices, st.data())
def test_select(pair, data):
    grown, dense = pair
    size = dense.shape[1]
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    keep = keep.astype(bool)
    chosen = grown.select(keep)
    assert_array_equal(chosen.lying().T, dense[:, keep], strict=True)


@pytest.mark.parametrize(
    "index", [slice(None), slice(1, 3), np.array([2, 0, 0]), np.array([], dtype=int)]
)
@given(pair=matrices)
def test_rows(index, pair):
    grown, dense = pair
    assert_array_equal(grown.rows(index), dense[index], strict=True)


@pytest.mark.parametrize("shape", [(N_ROWS,), (N_ROWS, 1), (N_ROWS, 3), (N_ROWS, 0)])
@given(pair=matrices)
def test_project(shape, pair):
    grown, dense = pair
    right = np.arange(np.prod(shape), dtype=dense.dtype).reshape(shape)
    assert_array_equal(grown.project(right), dense.T @ right, strict=True)


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_array])
@given(pair=matrices)
def test_project_of_a_sparse_matrix(make, pair):
    grown, dense = pair
    right = np.diag(np.arange(N_ROWS, dtype=dense.dtype))[:, 1:]
    assert_array_equal(grown.project(make(right)), dense.T @ right, strict=True)


@pytest.mark.parametrize("shape", [(), (1,), (3,)])
@given(pair=matrices)
def test_combine(shape, pair):
    grown, dense = pair
    size = (dense.shape[1], *shape)
    coefficients = np.arange(np.prod(size), dtype=dense.dtype).reshape(size)
    expected = (dense @ coefficients).T
    assert_array_equal(grown.combine(coefficients), expected, strict=True)


# ------------------------------------------------------------------- what it shares
@given(matrices, st.integers(1, 6))
def test_append_adds_columns_at_the_end(pair, width):
    grown, dense = pair
    block = integers(width, dtype=dense.dtype)
    expected = np.concatenate([dense, block.T], axis=1)
    assert_array_equal(grown.append(block).lying().T, expected, strict=True)


@given(matrices)
def test_append_of_nothing_is_the_same_matrix(pair):
    grown, dense = pair
    assert grown.append(integers(0, dtype=dense.dtype)) is grown


@given(matrices, st.integers(1, 6))
def test_append_leaves_the_old_matrix_as_it_was(pair, width):
    grown, dense = pair
    blocks = grown.blocks
    grown.append(integers(width, dtype=dense.dtype) + 100)
    assert grown.blocks is blocks
    assert_array_equal(grown.lying().T, dense, strict=True)


@given(matrices, st.integers(1, 6))
def test_append_never_writes_old_blocks(pair, width):
    grown, dense = pair
    for block in grown.blocks:
        block.flags.writeable = False  # a write would raise
    grown.append(integers(width, dtype=dense.dtype)).append(integers(1))


def test_append_shares_the_blocks_that_are_wider():
    base = ColumnBlocks(integers(5)).append(integers(4)).append(integers(2))
    grown = base.append(integers(1))
    for old, new in zip(base.blocks, grown.blocks, strict=False):
        assert np.shares_memory(old, new)


def test_first_block_is_never_merged():
    first = integers(1)
    grown = ColumnBlocks(first)
    for width in (1, 2, 9):
        grown = grown.append(integers(width))
        assert grown.blocks[0] is first


def test_two_grown_from_one_base_do_not_see_each_other():
    base = ColumnBlocks(integers(3)).append(integers(2))
    zeros, ones = (base.append(np.full((2, N_ROWS), value)) for value in (0, 1))
    assert_array_equal(zeros.lying()[5:], 0)
    assert_array_equal(ones.lying()[5:], 1)
    assert_array_equal(zeros.lying()[:5], ones.lying()[:5])
    assert np.shares_memory(zeros.blocks[0], ones.blocks[0])


@given(matrices, st.data())
def test_first_is_made_of_views_unless_they_hold_twice_as_much(pair, data):
    grown, dense = pair
    shorter = grown.first(data.draw(st.integers(0, dense.shape[1])))
    for view, block in zip(shorter.blocks, grown.blocks, strict=False):
        memory = block if block.base is None else block.base
        shared = view.base is block or view.base is memory or view is block
        assert shared == (memory.nbytes <= 2 * view.nbytes or view.nbytes == 0)


def test_select_shares_untouched_blocks():
    grown = ColumnBlocks(integers(3)).append(integers(2)).append(integers(1))
    chosen = grown.select(np.array([True, True, True, False, True, True]))
    assert chosen.blocks[0] is grown.blocks[0]
    assert chosen.blocks[2] is grown.blocks[2]


# ------------------------------------------------------------------- what it costs
@pytest.mark.parametrize(
    "widths",
    [
        pytest.param([1] * 500, id="single columns"),
        pytest.param([3] * 200, id="threes"),
        pytest.param(list(range(1, 30)), id="growing"),
        pytest.param([1, 2] * 100, id="alternating"),
        pytest.param(list(range(30, 0, -1)), id="shrinking"),
    ],
)
def test_number_of_blocks_is_logarithmic(widths):
    grown, _ = grow([2, *widths])
    assert len(grown.blocks) <= 2 + np.log2(sum(widths))


def test_copying_is_amortised():
    n_appended, n_copied = 1024, 0
    grown = ColumnBlocks(integers(3))
    for _ in range(n_appended):
        before, grown = grown, grown.append(integers(1))
        if not np.shares_memory(grown.blocks[-1], before.blocks[-1]):
            n_copied += len(grown.blocks[-1]) - 1
    assert n_copied <= n_appended


# ------------------------------------------------------- room behind the last block
def fork():
    """A matrix with room behind its last block, and two appended to it."""
    base = ColumnBlocks(integers(2))
    for _ in range(3):
        base = base.append(integers(1))
    return base, base.append(integers(1)), base.append(2 * integers(1))


def test_room_is_taken_by_one_only():
    base, first, second = fork()
    assert np.shares_memory(first.blocks[-1], base.blocks[-1])
    assert_array_equal(first.lying()[-1], integers(1)[0])
    assert_array_equal(second.lying()[-1], 2 * integers(1)[0])
    assert_array_equal(first.lying()[:-1], base.lying())
    assert_array_equal(second.lying()[:-1], base.lying())


def test_room_is_neither_copied_nor_pickled():
    base, first, _ = fork()
    again = pickle.loads(pickle.dumps(base))
    assert_array_equal(again.lying(), base.lying())
    assert not again._room
    assert not copy.deepcopy(first)._room


def test_threads_do_not_write_over_each_other():
    base = fork()[1]
    with ThreadPoolExecutor(8) as pool:
        grown = list(pool.map(lambda n: base.append(n * integers(1)), range(1, 33)))
    for number, matrix in enumerate(grown, 1):
        assert_array_equal(matrix.lying()[-1], number * integers(1)[0])
