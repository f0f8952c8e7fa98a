"""Factor analysis against scikit-learn's and against its own likelihood equations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import ConvergenceWarning

from sklearn_grn import FactorPrecisionEstimator


def simulate(n_samples, n_features, n_factors, seed=0):
    rng = np.random.default_rng(seed)
    loadings = 0.5 * rng.normal(size=(n_factors, n_features))
    noise = rng.uniform(0.3, 1.0, n_features)
    factors = rng.normal(size=(n_samples, n_factors))
    return factors @ loadings + noise * rng.normal(size=(n_samples, n_features)) + 3.0


def fit(samples, n_components="auto", **parameters):
    estimator = FactorPrecisionEstimator(
        n_components, method="factor_analysis", **parameters
    )
    return estimator.fit(samples)


SHAPES = [(300, 20, 2), (60, 150, 3), (41, 40, 3), (40, 40, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_likelihood_is_at_least_that_of_scikit_learn(shape):
    samples = simulate(*shape)
    theirs = FactorAnalysis(shape[2], svd_method="lapack").fit(samples)
    assert fit(samples, shape[2]).score(samples) >= theirs.score(samples)


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_covariance_is_that_of_scikit_learn_at_convergence(shape):
    samples = simulate(*shape)
    theirs = FactorAnalysis(
        shape[2], svd_method="lapack", tol=1e-10, max_iter=10_000
    ).fit(samples)
    ours = fit(samples, shape[2], tol=1e-13).covariance_.toarray()
    assert_allclose(ours, theirs.get_covariance(), atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_likelihood_equations_hold(shape):
    # diag(Sigma^-1 (Sigma - S) Sigma^-1) = 0 at the maximum (Joreskog 1967).
    samples = simulate(*shape)
    estimator = fit(samples, shape[2], tol=1e-13)
    precision = estimator.precision_.toarray()
    covariance = np.cov(samples.T, bias=True)
    gradient = np.diag(precision - precision @ covariance @ precision)
    assert_allclose(gradient, 0, atol=1e-3)


def test_variances_of_the_samples_are_kept():
    samples = simulate(80, 30, 3)
    covariance = fit(samples, 3).covariance_
    assert_allclose(covariance.diagonal(), samples.var(axis=0), rtol=1e-12)


def test_loglike_is_that_of_the_samples_and_rises():
    samples = simulate(60, 50, 3)
    estimator = fit(samples, 3)
    assert len(estimator.loglike_) == estimator.n_iter_ >= 1
    assert np.all(np.diff(estimator.loglike_) >= 0)
    total = estimator.score_samples(samples).sum()
    assert estimator.loglike_[-1] == pytest.approx(total, rel=1e-7)


@pytest.mark.parametrize(("n_samples", "n_features"), [(100, 200), (300, 30)])
def test_number_of_factors_is_found(n_samples, n_features):
    assert fit(simulate(n_samples, n_features, 4)).n_components_ == 4


def test_no_factor_in_noise():
    noise = np.random.default_rng(0).normal(size=(60, 40))
    estimator = fit(noise)
    assert estimator.n_components_ == 0
    assert_allclose(estimator.covariance_.toarray(), np.diag(noise.var(axis=0)))


def test_none_chooses_as_auto_does():
    samples = simulate(60, 50, 2)
    assert fit(samples, None).n_components_ == fit(samples, "auto").n_components_


def test_auto_is_refused_where_there_are_no_factors():
    with pytest.raises(ValueError, match="needs method='factor_analysis'"):
        FactorPrecisionEstimator("auto").fit(simulate(20, 5, 1))


def test_more_factors_than_the_data_hold_are_clipped():
    with pytest.warns(UserWarning, match="Heywood"):
        assert fit(simulate(10, 30, 2), 50).n_components_ == 8


def test_heywood_case_is_bounded_and_named():
    samples = simulate(400, 6, 1)
    samples[:, 2] = samples[:, 3]
    with pytest.warns(UserWarning, match=r"of the 6 genes are Heywood cases"):
        estimator = fit(samples, 2)
    assert estimator.noise_variance_.min() > 0
    assert np.isfinite(estimator.score(samples))


def test_stopping_early_warns():
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        estimator = fit(simulate(60, 50, 3), 3, max_iter=1)
    assert estimator.n_iter_ == 1


def test_constant_gene_is_isolated():
    samples = simulate(60, 20, 2)
    samples[:, 5] = 7.0
    with pytest.warns(UserWarning, match="do not vary"):
        estimator = fit(samples, 2)
    assert_allclose(np.delete(estimator.partial_correlation_[5], 5), 0)
    assert estimator.noise_variance_[5] == np.delete(estimator.noise_variance_, 5).min()


@pytest.mark.parametrize("unit", [2.0**300, 2.0**-300])
def test_units_change_nothing(unit):
    samples = simulate(60, 30, 2)
    plain, scaled = fit(samples, 2), fit(unit * samples, 2)
    assert_allclose(scaled.partial_correlation_, plain.partial_correlation_, atol=1e-9)
    expected = plain.score(samples) - 30 * np.log(unit)
    assert scaled.score(unit * samples) == pytest.approx(expected)
    shift = 60 * 30 * np.log(unit)
    assert scaled.loglike_[-1] == pytest.approx(plain.loglike_[-1] - shift)


def test_float32_stays_float32():
    samples = simulate(60, 30, 2)
    estimator = fit(samples.astype(np.float32), 2)
    assert estimator.components_.dtype == np.float32
    expected = fit(samples, 2).covariance_.toarray()
    assert_allclose(estimator.covariance_.toarray(), expected, atol=1e-3)


def test_permutation_of_genes_permutes_the_result():
    samples, order = simulate(60, 30, 2), np.random.default_rng(1).permutation(30)
    ours = fit(samples[:, order], 2).partial_correlation_.toarray()
    assert_allclose(
        ours, fit(samples, 2).partial_correlation_[np.ix_(order, order)], atol=1e-6
    )


def test_pathways_are_added_and_taken_back():
    samples = simulate(60, 30, 2)
    estimator = fit(samples, 2)
    before = estimator.precision_.toarray()
    loadings = 0.3 * np.random.default_rng(2).normal(size=(30, 3))
    estimator.partial_fit_pathways(loadings)
    dense = np.linalg.inv(np.linalg.inv(before) + loadings @ loadings.T)
    assert_allclose(estimator.precision_.toarray(), dense, atol=1e-9)
    estimator.remove_pathways(["pathway0", "pathway1", "pathway2"])
    assert np.array_equal(estimator.precision_.toarray(), before)


def test_refit_with_another_method_leaves_nothing_behind():
    samples = simulate(60, 30, 2)
    estimator = fit(samples, 2).set_params(method="shrinkage").fit(samples)
    assert not hasattr(estimator, "loglike_")
    assert hasattr(estimator, "shrinkage_")


def test_nothing_quadratic_is_allocated(allocation_peak):
    samples = simulate(40, 3000, 2)
    with allocation_peak() as peak:
        fit(samples, 2)
    assert peak() < 0.3 * 3000**2 * 8
