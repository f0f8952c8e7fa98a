"""A structured matrix behaves as the NumPy array that it never builds."""

import copy
import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator, cg, eigsh
from sklearn import config_context
from sklearn.base import BaseEstimator, clone

from sklearn_grn import DiagonalPlusLowRank, _array_interface

N = 8


def make_matrix(size=N, rank=3, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(size, rank)).astype(dtype)
    return DiagonalPlusLowRank(rng.uniform(0.5, 1.0, size), factor)


@pytest.fixture(params=["covariance", "precision", "single precision"])
def pair(request):
    """A structured matrix and its dense twin."""
    dtype = np.float32 if request.param == "single precision" else np.float64
    P = make_matrix(dtype=dtype)
    if request.param == "precision":
        P = P.inverse()
    return P, P.toarray()


def assert_alike(actual, expected):
    """Equal in type, shape, data type and, but for rounding, in value."""
    assert type(actual) is type(expected)
    if isinstance(expected, tuple):
        for mine, theirs in zip(actual, expected, strict=True):
            assert_alike(mine, theirs)
    else:
        assert_close(actual, expected)


def assert_close(actual, expected):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    tolerance = 1e-5 if expected.dtype == np.float32 else 1e-12
    assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


# -------------------------------------------------------------------- every index
MASK = np.arange(N) % 3 == 0
SQUARE_MASK = np.add.outer(np.arange(N), np.arange(N)) % 3 == 0
KEYS = {
    "row": 0,
    "last row": -1,
    "numpy integer": np.int8(3),
    "slice": slice(1, 5),
    "slice from behind": slice(-3, None),
    "slice backwards": slice(None, None, -2),
    "slice beyond the end": slice(5, 99),
    "empty slice": slice(3, 3),
    "everything": slice(None),
    "ellipsis": ...,
    "nothing": (),
    "entry": (2, 5),
    "entry of the diagonal": (2, 2),
    "entry from behind": (-1, -2),
    "column": (slice(None), 2),
    "row as a matrix": (slice(2, 3), slice(None)),
    "column as a matrix": (slice(None), slice(2, 3)),
    "block": (slice(1, 4), slice(2, 7, 2)),
    "block of the diagonal": (slice(2, 5), slice(2, 5)),
    "block backwards": (slice(5, None, -1), slice(5, None, -1)),
    "list": [0, 3],
    "list with repeats": [0, 3, 3],
    "list backwards": [5, 3, 1],
    "empty list": [],
    "range": range(2, 5),
    "array": np.array([4, 1]),
    "unsigned": np.array([4, 1], dtype=np.uint8),
    "negative array": np.array([-1, -8]),
    "0-d array": np.array(3),
    "0-d arrays": (np.array(3), np.array(4)),
    "matrix of rows": np.array([[0, 1], [2, 3]]),
    "mask": MASK,
    "mask of columns": (slice(None), MASK),
    "mask of nothing": np.zeros(N, dtype=bool),
    "masks together": (MASK, MASK),
    "mask and integer": (MASK, 3),
    "mask and integers": (MASK, [1, 2, 3]),
    "square mask": SQUARE_MASK,
    "square mask of nothing": np.zeros((N, N), dtype=bool),
    "square mask of everything": np.ones((N, N), dtype=bool),
    "square mask of the diagonal": np.eye(N, dtype=bool),
    "pairs": ([0, 1, 5], [2, 2, 5]),
    "pairs of one row": ([2, 2, 2], [0, 2, 5]),
    "pairs of one column": ([0, 2, 5], [2, 2, 2]),
    "one pair": ([3], [3]),
    "matrix of pairs": ([[0, 1], [2, 3]], [[3, 2], [1, 3]]),
    "pairs that broadcast": (np.array([[0], [1]]), np.array([0, 1, 5])),
    "pairs that broadcast the other way": (np.array([0, 1]), np.array([[4], [5]])),
    "cross": np.ix_([1, 4], [0, 2, 1]),
    "cross with repeats": np.ix_([1, 1, 4], [0, 1, 1]),
    "cross with itself": np.ix_([4, 1, 7], [4, 1, 7]),
    "cross with itself, repeated": np.ix_([1, 1, 4], [1, 1, 4]),
    "cross of masks": np.ix_(MASK, ~MASK),
    "cross with nothing": np.ix_([1, 2], [False] * N),
    "integer and slice": (3, slice(1, 4)),
    "slice and integer": (slice(1, 4), 3),
    "list and slice": ([1, 1, 2], slice(2, 4)),
    "slice and list": (slice(2, 4), [1, 1, 2]),
    "list and integer": ([1, 2], 3),
    "empty list and slice": ([], slice(2)),
    "new axis": None,
    "new axis first": (None, 0),
    "new axis last": (0, ..., None),
    "new axis in the middle": (slice(None), None),
    "new axes everywhere": (None, slice(2), None, slice(3), None),
    "new axis and list": (None, [1, 2]),
    "new axis between lists": ([1, 2], None, [3, 4]),
    "ellipsis first": (..., 0),
    "ellipsis last": (0, ...),
    "ellipsis and list": (..., [1, 2]),
    "ellipsis and entry": (..., 0, 1),
    "ellipsis within an entry": (0, ..., 1),
    "entry and ellipsis": (0, 1, ...),
    "true": True,
    "false": False,
    "upper triangle": np.triu_indices(N, 1),
    "diagonal": np.diag_indices(N),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_index(pair, key):
    P, dense = pair
    assert_alike(P[key], dense[key])


@given(st_numpy.basic_indices((N, N), allow_newaxis=True))
def test_basic_indices(key):
    P = make_matrix()
    assert_alike(P[key], P.toarray()[key])


@given(st_numpy.integer_array_indices((N, N)))
def test_pairs_of_integer_arrays(key):
    P = make_matrix()
    assert_alike(P[key], P.toarray()[key])


@given(st_numpy.integer_array_indices((N,)), st.integers(0, 1))
def test_integer_arrays_along_one_axis(key, axis):
    P = make_matrix()
    key = (slice(None),) * axis + key
    assert_alike(P[key], P.toarray()[key])


@given(st_numpy.arrays(bool, (N, N)))
def test_square_masks(mask):
    P = make_matrix()
    assert_alike(P[mask], P.toarray()[mask])


@given(st_numpy.arrays(bool, N), st_numpy.arrays(bool, N))
def test_crossed_masks(rows, columns):
    P = make_matrix()
    key = np.ix_(rows, columns)
    assert_alike(P[key], P.toarray()[key])


@pytest.mark.parametrize("key", [0, (0, 0), slice(None), [0, 0], ..., (0, None)])
def test_index_of_a_matrix_of_one_gene(key):
    P = make_matrix(size=1)
    assert_alike(P[key], P.toarray()[key])


@pytest.mark.parametrize("key", [0, (1, 1), (1, 2), slice(2), ([0, 1], [0, 2])])
def test_index_of_a_matrix_without_factor(key):
    P = make_matrix(rank=0)
    assert_alike(P[key], P.toarray()[key])


@pytest.mark.parametrize(
    "key",
    [
        N,
        -N - 1,
        (0, N),
        (0, 0, 0),
        [0, N],
        ([0, N], [0, 0]),
        ([0, 1], [0, 1, 2]),
        np.ones(N - 1, dtype=bool),
        np.ones((N, N - 1), dtype=bool),
        "gene",
        1.5,
        [0.5],
        (..., ...),
    ],
    ids=str,
)
def test_refused_index_has_the_message_of_numpy(key):
    P = make_matrix()
    with pytest.raises(IndexError) as expected:
        P.toarray()[key]
    with pytest.raises(IndexError) as refused:
        P[key]
    assert str(refused.value) == str(expected.value)


@pytest.mark.parametrize("working_memory", [0, 1e-4, 1024])
def test_entries_do_not_depend_on_working_memory(working_memory):
    P = make_matrix(size=50)
    key = np.triu_indices(50)
    with config_context(working_memory=working_memory):
        entries = P[key]
    assert_allclose(entries, P.toarray()[key], rtol=1e-12)


# ------------------------------------------------- computing only what is asked
N_LARGE = 20_000  # the dense array would take 3 GB


@pytest.fixture(scope="module")
def large():
    return make_matrix(size=N_LARGE, rank=5)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda P: P[5], id="row"),
        pytest.param(lambda P: P[:, 5], id="column"),
        pytest.param(lambda P: P[:3], id="rows"),
        pytest.param(lambda P: P[::7000, 2:5], id="block"),
        pytest.param(lambda P: P[[1, 2]], id="list"),
        pytest.param(lambda P: P[[1, 2], [3, 4]], id="pairs"),
        pytest.param(lambda P: P[np.ix_([1, 2], [3, 4])], id="cross"),
        pytest.param(lambda P: P[np.diag_indices(N_LARGE)], id="diagonal"),
        pytest.param(lambda P: P.diagonal(), id="true diagonal"),
        pytest.param(lambda P: P.trace(), id="trace"),
        pytest.param(lambda P: P @ np.ones(N_LARGE), id="product"),
        pytest.param(lambda P: np.ones(N_LARGE) @ P, id="product from the left"),
        pytest.param(lambda P: P @ sparse.csr_array((N_LARGE, 2)), id="sparse"),
        pytest.param(lambda P: P.inverse().logdet(), id="inverse"),
        pytest.param(lambda P: (repr(P), str(P)), id="looks"),
        pytest.param(lambda P: (P.T, P.copy(), P.size, len(P)), id="itself"),
        pytest.param(copy.copy, id="copy"),
    ],
)
def test_only_what_is_asked_is_computed(large, ask, allocation_peak):
    with allocation_peak() as peak:
        ask(large)
    assert peak() < 100 * N_LARGE * 8  # 16 MB


