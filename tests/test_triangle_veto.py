"""Common neighbours, found one pair after the other and projected out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import _triangle_veto
from sklearn_grn._edge_search import Edges
from sklearn_grn._lasso_pilot import lasso_pilot
from sklearn_grn._leave_pair_correlation import normal_scores, scan_pairs
from sklearn_grn._prepared_table import prepare
from sklearn_grn._triangle_veto import scores_beside_neighbours, strongest_neighbours


def naive_neighbours(edges, n_genes):
    sizes = np.zeros((n_genes, n_genes))
    sizes[edges.sources, edges.targets] = np.abs(edges.values)
    sizes += sizes.T
    weakest = np.minimum(sizes[edges.sources], sizes[edges.targets])
    pairs = np.flatnonzero(weakest.max(axis=1) > 0)
    return pairs, weakest[pairs].argmax(axis=1), weakest[pairs].max(axis=1)


def random_graph(n_genes, density, seed, round_to=9):
    rng = np.random.default_rng(seed)
    pairs = np.triu(rng.random((n_genes, n_genes)) < density, 1).nonzero()
    return Edges(*pairs, np.round(rng.uniform(-1, 1, len(pairs[0])), round_to))


@pytest.fixture
def hub():
    """Forty spokes of gene 0, with the pilot and all pairs."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 41))
    X[:, 1:] += X[:, :1]
    pilot = lasso_pilot(prepare(X).rows, 1.3)
    return pilot, scan_pairs(pilot, 0).edges


@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_strongest_neighbours_of_all_pairs(density, seed):
    edges = random_graph(25, density, seed)
    for ours, theirs in zip(
        strongest_neighbours(edges), naive_neighbours(edges, 25), strict=True
    ):
        assert_array_equal(ours, theirs)


def test_the_first_of_equal_neighbours():
    edges = random_graph(25, 0.5, 0)
    edges = edges._replace(values=np.ones(len(edges.sources)))
    _, neighbours, _ = strongest_neighbours(edges)
    assert_array_equal(neighbours, naive_neighbours(edges, 25)[1])


def test_few_steps_at_a_time(monkeypatch):
    edges = random_graph(25, 0.3, 0)
    expected = strongest_neighbours(edges)
    monkeypatch.setattr(_triangle_veto, "_MOST_STEPS", 10)
    for ours, theirs in zip(strongest_neighbours(edges), expected, strict=True):
        assert_array_equal(ours, theirs)


@pytest.mark.parametrize("edges", [Edges(), random_graph(2, 1.0, 0)])
def test_no_triangles(edges):
    assert len(strongest_neighbours(edges)[0]) == 0


def test_scores_are_partial_correlations_given_the_neighbour(hub):
    pilot, edges = hub
    expected = np.full(len(edges.values), np.inf)
    for pair, third, strength in zip(*naive_neighbours(edges, 41), strict=True):
        if abs(edges.values[pair]) >= 1.1 * strength:
            continue
        i, j = edges.sources[pair], edges.targets[pair]
        b = pilot.coefficients_of(np.array([i, j]), np.array([j, i]))
        left = pilot.residuals[i] + b[0] * pilot.rows[j]
        right = pilot.residuals[j] + b[1] * pilot.rows[i]
        ij, ic, jc = np.corrcoef([left, right, pilot.rows[third]])[[0, 0, 1], [1, 2, 2]]
        partial = (ij - ic * jc) / np.sqrt((1 - ic**2) * (1 - jc**2))
        expected[pair] = normal_scores(np.array([partial]), 57)[0]
    assert_allclose(scores_beside_neighbours(pilot, edges, 58), expected, atol=1e-9)


def test_spokes_are_not_linked_beside_their_hub(hub):
    pilot, edges = hub
    after = scores_beside_neighbours(pilot, edges, 58)
    among_spokes = (edges.sources > 0) & np.isfinite(after)
    before = normal_scores(edges.values, 58)[among_spokes].mean()
    assert among_spokes.sum() > 600
    assert after[among_spokes].mean() < 0.9 * before


def test_a_link_that_stands_out_is_let_alone(hub):
    pilot, edges = hub
    [pair] = np.flatnonzero((edges.sources == 1) & (edges.targets == 2))
    assert np.isfinite(scores_beside_neighbours(pilot, edges, 58)[pair])
    for size, stands_out in [(0.99, False), (1.01, True)]:
        values = np.full(len(edges.values), 0.5)
        values[pair] = 1.1 * 0.5 * size
        scores = scores_beside_neighbours(pilot, edges._replace(values=values), 58)
        assert np.isinf(scores[pair]) == stands_out
