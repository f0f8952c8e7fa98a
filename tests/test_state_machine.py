"""Changes of estimators in any order, beside a dense model of the same state."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_grn import FactorPrecisionEstimator

N_FEATURES = 5
N_NEW = 3  # samples that are scored
MATRICES = ["covariance_", "precision_", "partial_correlation_"]
LEARNT = [*MATRICES, "location_", "noise_variance_", "activity_std_"]

seeds = st.integers(0, 2**16)
# Fewer than genes, as many, more, and more than three times as many.
whole_tables = st.sampled_from([2, 3, 5, 6, 11, 15, 16, 30])
batches = st.sampled_from([1, 2, 4, 9])
# Equal parts of what genes vary by, next to nothing, nearly all, and all but all.
scales = st.sampled_from([1.0, 1e-6, 30.0, 1e4])


# ------------------------------------------------------------- the naive formulas
class Dense:
    """The samples and pathways that an estimator holds, and what they say."""

    def __init__(self, shrinkage):
        self.shrinkage = shrinkage
        self.samples = np.empty((0, N_FEATURES))
        self.pathways = {}

    def twin(self):
        twin = copy.copy(self)
        twin.pathways = dict(self.pathways)
        return twin

    @property
    def has_covariance(self):
        return len(self.samples) > (1 if self.shrinkage else N_FEATURES)

    @property
    def loadings(self):
        columns = [column for column, _ in self.pathways.values()]
        return np.reshape(columns, (-1, N_FEATURES)).T

    @property
    def variances(self):
        return np.array([variance for _, variance in self.pathways.values()])

    def covariance(self):
        added = (self.loadings * self.variances) @ self.loadings.T
        return naive_covariance(self.samples, self.shrinkage) + added


def naive_covariance(X, shrinkage):
    """Correlations towards 0 and variances towards their median.

    Schafer & Strimmer 2005, eq. 10, and Opgen-Rhein & Strimmer 2007, eq. 8.
    """
    centred, every = X - X.mean(axis=0), np.ones(N_FEATURES, dtype=bool)
    variance = np.var(X, axis=0, ddof=1)
    Z = centred / np.sqrt(variance)
    products = Z[:, :, None] * Z[:, None, :]
    if shrinkage == "auto" and len(X) == 2:
        shrinkage = 1.0  # two samples correlate all genes perfectly
    elif shrinkage == "auto":
        shrinkage = naive_intensity(products, ~np.diag(every), 0.0)
    median = np.median(variance)
    towards = naive_intensity(np.square(centred), every, median)
    variance = towards * median + (1 - towards) * variance
    correlation = (1 - shrinkage) * products.sum(axis=0) / (len(X) - 1)
    np.fill_diagonal(correlation, 1.0)
    return correlation * np.sqrt(np.outer(variance, variance))


def naive_intensity(terms, entries, target):
    """Uncertainty of sums of terms over their squared distance from the target."""
    n_samples = len(terms)
    estimate = terms.sum(axis=0) / (n_samples - 1)
    uncertainty = terms.var(axis=0) * n_samples**2 / (n_samples - 1) ** 3
    distance = np.square(estimate[entries] - target).sum()
    return min(1.0, uncertainty[entries].sum() / distance)


def naive_partial_correlation(precision):
    deviation = np.sqrt(precision.diagonal())
    partial = -precision / np.outer(deviation, deviation)
    np.fill_diagonal(partial, 1.0)
    return partial


def draw_samples(seed, n_samples):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n_samples, 1)) * np.arange(N_FEATURES)
    return shared + rng.normal(size=(n_samples, N_FEATURES)) + 3.0


# ------------------------------------------------------------------ what must agree
def assert_as_dense(estimator, dense):
    """Digits are lost as the condition number of the covariance says, and no more."""
    covariance = dense.covariance()
    deviation = np.sqrt(covariance.diagonal())
    correlation = covariance / np.outer(deviation, deviation)
    precision = np.linalg.inv(correlation) / np.outer(deviation, deviation)
    lost = 1e-13 * np.linalg.cond(correlation)
    for name, expected in zip(
        MATRICES,
        [covariance, precision, naive_partial_correlation(precision)],
        strict=True,
    ):
        scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
        found = np.asarray(getattr(estimator, name)) / scale
        assert_allclose(found, expected / scale, rtol=0, atol=lost, err_msg=name)
    determinant = np.linalg.slogdet(correlation)[1] + 2 * np.log(deviation).sum()
    assert_allclose(estimator.covariance_.logdet(), determinant, rtol=0, atol=lost)
    assert_samples_as_dense(estimator, dense, precision, determinant, lost)


def assert_samples_as_dense(estimator, dense, precision, determinant, lost):
    centred = draw_samples(0, N_NEW) - dense.samples.mean(axis=0)
    squares = np.einsum("ki,ij,kj->k", centred, precision, centred)
    expected = -0.5 * (N_FEATURES * np.log(2 * np.pi) + determinant + squares)
    found = estimator.score_samples(draw_samples(0, N_NEW))
    assert_allclose(found, expected, rtol=max(lost, 1e-11))
    weights = dense.variances[:, None] * (dense.loadings.T @ precision)
    size = np.abs(weights) @ np.abs(centred.T)
    found = estimator.activities(draw_samples(0, N_NEW))
    assert_allclose(
        found, (weights @ centred.T).T, rtol=0, atol=lost * size.max(initial=1)
    )


def bits(estimator):
    """All numbers that an estimator gives, as bytes."""
    if not hasattr(estimator, "covariance_"):
        return ()
    learnt = [np.asarray(getattr(estimator, name)).tobytes() for name in LEARNT]
    names = tuple(estimator.pathway_names_)
    return (*learnt, estimator.pathway_loadings_.tobytes(), names)


# ---------------------------------------------------------------------- the machine
class Histories(RuleBasedStateMachine):
    """Estimators go on from any point, and none sees what others do."""

    pairs = Bundle("pairs")

    def __init__(self):
        super().__init__()
        self.seen = []  # every pair, and the bits when it was last changed
        self.n_named = 0

    def enter(self, estimator, dense):
        self.seen.append([estimator, dense, bits(estimator)])
        return len(self.seen) - 1

    def changed(self, number):
        """Compare with the dense model, once, and remember the bits."""
        estimator, dense, _ = self.seen[number]
        if dense.has_covariance:
            assert_as_dense(estimator, dense)
            assert_allclose(estimator.location_, dense.samples.mean(axis=0))
            assert estimator.n_samples_seen_ == len(dense.samples)
            assert estimator.pathway_names_.tolist() == list(dense.pathways)
            assert_array_equal(estimator.pathway_loadings_, dense.loadings)
            assert_array_equal(estimator.activity_variance_, dense.variances)
        else:
            with pytest.raises(NotFittedError):
                estimator.score(draw_samples(0, N_NEW))
        self.seen[number][2] = bits(estimator)

    @invariant()
    def none_has_changed_beside(self):
        for estimator, _, expected in self.seen:
            assert bits(estimator) == expected

    @initialize(target=pairs, shrinkage=st.sampled_from(["auto", 0.0, 0.2, 1.0]))
    def begin(self, shrinkage):
        estimator = FactorPrecisionEstimator(shrinkage=shrinkage)
        return self.enter(estimator, Dense(shrinkage))

    @rule(number=pairs, seed=seeds, n_samples=whole_tables)
    def fit(self, number, seed, n_samples):
        estimator, dense, _ = self.seen[number]
        X = draw_samples(seed, n_samples)
        if n_samples <= N_FEATURES and dense.shrinkage == 0:
            with pytest.raises(ValueError, match="shrinkage 0"):
                estimator.fit(X)
            return
        estimator.fit(X)
        dense.samples, dense.pathways = X, {}
        self.changed(number)

    @rule(number=pairs, seed=seeds, n_samples=batches)
    def partial_fit(self, number, seed, n_samples):
        estimator, dense, _ = self.seen[number]
        X = draw_samples(seed, n_samples)
        estimator.partial_fit(X)
        dense.samples = np.concatenate([dense.samples, X])
        self.changed(number)

    @rule(
        number=pairs,
        seed=seeds,
        n_pathways=st.integers(1, 3),
        scale=scales,
        variance=st.sampled_from([1.0, 0.0, 0.3]),
        again=st.booleans(),
    )
    def partial_fit_pathways(self, number, seed, n_pathways, scale, variance, again):
        estimator, dense, _ = self.seen[number]
        columns = np.random.default_rng(seed).normal(size=(n_pathways, N_FEATURES))
        columns *= scale
        if again and dense.pathways:  # nearly one that is there
            columns[0] *= 1e-3
            columns[0] += dense.loadings[:, 0]
        names = [f"set{self.n_named + k}" for k in range(n_pathways)]
        if not dense.has_covariance:
            with pytest.raises(NotFittedError):
                estimator.partial_fit_pathways(columns.T, names, variance)
            return
        estimator.partial_fit_pathways(columns.T, names, variance)
        self.n_named += n_pathways
        dense.pathways |= {
            name: (column, variance)
            for name, column in zip(names, columns, strict=True)
        }
        self.changed(number)

    @rule(number=pairs, data=st.data())
    def remove_pathways(self, number, data):
        estimator, dense, _ = self.seen[number]
        if not dense.pathways:
            return
        names = data.draw(st.sets(st.sampled_from(sorted(dense.pathways)), min_size=1))
        estimator.remove_pathways(names)
        for name in names:
            del dense.pathways[name]
        self.changed(number)

    @rule(target=pairs, number=pairs)
    def clone(self, number):
        estimator, dense, _ = self.seen[number]
        return self.enter(clone(estimator), Dense(dense.shrinkage))

    @rule(
        target=pairs,
        number=pairs,
        how=st.sampled_from(
            [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]
        ),
    )
    def copy(self, number, how):
        estimator, dense, expected = self.seen[number]
        copied = how(estimator)
        assert bits(copied) == expected
        return self.enter(copied, dense.twin())


def test_any_history_is_the_dense_model():
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=30, stateful_step_count=40)
    )
