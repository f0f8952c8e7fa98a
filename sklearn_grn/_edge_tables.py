"""Edges as people take them: tables with gene names, and a sparse matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from sklearn_grn._diagonal_low_rank import DiagonalPlusLowRank
from sklearn_grn._edge_search import Edges, strongest_changes
from sklearn_grn._inner_estimator import rows_of

_N_CHANGES = 1000  # pairs that are listed after an update


def edge_table(
    edges: Edges, names: NDArray, columns: dict[str, NDArray]
) -> pd.DataFrame:
    """Return one row for each edge.

    Parameters
    ----------
    edges : Edges
    names : ndarray of shape (n_genes,)
    columns : dict of str to ndarray
        What is known of the edges besides.

    Returns
    -------
    DataFrame
        `source`, `target`, `partial_correlation`, and the further columns.
    """
    ends = {"source": names[edges.sources], "target": names[edges.targets]}
    return pd.DataFrame(ends | {"partial_correlation": edges.values} | columns)


def network_of(edges: Edges, matrix: Any) -> sparse.csr_array:
    """Return a symmetric matrix of the shape and data type of another.

    Parameters
    ----------
    edges : Edges
    matrix : DiagonalPlusLowRank or ndarray of shape (n_genes, n_genes)

    Returns
    -------
    csr_array of shape (n_genes, n_genes)
    """
    rows = np.concatenate([edges.sources, edges.targets])
    columns = np.concatenate([edges.targets, edges.sources])
    values = np.tile(edges.values, 2).astype(matrix.dtype)
    return sparse.coo_array((values, (rows, columns)), shape=matrix.shape).tocsr()


def change_table(
    before: DiagonalPlusLowRank, after: DiagonalPlusLowRank, names: NDArray
) -> pd.DataFrame:
    """Return the pairs whose partial correlation moved most, found exactly.

    Parameters
    ----------
    before, after : DiagonalPlusLowRank of shape (n_genes, n_genes)
    names : ndarray of shape (n_genes,)

    Returns
    -------
    DataFrame
        `source`, `target`, `before`, `after`, `change` and `change_of_size`.
    """
    found = strongest_changes(rows_of(before), rows_of(after), _N_CHANGES)
    return changes_of(*found, names=names)


def changes_of(
    sources: NDArray, targets: NDArray, before: NDArray, after: NDArray, names: NDArray
) -> pd.DataFrame:
    """Return one row for each pair, with its change.

    Parameters
    ----------
    sources, targets, before, after : ndarray of shape (n_pairs,)
    names : ndarray of shape (n_genes,)

    Returns
    -------
    DataFrame
        `source`, `target`, `before`, `after`, `change` and `change_of_size`.
    """
    before, after = np.clip(before, -1, 1), np.clip(after, -1, 1)
    table = {"source": names[sources], "target": names[targets]}
    table |= {"before": before, "after": after, "change": after - before}
    return pd.DataFrame(table | {"change_of_size": np.abs(after) - np.abs(before)})


def clipped(edges: Edges) -> Edges:
    """Keep rounding from carrying a correlation past 1."""
    return edges._replace(values=np.clip(edges.values, -1.0, 1.0))


def joined(*parts: Edges) -> Edges:
    """Return the edges of all parts, strongest first, none past 1."""
    together = Edges(*map(np.concatenate, zip(*parts, strict=True)))
    return clipped(together.strongest_first())
