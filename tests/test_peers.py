"""What the tests and examples of related programs ask, asked of the classes here.

Those of scikit-learn 1.9 on covariance estimation and FactorAnalysis and those of R's
corpcor 1.6.10, as far as they apply and are not asked in the tests beside this one.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.covariance import (
    OAS,
    EmpiricalCovariance,
    LedoitWolf,
    ShrunkCovariance,
    empirical_covariance,
)
from sklearn.datasets import load_diabetes
from sklearn.decomposition import FactorAnalysis

from sklearn_grn import DiagonalPlusLowRank, FactorPrecisionEstimator

DIABETES = load_diabetes(return_X_y=True)[0]
RELATIVES = {"ledoit_wolf": LedoitWolf, "oas": OAS}
SHRINKAGES = ["auto", 0.3, *RELATIVES]
on_shrinkages = pytest.mark.parametrize("shrinkage", SHRINKAGES)
on_relatives = pytest.mark.parametrize("shrinkage", list(RELATIVES))


def fit(samples, **parameters):
    return FactorPrecisionEstimator(**parameters).fit(samples)


def hold(covariance):
    """Return an estimator that holds this covariance and the mean 0."""
    return fit(covariance, method="precomputed")


def dense(estimator):
    return estimator.covariance_.toarray()


# -------------------------------------------- scikit-learn: empirical covariance
@pytest.mark.parametrize("norm", ["frobenius", "spectral"])
@pytest.mark.parametrize("scaling", [True, False])
@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("n_features", [1, 10])
def test_a_covariance_is_at_no_distance_from_itself(norm, scaling, squared, n_features):
    covariance = empirical_covariance(DIABETES[:, :n_features])
    distance = hold(covariance).error_norm(covariance, norm, scaling, squared)
    assert abs(distance) < 1e-15


def test_a_held_covariance_answers_as_the_empirical_one():
    centred = DIABETES - DIABETES.mean(axis=0)
    theirs = EmpiricalCovariance().fit(centred)
    ours = hold(theirs.covariance_)
    assert_allclose(ours.mahalanobis(centred), theirs.mahalanobis(centred), rtol=1e-9)
    assert ours.score(centred) == pytest.approx(theirs.score(centred), rel=1e-12)


@on_shrinkages
def test_all_samples_that_were_seen_are_away_from_the_mean(shrinkage):
    assert fit(DIABETES, shrinkage=shrinkage).mahalanobis(DIABETES).min() > 0


@on_shrinkages
@pytest.mark.parametrize("assume_centered", [False, True])
def test_one_gene_keeps_its_variance(shrinkage, assume_centered):
    X = DIABETES[:, :1]
    given = {"shrinkage": shrinkage, "assume_centered": assume_centered}
    mean = 0.0 if assume_centered else X.mean()
    divisor = len(X) - (shrinkage not in RELATIVES and not assume_centered)
    expected = np.square(X - mean).sum() / divisor
    assert_allclose(dense(fit(X, **given)), [[expected]], rtol=1e-12)


def test_factor_analysis_of_one_gene_is_its_variance():
    estimator = fit(DIABETES[:, :1], method="factor_analysis")
    assert_allclose(dense(estimator), [[DIABETES[:, 0].var()]], rtol=1e-12)


@pytest.mark.parametrize("method", ["shrinkage", "factor_analysis"])
def test_one_sample_is_refused(method):
    # scikit-learn's warn, and return a covariance of zeros, which has no inverse.
    with pytest.raises(ValueError, match=r"1 sample.*minimum of 2"):
        fit(np.arange(5.0).reshape(1, 5), method=method)


@pytest.mark.parametrize("method", ["shrinkage", "factor_analysis"])
def test_no_samples_are_refused(method):
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        fit(np.zeros((0, 2)), method=method)


@pytest.mark.parametrize("samples", [DIABETES[0], DIABETES[None], 3.0])
def test_what_is_no_table_is_refused(samples):
    with pytest.raises(ValueError, match=r"Expected 2D array|dim 3"):
        fit(samples)


@pytest.mark.parametrize("name", ["mahalanobis", "score", "score_samples"])
def test_samples_of_fewer_genes_are_refused(name):
    question = getattr(fit(DIABETES), name)
    message = r"X has 2 features, but FactorPrecisionEstimator is expecting 10 features"
    with pytest.raises(ValueError, match=message):
        question(DIABETES[:, :2])


@on_shrinkages
def test_the_mean_is_zero_where_it_is_known(shrinkage):
    estimator = fit(DIABETES + 1.0, shrinkage=shrinkage, assume_centered=True)
    assert_array_equal(estimator.location_, np.zeros(10))


@on_relatives
def test_centring_by_hand_changes_nothing(shrinkage):
    centred = DIABETES - DIABETES.mean(axis=0)
    by_hand = fit(centred, shrinkage=shrinkage, assume_centered=True)
    estimator = fit(DIABETES, shrinkage=shrinkage)
    assert by_hand.shrinkage_ == pytest.approx(estimator.shrinkage_, rel=1e-10)
    assert_allclose(dense(by_hand), dense(estimator), rtol=1e-10, atol=1e-16)
    assert by_hand.score(centred) == pytest.approx(estimator.score(DIABETES), rel=1e-12)


def test_centring_by_hand_gives_back_a_degree_of_freedom():
    centred, n_samples = DIABETES - DIABETES.mean(axis=0), len(DIABETES)
    by_hand = fit(centred, shrinkage=0.3, assume_centered=True).covariance_
    estimator = fit(DIABETES, shrinkage=0.3).covariance_
    ratio = np.array(by_hand.diagonal() / estimator.diagonal())
    assert_allclose(ratio, (n_samples - 1) / n_samples, rtol=1e-3)


# ------------------------------------------------------ scikit-learn: shrinkage
@on_relatives
def test_the_covariance_is_that_of_the_intensity_found(shrinkage):
    estimator = fit(DIABETES, shrinkage=shrinkage)
    expected = ShrunkCovariance(shrinkage=estimator.shrinkage_).fit(DIABETES)
    assert_allclose(dense(estimator), expected.covariance_, rtol=1e-10, atol=1e-16)


@on_relatives
@pytest.mark.parametrize("n_features", [1, 4, 10])
def test_samples_score_as_with_the_relative(shrinkage, n_features):
    seen, new = DIABETES[:300, :n_features], DIABETES[300:, :n_features]
    expected = RELATIVES[shrinkage]().fit(seen).score(new)
    score = fit(seen, shrinkage=shrinkage).score(new)
    assert score == pytest.approx(expected, rel=1e-10)


@on_relatives
@pytest.mark.parametrize("shape", [(12, 1100), (1100, 12), (260, 255)])
def test_tables_larger_than_any_block(shape, shrinkage):
    rng = np.random.default_rng(0)
    X = rng.normal(size=shape) + rng.normal(size=(shape[0], 1))
    expected = RELATIVES[shrinkage]().fit(X)
    estimator = fit(X, shrinkage=shrinkage)
    assert_allclose(estimator.shrinkage_, expected.shrinkage_, rtol=1e-9)
    assert_allclose(dense(estimator), expected.covariance_, rtol=0, atol=1e-10)


@pytest.mark.parametrize("block_size", [3, 25])
def test_blocks_of_the_relative_do_not_matter(block_size):
    X = np.random.default_rng(0).normal(size=(10, 20))
    expected = LedoitWolf(block_size=block_size).fit(X).covariance_
    assert_allclose(dense(fit(X, shrinkage="ledoit_wolf")), expected, atol=1e-12)


@pytest.mark.parametrize("shrinkage", ["auto", *RELATIVES])
def test_noise_is_about_the_identity(shrinkage):
    X = np.random.default_rng(0).normal(size=(200, 300))
    assert_allclose(dense(fit(X, shrinkage=shrinkage)), np.eye(300), atol=0.1)


# ------------------------------------------------- scikit-learn: FactorAnalysis
@pytest.fixture(scope="module")
def generated():
    """Return samples of three factors and five genes, as their test makes them."""
    rng = np.random.default_rng(0)
    loadings, factors = rng.normal(size=(3, 5)), rng.normal(size=(200, 3))
    return factors @ loadings + rng.gamma(1, size=5) * rng.normal(size=(200, 5))


@pytest.fixture(scope="module")
def theirs(generated):
    return FactorAnalysis(2, svd_method="lapack").fit(generated)


@pytest.fixture(scope="module")
def same(theirs):
    """Return an estimator of the noise alone, to which their factors are added."""
    noise = DiagonalPlusLowRank(theirs.noise_variance_, np.zeros((5, 0)))
    return hold(noise).partial_fit_pathways(theirs.components_.T)


def test_factor_model_has_their_covariance_and_precision(same, theirs):
    assert_allclose(dense(same), theirs.get_covariance(), rtol=1e-12)
    expected = theirs.get_precision()
    assert_allclose(same.precision_.toarray(), expected, rtol=1e-9, atol=1e-12)


def test_factor_model_scores_as_theirs(same, theirs, generated):
    scores = same.score_samples(generated - theirs.mean_)
    assert_allclose(scores, theirs.score_samples(generated), rtol=1e-10)


def test_activities_of_factors_are_their_transform(same, theirs, generated):
    activities = same.activities(generated - theirs.mean_)
    assert_allclose(activities, theirs.transform(generated), rtol=1e-10, atol=1e-12)


def test_rotation_of_factors_leaves_the_covariance(same, theirs):
    rotated = FactorAnalysis(2, svd_method="lapack", rotation="varimax")
    rotated.components_ = rotated._rotate(theirs.components_)
    assert not np.allclose(rotated.components_, theirs.components_)
    noise = DiagonalPlusLowRank(theirs.noise_variance_, np.zeros((5, 0)))
    turned = hold(noise).partial_fit_pathways(rotated.components_.T)
    assert_allclose(dense(turned), dense(same), rtol=1e-12)


def test_rotation_of_pathways_rotates_the_activities(generated):
    rng = np.random.default_rng(1)
    loadings, turn = rng.normal(size=(5, 2)), [[0.6, -0.8], [0.8, 0.6]]
    plain = fit(generated).partial_fit_pathways(loadings)
    turned = fit(generated).partial_fit_pathways(loadings @ turn)
    assert_allclose(
        turned.activities(generated), plain.activities(generated) @ turn, atol=1e-12
    )


@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_factor_analysis_is_close_to_the_sample_covariance(generated, n_components):
    # One factor of three leaves out more than two do; more than two are not identified
    # with five genes.
    estimator = fit(generated, method="factor_analysis", n_components=n_components)
    off = np.abs(dense(estimator) - np.cov(generated, rowvar=False, bias=True)).mean()
    assert off < (0.4 if n_components == 1 else 0.2)


@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_precision_of_factor_analysis_is_the_inverse(generated, n_components):
    estimator = fit(generated, method="factor_analysis", n_components=n_components)
    product = estimator.covariance_ @ estimator.precision_.toarray()
    assert_allclose(product, np.eye(5), atol=1e-10)


def test_no_factor_is_refused_and_not_taken_for_a_diagonal(generated):
    with pytest.raises(ValueError, match="'n_components' parameter"):
        fit(generated, method="factor_analysis", n_components=0)


def test_samples_of_factor_analysis_are_one_unit_away_for_each_gene(generated):
    # tr(S Sigma^-1) is the number of genes at the maximum (Joreskog 1967).
    estimator = fit(generated, method="factor_analysis", n_components=1, tol=1e-14)
    assert estimator.mahalanobis(generated).mean() == pytest.approx(5, rel=1e-5)


# ------------------------------------------------------------------ R's corpcor
EXAMPLE = np.array([[3, 1, 1, 0], [1, 3, 0, 1], [1, 0, 2, 0], [0, 1, 0, 2]])
EXACT = np.array(
    [
        [1, 2 / 5, 5 / 130**0.5, -2 / 130**0.5],
        [2 / 5, 1, -2 / 130**0.5, 5 / 130**0.5],
        [5 / 130**0.5, -2 / 130**0.5, 1, 1 / 13],
        [-2 / 130**0.5, 5 / 130**0.5, 1 / 13, 1],
    ]
)


@pytest.mark.parametrize("of_correlations", [False, True])
def test_partial_correlations_of_the_example_of_cor2pcor(of_correlations):
    deviation = np.sqrt(EXAMPLE.diagonal()) if of_correlations else np.ones(4)
    estimator = hold(EXAMPLE / np.outer(deviation, deviation))
    assert_allclose(estimator.partial_correlation_.toarray(), EXACT, atol=1e-14)


@pytest.fixture(scope="module")
def small_n_large_p():
    """Return 20 samples of 100 genes with a random covariance, as in cov.shrink."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 100)) @ rng.normal(size=(100, 100))


