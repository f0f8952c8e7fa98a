"""NetworkEdgeSelectorCV against a grid search over the same networks."""

import pickle
from contextlib import contextmanager

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.covariance import LedoitWolf
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
)
from sklearn_grn.datasets import load_leukemia, make_sparse_network

FRAME = make_sparse_network(60, 40, as_frame=True, random_state=1).data
SAMPLES, GENES = FRAME.to_numpy(), list(FRAME)
THRESHOLDS = [0.05, 0.1, 0.15, 0.2, 0.25]

INSIDE = [
    FactorPrecisionEstimator(),
    FactorPrecisionEstimator(4),
    LedoitWolf(),
    make_pipeline(StandardScaler(), FactorPrecisionEstimator(shrinkage=0.3)),
]
on_inside = pytest.mark.parametrize("estimator", INSIDE, ids=str)


@pytest.fixture(scope="module")
def fitted():
    return NetworkEdgeSelectorCV(thresholds=THRESHOLDS).fit(FRAME)


@contextmanager
def left_as_it_was(selector, error, message=None):
    before = joblib.hash(selector)
    with pytest.raises(error, match=message):
        yield
    assert joblib.hash(selector) == before


def scores_of(results, which=slice(None)):
    """Scores of all folds, and their means; folds x candidates."""
    names = [f"split{fold}_test_score" for fold in range(4)]
    return np.array([results[name][which] for name in [*names, "mean_test_score"]])


# -------------------------------------------------------------- equal to a grid search
@on_inside
@pytest.mark.filterwarnings("ignore:no edge was selected", "ignore:the best threshold")
def test_scores_are_those_of_a_search_over_the_thresholds(estimator):
    selector = NetworkEdgeSelectorCV(estimator, thresholds=THRESHOLDS, cv=4).fit(FRAME)
    search = GridSearchCV(
        NetworkEdgeSelector(estimator), {"threshold": THRESHOLDS}, cv=4
    )
    found, results = selector.cv_results_, search.fit(FRAME).cv_results_
    assert_allclose(scores_of(found), scores_of(results), rtol=1e-9)
    for name in ("std_test_score", "rank_test_score"):
        assert_allclose(found[name], results[name], rtol=1e-7)


@on_inside
@pytest.mark.filterwarnings("ignore:the best threshold is the smallest")
def test_scores_are_those_of_a_search_over_the_numbers_of_edges(estimator):
    selector = NetworkEdgeSelectorCV(estimator, thresholds=9, cv=4).fit(FRAME)
    numbers = selector.cv_results_["n_edges"]
    some = numbers > 0
    search = GridSearchCV(
        NetworkEdgeSelector(estimator, threshold=0), {"max_edges": numbers[some]}, cv=4
    )
    found, results = selector.cv_results_, search.fit(FRAME).cv_results_
    assert_allclose(scores_of(found, some), scores_of(results), rtol=1e-9)


@pytest.mark.parametrize("thresholds", [THRESHOLDS, 12], ids=["given", "chosen"])
def test_the_network_is_that_of_the_best_threshold(thresholds):
    selector = NetworkEdgeSelectorCV(thresholds=thresholds).fit(FRAME)
    alone = NetworkEdgeSelector(threshold=selector.best_threshold_).fit(FRAME)
    pd.testing.assert_frame_equal(selector.edges_, alone.edges_, check_exact=True)
    assert_array_equal(selector.network_.toarray(), alone.network_.toarray())
    assert selector.threshold_ == selector.best_threshold_
    assert selector.score(FRAME) == alone.score(FRAME)


@pytest.mark.parametrize("thresholds", [THRESHOLDS, 12], ids=["given", "chosen"])
def test_edges_are_counted_at_each_threshold(thresholds):
    selector = NetworkEdgeSelectorCV(thresholds=thresholds).fit(FRAME)
    every = NetworkEdgeSelector(threshold=0).fit(FRAME).edges_["partial_correlation"]
    expected = [
        (every.abs() > threshold).sum()
        for threshold in selector.cv_results_["threshold"]
    ]
    assert selector.cv_results_["n_edges"].tolist() == expected


def test_edges_of_the_folds_are_averaged(fitted):
    counts = [
        [
            len(NetworkEdgeSelector(threshold=threshold).fit(FRAME.iloc[train]).edges_)
            for threshold in THRESHOLDS
        ]
        for train, _ in KFold(5).split(FRAME)
    ]
    assert_allclose(fitted.cv_results_["mean_n_edges"], np.mean(counts, axis=0))


def test_the_best_has_the_largest_mean(fitted):
    means = fitted.cv_results_["mean_test_score"]
    assert fitted.best_score_ == means.max() == means[fitted.best_index_]
    assert fitted.best_threshold_ == THRESHOLDS[fitted.best_index_]
    assert fitted.n_splits_ == 5


