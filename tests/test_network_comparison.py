"""Networks in numbers against walks over their edges and loops over all pairs."""

import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.covariance import GraphicalLasso, LedoitWolf
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
    compare_networks,
    network_statistics,
)
from sklearn_grn.datasets import make_sparse_network

N_GENES = 40
FRAME = make_sparse_network(60, N_GENES, as_frame=True, random_state=1).data
OTHER = make_sparse_network(50, N_GENES, as_frame=True, random_state=2).data
SAMPLES, GENES = FRAME.to_numpy(), list(FRAME)
PAIRS = np.triu_indices(N_GENES, 1)


def strongest(n_edges, estimator=None, table=FRAME):
    selector = NetworkEdgeSelector(estimator, threshold=0, max_edges=n_edges)
    return selector.fit(table)


def dense_values(estimator):
    """Partial correlations of all pairs, as a vector."""
    precision = np.asarray(estimator.precision_)
    scale = np.sqrt(precision.diagonal())
    return (-precision / np.outer(scale, scale))[PAIRS]


def neighbours(selector):
    """{gene: {neighbour: partial correlation}}."""
    found = {gene: {} for gene in GENES}
    for source, target, value, *_ in selector.edges_.itertuples(index=False):
        found[source][target] = found[target][source] = value
    return found


def degrees_of(selector):
    return {gene: len(others) for gene, others in neighbours(selector).items()}


def parts_of(selector):
    """Sets of the genes that can be reached from one another."""
    graph, parts, left = neighbours(selector), [], set(GENES)
    while left:
        part, ahead = set(), [left.pop()]
        while ahead:
            gene = ahead.pop()
            part.add(gene)
            ahead += set(graph[gene]) - part
        parts.append(part)
        left -= part
    return [part for part in parts if len(part) > 1]


INSIDE = [FactorPrecisionEstimator(), LedoitWolf(), GraphicalLasso(0.2)]
on_inside = pytest.mark.parametrize("estimator", INSIDE, ids=str)


# ------------------------------------------------------------------------- one network
@on_inside
def test_all_pairs_are_summed_up(estimator):
    selector = strongest(30, estimator)
    found, values = network_statistics(selector), dense_values(selector.estimator_)
    assert_allclose(found.mean_partial_correlation, np.abs(values).mean(), rtol=1e-6)
    assert_allclose(found.largest_partial_correlation, np.abs(values).max())


def test_edges_and_genes_are_counted():
    found = network_statistics(strongest(30))
    assert (found.n_genes, found.n_edges) == (40, 30)
    assert found.density == 30 / 780
    assert found.mean_degree == 1.5


def test_degrees_are_numbers_of_neighbours():
    selector = strongest(30)
    degrees = network_statistics(selector).degrees
    assert degrees.name == "degree"
    assert degrees.to_dict() == degrees_of(selector)
    assert list(degrees.index) == GENES


@pytest.mark.parametrize("n_edges", [5, 25, 60])
def test_components_are_genes_that_can_be_reached(n_edges):
    selector = strongest(n_edges)
    found, parts = network_statistics(selector), parts_of(selector)
    grouped = found.components[found.components >= 0]
    ours = [sorted(genes) for genes in grouped.groupby(grouped).groups.values()]
    assert sorted(ours) == sorted(map(sorted, parts))
    assert found.n_components == len(parts)
    assert found.largest_component == max(map(len, parts))


def test_components_are_numbered_by_size():
    components = network_statistics(strongest(25)).components
    sizes = components[components >= 0].value_counts().sort_index()
    assert sizes.is_monotonic_decreasing
    assert list(sizes.index) == list(range(len(sizes)))


def test_genes_without_an_edge_are_in_no_component():
    selector = strongest(25)
    alone = network_statistics(selector).components == -1
    assert_array_equal(alone, ~selector.get_support())