def test_shrinkage_makes_a_covariance_definite_and_well_conditioned(small_n_large_p):
    values = np.linalg.eigvalsh(np.cov(small_n_large_p, rowvar=False))
    assert values[0] < 1e-10 * values[-1]
    estimator = fit(small_n_large_p)
    assert estimator.condition_number_ < 100
    assert np.linalg.eigvalsh(dense(estimator))[0] > 0


def test_shrinkage_brings_a_covariance_nearer_to_the_truth(small_n_large_p):
    mixing = np.random.default_rng(0)
    mixing.normal(size=(20, 100))  # the samples come first in the fixture
    truth = mixing.normal(size=(100, 100))
    truth = truth.T @ truth
    empirical = np.square(np.cov(small_n_large_p, rowvar=False) - truth).sum()
    assert np.square(dense(fit(small_n_large_p)) - truth).sum() < 0.5 * empirical


@pytest.mark.parametrize("shrinkage", ["auto", 0.2])
def test_partial_correlations_come_from_the_shrunken_correlations(
    small_n_large_p, shrinkage
):
    estimator = fit(small_n_large_p, shrinkage=shrinkage)
    correlation = np.corrcoef(small_n_large_p, rowvar=False)
    correlation *= 1 - estimator.shrinkage_
    np.fill_diagonal(correlation, 1.0)
    precision = np.linalg.inv(correlation)
    expected = -precision / np.sqrt(
        np.outer(precision.diagonal(), precision.diagonal())
    )
    np.fill_diagonal(expected, 1.0)
    assert_allclose(estimator.partial_correlation_, expected, atol=1e-12)


