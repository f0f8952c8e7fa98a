"""Each answer of a table that is centred in thought equals that of its dense twin."""

import copy
import threading
import time

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_grn import _implicit_gram, _implicit_samples, _implicit_table
from sklearn_grn._centred_table import centre
from sklearn_grn._implicit_table import implicit_table, is_implicit, lies_in_file

TOLERANCE = {np.float64: 1e-11, np.float32: 2e-6}
SHAPES = {"wide": (21, 34), "tall": (34, 21), "square": (20, 20)}
NUMBERS = ["squared_product", "fourth_lengths"]
MOMENTS = ["squared_moments", "third_moments", "fourth_moments"]


# ------------------------------------------------------------------ tables, and a twin
def counts(n_samples, n_features, dtype=np.float64):
    """Sparse counts with an empty sample, an empty gene, one count and full genes."""
    rng = np.random.default_rng(n_samples)
    X = rng.poisson(0.4, size=(n_samples, n_features)) * rng.normal(
        1.0, size=(n_samples, n_features)
    )
    X[3], X[:, 2], X[:, 5], X[7, 5] = 0.0, 0.0, 0.0, 2.0
    X[:, 6] = rng.normal(3.0, size=n_samples)
    return X.astype(dtype)


@pytest.fixture(params=["csr_array", "csc_matrix", "file"])
def held(request, tmp_path):
    """Put a table into one of the forms that are not copied."""
    if request.param != "file":
        return getattr(sparse, request.param)

    def in_file(X):
        np.save(tmp_path / "table.npy", X)
        return np.load(tmp_path / "table.npy", mmap_mode="r")

    return in_file


@pytest.fixture(params=[0.0, np.inf], ids=["sparse", "dense"])
def route(request, monkeypatch):
    """Either kind of multiplication, whatever takes less time."""
    monkeypatch.setattr(_implicit_gram, "_DENSE_SPEED", request.param)


@pytest.fixture
def pieces(monkeypatch):
    """Cut into many pieces whatever is cut by its size."""
    monkeypatch.setattr(_implicit_samples, "_STORED", 50)
    monkeypatch.setattr(_implicit_samples, "rows_in_memory", lambda _: 8)
    monkeypatch.setattr(_implicit_gram, "_TILE", 7)
    monkeypatch.setattr(_implicit_gram, "_columns_in_memory", lambda _: 5)


class Twin:
    """D as an array, and each answer by its definition."""

    def __init__(self, X, assume_centered=False):
        X = X.astype(np.float64)
        self.location = np.zeros(X.shape[1]) if assume_centered else X.mean(axis=0)
        self.dof = len(X) - (not assume_centered)
        self.D = X - self.location
        self.varies = (X != 0).any(axis=0) if assume_centered else np.ptp(X, axis=0) > 0
        self.D[:, ~self.varies] = 0.0

    @property
    def variance(self):
        return np.square(self.D).sum(axis=0) / self.dof

    def scaled(self, factor):
        twin = copy.copy(self)
        twin.D = self.D * factor
        return twin

    def squared_moments(self):
        return (self.D**2).sum(axis=0)

    def third_moments(self):
        return (self.D**3).sum(axis=0)

    def fourth_moments(self):
        return (self.D**4).sum(axis=0)

    def second_moments(self):
        return self.D.T @ self.D

    def squared_product(self):
        return np.linalg.norm(self.D @ self.D.T) ** 2

    def fourth_lengths(self):
        return (np.linalg.norm(self.D, axis=1) ** 4).sum()

    def leading_axes(self, n_axes):
        _, sizes, axes = np.linalg.svd(self.D, full_matrices=False)
        return (sizes[:, None] * axes)[:n_axes]


def both(held, X, assume_centered=False):
    return implicit_table(held(X), assume_centered), Twin(X, assume_centered)


def standardised(table, twin):
    factor = 1.0 / np.sqrt(np.where(table.varies, table.variance, 1.0))
    return table.scaled(factor), twin.scaled(factor)


def assert_near(ours, theirs, dtype=np.float64):
    scale = np.abs(theirs).max(initial=0.0)
    assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE[dtype] * scale)


def assert_same_axes(ours, theirs, dtype=np.float64):
    signs = np.sign((ours * theirs).sum(axis=1))
    assert_near(ours * signs[:, None], theirs, dtype)


on_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
on_shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
on_means = pytest.mark.parametrize("assume_centered", [False, True])


# ------------------------------------------------------------------- what is counted
@on_dtypes
@on_means
@on_shapes
def test_location_and_variance_are_those_of_the_table(
    held, shape, assume_centered, dtype, pieces
):
    table, twin = both(held, counts(*shape, dtype), assume_centered)
    assert (table.n_samples, table.n_features) == shape
    assert (table.dof, table.dtype, table.unit) == (twin.dof, dtype, 1.0)
    assert_near(table.location, twin.location)
    assert_near(table.variance, twin.variance)
    assert_array_equal(table.varies, twin.varies)
    assert_array_equal(table.variance > 0, twin.varies)


