"""The shrinkage models against naive formulas, against R and against scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.covariance import OAS, LedoitWolf

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn._covariance_models import Dense, Factors
from sklearn_grn._shrinkage import shrinkage_model
from sklearn_grn.datasets import load_leukemia

# n_samples < n_features, the same, one more, many more.
SHAPES = [(6, 15), (9, 9), (10, 9), (60, 7)]
on_shapes = pytest.mark.parametrize("shape", SHAPES, ids="{0[0]}x{0[1]}".format)
on_centring = pytest.mark.parametrize("assume_centered", [False, True])
METHODS = ["auto", 0.3, "ledoit_wolf", "oas", 1.0]
on_methods = pytest.mark.parametrize("shrinkage", METHODS)


def make_table(shape, seed=0):
    """Correlated genes, their means and scales apart, none of them Gaussian."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = shape
    programme = rng.normal(size=(n_samples, 1)) * rng.normal(size=n_features)
    noise = rng.exponential(size=shape) - 1.0
    return (programme + noise) * rng.uniform(0.5, 4.0, n_features) + 0.5


# ------------------------------------------------------------- the naive formulas
def centre(X, assume_centered):
    """Centred samples and the degrees of freedom that are left."""
    return (X, len(X)) if assume_centered else (X - X.mean(axis=0), len(X) - 1)


def variance_of_mean(terms):
    """Estimated variance of the mean of each column."""
    n_samples = len(terms)
    return np.square(terms - terms.mean(axis=0)).sum(axis=0) / (
        n_samples * (n_samples - 1)
    )


def naive_variance_shrinkage(X, assume_centered=False):
    """Opgen-Rhein & Strimmer 2007, eq. 8; and the variances it leads to."""
    centred, dof = centre(X, assume_centered)
    terms, factor = np.square(centred), len(X) / dof
    variance, median = terms.sum(axis=0) / dof, np.median(terms.sum(axis=0) / dof)
    uncertainty = factor**2 * variance_of_mean(terms)
    intensity = min(1.0, uncertainty.sum() / np.square(variance - median).sum())
    return intensity, intensity * median + (1 - intensity) * variance


def naive_correlation_shrinkage(X, assume_centered=False):
    """Schafer & Strimmer 2005, eq. 10; and the sample correlations."""
    centred, dof = centre(X, assume_centered)
    Z = centred / np.sqrt(np.square(centred).sum(axis=0) / dof)
    terms, factor = Z[:, :, None] * Z[:, None, :], len(X) / dof
    correlation, uncertainty = terms.sum(axis=0) / dof, variance_of_mean(terms)
    off = ~np.eye(X.shape[1], dtype=bool)
    ratio = factor**2 * uncertainty[off].sum() / np.square(correlation[off]).sum()
    return min(1.0, ratio), correlation


def naive_covariance(X, intensity, assume_centered=False):
    """Correlations shrunk to 0 by `intensity`, then given the shrunken variances."""
    _, correlation = naive_correlation_shrinkage(X, assume_centered)
    _, variance = naive_variance_shrinkage(X, assume_centered)
    shrunk = (1 - intensity) * correlation
    np.fill_diagonal(shrunk, 1.0)
    return shrunk * np.sqrt(np.outer(variance, variance))


# ------------------------------------------------------------- Schafer & Strimmer
def test_the_tables_leave_both_intensities_between_the_bounds():
    for shape in SHAPES:
        X = make_table(shape)
        assert 0.01 < naive_correlation_shrinkage(X)[0] < 0.99
        assert 0.01 < naive_variance_shrinkage(X)[0] < 0.99


@on_centring
@on_shapes
def test_auto_finds_the_correlation_intensity_of_the_paper(shape, assume_centered):
    X = make_table(shape)
    expected, _ = naive_correlation_shrinkage(X, assume_centered)
    estimator = FactorPrecisionEstimator(assume_centered=assume_centered).fit(X)
    assert_allclose(estimator.shrinkage_, expected, rtol=1e-12)


@on_centring
@on_shapes
@pytest.mark.parametrize("shrinkage", ["auto", 0.3, 1.0])
def test_the_variance_intensity_is_that_of_the_paper(shape, assume_centered, shrinkage):
    X = make_table(shape)
    expected, _ = naive_variance_shrinkage(X, assume_centered)
    estimator = FactorPrecisionEstimator(
        shrinkage=shrinkage, assume_centered=assume_centered
    )
    assert_allclose(estimator.fit(X).variance_shrinkage_, expected, rtol=1e-12)