def test_pairs_allocate_almost_nothing(large, allocation_peak):
    with allocation_peak() as peak:
        large[[1, 2], [3, 4]]
        large[5, 6]
    assert peak() < 10 * N_LARGE * 8  # the numbers of the rows and the diagonal


def test_many_pairs_are_computed_in_batches(allocation_peak):
    P = make_matrix(size=2000, rank=200)
    rows = np.arange(20_000) % 2000
    with config_context(working_memory=1), allocation_peak() as peak:
        P[rows, rows[::-1]]
    assert peak() < 8 * 2**20  # all rows of the factor at once would take 64 MB


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reductions_go_block_by_block(name, allocation_peak):
    P = make_matrix(size=2000)
    with config_context(working_memory=1), allocation_peak() as peak:
        getattr(P, name)(axis=0)
        getattr(P, name)()
    assert peak() < 4 * 2**20  # the dense array would take 32 MB


def test_iteration_goes_block_by_block(allocation_peak):
    P = make_matrix(size=2000)
    with config_context(working_memory=1), allocation_peak() as peak:
        for _ in P:
            pass
    assert peak() < 4 * 2**20


# ------------------------------------------------------------ methods of an array
@pytest.mark.parametrize("axis", [None, 0, 1, -1, -2, (0, 1), (1,)])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "std", "var", "prod"])
def test_reduction(pair, name, axis):
    P, dense = pair
    assert_alike(getattr(P, name)(axis=axis), getattr(dense, name)(axis=axis))


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reduction_that_keeps_its_dimensions(pair, name, axis, keepdims):
    P, dense = pair
    kwargs = {"axis": axis, "keepdims": keepdims}
    assert_alike(getattr(P, name)(**kwargs), getattr(dense, name)(**kwargs))


