"""Networks in the words of other programs: tables in, text out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pandas as pd

from sklearn_grn._gene_names import some
from sklearn_grn._network_tables import NetworkTables
from sklearn_grn._text_lines import in_utf8

_GRAPHML = "http://graphml.graphdrawing.org/xmlns"
# What no document of XML 1.0 may hold, escaped or not: www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_SIF = re.compile("[\t\n\r]")
_INTERACTIONS = {1: "positive", -1: "negative", 0: "unsigned"}


def delimited(table: pd.DataFrame, delimiter: str) -> bytes:
    """Return a table as text, one line a row, numbers with all their digits.

    Parameters
    ----------
    table : DataFrame
    delimiter : str
        Names that hold it, a quote or a line end are quoted, as spreadsheets do it.

    Returns
    -------
    bytes
        In UTF-8.

    Raises
    ------
    ValueError
        If a name holds NUL, or half of a surrogate pair.
    """
    quoted = partial(_field, special=re.compile(f'["\\r\\n{delimiter}]'))
    rows: Iterator[Iterable[Any]] = chain([table.columns], _rows(table))
    lines = (delimiter.join(map(quoted, row)) + "\n" for row in rows)
    return in_utf8("".join(lines), "a table")


def graphml(network: NetworkTables) -> bytes:
    """Return a network as GraphML, genes by their names.

    Parameters
    ----------
    network : NetworkTables

    Returns
    -------
    bytes
        In UTF-8.

    Raises
    ------
    ValueError
        If a name, or the text of another column, holds a control character, for which
        XML has no form.
    """
    names = network.nodes["gene"]
    _refuse(names, _NOT_XML, "GraphML cannot hold control characters")
    quoted = {name: quoteattr(name) for name in names}
    text = "".join(f"{line}\n" for line in _graphml_lines(network, quoted))
    found = _NOT_XML.search(text)
    if found is not None:
        around = text[max(0, found.start() - 50) : found.end()]
        raise ValueError(
            f"GraphML cannot hold control characters, and {found[0]!r} stands in a "
            f"column of the edges: {around!r}. Leave the column out"
        )
    return text.encode()


def sif(network: NetworkTables) -> bytes:
    """Return the edges as lines of source, positive or negative, target.

    Parameters
    ----------
    network : NetworkTables

    Returns
    -------
    bytes
        In UTF-8, with tabs, so that names may hold spaces.

    Raises
    ------
    ValueError
        If a name holds a tab, a line end or NUL, for which the format has no form.
    """
    _refuse(network.nodes["gene"], _NOT_SIF, "SIF cannot hold a tab or a line end")
    edges = network.edges
    kinds = edges["sign"].map(_INTERACTIONS)
    ends = zip(edges["source"], kinds, edges["target"], strict=True)
    return in_utf8("".join("\t".join(fields) + "\n" for fields in ends), "SIF")


def _field(value: Any, special: re.Pattern[str]) -> str:
    # Python's csv leaves a lone carriage return as it is, and readers stumble over it.
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if special.search(text) else text


# --------------------------------------------------------------------------- GraphML
def _graphml_lines(network: NetworkTables, quoted: dict[str, str]) -> Iterator[str]:
    """Yield the document line by line; as a tree it would take many times the room."""
    nodes = network.nodes.drop(columns="gene")
    edges = network.edges.drop(columns=["source", "target"])
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<graphml xmlns="{_GRAPHML}">'
    yield from _keys("node", nodes)
    yield from _keys("edge", edges)
    kind = "directed" if network.directed else "undirected"
    yield f'  <graph id="network" edgedefault="{kind}">'
    for name, data in zip(quoted.values(), _data("node", nodes), strict=True):
        yield f"    <node id={name}>{data}</node>"
    ends = zip(network.edges["source"], network.edges["target"], strict=True)
    for (source, target), data in zip(ends, _data("edge", edges), strict=True):
        source, target = quoted[source], quoted[target]
        yield f"    <edge source={source} target={target}>{data}</edge>"
    yield "  </graph>"
    yield "</graphml>"


def _keys(kind: str, table: pd.DataFrame) -> Iterator[str]:
    """Yield what declares the attributes of nodes or edges."""
    for number, name in enumerate(table.columns):
        yield (
            f'  <key id="{kind}{number}" for="{kind}" attr.name={quoteattr(str(name))} '
            f'attr.type="{_graphml_type(table[name])}"/>'
        )


def _graphml_type(column: pd.Series) -> str:
    names = {"b": "boolean", "i": "long", "u": "long", "f": "double"}
    return names.get(getattr(column.dtype, "kind", "O"), "string")


def _data(kind: str, table: pd.DataFrame) -> Iterator[str]:
    """Yield the attributes of each node or edge."""
    tags = [f'<data key="{kind}{number}">' for number in range(table.shape[1])]
    for row in _rows(table):
        fields = zip(tags, row, strict=True)
        yield "".join(f"{tag}{_xml_text(value)}</data>" for tag, value in fields)


def _xml_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # XML turns a carriage return that is not escaped into a line feed, and takes away
    # what stands beside: www.w3.org/TR/xml/#sec-line-ends
    return escape(str(value), {"\r": "&#13;"})


# ------------------------------------------------------------------------- all formats
def _rows(table: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Yield rows of Python's own types, whose text has all digits that are needed."""
    columns = [np.asarray(table[name]).tolist() for name in table.columns]
    return zip(*columns, strict=True) if columns else iter([()] * len(table))


def _refuse(names: Iterable[str], pattern: re.Pattern[str], problem: str) -> None:
    broken = [name for name in names if pattern.search(name)]
    if broken:
        raise ValueError(
            f"{problem}, and {len(broken)} gene names have one: {some(broken)}. Rename "
            "these genes, or write a table (.csv)"
        )
