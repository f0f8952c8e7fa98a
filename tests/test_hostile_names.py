"""What is written is read again, whatever the names; or it is refused, and not written.

Each format has a twin here that reads it as another program would.
"""

import csv
import os
import warnings
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import networkx as nx
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from sklearn_grn._text_lines import in_utf8
from sklearn_grn._whole_files import check_writable, write_whole
from sklearn_grn.export import write_edge_table, write_graphml, write_sif
from sklearn_grn.pathways import read_gmt, read_net, write_gmt

# Surrogates, control characters, what markup and spreadsheets take for theirs.
HOSTILE = st.text(
    st.one_of(
        st.characters(), st.sampled_from("<>&\"'=+-@\t\n\r,;\\\x00\x1b\ud800\ufeff")
    )
)
NAMES = st.lists(HOSTILE, min_size=2, max_size=6, unique=True)
AFFIXES = ["", "<b>", "&amp;", "]]>", '"', "'", "=1+1", "../../x", "\x1b[31m", "\u2028"]


def edges_of(names):
    columns = {"source": names[:-1], "target": names[1:], "note": names[1:]}
    edges = pd.DataFrame(columns, dtype=object)  # text of pandas holds no surrogates
    edges.insert(2, "partial_correlation", 0.25)
    return edges


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("names")


def kept(write, table, path):
    """Return the path that was written; where it is refused, check that it was not."""
    path.unlink(missing_ok=True)
    try:
        write(table, path)
    except ValueError as error:
        refused = type(error) is ValueError and str(error).isprintable()
        assert refused and os.listdir(path.parent) == []  # noqa: PT018
        assume(False)
    return path


# ----------------------------------------------------------------------------- networks
@given(NAMES)
def test_graphml_gives_names_back_to_a_parser_and_to_networkx(folder, names):
    edges = edges_of(names)
    path = kept(write_graphml, edges, folder / "net.graphml")
    ends = list(pairwise(names))
    space = "{http://graphml.graphdrawing.org/xmlns}"
    tree = ElementTree.parse(path)
    found = [(e.get("source"), e.get("target")) for e in tree.iter(f"{space}edge")]
    assert found == ends
    graph = nx.read_graphml(path)
    assert set(graph) == set(names)
    assert [graph.edges[pair].get("note") or "" for pair in ends] == names[1:]
    path.unlink()


@pytest.mark.parametrize("affix", AFFIXES)
def test_names_of_markup_and_formulas_are_escaped_and_not_changed(tmp_path, affix):
    names = ["TP53", f"MDM2{affix}", f"{affix}BAX"]
    if affix == "\x1b[31m":
        with pytest.raises(ValueError, match="GraphML cannot hold control characters"):
            write_graphml(edges_of(names), tmp_path / "net.graphml")
        assert list(tmp_path.iterdir()) == []
        return
    write_graphml(edges_of(names), tmp_path / "net.graphml")
    assert sorted(nx.read_graphml(tmp_path / "net.graphml")) == sorted(names)


@pytest.mark.parametrize("note", ["a\x07", "\ufffe", "\ud800"])
def test_graphml_refuses_control_characters_in_other_columns(tmp_path, note):
    edges = edges_of(["a", "b"])
    edges["note"] = pd.Series([note], dtype=object)
    with pytest.raises(ValueError, match=r"stands in a column of the edges.*Leave the"):
        write_graphml(edges, tmp_path / "net.graphml")
    assert list(tmp_path.iterdir()) == []


@given(NAMES)
@pytest.mark.parametrize("name", ["net.csv", "net.tsv"])
def test_an_edge_table_gives_names_back(folder, name, names):
    path = kept(write_edge_table, edges_of(names), folder / name)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="," if name == "net.csv" else "\t"))
    path.unlink()
    assert [row[0] for row in rows[1:]] == names[:-1]
    assert [row[3] for row in rows[1:]] == names[1:]


