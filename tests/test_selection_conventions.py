"""NetworkEdgeSelector among its peers: tables, refusals, copies, searches, routing."""

import pickle
from contextlib import contextmanager

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_grn import FactorPrecisionEstimator, NetworkEdgeSelector
from sklearn_grn.datasets import make_sparse_network

FRAME = make_sparse_network(60, 50, as_frame=True, random_state=1).data
SAMPLES, GENES = FRAME.to_numpy(), list(FRAME)
CLASSES = np.where(FRAME["gene0"] + FRAME["gene1"] > 0, "tumour", "normal")


@pytest.fixture
def fitted():
    return NetworkEdgeSelector(threshold=0, max_edges=12).fit(FRAME)


@contextmanager
def left_as_it_was(selector, error, message=None):
    before = joblib.hash(selector)
    with pytest.raises(error, match=message):
        yield
    assert joblib.hash(selector) == before


def linked_genes(selector):
    ends = {*selector.edges_["source"], *selector.edges_["target"]}
    return [gene for gene in GENES if gene in ends]


# --------------------------------------------------------------------- genes that stay
def test_support_is_genes_that_have_an_edge(fitted):
    assert [GENES[i] for i in fitted.get_support(indices=True)] == linked_genes(fitted)


def test_transform_keeps_genes_that_have_an_edge(fitted):
    assert_array_equal(fitted.transform(FRAME), FRAME[linked_genes(fitted)])


def test_names_out_are_those_of_genes_that_have_an_edge(fitted):
    assert fitted.get_feature_names_out().tolist() == linked_genes(fitted)


def test_names_out_without_names():
    selector = NetworkEdgeSelector(threshold=0, max_edges=1).fit(SAMPLES)
    expected = [f"x{number}" for number in selector.get_support(indices=True)]
    assert selector.get_feature_names_out().tolist() == expected


def test_inverse_transform_puts_0_for_genes_without_edge(fitted):
    found = fitted.inverse_transform(fitted.transform(FRAME))
    assert_array_equal(found, FRAME * FRAME.columns.isin(linked_genes(fitted)))


def test_pandas_out(fitted):
    table = fitted.set_output(transform="pandas").transform(FRAME)
    pd.testing.assert_frame_equal(table, FRAME[linked_genes(fitted)])


def test_polars_out(fitted):
    table = fitted.set_output(transform="polars").transform(FRAME)
    assert isinstance(table, pl.DataFrame)
    assert table.columns == linked_genes(fitted)


def test_without_edges_no_gene_stays():
    with pytest.warns(UserWarning, match="no edge was selected"):
        selector = NetworkEdgeSelector(threshold=0.99).fit(FRAME)
    selector.set_output(transform="pandas")
    with pytest.warns(UserWarning, match="No features were selected"):
        assert selector.transform(FRAME).shape == (60, 0)
    assert len(selector.get_feature_names_out()) == 0


# ------------------------------------------------------------------------- refusals
BAD_TABLES = {
    "NaN": (FRAME.where(FRAME < 2), "contains NaN"),
    "one sample": (FRAME[:1], "minimum of 2 is required"),
    "no genes": (SAMPLES[:, :0], r"0 feature\(s\)"),
    "text": (FRAME.astype(str) + "?", "could not convert string"),
    "one dimension": (SAMPLES[:, 0], "Expected 2D"),
}
on_bad_tables = pytest.mark.parametrize(
    ("table", "message"), BAD_TABLES.values(), ids=BAD_TABLES
)


@on_bad_tables
def test_a_bad_table_leaves_the_selector_as_it_was(fitted, table, message):
    with left_as_it_was(fitted, (ValueError, TypeError), message):
        fitted.fit(table)


@on_bad_tables
def test_a_bad_table_leaves_nothing_behind(table, message):
    selector = NetworkEdgeSelector()
    with left_as_it_was(selector, (ValueError, TypeError), message):
        selector.fit(table)


def test_an_estimator_without_precision_leaves_the_selector_as_it_was(fitted):
    fitted.set_params(estimator=StandardScaler())
    with left_as_it_was(fitted, TypeError, "neither precision_ nor get_precision"):
        fitted.fit(FRAME)


