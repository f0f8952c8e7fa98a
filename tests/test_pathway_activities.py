"""Activities of pathways: posterior means, beside ordinary activity scores."""

import copy

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_grn import FactorPrecisionEstimator, PathwayActivities
from sklearn_grn.datasets import load_leukemia, load_pbmc, load_progeny
from sklearn_grn.pathways import pathway_loadings, scale_loadings

GENES = [f"g{i}" for i in range(20)]
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(RNG.normal(size=(15, 20)), columns=GENES)
LOADINGS = pd.DataFrame(RNG.normal(size=(20, 3)), GENES, ["alpha", "beta", "gamma"])


# ----------------------------------------------- ordinary scores, as decoupler has them
def univariate_scores(samples, weights):
    """Return t of the slope of each sample's genes on the weights of one pathway."""
    scores = []
    for w in weights.T:
        design = np.column_stack([np.ones(len(w)), w])
        scores.append(multivariate_scores(samples, design[:, 1:])[:, 0])
    return np.column_stack(scores)


def multivariate_slopes(samples, weights):
    design = np.column_stack([np.ones(len(weights)), weights])
    return np.linalg.lstsq(design, samples.T, rcond=None)[0].T, design


def multivariate_scores(samples, weights):
    """Return t of the slopes of each sample's genes on the weights of all pathways."""
    slopes, design = multivariate_slopes(samples, weights)
    residual = samples - slopes @ design.T
    variance = np.square(residual).sum(axis=1) / (len(weights) - design.shape[1])
    unscaled = np.linalg.inv(design.T @ design).diagonal()
    return (slopes / np.sqrt(np.outer(variance, unscaled)))[:, 1:]


def correlations(one, other):
    pairs = zip(np.asarray(one).T, np.asarray(other).T, strict=True)
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in pairs])


# ---------------------------------------------------------------------- what it returns
def naive_posterior(estimator, samples):
    """Return mean and standard deviation of activities from dense matrices."""
    loadings = estimator.pathway_loadings_
    prior = np.diag(estimator.activity_variance_)
    gain = prior @ loadings.T @ np.linalg.inv(estimator.covariance_.toarray())
    centred = np.asarray(samples) - estimator.location_
    spread = prior - gain @ loadings @ prior
    return centred @ gain.T, np.sqrt(spread.diagonal())


def test_activities_are_posterior_means():
    scores = PathwayActivities(pathways=LOADINGS).fit(TABLE)
    mean, _ = naive_posterior(scores.estimator_, TABLE)
    assert_allclose(scores.transform(TABLE), mean, atol=1e-12)


@pytest.mark.parametrize("variance", [1.0, [0.5, 2.0, 0.0]])
@pytest.mark.parametrize("n_samples", [15, 60])
def test_activity_std_is_the_posterior_standard_deviation(variance, n_samples):
    samples = np.random.default_rng(1).normal(size=(n_samples, 20))
    estimator = FactorPrecisionEstimator().fit(pd.DataFrame(samples, columns=GENES))
    estimator.partial_fit_pathways(LOADINGS, activity_variance=variance)
    _, deviation = naive_posterior(estimator, samples)
    assert_allclose(estimator.activity_std_, deviation, atol=1e-12)


def test_activity_std_follows_the_pathways():
    estimator = FactorPrecisionEstimator().fit(TABLE)
    assert estimator.activity_std_.shape == (0,)
    alone = copy.copy(estimator).partial_fit_pathways(LOADINGS[["beta"]])
    estimator.partial_fit_pathways(LOADINGS).remove_pathways(["alpha", "gamma"])
    assert_allclose(estimator.activity_std_, alone.activity_std_)


def test_activity_std_is_at_most_that_of_the_prior():
    weak = LOADINGS * [1.0, 1e-6, 0.0]
    scores = PathwayActivities(pathways=weak).fit(TABLE)
    assert (scores.activity_std_ <= 1).all()
    assert_allclose(scores.activity_std_[1:], 1.0)


# ------------------------------------------------------------------ the ways to use it
def test_pathways_may_be_those_of_the_estimator():
    inside = PathwayActivities(FactorPrecisionEstimator(pathways=LOADINGS))
    beside = PathwayActivities(pathways=LOADINGS)
    assert_array_equal(inside.fit_transform(TABLE), beside.fit_transform(TABLE))


def test_names_are_those_of_the_pathways():
    scores = PathwayActivities(pathways=LOADINGS).fit(TABLE)
    assert scores.get_feature_names_out().tolist() == LOADINGS.columns.tolist()
    assert scores.get_feature_names_out(GENES).tolist() == LOADINGS.columns.tolist()


def test_frozen_estimator_is_taken_as_it_is():
    fitted = FactorPrecisionEstimator().fit(TABLE).partial_fit_pathways(LOADINGS)
    scores = PathwayActivities(FrozenEstimator(fitted)).fit(TABLE[:3])
    assert_array_equal(scores.transform(TABLE), fitted.activities(TABLE))


def test_pathways_added_to_a_frozen_estimator_stay_with_the_transformer():
    fitted = FactorPrecisionEstimator().fit(TABLE)
    scores = PathwayActivities(FrozenEstimator(fitted), pathways=LOADINGS).fit(TABLE)
    assert len(scores.pathway_names_) == 3
    assert not len(fitted.pathway_names_)


