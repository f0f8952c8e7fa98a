"""Batches of samples against one fit to all of them."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_grn import FactorPrecisionEstimator

# Fewer samples than genes, the same, a few more, and more than three times as many.
SHAPES = [(6, 15), (9, 9), (20, 9), (60, 7)]
METHODS = ["auto", 0.3, "ledoit_wolf", "oas", 1.0]
on_shapes = pytest.mark.parametrize("shape", SHAPES, ids="{0[0]}x{0[1]}".format)
on_methods = pytest.mark.parametrize("shrinkage", METHODS)
on_centring = pytest.mark.parametrize("assume_centered", [False, True])
on_sizes = pytest.mark.parametrize("size", [1, 4])

MATRICES = ["covariance_", "precision_", "partial_correlation_"]
VALUES = [
    *MATRICES,
    "location_",
    "noise_variance_",
    "shrinkage_",
    "variance_shrinkage_",
    "n_samples_seen_",
]


def make_table(shape, seed=0):
    """Correlated genes, their means and scales apart, none of them Gaussian."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = shape
    programme = rng.normal(size=(n_samples, 1)) * rng.normal(size=n_features)
    noise = rng.exponential(size=shape) - 1.0
    means = rng.normal(size=n_features) * 3
    return (programme + noise) * rng.uniform(0.5, 4.0, n_features) + means


def in_batches(estimator, X, size):
    for start in range(0, X.shape[0], size):
        estimator.partial_fit(X[start : start + size])
    return estimator


def assert_same_fit(actual, expected, rtol=1e-9, names=VALUES):
    for name in names:
        mine, theirs = (
            np.asarray(getattr(one, name), np.float64) for one in (actual, expected)
        )
        tolerance = rtol * np.abs(theirs).max()
        assert_allclose(mine, theirs, rtol=0, atol=tolerance, err_msg=name)


# ------------------------------------------------------------------ equal to one fit
@on_shapes
@on_methods
@on_centring
@on_sizes
def test_batches_equal_one_fit(shape, shrinkage, assume_centered, size):
    X = make_table(shape)
    model = FactorPrecisionEstimator(
        shrinkage=shrinkage, assume_centered=assume_centered
    )
    assert_same_fit(in_batches(clone(model), X, size), clone(model).fit(X))


