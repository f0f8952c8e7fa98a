"""Samples left out of a model, against dense models that never saw them."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import FactorPrecisionEstimator, NetworkEdgeSelector, leave_one_out
from sklearn_grn.datasets import load_leukemia

IDENTITY = ["ledoit_wolf", "oas"]
ENDS = ["source", "target"]
WIDE, SQUARE, TALL = (9, 14), (11, 10), (40, 12)


def samples(shape, dtype=np.float64, seed=0):
    """Correlated genes of unlike scale and mean."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=shape) @ rng.normal(size=(shape[1], shape[1]))
    return (table * np.exp(rng.normal(size=shape[1])) + 3).astype(dtype)


def loadings(n_genes):
    rng = np.random.default_rng(5)
    return rng.normal(size=(n_genes, 3)) * (rng.random((n_genes, 3)) < 0.5)


# ------------------------------------------------------------------- the dense twin
def naive_covariance(estimator, X, k):
    """Covariance without sample k, with intensities and targets of all samples."""
    centred, ddof = estimator.assume_centered, int(not estimator.assume_centered)
    X, others = X.astype(float), np.delete(X.astype(float), k, axis=0)
    every, left = (
        part - (0.0 if centred else part.mean(axis=0)) for part in (X, others)
    )
    intensity, towards = estimator.shrinkage_, estimator.variance_shrinkage_
    if estimator.shrinkage in IDENTITY:
        mean = np.square(every).sum() / every.size
        target, weight, ddof = np.full(X.shape[1], mean), np.ones(X.shape[1]), 0
    else:
        variance = np.square(every).sum(axis=0) / (len(X) - ddof)
        varies = np.ptp(every, axis=0) > 1e-10
        median = np.median(variance[varies])
        target = towards * median + (1 - towards) * np.where(varies, variance, 0.0)
        weight = np.where(varies, np.sqrt(target / np.where(varies, variance, 1)), 0.0)
        intensity = np.where(varies, intensity, 1.0)
    scaled = left * weight * np.sqrt(1 - estimator.shrinkage_)
    covariance = np.diag(intensity * target) + scaled.T @ scaled / (len(left) - ddof)
    pathways = estimator.pathway_loadings_ * np.sqrt(estimator.activity_variance_)
    return covariance + pathways.astype(float) @ pathways.T.astype(float)


def naive(estimator, X):
    """Scores and partial correlations without each sample, from dense inverses."""
    scores, correlations = [], []
    for k in range(len(X)):
        covariance = naive_covariance(estimator, X, k)
        mean = np.delete(X.astype(float), k, axis=0).mean(axis=0)
        residual = X[k] - (0.0 if estimator.assume_centered else mean)
        distance = residual @ np.linalg.solve(covariance, residual)
        log_det = np.linalg.slogdet(2 * np.pi * covariance).logabsdet
        scores.append(-0.5 * (log_det + distance))
        gains = naive_gains(estimator, X, k)
        correlations.append(naive_partial_correlations(covariance, gains))
    return np.array(scores), np.array(correlations)


def naive_gains(estimator, X, k):
    """What the variance of a gene's own noise gains without sample k."""
    if estimator.shrinkage in IDENTITY:
        return np.zeros(X.shape[1])
    every, others = X.astype(float), np.delete(X.astype(float), k, axis=0)
    if estimator.assume_centered:
        before, after = (np.square(part).mean(axis=0) for part in (every, others))
    else:
        before, after = (part.var(axis=0, ddof=1) for part in (every, others))
    model = np.square(estimator.components_, dtype=float).sum(axis=0)
    model += estimator.noise_variance_
    changed = after / np.where(before > 1e-20, before, np.inf) - (before > 1e-20)
    return estimator.shrinkage_ * model * changed


def naive_partial_correlations(covariance, gains):
    """Of each pair, with the noise of its two genes as it is without the sample."""
    correlations = np.eye(len(gains))
    for i, j in zip(*np.triu_indices(len(gains), 1), strict=True):
        own = covariance.copy()
        own[[i, j], [i, j]] += gains[[i, j]]
        block = np.linalg.inv(own)[np.ix_([i, j], [i, j])]
        value = -block[0, 1] / np.sqrt(block[0, 0] * block[1, 1])
        correlations[i, j] = correlations[j, i] = value
    return correlations


def all_pairs(n_genes):
    i, j = np.triu_indices(n_genes, 1)
    return pd.DataFrame({"source": i, "target": j})