@given(NAMES)
def test_a_table_of_sif_gives_names_back(folder, names):
    path = kept(write_sif, edges_of(names), folder / "net.sif")
    text = path.read_bytes().decode()
    for file in list(folder.iterdir()):
        file.unlink()
    rows = [line.split("\t") for line in text.split("\n")[:-1]]
    assert [(row[0], row[2]) for row in rows] == list(pairwise(names))


@pytest.mark.parametrize("write", [write_edge_table, write_sif])
@pytest.mark.parametrize("name", ["a\0", "\ud800"])
def test_what_no_file_of_text_can_hold_is_refused(tmp_path, write, name):
    with pytest.raises(ValueError, match="cannot hold the character"):
        write(edges_of([name, "b"]), tmp_path / "net.csv")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------- gene sets and nets
def net_of(names):
    pairs = {"source": [names[0]] * (len(names) - 1), "target": names[1:]}
    return pd.DataFrame(pairs, dtype=object).assign(weight=1.0)


@given(NAMES)
def test_gene_sets_are_given_back(folder, names):
    assume("" not in names)
    path = kept(write_gmt, net_of(names), folder / "sets.gmt")
    found = read_gmt(path)
    path.unlink()
    assert_frame_equal(found, net_of(names), check_dtype=False)


@pytest.mark.parametrize("name", [" a", "a\u2003", "\ufeffa", "\x1f", "a\0", "\ud800"])
def test_names_that_a_gmt_file_would_not_give_back_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="a GMT file cannot hold"):
        write_gmt(net_of(["set", "x", name]), tmp_path / "sets.gmt")
    assert list(tmp_path.iterdir()) == []


@given(NAMES, st.sampled_from("\t,"))
def test_nets_are_given_back_or_refused(folder, names, separator):
    """Written by pandas, which puts a name over two lines where it has a line end."""
    names = [name.strip() for name in names]
    net, path = net_of(names), folder / "net.txt"
    options = {"sep": separator, "index": False, "lineterminator": "\n"}
    try:
        path.write_bytes(in_utf8(net.to_csv(**options), "a table"))
    except ValueError:
        assume(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            found = read_net(path)
        except ValueError:
            assert "" in names or any(set(name) & set("\r\n") for name in names)
            return
        finally:
            path.unlink()
    assert_frame_equal(found, net.drop_duplicates(), check_dtype=False)


# ---------------------------------------------------------------- the place of a file
@pytest.mark.parametrize("name", ["../x", "/etc/x", "..", "C:\\x", "a/b"])
def test_names_do_not_say_where_a_file_goes(tmp_path, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    write_graphml(edges_of([name, "b"]), inner / "net.graphml")
    write_sif(edges_of([name, "b"]), inner / "net.sif")
    write_gmt(net_of([name, "b"]), inner / "sets.gmt")
    assert sorted(os.listdir(inner)) == [
        "net.graphml",
        "net.sif",
        "net_nodes.tsv",
        "sets.gmt",
    ]
    assert os.listdir(tmp_path) == ["inner"]


def test_no_file_of_two_is_replaced_where_the_other_cannot_be(tmp_path):
    (tmp_path / "net.sif").write_bytes(b"before")
    (tmp_path / "net_nodes.tsv").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder; name a file"):
        write_sif(edges_of(["a", "b"]), tmp_path / "net.sif")
    assert (tmp_path / "net.sif").read_bytes() == b"before"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_pipes_and_devices_are_not_replaced_by_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for refuse in (check_writable, lambda path: write_whole({path: b""})):
        with pytest.raises(FileExistsError, match="is a pipe or a device; name a file"):
            refuse(tmp_path / "pipe")
    assert os.listdir(tmp_path) == ["pipe"]


def test_gene_sets_that_cannot_be_written_leave_the_file(tmp_path, monkeypatch):
    write_gmt(net_of(["set", "a"]), tmp_path / "sets.gmt")
    before = (tmp_path / "sets.gmt").read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_gmt(net_of(["set", "b"]), tmp_path / "sets.gmt")
    assert (tmp_path / "sets.gmt").read_bytes() == before
    assert os.listdir(tmp_path) == ["sets.gmt"]
