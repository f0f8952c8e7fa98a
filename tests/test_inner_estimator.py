"""What is found inside wrappers, and the precision read off any estimator."""

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.covariance import (
    EmpiricalCovariance,
    GraphicalLasso,
    GraphicalLassoCV,
    LedoitWolf,
    ShrunkCovariance,
)
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_grn import FactorPrecisionEstimator, NetworkEdgeSelector
from sklearn_grn._inner_estimator import (
    as_pairs,
    as_samples,
    as_seen_by_last_step,
    find_covariance,
    find_precision,
    gene_names,
    last_step,
    n_linked,
    partial_correlations,
    rows_of,
    takes_a_covariance,
    with_last_step,
)
from sklearn_grn._pair_tiles import DenseEntries, RowProducts

GENES = [f"gene{i}" for i in range(6)]
RNG = np.random.default_rng(0)
SAMPLES = RNG.normal(size=(40, 6)) @ RNG.normal(size=(6, 6)) + 3.0
FRAME = pd.DataFrame(SAMPLES, columns=GENES)


def logarithm():
    return FunctionTransformer(np.cbrt, feature_names_out="one-to-one")


def in_a_pipeline(last):
    return make_pipeline(StandardScaler(), last)


def in_two_pipelines(last):
    return make_pipeline(logarithm(), make_pipeline(StandardScaler(), last))


def in_a_pipeline_of_one(last):
    return Pipeline([("only", last)])


def frozen(last):
    return FrozenEstimator(in_a_pipeline(last).fit(SAMPLES))


def frozen_twice(last):
    return FrozenEstimator(FrozenEstimator(last.fit(SAMPLES)))


def in_a_search(last):
    return GridSearchCV(in_a_pipeline(last), {"standardscaler__with_std": [True]}, cv=2)


def as_it_is(last):
    return last


WRAPPERS = [
    as_it_is,
    in_a_pipeline,
    in_two_pipelines,
    in_a_pipeline_of_one,
    frozen,
    frozen_twice,
    in_a_search,
]
on_wrappers = pytest.mark.parametrize("wrap", WRAPPERS)


def scaled(table):
    return (table - table.mean(axis=0)) / table.std(axis=0)


SEEN = {
    as_it_is: SAMPLES,
    in_a_pipeline: scaled(SAMPLES),
    in_two_pipelines: scaled(np.cbrt(SAMPLES)),
    in_a_pipeline_of_one: SAMPLES,
    frozen: scaled(SAMPLES),
    frozen_twice: SAMPLES,
    in_a_search: scaled(SAMPLES),
}


def dense_partial_correlation(precision):
    scale = np.sqrt(precision.diagonal())
    correlation = -precision / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1)
    return correlation


# ---------------------------------------------------------------------------- wrappers
@on_wrappers
def test_last_step_is_what_holds_the_precision(wrap):
    inside = last_step(wrap(FactorPrecisionEstimator()).fit(SAMPLES, None))
    assert isinstance(inside, FactorPrecisionEstimator)
    expected = FactorPrecisionEstimator().fit(SEEN[wrap]).precision_
    assert_allclose(inside.precision_, expected, rtol=1e-9, atol=1e-12)


@on_wrappers
def test_samples_as_the_last_step_sees_them(wrap):
    fitted = wrap(FactorPrecisionEstimator()).fit(SAMPLES, None)
    assert_allclose(as_seen_by_last_step(fitted, SAMPLES), SEEN[wrap])


@on_wrappers
def test_another_last_step_in_the_same_wrapper(wrap):
    fitted, other = wrap(FactorPrecisionEstimator()).fit(SAMPLES, None), LedoitWolf()
    changed = with_last_step(fitted, other)
    assert last_step(changed) is other
    assert type(changed) is (LedoitWolf if wrap is as_it_is else type(fitted))


@on_wrappers
def test_another_last_step_leaves_the_original_as_it_was(wrap):
    fitted = wrap(FactorPrecisionEstimator()).fit(SAMPLES, None)
    before = joblib.hash(fitted)
    with_last_step(fitted, LedoitWolf())
    assert joblib.hash(fitted) == before


def test_another_last_step_keeps_the_steps_before_it():
    fitted = in_two_pipelines(FactorPrecisionEstimator()).fit(SAMPLES)
    changed = with_last_step(fitted, LedoitWolf())
    seen = as_seen_by_last_step(changed, SAMPLES)
    assert_array_equal(seen, as_seen_by_last_step(fitted, SAMPLES))


def test_a_search_that_is_not_finished_is_not_opened():
    search = GridSearchCV(LedoitWolf(), {"assume_centered": [True]})
    assert last_step(search) is search


# ------------------------------------------------------------- precisions of all kinds
class OnlyGetPrecision(BaseEstimator):
    def fit(self, X, y=None):
        self._precision = np.linalg.inv(np.cov(X.T))
        return self

    def get_precision(self):
        return self._precision


class GivenPrecision(BaseEstimator):
    def __init__(self, precision_):
        self.precision_ = precision_


ESTIMATORS = [
    FactorPrecisionEstimator(),
    FactorPrecisionEstimator(2),
    EmpiricalCovariance(),
    LedoitWolf(),
    LedoitWolf(store_precision=False),
    ShrunkCovariance(),
    GraphicalLasso(0.2),
    GraphicalLassoCV(alphas=[0.1, 0.3], cv=2),
    OnlyGetPrecision(),
]
on_estimators = pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)