def assert_equals_twin(estimator, X, rtol=1e-9, atol=1e-9):
    pairs = all_pairs(X.shape[1])
    found = leave_one_out(estimator, X, pairs)
    scores, correlations = naive(estimator, X)
    assert_allclose(found.score_samples, scores, rtol=rtol)
    expected = correlations[:, pairs["source"], pairs["target"]]
    assert_allclose(found.partial_correlation, expected, atol=atol)


def refuse(estimator, X, message, edges=None, error=ValueError):
    with pytest.raises(error, match=message):
        leave_one_out(estimator, X, edges)


@pytest.mark.parametrize("shape", [WIDE, SQUARE, TALL])
@pytest.mark.parametrize("assume_centered", [False, True])
@pytest.mark.parametrize("shrinkage", ["auto", 0.3, 1.0, *IDENTITY])
def test_each_model_is_that_of_the_other_samples(shape, assume_centered, shrinkage):
    X = samples(shape)
    estimator = FactorPrecisionEstimator(
        shrinkage=shrinkage, assume_centered=assume_centered
    )
    assert_equals_twin(estimator.fit(X), X)


@pytest.mark.parametrize("shape", [WIDE, SQUARE, TALL])
@pytest.mark.parametrize("shrinkage", ["auto", 1.0, "oas"])
def test_pathways_stay(shape, shrinkage):
    X = samples(shape)
    estimator = FactorPrecisionEstimator(shrinkage=shrinkage).fit(X)
    estimator.partial_fit_pathways(
        loadings(shape[1]), activity_variance=[1.0, 0.5, 2.0]
    )
    assert_equals_twin(estimator, X)


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("shrinkage", ["auto", "ledoit_wolf"])
def test_float32_is_as_good_as_its_digits(shape, shrinkage):
    X = samples(shape, np.float32)
    estimator = FactorPrecisionEstimator(shrinkage=shrinkage).fit(X)
    estimator.partial_fit_pathways(loadings(shape[1]))
    assert_equals_twin(estimator, X, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("shrinkage", ["auto", "ledoit_wolf"])
@pytest.mark.filterwarnings("ignore:.*do not vary")
def test_constant_genes_stay_isolated(shape, shrinkage):
    X = samples(shape)
    X[:, [2, 7]] = [4.2, 0.0]
    estimator = FactorPrecisionEstimator(shrinkage=shrinkage).fit(X)
    assert_equals_twin(estimator, X)
    pairs = all_pairs(shape[1])
    isolated = pairs.isin([2, 7]).any(axis=1)
    found = leave_one_out(estimator, X, pairs[isolated])
    assert_array_equal(found.partial_correlation, 0.0)


@pytest.mark.parametrize("shrinkage", ["auto", "oas"])
@pytest.mark.parametrize("unit", [1e-120, 1e120])
def test_units_do_not_matter(unit, shrinkage):
    X, estimator = samples(WIDE), FactorPrecisionEstimator(shrinkage=shrinkage)
    here, there = (
        leave_one_out(estimator.fit(table), table, 20) for table in (X, X * unit)
    )
    assert_allclose(there.partial_correlation, here.partial_correlation, atol=1e-12)
    shift = -X.shape[1] * np.log(unit)
    assert_allclose(there.score_samples, here.score_samples + shift)


def test_no_shrinkage_with_many_samples():
    X = samples(TALL)
    assert_equals_twin(FactorPrecisionEstimator(shrinkage=0.0).fit(X), X, atol=1e-8)


def test_order_of_samples_does_not_matter():
    X = samples(WIDE)
    estimator = FactorPrecisionEstimator().fit(X)
    straight, turned = (leave_one_out(estimator, x, 9) for x in (X, X[::-1]))
    assert_allclose(turned.score_samples[::-1], straight.score_samples)
    assert_allclose(
        turned.partial_correlation[::-1], straight.partial_correlation, atol=1e-12
    )


# ------------------------------------------------------- samples alone in a direction
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_covariance_that_becomes_singular_is_refused(dtype):
    few, lone = samples((11, 10), dtype), samples(TALL, dtype)
    lone[:, 3] = np.arange(len(lone)) == 17  # constant without sample 17
    for X, sample in ((few, r"\d+"), (lone, 17)):
        estimator = FactorPrecisionEstimator(shrinkage=0.0).fit(X)
        refuse(estimator, X, f"without sample {sample} the covariance is singular")


def test_a_gene_that_varies_in_one_sample_loses_its_links_with_it():
    X = samples(TALL)
    X[:, 3] = np.arange(len(X)) == 17
    estimator = FactorPrecisionEstimator(shrinkage=1e-4).fit(X)
    assert_equals_twin(estimator, X)
    edges = pd.DataFrame({"source": [3], "target": [5]})
    found = leave_one_out(estimator, X, edges)
    assert_allclose(found.partial_correlation[17], 0, atol=1e-9)


def test_pathways_stand_in_for_lacking_samples():
    X = samples((11, 10))
    estimator = FactorPrecisionEstimator(shrinkage=0.0).fit(X)
    assert_equals_twin(estimator.partial_fit_pathways(np.eye(10)), X, atol=1e-6)


# ------------------------------------------------------------------ edges and tables
def test_strongest_edges_are_those_of_the_model():
    X = samples(WIDE)
    estimator = FactorPrecisionEstimator().fit(X)
    edges = NetworkEdgeSelector(estimator, threshold=0, max_edges=8).fit(X).edges_
    found = leave_one_out(estimator, X, 8).edges
    shared = ["source", "target", "partial_correlation"]
    pd.testing.assert_frame_equal(found[shared], edges[shared])


def test_stability_is_that_of_the_values():
    X = samples(WIDE)
    found = leave_one_out(FactorPrecisionEstimator().fit(X), X, 8)
    values, n = found.partial_correlation, len(X)
    expected = (n - 1) * values.var(axis=0)
    assert_allclose(found.edges["standard_error"] ** 2, expected)
    assert_array_equal(found.edges["smallest"], values.min(axis=0))
    assert_array_equal(found.edges["largest"], values.max(axis=0))


def test_kept_is_exact_where_all_pairs_are_candidates():
    X = samples(WIDE)
    estimator = FactorPrecisionEstimator().fit(X)
    found = leave_one_out(estimator, X, 10).edges  # 91 pairs
    i, j = (found[end].str[1:].astype(int) for end in ENDS)
    sizes = np.abs(np.triu(naive(estimator, X)[1], 1))
    cuts = np.sort(sizes.reshape(len(X), -1), axis=1)[:, -10]
    assert_allclose(found["kept"], (sizes[:, i, j] >= cuts[:, None] - 1e-12).mean(0))
    assert 0 < found["kept"].min() < 1


def test_names_of_genes_are_followed():
    genes = [f"g{i}" for i in range(WIDE[1])]
    X = pd.DataFrame(samples(WIDE), columns=genes)
    estimator = FactorPrecisionEstimator().fit(X)
    named = pd.DataFrame({"source": ["g3", "g0"], "target": ["g5", "g1"]})
    placed = pd.DataFrame({"source": [3, 0], "target": [5, 1]})
    found, same = (leave_one_out(estimator, X, edges) for edges in (named, placed))
    assert found.edges["source"].tolist() == ["g3", "g0"]
    pd.testing.assert_frame_equal(found.edges, same.edges)
    expected = estimator.partial_correlation_[[3, 0], [5, 1]]
    assert_allclose(found.edges["partial_correlation"], expected)


def test_edges_of_a_selector_are_taken():
    X = samples(WIDE)
    selector = NetworkEdgeSelector(threshold=0, max_edges=8).fit(X)
    found = leave_one_out(selector.estimator_, X, selector.edges_).edges
    assert found["source"].tolist() == selector.edges_["source"].tolist()
    assert "kept" not in found


def test_no_edges_unless_asked_for():
    X = samples(WIDE)
    found = leave_one_out(FactorPrecisionEstimator().fit(X), X)
    assert found.partial_correlation.shape == (len(X), 0)
    assert len(found.edges) == 0
    assert_allclose(found.score, found.score_samples.mean())


def test_more_edges_than_pairs_are_all_pairs():
    X = samples(WIDE)
    found = leave_one_out(FactorPrecisionEstimator().fit(X), X, 1000)
    assert len(found.edges) == WIDE[1] * (WIDE[1] - 1) // 2
    assert_array_equal(found.edges["kept"], 1.0)


def test_without_any_link_there_are_no_edges():
    X = samples(WIDE)
    found = leave_one_out(FactorPrecisionEstimator(shrinkage=1.0).fit(X), X, 5)
    assert len(found.edges) == 0


def test_repr_tells_size_and_score():
    X = samples(WIDE)
    found = leave_one_out(FactorPrecisionEstimator().fit(X), X, 5)
    assert repr(found).startswith("<LeaveOneOut of 9 samples, 5 edges, score ")


def test_estimator_is_left_alone():
    X = samples(TALL)
    estimator = FactorPrecisionEstimator().fit(X).partial_fit_pathways(loadings(12))
    before = pickle.dumps(estimator), X.copy()
    leave_one_out(estimator, X, 5)
    assert pickle.dumps(estimator) == before[0]
    assert_array_equal(X, before[1])


# ---------------------------------------------------------------- what is refused
def test_other_samples_are_refused():
    X = samples(WIDE)
    estimator = FactorPrecisionEstimator().fit(X)
    refuse(estimator, X[:-1], "X has 8 samples, and the estimator .* on 9")
    refuse(estimator, X + 1e-3, "its mean differs")
    refuse(estimator, samples(WIDE, seed=1), "its mean differs")
    refuse(estimator, 2 * X.mean(axis=0) - X + 1e-6 * X**2, "mean differs")


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("shrinkage", ["auto", "oas"])
def test_other_samples_of_the_same_moments_are_refused(shape, shrinkage):
    X, other = samples(shape), samples(shape, seed=1)
    X, other = ((x - x.mean(axis=0)) / x.std(axis=0) for x in (X, other))
    estimator = FactorPrecisionEstimator(shrinkage=shrinkage).fit(X)
    refuse(estimator, other, "its covariance differs")


def test_a_table_of_fewer_digits_is_the_same_table():
    X = samples(WIDE)
    estimator = FactorPrecisionEstimator().fit(X)
    found = leave_one_out(estimator, X.astype(np.float32), 5)
    assert_allclose(
        found.score_samples, leave_one_out(estimator, X).score_samples, rtol=1e-3
    )


def test_two_samples_are_too_few():
    X = samples((2, 5))
    refuse(FactorPrecisionEstimator(shrinkage=0.5).fit(X), X, "2 samples: .* 3 are")


def test_two_samples_do_where_the_mean_is_known():
    X = samples((2, 5))
    estimator = FactorPrecisionEstimator(shrinkage=0.5, assume_centered=True)
    assert_equals_twin(estimator.fit(X), X)


@pytest.mark.filterwarnings("ignore:.*Heywood")
def test_models_that_are_no_sum_over_samples_are_refused():
    X = samples(TALL)
    fitted = FactorPrecisionEstimator(2, method="factor_analysis").fit(X)
    refuse(fitted, X, "method='factor_analysis'")
    refuse(FactorPrecisionEstimator(3).fit(X), X, "keeps 3 of 12 components")
    selector = NetworkEdgeSelector(threshold=0, max_edges=3).fit(X)
    refuse(selector, X, "estimator_", error=TypeError)


@pytest.mark.parametrize(
    ("edges", "message", "error"),
    [
        (0, "edges=0", ValueError),
        ("all", "not str", TypeError),
        (True, "not bool", TypeError),
        (pd.DataFrame({"gene": [1]}), "'source' and 'target'", TypeError),
        (pd.DataFrame({"source": [1], "target": [14]}), r"\[14\]", ValueError),
        (pd.DataFrame({"source": ["x1"], "target": ["TP53"]}), "TP53", ValueError),
        (pd.DataFrame({"source": [3], "target": [3]}), "itself", ValueError),
    ],
)
def test_edges_that_cannot_be_are_refused(edges, message, error):
    X = samples(WIDE)
    refuse(FactorPrecisionEstimator().fit(X), X, message, edges, error)


# -------------------------------------------------------------------------- memory
@pytest.mark.parametrize("shape", [(60, 4000), (4000, 60)])
def test_memory_is_that_of_a_few_tables(allocation_peak, shape):
    X = np.random.default_rng(0).normal(size=shape)
    estimator = FactorPrecisionEstimator().fit(X)
    pathways = 0.1 * np.random.default_rng(1).normal(size=(shape[1], 5))
    grown = copy.copy(estimator).partial_fit_pathways(pathways)
    with allocation_peak() as peak:
        leave_one_out(grown, X, 50)
    assert peak() < 12 * X.nbytes < 0.2 * 4000**2 * 8


# ---------------------------------------------------------------------- a true fit
def test_a_true_fit_without_a_sample_differs_by_little():
    expression = load_leukemia(as_frame=True).data
    estimator = FactorPrecisionEstimator().fit(expression)
    found = leave_one_out(estimator, expression, 100)
    pairs = tuple(expression.columns.get_indexer(found.edges[e]) for e in ENDS)
    for k in (0, 28, 111):
        kept = np.arange(len(expression)) != k
        refitted = FactorPrecisionEstimator().fit(expression[kept])
        score = refitted.score(expression[~kept])
        assert_allclose(found.score_samples[k], score, rtol=0.1)
        expected = refitted.partial_correlation_[pairs]
        assert_allclose(found.partial_correlation[k], expected, atol=0.003)
