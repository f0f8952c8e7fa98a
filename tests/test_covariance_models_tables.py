"""Constant genes, and tables in another order, unit or data type."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import FactorPrecisionEstimator

WIDE, TALL = (6, 15), (60, 7)
on_shapes = pytest.mark.parametrize("shape", [WIDE, TALL], ids="{0[0]}x{0[1]}".format)
METHODS = ["auto", 0.3, "ledoit_wolf", "oas"]
SCALE_FREE = ["auto", 0.3]
on_methods = pytest.mark.parametrize("shrinkage", METHODS)
MATRICES = ["covariance_", "precision_", "partial_correlation_"]


def make_table(shape, seed=0):
    """Correlated genes, their means and scales apart, none of them Gaussian."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = shape
    programme = rng.normal(size=(n_samples, 1)) * rng.normal(size=n_features)
    noise = rng.exponential(size=shape) - 1.0
    return (programme + noise) * rng.uniform(0.5, 4.0, n_features) + 0.5


def fit(X, n_components=None, **parameters):
    return FactorPrecisionEstimator(n_components, **parameters).fit(X)


def dense(estimator, matrix):
    return getattr(estimator, matrix).toarray()


def assert_close(computed, expected, tolerance):
    """Relative to the largest entry."""
    largest = np.abs(expected).max()
    assert_allclose(computed, expected, rtol=0, atol=tolerance * largest)


def assert_same(estimator, other, order=slice(None), tolerance=0.0):
    """The three matrices of one are those of the other with the genes in `order`."""
    for matrix in MATRICES:
        expected = dense(other, matrix)[order][:, order]
        assert_close(dense(estimator, matrix), expected, tolerance)


# ----------------------------------------------------------------- constant genes
def hold_constant(X, genes):
    X = X.copy()
    X[:, genes] = 0.1  # has no exact mean in binary
    return X


def fit_with_warning(X, n_components=None, **parameters):
    with pytest.warns(UserWarning, match="do not vary"):
        return fit(X, n_components, **parameters)


CONSTANT = {"one": [2], "several": [0, 3, 4], "all but one": [0, 1, 2, 4, 5, 6]}
on_constant_genes = pytest.mark.parametrize("which", CONSTANT)


def table_with_constant_genes(shape, which):
    everything_else = np.arange(7, shape[1]) if which == "all but one" else []
    genes = np.array([*CONSTANT[which], *everything_else], dtype=int)
    return hold_constant(make_table(shape), genes), genes


def outside_links(estimator, matrix, genes):
    entries = dense(estimator, matrix)
    assert np.isfinite(entries).all()
    assert (entries.diagonal() > 0).all()
    return (entries - np.diag(entries.diagonal()))[genes]


@on_shapes
@on_methods
@on_constant_genes
def test_constant_genes_are_isolated(shape, shrinkage, which):
    X, genes = table_with_constant_genes(shape, which)
    estimator = fit_with_warning(X, shrinkage=shrinkage)
    for matrix in MATRICES:
        assert_array_equal(outside_links(estimator, matrix, genes), 0.0)


@on_shapes
@on_methods
def test_constant_genes_are_isolated_in_a_cut_model(shape, shrinkage):
    X, genes = table_with_constant_genes(shape, "several")
    estimator = fit_with_warning(X, 3, shrinkage=shrinkage)
    for matrix in MATRICES:
        assert_array_equal(outside_links(estimator, matrix, genes), 0.0)


@on_shapes
@on_constant_genes
@pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "oas"])
def test_constant_genes_have_the_variance_of_the_shrunken_identity(
    shape, which, shrinkage
):
    X, genes = table_with_constant_genes(shape, which)
    estimator = fit_with_warning(X, shrinkage=shrinkage)
    expected = estimator.shrinkage_ * X.var(axis=0).mean()
    assert_allclose(estimator.covariance_.diagonal()[genes], expected, rtol=1e-10)