def test_hubs_have_most_edges():
    selector = strongest(60)
    hubs, degrees = network_statistics(selector, n_hubs=7).hubs, degrees_of(selector)
    strength = {
        gene: np.abs(list(others.values())).sum()
        for gene, others in neighbours(selector).items()
    }
    ranked = sorted(GENES, key=lambda gene: (-degrees[gene], -strength[gene]))[:7]
    assert hubs["gene"].tolist() == ranked
    assert hubs["degree"].tolist() == [degrees[gene] for gene in ranked]
    assert_allclose(hubs["strength"], [strength[gene] for gene in ranked])


def test_genes_without_an_edge_are_no_hubs():
    hubs = network_statistics(strongest(2), n_hubs=40).hubs
    assert hubs["degree"].min() == 1


@pytest.mark.parametrize("threshold", [0.05, 0.15])
def test_a_threshold_stands_in_for_the_edges(threshold):
    found = network_statistics(strongest(30), threshold=threshold)
    expected = NetworkEdgeSelector(threshold=threshold).fit(FRAME)
    assert found.n_edges == len(expected.edges_)
    assert found.degrees.to_dict() == degrees_of(expected)


@pytest.mark.parametrize(
    "estimator",
    [
        FactorPrecisionEstimator(),
        LedoitWolf(),
        make_pipeline(StandardScaler(), FactorPrecisionEstimator()),
    ],
    ids=str,
)
def test_an_estimator_with_a_threshold(estimator):
    found = network_statistics(estimator.fit(FRAME), threshold=0.1)
    alone = NetworkEdgeSelector(estimator, threshold=0.1).fit(FRAME)
    assert found.n_edges == len(alone.edges_)


def test_a_cross_validated_network():
    selector = NetworkEdgeSelectorCV(thresholds=[0.05, 0.1, 0.2]).fit(FRAME)
    assert network_statistics(selector).n_edges == len(selector.edges_)


def test_two_workers_find_what_one_finds():
    one = network_statistics(strongest(30), threshold=0.1)
    two = network_statistics(strongest(30), threshold=0.1, n_jobs=2)
    assert (one.hubs == two.hubs).all(axis=None)
    assert_allclose(two.mean_partial_correlation, one.mean_partial_correlation)


@pytest.mark.filterwarnings("ignore:no edge was selected")
@pytest.mark.parametrize("n_genes", [1, 2, 40])
def test_an_empty_network(n_genes):
    table = FRAME.iloc[:, :n_genes]
    found = network_statistics(NetworkEdgeSelector(threshold=0.99).fit(table))
    assert found.n_edges == found.density == found.mean_degree == 0
    assert found.n_components == found.largest_component == len(found.hubs) == 0
    assert (found.components == -1).all()


def test_all_edges():
    found = network_statistics(NetworkEdgeSelector(threshold=0).fit(FRAME))
    assert found.density == 1
    assert (found.degrees == 39).all()
    assert found.largest_component == 40


def test_an_estimator_has_no_edges_without_a_threshold():
    fitted = LedoitWolf().fit(FRAME)
    with pytest.raises(ValueError, match="LedoitWolf has selected no edges"):
        network_statistics(fitted)


def test_an_estimator_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        network_statistics(NetworkEdgeSelector())


# ------------------------------------------------------------------------- two networks
def pair_values(selector):
    """{(source, target): partial correlation} of all pairs, both ways round."""
    names = getattr(selector, "feature_names_in_", [f"x{i}" for i in range(N_GENES)])
    values = dense_values(selector.estimator_)
    pairs = [(names[i], names[j]) for i, j in zip(*PAIRS, strict=True)]
    found = dict(zip(pairs, values, strict=True))
    return found | {pair[::-1]: value for pair, value in found.items()}


def edges_of(selector):
    ends = zip(selector.edges_["source"], selector.edges_["target"], strict=True)
    return {frozenset(pair) for pair in ends}


