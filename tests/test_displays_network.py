"""Networks that are drawn: what the artists say, and where genes and labels are."""

import sys

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist

from sklearn_grn import NetworkEdgeSelector
from sklearn_grn.datasets import load_leukemia
from sklearn_grn.displays import NetworkDisplay
from sklearn_grn.displays._drawing import NEGATIVE, POSITIVE
from sklearn_grn.displays._network_layout import network_layout

EXPRESSION = load_leukemia(as_frame=True).data
SMALL = NetworkEdgeSelector(threshold=0, max_edges=30).fit(EXPRESSION)
LARGE = NetworkEdgeSelector(threshold=0, max_edges=300).fit(EXPRESSION)
EDGES = pd.DataFrame(
    {
        "source": ["a", "a", "a", "d"],
        "target": ["b", "c", "d", "e"],
        "partial_correlation": [0.4, -0.2, 0.1, -0.05],
    }
)
both_layouts = pytest.mark.parametrize("layout", ["networkx", "builtin"])
both_sizes = pytest.mark.parametrize("selector", [SMALL, LARGE], ids=["30", "300"])


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    plt.close("all")


def matrix_of(graph):
    return sparse.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))


def boxes_of(texts):
    return np.array([text.get_window_extent().extents for text in texts])


def n_overlaps(boxes):
    first, second = boxes[:, None], boxes[None]
    apart = (first[..., 2:] <= second[..., :2]) | (second[..., 2:] <= first[..., :2])
    return np.triu(~apart.any(axis=-1), 1).sum()


# -------------------------------------------------------------------- what is drawn
def test_edges_join_the_genes_they_name():
    drawn = NetworkDisplay.from_edges(EDGES)
    for segment, row in zip(
        drawn.edges_.get_segments(), EDGES.itertuples(), strict=True
    ):
        ends = drawn.positions.loc[[row.source, row.target]]
        assert_allclose(segment, ends)


def test_colours_are_signs():
    drawn = NetworkDisplay.from_edges(EDGES)
    expected = [POSITIVE, NEGATIVE, POSITIVE, NEGATIVE]
    colours = drawn.edges_.get_colors()[:, :3]
    assert_allclose(colours, [to_rgb(name) for name in expected])


def test_widths_are_strengths():
    widths = NetworkDisplay.from_edges(EDGES).edges_.get_linewidths()
    assert_allclose(widths[:3], [4.0, 2.0, 1.0])
    assert widths[3] > 0  # the weakest edge is still seen


def test_genes_are_larger_the_more_edges_they_have():
    drawn = NetworkDisplay.from_edges(EDGES)
    sizes = dict(zip(drawn.positions.index, drawn.genes_.get_sizes(), strict=True))
    assert sizes["a"] > sizes["d"] > sizes["b"] == sizes["c"] == sizes["e"]


def test_the_hub_is_labelled_first():
    drawn = NetworkDisplay.from_edges(EDGES, n_labels=1)
    assert [text.get_text() for text in drawn.labels_] == ["a"]


def test_the_table_of_a_selector_is_drawn():
    drawn = NetworkDisplay.from_estimator(SMALL)
    pd.testing.assert_frame_equal(drawn.edges, SMALL.edges_)


def test_only_the_strongest_edges_are_drawn():
    drawn = NetworkDisplay.from_estimator(LARGE, max_edges=12)
    assert len(drawn.edges_.get_segments()) == 12
    assert drawn.ax_.get_title().endswith("12 edges")


def test_a_weight_of_another_name_is_drawn():
    edges = EDGES.rename(columns={"partial_correlation": "score"})
    widths = NetworkDisplay.from_edges(edges).edges_.get_linewidths()
    assert_allclose(widths, NetworkDisplay.from_edges(EDGES).edges_.get_linewidths())


def test_a_network_without_an_edge_is_refused():
    with pytest.raises(ValueError, match="no edge to draw"):
        NetworkDisplay.from_edges(EDGES.iloc[:0])
    assert plt.get_fignums() == []


def test_names_with_dollar_signs_are_written_as_they_are():
    edges = EDGES.replace({"a": "$a$", "b": "b_{1}"})
    labels = {text.get_text() for text in NetworkDisplay.from_edges(edges).labels_}
    assert {"$a$", "b_{1}"} <= labels
    plt.gcf().canvas.draw()  # "b_{1}" and "$a$" are no mathematics


# ----------------------------------------------------------------------------- labels
@both_sizes
@both_layouts
def test_labels_do_not_overlap(selector, layout):
    drawn = NetworkDisplay.from_estimator(selector, layout=layout)
    drawn.figure_.canvas.draw()
    assert n_overlaps(boxes_of(drawn.labels_)) == 0


@both_sizes
def test_labels_stay_inside_the_axes_and_off_the_legend(selector):
    drawn = NetworkDisplay.from_estimator(selector)
    drawn.figure_.canvas.draw()
    boxes, frame = boxes_of(drawn.labels_), drawn.ax_.get_window_extent()
    assert (boxes[:, :2] >= frame.min - 1).all()
    assert (boxes[:, 2:] <= frame.max + 1).all()
    assert drawn.legend_.get_window_extent().y1 <= boxes[:, 1].min()