def test_of_thresholds_that_tie_the_largest_is_best():
    thresholds = [0.3, 0.9, 0.95]
    with pytest.warns(UserWarning, match="no edge was selected"):
        selector = NetworkEdgeSelectorCV(thresholds=thresholds[1:]).fit(FRAME)
    assert selector.best_threshold_ == 0.95


def test_the_order_of_thresholds_does_not_matter(fitted):
    again = NetworkEdgeSelectorCV(thresholds=[*THRESHOLDS[::-1], 0.1]).fit(FRAME)
    assert joblib.hash(again.cv_results_) == joblib.hash(fitted.cv_results_)


# --------------------------------------------------------------------- one fit per fold
class Counts(BaseEstimator):
    """A covariance that counts how often it is estimated."""

    n_fits = 0

    def fit(self, X, y=None):
        Counts.n_fits += 1
        inner = FactorPrecisionEstimator().fit(X)
        self.precision_, self.covariance_ = inner.precision_, inner.covariance_
        self.partial_correlation_ = inner.partial_correlation_
        return self


@pytest.mark.parametrize("thresholds", [50, np.linspace(0.05, 0.5, 50)])
def test_one_fit_for_each_fold_and_one_for_all(thresholds, monkeypatch):
    monkeypatch.setattr(Counts, "n_fits", 0)
    NetworkEdgeSelectorCV(Counts(), thresholds=thresholds, cv=4).fit(FRAME)
    assert Counts.n_fits == 4 + 1


# --------------------------------------------------------- the optimum lies in the grid
SHAPES = {"more samples": (150, 60), "as many": (80, 80), "fewer samples": (60, 150)}