def test_estimator_of_the_caller_is_not_fitted():
    estimator = FactorPrecisionEstimator(pathways=LOADINGS)
    PathwayActivities(estimator).fit(TABLE)
    assert not hasattr(estimator, "covariance_")


def test_without_pathways_it_is_refused():
    with pytest.raises(ValueError, match="no pathways, so there is no activity"):
        PathwayActivities().fit(TABLE)


def test_copies_and_hashes_are_alike():
    scores = PathwayActivities(pathways=LOADINGS).fit(TABLE)
    again = clone(scores).fit(TABLE)
    assert joblib.hash(again.estimator_) == joblib.hash(scores.estimator_)


def test_it_stands_in_front_of_a_classifier():
    expression, lineage = load_leukemia(return_X_y=True, as_frame=True)
    members = {
        "T cells": ["CD3D", "CD3G", "LCK"],
        "B cells": ["CD79A", "CD79B", "CD19"],
    }
    rows = [(name, gene) for name, genes in members.items() for gene in genes]
    net = pd.DataFrame(rows, columns=["source", "target"])
    loadings = pathway_loadings(net, expression, min_targets=3)
    loadings = scale_loadings(loadings, expression.var())
    independent = FactorPrecisionEstimator(shrinkage=1.0)
    classifier = make_pipeline(
        PathwayActivities(independent, pathways=loadings), LogisticRegression()
    )
    assert cross_val_score(classifier, expression, lineage, cv=3).mean() > 0.95


# --------------------------------------------------------- where ordinary scores agree
def with_independent_noise(loadings, variance=1e6):
    """Return a model in which genes have noise of variance 1, and a common level."""
    size = len(loadings)
    estimator = FactorPrecisionEstimator(method="precomputed").fit(np.eye(size))
    design = np.column_stack([np.ones(size), loadings])
    return estimator.partial_fit_pathways(design, activity_variance=variance)


def test_vague_priors_and_like_noise_give_the_multivariate_slopes():
    estimator = with_independent_noise(LOADINGS)
    slopes, _ = multivariate_slopes(TABLE.to_numpy(), LOADINGS.to_numpy())
    assert_allclose(estimator.activities(TABLE.to_numpy()), slopes, atol=1e-6)


def test_one_pathway_alone_gives_the_univariate_slope():
    for name in LOADINGS:
        estimator = with_independent_noise(LOADINGS[[name]])
        slopes, _ = multivariate_slopes(TABLE.to_numpy(), LOADINGS[[name]].to_numpy())
        activities = estimator.activities(TABLE.to_numpy())
        assert_allclose(activities[:, 1], slopes[:, 1], atol=1e-6)


def test_a_certain_prior_shrinks_the_activity():
    vague, certain = (with_independent_noise(LOADINGS, v) for v in (1e6, 1e-2))
    sizes = [np.abs(e.activities(TABLE.to_numpy())).mean() for e in (vague, certain)]
    assert sizes[1] < 0.5 * sizes[0]


# ------------------------------------------------ and where not, on tables of the world
@pytest.fixture(scope="module", params=["leukemia", "pbmc"])
def world(request):
    """A real table, PROGENy's weights for its genes, and the median correlations of
    activities with univariate and multivariate scores, for two models."""
    loader = {"leukemia": load_leukemia, "pbmc": load_pbmc}[request.param]
    expression = loader(as_frame=True).data
    net = load_progeny().data
    weights = pathway_loadings(net[net["target"].isin(expression.columns)], expression)
    loadings = scale_loadings(weights, expression.var())
    ordinary = [
        score(expression.to_numpy(), weights.to_numpy())
        for score in (univariate_scores, multivariate_scores)
    ]
    agreement = {}
    for shrinkage in ("auto", 1.0):
        estimator = FactorPrecisionEstimator(shrinkage=shrinkage)
        scores = PathwayActivities(estimator, pathways=loadings)
        found = scores.fit_transform(expression)
        agreement[shrinkage] = [np.median(correlations(found, s)) for s in ordinary]
    return request.param, agreement


def test_genes_taken_for_independent_give_nearly_the_ordinary_scores(world):
    # Medians over the 14 pathways, as printed when this was written.
    name, agreement = world
    expected = {"leukemia": [0.85, 0.91], "pbmc": [0.93, 0.95]}[name]
    assert_allclose(agreement[1.0], expected, atol=0.01)


def test_the_multivariate_scores_agree_better(world):
    _, agreement = world
    assert agreement[1.0][1] > agreement[1.0][0]


def test_what_genes_share_for_other_reasons_is_no_activity(world):
    # The components know how genes move together anyway; ordinary scores take all of
    # it for activity, so that they agree less with the full model.
    name, agreement = world
    expected = {"leukemia": [0.50, 0.53], "pbmc": [0.62, 0.62]}[name]
    assert_allclose(agreement["auto"], expected, atol=0.01)


@pytest.mark.parametrize(
    ("library", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_output_is_a_table_with_a_column_for_each_pathway(library, kind):
    inside = FactorPrecisionEstimator(pathways=LOADINGS)
    scores = PathwayActivities(inside).set_output(transform=library)
    activities = scores.fit_transform(TABLE)
    assert isinstance(activities, kind)
    assert list(activities.columns) == ["alpha", "beta", "gamma"]
    assert_array_equal(activities.to_numpy(), scores.estimator_.activities(TABLE))
