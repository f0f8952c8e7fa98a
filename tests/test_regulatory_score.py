"""The regulatory score, against the formula written down for a dense matrix."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtri
from scipy.stats import median_abs_deviation, rankdata

from sklearn_grn import _block_links, _regulatory_search
from sklearn_grn._block_links import BlockLinks
from sklearn_grn._regulatory_features import (
    mean_squared_correlation,
    regulatory_features,
)
from sklearn_grn._regulatory_score import (
    Constants,
    backgrounds,
    hub_exponent,
    hub_weights,
    regulatory_score,
)
from sklearn_grn._regulatory_search import strongest_links
from sklearn_grn.datasets import make_regulatory_network


# ------------------------------------------------------------------ the dense twin
def naive_features(X, clip=6.0, weight=0.5):
    scale = median_abs_deviation(X, axis=0, scale=1 / 1.4826)
    scale = np.where(scale > 0, scale, X.std(axis=0))
    ranks = ndtri(rankdata(X, axis=0) / (len(X) + 1))
    levels = ranks + np.clip((X - np.median(X, axis=0)) / scale, -clip, clip)
    levels -= levels.mean(axis=0)
    levels /= np.linalg.norm(levels, axis=0)
    squares = levels**2 - (levels**2).mean(axis=0)
    return levels, weight * squares / np.linalg.norm(squares, axis=0)


def naive_links(X, given):
    levels, squares = naive_features(X, given.clip, given.square_weight)
    F = np.hstack([levels, squares]).T
    n_genes = X.shape[1]
    noise = given.shrinkage / (1 - given.shrinkage)
    precision = np.linalg.inv(noise * np.eye(2 * n_genes) + F @ F.T)
    spread = np.sqrt(precision.diagonal())
    squared = (precision / spread / spread[:, None]) ** 2
    T = np.sqrt(squared.reshape(2, n_genes, 2, n_genes).sum(axis=(0, 2)))
    np.fill_diagonal(T, 0)
    return T, (levels.T @ levels) ** 2


def naive_score(X, sources=None, given=None):
    """Score of each pair, 0 where the source is no regulator."""
    given = given or Constants()
    n_samples, n_genes = X.shape
    sources = np.arange(n_genes) if sources is None else np.asarray(sources)
    T, squared = naive_links(X, given)
    rows = sources if len(sources) >= given.fewest else np.arange(n_genes)
    A = T[sources] / T[rows].std(axis=0)
    B = np.maximum(0, A - given.cut) ** given.power
    share = given.prior_share * B.sum() / n_genes
    votes = (B / (B.sum(axis=0) + share)).sum(axis=1)
    h = votes / votes.mean() + given.hub_floor
    others = squared[~np.eye(n_genes, dtype=bool)].mean() - 1 / (n_samples - 1)
    ratio = max(0.0, others) / given.confounding
    a = 1 / (1 + ratio**given.confounding_power)
    score = np.zeros((n_genes, n_genes))
    score[sources] = A * h[:, None] ** a
    return score


def dense_score(X, sources=None, given=None, exponent=None):
    """Score of each pair by the module, 0 for those that it does not return."""
    mask = np.ones(X.shape[1], dtype=bool)
    if sources is not None:
        mask = np.isin(np.arange(X.shape[1]), sources)
    score = regulatory_score(X, mask, given, exponent)
    edges, _ = strongest_links(score, None)
    dense = np.zeros((X.shape[1], X.shape[1]))
    dense[edges.sources, edges.targets] = edges.scores
    return dense


def simulate(n_samples=50, n_genes=60, seed=0):
    simulated = make_regulatory_network(n_samples, n_genes, random_state=seed)
    return simulated.data


X = simulate()


# ---------------------------------------------------------------------- the formula
@pytest.mark.parametrize("shape", [(50, 60), (40, 90), (200, 45), (9, 50)])
def test_score_is_that_of_the_formula(shape):
    table = simulate(*shape)
    assert_allclose(dense_score(table), naive_score(table), rtol=1e-9)


@pytest.mark.parametrize("n_regulators", [1, 3, 39, 40, 59])
def test_score_of_regulators_is_that_of_the_formula(n_regulators):
    sources = np.random.default_rng(1).permutation(60)[:n_regulators]
    assert_allclose(dense_score(X, sources), naive_score(X, sources), rtol=1e-9)


@pytest.mark.parametrize("name", [*Constants._fields])
def test_every_constant_is_that_of_the_formula(name):
    value = getattr(Constants(), name)
    given = Constants()._replace(**{name: type(value)(value * 0.7)})
    expected = naive_score(X, np.arange(35), given)
    assert_allclose(dense_score(X, np.arange(35), given), expected, rtol=1e-9)
    assert name == "fewest" or not np.allclose(expected, naive_score(X, np.arange(35)))


@pytest.mark.parametrize("block", [1, 7, 59])
def test_blocks_of_any_size_give_the_same(monkeypatch, block):
    expected = dense_score(X, np.arange(45))
    for module in (_block_links, _regulatory_search):
        monkeypatch.setattr(module, "BLOCK", block)
    assert_allclose(dense_score(X, np.arange(45)), expected, rtol=1e-11)


def test_given_exponent_is_used():
    score = regulatory_score(X, np.ones(60, dtype=bool), exponent=0.25)
    plain = dense_score(X, exponent=0.0)
    positions = np.argsort(score.genes)
    factor = score.hub_weight[positions] ** 0.25
    assert_allclose(dense_score(X, exponent=0.25), plain * factor[:, None], rtol=1e-12)


def test_exponent_halves_at_the_constant():
    assert hub_exponent(0.03, Constants()) == 0.5
    assert hub_exponent(0.0, Constants()) == 1.0


def test_mean_squared_correlation_is_that_of_all_pairs():
    levels = regulatory_features(X, clip=6, square_weight=0.5).levels
    squared = (levels @ levels.T)[np.triu_indices(60, 1)] ** 2
    expected = squared.mean() - 1 / 49
    assert_allclose(mean_squared_correlation(levels), expected, rtol=1e-12)
    tall = regulatory_features(X[:, :20], clip=6, square_weight=0.5).levels
    squared = (tall @ tall.T)[np.triu_indices(20, 1)] ** 2
    assert_allclose(mean_squared_correlation(tall), squared.mean() - 1 / 49)


def test_hub_weights_are_equal_where_nobody_votes():
    assert_array_equal(hub_weights(np.zeros(3), 0.1), np.full(3, 1.1))


# --------------------------------------------------------------------- invariances
def test_permuted_genes_permute_the_score():
    order = np.random.default_rng(2).permutation(60)
    expected = dense_score(X)[np.ix_(order, order)]
    assert_allclose(dense_score(X[:, order]), expected, rtol=1e-12)


def test_permuted_samples_change_nothing():
    order = np.random.default_rng(3).permutation(50)
    assert_allclose(dense_score(X[order]), dense_score(X), rtol=1e-11)


def test_an_affine_change_of_genes_changes_nothing():
    rng = np.random.default_rng(4)
    scales = rng.choice([-1, 1], 60) * np.exp(3 * rng.normal(size=60))
    changed = X * scales + rng.normal(size=60)
    assert_allclose(dense_score(changed), dense_score(X), rtol=1e-9)


def test_partial_correlations_follow_the_sign_of_a_gene():
    turned = X * np.where(np.arange(60) == 5, -1, 1)
    everyone = np.ones(60, dtype=bool)
    before, after = (
        strongest_links(regulatory_score(table, everyone), None)[0]
        for table in (X, turned)
    )
    sign = np.where((before.sources == 5) != (before.targets == 5), -1, 1)
    values = sign * before.partial_correlations
    assert_allclose(after.partial_correlations, values, atol=1e-14)


def test_partial_correlations_are_those_of_the_levels():
    levels, squares = naive_features(X)
    F = np.hstack([levels, squares]).T
    precision = np.linalg.inv(19 * np.eye(120) + F @ F.T)
    spread = np.sqrt(precision.diagonal())
    expected = -(precision / spread / spread[:, None])[:60, :60]
    edges, _ = strongest_links(regulatory_score(X, np.ones(60, dtype=bool)), None)
    values = expected[edges.sources, edges.targets]
    assert_allclose(edges.partial_correlations, values, atol=1e-13)


def test_constant_genes_score_nothing_and_change_nothing():
    padded = np.insert(X, [0, 17, 60], 3.7, axis=1)
    varies = np.ptp(padded, axis=0) > 0
    score = dense_score(padded)
    assert not score[~varies].any()
    assert not score[:, ~varies].any()
    assert_allclose(score[np.ix_(varies, varies)], dense_score(X), rtol=1e-12)


# -------------------------------------------------------------------- odd tables
def test_a_gene_with_two_values_has_no_square():
    table = X.copy()
    table[:, 4] = np.arange(50) % 2
    features = regulatory_features(table, clip=6, square_weight=0.5)
    assert not features.squares[4].any()
    assert np.linalg.norm(features.levels[4]) == pytest.approx(1)


def test_a_gene_with_mostly_equal_values_is_scaled_by_its_standard_deviation():
    table = X.copy()
    table[10:, 4] = 0.0
    levels = regulatory_features(table, clip=6, square_weight=0.5).levels
    assert_allclose(levels.T, naive_features(table)[0], atol=1e-12)


@pytest.mark.parametrize("unit", [1e-150, 1e200])
def test_units_far_from_1_change_nothing(unit):
    table = X.copy()
    table[10:, 4] = 0.0
    assert_allclose(dense_score(table * unit), dense_score(table), rtol=1e-9)


def test_two_samples_give_finite_scores():
    assert np.isfinite(dense_score(X[:2])).all()


def test_one_gene_has_no_pair():
    assert not dense_score(X[:, :1]).any()


def test_a_gene_that_all_regulators_are_linked_with_equally_has_no_background():
    levels, squares, _ = regulatory_features(X, clip=6, square_weight=0.5)
    copies = np.r_[np.zeros(40, dtype=int), np.arange(1, 20)]
    links = BlockLinks(levels[copies], squares[copies], np.arange(59) < 40, 0.95)
    assert np.isinf(backgrounds(links)[40:]).all()


def test_regulators_that_do_not_vary_are_refused():
    table = X.copy()
    table[:, 3] = 1.0
    with pytest.raises(ValueError, match="none of the 1 regulators varies over the 50"):
        regulatory_score(table, np.arange(60) == 3)


# ------------------------------------------------------------------- the strongest
@pytest.fixture(scope="module")
def wide():
    """More genes than fit in a block."""
    return simulate(30, 700, seed=5)


@pytest.mark.parametrize("n_edges", [1, 50, 700, 20_000])
def test_the_strongest_are_those_of_all(wide, n_edges):
    expected = naive_score(wide, np.arange(300))
    order = np.argsort(-expected, axis=None)[:n_edges]
    score = regulatory_score(wide, np.arange(700) < 300)
    edges, left_out = strongest_links(score, n_edges)
    found = np.ravel_multi_index((edges.sources, edges.targets), (700, 700))
    assert_array_equal(found, order)
    assert_allclose(edges.scores, expected.flat[order], rtol=1e-9)
    assert_allclose(left_out, np.sort(expected, axis=None)[-n_edges - 1], rtol=1e-9)


@pytest.mark.parametrize("n_edges", [None, 40])
def test_a_threshold_keeps_what_exceeds_it(wide, n_edges):
    score = regulatory_score(wide, np.arange(700) < 300)
    strongest, threshold = strongest_links(score, 100)
    edges, left_out = strongest_links(score, n_edges, threshold)
    assert_array_equal(edges.scores, strongest.scores[:n_edges])
    assert left_out == (threshold if n_edges is None else strongest.scores[40])


def test_edges_that_tie_at_the_cut_are_left_out():
    twins = np.column_stack([X, X[:, 0]])  # gene 60 is gene 0 again
    everyone = np.ones(61, dtype=bool)
    score = regulatory_score(twins, everyone)
    every, _ = strongest_links(score, None)
    twin = np.where(every.sources == 60, 0, every.sources)
    first = np.flatnonzero((twin[1:] == 0) & (twin[:-1] == 0))
    ties = first[np.isclose(every.scores[first], every.scores[first + 1], rtol=1e-10)]
    edges, left_out = strongest_links(score, ties[3] + 1)
    assert len(edges.scores) == ties[3]
    assert left_out == pytest.approx(every.scores[ties[3]], rel=1e-9)


def test_pairs_beyond_the_free_memory_are_refused(monkeypatch):
    monkeypatch.setattr(_regulatory_search, "_ALWAYS_HELD", 0)
    monkeypatch.setattr(_regulatory_search, "_free_memory", lambda: 2 * 96 * 1000)
    score = regulatory_score(X, np.ones(60, dtype=bool))
    assert len(strongest_links(score, 900)[0].scores) == 900
    with pytest.raises(ValueError, match=r"more than 1,000 edges may take"):
        strongest_links(score, None)


# --------------------------------------------------------------------------- memory
@pytest.mark.parametrize("n_regulators", [300, 3000])
def test_no_array_of_genes_by_genes_is_made(allocation_peak, n_regulators):
    table = np.random.default_rng(6).normal(size=(30, 3000))
    with allocation_peak() as peak:
        score = regulatory_score(table, np.arange(3000) < n_regulators)
        strongest_links(score, 3000)
    assert peak() < 0.3 * 3000 * 3000 * 8