@pytest.mark.parametrize("structure", ["random", "chain", "scale_free"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_lies_inside_the_grid(shape, structure, seed):
    data = make_sparse_network(*shape, structure=structure, random_state=seed)
    selector = NetworkEdgeSelectorCV().fit(data.data)
    assert 0 < selector.best_index_ < len(selector.cv_results_["threshold"]) - 1


def test_the_optimum_lies_inside_the_grid_on_the_leukaemia_table():
    table = load_leukemia(as_frame=True).data
    selector = NetworkEdgeSelectorCV().fit(table)
    assert 0 < selector.best_index_ < len(selector.cv_results_["threshold"]) - 1


@pytest.mark.filterwarnings("ignore:no edge was selected")
def test_independent_genes_have_no_network():
    tables = [np.random.default_rng(k).normal(size=(60, 150)) for k in range(9)]
    networks = [NetworkEdgeSelectorCV().fit(table).edges_ for table in tables]
    assert np.median([len(edges) for edges in networks]) == 0


def test_the_network_has_about_as_many_edges_as_the_truth():
    data = make_sparse_network(400, 100, random_state=0)
    selector = NetworkEdgeSelectorCV().fit(data.data)
    n_true = data.network.nnz / 2
    assert 0.5 * n_true < len(selector.edges_) < 2 * n_true


def test_an_optimum_at_the_smallest_threshold_is_warned_of():
    with pytest.warns(UserWarning, match=r"best threshold is the smallest, 0.2;"):
        NetworkEdgeSelectorCV(thresholds=[0.2, 0.9]).fit(FRAME)


def test_a_single_threshold_is_not_warned_of():
    assert NetworkEdgeSelectorCV(thresholds=[0.1]).fit(FRAME).best_index_ == 0


# --------------------------------------------------------------- folds, workers, tables
def test_groups_stay_together(fitted):
    groups = np.repeat(np.arange(12), 5)
    selector = NetworkEdgeSelectorCV(thresholds=THRESHOLDS, cv=GroupKFold(4))
    selector.fit(FRAME, groups=groups)
    folds = list(GroupKFold(4).split(FRAME, groups=groups))
    given = NetworkEdgeSelectorCV(thresholds=THRESHOLDS, cv=folds).fit(FRAME)
    assert joblib.hash(selector.cv_results_) == joblib.hash(given.cv_results_)


def test_groups_that_are_lacking_are_asked_for():
    selector = NetworkEdgeSelectorCV(cv=GroupKFold(4))
    with left_as_it_was(selector, ValueError, "groups"):
        selector.fit(FRAME)


def test_random_splits_are_drawn_once():
    def draw():
        return ShuffleSplit(3, random_state=np.random.RandomState(0))

    drawn = NetworkEdgeSelectorCV(thresholds=THRESHOLDS, cv=draw()).fit(FRAME)
    folds = list(draw().split(FRAME))
    given = NetworkEdgeSelectorCV(thresholds=THRESHOLDS, cv=folds).fit(FRAME)
    assert joblib.hash(drawn.cv_results_) == joblib.hash(given.cv_results_)


@pytest.mark.parametrize("thresholds", [THRESHOLDS, 12], ids=["given", "chosen"])
def test_two_workers_find_what_one_finds(thresholds):
    one = NetworkEdgeSelectorCV(thresholds=thresholds).fit(FRAME)
    two = NetworkEdgeSelectorCV(thresholds=thresholds, n_jobs=2).fit(FRAME)
    assert joblib.hash(one.cv_results_) == joblib.hash(two.cv_results_)
    pd.testing.assert_frame_equal(one.edges_, two.edges_, check_exact=True)


def test_the_order_of_genes_does_not_matter(fitted):
    other = clone(fitted).fit(FRAME[GENES[::-1]])
    for name, values in fitted.cv_results_.items():
        assert_allclose(other.cv_results_[name], values, rtol=1e-9)


def test_polars_gives_what_pandas_gives(fitted):
    frame = pl.DataFrame({name: FRAME[name].to_numpy() for name in GENES})
    other = clone(fitted).fit(frame)
    # To rounding: the arrays of the two are laid out differently.
    results = (pd.DataFrame(each.cv_results_) for each in (other, fitted))
    pd.testing.assert_frame_equal(*results, rtol=1e-10)
    pd.testing.assert_frame_equal(other.edges_, fitted.edges_, rtol=1e-10)


def test_float32_stays_float32():
    selector = NetworkEdgeSelectorCV(thresholds=9).fit(FRAME.astype(np.float32))
    assert selector.network_.dtype == np.float32


def test_a_frozen_estimator_is_refused():
    inside = FrozenEstimator(FactorPrecisionEstimator().fit(FRAME))
    with pytest.raises(ValueError, match="has seen the samples of all folds"):
        NetworkEdgeSelectorCV(inside, thresholds=THRESHOLDS).fit(FRAME)


@pytest.mark.parametrize("n_genes", [1, 2, 3])
@pytest.mark.parametrize("thresholds", [50, [0.0, 0.5]])
@pytest.mark.filterwarnings("ignore:no edge was selected", "ignore:the best threshold")
def test_few_genes_are_no_error(n_genes, thresholds):
    selector = NetworkEdgeSelectorCV(thresholds=thresholds).fit(SAMPLES[:, :n_genes])
    assert np.isfinite(selector.best_score_)


@pytest.mark.filterwarnings("ignore:the best threshold is the smallest")
def test_few_samples_are_no_error():
    selector = NetworkEdgeSelectorCV(cv=2).fit(SAMPLES[:6])
    assert np.isfinite(selector.cv_results_["mean_test_score"]).all()


# ---------------------------------------------------------------------- refusals, peers
BAD_GRIDS = {
    "none": ([], "at least one"),
    "negative": ([-0.1, 0.2], "numbers from 0 up"),
    "NaN": ([0.1, np.nan], "numbers from 0 up"),
    "infinite": ([0.1, np.inf], "numbers from 0 up"),
    "zero of them": (0, "The 'thresholds' parameter"),
    "a number that is no count": (0.1, "The 'thresholds' parameter"),
    "nothing": (None, "The 'thresholds' parameter"),
}


@pytest.mark.parametrize(("grid", "message"), BAD_GRIDS.values(), ids=BAD_GRIDS)
def test_a_bad_grid_leaves_the_selector_as_it_was(fitted, grid, message):
    selector = pickle.loads(pickle.dumps(fitted)).set_params(thresholds=grid)
    with left_as_it_was(selector, ValueError, message):
        selector.fit(FRAME)


def test_a_covariance_cannot_be_split():
    inside = FactorPrecisionEstimator(method="precomputed")
    with pytest.raises(ValueError, match="cannot be split into samples"):
        NetworkEdgeSelectorCV(inside).fit(np.cov(SAMPLES.T) + np.eye(40))


def test_clone_and_pickle(fitted):
    assert not hasattr(clone(fitted), "edges_")
    assert joblib.hash(pickle.loads(pickle.dumps(fitted))) == joblib.hash(fitted)


def test_a_search_over_the_estimator_inside():
    selector = NetworkEdgeSelectorCV(FactorPrecisionEstimator(), thresholds=THRESHOLDS)
    grid = {"estimator__shrinkage": [0.2, "auto"]}
    search = GridSearchCV(selector, grid, cv=3).fit(FRAME)
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()


def test_a_classifier_behind_it():
    classes = np.where(FRAME["gene0"] + FRAME["gene1"] > 0, "tumour", "normal")
    selector = NetworkEdgeSelectorCV(thresholds=THRESHOLDS)
    pipeline = make_pipeline(StandardScaler(), selector, LogisticRegression())
    assert pipeline.fit(FRAME, classes).score(FRAME, classes) > 0.8