# Longley's table, in corpcor's example of mvr.shrink, as published with certified
# results in the Statistical Reference Datasets of NIST: employment, then its six
# predictors (deflator, product, unemployed, armed forces, population, year).
LONGLEY = np.array(
    [
        [60323, 83.0, 234289, 2356, 1590, 107608, 1947],
        [61122, 88.5, 259426, 2325, 1456, 108632, 1948],
        [60171, 88.2, 258054, 3682, 1616, 109773, 1949],
        [61187, 89.5, 284599, 3351, 1650, 110929, 1950],
        [63221, 96.2, 328975, 2099, 3099, 112075, 1951],
        [63639, 98.1, 346999, 1932, 3594, 113270, 1952],
        [64989, 99.0, 365385, 1870, 3547, 115094, 1953],
        [63761, 100.0, 363112, 3578, 3350, 116219, 1954],
        [66019, 101.2, 397469, 2904, 3048, 117388, 1955],
        [67857, 104.6, 419180, 2822, 2857, 118734, 1956],
        [68169, 108.4, 442769, 2936, 2798, 120445, 1957],
        [66513, 110.8, 444546, 4681, 2637, 121950, 1958],
        [68655, 112.6, 482704, 3813, 2552, 123366, 1959],
        [69564, 114.2, 502601, 3931, 2514, 125368, 1960],
        [69331, 115.7, 518173, 4806, 2572, 127852, 1961],
        [70551, 116.9, 554894, 4007, 2827, 130081, 1962],
    ]
)
SLOPES = [
    15.0618722713733,
    -0.0358191792925910,
    -2.02022980381683,
    -1.03322686717359,
    -0.0511041056535807,
    1829.15146461355,
]
ERRORS = [
    84.9149257747669,
    0.0334910077722432,
    0.488399681651699,
    0.214274163161675,
    0.226073200069370,
    455.478499142212,
]


