"""Where the structured matrix changes its mind: repeated genes, room, many genes."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import DiagonalPlusLowRank, _diagonal_low_rank
from sklearn_grn._spectrum import DENSE_EIGENVALUES


def make(size=7, rank=2, sign=1, dtype=np.float64):
    rng = np.random.default_rng(0)
    factor = 0.1 * rng.normal(size=(size, rank))
    return DiagonalPlusLowRank(
        rng.uniform(1.0, 2.0, size), factor.astype(dtype), sign=sign
    )


# -------------------------------------------------------------------- repeated genes
@pytest.mark.parametrize(
    "genes",
    [[2, 0, 2], [1, 1, 2], [2, 1, 1], [3, 3, 3], [4, 2, 0], [0, 2, 4], [5]],
    ids=str,
)
@pytest.mark.parametrize("sign", [1, -1])
def test_block_of_genes_in_any_order_has_the_entries_of_the_array(genes, sign):
    P = make(sign=sign)
    at = np.ix_(genes, genes)
    assert_allclose(P[at], P.toarray()[at], rtol=1e-14)
    assert_array_equal(P[at].diagonal(), P.diagonal()[genes])


def test_block_of_equal_lists_of_genes_is_exactly_symmetric():
    P, genes = make(300, 40), np.arange(1, 290)
    block = P[np.ix_(genes, genes.copy())]
    assert_array_equal(block, block.T)


# -------------------------------------------------------------------------------- room
def rows_at_a_time(monkeypatch, P, n_entries, working_memory):
    """Ask for entries, and return how many rows of the factor were taken at a time."""
    taken, row_factor = [], DiagonalPlusLowRank.row_factor

    def counted(self, rows=slice(None)):
        taken.append(len(rows))
        return row_factor(self, rows)

    monkeypatch.setattr(DiagonalPlusLowRank, "row_factor", counted)
    i, j = np.resize(np.arange(7), n_entries), np.resize(np.arange(6), n_entries)
    with sklearn.config_context(working_memory=working_memory / 2**20):
        entries = P[i, j]
    monkeypatch.undo()
    assert_allclose(entries, P.toarray()[i, j], rtol=1e-6)
    return taken


@pytest.mark.parametrize("rank", [1, 2, 5])
@pytest.mark.parametrize(("dtype", "n_bytes"), [(np.float64, 8), (np.float32, 4)])
def test_entries_take_the_working_memory(monkeypatch, rank, dtype, n_bytes):
    # Two arrays of rows, and their products.
    room = 3 * rank * n_bytes * 10
    taken = rows_at_a_time(monkeypatch, make(rank=rank, dtype=dtype), 24, room)
    assert taken == [10, 10, 10, 10, 4, 4]


def test_entries_without_columns_take_the_working_memory(monkeypatch):
    taken = rows_at_a_time(monkeypatch, make(rank=0), 24, 3 * 8 * 10)
    assert taken == [10, 10, 10, 10, 4, 4]


def test_entries_are_found_one_by_one_where_there_is_no_room(monkeypatch):
    assert rows_at_a_time(monkeypatch, make(), 3, working_memory=1) == [1] * 6


# ------------------------------------------------------------------------- many genes
def test_condition_number_of_as_many_genes_as_are_dense(monkeypatch):
    monkeypatch.setattr(_diagonal_low_rank, "extreme_eigenvalue", None)
    P = make(DENSE_EIGENVALUES)
    values = np.linalg.eigvalsh(P.toarray())
    assert_allclose(P.condition_number(), values[-1] / values[0], rtol=1e-9)


def test_condition_number_of_one_gene_more_builds_no_array(monkeypatch):
    monkeypatch.setattr(DiagonalPlusLowRank, "toarray", None)
    assert make(DENSE_EIGENVALUES + 1).condition_number() > 1


# -------------------------------------------------------- genes all but free of noise
@pytest.mark.parametrize("genes", [[4], [4, 11]], ids=str)
def test_products_are_exact_wherever_the_parts_cancel(genes):
    rng = np.random.default_rng(0)
    noise, right = np.ones(20), rng.normal(size=(20, 3))
    noise[genes] = 1e-12
    precision = DiagonalPlusLowRank(noise, rng.normal(size=(20, 4))).inverse()
    expected = precision.toarray() @ right
    error = np.abs(precision @ right - expected).max()
    assert error <= 1e-13 * np.abs(expected).max()


# --------------------------------------------------------------------- nothing to do
def test_nothing_may_be_appended():
    P = make()
    assert_array_equal(P.append(np.zeros((7, 0))).toarray(), P.toarray())


@pytest.mark.parametrize("rank", [0, 1])
def test_inverse_of_little_or_nothing_subtracted(rank):
    P = make(rank=rank, sign=-1)
    expected = np.linalg.inv(P.toarray())
    assert_allclose(P.inverse().toarray(), expected, rtol=1e-12, atol=1e-15)


def test_sign_is_positive_unless_given():
    P = DiagonalPlusLowRank([1.0, 1.0], [[2.0], [3.0]])
    assert_array_equal(P.toarray(), [[5.0, 6.0], [6.0, 10.0]])


# ------------------------------------------------------------------------------ looks
@pytest.mark.parametrize("size", [1, 5, 6])
def test_small_matrix_is_printed_whole(size):
    P = make(size)
    assert str(P) == str(P.toarray())


@pytest.mark.parametrize("size", [7, 8, 40])
def test_larger_matrix_is_printed_by_its_corners(size):
    P = make(size)
    expected = np.array2string(P.toarray(), threshold=0, edgeitems=3)
    assert str(P) == expected
    assert str(P).count("...") == 7  # in each of six rows, and a row of its own