def test_all_genes_of_a_small_network_are_labelled():
    drawn = NetworkDisplay.from_estimator(SMALL)
    assert len(drawn.labels_) == len(drawn.positions)


def test_most_hubs_of_a_large_network_are_labelled():
    drawn = NetworkDisplay.from_estimator(LARGE, n_labels=30)
    assert len(drawn.labels_) >= 27


def test_a_label_is_beside_its_gene():
    drawn = NetworkDisplay.from_estimator(SMALL)
    drawn.figure_.canvas.draw()
    places = drawn.ax_.transData.transform(drawn.positions.to_numpy())
    genes = list(drawn.positions.index)
    for text in drawn.labels_:
        box = text.get_window_extent()
        place = places[genes.index(text.get_text())]
        nearest = np.clip(place, box.min, box.max)
        assert np.linalg.norm(nearest - place) < 20


# ----------------------------------------------------------------------------- layouts
@both_layouts
def test_the_same_network_has_the_same_layout(layout):
    first, second = (
        NetworkDisplay.from_estimator(LARGE, layout=layout).positions for _ in range(2)
    )
    assert_array_equal(first, second)


@both_layouts
def test_distances_in_a_chain_are_those_in_the_network(layout):
    places = network_layout(matrix_of(nx.path_graph(12)), layout)
    expected = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    assert_allclose(cdist(places, places), expected, atol=0.15)


@both_layouts
def test_a_grid_unfolds(layout):
    graph = nx.grid_2d_graph(6, 4)
    places = network_layout(matrix_of(graph), layout)
    expected = nx.floyd_warshall_numpy(graph)
    upper = np.triu_indices(24, 1)
    stress = (1 - cdist(places, places)[upper] / expected[upper]) ** 2
    assert stress.mean() < 0.06


def test_the_built_in_layout_is_as_good_as_that_of_networkx():
    graph = nx.connected_watts_strogatz_graph(40, 4, 0.1, seed=0)
    distances = nx.floyd_warshall_numpy(graph)
    upper = np.triu_indices(40, 1)
    stress = {}
    for layout in ("networkx", "builtin"):
        places = network_layout(matrix_of(graph), layout)
        ratio = cdist(places, places)[upper] / distances[upper]
        stress[layout] = ((1 - ratio / ratio.mean()) ** 2).mean()
    assert stress["builtin"] < 1.05 * stress["networkx"]


@both_layouts
@pytest.mark.parametrize("n_genes", [3, 10, 30])
def test_genes_of_a_star_or_a_clique_are_apart(layout, n_genes):
    for graph in (nx.star_graph(n_genes - 1), nx.complete_graph(n_genes)):
        places = network_layout(matrix_of(graph), layout)
        assert cdist(places, places)[np.triu_indices(n_genes, 1)].min() > 0.1


@both_layouts
def test_parts_are_apart(layout):
    edges = LARGE.edges_
    graph = nx.from_pandas_edgelist(edges, edge_attr=True)
    positions = NetworkDisplay.from_edges(edges, layout=layout).positions
    parts = [positions.loc[list(part)] for part in nx.connected_components(graph)]
    for number, part in enumerate(parts):
        for other in parts[:number]:
            assert cdist(part, other).min() > 0.6


def test_one_gene_that_regulates_itself_alone_has_a_place():
    assert_allclose(network_layout(sparse.csr_array((1, 1))), [[0.0, 0.0]], atol=1e-9)


def test_a_wide_figure_is_filled_in_width():
    ends = np.arange(80).reshape(-1, 2)
    edges = pd.DataFrame(ends, columns=["source", "target"]).assign(weight=1.0)
    _, (square, wide) = plt.subplots(1, 2, figsize=(12, 4), width_ratios=[1, 2])
    for ax, aspect in ((square, 1), (wide, 2)):
        positions = NetworkDisplay.from_edges(edges, ax=ax).positions
        width, height = np.ptp(positions.to_numpy(), axis=0)
        assert 0.8 * aspect < width / height < 1.4 * aspect


@both_layouts
def test_a_gene_that_is_linked_to_itself_is_drawn(layout):
    edges = EDGES.replace({"target": {"b": "a"}})
    drawn = NetworkDisplay.from_edges(edges, layout=layout)
    assert np.isfinite(drawn.positions.to_numpy()).all()


# -------------------------------------------------------------------- without networkx
def test_without_networkx_the_layout_is_built_in(monkeypatch):
    expected = NetworkDisplay.from_estimator(LARGE, layout="builtin").positions
    monkeypatch.setitem(sys.modules, "networkx", None)
    found = NetworkDisplay.from_estimator(LARGE).positions
    assert_array_equal(found, expected)


def test_networkx_that_is_asked_for_is_missed(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="pip install networkx"):
        NetworkDisplay.from_edges(EDGES, layout="networkx")


def test_an_unknown_layout_is_refused():
    with pytest.raises(ValueError, match="layout='spring'"):
        NetworkDisplay.from_edges(EDGES, layout="spring")