@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reduction_in_a_data_type(pair, name, dtype):
    computed, expected = (getattr(x, name)(0, dtype) for x in pair)
    assert computed.dtype == expected.dtype == dtype
    assert_allclose(computed, expected, rtol=1e-5)


def test_reduction_of_a_part(pair):
    P, dense = pair
    assert_alike(P.sum(where=SQUARE_MASK), dense.sum(where=SQUARE_MASK))
    assert_alike(P.max(axis=1, initial=2.0), dense.max(axis=1, initial=2.0))


def test_reduction_into_an_array(pair):
    P, dense = pair
    out = np.empty(N, dtype=P.dtype)
    assert P.sum(axis=0, out=out) is out
    assert_close(out, dense.sum(axis=0))


@pytest.mark.parametrize("name", ["sum", "max"])
def test_reduction_along_an_axis_that_is_not_there(name):
    with pytest.raises(np.exceptions.AxisError, match="axis 2 is out of bounds"):
        getattr(make_matrix(), name)(axis=2)


@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reduction_does_not_depend_on_working_memory(name, axis):
    P = make_matrix(size=70)
    expected = getattr(P.toarray(), name)(axis=axis)
    for working_memory in (0, 1e-3, 1e-2, 1024):
        with config_context(working_memory=working_memory):
            reduced = getattr(P, name)(axis=axis)
        assert_allclose(reduced, expected, rtol=1e-12)


