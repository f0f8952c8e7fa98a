"""Pseudo-likelihoods against regressions one at a time, and dense conditionals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from sklearn_grn import FactorPrecisionEstimator, _pseudo_likelihood
from sklearn_grn._edge_search import Edges
from sklearn_grn._pseudo_likelihood import (
    Neighbours,
    fit_conditionals,
    model_conditionals,
    score_nested,
)
from sklearn_grn.datasets import make_sparse_network

N_GENES = 14


# ------------------------------------------------------------------ the naive answers
def neighbours_of(gene, edges):
    pairs = zip(edges.sources, edges.targets, strict=True)
    return [int(sum(pair)) - gene for pair in pairs if gene in pair]


def conditional(covariance, gene, others):
    """Slopes and variance of a normal gene given others, from their precision."""
    every = [gene, *others]
    precision = np.linalg.inv(covariance[np.ix_(every, every)])
    return -precision[0, 1:] / precision[0, 0], 1 / precision[0, 0]


def regression(samples, gene, others, spread):
    centred = samples - samples.mean(axis=0)
    target, columns = centred[:, gene], centred[:, others]
    slopes = np.linalg.lstsq(columns, target, rcond=1e-9)[0]
    squares = np.square(target - columns @ slopes).sum()
    return slopes, max(1e-6 * spread, squares / (len(samples) - 1 - len(others)))


def naive_conditionals(samples, edges, covariance):
    covariance = np.asarray(covariance)
    n_samples, n_genes = samples.shape
    slopes, variance = np.zeros((n_genes, n_genes)), samples.var(axis=0, ddof=1)
    variance = np.where(variance > 0, variance, covariance.diagonal())
    for gene in range(n_genes):
        others = neighbours_of(gene, edges)
        if len(others) > n_samples // 3:
            found = conditional(covariance, gene, others)
        elif others:
            found = regression(samples, gene, others, variance[gene])
        else:
            continue
        slopes[gene, others], variance[gene] = found
    return samples.mean(axis=0), slopes, variance


def naive_score(held_out, location, slopes, variance):
    centred = held_out - location
    predicted = location + centred @ slopes.T
    density = stats.norm.logpdf(held_out, predicted, np.sqrt(variance))
    return density.sum(axis=1).mean()


# ------------------------------------------------------------------- tables, networks
def some_edges(n_edges, n_genes=N_GENES, seed=0):
    sources, targets = np.triu_indices(n_genes, 1)
    chosen = np.random.default_rng(seed).permutation(len(sources))[:n_edges]
    sizes = np.linspace(0.9, 0.1, len(chosen))
    return Edges(sources[chosen], targets[chosen], sizes)


def star(n_genes=N_GENES):
    """The first gene with each other, as listed."""
    others = np.arange(1, n_genes)
    return Edges(np.zeros_like(others), others, np.linspace(0.9, 0.1, len(others)))


def make_tables(n_samples, n_genes=N_GENES):
    table = make_sparse_network(n_samples + 7, n_genes, random_state=n_samples).data
    table = table * np.linspace(0.1, 30, n_genes) + 5
    return table[:n_samples], table[n_samples:]


# A third of the samples are more than all neighbours, or fewer than those of some.
TABLES = {size: make_tables(size) for size in (60, 20, 9, 3, 2)}
MODELS = {
    size: FactorPrecisionEstimator().fit(table[0]).covariance_
    for size, table in TABLES.items()
}
on_sizes = pytest.mark.parametrize("n_samples", TABLES)
on_networks = pytest.mark.parametrize("n_edges", [0, 1, 12, 40, 91])


def assert_conditionals_equal(found, expected):
    location, slopes, variance = expected
    assert_allclose(found.location, location)
    assert_allclose(found.slopes.toarray(), slopes, rtol=1e-7, atol=1e-9)
    assert_allclose(found.variance, variance, rtol=1e-7)


# ------------------------------------------------------------------ a single network
@on_sizes
@on_networks
def test_conditionals_are_those_of_one_gene_at_a_time(n_samples, n_edges):
    samples, edges = TABLES[n_samples][0], some_edges(n_edges)
    neighbours, covariance = Neighbours.of(edges, N_GENES), MODELS[n_samples]
    found = fit_conditionals(samples, neighbours, covariance)
    assert_conditionals_equal(found, naive_conditionals(samples, edges, covariance))


@on_sizes
def test_a_dense_covariance_gives_what_its_factors_give(n_samples):
    samples, neighbours = TABLES[n_samples][0], Neighbours.of(some_edges(70), N_GENES)
    dense = fit_conditionals(samples, neighbours, MODELS[n_samples].toarray())
    found = fit_conditionals(samples, neighbours, MODELS[n_samples])
    expected = dense.location, dense.slopes.toarray(), dense.variance
    assert_conditionals_equal(found, expected)


@on_networks
@on_sizes
def test_score_is_the_mean_normal_log_density(n_samples, n_edges):
    (samples, held_out), edges = TABLES[n_samples], some_edges(n_edges)
    neighbours, covariance = Neighbours.of(edges, N_GENES), MODELS[n_samples]
    found = fit_conditionals(samples, neighbours, covariance).score(held_out)
    naive = naive_conditionals(samples, edges, covariance)
    assert_allclose(found, naive_score(held_out, *naive), rtol=1e-7)


@on_networks
@pytest.mark.parametrize("dense", [False, True])
def test_model_conditionals_are_those_of_the_covariance(n_edges, dense):
    covariance, edges = MODELS[9], some_edges(n_edges)
    given = covariance.toarray() if dense else covariance
    neighbours, location = Neighbours.of(edges, N_GENES), np.arange(N_GENES)
    slopes = np.zeros((N_GENES, N_GENES))
    variance = covariance.diagonal().copy()
    for gene in range(N_GENES):
        if others := neighbours_of(gene, edges):
            found = conditional(covariance.toarray(), gene, others)
            slopes[gene, others], variance[gene] = found
    expected = location, slopes, variance
    assert_conditionals_equal(model_conditionals(location, neighbours, given), expected)


def test_a_score_of_the_model_is_a_conditional_density_of_the_normal_distribution():
    covariance, held_out = MODELS[9].toarray(), TABLES[9][1]
    neighbours, location = Neighbours.of(some_edges(91), N_GENES), np.full(N_GENES, 5)
    found = model_conditionals(location, neighbours, covariance).score(held_out)
    whole = stats.multivariate_normal(location, covariance).logpdf(held_out)
    expected = 0.0
    for gene in range(N_GENES):
        others = np.delete(np.arange(N_GENES), gene)
        part = stats.multivariate_normal(
            location[others], covariance[np.ix_(others, others)]
        )
        expected += (whole - part.logpdf(held_out[:, others])).mean()
    assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("n_samples", [60, 9])
def test_the_order_of_neighbours_does_not_matter(n_samples):
    samples, held_out = TABLES[n_samples]
    edges = some_edges(40)
    scores = [
        fit_conditionals(
            samples, Neighbours.of(listed, N_GENES), MODELS[n_samples]
        ).score(held_out)
        for listed in (edges, edges.take(slice(None, None, -1)))
    ]
    assert_allclose(scores[1], scores[0], rtol=1e-10)


def test_units_shift_the_score_by_their_logarithms():
    (samples, held_out), units = TABLES[60], np.logspace(-9, 9, N_GENES)
    neighbours, covariance = (
        Neighbours.of(some_edges(40), N_GENES),
        MODELS[60].toarray(),
    )
    score = fit_conditionals(samples, neighbours, covariance).score(held_out)
    other = fit_conditionals(
        samples * units, neighbours, covariance * units * units[:, None]
    )
    shifted = score - np.log(units).sum()
    assert_allclose(other.score(held_out * units), shifted, rtol=1e-9)


def test_float32_samples_are_reckoned_in_float64():
    samples, held_out = (table.astype(np.float32) for table in TABLES[60])
    neighbours = Neighbours.of(some_edges(40), N_GENES)
    single = fit_conditionals(samples, neighbours, MODELS[60])
    double = fit_conditionals(samples.astype(np.float64), neighbours, MODELS[60])
    assert single.score(held_out) == double.score(held_out.astype(np.float64))


# -------------------------------------------------------------------- nested networks
@on_sizes
@pytest.mark.parametrize("dense", [False, True])
def test_nested_scores_are_those_of_each_network(n_samples, dense):
    (samples, held_out), edges = TABLES[n_samples], some_edges(80)
    covariance = MODELS[n_samples].toarray() if dense else MODELS[n_samples]
    n_edges = np.array([80, 55, 33, 33, 20, 7, 1, 0])
    found = score_nested(samples, held_out, edges, n_edges, covariance)
    networks = [Neighbours.of(edges.take(slice(n)), N_GENES) for n in n_edges]
    expected = [
        fit_conditionals(samples, network, covariance).score(held_out)
        for network in networks
    ]
    assert_allclose(found, expected, rtol=1e-9)


def test_nested_scores_are_those_of_one_gene_at_a_time():
    (samples, held_out), edges = TABLES[20], some_edges(91)
    n_edges = np.arange(0, 92, 7)
    found = score_nested(samples, held_out, edges, n_edges, MODELS[20])
    for n, score in zip(n_edges, found, strict=True):
        naive = naive_conditionals(samples, edges.take(slice(n)), MODELS[20])
        assert_allclose(score, naive_score(held_out, *naive), rtol=1e-7)


def test_nested_scores_in_any_order_of_the_networks():
    (samples, held_out), edges = TABLES[20], some_edges(60)
    n_edges = np.array([5, 60, 0, 31])
    found = score_nested(samples, held_out, edges, n_edges, MODELS[20])
    order = np.argsort(n_edges)
    again = score_nested(samples, held_out, edges, n_edges[order], MODELS[20])
    assert_allclose(again, found[order], rtol=1e-14)


def test_more_edges_than_there_are_score_as_all():
    (samples, held_out), edges = TABLES[20], some_edges(10)
    n_edges = np.array([10**6, 10])
    found = score_nested(samples, held_out, edges, n_edges, MODELS[20])
    assert found[0] == found[1]


def test_scores_do_not_depend_on_the_batches(monkeypatch):
    (samples, held_out), edges = TABLES[60], some_edges(70)
    n_edges = np.array([70, 35, 3])
    whole = score_nested(samples, held_out, edges, n_edges, MODELS[60])
    monkeypatch.setattr(_pseudo_likelihood, "_BATCH", 1)
    batched = score_nested(samples, held_out, edges, n_edges, MODELS[60])
    assert_allclose(batched, whole, rtol=1e-13)


def test_a_hub_among_genes_of_few_neighbours():
    samples, held_out = make_tables(100, 40)
    covariance, edges = np.cov(samples.T), star(40)
    # 39 neighbours are more than a third of the samples, the first 33 are not.
    found = score_nested(samples, held_out, edges, np.array([39, 33, 17]), covariance)
    for n, score in zip([39, 33, 17], found, strict=True):
        naive = naive_conditionals(samples, edges.take(slice(n)), covariance)
        assert_allclose(score, naive_score(held_out, *naive), rtol=1e-8)


# ---------------------------------------------------------- genes that say the same
def with_columns(changes, n_samples=60):
    """The tables with some genes replaced, and a covariance of full rank."""
    samples, held_out = (table.copy() for table in TABLES[n_samples])
    for gene, replace in changes.items():
        for table in (samples, held_out):
            table[:, gene] = replace(table)
    return samples, held_out, np.cov(samples.T) + np.eye(N_GENES)


def copies(gene):
    return lambda table: table[:, gene]


def is_constant(table):
    return np.full(len(table), 3.0)


def is_a_sum(table):
    return table[:, 1] - 2 * table[:, 2]


COLLINEAR = {
    "a copy": {2: copies(1)},
    "two copies": {2: copies(1), 3: copies(1)},
    "a constant gene": {1: is_constant},
    "a sum of others": {3: is_a_sum},
}
on_collinear = pytest.mark.parametrize("changes", COLLINEAR.values(), ids=COLLINEAR)


@on_collinear
def test_neighbours_that_add_nothing_leave_the_score_to_the_others(changes):
    samples, held_out, covariance = with_columns(changes)
    edges = star()
    found = fit_conditionals(samples, Neighbours.of(edges, N_GENES), covariance)
    naive = naive_conditionals(samples, edges, covariance)
    assert_allclose(found.score(held_out), naive_score(held_out, *naive), rtol=1e-6)


@on_collinear
def test_nested_neighbours_that_add_nothing(changes):
    samples, held_out, covariance = with_columns(changes)
    edges = star()
    (found,) = score_nested(samples, held_out, edges, np.array([13]), covariance)
    naive = naive_conditionals(samples, edges, covariance)
    assert_allclose(found, naive_score(held_out, *naive), rtol=1e-6)


def test_a_copy_that_comes_last_adds_nothing():
    samples, held_out, covariance = with_columns({13: copies(1)})
    found = fit_conditionals(samples, Neighbours.of(star(), N_GENES), covariance)
    assert found.slopes[0, 13] == 0
    naive = naive_conditionals(samples, star(), covariance)
    assert_allclose(found.score(held_out), naive_score(held_out, *naive), rtol=1e-6)


def test_the_likelihood_of_a_copied_gene_has_an_upper_bound():
    samples, held_out, covariance = with_columns({1: copies(0)})
    edges = star().take(slice(1))
    found = fit_conditionals(samples, Neighbours.of(edges, N_GENES), covariance)
    variance = samples[:, 0].var(ddof=1)
    assert_allclose(found.variance[:2], 1e-6 * variance)
    (nested,) = score_nested(samples, held_out, edges, np.array([1]), covariance)
    assert_allclose(nested, found.score(held_out))


def test_a_constant_gene_has_the_variance_of_the_model():
    samples, held_out, covariance = with_columns({4: is_constant})
    found = fit_conditionals(samples, Neighbours.of(Edges(), N_GENES), covariance)
    assert found.variance[4] == covariance[4, 4]
    none = np.array([0])
    nested = score_nested(samples, held_out, Edges(), none, covariance)
    assert_allclose(nested, found.score(held_out))


# --------------------------------------------------------------------- small and empty
@pytest.mark.parametrize("n_genes", [1, 5])
def test_without_edges_genes_are_independent(n_genes):
    samples, held_out = make_tables(12, 5)
    samples, held_out = samples[:, :n_genes], held_out[:, :n_genes]
    location, spread = samples.mean(axis=0), samples.std(axis=0, ddof=1)
    expected = stats.norm.logpdf(held_out, location, spread).sum(axis=1).mean()
    covariance = np.cov(samples.T).reshape(n_genes, n_genes)
    alone = fit_conditionals(samples, Neighbours.of(Edges(), n_genes), covariance)
    assert_allclose(alone.score(held_out), expected)
    nested = score_nested(samples, held_out, Edges(), np.array([0, 0]), covariance)
    assert_allclose(nested, [expected, expected])


def test_neighbours_are_listed_strongest_edge_first():
    edges = Edges(np.array([0, 1, 0]), np.array([3, 3, 1]), np.array([0.9, -0.5, 0.1]))
    neighbours = Neighbours.of(edges, 5)
    listed = np.split(neighbours.genes, neighbours.starts[1:-1])
    assert [genes.tolist() for genes in listed] == [[3, 1], [3, 0], [], [0, 1], []]


def test_degrees_within_the_first_edges():
    edges, n_edges = some_edges(40), np.array([40, 13, 1, 0])
    found = Neighbours.of(edges, N_GENES).degrees_within(n_edges)
    for n, degrees in zip(n_edges, found.T, strict=True):
        assert_allclose(degrees, Neighbours.of(edges.take(slice(n)), N_GENES).degrees)