@on_means
@on_shapes
@pytest.mark.parametrize("name", MOMENTS)
def test_moments_are_sums_of_powers(held, name, shape, assume_centered, pieces):
    table, twin = both(held, counts(*shape), assume_centered)
    assert_near(getattr(table, name)(), getattr(twin, name)())
    table, twin = standardised(table, twin)
    assert_near(getattr(table, name)(), getattr(twin, name)())


@on_dtypes
@on_means
@on_shapes
@pytest.mark.parametrize("name", NUMBERS)
def test_sums_over_pairs_equal_their_dense_twins(
    held, name, shape, assume_centered, dtype, route, pieces
):
    pair = both(held, counts(*shape, dtype), assume_centered)
    for table, twin in (pair, standardised(*pair)):
        assert_allclose(
            getattr(table, name)(), getattr(twin, name)(), rtol=TOLERANCE[dtype]
        )


@on_dtypes
@on_means
@on_shapes
def test_second_moments_equal_their_dense_twin(
    held, shape, assume_centered, dtype, route, pieces
):
    pair = both(held, counts(*shape, dtype), assume_centered)
    for table, twin in (pair, standardised(*pair)):
        found = table.second_moments()
        assert found.dtype == np.float64
        assert_array_equal(found, found.T)
        assert_near(found, twin.second_moments())


@on_dtypes
@on_means
def test_sample_basis_has_the_second_moments_of_the_samples(
    held, assume_centered, dtype
):
    pair = both(held, counts(*SHAPES["wide"], dtype), assume_centered)
    for table, twin in (pair, standardised(*pair)):
        basis = table.sample_basis()
        assert basis.dtype == dtype
        assert basis.shape == (table.dof, table.n_features)
        assert_near(basis.T @ basis, twin.second_moments(), dtype)


@on_dtypes
@on_shapes
@pytest.mark.parametrize("n_axes", [0, 1, 4])
def test_few_axes_of_a_small_table_equal_those_of_its_twin(
    held, shape, n_axes, dtype, route
):
    pair = both(held, counts(*shape, dtype))
    for table, twin in (pair, standardised(*pair)):
        axes = table.leading_axes(n_axes)
        assert axes.dtype == dtype
        assert_same_axes(axes, twin.leading_axes(n_axes), dtype)


# ------------------------------------------------------------------------- by Lanczos
def programmes(n_samples, n_features):
    """Counts with three strong programmes, of well separated strengths."""
    rng = np.random.default_rng(4)
    activity = rng.normal(size=(n_samples, 3)) * [1.0, 0.7, 0.4]
    X = np.exp(activity @ rng.normal(size=(3, n_features)))
    return X * (rng.random(X.shape) < 0.2)


@pytest.mark.parametrize("shape", [(160, 120), (120, 160)])
def test_axes_by_lanczos_equal_those_of_the_twin(held, shape, monkeypatch, pieces):
    monkeypatch.setattr(_implicit_table, "_SMALL", 0)
    pair = both(held, programmes(*shape))
    for table, twin in (pair, standardised(*pair)):
        monkeypatch.setattr(table.__class__, "_axes_of_gram", None)
        assert_same_axes(table.leading_axes(3), twin.leading_axes(3))


def test_axes_that_do_not_converge_are_found_at_once(monkeypatch):
    monkeypatch.setattr(_implicit_table, "_SMALL", 0)
    monkeypatch.setattr(_implicit_table, "_RESTARTS", 1)
    X = np.random.default_rng(0).normal(size=(160, 120))  # a bulk without gaps
    table, twin = both(sparse.csr_array, X)
    monkeypatch.setattr(_implicit_table, "_TOLERANCE", 1e-15)
    monkeypatch.setattr(_implicit_table, "_LANCZOS", 1)
    assert_same_axes(table.leading_axes(3), twin.leading_axes(3))


def test_more_axes_than_directions_have_no_length(monkeypatch):
    monkeypatch.setattr(_implicit_table, "_SMALL", 0)
    X = np.zeros((160, 120))
    X[:, :2] = np.random.default_rng(0).normal(size=(160, 2))
    X[:, 4] = X[:, 0]
    table, twin = both(sparse.csr_array, X)
    found = table.leading_axes(3)
    assert_near(found.T @ found, twin.second_moments())
    assert_allclose(found[2], 0.0, atol=1e-6)


# ----------------------------------------------------------------- what is difficult
def with_large_means(shape, mean):
    X = counts(*shape)
    X[:, 8:11] = mean + np.random.default_rng(9).normal(size=(len(X), 3))
    X[:, 11] = mean
    X[4, 11] = 0.0  # as far from its deviations as the mean of a sparse gene can be
    return X


# What rounds in a mean of 1e6 is 1e-10 of a deviation, for us and for the twin.
@on_shapes
@pytest.mark.parametrize("name", [*NUMBERS, "second_moments", "fourth_moments"])
def test_means_far_from_zero_cancel_nothing(held, name, shape, route):
    pair = standardised(*both(held, with_large_means(shape, 1e6)))
    ours, theirs = (getattr(one, name)() for one in pair)
    assert_allclose(ours, theirs, atol=3e-9 * np.abs(theirs).max())


