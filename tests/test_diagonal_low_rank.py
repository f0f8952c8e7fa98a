"""Every operation on the structured matrix equals the one on its dense twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_grn import DiagonalPlusLowRank
from sklearn_grn._capacitance import factorise
from sklearn_grn._column_blocks import ColumnBlocks
from sklearn_grn._diagonal_low_rank import structured_views

TOLERANCE = {
    np.float32: {"rtol": 2e-4, "atol": 2e-4},
    np.float64: {"rtol": 1e-10, "atol": 1e-11},
}
DTYPES = list(TOLERANCE)


def close(actual, desired, dtype):
    assert_allclose(actual, desired, **TOLERANCE[np.dtype(dtype).type])


# -------------------------------------------------------------- the dense twins
def naive(diagonal, factor, sign=1, scale=None):
    """diag(d) +- S F F' S, in double precision."""
    rows = np.asarray(factor, dtype=np.float64)
    if scale is not None:
        rows = np.diag(scale) @ rows
    return np.diag(diagonal) + sign * rows @ rows.T


def make_parts(size, rank, dtype, sign, scaled, seed):
    """Parts of a positive definite matrix: the low-rank part is below the diagonal."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.5, 2.0, size) if scaled else None
    factor = rng.normal(size=(size, rank))
    if sign < 0 and rank:
        factor *= 0.3 / np.linalg.norm(factor, 2)
    diagonal = rng.uniform(0.5, 2.0, size)
    return {
        "diagonal": diagonal,
        "factor": factor.astype(dtype),
        "sign": sign,
        "scale": scale,
    }


def from_parts(parts):
    return DiagonalPlusLowRank(**parts), naive(**parts)


def partial_correlations(precision):
    root = np.sqrt(precision.diagonal())
    rho = -precision / root / root[:, None]
    np.fill_diagonal(rho, 1.0)
    return rho


def make_view(size, rank, dtype, which, seed):
    """One of the three matrices of a model, whose columns came in two blocks."""
    parts = make_parts(size, rank, dtype, 1, False, seed)
    blocks = np.ascontiguousarray(parts["factor"].T)[: rank // 2]
    rest = np.ascontiguousarray(parts["factor"].T)[rank // 2 :]
    state = factorise(parts["diagonal"], ColumnBlocks(blocks).append(rest))
    covariance = naive(**parts)
    precision = np.linalg.inv(covariance)
    twins = covariance, precision, partial_correlations(precision)
    return structured_views(state)[which], twins[which]


sizes, ranks = st.integers(1, 8), st.integers(0, 5)
seeds, dtypes, signs = (
    st.integers(0, 2**16),
    st.sampled_from(DTYPES),
    st.sampled_from([1, -1]),
)
all_parts = st.builds(make_parts, sizes, ranks, dtypes, signs, st.booleans(), seeds)
covariance_parts = st.builds(
    make_parts, sizes, ranks, dtypes, st.just(1), st.booleans(), seeds
)
views = st.builds(make_view, sizes, ranks, dtypes, st.sampled_from([0, 1, 2]), seeds)
pairs = st.one_of(all_parts.map(from_parts), views)


def small(**changes):
    parts = make_parts(7, 2, np.float64, 1, False, 0)
    return DiagonalPlusLowRank(**{**parts, **changes})


# --------------------------------------------------------------------- its entries
@given(pairs)
def test_toarray(pair):
    P, dense = pair
    close(P.toarray(), dense, P.dtype)


@given(pairs)
def test_toarray_is_exactly_symmetric(pair):
    dense = pair[0].toarray()
    assert_array_equal(dense, dense.T)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("rank", [1, 2, 40])
def test_larger_array_is_exactly_symmetric(rank, scaled, dtype):
    parts = make_parts(300, rank, dtype, 1, scaled, 0)
    dense = DiagonalPlusLowRank(**parts).toarray()
    assert_array_equal(dense, dense.T)


@given(pairs)
def test_diagonal(pair):
    P, dense = pair
    close(P.diagonal(), dense.diagonal(), P.dtype)


@given(pairs)
def test_diagonal_equals_that_of_the_array(pair):
    P, _ = pair
    assert_array_equal(P.diagonal(), P.toarray().diagonal(), strict=True)


def test_diagonal_in_single_precision_is_correctly_rounded():
    parts = make_parts(300, 1, np.float32, 1, False, 0)
    expected = naive(**parts).diagonal().astype(np.float32)
    assert_array_equal(DiagonalPlusLowRank(**parts).diagonal(), expected)


@given(pairs)
def test_trace(pair):
    P, dense = pair
    close(P.trace(), dense.trace(), P.dtype)


@given(pairs, st.data())
def test_row_factor_has_the_inner_products_of_the_entries(pair, data):
    P, dense = pair
    size = len(dense)
    rows = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=4)), int)
    products = P._sign * P.row_factor(rows) @ P.row_factor().T
    off = rows[:, None] != np.arange(size)
    close(products[off], dense[rows][off], P.dtype)


@given(pairs)
def test_every_entry_has_the_data_type_of_the_factor(pair):
    P, _ = pair
    assert P.toarray().dtype == P.diagonal().dtype == P[0].dtype == P.dtype
    assert P[0, 0].dtype == P.row_factor().dtype == P.dtype


@given(all_parts)
def test_rank_shape_and_data_type(parts):
    P = DiagonalPlusLowRank(**parts)
    size, rank = parts["factor"].shape
    assert (P.shape, P.rank, P.size, P.ndim) == ((size, size), rank, size * size, 2)
    assert P.dtype == parts["factor"].dtype


def test_nbytes_counts_what_is_held():
    assert small().nbytes == 7 * 2 * 8 + 7 * 8
    assert small(scale=np.ones(7)).nbytes == 7 * 2 * 8 + 2 * 7 * 8


@pytest.mark.parametrize("order", ["C", "F"])
def test_later_changes_of_the_input_do_not_reach_the_matrix(order):
    parts = make_parts(7, 2, np.float64, 1, True, 0)
    parts["factor"] = np.array(parts["factor"], order=order)
    P, dense = from_parts(parts)
    for name in ("diagonal", "factor", "scale"):
        parts[name][:] = 100.0
    close(P.toarray(), dense, P.dtype)


def test_changes_of_what_it_returns_do_not_reach_the_matrix():
    P = small()
    dense = P.toarray()
    for returned in (P.toarray(), P.diagonal(), P.row_factor(), P[0], P[:]):
        returned[:] = 100.0
    assert_array_equal(P.toarray(), dense)


# -------------------------------------------------------------------- its products
def numbers(*shape, dtype=np.float64):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


on_right_operands = pytest.mark.parametrize(
    "shape", [(), (1,), (3,), (0,)], ids=["vector", "column", "matrix", "nothing"]
)


@on_right_operands
@given(pair=pairs)
def test_product_from_the_right(shape, pair):
    P, dense = pair
    right = numbers(len(dense), *shape, dtype=P.dtype)
    close(P @ right, dense @ right, P.dtype)


@on_right_operands
@given(pair=pairs)
def test_product_from_the_left(shape, pair):
    P, dense = pair
    left = numbers(*shape, len(dense), dtype=P.dtype)
    close(left @ P, left @ dense, P.dtype)


@given(pairs)
def test_products_with_stacks_of_matrices(pair):
    P, dense = pair
    stack = numbers(2, 2, len(dense), 3, dtype=P.dtype)
    close(P @ stack, dense @ stack, P.dtype)
    close(stack.mT @ P, stack.mT @ dense, P.dtype)


@pytest.mark.parametrize(
    "make", [sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix]
)
@given(pair=pairs)
def test_products_with_sparse_matrices(make, pair):
    P, dense = pair
    size = len(dense)
    thin = np.where(numbers(size, 3) > 0, numbers(size, 3), 0).astype(P.dtype)
    close(P @ make(thin), dense @ thin, P.dtype)
    close(make(thin.T) @ P, thin.T @ dense, P.dtype)


@given(pairs)
def test_products_are_dense(pair):
    P, dense = pair
    eye = sparse.eye_array(len(dense), format="csr")
    for product in (P @ eye, eye @ P, P @ np.eye(len(dense)), P @ P):
        assert type(product) is np.ndarray


@given(pairs)
def test_product_with_itself(pair):
    P, dense = pair
    close(P @ P, dense @ dense, P.dtype)


@given(covariance_parts)
def test_product_with_the_inverse(parts):
    P = DiagonalPlusLowRank(**parts)
    identity = np.eye(P.shape[0])
    tolerance = {np.float32: 1e-3, np.float64: 1e-10}[P.dtype.type]
    assert_allclose(P @ P.inverse(), identity, atol=tolerance)
    assert_allclose(P.inverse() @ P, identity, atol=tolerance)


@given(pairs)
def test_matvec_and_its_kin(pair):
    P, dense = pair
    vector, matrix = numbers(len(dense)), numbers(len(dense), 2)
    for multiply in (P.matvec, P.rmatvec):
        close(multiply(vector), dense @ vector, P.dtype)
    for multiply in (P.matmat, P.rmatmat, P.dot):
        close(multiply(matrix), dense @ matrix, P.dtype)


OPERAND_TYPES = ["f2", "f4", "f8", "c16", "i4", "u1", "?"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operand", OPERAND_TYPES)
def test_products_have_the_data_type_of_the_dense_product(operand, dtype):
    P = small(factor=numbers(7, 2, dtype=dtype))
    right = np.ones((7, 2), dtype=operand)
    assert (P @ right).dtype == (P.toarray() @ right).dtype


@pytest.mark.parametrize("operand", OPERAND_TYPES)
def test_narrow_operands_do_not_narrow_the_product(operand):
    P = small()
    right = np.ones((7, 2), dtype=operand)
    assert_allclose(P @ right, P.toarray() @ right, rtol=1e-13)


def test_products_of_wrong_sizes_name_both_shapes():
    P = small()
    with pytest.raises(ValueError, match=r"shapes \(7, 7\) and \(6, 2\)"):
        P @ np.ones((6, 2))
    with pytest.raises(ValueError, match=r"shapes \(7, 7\) and \(6,\)"):
        np.ones(6) @ P
    with pytest.raises(ValueError, match="do not match"):
        P @ sparse.csr_array((6, 2))
    with pytest.raises(ValueError, match="matmul"):
        P @ np.ones((2, 6, 2))


# ------------------------------------------------------------ what follows from it
@given(all_parts)
def test_inverse(parts):
    P, dense = from_parts(parts)
    close(P.inverse().toarray(), np.linalg.inv(dense), P.dtype)


@given(views.filter(lambda pair: pair[0]._bound is None))
def test_inverse_of_a_view(pair):
    P, dense = pair
    close(P.inverse().toarray(), np.linalg.inv(dense), P.dtype)


@given(all_parts)
def test_inverse_of_the_inverse(parts):
    P, dense = from_parts(parts)
    close(P.inverse().inverse().toarray(), dense, P.dtype)


@given(all_parts)
def test_logdet(parts):
    P, dense = from_parts(parts)
    close(P.logdet(), np.linalg.slogdet(dense)[1], P.dtype)


@given(all_parts)
def test_logdet_of_the_inverse(parts):
    P, dense = from_parts(parts)
    close(P.inverse().logdet(), -np.linalg.slogdet(dense)[1], P.dtype)


@given(covariance_parts, st.integers(1, 10))
def test_append(parts, n_columns):
    P, dense = from_parts(parts)
    X = numbers(len(dense), n_columns, dtype=P.dtype)
    grown = P.append(X)
    close(grown.toarray(), dense + X @ X.T, P.dtype)
    close(grown.inverse().toarray(), np.linalg.inv(dense + X @ X.T), P.dtype)


def test_append_shares_what_is_there():
    P = small().inverse().inverse()
    grown = P.append(np.ones((7, 1)))
    assert grown._factor.blocks[0] is P._factor.blocks[0]
    assert grown.rank == P.rank + 1


def test_append_leaves_the_matrix_as_it_was():
    P = small()
    dense = P.toarray()
    P.append(np.ones((7, 1)))
    assert_array_equal(P.toarray(), dense)


@pytest.mark.parametrize("order", ["C", "F"])
def test_later_changes_of_appended_columns_do_not_reach_the_matrix(order):
    P, X = small(), np.ones((7, 2), order=order)
    grown = P.append(X)
    X[:] = 100.0
    assert_array_equal(grown.toarray(), P.append(np.ones((7, 2))).toarray())


def test_inverse_stays_structured():
    inverse = small().inverse()
    assert isinstance(inverse, DiagonalPlusLowRank)
    assert inverse.rank == 2


@given(all_parts)
def test_condition_number_for_few_genes(parts):
    P, dense = from_parts(parts)
    values = np.linalg.eigvalsh(dense)
    close(P.condition_number(), values[-1] / values[0], P.dtype)


N_MANY = 600
NOTHING = np.zeros((N_MANY, 0))
# Orthogonal to the diagonal, from which the iteration starts.
BALANCED = np.tile([1.0, -1.0], N_MANY // 2)[:, None]
TINY_NOISE = np.where(np.arange(N_MANY) < 2, 1e-12, 1.0)
MANY_GENES = {
    "factors": make_parts(N_MANY, 5, np.float64, 1, False, 0),
    "scaled": make_parts(N_MANY, 5, np.float64, 1, True, 0),
    "difference": make_parts(N_MANY, 5, np.float64, -1, False, 0),
    "single precision": make_parts(N_MANY, 5, np.float32, 1, False, 0),
    "one noise": {"diagonal": np.ones(N_MANY), "factor": numbers(N_MANY, 5)},
    "balanced": {"diagonal": np.ones(N_MANY), "factor": BALANCED},
    "diagonal": {"diagonal": np.arange(1.0, N_MANY + 1), "factor": NOTHING},
    "identity": {"diagonal": np.ones(N_MANY), "factor": NOTHING},
}


@pytest.mark.parametrize("name", MANY_GENES)
def test_condition_number_for_many_genes(name):
    P, dense = from_parts(MANY_GENES[name])
    values = np.linalg.eigvalsh(dense)
    assert_allclose(P.condition_number(), values[-1] / values[0], rtol=1e-6)


def test_condition_number_beyond_what_eigvalsh_finds():
    P, dense = from_parts({"diagonal": TINY_NOISE, "factor": numbers(N_MANY, 5)})
    largest = np.linalg.eigvalsh(dense)[-1]
    largest_of_inverse = np.linalg.eigvalsh(P.inverse().toarray())[-1]
    assert_allclose(P.condition_number(), largest * largest_of_inverse, rtol=1e-6)


def test_condition_number_of_the_inverse_is_the_same():
    P = small()
    assert_allclose(P.inverse().condition_number(), P.condition_number(), rtol=1e-12)


def test_condition_number_is_computed_once(monkeypatch):
    P = small()
    first = P.condition_number()
    monkeypatch.setattr(np.linalg, "eigvalsh", None)
    assert P.condition_number() == first


# ------------------------------------------------------------------ its data type
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_follows_keeps_the_data_type(dtype):
    P = small(factor=numbers(7, 2, dtype=dtype), scale=np.ones(7))
    for matrix in (P.inverse(), P.inverse().inverse(), P.append(np.ones((7, 1)))):
        assert matrix.dtype == dtype
        assert matrix.toarray().dtype == matrix.diagonal().dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_inverse_of_a_difference_keeps_the_data_type(dtype):
    parts = make_parts(7, 2, dtype, -1, False, 0)
    P = DiagonalPlusLowRank(**parts)
    assert P.inverse().dtype == P.inverse().inverse().dtype == dtype


@given(pairs, st.sampled_from(DTYPES))
def test_astype_between_floats_stays_structured(pair, dtype):
    P, dense = pair
    converted = P.astype(dtype)
    assert isinstance(converted, DiagonalPlusLowRank)
    assert converted.dtype == converted.toarray().dtype == dtype
    close(converted.toarray(), dense, np.float32)


@given(all_parts)
def test_inverse_after_astype(parts):
    P, dense = from_parts(parts)
    inverse = P.astype(np.float32).inverse()
    close(inverse.toarray(), np.linalg.inv(dense), np.float32)


def test_astype_to_its_own_data_type_is_the_matrix_itself():
    P = small()
    assert P.astype(np.float64) is P


@pytest.mark.parametrize("dtype", [int, complex, np.float16, object])
def test_astype_to_other_types_is_dense(dtype):
    P = small()
    expected = P.toarray().astype(dtype)
    assert_array_equal(P.astype(dtype), expected, strict=True)


@pytest.mark.parametrize("given_type", [int, np.float16, bool])
def test_factors_of_other_types_become_double(given_type):
    P = small(factor=np.ones((7, 2), dtype=given_type))
    assert P.dtype == np.float64
    close(P.toarray(), naive(small()._diagonal, np.ones((7, 2))), P.dtype)


# --------------------------------------------------------------------- its errors
INDEFINITE = {
    "covariance": {"diagonal": [-1.0, 2.0], "factor": [[1.0], [1.0]]},
    "zero": {"diagonal": [0.0, 2.0], "factor": [[1.0], [1.0]]},
    "difference": {"diagonal": [1.0, 2.0], "factor": [[2.0], [1.0]], "sign": -1},
    "singular": {"diagonal": [1.0, 1.0], "factor": [[1.0], [0.0]], "sign": -1},
    "negative": {"diagonal": [-1.0, 2.0], "factor": [[0.1], [0.1]], "sign": -1},
}
questions = pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda P: P.inverse(), id="inverse"),
        pytest.param(lambda P: P.logdet(), id="logdet"),
        pytest.param(lambda P: P.condition_number(), id="condition_number"),
    ],
)


@questions
@pytest.mark.parametrize("name", INDEFINITE)
def test_indefinite_matrix_has_no_answer(name, ask):
    P = DiagonalPlusLowRank(**INDEFINITE[name])
    with pytest.raises(ValueError, match=r"must be positive|part exceeds the diag"):
        ask(P)


@pytest.mark.parametrize("name", INDEFINITE)
def test_indefinite_matrix_is_a_matrix_all_the_same(name):
    P, dense = from_parts(INDEFINITE[name])
    close(P.toarray(), dense, P.dtype)
    close(P @ [1.0, 2.0], dense @ [1.0, 2.0], P.dtype)


def test_message_names_the_negative_value():
    with pytest.raises(ValueError, match="diagonal part has an entry of -1"):
        DiagonalPlusLowRank(**INDEFINITE["covariance"]).inverse()


def test_message_names_the_smallest_eigenvalue():
    with pytest.raises(ValueError, match=r"smallest relative eigenvalue -3\.5"):
        DiagonalPlusLowRank(**INDEFINITE["difference"]).inverse()


@questions
def test_partial_correlations_have_no_answer(ask):
    correlation, _ = make_view(5, 2, np.float64, 2, 0)
    with pytest.raises(ValueError, match="use the precision matrix"):
        ask(correlation)


def test_nothing_is_appended_to_partial_correlations():
    correlation, _ = make_view(5, 2, np.float64, 2, 0)
    with pytest.raises(ValueError, match="partial correlations"):
        correlation.append(np.ones((5, 1)))


def test_nothing_is_appended_to_an_inverse():
    with pytest.raises(ValueError, match=r"Pass its \.inverse\(\)"):
        small().inverse().append(np.ones((7, 1)))


def test_appended_columns_have_a_row_for_each_gene():
    with pytest.raises(ValueError, match="columns have 2 rows, the matrix has 7"):
        small().append(np.ones((2, 7)))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (np.ones(7), "Expected 2D array"),
        (np.full((7, 1), np.nan), "columns contains NaN"),
        (np.full((7, 1), np.inf), "columns contains infinity"),
    ],
)
def test_appended_columns_are_checked(columns, message):
    with pytest.raises(ValueError, match=message):
        small().append(columns)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"diagonal": np.ones(6)}, r"diagonal has shape \(6,\) and must be 7"),
        ({"diagonal": np.ones((7, 1))}, r"diagonal has shape \(7, 1\)"),
        ({"diagonal": 1.0}, r"diagonal has shape \(\)"),
        ({"diagonal": np.full(7, np.nan)}, "must be 7 finite numbers"),
        ({"diagonal": np.full(7, np.inf)}, "must be 7 finite numbers"),
        ({"scale": np.ones(2)}, r"scale has shape \(2,\) and must be 7"),
        ({"scale": np.full(7, np.nan)}, "must be 7 finite numbers"),
        ({"factor": np.ones(7)}, "Expected 2D array"),
        ({"factor": np.full((7, 2), np.nan)}, "factor contains NaN"),
        ({"factor": np.ones((0, 2))}, "Found array with 0 sample"),
        ({"sign": 2}, "sign is 2; it must be 1 or -1"),
        ({"sign": 0}, "sign is 0"),
    ],
)
def test_parts_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


# ------------------------------------------------------------- views of one state
def hard_state(dtype=np.float64):
    """Two genes alike but for a tiny noise, one that is determined, one alone."""
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(9, 3))
    loadings[1], loadings[8] = loadings[0], 0.0
    psi = rng.uniform(0.5, 1.5, 9)
    psi[:2], psi[5] = 1e-12, 1e-12
    columns = np.ascontiguousarray(loadings.T, dtype=dtype)
    return factorise(psi, ColumnBlocks(columns))


@pytest.mark.parametrize("dtype", DTYPES)
def test_true_diagonals_come_from_the_residual(dtype):
    state = hard_state(dtype)
    _, precision, correlation = structured_views(state)
    expected = state.residual / state.noise_variance
    assert_allclose(precision.diagonal(), expected, rtol=np.finfo(dtype).eps)
    assert_array_equal(correlation.diagonal(), np.ones(9, dtype=dtype), strict=True)


def test_covariance_has_the_diagonal_of_its_parts():
    state = hard_state()
    covariance = structured_views(state)[0]
    lengths = np.square(state.loadings.lying()).sum(axis=0)
    assert_allclose(covariance.diagonal(), state.noise_variance + lengths, rtol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_partial_correlations_do_not_pass_one(dtype):
    correlation = structured_views(hard_state(dtype))[2]
    assert np.abs(correlation.toarray()).max() <= 1
    assert np.abs(correlation[np.triu_indices(9)]).max() <= 1
    assert np.abs(correlation[0]).max() <= 1


def test_rounding_past_one_is_cut_off():
    factor = ColumnBlocks(np.array([[1.0 + 1e-9, 1.0, -1.0]]))
    parts = np.zeros(3), 1, None, np.ones(3), 1.0
    correlation = DiagonalPlusLowRank._from_parts(factor, *parts)
    expected = [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]
    assert_array_equal(correlation.toarray(), expected)
    assert_array_equal(correlation[[0, 0], [1, 2]], [1, -1])


@pytest.mark.parametrize("which", [0, 1, 2], ids=["covariance", "precision", "rho"])
def test_products_are_accurate_relative_to_the_diagonal_part(which):
    P, x = structured_views(hard_state())[which], numbers(9, 2)
    size = np.abs(P._diagonal).max() + np.abs(P.toarray()).max()
    error = np.abs(P @ x - P.toarray() @ x).max()
    assert error <= 1e-15 * 9 * size * np.abs(x).max()


def test_views_in_single_precision_are_the_same_views():
    _, precision, correlation = structured_views(hard_state())
    for P in (precision, correlation):
        narrow = P.astype(np.float32)
        assert_array_equal(narrow.diagonal(), P.diagonal().astype(np.float32))
    with pytest.raises(ValueError, match="partial correlations"):
        correlation.astype(np.float32).inverse()


def test_gene_that_is_alone_has_partial_correlations_of_zero():
    row = structured_views(hard_state())[2][8]
    assert_array_equal(row, [0.0] * 8 + [1.0])


def test_precision_of_a_gene_that_is_alone_has_no_negative_zeros():
    row = structured_views(hard_state())[1][8]
    assert not np.signbit(row).any()


def test_precision_and_partial_correlations_share_one_factor():
    _, precision, correlation = structured_views(hard_state())
    assert precision._factor is correlation._factor


@given(views.filter(lambda pair: pair[0]._bound is None))
def test_views_share_one_state(pair):
    P, _ = pair
    assert P.inverse()._capacitance is P._capacitance


@pytest.mark.parametrize("size", [1e-12, 1.0])
@pytest.mark.parametrize("sparse_right", [False, True])
def test_products_are_exact_for_genes_all_but_free_of_noise(size, sparse_right):
    rng = np.random.default_rng(0)
    psi, loadings = np.ones(20), rng.normal(size=(20, 4))
    psi[0] = size
    huge = np.zeros((20, 1))
    huge[3] = 1e8 if size == 1.0 else 0.0
    precision = DiagonalPlusLowRank(psi, np.hstack([loadings, huge])).inverse()
    right = rng.normal(size=(20, 3))
    expected = precision.toarray() @ right
    computed = precision @ (sparse.csr_array(right) if sparse_right else right)
    assert_allclose(computed, expected, atol=1e-14 * np.abs(expected).max())
