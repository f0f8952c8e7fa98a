"""Networks survive the way to other programs and back, names and numbers."""

import gzip
import re
import sys

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.exceptions import NotFittedError

from sklearn_grn import NetworkEdgeSelector, network_statistics
from sklearn_grn._regulators import RegulatoryEdgeSelector
from sklearn_grn.export import (
    to_networkx,
    write_edge_table,
    write_graphml,
    write_network,
    write_sif,
)

networkx = pytest.importorskip("networkx")

PLAIN = ["NA", "nan", "TP53", "1-Mar", "7157", "AC002.1"]
ODD = [
    "a&b",
    "<c>",
    "]]>",
    'say "x"',
    "it's",
    "d,e",
    "f g",
    "β-catenin",
    "基因",
    "🧬",
    "'q'",
]
LINE_ENDS = ["tab\there", "line\nend", "carriage\rreturn", "both\r\nends"]
SAMPLES = np.random.default_rng(0).normal(size=(12, 24))


def table_of(names):
    """Expression of these genes, and of as many others as it takes."""
    others = [f"g{i}" for i in range(SAMPLES.shape[1] - len(names))]
    return pd.DataFrame(SAMPLES, columns=[*names, *others])


@pytest.fixture(params=["plain", "odd", "line ends"])
def selector(request):
    names = {"plain": PLAIN, "odd": ODD, "line ends": LINE_ENDS}[request.param]
    return NetworkEdgeSelector(threshold=0, max_edges=60).fit(table_of(names))


@pytest.fixture
def tested():
    """Selector whose edges have p- and q-values."""
    table = table_of(PLAIN + ODD[:7])
    return NetworkEdgeSelector(fdr=0.9, significance="t").fit(table.iloc[:, :5])


@pytest.fixture
def ranked():
    names = PLAIN + ODD
    return RegulatoryEdgeSelector(names[:9], max_edges=50).fit(table_of(names))


def edges_of(graph):
    """Edges of a graph with their attributes, whatever their order and direction."""
    directed = graph.is_directed()
    ordered = tuple if directed else frozenset
    return {ordered((a, b)): data for a, b, data in graph.edges.data()}


def assert_same_graph(found, expected):
    assert found.is_directed() == expected.is_directed()
    assert dict(found.nodes.data()) == dict(expected.nodes.data())
    assert edges_of(found) == edges_of(expected)


# -------------------------------------------------------------------------- edge tables
# By default pandas 2 is off by the last digit of some.
AS_FLOAT = {"partial_correlation": float}


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "TSV"])
def test_edge_table_is_read_back_by_pandas(selector, tmp_path, ending):
    path = tmp_path / f"edges.{ending}"
    write_edge_table(selector, path)
    separator = "\t" if "tsv" in ending.lower() else ","
    found = pd.read_csv(path, sep=separator, keep_default_na=False, converters=AS_FLOAT)
    sign = np.sign(selector.edges_["partial_correlation"]).astype(int)
    expected = selector.edges_.assign(sign=sign)
    assert_frame_equal(found, expected, check_dtype=False, check_exact=True)


def test_edge_table_has_what_was_tested(tested, tmp_path):
    write_edge_table(tested, tmp_path / "edges.csv")
    found = pd.read_csv(tmp_path / "edges.csv", keep_default_na=False)
    assert found["qvalue"].tolist() == tested.edges_["qvalue"].tolist()


def test_a_network_without_edges_has_a_head(tmp_path):
    empty = pd.DataFrame({"source": [], "target": [], "partial_correlation": []})
    write_edge_table(empty, tmp_path / "edges.csv")
    expected = "source,target,partial_correlation,sign\n"
    assert (tmp_path / "edges.csv").read_text() == expected


