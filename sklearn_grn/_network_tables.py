"""A network as two tables, of its genes and of its edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from sklearn_grn._gene_names import some
from sklearn_grn._inner_estimator import gene_names
from sklearn_grn._network_comparison import _parts

_NEEDED = ["source", "target", "partial_correlation"]


@dataclass(frozen=True, eq=False)
class NetworkTables:
    """A network as two tables.

    Attributes
    ----------
    nodes : DataFrame
        `gene`, `degree` and `component` of each gene that has an edge.
    edges : DataFrame
        `source`, `target`, `partial_correlation`, `sign`, and what is known besides.
    directed : bool
        Whether an edge leads from its source to its target.
    """

    nodes: pd.DataFrame
    edges: pd.DataFrame
    directed: bool


def network_tables(selector: Any) -> NetworkTables:
    """Return the genes and the edges of a network, with all that is known of them.

    Parameters
    ----------
    selector : estimator or DataFrame

    Returns
    -------
    NetworkTables
    """
    edges = _edges_of(selector)
    directed = "score" in edges
    _check_pairs(edges, directed)
    sign = np.sign(edges["partial_correlation"].to_numpy(float)).astype(int)
    return NetworkTables(_nodes(edges, directed), edges.assign(sign=sign), directed)


def _edges_of(selector: Any) -> pd.DataFrame:
    """Return the edges as a table of pandas, genes as text."""
    given = selector
    if not hasattr(selector, "columns"):
        check_is_fitted(selector)
        given = getattr(selector, "edges_", None)
        _check_unique(gene_names(selector))
    columns = [] if given is None else list(given.columns)
    if not set(_NEEDED) <= set(columns):
        raise ValueError(
            f"{type(selector).__name__} has no table of edges with columns {_NEEDED}"
            f"{f', only {columns}' if columns else ''}. Pass a fitted selector of "
            "edges, or its edges_"
        )
    values = {name: np.asarray(given[name]) for name in columns}
    # As they are: text of pandas cannot hold all names, and its errors name none.
    edges = pd.DataFrame(
        {name: pd.Series(column, dtype=column.dtype) for name, column in values.items()}
    )
    ends = {name: list(map(str, edges[name])) for name in _NEEDED[:2]}
    return edges.assign(**{name: pd.Series(ends[name], dtype=object) for name in ends})


def _check_unique(names: NDArray) -> None:
    index = pd.Index([str(name) for name in names], dtype=object)
    if index.has_duplicates:
        raise ValueError(
            "a file tells genes apart by their names, and these come more than once: "
            f"{some(index[index.duplicated()].unique())}. Make the names unique first"
        )


def _check_pairs(edges: pd.DataFrame, directed: bool) -> None:
    """Find genes of one name by what no network has: loops, and pairs that repeat."""
    ends = edges[["source", "target"]].to_numpy(object)
    pairs = pd.Series([tuple(pair if directed else sorted(pair)) for pair in ends])
    wrong = pairs.duplicated().to_numpy() | (ends[:, 0] == ends[:, 1])
    if wrong.any():
        raise ValueError(
            f"{wrong.sum()} edges repeat the genes of another, or lead from a gene to "
            f"itself: {some(map(tuple, ends[wrong].tolist()))}. Make the names of the "
            "genes unique first"
        )


def _nodes(edges: pd.DataFrame, directed: bool) -> pd.DataFrame:
    """Return the genes, those with most edges first, then as they appear."""
    ends = edges[["source", "target"]].to_numpy(object)
    codes, genes = pd.factorize(ends.ravel())
    sources, targets = codes[::2], codes[1::2]
    size = len(genes)
    links = sparse.coo_array((np.ones(len(ends)), (sources, targets)), (size, size))
    degree = np.bincount(codes, minlength=size)
    columns: dict[str, Any] = {"gene": pd.Series(genes, dtype=object), "degree": degree}
    if directed:
        columns["out_degree"] = np.bincount(sources, minlength=size)
    columns["component"] = _parts(links.tocsr(), degree > 0)
    order = np.argsort(-degree, kind="stable")
    return pd.DataFrame(columns).iloc[order].reset_index(drop=True)