@on_centring
@on_shapes
def test_auto_covariance_is_that_of_the_paper(shape, assume_centered):
    X = make_table(shape)
    intensity, _ = naive_correlation_shrinkage(X, assume_centered)
    estimator = FactorPrecisionEstimator(assume_centered=assume_centered).fit(X)
    expected = naive_covariance(X, intensity, assume_centered)
    assert_allclose(estimator.covariance_.toarray(), expected, rtol=1e-11, atol=1e-13)


@on_shapes
@pytest.mark.parametrize("shrinkage", [1e-3, 0.3, 1])
def test_covariance_of_a_given_intensity(shape, shrinkage):
    X = make_table(shape)
    estimator = FactorPrecisionEstimator(shrinkage=shrinkage).fit(X)
    expected = naive_covariance(X, shrinkage)
    assert_allclose(estimator.covariance_.toarray(), expected, rtol=1e-11, atol=1e-13)
    assert estimator.shrinkage_ == shrinkage


def test_intensities_are_clipped_at_one():
    X = np.random.default_rng(1).normal(size=(9, 5))
    assert naive_correlation_shrinkage(X)[0] == naive_variance_shrinkage(X)[0] == 1.0
    estimator = FactorPrecisionEstimator().fit(X)
    assert estimator.shrinkage_ == estimator.variance_shrinkage_ == 1.0


def test_intensities_on_a_wide_real_table():
    X = load_leukemia().data[:40, ::13]
    estimator = FactorPrecisionEstimator().fit(X)
    intensities = estimator.shrinkage_, estimator.variance_shrinkage_
    expected = naive_correlation_shrinkage(X)[0], naive_variance_shrinkage(X)[0]
    assert_allclose(intensities, expected, rtol=1e-11)


@on_shapes
@pytest.mark.parametrize("n_components", [None, 3])
@on_centring
def test_the_intensity_found_reproduces_the_automatic_fit(
    shape, n_components, assume_centered
):
    X, given = make_table(shape), {"assume_centered": assume_centered}
    auto = FactorPrecisionEstimator(n_components, **given).fit(X)
    given["shrinkage"] = auto.shrinkage_
    again = FactorPrecisionEstimator(n_components, **given).fit(X)
    assert_array_equal(again.covariance_.toarray(), auto.covariance_.toarray())
    assert_array_equal(again.precision_.toarray(), auto.precision_.toarray())


# -------------------------------------------------------------- R's corpcor 1.6.10
@pytest.fixture(scope="module")
def corpcor(reference_data):
    """Reader of the tables that R's corpcor gave for the E. coli experiment."""

    def read(name):
        path = reference_data / "genenet" / f"ecoli_{name}.tsv.gz"
        return pd.read_csv(path, sep="\t", index_col=0)

    return read


@pytest.fixture(scope="module")
def ecoli(corpcor):
    return FactorPrecisionEstimator().fit(corpcor("expression"))


def test_intensities_are_those_of_corpcor(ecoli, reference_data):
    expected = json.loads(
        (reference_data / "genenet/ecoli_ref_summary.json").read_text()
    )
    assert abs(ecoli.shrinkage_ - expected["lambda_cor"]) < 1e-10
    assert abs(ecoli.variance_shrinkage_ - expected["lambda_var"]) < 1e-10


def test_correlations_are_those_of_corpcor(ecoli, corpcor):
    deviation = np.sqrt(ecoli.covariance_.diagonal())
    correlation = ecoli.covariance_.toarray() / np.outer(deviation, deviation)
    assert_allclose(correlation, corpcor("ref_cor_shrink"), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("attribute", "table"),
    [
        ("covariance_", "ref_cov_shrink"),
        ("precision_", "ref_invcov_shrink"),
        ("partial_correlation_", "ref_pcor_shrink"),
    ],
)
def test_matrices_are_those_of_corpcor(ecoli, corpcor, attribute, table):
    computed, expected = getattr(ecoli, attribute), corpcor(table)
    assert_array_equal(ecoli.feature_names_in_, expected.columns)
    assert_allclose(computed.toarray(), expected, rtol=0, atol=1e-10)


def test_shrunken_variances_are_those_of_corpcor(ecoli, corpcor):
    expected = corpcor("ref_variances")["var_shrink"]
    assert_allclose(ecoli.covariance_.diagonal(), expected, rtol=1e-10)