METHODS = {
    "all": lambda x: x.all(axis=0),
    "any": lambda x: x.any(axis=0),
    "argmax": lambda x: x.argmax(),
    "argmin": lambda x: x.argmin(axis=1),
    "argsort": lambda x: x.argsort(axis=1),
    "astype": lambda x: x.astype(int),
    "clip": lambda x: x.clip(-0.1, 0.1),
    "cumsum": lambda x: x.cumsum(axis=0),
    "diagonal": lambda x: x.diagonal(),
    "dot": lambda x: x.dot(x[0]),
    "flatten": lambda x: x.flatten(),
    "nonzero": lambda x: x.nonzero(),
    "ravel": lambda x: x.ravel(),
    "reshape": lambda x: x.reshape(4, -1),
    "round": lambda x: x.round(2),
    "squeeze": lambda x: x.squeeze(),
    "take": lambda x: x.take([1, 2], axis=0),
    "tolist": lambda x: np.array(x.tolist()),
    "trace": lambda x: x.trace(),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_method(pair, method):
    P, dense = pair
    assert_alike(method(P), method(dense))


def test_lazy_methods_tell_what_they_are():
    assert DiagonalPlusLowRank.argmax.__name__ == "argmax"
    assert "numpy.ndarray.argmax" in DiagonalPlusLowRank.argmax.__doc__


def test_transpose_and_copy_are_the_matrix_itself():
    P = make_matrix()
    assert P.T is P
    assert P.transpose() is P
    assert P.copy() is P


def test_attributes(pair):
    P, dense = pair
    for name in ("shape", "dtype", "ndim", "size"):
        assert getattr(P, name) == getattr(dense, name)
    assert len(P) == len(dense)


def test_iteration(pair):
    P, dense = pair
    rows = list(P)
    assert len(rows) == N
    for row, expected in zip(rows, dense, strict=True):
        assert_alike(row, expected)


def test_unpacking():
    first, *rest = make_matrix()
    assert first.shape == (N,)
    assert len(rest) == N - 1


def test_truth_value_is_ambiguous():
    with pytest.raises(ValueError, match="truth value of an array with more than one"):
        bool(make_matrix())


def test_truth_value_of_one_gene():
    assert bool(make_matrix(size=1)) is True
    assert bool(DiagonalPlusLowRank([0.0], [[0.0]])) is False


def test_unhashable():
    with pytest.raises(TypeError, match="unhashable"):
        hash(make_matrix())


# ------------------------------------------------------------- functions of NumPy
FUNCTIONS = {
    "abs": np.abs,
    "negative": lambda x: -x,
    "minus": lambda x: x - 1,
    "minus from the left": lambda x: np.ones(N) - x,
    "itself minus itself": lambda x: x - x,
    "power": lambda x: abs(x) ** 0.5,
    "greater": lambda x: x > 0.1,
    "greater, from the left": lambda x: np.float64(0.1) > x,
    "equal": lambda x: x == x[0],
    "not equal": lambda x: x != 0,
    "modf": np.modf,
    "isnan": np.isnan,
    "isfinite": np.isfinite,
    "maximum": lambda x: np.maximum(x, 0),
    "reduce": lambda x: np.add.reduce(x, axis=1),
    "outer": lambda x: np.multiply.outer(x, [1, 2]),
    "sum": np.sum,
    "sum of columns": lambda x: np.sum(x, axis=0, keepdims=True),
    "mean": np.mean,
    "max": lambda x: np.max(x, axis=1),
    "std": np.std,
    "median": np.median,
    "round": lambda x: np.round(x, 2),
    "where": lambda x: np.where(x > 0, x, 0),
    "sort": np.sort,
    "transpose": lambda x: np.asarray(np.transpose(x)),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "diag": np.diag,
    "trace": np.trace,
    "triu": lambda x: np.triu(x, 1),
    "vstack": lambda x: np.vstack([x, x]),
    "tensordot": lambda x: np.tensordot(x, np.ones(N), 1),
    "eigvalsh": np.linalg.eigvalsh,
    "inv": np.linalg.inv,
    "norm": np.linalg.norm,
    "corrcoef": np.corrcoef,
    "array": np.array,
    "array of another type": lambda x: np.asarray(x, dtype=np.float32),
    "copy": np.copy,
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_numpy_function(function):
    P = make_matrix()
    assert_alike(function(P), function(P.toarray()))


def test_einsum():
    P = make_matrix()
    assert_alike(np.einsum("ij,j->i", P, np.arange(N)), P @ np.arange(N))


def test_allclose(pair):
    P, dense = pair
    assert np.allclose(P, dense)
    assert np.allclose(dense, P)
    assert not np.allclose(P, dense + 1)
    assert_allclose(P, dense)
    assert_array_equal(P, P)


def test_ufunc_into_an_array(pair):
    P, dense = pair
    out = np.empty_like(dense)
    assert np.abs(P, out=out) is out
    assert_array_equal(out, np.abs(dense))
    assert np.matmul(P, dense, out=out) is out
    assert_close(out, dense @ dense)


def test_ufunc_with_options():
    P = make_matrix()
    dense = P.toarray()
    assert_array_equal(np.add(P, 1, dtype=np.float32), np.add(dense, 1, dtype="f4"))
    right = np.arange(N * N).reshape(N, N)
    product = np.matmul(P, right, axes=[(-2, -1), (-1, -2), (-2, -1)])
    assert_close(product, dense @ right.T)


def test_arithmetic_of_two_structured_matrices():
    P, Q = make_matrix(), make_matrix(seed=1)
    for operate in (np.add, np.subtract, np.multiply, np.greater):
        assert_alike(operate(P, Q), operate(P.toarray(), Q.toarray()))


@pytest.mark.filterwarnings("ignore:Comparing a sparse matrix")
@pytest.mark.parametrize(
    "operate",
    [
        pytest.param(lambda x, network: x - network, id="minus"),
        pytest.param(lambda x, network: network - x, id="minus from the left"),
        pytest.param(lambda x, network: x + network, id="plus"),
        pytest.param(lambda x, network: x > network, id="greater"),
    ],
)
def test_arithmetic_with_a_sparse_matrix(operate):
    P = make_matrix()
    dense = P.toarray()
    network = sparse.csr_array(np.where(SQUARE_MASK, dense, 0))
    assert_alike(operate(P, network), operate(dense, network))


def test_product_of_entries_with_a_sparse_matrix():
    P = make_matrix()
    network = sparse.csr_array(np.where(SQUARE_MASK, 2.0, 0.0))
    expected = P.toarray() * network.toarray()
    for product in (P * network, network * P):
        product = product.toarray() if sparse.issparse(product) else product
        assert_close(product, expected)


# ------------------------------------------------- pandas, matplotlib, SciPy
GENES = [f"G{i}" for i in range(N)]


def test_data_frame(pair):
    P, dense = pair
    named = {"index": GENES, "columns": GENES}
    assert_frame_equal(pd.DataFrame(P, **named), pd.DataFrame(dense, **named))


@pytest.mark.parametrize(
    "operate",
    [
        pytest.param(lambda frame, x: frame - x, id="minus"),
        pytest.param(lambda frame, x: x - frame, id="minus from the left"),
        pytest.param(lambda frame, x: frame * x, id="times"),
        pytest.param(lambda frame, x: frame > x, id="greater"),
        pytest.param(lambda frame, x: frame @ x, id="product"),
    ],
)
def test_arithmetic_with_a_data_frame(operate):
    P = make_matrix()
    dense = P.toarray()
    frame = pd.DataFrame(np.arange(N * N, dtype=float).reshape(N, N), GENES, GENES)
    assert_frame_equal(operate(frame, P), operate(frame, dense), check_names=False)


def test_product_with_a_data_frame():
    P = make_matrix()
    frame = pd.DataFrame({"a": np.arange(N), "b": np.ones(N)})
    assert_close(P @ frame, P.toarray() @ frame.to_numpy())
    assert_close(P @ frame["a"], P.toarray() @ frame["a"].to_numpy())


def test_row_as_a_column_of_a_data_frame():
    P = make_matrix()
    frame = pd.DataFrame(index=GENES)
    frame["G1"] = P[1]
    assert_array_equal(frame["G1"], P[1])


def test_image(pair):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    P, dense = pair
    figure, axes = pyplot.subplots()
    image = axes.imshow(P)
    assert_array_equal(image.get_array(), dense)
    figure.canvas.draw()
    pyplot.close(figure)


def test_linear_operator(pair):
    P, dense = pair
    operator = aslinearoperator(P)
    assert operator.shape == P.shape
    assert operator.dtype == P.dtype
    for multiply in (operator.matvec, operator.rmatvec):
        assert_close(multiply(np.ones(N, P.dtype)), dense @ np.ones(N, P.dtype))
    for multiply in (operator.matmat, operator.rmatmat):
        assert_close(multiply(np.eye(N, dtype=P.dtype)), dense)


def test_eigsh():
    P = make_matrix()
    start = np.ones(N)
    values = eigsh(P, k=2, v0=start, return_eigenvectors=False)
    assert_allclose(np.sort(values), np.linalg.eigvalsh(P.toarray())[-2:], rtol=1e-10)


def test_conjugate_gradients():
    P = make_matrix()
    right = np.arange(1.0, N + 1)
    solution, info = cg(P, right, rtol=1e-12)
    assert info == 0
    assert_allclose(solution, P.inverse() @ right, rtol=1e-8)


# -------------------------------------------------------- copies and estimators
COPIES = {
    "pickle": lambda P: pickle.loads(pickle.dumps(P)),
    "oldest pickle": lambda P: pickle.loads(pickle.dumps(P, protocol=2)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_copies_are_equal(pair, make_copy):
    P, dense = pair
    copied = make_copy(P)
    assert type(copied) is DiagonalPlusLowRank
    assert_array_equal(copied.toarray(), dense, strict=True)


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_copies_have_equal_joblib_hashes(pair, make_copy):
    P, _ = pair
    assert joblib.hash(make_copy(P)) == joblib.hash(P)


def test_equal_matrices_have_equal_joblib_hashes():
    assert joblib.hash(make_matrix()) == joblib.hash(make_matrix())


def test_different_matrices_have_different_joblib_hashes():
    matrices = (
        make_matrix(),
        make_matrix(seed=1),
        make_matrix(dtype=np.float32),
        make_matrix().inverse(),
    )
    assert len({joblib.hash(P) for P in matrices}) == 4


@pytest.mark.parametrize("name", ["logdet", "inverse", "condition_number"])
def test_use_does_not_change_the_joblib_hash(name):
    P = make_matrix()
    before = joblib.hash(P)
    getattr(P, name)()
    assert joblib.hash(P) == before


class Holder(BaseEstimator):
    def __init__(self, matrix=None):
        self.matrix = matrix


def test_clone_of_an_estimator_that_holds_one():
    P = make_matrix()
    cloned = clone(Holder(P))
    assert_array_equal(cloned.matrix.toarray(), P.toarray())


def test_looks_of_an_estimator_that_holds_one():
    holder = Holder(make_matrix())
    assert "<DiagonalPlusLowRank 8 x 8 of float64, rank 3>" in repr(holder)
    assert "DiagonalPlusLowRank 8 x 8" in holder._repr_html_()


# -------------------------------------------------------------- read-only
def assign(P):
    P[0, 1] = 1.0


def add_in_place(P):
    P += 1


def multiply_in_place(P):
    P @= np.eye(N)


WRITES = {
    "item": assign,
    "in place": add_in_place,
    "product in place": multiply_in_place,
    "out": lambda P: np.add(P, 1, out=P),
    "second out": lambda P: np.modf(P, out=(None, P)),
    "out of a product": lambda P: np.matmul(P, P, out=P),
    "out of a function of others": lambda P: np.add(1, np.ones((N, N)), out=P),
    "out of a reduction": lambda P: np.add.accumulate(np.ones((N, N)), out=P),
    "at": lambda P: np.add.at(P, 0, 1),
    "flat": lambda P: P.flat,
    "fill_diagonal": lambda P: np.fill_diagonal(P, 0),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writing_is_refused_and_the_way_out_is_named(write):
    P = make_matrix()
    with pytest.raises((TypeError, AttributeError), match=r"use P\.toarray\(\)"):
        write(P)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda P: np.copyto(P, 0), id="copyto"),
        pytest.param(lambda P: np.put(P, 0, 0), id="put"),
        pytest.param(lambda P: np.place(P, SQUARE_MASK, 0), id="place"),
        pytest.param(lambda P: np.putmask(P, SQUARE_MASK, 0), id="putmask"),
    ],
)
def test_functions_that_write_refuse(write):
    with pytest.raises(TypeError, match="array"):
        write(make_matrix())


@pytest.mark.parametrize("name", ["shape", "dtype", "T", "rank"])
def test_attributes_are_read_only(name):
    with pytest.raises(AttributeError):
        setattr(make_matrix(), name, None)


def test_no_new_attributes():
    with pytest.raises(AttributeError):
        make_matrix().names = GENES


# ------------------------------------------------------------- building the array
def test_array_of_it_is_new():
    P = make_matrix()
    np.asarray(P)[:] = 0
    assert_array_equal(P, make_matrix())


def test_array_that_shares_memory_is_refused():
    with pytest.raises(ValueError, match=r"copy=None or P\.toarray\(\)"):
        np.asarray(make_matrix(), copy=False)


@pytest.fixture
def little_memory(monkeypatch):
    """A machine with 2 GiB free."""
    monkeypatch.setattr(_array_interface, "_free_memory", lambda: 2.0**31)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(np.asarray, id="asarray"),
        pytest.param(np.abs, id="ufunc"),
        pytest.param(lambda P: P > 0, id="operator"),
        pytest.param(lambda P: P.round(2), id="method"),
        pytest.param(lambda P: P.std(axis=0), id="reduction"),
        pytest.param(lambda P: np.linalg.eigvalsh(P), id="function"),
        pytest.param(lambda P: pd.DataFrame(P), id="data frame"),
        pytest.param(lambda P: P[:], id="index"),
        pytest.param(lambda P: P[::-1, None], id="index with a new axis"),
    ],
)
def test_building_beyond_half_of_the_free_memory(
    little_memory, large, build, allocation_peak
):
    message = r"shape \(20000.* takes 2\.98 GiB.* 2 GiB .* free.*P\.toarray\(\)"
    with allocation_peak() as peak, pytest.raises(MemoryError, match=message):
        build(large)
    assert peak() < 2**24