@on_shapes
@pytest.mark.parametrize("n_components", [None, 3])
@pytest.mark.parametrize("shrinkage", ["auto", 0.3, 1e-6])
def test_constant_genes_have_the_shrunken_variance(shape, shrinkage, n_components):
    X, genes = table_with_constant_genes(shape, "several")
    estimator = fit_with_warning(X, n_components, shrinkage=shrinkage)
    median = np.median(np.delete(X, genes, axis=1).var(axis=0, ddof=1))
    expected = estimator.variance_shrinkage_ * median
    assert_allclose(estimator.covariance_.diagonal()[genes], expected, rtol=1e-10)


def two_valued_genes():
    """Four genes whose variances are certain, and a constant one."""
    signs = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
    X = np.vstack([signs, -signs, signs, -signs]) * [1.0, 2.0, 4.0, 8.0]
    return np.column_stack([X, np.full(len(X), 0.1)])


@pytest.mark.parametrize("shrinkage", [0, 0.3, "ledoit_wolf"])
def test_constant_gene_has_the_smallest_variance_where_none_is_shrunk(shrinkage):
    X = two_valued_genes()[:, [0, -1] if shrinkage == "ledoit_wolf" else slice(None)]
    estimator = fit_with_warning(X, shrinkage=shrinkage)
    assert estimator.variance_shrinkage_ < 1e-15
    smallest = estimator.covariance_.diagonal()[:-1].min()
    assert_allclose(estimator.covariance_.diagonal()[-1], smallest, rtol=1e-12)