def assert_table(table, edges, before, after):
    old, new = pair_values(before), pair_values(after)
    ends = list(zip(table["source"], table["target"], strict=True))
    assert {frozenset(pair) for pair in ends} == edges
    assert len(ends) == len(edges)
    expected = np.array([(old[pair], new[pair]) for pair in ends]).reshape(-1, 2)
    assert_allclose(table[["before", "after"]], expected, rtol=1e-8)
    assert_allclose(table["change"], expected[:, 1] - expected[:, 0], rtol=1e-7)
    sizes = np.abs(expected)
    assert_allclose(table["change_of_size"], sizes[:, 1] - sizes[:, 0], atol=1e-9)
    assert table["change"].abs().is_monotonic_decreasing


MATCHES = {
    "other samples": (strongest(50), strongest(40, table=OTHER)),
    "other order": (strongest(50), strongest(40, table=OTHER[GENES[::-1]])),
    "dense": (strongest(50, LedoitWolf()), strongest(40, GraphicalLasso(0.1), OTHER)),
    "dense and not": (strongest(50), strongest(40, LedoitWolf(), OTHER[GENES[::-1]])),
    "no names": (strongest(50, table=SAMPLES), strongest(40, table=OTHER.to_numpy())),
    "same": (strongest(50), strongest(50)),
}
on_matches = pytest.mark.parametrize("pair", MATCHES.values(), ids=MATCHES)


@on_matches
def test_edges_are_gained_lost_or_kept(pair):
    before, after = pair
    found, old, new = compare_networks(*pair), edges_of(before), edges_of(after)
    assert_table(found.gained, new - old, before, after)
    assert_table(found.lost, old - new, before, after)
    assert_table(found.kept, old & new, before, after)
    assert found.jaccard == len(old & new) / len(old | new)


@on_matches
def test_the_largest_changes_of_all_pairs(pair):
    before, after = pair
    changed = compare_networks(before, after, n_changes=20).changed
    old, new = pair_values(before), pair_values(after)
    ranked = sorted(
        (frozenset(ends) for ends in old if ends[0] < ends[1]),
        key=lambda ends: -abs(new[tuple(ends)] - old[tuple(ends)]),
    )
    expected = set(ranked[:20]) if before is not after and old != new else set()
    assert_table(changed, expected, before, after)


def test_a_network_and_the_same_with_a_pathway():
    before = NetworkEdgeSelector(threshold=0.1).fit(FRAME)
    after = copy.copy(before)
    after.partial_fit_pathways(pd.Series(2.0, GENES[:4], name="p53"))
    found = compare_networks(before, after, n_changes=1000)
    pd.testing.assert_frame_equal(found.changed, after.edge_changes_)
    assert len(found.gained) > 0


def test_a_network_compared_with_itself():
    selector = strongest(30)
    found = compare_networks(selector, selector)
    assert len(found.kept) == 30
    assert found.jaccard == 1
    assert len(found.gained) == len(found.lost) == len(found.changed) == 0


@pytest.mark.filterwarnings("ignore:no edge was selected")
def test_empty_networks():
    selector = NetworkEdgeSelector(threshold=0.99).fit(FRAME)
    found = compare_networks(selector, selector)
    assert found.jaccard == 1
    columns = ["source", "target", "before", "after", "change", "change_of_size"]
    assert all(list(found[part]) == columns for part in ("gained", "lost", "kept"))


def test_other_genes_are_named():
    other = OTHER.rename(columns={"gene7": "TP53"})
    with pytest.raises(ValueError, match=r"40 and 40 genes, and \['gene7', 'TP53'\]"):
        compare_networks(strongest(30), strongest(30, table=other))


def test_fewer_genes_are_counted():
    with pytest.raises(ValueError, match=r"40 and 38 genes, .*'gene38', 'gene39'"):
        compare_networks(strongest(30), strongest(30, table=OTHER[GENES[:38]]))


@pytest.mark.parametrize("fitted_first", [True, False])
def test_both_are_fitted(fitted_first):
    pair = [strongest(9), NetworkEdgeSelector()]
    with pytest.raises(NotFittedError):
        compare_networks(*pair[:: 1 if fitted_first else -1])