def test_single_precision_takes_half(little_memory, large):
    with pytest.raises(MemoryError, match=r"takes 1\.49 GiB"):
        np.asarray(large.astype(np.float32))


def test_parts_fit_in_little_memory(little_memory, large):
    assert large[:3].shape == (3, N_LARGE)
    assert (large @ np.ones(N_LARGE)).shape == (N_LARGE,)


@pytest.mark.parametrize(("free", "refused"), [(3.9, True), (4.1, False)])
def test_the_border_is_half_of_the_free_memory(monkeypatch, free, refused):
    P = make_matrix(size=512)  # 2 MiB
    monkeypatch.setattr(_array_interface, "_free_memory", lambda: free * 2**20)
    if refused:
        with pytest.raises(MemoryError, match="more than half"):
            np.asarray(P)
    else:
        assert np.asarray(P).shape == (512, 512)


def test_toarray_is_never_refused(monkeypatch):
    monkeypatch.setattr(_array_interface, "_free_memory", lambda: 0.0)
    assert make_matrix(size=512).toarray().shape == (512, 512)


def test_small_arrays_are_built_without_asking(monkeypatch):
    monkeypatch.setattr(_array_interface, "_free_memory", lambda: 0.0)
    assert np.asarray(make_matrix()).shape == (N, N)