@pytest.mark.parametrize("n_components", [None, 3])
def test_constant_gene_without_shrinkage(n_components):
    X = hold_constant(make_table(TALL), [2])
    estimator = fit_with_warning(X, n_components, shrinkage=0)
    others = np.delete(np.arange(7), 2)
    expected = fit(X[:, others], n_components, shrinkage=0).partial_correlation_
    computed = estimator.partial_correlation_[np.ix_(others, others)]
    assert_allclose(computed, expected.toarray(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_samples", [6, 60])
@pytest.mark.parametrize("n_constant", [0, 6])
def test_a_gene_without_a_partner_has_no_correlation_to_estimate(n_samples, n_constant):
    for seed in range(12):
        X = np.zeros((n_samples, 1 + n_constant))
        X[:, 0] = np.random.default_rng(seed).normal(1.0, size=n_samples)
        estimator = fit_with_warning(X) if n_constant else fit(X)
        assert estimator.shrinkage_ == 1.0


@on_shapes
@pytest.mark.parametrize("shrinkage", SCALE_FREE)
def test_constant_genes_leave_the_others_as_they_were(shape, shrinkage):
    X = make_table(shape)
    wider = np.insert(X, [0, 3, 3], 0.1, axis=1)
    others = np.flatnonzero(wider.std(axis=0) > 1e-9)
    computed = fit_with_warning(wider, shrinkage=shrinkage).covariance_
    expected = dense(fit(X, shrinkage=shrinkage), "covariance_")
    # The median is that of the genes that vary, and so are the sums over pairs.
    assert_close(computed[np.ix_(others, others)], expected, 1e-12)


@pytest.mark.parametrize("named", [True, False])
def test_one_warning_counts_and_names_the_constant_genes(named):
    X = pd.DataFrame(hold_constant(make_table(WIDE), [2, 5]))
    X.columns = [f"gene{i}" for i in range(15)]
    with pytest.warns(UserWarning, match="2 of the 15 genes do not vary") as caught:
        fit(X if named else X.to_numpy())
    assert len(caught) == 1
    assert str(caught[0].message).endswith("gene2, gene5" if named else ": 2, 5")
    assert caught[0].filename == __file__


@pytest.mark.parametrize("value", [0.1, 123456.7])
def test_constant_genes_are_found_among_many_samples(value):
    X = np.column_stack([make_table((700, 3)), np.full(700, value)])
    estimator = fit_with_warning(X)
    assert_array_equal(estimator.partial_correlation_[3], [0, 0, 0, 1])


def test_genes_that_vary_little_are_not_constant_among_many_samples():
    deviations = np.random.default_rng(0).normal(size=(20_000, 2))
    X = (10.0 + 0.01 * deviations).astype(np.float32)
    assert_allclose(fit(X).covariance_.diagonal(), 1e-4, rtol=0.05)


@on_methods
def test_a_table_of_constant_genes_is_refused(shrinkage):
    X = hold_constant(make_table(WIDE), slice(None))
    with pytest.raises(ValueError, match="none of the 15 genes varies over the 6"):
        fit(X, shrinkage=shrinkage)


# ------------------------------------------------------------- order, names, units
@on_shapes
@on_methods
@pytest.mark.parametrize("n_components", [None, 3])
def test_a_permutation_of_genes_permutes_the_result(shape, shrinkage, n_components):
    X, parameters = make_table(shape), {"shrinkage": shrinkage}
    order = np.random.default_rng(1).permutation(shape[1])
    permuted = fit(X[:, order], n_components, **parameters)
    assert_same(permuted, fit(X, n_components, **parameters), order, tolerance=1e-12)


@on_shapes
@on_methods
def test_a_permutation_of_samples_changes_nothing(shape, shrinkage):
    X = make_table(shape)
    order = np.random.default_rng(1).permutation(len(X))
    permuted = fit(X[order], shrinkage=shrinkage)
    assert_same(permuted, fit(X, shrinkage=shrinkage), tolerance=1e-12)


@on_shapes
@on_methods
@pytest.mark.parametrize("n_components", [None, 3])
def test_the_order_in_memory_changes_nothing(shape, shrinkage, n_components):
    X, parameters = make_table(shape), {"shrinkage": shrinkage}
    by_columns = fit(np.asfortranarray(X), n_components, **parameters)
    assert_same(by_columns, fit(X, n_components, **parameters), tolerance=1e-12)


@on_shapes
def test_other_names_change_nothing(shape):
    X = pd.DataFrame(make_table(shape)).add_prefix("gene")
    assert_same(fit(X.rename(columns=str.upper)), fit(X))


def units(n_features, powers_of_two):
    rng = np.random.default_rng(2)
    exponents = rng.integers(-20, 20, n_features).astype(float)
    return 2.0 ** (exponents if powers_of_two else exponents + rng.random(n_features))


@on_shapes
@pytest.mark.parametrize("shrinkage", SCALE_FREE)
@pytest.mark.parametrize("n_components", [None, 3])
@pytest.mark.parametrize("powers_of_two", [True, False])
def test_units_of_genes_leave_the_partial_correlations(
    shape, shrinkage, n_components, powers_of_two
):
    X, parameters = make_table(shape), {"shrinkage": shrinkage}
    scaled = X * units(shape[1], powers_of_two)
    computed = dense(fit(scaled, n_components, **parameters), "partial_correlation_")
    expected = dense(fit(X, n_components, **parameters), "partial_correlation_")
    assert_allclose(computed, expected, rtol=0, atol=1e-12)


def test_units_of_genes_leave_one_intensity_and_not_the_other():
    X = make_table(WIDE)
    estimator, other = fit(X), fit(X * units(15, powers_of_two=True))
    assert_allclose(estimator.shrinkage_, other.shrinkage_, rtol=1e-12)
    assert abs(estimator.variance_shrinkage_ - other.variance_shrinkage_) > 0.01


@pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "oas"])
def test_units_of_genes_matter_to_the_models_of_scikit_learn(shrinkage):
    X = make_table(WIDE)
    scaled = fit(X * units(15, powers_of_two=True), shrinkage=shrinkage)
    partial = dense(fit(X, shrinkage=shrinkage), "partial_correlation_")
    change = dense(scaled, "partial_correlation_") - partial
    assert np.abs(change).max() > 0.01


# ----------------------------------------------------------------- far from one
FAR = [1e-150, 1e-20, 1e20, 1e100]
on_far_units = pytest.mark.parametrize("unit", FAR)


on_models = pytest.mark.parametrize(
    ("shrinkage", "n_components"),
    [("auto", None), ("auto", 3), (0.3, None), ("ledoit_wolf", None), ("oas", 3)],
)