def test_compressed_table_holds_the_same_text(selector, tmp_path):
    for name in ("edges.csv", "edges.csv.gz"):
        write_edge_table(selector, tmp_path / name)
    packed = (tmp_path / "edges.csv.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "edges.csv").read_bytes()


def test_the_same_network_gives_the_same_bytes(selector, tmp_path):
    for name in ("a.csv.gz", "b.csv.gz"):
        write_edge_table(selector, tmp_path / name)
    a, b = ((tmp_path / name).read_bytes() for name in ("a.csv.gz", "b.csv.gz"))
    assert a == b


# -------------------------------------------------------------------- networkx, GraphML
def test_graph_has_the_edges(selector):
    graph = to_networkx(selector)
    for row in selector.edges_.itertuples():
        data = graph.edges[row.source, row.target]
        assert data["partial_correlation"] == row.partial_correlation
        assert data["sign"] == np.sign(row.partial_correlation)
    assert graph.number_of_edges() == len(selector.edges_)


def test_nodes_have_degree_and_component(selector):
    graph, found = to_networkx(selector), network_statistics(selector)
    for name, data in graph.nodes.data():
        assert data["degree"] == found.degrees[name]
    parts = sorted(networkx.connected_components(graph), key=len, reverse=True)
    assert found.n_components == len(parts)
    for part in parts:
        numbers = {graph.nodes[name]["component"] for name in part}
        assert len(numbers) == 1
    assert all(graph.nodes[name]["component"] == 0 for name in parts[0])


def test_attributes_are_of_plain_types(tested, ranked):
    for graph in map(to_networkx, (tested, ranked)):
        values = [
            value
            for *_, data in [*graph.nodes.data(), *graph.edges.data()]
            for value in data.values()
        ]
        assert {type(value) for value in values} <= {int, float, str}


@pytest.mark.parametrize("ending", ["graphml", "graphml.gz"])
def test_graphml_is_read_back_by_networkx(selector, tmp_path, ending):
    write_graphml(selector, tmp_path / f"network.{ending}")
    found = networkx.read_graphml(tmp_path / f"network.{ending}")
    assert_same_graph(found, to_networkx(selector))


def test_graphml_has_what_was_tested(tested, tmp_path):
    write_graphml(tested, tmp_path / "network.graphml")
    found = networkx.read_graphml(tmp_path / "network.graphml")
    assert_same_graph(found, to_networkx(tested))
    assert {"pvalue", "qvalue"} < set(next(iter(found.edges.data()))[2])


def test_graph_of_regulators_is_directed(ranked, tmp_path):
    write_graphml(ranked, tmp_path / "network.graphml")
    found = networkx.read_graphml(tmp_path / "network.graphml")
    assert_same_graph(found, to_networkx(ranked))
    expected = list(zip(ranked.edges_["source"], ranked.edges_["target"], strict=True))
    assert sorted(found.edges) == sorted(expected)
    assert dict(found.out_degree) == {n: d["out_degree"] for n, d in found.nodes.data()}
    assert dict(found.degree) == {n: d["degree"] for n, d in found.nodes.data()}


def test_graphml_needs_no_networkx(selector, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    write_graphml(selector, tmp_path / "network.graphml")
    assert (tmp_path / "network.graphml").stat().st_size


def test_lack_of_networkx_is_named(selector, monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="pip install networkx"):
        to_networkx(selector)


# ---------------------------------------------------------------------------------- SIF
@pytest.mark.parametrize("names", [PLAIN, ODD], ids=["plain", "odd"])
def test_sif_has_ends_and_signs(names, tmp_path):
    selector = NetworkEdgeSelector(threshold=0, max_edges=60).fit(table_of(names))
    write_sif(selector, tmp_path / "net.sif")
    lines = (tmp_path / "net.sif").read_text(encoding="utf-8").split("\n")
    found = [line.split("\t") for line in lines[:-1]]
    edges = selector.edges_
    kinds = np.where(edges["partial_correlation"] > 0, "positive", "negative")
    expected = zip(edges["source"], kinds, edges["target"], strict=True)
    assert found == [list(row) for row in expected]


def test_sif_takes_a_name_of_any_ending(tmp_path):
    selector = NetworkEdgeSelector(threshold=0, max_edges=60).fit(table_of(ODD))
    write_sif(selector, tmp_path / "net.txt")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["net.txt", "net_nodes.tsv"]


def test_table_of_genes_is_read_back_by_pandas(tmp_path):
    selector = NetworkEdgeSelector(threshold=0, max_edges=60).fit(table_of(ODD))
    write_sif(selector, tmp_path / "net.sif")
    path = tmp_path / "net_nodes.tsv"
    found = pd.read_csv(path, sep="\t", keep_default_na=False, index_col="gene")
    assert found.to_dict("index") == dict(to_networkx(selector).nodes.data())
    assert found["degree"].is_monotonic_decreasing


# ------------------------------------------------------------------------ what is taken
@pytest.mark.parametrize("ending", ["csv", "tsv", "graphml", "sif"])
def test_ending_says_which_format(ending, tmp_path):
    selector = NetworkEdgeSelector(threshold=0, max_edges=60).fit(table_of(ODD))
    single = {"graphml": write_graphml, "sif": write_sif}.get(ending, write_edge_table)
    write_network(selector, tmp_path / f"one.{ending}")
    single(selector, tmp_path / f"two.{ending}")
    paths = [tmp_path / f"{name}.{ending}" for name in ("one", "two")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("name", ["net.xlsx", "net", "net.sif.gz", "csv"])
def test_unknown_ending_is_refused(name, tmp_path):
    edges = pd.DataFrame({"source": ["a"], "target": ["b"], "partial_correlation": [1]})
    with pytest.raises(ValueError, match=r"must end in one of \.csv, \.tsv, "):
        write_network(edges, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_table_of_edges_is_taken_as_the_selector_is(selector):
    assert_same_graph(to_networkx(selector.edges_), to_networkx(selector))


def test_names_that_are_numbers_become_text():
    selector = NetworkEdgeSelector(threshold=0, max_edges=5).fit(SAMPLES)
    assert all(re.fullmatch(r"x\d+", name) for name in to_networkx(selector))
    edges = pd.DataFrame(
        {"source": [7157], "target": [4609], "partial_correlation": 0.5}
    )
    assert list(to_networkx(edges)) == ["7157", "4609"]


def test_a_selector_must_be_fitted(tmp_path):
    with pytest.raises(NotFittedError):
        write_network(NetworkEdgeSelector(), tmp_path / "net.csv")


def test_a_table_without_edges_is_refused():
    with pytest.raises(ValueError, match=r"no table of edges .* only \['gene'\]"):
        to_networkx(pd.DataFrame({"gene": ["a"]}))


def test_genes_of_one_name_are_refused():
    selector = NetworkEdgeSelector(threshold=0, max_edges=60).fit(SAMPLES)
    # As releases of scikit-learn before 1.9 let it through.
    selector.feature_names_in_ = np.array(["a", "a", *map(str, range(22))], object)
    with pytest.raises(ValueError, match=r"come more than once: 'a'\. Make the names"):
        to_networkx(selector)


@pytest.mark.parametrize("pair", [("b", "a"), ("a", "b"), ("c", "c")])
def test_pairs_that_no_network_has_are_refused(pair):
    ends = {"source": ["a", pair[0]], "target": ["b", pair[1]]}
    with pytest.raises(ValueError, match="1 edges repeat the genes of another"):
        to_networkx(pd.DataFrame(ends).assign(partial_correlation=0.5))


@pytest.mark.parametrize("name", LINE_ENDS)
def test_sif_refuses_what_it_cannot_hold(name, tmp_path):
    edges = pd.DataFrame(
        {"source": [name], "target": ["b"], "partial_correlation": 1.0}
    )
    with pytest.raises(
        ValueError, match="SIF cannot hold a tab or a line end"
    ) as caught:
        write_sif(edges, tmp_path / "net.sif")
    assert repr(name) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["bell\x07", "null\x00", "\ufffe"])
def test_graphml_refuses_what_it_cannot_hold(name, tmp_path):
    edges = pd.DataFrame(
        {"source": [name], "target": ["b"], "partial_correlation": 1.0}
    )
    with pytest.raises(ValueError, match="cannot hold control characters"):
        write_graphml(edges, tmp_path / "net.graphml")
    assert list(tmp_path.iterdir()) == []