@pytest.fixture(scope="module")
def longley():
    return fit(LONGLEY, shrinkage=0)


def test_without_shrinkage_slopes_are_those_of_least_squares(longley):
    # Units are those of the samples again once shrunken variances are divided out.
    deviation = np.sqrt(longley.covariance_.diagonal()) / LONGLEY.std(axis=0, ddof=1)
    row = np.array(longley.precision_[0]) * deviation
    assert_allclose(-row[1:] / row[0], SLOPES, rtol=1e-8)


def test_without_shrinkage_partial_correlations_are_those_of_t_statistics(longley):
    statistic = np.divide(SLOPES, ERRORS)
    expected = statistic / np.sqrt(np.square(statistic) + 16 - 7)
    assert_allclose(longley.partial_correlation_[0, 1:], expected, rtol=1e-8)


def test_partial_variance_is_what_predictors_leave(longley):
    partial_variance = 1 / longley.precision_.diagonal()[0]
    left = partial_variance / longley.covariance_.diagonal()[0]
    assert 1 - left == pytest.approx(0.995479004577296, rel=1e-10)


@pytest.mark.parametrize("shrinkage", ["auto", 0])
def test_partial_correlations_are_geometric_means_of_slopes(shrinkage):
    estimator = fit(LONGLEY, shrinkage=shrinkage)
    precision = estimator.precision_.toarray()
    slopes = -precision / precision.diagonal()[:, None]
    off = ~np.eye(7, dtype=bool)
    expected = np.sign(slopes) * np.sqrt(np.abs(slopes * slopes.T))
    assert_allclose(estimator.partial_correlation_.toarray()[off], expected[off])