@on_far_units
@on_shapes
@on_models
def test_a_table_in_a_far_unit(unit, shape, shrinkage, n_components):
    X, parameters = make_table(shape), {"shrinkage": shrinkage}
    far = fit(X * unit, n_components, **parameters)
    near = fit(X, n_components, **parameters)
    covariance = dense(far, "covariance_") / unit / unit
    assert_close(covariance, dense(near, "covariance_"), 1e-12)
    precision = dense(far, "precision_") * unit * unit
    assert_close(precision, dense(near, "precision_"), 1e-12)


@on_far_units
@on_shapes
@on_models
def test_the_score_of_a_table_in_a_far_unit(unit, shape, shrinkage, n_components):
    X, parameters = make_table(shape), {"shrinkage": shrinkage}
    score = fit(X * unit, n_components, **parameters).score(X * unit)
    near = fit(X, n_components, **parameters).score(X)
    assert_allclose(score, near - shape[1] * np.log(unit), rtol=1e-12)


@on_far_units
@on_shapes
@pytest.mark.parametrize("n_components", [None, 3])
def test_a_gene_in_a_far_unit(unit, shape, n_components):
    X = make_table(shape)
    far = X * np.where(np.arange(shape[1]) == 3, unit, 1.0)
    computed = dense(fit(far, n_components), "partial_correlation_")
    expected = dense(fit(X, n_components), "partial_correlation_")
    assert_allclose(computed, expected, rtol=0, atol=1e-12)


@on_far_units
@on_shapes
@pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "oas"])
def test_a_gene_in_a_far_unit_with_a_common_target(unit, shape, shrinkage):
    X = make_table(shape) * np.where(np.arange(shape[1]) == 3, unit, 1.0)
    estimator = fit(X, shrinkage=shrinkage)
    assert all(np.isfinite(dense(estimator, matrix)).all() for matrix in MATRICES)
    assert np.isfinite(estimator.score(X))


@on_shapes
@on_methods
@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_variances_beyond_the_range_of_floats_are_refused(shape, shrinkage, unit):
    with pytest.raises(ValueError, match="leave the range of floating point numbers"):
        fit(make_table(shape) * unit, shrinkage=shrinkage)


@on_shapes
@pytest.mark.parametrize("unit", [1e-25, 1e25])
def test_variances_beyond_the_range_of_float32_are_refused(shape, unit):
    X = (make_table(shape) * unit).astype(np.float32)
    with pytest.raises(ValueError, match="leave the range of floating point numbers"):
        dense(fit(X), "covariance_" if unit > 1 else "precision_")


# --------------------------------------------------------------------- data types
@on_shapes
@on_methods
@pytest.mark.parametrize("n_components", [None, 3])
def test_float32_samples_give_float32_factors(shape, shrinkage, n_components):
    X = make_table(shape).astype(np.float32)
    estimator = fit(X, n_components, shrinkage=shrinkage)
    assert estimator.components_.dtype == np.float32
    assert all(getattr(estimator, matrix).dtype == np.float32 for matrix in MATRICES)
    assert estimator.location_.dtype == estimator.noise_variance_.dtype == np.float64


@on_shapes
@on_methods
@pytest.mark.parametrize("n_components", [None, 3])
def test_float32_agrees_with_float64(shape, shrinkage, n_components):
    X, parameters = make_table(shape), {"shrinkage": shrinkage}
    single = fit(X.astype(np.float32), n_components, **parameters)
    assert_same(single, fit(X, n_components, **parameters), tolerance=1e-4)


@on_shapes
def test_float32_intensities_agree_with_float64(shape):
    X = make_table(shape)
    single, double = fit(X.astype(np.float32)), fit(X)
    assert_allclose(single.shrinkage_, double.shrinkage_, rtol=1e-5)
    intensities = single.variance_shrinkage_, double.variance_shrinkage_
    assert_allclose(*intensities, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float16, bool])
def test_other_numbers_become_float64(dtype):
    X = (make_table(WIDE) > 0.5).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of the genes are constant now
        estimator = fit(X)
        expected = fit(X.astype(np.float64))
    assert estimator.components_.dtype == np.float64
    assert_array_equal(estimator.components_, expected.components_)
