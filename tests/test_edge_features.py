"""EdgeFeatures against the formula on a dense precision, and what the columns mean."""

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_grn import (
    EdgeFeatures,
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
)
from sklearn_grn.datasets import make_sparse_network

FRAME = make_sparse_network(60, 30, as_frame=True, random_state=1).data * 3 + 8
SAMPLES, GENES = FRAME.to_numpy(), list(FRAME)
NEW = make_sparse_network(20, 30, as_frame=True, random_state=2).data * 3 + 8


def strongest(n_edges, estimator=None):
    return NetworkEdgeSelector(estimator, threshold=0, max_edges=n_edges)


# ------------------------------------------------------------------- the naive formula
def naive_features(samples, location, precision, edges, names):
    standardised = []
    for sample in samples:
        pulled = precision @ (sample - location)
        standardised.append(pulled / np.sqrt(np.diagonal(precision)))
    numbers = {name: number for number, name in enumerate(names)}
    ends = zip(edges["source"], edges["target"], strict=True)
    pairs = [(numbers[source], numbers[target]) for source, target in ends]
    return np.array([[-r[i] * r[j] for i, j in pairs] for r in standardised])


INSIDE = [None, FactorPrecisionEstimator(3), LedoitWolf()]


@pytest.mark.parametrize("inside", INSIDE, ids=str)
@pytest.mark.parametrize("table", [FRAME, NEW], ids=["same", "new"])
def test_columns_are_products_of_residuals(inside, table):
    features = EdgeFeatures(strongest(12, inside)).fit(FRAME)
    last = features.selector_.estimator_
    precision, edges = np.asarray(last.precision_), features.selector_.edges_
    mean = SAMPLES.mean(axis=0)
    expected = naive_features(table.to_numpy(), mean, precision, edges, GENES)
    assert_allclose(features.transform(table), expected, rtol=1e-8, atol=1e-12)


def test_columns_behind_a_scaler_are_those_of_the_scaled_table():
    inside = make_pipeline(StandardScaler(), FactorPrecisionEstimator())
    found = EdgeFeatures(strongest(12, inside)).fit(FRAME).transform(NEW)
    scaler = StandardScaler().fit(FRAME)
    alone = EdgeFeatures(strongest(12)).fit(scaler.transform(FRAME))
    assert_allclose(found, alone.transform(scaler.transform(NEW)), rtol=1e-9)


# ------------------------------------------------------------------ what a column means
def drawn_from(estimator, n_samples):
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(estimator.covariance_.toarray())
    noise = rng.normal(size=(n_samples, len(root)))
    return estimator.location_ + noise @ root.T


def test_means_over_samples_of_the_model_are_its_partial_correlations():
    features = EdgeFeatures(strongest(40)).fit(SAMPLES)
    selector = features.selector_
    samples = drawn_from(selector.estimator_, 40_000)
    found = features.transform(samples).mean(axis=0)
    # The variance of a product of two normal variables is at most 2.
    error = 5 * np.sqrt(2 / 40_000)
    assert_allclose(found, selector.edges_["partial_correlation"], atol=error)


def test_means_over_new_samples_estimate_the_true_partial_correlations():
    data = make_sparse_network(8000, 30, random_state=3)
    features = EdgeFeatures(strongest(60)).fit(data.data[:4000])
    found = features.transform(data.data[4000:]).mean(axis=0)
    edges = features.selector_.edges_
    ends = [[int(name[1:]) for name in edges[end]] for end in ("source", "target")]
    true = data.network.toarray()[tuple(ends)]
    # Five standard errors of both tables; the variance of a product is at most 2.
    assert_allclose(found, true, atol=2 * 5 * np.sqrt(2 / 4000))
    assert np.corrcoef(found, true)[0, 1] > 0.95


def test_a_column_is_lower_in_a_class_in_which_its_edge_is_stronger():
    rng = np.random.default_rng(0)
    samples, stronger = rng.normal(size=(4000, 12)), np.arange(4000) % 2 == 1
    samples[stronger, 1] += 2 * samples[stronger, 0]
    features = EdgeFeatures(strongest(1)).fit(samples)
    assert features.get_feature_names_out().tolist() == ["x0--x1"]
    column = features.transform(samples)[:, 0]
    # With C the covariance of a class, the mean is -(P C P)_ij / sqrt(P_ii P_jj). From
    # the pooled P = [[3, -1], [-1, 1]] / 2 it is 0 with the edge, 2 / sqrt(3) without.
    means = [column[stronger].mean(), column[~stronger].mean()]
    assert_allclose(means, [0, 2 / np.sqrt(3)], atol=0.15)


# -------------------------------------------------------------------- names, tables out
def test_names_are_both_genes_of_an_edge():
    table = FRAME.rename(columns={"gene0": "TP53", "gene1": "MDM2"})
    table["MDM2"] += 5 * table["TP53"]
    features = EdgeFeatures(strongest(1)).fit(table)
    assert features.get_feature_names_out().tolist() == ["TP53--MDM2"]


