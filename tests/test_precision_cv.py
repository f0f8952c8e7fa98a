"""FactorPrecisionEstimatorCV against a grid search over the same intensities."""

import pickle
from contextlib import contextmanager

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_grn import (
    FactorPrecisionEstimator,
    FactorPrecisionEstimatorCV,
    NetworkEdgeSelector,
)
from sklearn_grn.datasets import load_leukemia, make_sparse_network

FRAME = make_sparse_network(60, 40, as_frame=True, random_state=1).data
SAMPLES, GENES = FRAME.to_numpy(), list(FRAME)
GRID = [0.05, 0.1, 0.2, 0.4, 0.8, 1.0]
PATHWAYS = pd.DataFrame(
    np.random.default_rng(0).normal(size=(40, 2)), GENES, ["p53", "hypoxia"]
)
MATRICES = ["covariance_", "precision_", "partial_correlation_"]


@pytest.fixture(scope="module")
def fitted():
    return FactorPrecisionEstimatorCV(GRID).fit(FRAME)


@contextmanager
def left_as_it_was(estimator, error, message=None):
    before = joblib.hash(estimator)
    with pytest.raises(error, match=message):
        yield
    assert joblib.hash(estimator) == before


def same_results(one, other):
    return joblib.hash(one.cv_results_) == joblib.hash(other.cv_results_)


# -------------------------------------------------------------- equal to a grid search
SPLITS = {
    "default": None,
    "three": 3,
    "few to train on": [(np.arange(9), np.arange(9, 60))],
    "random": ShuffleSplit(4, random_state=0),
    "one held out": [(np.arange(59), np.array([59]))],
}


