"""Networks for other programs: edge tables, GraphML, SIF for Cytoscape, networkx.

Every function takes a fitted selector, or the table of edges that one has found. A file
holds the genes that have an edge. It is written whole or not at all, in UTF-8.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sklearn_grn._network_formats import delimited, graphml, sif
from sklearn_grn._network_tables import NetworkTables, network_tables
from sklearn_grn._whole_files import write_whole

__all__ = [
    "to_networkx",
    "write_edge_table",
    "write_graphml",
    "write_network",
    "write_sif",
]


def write_edge_table(selector: Any, path: str | os.PathLike[str]) -> None:
    r"""Write the edges of a network as a table, strongest first.

    Parameters
    ----------
    selector : estimator or DataFrame
        Fitted selector of edges, or its `edges_`.
    path : str or path
        With tabs between the fields if the name ends in ".tsv", commas otherwise.
        Compressed by gzip if ".gz" follows.

    Raises
    ------
    ValueError
        If the network has no table of edges, or two of its genes have one name.
    OSError
        If the file cannot be written.

    Notes
    -----
    The columns are those of `edges_`, and the `sign` of the partial correlation, 1 or
    -1. Numbers have all digits. A name that holds a comma, a tab, a quote or a line end
    is quoted. Read the table back with ``pd.read_csv(path, keep_default_na=False)``, so
    that a gene called NA stays one.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from sklearn_grn.export import write_edge_table
    >>> edges = pd.DataFrame(
    ...     {"source": ["LCK"], "target": ["CD3D"], "partial_correlation": [0.25]}
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     write_edge_table(edges, Path(folder, "edges.csv"))
    ...     Path(folder, "edges.csv").read_text()
    'source,target,partial_correlation,sign\nLCK,CD3D,0.25,1\n'
    """
    write_whole(_edge_table_files(network_tables(selector), Path(path)))


def write_graphml(selector: Any, path: str | os.PathLike[str]) -> None:
    """Write a network as GraphML, which Cytoscape, Gephi, igraph and networkx read.

    Parameters
    ----------
    selector : estimator or DataFrame
        Fitted selector of edges, or its `edges_`.
    path : str or path
        Compressed by gzip if the name ends in ".gz", which networkx reads and
        Cytoscape does not.

    Raises
    ------
    ValueError
        If the network has no table of edges, two of its genes have one name, or a name
        holds a control character.
    OSError
        If the file cannot be written.

    Notes
    -----
    Genes are identified by their names, and have a `degree` and the number of the
    `component` that they are in, 0 for the largest; in a directed network an
    `out_degree` too, the number of targets. Edges have the columns of `edges_`, and the
    `sign` of the partial correlation. Edges of a RegulatoryEdgeSelector are directed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from sklearn_grn.export import write_graphml
    >>> edges = pd.DataFrame(
    ...     {"source": ["LCK"], "target": ["CD3D"], "partial_correlation": [0.25]}
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     write_graphml(edges, Path(folder, "network.graphml"))
    ...     text = Path(folder, "network.graphml").read_text()
    >>> text.count("<node "), text.count("<edge ")
    (2, 1)
    """
    write_whole(_graphml_files(network_tables(selector), Path(path)))


def write_sif(selector: Any, path: str | os.PathLike[str]) -> None:
    r"""Write a network in Cytoscape's simple format, and a table of its genes beside.

    Parameters
    ----------
    selector : estimator or DataFrame
        Fitted selector of edges, or its `edges_`.
    path : str or path
        The table of genes takes its name from it: "net_nodes.tsv" beside "net.sif".

    Raises
    ------
    ValueError
        If the network has no table of edges, two of its genes have one name, or a name
        holds a tab or a line end.
    OSError
        If the files cannot be written. They are written both or not at all.

    Notes
    -----
    A line is a source, "positive" or "negative" by the sign of the partial correlation,
    and a target. The format has no room for numbers; `write_graphml` keeps them.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from sklearn_grn.export import write_sif
    >>> edges = pd.DataFrame(
    ...     {"source": ["LCK"], "target": ["CD3D"], "partial_correlation": [0.25]}
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     write_sif(edges, Path(folder, "net.sif"))
    ...     Path(folder, "net.sif").read_text()
    ...     Path(folder, "net_nodes.tsv").read_text()
    'LCK\tpositive\tCD3D\n'
    'gene\tdegree\tcomponent\nLCK\t1\t0\nCD3D\t1\t0\n'
    """
    write_whole(_sif_files(network_tables(selector), Path(path)))


def write_network(selector: Any, path: str | os.PathLike[str]) -> None:
    """Write a network in the format that the ending of a file's name says.

    Parameters
    ----------
    selector : estimator or DataFrame
        Fitted selector of edges, or its `edges_`.
    path : str or path
        It ends in ".csv" or ".tsv" (`write_edge_table`), ".graphml" (`write_graphml`)
        or ".sif" (`write_sif`). All but the last may be followed by ".gz".

    Raises
    ------
    ValueError
        If the ending is none of these, or as the function says that it stands for.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_grn.export import write_network
    >>> edges = pd.DataFrame(
    ...     {"source": ["LCK"], "target": ["CD3D"], "partial_correlation": [0.25]}
    ... )
    >>> write_network(edges, "network.xlsx")
    Traceback (most recent call last):
    ...
    ValueError: network.xlsx must end in one of .csv, .tsv, .graphml, .sif, ...
    """
    write_whole(network_files(selector, path))


def to_networkx(selector: Any) -> Any:
    """Return a network as a graph of networkx.

    Parameters
    ----------
    selector : estimator or DataFrame
        Fitted selector of edges, or its `edges_`.

    Returns
    -------
    networkx.Graph or networkx.DiGraph
        Directed for a RegulatoryEdgeSelector. Nodes are the names of the genes that
        have an edge; nodes and edges have the attributes that `write_graphml` writes.

    Raises
    ------
    ImportError
        If networkx is not installed.
    ValueError
        If the network has no table of edges, or two of its genes have one name.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_grn.export import to_networkx
    >>> edges = pd.DataFrame(
    ...     {"source": ["LCK"], "target": ["CD3D"], "partial_correlation": [0.25]}
    ... )
    >>> graph = to_networkx(edges)
    >>> graph.edges["CD3D", "LCK"]["partial_correlation"]
    0.25
    """
    try:
        import networkx
    except ImportError as error:
        raise ImportError(
            "to_networkx needs the package networkx: pip install networkx"
        ) from error
    network = network_tables(selector)
    graph = networkx.DiGraph() if network.directed else networkx.Graph()
    nodes = network.nodes.set_index("gene").to_dict("index")
    graph.add_nodes_from(nodes.items())
    for edge in network.edges.to_dict("records"):
        graph.add_edges_from([(edge.pop("source"), edge.pop("target"), edge)])
    return graph


# ------------------------------------------------------------------- files and endings
def network_files(
    selector: Any, path: str | os.PathLike[str]
) -> dict[str | os.PathLike[str], bytes]:
    """Return what `write_network` would write.

    Parameters
    ----------
    selector : estimator or DataFrame
    path : str or path

    Returns
    -------
    dict of path to bytes
        What each file holds, before it is compressed.
    """
    form = _FORMATS[ending_of(path)]
    return form(network_tables(selector), Path(path))


def ending_of(path: str | os.PathLike[str]) -> str:
    """Return which of the endings that `write_network` knows a file's name has.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it has none; the message names all.
    """
    name = Path(path).name.lower()
    for ending in _FORMATS:
        if name.endswith(ending):
            return ending
    raise ValueError(f"{path} must end in one of {', '.join(_FORMATS)}")


def files_of(path: str | os.PathLike[str]) -> list[Path]:
    """Return the files that `write_network` would write.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    list of Path
    """
    path = Path(path)
    if ending_of(path) != ".sif":
        return [path]
    return [path, _beside(path)]


def _beside(path: Path) -> Path:
    """Return where the table of the genes goes."""
    return path.with_name(f"{path.stem}_nodes.tsv")


def _edge_table_files(
    network: NetworkTables, path: Path
) -> dict[str | os.PathLike[str], bytes]:
    tabs = path.name.lower().removesuffix(".gz").endswith(".tsv")
    return {path: delimited(network.edges, "\t" if tabs else ",")}


def _graphml_files(
    network: NetworkTables, path: Path
) -> dict[str | os.PathLike[str], bytes]:
    return {path: graphml(network)}


def _sif_files(
    network: NetworkTables, path: Path
) -> dict[str | os.PathLike[str], bytes]:
    return {path: sif(network), _beside(path): delimited(network.nodes, "\t")}


_FORMATS: dict[str, Callable[[NetworkTables, Path], dict]] = {
    ".csv": _edge_table_files,
    ".tsv": _edge_table_files,
    ".graphml": _graphml_files,
    ".sif": _sif_files,
    ".csv.gz": _edge_table_files,
    ".tsv.gz": _edge_table_files,
    ".graphml.gz": _graphml_files,
}
