"""Axes of batches: what is exact, and the bounds of what is not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import IncrementalPCA

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn._centred_table import centre
from sklearn_grn._running_axes import LengthSums, begin_axes

N_AXES = 6
on_shapes = pytest.mark.parametrize("shape", [(60, 90), (200, 40)])
on_centring = pytest.mark.parametrize("assume_centered", [False, True])


def make_table(shape, noise=1.0, seed=0):
    """Four programmes and noise, samples by genes."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = shape
    programmes = rng.normal(size=(n_samples, 4)) @ rng.normal(size=(4, n_features))
    return 2 * programmes + noise * rng.normal(size=shape) + rng.normal(size=n_features)


def begun(X, assume_centered, factor=None):
    factor = np.ones(X.shape[1]) if factor is None else factor
    table = centre(X, assume_centered).scaled(factor)
    sums = LengthSums(table.squared_product(), table.fourth_lengths())
    return begin_axes(table, factor, table.leading_axes(N_AXES), sums, False)


def joined(X, cuts, assume_centered):
    first, *others = np.split(X, cuts)
    axes = begun(first, assume_centered)
    for batch in others:
        axes = axes.join(batch)
    return axes


@on_shapes
@on_centring
@pytest.mark.parametrize("cuts", [[10], [20, 21, 22], [30, 31]])
@pytest.mark.parametrize(
    "count", ["squared_moments", "third_moments", "fourth_moments"]
)
def test_moments_of_genes_are_exact(shape, assume_centered, cuts, count):
    X = make_table(shape)
    X[20:] += 3.0
    mine = getattr(joined(X, cuts, assume_centered), count)()
    theirs = getattr(centre(X, assume_centered), count)()
    assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())


def left_out(X, cuts, assume_centered):
    """The sum over batches of the largest eigenvalue that was left out."""
    total, (first, *others) = 0.0, np.split(X, cuts)
    table = centre(first, assume_centered)
    total += eigenvalues(table.samples)[N_AXES]
    axes = begun(first, assume_centered)
    for batch in others:
        grown = axes.join(batch)
        step = (grown.location - axes.location) * axes.n_samples**0.5
        rows = np.vstack([axes.axes, batch - grown.location, step])
        total += eigenvalues(rows)[N_AXES]
        axes = grown
    return total


def eigenvalues(rows):
    return np.linalg.svd(rows, compute_uv=False) ** 2


@on_shapes
@on_centring
@pytest.mark.parametrize("cuts", [[10], [20, 40], [30, 31, 32, 33]])
def test_what_axes_lack_is_bounded_by_what_batches_left_out(
    shape, assume_centered, cuts
):
    X = make_table(shape)
    D = centre(X, assume_centered).samples
    K = joined(X, cuts, assume_centered).axes
    lacking = np.linalg.eigvalsh(D.T @ D - K.T @ K)
    scale = eigenvalues(D)[0]
    assert lacking[0] > -1e-10 * scale
    assert lacking[-1] <= left_out(X, cuts, assume_centered) * (1 + 1e-10)


def test_axes_are_those_of_incremental_pca():
    X = make_table((60, 90))
    mine = joined(X, [20, 40], False).axes
    theirs = IncrementalPCA(N_AXES)
    for batch in np.split(X, [20, 40]):
        theirs.partial_fit(batch)
    assert_allclose(np.linalg.norm(mine, axis=1), theirs.singular_values_)
    directions = mine / np.linalg.norm(mine, axis=1, keepdims=True)
    assert_allclose(np.abs(directions @ theirs.components_.T), np.eye(6), atol=1e-8)


@on_centring
def test_without_noise_nothing_is_lost(assume_centered):
    X = make_table((60, 90), noise=0.0)
    X -= X.mean(axis=0)  # with a mean there would be one axis more
    K = joined(X, [10, 11, 30], assume_centered).axes
    D = centre(X, assume_centered).samples
    assert_allclose(K.T @ K, D.T @ D, atol=1e-9 * np.square(D).sum())


@on_shapes
@pytest.mark.parametrize("shrinkage", ["auto", "ledoit_wolf", "oas"])
@pytest.mark.parametrize("size", [1, 7, 30])
def test_intensity_is_close_to_that_of_one_fit(shape, shrinkage, size):
    X = make_table(shape)
    stream = FactorPrecisionEstimator(N_AXES, shrinkage=shrinkage)
    for start in range(0, len(X), size):
        stream.partial_fit(X[start : start + size])
    whole = FactorPrecisionEstimator(N_AXES, shrinkage=shrinkage).fit(X)
    assert_allclose(stream.shrinkage_, whole.shrinkage_, rtol=0.05)


@on_shapes
@pytest.mark.parametrize("size", [1, 7, 30])
def test_variances_are_those_of_one_fit(shape, size):
    X = make_table(shape)
    stream = FactorPrecisionEstimator(N_AXES)
    for start in range(0, len(X), size):
        stream.partial_fit(X[start : start + size])
    whole = FactorPrecisionEstimator(N_AXES).fit(X)
    assert_allclose(stream.location_, whole.location_)
    assert_allclose(stream.variance_shrinkage_, whole.variance_shrinkage_)
    assert_allclose(stream.covariance_.diagonal(), whole.covariance_.diagonal())


def test_as_many_samples_as_components_are_exact():
    X = make_table((7, 90))
    stream = FactorPrecisionEstimator(N_AXES)
    for sample in X:
        stream.partial_fit(sample[None])
    whole = FactorPrecisionEstimator(N_AXES).fit(X)
    assert_allclose(stream.precision_, whole.precision_, rtol=1e-9)


def test_no_more_is_kept_than_the_components():
    X = make_table((60, 90))
    stream = FactorPrecisionEstimator(N_AXES).partial_fit(X).partial_fit(X)
    assert stream._kept.axes.shape == (N_AXES, 90)


def test_analytic_intensity_after_a_given_one_is_refused():
    X = make_table((60, 90))
    stream = FactorPrecisionEstimator(N_AXES, shrinkage=0.5).partial_fit(X)
    with pytest.raises(ValueError, match="Begin again with shrinkage='auto'"):
        stream.set_params(shrinkage="auto").partial_fit(X)


def test_basis_and_products():
    axes = begun(make_table((60, 90)), False)
    basis = axes.sample_basis()
    assert_allclose(axes.second_moments(), basis.T @ basis)


@pytest.mark.parametrize(("first", "then"), [("auto", "oas"), ("oas", 0.3)])
def test_a_stream_cannot_change_how_genes_are_scaled(first, then):
    X = make_table((60, 90))
    stream = FactorPrecisionEstimator(N_AXES, shrinkage=first).partial_fit(X)
    with pytest.raises(ValueError, match=f"{then!r} scales genes otherwise"):
        stream.set_params(shrinkage=then).partial_fit(X)