@pytest.mark.parametrize("cv", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("pathways", [None, PATHWAYS], ids=["alone", "pathways"])
@pytest.mark.parametrize("assume_centered", [False, True])
@pytest.mark.filterwarnings("ignore:the best shrinkage is the smallest")
def test_scores_are_those_of_a_search(cv, pathways, assume_centered):
    given = {"pathways": pathways, "assume_centered": assume_centered}
    estimator = FactorPrecisionEstimatorCV(GRID, cv=cv, **given).fit(FRAME)
    search = GridSearchCV(
        FactorPrecisionEstimator(**given), {"shrinkage": GRID}, cv=cv
    ).fit(FRAME)
    found, expected = estimator.cv_results_, search.cv_results_
    names = [name for name in found if name != "shrinkages"]
    assert len(names) == search.n_splits_ + 2
    for name in names:
        # Spreads are differences of scores.
        atol = 1e-9 * np.abs(expected["mean_test_score"]).max()
        assert_allclose(found[name], expected[name], rtol=1e-9, atol=atol)
    assert estimator.shrinkage_ == search.best_params_["shrinkage"]


def test_it_is_the_estimator_of_all_samples_at_the_best_intensity(fitted):
    alone = FactorPrecisionEstimator(shrinkage=fitted.shrinkage_).fit(FRAME)
    for name in MATRICES:
        found, expected = getattr(fitted, name), getattr(alone, name)
        assert_array_equal(found.toarray(), expected.toarray())
    assert fitted.variance_shrinkage_ == alone.variance_shrinkage_
    assert fitted.score(FRAME) == alone.score(FRAME)
    assert fitted.n_samples_seen_ == 60
    assert fitted.feature_names_in_.tolist() == GENES


def test_the_best_has_the_largest_mean(fitted):
    means = fitted.cv_results_["mean_test_score"]
    assert 0 < means.argmax() < len(GRID) - 1
    assert fitted.shrinkage_ == GRID[means.argmax()]


def test_of_intensities_that_tie_the_largest_is_chosen():
    table = SAMPLES[:, :1]  # one gene has no correlation to shrink
    estimator = FactorPrecisionEstimatorCV([0.2, 0.5, 0.7]).fit(table)
    means = estimator.cv_results_["mean_test_score"]
    assert_allclose(means, means[0], rtol=1e-13)
    assert estimator.shrinkage_ == 0.7


def test_all_pathways_are_there(fitted):
    estimator = FactorPrecisionEstimatorCV(GRID, pathways=PATHWAYS).fit(FRAME)
    assert estimator.pathway_names_.tolist() == ["p53", "hypoxia"]
    assert estimator.activities(FRAME).shape == (60, 2)
    estimator.remove_pathways(["p53", "hypoxia"])
    assert_array_equal(
        estimator.precision_.toarray(),
        clone(fitted)
        .set_params(shrinkages=[estimator.shrinkage_])
        .fit(FRAME)
        .precision_.toarray(),
    )


def test_genes_that_pathways_know_and_the_table_does_not_are_told_once():
    known = PATHWAYS.rename(index={GENES[0]: "elsewhere"})
    with pytest.warns(UserWarning, match="1 of the 40 genes") as caught:
        FactorPrecisionEstimatorCV(GRID, pathways=known).fit(FRAME)
    assert len(caught) == 1


def test_pathways_come_afterwards_too(fitted):
    grown = pickle.loads(pickle.dumps(fitted)).partial_fit_pathways(PATHWAYS)
    alone = FactorPrecisionEstimator(shrinkage=fitted.shrinkage_, pathways=PATHWAYS)
    expected = alone.fit(FRAME).precision_.toarray()
    assert_allclose(grown.precision_.toarray(), expected, atol=1e-12)


# -------------------------------------------------------------------- the grid
def test_the_grid_is_squares_of_equal_steps():
    shrinkages = FactorPrecisionEstimatorCV(4).fit(FRAME).cv_results_["shrinkages"]
    assert_allclose(shrinkages, [1 / 16, 1 / 4, 9 / 16, 1])


def test_the_order_of_intensities_does_not_matter(fitted):
    assert same_results(
        FactorPrecisionEstimatorCV([*GRID[::-1], 0.1]).fit(FRAME), fitted
    )


def test_intensity_0_where_folds_have_more_samples_than_genes():
    tall = SAMPLES[:, :10]
    estimator = FactorPrecisionEstimatorCV([0.0, 0.5]).fit(tall)
    search = GridSearchCV(FactorPrecisionEstimator(), {"shrinkage": [0.0, 0.5]})
    expected = search.fit(tall).cv_results_["mean_test_score"]
    assert_allclose(estimator.cv_results_["mean_test_score"], expected, rtol=1e-9)


def test_intensity_0_is_refused_where_a_fold_has_few_samples(fitted):
    estimator = pickle.loads(pickle.dumps(fitted)).set_params(shrinkages=[0, 0.5], cv=2)
    with left_as_it_was(estimator, ValueError, "Leave 0 out"):
        estimator.fit(FRAME)


BAD_GRIDS = {
    "none": ([], "at least one"),
    "negative": ([-0.1, 0.2], "numbers from 0 to 1"),
    "above 1": ([0.1, 1.1], "numbers from 0 to 1"),
    "NaN": ([0.1, np.nan], "numbers from 0 to 1"),
    "words": (["auto"], "numbers from 0 to 1"),
    "zero of them": (0, "The 'shrinkages' parameter"),
    "a number that is no count": (0.1, "The 'shrinkages' parameter"),
}


@pytest.mark.parametrize(("grid", "message"), BAD_GRIDS.values(), ids=BAD_GRIDS)
def test_a_bad_grid_leaves_the_estimator_as_it_was(fitted, grid, message):
    estimator = pickle.loads(pickle.dumps(fitted)).set_params(shrinkages=grid)
    with left_as_it_was(estimator, ValueError, message):
        estimator.fit(FRAME)


def test_an_optimum_at_the_smallest_intensity_is_warned_of():
    with pytest.warns(UserWarning, match=r"best shrinkage is the smallest, 0.9;"):
        FactorPrecisionEstimatorCV([0.9, 1.0]).fit(FRAME)


def test_a_single_intensity_is_not_warned_of():
    assert FactorPrecisionEstimatorCV([0.1]).fit(FRAME).shrinkage_ == 0.1


def test_independent_genes_are_not_linked():
    table = np.random.default_rng(0).normal(size=(60, 150))
    assert FactorPrecisionEstimatorCV().fit(table).shrinkage_ == 1.0


def test_the_leukaemia_table_has_its_optimum_inside_and_beats_the_analytic_one():
    table = load_leukemia().data
    folds = KFold(5, shuffle=True, random_state=0)
    estimator = FactorPrecisionEstimatorCV(cv=folds).fit(table)
    analytic = [
        FactorPrecisionEstimator().fit(table[train]).score(table[test])
        for train, test in folds.split(table)
    ]
    means = estimator.cv_results_["mean_test_score"]
    assert 0 < means.argmax() < len(means) - 1
    assert means.max() > np.mean(analytic)


# --------------------------------------------------------------- folds, workers, tables
def test_groups_stay_together():
    groups = np.repeat(np.arange(12), 5)
    estimator = FactorPrecisionEstimatorCV(GRID, cv=GroupKFold(4))
    estimator.fit(FRAME, groups=groups)
    folds = list(GroupKFold(4).split(FRAME, groups=groups))
    assert same_results(
        estimator, FactorPrecisionEstimatorCV(GRID, cv=folds).fit(FRAME)
    )


def test_groups_that_are_lacking_are_asked_for(fitted):
    estimator = pickle.loads(pickle.dumps(fitted)).set_params(cv=GroupKFold(4))
    with left_as_it_was(estimator, ValueError, "groups"):
        estimator.fit(FRAME)


def test_classes_reach_the_splitter():
    y = np.arange(60) % 7 == 0
    estimator = FactorPrecisionEstimatorCV(GRID, cv=StratifiedKFold(4)).fit(FRAME, y)
    folds = list(StratifiedKFold(4).split(FRAME, y))
    assert same_results(
        estimator, FactorPrecisionEstimatorCV(GRID, cv=folds).fit(FRAME)
    )


def test_two_workers_find_what_one_finds(fitted):
    two = FactorPrecisionEstimatorCV(GRID, n_jobs=2).fit(FRAME)
    assert same_results(two, fitted)


@pytest.mark.parametrize("fold", [([0], [1, 2]), ([0, 1], [])])
def test_folds_with_too_few_samples_are_refused(fitted, fold):
    estimator = pickle.loads(pickle.dumps(fitted))
    estimator.set_params(cv=[tuple(np.array(part, dtype=int) for part in fold)])
    with left_as_it_was(estimator, ValueError, "two and one are needed"):
        estimator.fit(FRAME)


def test_polars_gives_what_pandas_gives(fitted):
    frame = pl.DataFrame({name: FRAME[name].to_numpy() for name in GENES})
    other = clone(fitted).fit(frame)
    for name, values in fitted.cv_results_.items():
        assert_allclose(other.cv_results_[name], values, rtol=1e-9)
    assert other.feature_names_in_.tolist() == GENES


def test_float32_stays_float32():
    estimator = FactorPrecisionEstimatorCV(GRID).fit(FRAME.astype(np.float32))
    assert estimator.precision_.dtype == np.float32
    assert estimator.cv_results_["mean_test_score"].dtype == np.float64


@pytest.mark.parametrize("shape", [(60, 40), (60, 12)])
def test_sparse_tables_give_what_dense_ones_give(shape):
    counts = np.log1p(np.random.default_rng(0).poisson(0.7, size=shape).astype(float))
    dense = FactorPrecisionEstimatorCV(GRID).fit(counts)
    other = FactorPrecisionEstimatorCV(GRID).fit(sparse.csr_array(counts))
    for name, values in dense.cv_results_.items():
        assert_allclose(other.cv_results_[name], values, rtol=1e-9)
    assert other.shrinkage_ == dense.shrinkage_


def test_a_table_without_names_forgets_those_of_the_last(fitted):
    again = pickle.loads(pickle.dumps(fitted)).fit(SAMPLES)
    assert not hasattr(again, "feature_names_in_")


def test_pathways_are_not_aligned_by_names_of_the_last_table():
    loadings = pd.DataFrame(np.eye(40)[:, :2], columns=["p53", "hypoxia"])
    anew = FactorPrecisionEstimatorCV(GRID, pathways=loadings)
    again = FactorPrecisionEstimatorCV(GRID).fit(FRAME).set_params(pathways=loadings)
    assert same_results(again.fit(SAMPLES), anew.fit(SAMPLES))


def test_inside_a_pipeline_and_a_selector():
    inside = make_pipeline(StandardScaler(), FactorPrecisionEstimatorCV(GRID))
    selector = NetworkEdgeSelector(inside, max_edges=20, threshold=0).fit(FRAME)
    assert len(selector.edges_) == 20


# ---------------------------------------------------------------- as other estimators
def test_samples_cannot_arrive_in_parts(fitted):
    assert not hasattr(fitted, "partial_fit")


def test_clone_and_pickle(fitted):
    assert not hasattr(clone(fitted), "precision_")
    assert clone(fitted).get_params() == fitted.get_params()
    again = pickle.loads(pickle.dumps(fitted))
    assert joblib.hash(again) == joblib.hash(fitted)


def test_parameters_are_its_own():
    names = ["assume_centered", "cv", "n_jobs", "pathways", "shrinkages"]
    assert sorted(FactorPrecisionEstimatorCV().get_params()) == names