def test_partial_correlations_of_a_given_intensity_are_those_of_corpcor(corpcor):
    # pcor.shrink(x, 0.5) inverts correlations: no shrinkage of variances is implied.
    estimator = FactorPrecisionEstimator(shrinkage=0.5).fit(corpcor("expression"))
    computed = estimator.partial_correlation_.toarray()
    assert_allclose(computed, corpcor("ref_pcor_lambda0.5"), rtol=0, atol=1e-10)


# ------------------------------------------------------------ Ledoit & Wolf, OAS
on_relatives = pytest.mark.parametrize(
    ("shrinkage", "relative"), [("ledoit_wolf", LedoitWolf), ("oas", OAS)]
)
on_every_shape = pytest.mark.parametrize(
    "shape", [*SHAPES, (3, 12), (9, 1), (2, 1)], ids="{0[0]}x{0[1]}".format
)


@on_relatives
@on_every_shape
@on_centring
def test_covariance_is_that_of_scikit_learn(
    shape, assume_centered, shrinkage, relative
):
    X, given = make_table(shape), {"assume_centered": assume_centered}
    estimator = FactorPrecisionEstimator(shrinkage=shrinkage, **given).fit(X)
    expected = relative(**given).fit(X).covariance_
    computed = estimator.covariance_.toarray()
    assert_allclose(computed, expected, rtol=0, atol=1e-10 * expected.max())


@on_relatives
@on_every_shape
@on_centring
def test_intensity_is_that_of_scikit_learn(shape, assume_centered, shrinkage, relative):
    X, given = make_table(shape), {"assume_centered": assume_centered}
    estimator = FactorPrecisionEstimator(shrinkage=shrinkage, **given).fit(X)
    expected = relative(**given).fit(X).shrinkage_
    assert abs(estimator.shrinkage_ - expected) < 1e-10
    assert estimator.variance_shrinkage_ == estimator.shrinkage_


def test_two_samples_are_too_few_for_ledoit_wolf():
    # They are equally far from their mean, so the rule finds nothing to shrink.
    for seed in range(20):
        with pytest.raises(ValueError, match="shrinkage 0 with 2 samples of 8 genes"):
            FactorPrecisionEstimator(shrinkage="ledoit_wolf").fit(
                make_table((2, 8), seed)
            )


# ------------------------------------------------------- the two ends of shrinkage
TALL = [(9, 8), (60, 7)]
on_tall_shapes = pytest.mark.parametrize("shape", TALL, ids="{0[0]}x{0[1]}".format)


@on_tall_shapes
def test_no_shrinkage_gives_the_sample_correlations(shape):
    X = make_table(shape)
    covariance = FactorPrecisionEstimator(shrinkage=0).fit(X).covariance_.toarray()
    deviation = np.sqrt(covariance.diagonal())
    expected = np.corrcoef(X, rowvar=False)
    assert_allclose(covariance / np.outer(deviation, deviation), expected, rtol=1e-11)


def test_no_shrinkage_at_all_gives_the_sample_covariance():
    # Two values, each in half of the samples: no uncertainty of the variances.
    X = np.array([[1, 2, 3], [1, 2, -3], [1, -2, -3], [-1, 2, 3], [-1, -2, 3]])
    X = np.vstack([X, -X]) * 1.0
    estimator = FactorPrecisionEstimator(shrinkage=0).fit(X)
    assert estimator.variance_shrinkage_ < 1e-15
    expected = np.cov(X, rowvar=False)
    assert_allclose(estimator.covariance_.toarray(), expected, rtol=1e-12, atol=1e-14)


@on_tall_shapes
def test_precision_without_shrinkage_is_the_inverse(shape):
    X = make_table(shape)
    estimator = FactorPrecisionEstimator(shrinkage=0).fit(X)
    expected = np.linalg.inv(naive_covariance(X, 0.0))
    assert_allclose(estimator.precision_.toarray(), expected, rtol=1e-9, atol=1e-12)


@on_tall_shapes
def test_partial_correlations_without_shrinkage_are_those_of_the_sample(shape):
    X = make_table(shape)
    precision = np.linalg.inv(np.cov(X, rowvar=False))
    scale = np.sqrt(precision.diagonal())
    expected = -precision / np.outer(scale, scale)
    np.fill_diagonal(expected, 1.0)
    estimator = FactorPrecisionEstimator(shrinkage=0).fit(X)
    computed = estimator.partial_correlation_.toarray()
    assert_allclose(computed, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [(6, 15), (9, 9)])
@pytest.mark.parametrize("n_components", [None, 2])
def test_no_shrinkage_without_more_samples_than_genes_is_refused(shape, n_components):
    n_samples, n_features = shape
    estimator = FactorPrecisionEstimator(n_components, shrinkage=0)
    message = f"shrinkage 0 with {n_samples} samples of {n_features} genes"
    with pytest.raises(ValueError, match=message):
        estimator.fit(make_table(shape))