@pytest.mark.parametrize("name", NUMBERS)
def test_float32_tables_lose_nothing_to_large_means(held, name, route):
    X = with_large_means((34, 21), 1e4).astype(np.float32)
    ours, theirs = (getattr(one, name)() for one in standardised(*both(held, X)))
    assert_allclose(ours, theirs, rtol=1e-6)


@on_dtypes
@pytest.mark.parametrize("value", [7.0, 0.1, -3e5])
def test_constant_genes_do_not_vary(held, value, dtype, route):
    X = counts(34, 21, dtype)
    X[:, 3] = value
    table, twin = both(held, X)
    assert not table.varies[3]
    assert table.variance[3] == 0.0
    assert_array_equal(table.varies, centre(X, False).varies)
    assert not table.second_moments()[3].any()
    assert_allclose(table.leading_axes(4)[:, 3], 0.0, atol=1e-12)
    assert_allclose(table.squared_product(), twin.squared_product(), rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(1e200, np.float64), (1e-200, np.float64), (1e30, np.float32), (1e-30, "f4")],
)
def test_extreme_ranges_are_brought_within_floats(held, size, dtype):
    X = (counts(34, 21) * size).astype(dtype)
    table, usual = implicit_table(held(X), False), centre(X, False)
    assert table.unit == usual.unit
    assert_allclose(table.location, usual.location, rtol=1e-6)
    assert_allclose(table.variance, usual.variance, rtol=1e-5)
    assert_allclose(table.squared_product(), usual.squared_product(), rtol=1e-5)
    assert_allclose(table.fourth_lengths(), usual.fourth_lengths(), rtol=1e-5)


@on_means
def test_a_table_that_does_not_vary_is_refused(held, assume_centered):
    X = np.zeros((4, 6)) if assume_centered else np.full((4, 6), 0.1)
    message = "none of the 6 genes varies over the 4 samples"
    with pytest.raises(ValueError, match=message):
        implicit_table(held(X), assume_centered)


# ------------------------------------------------------------------- how X is treated
def scrambled(dtype=np.float64):
    """A table with values in any order, some in two parts, some stored zeros."""
    rng = np.random.default_rng(3)
    rows, columns = rng.integers(34, size=400), rng.integers(21, size=400)
    values = rng.normal(1.0, size=400)
    values[::7] = 0.0
    order = np.argsort(rows, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=34))])
    parts = values[order].astype(dtype), columns[order], ends
    return sparse.csr_array(parts, shape=(34, 21))


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_duplicates_are_summed_and_nothing_is_modified(form, index, route):
    X = scrambled() if form == "csr" else scrambled().T.tocsr().T
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    before = [array.copy() for array in (X.data, X.indices, X.indptr)]
    table, twin = implicit_table(X, False), Twin(X.toarray())
    assert_allclose(table.squared_product(), twin.squared_product())
    assert_near(table.fourth_moments(), twin.fourth_moments())
    for array, old in zip((X.data, X.indices, X.indptr), before, strict=True):
        assert_array_equal(array, old)
        assert array.dtype == old.dtype


def test_scaled_tables_share_their_samples():
    table = implicit_table(sparse.csr_array(counts(34, 21)), False)
    assert table.scaled(np.full(21, 2.0)).samples is table.samples


def test_threads_take_part_and_change_no_bit(held, pieces, monkeypatch):
    table, seen = implicit_table(held(counts(34, 21)), False), set()
    alone = table.squared_product(), table.fourth_moments()
    batch = type(table.samples.parts[0][1])
    slow = seeing_threads(batch.moments, seen)
    monkeypatch.setattr(batch, "moments", slow)
    with parallel_config(n_jobs=2):
        again = table.squared_product(), table.fourth_moments()
    assert len(seen) == 2
    assert again[0] == alone[0]
    assert_array_equal(again[1], alone[1])


def seeing_threads(method, seen):
    def slow(*arguments):
        time.sleep(0.05)  # so that one thread does not do it all
        seen.add(threading.get_ident())
        return method(*arguments)

    return slow


def test_what_is_held_as_it_is(tmp_path):
    np.save(tmp_path / "table.npy", counts(34, 21))
    in_file = np.load(tmp_path / "table.npy", mmap_mode="r")
    assert lies_in_file(in_file)
    assert lies_in_file(np.asarray(in_file)[3:, ::2].T)
    assert not lies_in_file(counts(34, 21))
    assert is_implicit(in_file)
    assert is_implicit(sparse.csc_matrix(counts(34, 21)))
    assert not is_implicit(counts(34, 21))


@pytest.mark.parametrize("density", [0.01, 0.9])
def test_the_faster_multiplication_is_chosen(density, monkeypatch):
    X = sparse.random_array((60, 40), density=density, format="csr", rng=0)
    table = implicit_table(X, False)
    unused = "_gene_panels" if density < 0.05 else "_sparse_panels"
    monkeypatch.setattr(_implicit_gram, unused, None)
    assert table.squared_product() > 0
