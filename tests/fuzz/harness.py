"""What readers and writers must keep, whatever bytes they meet; and atheris to look.

``python harness.py TARGET [options of libFuzzer] [folders of examples]`` looks for
bytes that break a promise. Each target takes bytes; an error of any kind is a find.
"""

import csv
import gzip
import io
import os
import sys
import tempfile
import warnings
import xml.etree.ElementTree as ElementTree
import zlib
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal

FOLDER = tempfile.TemporaryDirectory()  # each example overwrites the one before
OURS = ["sklearn_grn._text_lines", "sklearn_grn._text_tables", "sklearn_grn._gene_sets"]
OURS += ["sklearn_grn._nets", "sklearn_grn._expression_tables"]
OURS += ["sklearn_grn._network_formats", "sklearn_grn._network_tables"]


def load():
    """Import what is tested, late: atheris must have a hand in it."""
    from sklearn_grn import _expression_tables, _text_tables, export, pathways

    return _expression_tables, _text_tables, export, pathways


def naive_lines(data):
    """Return what `text_lines` yields, all at once and without limits."""
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    if b"\0" in data:
        raise ValueError("NUL")
    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    return [(i, s) for i, s in enumerate(text.split("\n"), 1) if s and not s.isspace()]


def try_lines(data):
    """Compare with the naive way, in blocks of a few bytes as well."""
    from sklearn_grn import _text_lines

    try:
        expected = naive_lines(data)
    except (ValueError, EOFError, OSError, zlib.error):
        expected = None
    for _text_lines._BLOCK in (1, 3, 2**18):
        found = refused(lambda path: list(_text_lines.text_lines(path)), data)
        assert found == expected


def check_clear(error):
    """Check that an error is meant for people, and one line of a terminal."""
    assert type(error) is ValueError, f"unclear: {error!r}"
    message = str(error)
    assert message.isprintable(), f"no line for a terminal: {message!r}"


# ------------------------------------------------------------------------------ readers
def refused(read, data):
    """Return what a reader makes of bytes, and None where it refuses them clearly."""
    path = Path(FOLDER.name, "file.txt")
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)
        try:
            return read(path)
        except ValueError as error:
            check_clear(error)
            return None


def try_gmt(data):
    _, _, _, pathways = load()
    net = refused(pathways.read_gmt, data)
    if net is None:
        return
    assert len(net)
    assert not net.duplicated().any()
    path = Path(FOLDER.name, "again.gmt")
    with suppress(ValueError), warnings.catch_warnings():
        pathways.write_gmt(net, path)
        warnings.simplefilter("error")
        assert_frame_equal(pathways.read_gmt(path), net)


def try_net(data):
    _, _, _, pathways = load()
    net = refused(pathways.read_net, data)
    if net is not None:
        assert np.isfinite(net["weight"].to_numpy(float)).all()
        assert not net.duplicated(["source", "target"]).any()
        assert (net[["source", "target"]] != "").all(axis=None)


def try_expression(data):
    """The first byte says what a person has said of the table."""
    tables, texts, _, _ = load()
    genes = (None, "rows", "columns")[data[0] % 3] if data else None
    separator = (None, ";", " ")[data[0] // 3 % 3] if data else None
    layout = texts.Layout(
        genes, separator, no_labels=bool(data) and data[0] > 127 and genes != "rows"
    )
    known = ["TP53", "MDM2", "1"] if data and data[0] // 9 % 2 else []
    found = refused(lambda path: tables.read_expression(path, layout, known), data[1:])
    if found is not None:
        assert np.isfinite(found.table.to_numpy()).all()
        assert found.table.size
        assert found.table.columns.is_unique


def try_confounders(data):
    _, texts, _, _ = load()
    samples = pd.Index(["a", "b"])
    found = refused(lambda path: texts.read_confounders(path, samples), data)
    if found is not None:
        assert found.index.tolist() == ["a", "b"]
        assert np.isfinite(found.select_dtypes("number").to_numpy(float)).all()


# ------------------------------------------------------------------------------ writers
def edges_of(data):
    """Make edges whose genes have hostile names: pieces of bytes, in a row."""
    names = data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace")
    genes = list(dict.fromkeys(names.split("\x1f")))[:40]
    pairs = list(pairwise(genes))
    table = pd.DataFrame(pairs, columns=["source", "target"], dtype=object)
    return table.assign(partial_correlation=0.1, note=table["target"])


def written(write, data, name):
    """Return the edges and the bytes of their file, or None where it is refused."""
    try:
        edges = edges_of(data)
    except UnicodeDecodeError:
        return None
    path = Path(FOLDER.name, name)
    path.unlink(missing_ok=True)
    try:
        write(edges, path)
    except ValueError as error:
        check_clear(error)
        if path.exists():
            raise AssertionError(f"refused and written: {path}") from error
        return None
    return edges, path.read_bytes()


def try_graphml(data):
    found = written(load()[2].write_graphml, data, "net.graphml")
    if found is None:
        return
    edges, text = found
    space = "{http://graphml.graphdrawing.org/xmlns}"
    root = ElementTree.fromstring(text)
    ends = [(e.get("source"), e.get("target")) for e in root.iter(f"{space}edge")]
    assert ends == list(zip(edges["source"], edges["target"], strict=True))
    notes = [e[1].text or "" for e in root.iter(f"{space}edge")]
    assert notes == edges["note"].tolist()


def try_edge_table(data):
    found = written(load()[2].write_edge_table, data, "net.csv")
    if found is None:
        return
    edges, text = found
    rows = list(csv.reader(io.StringIO(text.decode(), newline="")))
    assert [row[0] for row in rows[1:]] == edges["source"].tolist()
    assert [row[3] for row in rows[1:]] == edges["note"].tolist()


def try_sif(data):
    found = written(load()[2].write_sif, data, "net.sif")
    if found is not None:
        edges, text = found
        rows = [line.split("\t") for line in text.decode().split("\n")[:-1]]
        assert [row[0] for row in rows] == edges["source"].tolist()
        assert [row[2] for row in rows] == edges["target"].tolist()


TARGETS = {
    "lines": try_lines,
    "gmt": try_gmt,
    "net": try_net,
    "expression": try_expression,
    "confounders": try_confounders,
    "graphml": try_graphml,
    "edge_table": try_edge_table,
    "sif": try_sif,
}


# ------------------------------------------------------------------------------ atheris
def seeds():
    """Return valid files to start from: their changes go deeper than random bytes."""
    table = b",TP53,MDM2\na,1.5,-2e-3\nb,nan,4\n"
    net = b'source\ttarget\tweight\na\tTP53\t1\nb\t"MDM2"\t-2.5\n'
    plain = [table, b"\x02" + table, b"\x01" + table.replace(b",", b"\t"), net]
    plain += [b"set\tna\tTP53\tMDM2\nother\t\tTP53\n", b'id,x,batch\na,1,"u"\nb,2,v\n']
    plain += [b"TP53\x1f<&>\x1fa\"b'\x1f]]>\x1f\xc3\xa9", b"\xef\xbb\xbf" + net]
    return [*plain, *(gzip.compress(data, mtime=0) for data in plain)]


def main():
    import atheris

    os.fsync = lambda file: None  # nothing here is worth the wait for the disk
    target = TARGETS[sys.argv.pop(1)]
    with atheris.instrument_imports(include=OURS):
        load()
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(seeds()):
            Path(folder, str(number)).write_bytes(data)
        # The first folder is where libFuzzer keeps what it finds new.
        atheris.Setup([sys.argv[0], folder, *sys.argv[1:]], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