def test_copied_genes_without_shrinkage_are_refused_with_the_smallest_eigenvalue():
    X = make_table((60, 5))
    X = np.hstack([X, X[:, :2]])
    number = r"-?\d\.?\d*e-1[5-9]"  # zero, but for rounding
    with pytest.raises(ValueError, match=f"smallest eigenvalue .* is {number}"):
        FactorPrecisionEstimator(shrinkage=0).fit(X)


@pytest.mark.parametrize("n_features", [2, 8])
def test_two_samples_say_nothing_of_correlations(n_features):
    # All correlations are 1 or -1 whatever the genes, and the rule would trust them.
    estimator = FactorPrecisionEstimator().fit(make_table((2, n_features)))
    assert estimator.shrinkage_ == 1.0
    assert_array_equal(estimator.partial_correlation_.toarray(), np.eye(n_features))


@pytest.mark.parametrize("shape", [(6, 16), (40, 6)])
def test_copied_genes_are_no_trouble_to_the_automatic_intensity(shape):
    X = np.tile(make_table((shape[0], shape[1] // 2)), 2)
    partial = FactorPrecisionEstimator().fit(X).partial_correlation_.toarray()
    assert np.isfinite(partial).all()
    assert np.abs(partial).max() == 1.0


@pytest.fixture(params=[(6, 15), (60, 7)], ids="{0[0]}x{0[1]}".format)
def all_shrunk(request):
    return FactorPrecisionEstimator(shrinkage=1).fit(make_table(request.param))


def test_full_shrinkage_leaves_a_diagonal(all_shrunk):
    assert all_shrunk.n_components_ == 0
    assert all_shrunk.components_.shape == (0, all_shrunk.n_features_in_)
    assert_array_equal(
        all_shrunk.covariance_.toarray(), np.diag(all_shrunk.noise_variance_)
    )


def test_full_shrinkage_leaves_no_partial_correlation(all_shrunk):
    identity = np.eye(all_shrunk.n_features_in_)
    assert_array_equal(all_shrunk.partial_correlation_.toarray(), identity)


def test_full_shrinkage_scores_genes_one_by_one(all_shrunk):
    X = make_table((4, all_shrunk.n_features_in_), seed=1)
    variance, location = all_shrunk.noise_variance_, all_shrunk.location_
    distance = np.square(X - location) / variance
    assert_allclose(all_shrunk.mahalanobis(X), distance.sum(axis=1), rtol=1e-12)
    expected = -0.5 * (np.log(2 * np.pi * variance) + distance).sum(axis=1)
    assert_allclose(all_shrunk.score_samples(X), expected, rtol=1e-12)


def test_full_shrinkage_takes_pathways(all_shrunk):
    n_features = all_shrunk.n_features_in_
    loadings = np.linspace(-1, 2, n_features)
    covariance = np.diag(all_shrunk.noise_variance_) + np.outer(loadings, loadings)
    all_shrunk.partial_fit_pathways(loadings)
    precision = all_shrunk.precision_.toarray()
    assert_allclose(precision, np.linalg.inv(covariance), rtol=1e-11, atol=1e-13)


# ------------------------------------------------------------- the model as arrays
@on_shapes
@on_methods
def test_covariance_is_dense_only_where_samples_outnumber_genes(shape, shrinkage):
    model = shrinkage_model(make_table(shape), shrinkage=shrinkage)
    tall = shape[0] > shape[1] and shrinkage != 1.0
    assert isinstance(model.covariance, Dense if tall else Factors)


@on_shapes
@on_methods
def test_the_bound_of_the_smallest_eigenvalue_is_one(shape, shrinkage):
    covariance = shrinkage_model(make_table(shape), shrinkage=shrinkage).covariance
    if isinstance(covariance, Dense):
        deviation = np.sqrt(covariance.covariance.diagonal())
        correlation = covariance.covariance / np.outer(deviation, deviation)
        assert covariance.least <= np.linalg.eigvalsh(correlation)[0] + 1e-15


@on_shapes
@on_methods
@on_centring
def test_the_samples_stay_as_they_were(shape, shrinkage, assume_centered):
    X = make_table(shape)
    X.flags.writeable = False
    copied = X.copy()
    shrinkage_model(X, shrinkage=shrinkage, assume_centered=assume_centered)
    assert_array_equal(X, copied)