def test_free_memory_is_of_this_machine():
    assert 2**20 < _array_interface._free_memory() < 2**60


def test_free_memory_is_what_the_system_calls_available(monkeypatch):
    lines = "MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:    2048 kB\n"
    monkeypatch.setattr("builtins.open", lambda path: io.StringIO(lines))
    free = _array_interface._free_memory()
    monkeypatch.undo()
    assert free == 2 * 2**20


def forget(monkeypatch, *modules):
    def nothing(*args):
        raise OSError

    for module in modules:
        monkeypatch.setattr(module, nothing, raising=False)


def test_free_memory_without_proc(monkeypatch):
    forget(monkeypatch, "builtins.open")
    free = _array_interface._free_memory()
    monkeypatch.undo()
    assert free > 2**20


def test_free_memory_of_a_system_that_does_not_tell(monkeypatch):
    forget(monkeypatch, "builtins.open", "os.sysconf")
    free = _array_interface._free_memory()
    monkeypatch.undo()
    assert free == np.inf


# ----------------------------------------------------------------------- its looks
def test_repr_is_one_line():
    assert repr(make_matrix()) == "<DiagonalPlusLowRank 8 x 8 of float64, rank 3>"


@pytest.mark.parametrize("size", [1, 2, 6])
def test_str_of_a_small_matrix_is_that_of_the_array(size):
    P = make_matrix(size=size)
    assert str(P) == str(P.toarray())


@pytest.mark.parametrize("size", [7, 8, 60])
def test_str_of_a_larger_matrix_shows_its_corners(size):
    P = make_matrix(size=size)
    with np.printoptions(threshold=0, edgeitems=3):
        assert str(P) == str(P.toarray())