def test_names_are_in_the_order_of_the_edges():
    features = EdgeFeatures(strongest(9)).fit(FRAME)
    edges = features.selector_.edges_
    assert_array_equal(
        features.get_feature_names_out(), edges["source"] + "--" + edges["target"]
    )


def test_names_of_genes_that_came_without():
    features = EdgeFeatures(strongest(9)).fit(SAMPLES)
    named = EdgeFeatures(strongest(9)).fit(FRAME)
    found = features.get_feature_names_out(GENES)
    assert_array_equal(found, named.get_feature_names_out())


def test_names_of_other_genes_are_refused():
    features = EdgeFeatures(strongest(9)).fit(FRAME)
    with pytest.raises(ValueError, match="input_features"):
        features.get_feature_names_out(GENES[::-1])


@pytest.mark.parametrize("library", [pd, pl])
def test_tables_out(library):
    kind = {pd: "pandas", pl: "polars"}[library]
    features = EdgeFeatures(strongest(9)).set_output(transform=kind).fit(FRAME)
    table = features.transform(NEW)
    assert isinstance(table, library.DataFrame)
    assert list(table.columns) == features.get_feature_names_out().tolist()
    plain = EdgeFeatures(strongest(9)).fit(FRAME).transform(NEW)
    assert_array_equal(table.to_numpy(), plain)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_type_out_is_that_of_the_samples(dtype):
    features = EdgeFeatures(strongest(9)).fit(SAMPLES.astype(dtype))
    assert features.transform(SAMPLES.astype(dtype)).dtype == dtype


def test_float32_gives_what_float64_gives():
    single = EdgeFeatures(strongest(9)).fit(SAMPLES.astype(np.float32))
    double = EdgeFeatures(strongest(9)).fit(SAMPLES)
    found = single.transform(NEW.to_numpy(dtype=np.float32))
    assert_allclose(found, double.transform(NEW.to_numpy()), atol=1e-3)


@pytest.mark.filterwarnings("ignore:no edge was selected")
def test_without_edges_there_are_no_columns():
    features = EdgeFeatures(NetworkEdgeSelector(threshold=0.99)).fit(FRAME)
    assert features.transform(NEW).shape == (20, 0)
    assert features.get_feature_names_out().shape == (0,)


# -------------------------------------------------------------- selectors of all sorts
def test_a_frozen_selector_keeps_its_network():
    selector = strongest(9).fit(FRAME)
    before = joblib.hash(selector)
    features = EdgeFeatures(FrozenEstimator(selector)).fit(NEW)
    names = selector.edges_["source"] + "--" + selector.edges_["target"]
    assert_array_equal(features.get_feature_names_out(), names)
    fresh = EdgeFeatures(strongest(9)).fit(FRAME)
    assert_array_equal(features.transform(NEW), fresh.transform(NEW))
    assert joblib.hash(selector) == before


def test_a_frozen_selector_of_genes_in_another_order_is_refused():
    features = EdgeFeatures(FrozenEstimator(strongest(9).fit(FRAME)))
    with pytest.raises(ValueError, match="feature names"):
        features.fit(FRAME[GENES[::-1]])


def test_a_frozen_selector_with_pathways():
    selector = strongest(9).fit(FRAME)
    selector.partial_fit_pathways(np.eye(30)[:, :2])
    features = EdgeFeatures(FrozenEstimator(selector)).fit(FRAME)
    assert features.transform(NEW).shape == (20, len(selector.edges_))


def test_a_cross_validated_selector():
    selector = NetworkEdgeSelectorCV(thresholds=[0.1, 0.15, 0.2, 0.3])
    features = EdgeFeatures(selector).fit(FRAME)
    assert features.transform(NEW).shape == (20, len(features.selector_.edges_))


def test_the_selector_given_is_not_fitted():
    selector = strongest(9)
    EdgeFeatures(selector).fit(FRAME)
    assert not hasattr(selector, "edges_")


def test_nothing_before_fit():
    with pytest.raises(NotFittedError):
        EdgeFeatures().transform(FRAME)


def test_other_genes_are_refused():
    features = EdgeFeatures(strongest(9)).fit(FRAME)
    with pytest.raises(ValueError, match="feature names should match"):
        features.transform(FRAME[GENES[::-1]])


def test_clone_and_params():
    features = EdgeFeatures(strongest(9)).fit(FRAME)
    assert clone(features).get_params()["selector__max_edges"] == 9
    assert not hasattr(clone(features), "selector_")


def test_a_classifier_behind_edges_under_a_search():
    classes = np.where(FRAME["gene0"] > FRAME["gene0"].mean(), "tumour", "normal")
    pipeline = make_pipeline(
        StandardScaler().set_output(transform="pandas"),
        EdgeFeatures(strongest(9)),
        LogisticRegression(),
    )
    grid = {"edgefeatures__selector__max_edges": [3, 30]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise")
    search.fit(FRAME, classes)
    names = search.best_estimator_[:-1].get_feature_names_out()
    assert all(set(name.split("--")) <= set(GENES) for name in names)