@on_shapes
@on_methods
def test_a_batch_follows_a_fit(shape, shrinkage):
    X = make_table(shape)
    model = FactorPrecisionEstimator(shrinkage=shrinkage)
    first = clone(model).fit(X[: shape[0] // 2])
    assert_same_fit(first.partial_fit(X[shape[0] // 2 :]), model.fit(X))


@on_methods
def test_a_batch_follows_a_fit_to_many_samples(shrinkage):
    X = make_table((90, 7))
    model = FactorPrecisionEstimator(shrinkage=shrinkage)
    first = clone(model).fit(X[:60])  # by now moments are all that is kept
    assert_same_fit(first.partial_fit(X[60:]), model.fit(X))


@on_shapes
def test_order_of_batches_does_not_matter(shape):
    X = make_table(shape)
    forwards = in_batches(FactorPrecisionEstimator(), X, 3)
    assert_same_fit(in_batches(FactorPrecisionEstimator(), X[::-1], 3), forwards)


@given(cuts=st.lists(st.integers(1, 39), max_size=8), seed=st.integers(0, 3))
def test_any_cuts(cuts, seed):
    X = make_table((40, 11), seed)
    stream = FactorPrecisionEstimator()
    for batch in np.split(X, sorted(set(cuts))):
        stream.partial_fit(batch)
    assert_same_fit(stream, FactorPrecisionEstimator().fit(X))


@on_shapes
def test_batches_far_from_each_other(shape):
    """A second batch whose means moved by hundreds of standard deviations."""
    X = make_table(shape)
    X[len(X) // 2 :] += 1000.0
    model = FactorPrecisionEstimator()
    assert_same_fit(in_batches(clone(model), X, len(X) // 2), model.fit(X), 1e-8)


@on_shapes
def test_float32_stays_float32(shape):
    X = make_table(shape).astype(np.float32)
    stream = in_batches(FactorPrecisionEstimator(), X, 3)
    assert stream.precision_.dtype == np.float32
    assert_same_fit(stream, FactorPrecisionEstimator().fit(X), rtol=2e-4)


@on_shapes
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.filterwarnings("ignore:. of the")  # in the first batches
def test_sparse_batches(shape, container):
    X = make_table(shape)
    X[np.median(X, axis=0) > X] = 0
    stream = in_batches(FactorPrecisionEstimator(), container(X), 3)
    assert_same_fit(stream, FactorPrecisionEstimator().fit(X))


def test_without_shrinkage_samples_wait_until_they_outnumber_the_genes():
    X = make_table((30, 7))
    stream = FactorPrecisionEstimator(shrinkage=0).partial_fit(X[:5])
    with pytest.raises(NotFittedError):
        stream.score(X)
    stream.partial_fit(X[5:])
    assert_same_fit(stream, FactorPrecisionEstimator(shrinkage=0).fit(X))


def test_one_sample_waits_for_another():
    X = make_table((6, 15))
    stream = FactorPrecisionEstimator().partial_fit(X[:1])
    assert stream.n_samples_seen_ == 1
    with pytest.raises(NotFittedError):
        stream.partial_fit_pathways(X[:1].T)
    assert_same_fit(stream.partial_fit(X[1:]), FactorPrecisionEstimator().fit(X))


def test_equal_samples_wait_for_others():
    X = make_table((6, 15))
    X[:3] = X[0]
    stream = in_batches(FactorPrecisionEstimator(), X, 1)
    assert_same_fit(stream, FactorPrecisionEstimator().fit(X))


# -------------------------------------------------------------------- constant genes
@on_shapes
@on_sizes
def test_constant_gene(shape, size):
    X = make_table(shape)
    X[:, 2] = 0.1
    stream = FactorPrecisionEstimator()
    with pytest.warns(UserWarning, match="1 of the .* do not vary"):
        in_batches(stream, X, size)
    with pytest.warns(UserWarning, match="do not vary"):
        whole = FactorPrecisionEstimator().fit(X)
    assert_same_fit(stream, whole)


@on_shapes
@pytest.mark.filterwarnings("ignore:1 of the")
def test_gene_that_begins_to_vary(shape):
    X = make_table(shape)
    X[:-2, 2] = 0.1
    stream = in_batches(FactorPrecisionEstimator(), X, 2)
    assert_same_fit(stream, FactorPrecisionEstimator().fit(X))


# -------------------------------------------------------------------------- pathways
@on_shapes
@pytest.mark.parametrize("n_components", [None, 3])
def test_pathways_stay(shape, n_components):
    X, half = make_table(shape), shape[0] // 2
    loadings = np.random.default_rng(1).normal(size=(shape[1], 2))
    stream = FactorPrecisionEstimator(n_components).partial_fit(X[:half])
    stream.partial_fit_pathways(loadings, ["up", "down"], activity_variance=[2, 0.5])
    stream.partial_fit(X[half:])
    without = copy.copy(stream).remove_pathways(["up", "down"])
    assert stream.pathway_names_.tolist() == ["up", "down"]
    assert_allclose(
        stream.covariance_,
        without.covariance_.toarray() + (loadings * [2, 0.5]) @ loadings.T,
    )
    twin = FactorPrecisionEstimator(n_components).partial_fit(X[:half])
    twin.partial_fit(X[half:])
    assert_same_fit(without, twin, names=MATRICES)


def test_pathways_of_the_parameter_are_added_once():
    X = make_table((6, 15))
    loadings = np.eye(15)[:, :1]
    model = FactorPrecisionEstimator(pathways=loadings)
    assert_same_fit(in_batches(clone(model), X, 2), model.fit(X))


def test_removed_pathways_stay_away():
    X = make_table((6, 15))
    stream = FactorPrecisionEstimator(pathways=np.eye(15)[:, :1]).partial_fit(X[:3])
    stream.remove_pathways("pathway0").partial_fit(X[3:])
    assert_same_fit(stream, FactorPrecisionEstimator().fit(X))


# ------------------------------------------------------------------------ conventions
def test_names_of_genes_are_checked():
    table = pd.DataFrame(make_table((6, 3)), columns=["a", "b", "c"])
    stream = FactorPrecisionEstimator().partial_fit(table)
    with pytest.raises(ValueError, match="feature names"):
        stream.partial_fit(table[["b", "a", "c"]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@on_shapes
def test_a_bad_batch_changes_nothing(shape, bad):
    X = make_table(shape)
    stream = FactorPrecisionEstimator().partial_fit(X)
    before = stream.__dict__.copy()
    X[1, 1] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        stream.partial_fit(X)
    assert all(before[name] is value for name, value in vars(stream).items())
    assert before.keys() == vars(stream).keys()


def test_batch_of_other_genes_is_refused():
    stream = FactorPrecisionEstimator().partial_fit(make_table((6, 15)))
    with pytest.raises(ValueError, match="15 features"):
        stream.partial_fit(make_table((6, 14)))


@on_shapes
@pytest.mark.parametrize("n_components", [None, 3])
def test_a_stream_survives_pickling(shape, n_components):
    X, half = make_table(shape), shape[0] // 2
    stream = FactorPrecisionEstimator(n_components).partial_fit(X[:half])
    again = pickle.loads(pickle.dumps(stream)).partial_fit(X[half:])
    assert_array_equal(again.precision_, stream.partial_fit(X[half:]).precision_)


@pytest.mark.parametrize("method", ["factor_analysis", "precomputed"])
def test_other_methods_do_not_stream(method):
    model = FactorPrecisionEstimator(method=method)
    assert not hasattr(model, "partial_fit")


def test_fit_begins_anew():
    X = make_table((6, 15))
    stream = FactorPrecisionEstimator().partial_fit(X).fit(X[:4])
    assert_same_fit(stream, FactorPrecisionEstimator().fit(X[:4]))


@pytest.mark.parametrize("unit", [1e-100, 1e100])
@on_shapes
def test_far_units(shape, unit):
    X = make_table(shape) * unit
    half = shape[0] // 2
    stream = FactorPrecisionEstimator().fit(X[:half]).partial_fit(X[half:])
    whole = FactorPrecisionEstimator().fit(X)
    assert_same_fit(stream, whole, names=["partial_correlation_", "shrinkage_"])


def test_moments_take_the_room_of_three_samples_a_gene(allocation_peak):
    n_features = 120
    stream = FactorPrecisionEstimator()
    stream.partial_fit(make_table((4 * n_features, n_features)))
    held = [value for value in vars(stream._kept).values() if np.ndim(value) == 2]
    assert sum(value.nbytes for value in held) == 3 * 8 * n_features**2


def test_a_batch_allocates_as_much_however_many_went_before(allocation_peak):
    X = make_table((400, 100))
    stream, peaks = FactorPrecisionEstimator().partial_fit(X), []
    for _ in range(3):
        with allocation_peak() as peak:
            stream.partial_fit(X)
        peaks.append(peak())
    assert max(peaks) < 1.1 * min(peaks)


def test_an_estimator_that_keeps_no_samples_takes_no_further_ones():
    stream = FactorPrecisionEstimator().fit(make_table((20, 9)))
    del stream._kept
    with pytest.raises(ValueError, match="nothing was kept"):
        stream.partial_fit(make_table((20, 9)))