@on_estimators
def test_partial_correlations_are_those_of_the_dense_precision(estimator):
    fitted = estimator.fit(scaled(SAMPLES))
    found = np.asarray(partial_correlations(fitted, 6))
    expected = dense_partial_correlation(np.asarray(find_precision(fitted)))
    assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


@on_estimators
def test_the_covariance_is_the_inverse_of_the_precision(estimator):
    fitted = estimator.fit(scaled(SAMPLES))
    product = np.asarray(find_covariance(fitted)) @ np.asarray(find_precision(fitted))
    # The graphical lasso stops before its two matrices are inverses to the last digit.
    assert_allclose(product, np.eye(6), atol=0.01)


@on_estimators
def test_pairs_have_the_values_of_the_matrix(estimator):
    correlation = partial_correlations(estimator.fit(scaled(SAMPLES)), 6)
    i, j = np.triu_indices(6, 1)
    found = as_pairs(correlation).measure(i, j)
    assert_allclose(found, np.asarray(correlation)[i, j], rtol=1e-12, atol=1e-14)


def test_factors_stay_factors():
    correlation = partial_correlations(FactorPrecisionEstimator().fit(SAMPLES), 6)
    assert isinstance(as_pairs(correlation), RowProducts)
    rows = rows_of(correlation)
    off = ~np.eye(6, dtype=bool)
    assert_allclose((rows @ rows.T)[off], correlation.toarray()[off], rtol=1e-12)


def test_a_dense_precision_stays_dense():
    correlation = partial_correlations(LedoitWolf().fit(SAMPLES), 6)
    assert isinstance(as_pairs(correlation), DenseEntries)


def test_rows_are_float64_of_a_float32_model():
    fitted = FactorPrecisionEstimator().fit(SAMPLES.astype(np.float32))
    assert rows_of(partial_correlations(fitted, 6)).dtype == np.float64


def test_a_precision_that_is_not_quite_symmetric_is_made_so():
    precision = np.array([[4.0, 1.0], [1.5, 1.0]])
    found = partial_correlations(GivenPrecision(precision), 2)
    assert_array_equal(found, [[1, -0.625], [-0.625, 1]])


def test_the_precision_of_the_estimator_is_not_written_to():
    fitted = LedoitWolf().fit(SAMPLES)
    before = fitted.precision_.copy()
    partial_correlations(fitted, 6)
    assert_array_equal(fitted.precision_, before)


@pytest.mark.parametrize("n_samples", [5, 40])
def test_genes_that_vary_are_counted(n_samples):
    table = SAMPLES[:n_samples].copy()
    table[:, [1, 4]] = 7.0
    with pytest.warns(UserWarning, match="2 of the 6 genes do not vary"):
        fitted = FactorPrecisionEstimator().fit(table)
    assert n_linked(partial_correlations(fitted, 6)) == 4


# --------------------------------------------------------------------- what is not one
def test_an_estimator_without_a_precision():
    with pytest.raises(TypeError, match="Scaler has neither precision_ nor get_prec"):
        find_precision(StandardScaler().fit(SAMPLES))


@pytest.mark.parametrize("shape", [(5, 5), (7, 7), (6, 5), (6,)])
def test_a_precision_of_another_shape(shape):
    with pytest.raises(ValueError, match="there are 6 genes"):
        partial_correlations(GivenPrecision(np.ones(shape)), 6)


def test_steps_that_do_not_keep_the_genes():
    selector = NetworkEdgeSelector(make_pipeline(PCA(3), LedoitWolf()), threshold=0.1)
    with pytest.raises(ValueError, match=r"the shape \(3, 3\), and there are 6 genes"):
        selector.fit(SAMPLES)


@pytest.mark.parametrize("entry", [0.0, -2.0])
def test_a_diagonal_that_is_not_positive(entry):
    precision = np.diag([1.0, entry, 2.0])
    with pytest.raises(ValueError, match=f"a diagonal entry of {entry:.3g}"):
        partial_correlations(GivenPrecision(precision), 3)


@pytest.mark.parametrize("entry", [np.inf, np.nan])
def test_a_precision_that_is_not_finite(entry):
    precision = np.array([[1.0, entry], [entry, 1.0]])
    with pytest.raises(ValueError, match="2 entries that are not finite"):
        partial_correlations(GivenPrecision(precision), 2)


# --------------------------------------------------------------------------- the others
@pytest.mark.parametrize(
    ("estimator", "answer"),
    [
        (FactorPrecisionEstimator(method="precomputed"), True),
        (FactorPrecisionEstimator(method="factor_analysis"), False),
        (GraphicalLasso(covariance="precomputed"), True),
        (GraphicalLasso(), False),
        (LedoitWolf(), False),
    ],
    ids=str,
)
def test_who_is_fitted_to_a_covariance(estimator, answer):
    assert takes_a_covariance(estimator) is answer


@pytest.mark.parametrize("table", [FRAME, SAMPLES], ids=["names", "none"])
def test_gene_names(table):
    expected = GENES if table is FRAME else [f"x{i}" for i in range(6)]
    assert gene_names(LedoitWolf().fit(table)).tolist() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_samples_are_floats(dtype):
    expected = np.float32 if dtype is np.float32 else np.float64
    assert as_samples(SAMPLES.astype(dtype)).dtype == expected


def test_samples_are_finite():
    with pytest.raises(ValueError, match="contains NaN"):
        as_samples(FRAME.where(FRAME < 3))