BAD_PARAMETERS = {
    "threshold": [-0.1, "strong", None, np.inf, np.nan],
    "fdr": [0, 1, "low"],
    "max_edges": [0, -3, 2.5],
    "significance": ["lfdr", None],
    "estimator": ["precision", 3],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD_PARAMETERS.items() for value in values],
)
def test_a_bad_parameter_is_named(fitted, name, value):
    fitted.set_params(**{name: value})
    with left_as_it_was(fitted, ValueError, f"The {name!r} parameter"):
        fitted.fit(FRAME)


@pytest.mark.parametrize("method", ["transform", "score"])
def test_other_genes_are_refused(fitted, method):
    with pytest.raises(ValueError, match="feature names should match"):
        getattr(fitted, method)(FRAME[GENES[::-1]])


@pytest.mark.parametrize("method", ["transform", "score"])
def test_another_number_of_genes_is_refused(fitted, method):
    unnamed = clone(fitted).fit(SAMPLES)
    with pytest.raises(ValueError, match="X has 49 features"):
        getattr(unnamed, method)(SAMPLES[:, 1:])


@pytest.mark.parametrize(
    "method", ["transform", "score", "partial_fit_pathways", "remove_pathways"]
)
def test_nothing_before_fit(method):
    with pytest.raises(NotFittedError):
        getattr(NetworkEdgeSelector(), method)(SAMPLES)


@pytest.mark.parametrize("method", ["get_support", "get_feature_names_out"])
def test_no_genes_before_fit(method):
    with pytest.raises(NotFittedError):
        getattr(NetworkEdgeSelector(), method)()


# ------------------------------------------------------------------ refits and copies
def test_fit_twice_is_fit_once(fitted):
    again = clone(fitted).fit(SAMPLES[::2, :7]).fit(FRAME)
    assert joblib.hash(again) == joblib.hash(fitted)


def test_fit_forgets_tests_and_pathways():
    selector = NetworkEdgeSelector(significance="genenet").fit(FRAME)
    selector.partial_fit_pathways(np.ones((50, 1)))
    selector.set_params(threshold=0, max_edges=12).fit(FRAME)
    assert not hasattr(selector, "edge_changes_")
    assert not hasattr(selector, "significance_")


def test_fit_leaves_the_estimator_given_as_it_was():
    inside = FactorPrecisionEstimator()
    NetworkEdgeSelector(inside, threshold=0.1).fit(FRAME)
    assert set(vars(inside)) == set(FactorPrecisionEstimator().get_params())


def test_clone_is_unfitted(fitted):
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "edges_")


def test_pickle_keeps_all(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    assert joblib.hash(again) == joblib.hash(fitted)
    assert again.score(FRAME) == fitted.score(FRAME)


# -------------------------------------------------------------- pipelines and searches
GRIDS = {
    "threshold": {"threshold": [0.05, 0.12, 0.2]},
    "max_edges": {"threshold": [0], "max_edges": [5, 20, 200]},
    "fdr": {"significance": ["genenet"], "fdr": [0.01, 0.1, 0.4]},
    "shrinkage": {"threshold": [0.1], "estimator__shrinkage": [0.1, 0.3, "auto"]},
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_a_grid_search_finds_the_best_score(grid):
    selector = NetworkEdgeSelector(FactorPrecisionEstimator())
    search = GridSearchCV(selector, grid, cv=3).fit(FRAME)
    scores = search.cv_results_["mean_test_score"]
    each = [
        cross_val_score(clone(selector).set_params(**parameters), FRAME, cv=3).mean()
        for parameters in search.cv_results_["params"]
    ]
    assert_allclose(scores, each)
    assert len(np.unique(scores)) == len(scores)
    assert_array_equal(search.best_estimator_.feature_names_in_, GENES)


def test_a_classifier_behind_a_network_under_a_search():
    pipeline = make_pipeline(
        StandardScaler(),
        NetworkEdgeSelector(FactorPrecisionEstimator(), threshold=0),
        LogisticRegression(),
    )
    grid = {
        "networkedgeselector__max_edges": [4, 20],
        "networkedgeselector__estimator__shrinkage": [0.2, "auto"],
    }
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise")
    best = search.fit(FRAME, CLASSES).best_estimator_
    scaled = StandardScaler().fit_transform(FRAME)
    alone = clone(best[1]).fit(scaled)
    expected = LogisticRegression().fit(alone.transform(scaled), CLASSES)
    assert_array_equal(best.predict(FRAME), expected.predict(alone.transform(scaled)))


def test_a_pipeline_of_pandas_tables_keeps_the_gene_names():
    selector = NetworkEdgeSelector(threshold=0, max_edges=5)
    pipeline = make_pipeline(StandardScaler(), selector)
    pipeline.set_output(transform="pandas").fit(FRAME)
    assert set(pipeline[-1].edges_["source"]) <= set(GENES)
    assert list(pipeline.transform(FRAME)) == pipeline.get_feature_names_out().tolist()


def test_a_pipeline_scores_the_table_that_its_steps_hand_on():
    selector = NetworkEdgeSelector(threshold=0, max_edges=5)
    pipeline = make_pipeline(StandardScaler(), selector).fit(FRAME)
    scaled = StandardScaler().fit_transform(FRAME)
    assert_allclose(pipeline.score(FRAME), clone(selector).fit(scaled).score(scaled))


def test_the_classes_are_handed_on():
    class Remembers(FactorPrecisionEstimator):
        def fit(self, X, y=None):
            self.classes_ = None if y is None else np.unique(y)
            classes = self.classes_
            super().fit(X)
            self.classes_ = classes
            return self

    selector = NetworkEdgeSelector(Remembers(), threshold=0.1).fit(FRAME, CLASSES)
    assert selector.estimator_.classes_.tolist() == ["normal", "tumour"]


# -------------------------------------------------------------------- metadata routing
class Weighted(LedoitWolf):
    """Covariance of samples repeated as often as their weights say."""

    def fit(self, X, y=None, sample_weight=None):
        weights = [1] * len(X) if sample_weight is None else sample_weight
        return super().fit(np.repeat(np.asarray(X), weights, axis=0))


WEIGHTS = np.arange(60) % 3


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def weighted_network():
    repeated = np.repeat(SAMPLES, WEIGHTS, axis=0)
    selector = NetworkEdgeSelector(LedoitWolf(), threshold=0, max_edges=9)
    return selector.fit(repeated).network_.toarray()


def test_weights_reach_the_estimator_inside():
    selector = NetworkEdgeSelector(Weighted(), threshold=0, max_edges=9)
    selector.fit(FRAME, sample_weight=WEIGHTS)
    assert_allclose(selector.network_.toarray(), weighted_network())


@pytest.mark.usefixtures("routing")
def test_weights_are_routed_to_an_estimator_that_requests_them():
    inside = Weighted().set_fit_request(sample_weight=True)
    selector = NetworkEdgeSelector(inside, threshold=0, max_edges=9)
    pipeline = make_pipeline(StandardScaler(with_std=False), selector)
    pipeline[0].set_fit_request(sample_weight=False)
    pipeline.fit(SAMPLES, sample_weight=WEIGHTS)
    assert_allclose(pipeline[-1].network_.toarray(), weighted_network(), atol=1e-10)


@pytest.mark.usefixtures("routing")
def test_weights_that_nobody_requests_are_refused():
    selector = NetworkEdgeSelector(Weighted(), threshold=0.1)
    with left_as_it_was(selector, ValueError, "sample_weight"):
        selector.fit(FRAME, sample_weight=WEIGHTS)


@pytest.mark.usefixtures("routing")
def test_routing_nothing(fitted):
    again = clone(fitted).fit(FRAME)
    assert_array_equal(again.network_.toarray(), fitted.network_.toarray())


def test_metadata_of_an_estimator_that_takes_none():
    with pytest.raises(TypeError, match="sample_weight"):
        NetworkEdgeSelector(threshold=0.1).fit(FRAME, sample_weight=WEIGHTS)
