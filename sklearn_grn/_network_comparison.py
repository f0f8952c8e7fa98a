"""Networks in numbers, and what differs between two of them."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from sklearn_grn._diagonal_low_rank import DiagonalPlusLowRank
from sklearn_grn._edge_search import (
    Edges,
    edges_above,
    mean_absolute,
    strongest_changes,
    strongest_edges,
)
from sklearn_grn._edge_tables import changes_of, clipped, network_of
from sklearn_grn._inner_estimator import (
    Symmetric,
    as_pairs,
    gene_names,
    last_step,
    partial_correlations,
    rows_of,
)
from sklearn_grn._pair_tiles import DenseEntries, PairTiles, RowProducts


def network_statistics(
    fitted: Any,
    *,
    threshold: float | None = None,
    n_hubs: int = 10,
    n_jobs: int | None = None,
) -> Bunch:
    r"""Describe a network: its size, its hubs, its parts.

    Parameters
    ----------
    fitted : estimator
        A fitted NetworkEdgeSelector or NetworkEdgeSelectorCV; or any fitted estimator
        with a precision, and a `threshold`.
    threshold : float, default=None
        Count the pairs with \|partial correlation\| > threshold as edges. None takes
        the edges that a selector has selected.
    n_hubs : int, default=10
        How many of the genes with most edges to list.
    n_jobs : int, default=None
        Number of joblib workers for the passes over all pairs.

    Returns
    -------
    Bunch
        `n_genes`, `n_edges`, `density` (the share of pairs that are edges);
        `mean_partial_correlation` and `largest_partial_correlation`, the mean and the
        largest \|partial correlation\| of all pairs; `mean_degree`; `n_components` and
        `largest_component`, of the genes that have an edge; `degrees`, a Series with
        the number of edges of each gene; `hubs`, a DataFrame with `gene`, `degree` and
        `strength` (the sum of \|partial correlation\| over its edges); `components`, a
        Series with the number of the part that a gene is in, largest first, -1 for
        genes without an edge.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If it is no selector and `threshold` is None.

    Examples
    --------
    >>> from sklearn_grn import NetworkEdgeSelector, network_statistics
    >>> from sklearn_grn.datasets import load_leukemia
    >>> expression = load_leukemia(as_frame=True).data
    >>> selector = NetworkEdgeSelector(threshold=0, max_edges=500).fit(expression)
    >>> found = network_statistics(selector)
    >>> found.n_edges, round(found.density, 5)
    (500, 0.00059)
    """
    check_is_fitted(fitted)
    links, names = _links(fitted), gene_names(fitted)
    pairs = as_pairs(links)
    edges = _edges(fitted, pairs, threshold, n_jobs)
    network = abs(network_of(edges, links))
    degrees = np.diff(network.indptr)
    parts = _parts(network, degrees > 0)
    n_genes, n_edges = len(names), len(edges.values)
    return Bunch(
        n_genes=n_genes,
        n_edges=n_edges,
        density=n_edges / max(1, math.comb(n_genes, 2)),
        mean_partial_correlation=mean_absolute(pairs, n_jobs=n_jobs),
        largest_partial_correlation=min(1.0, strongest_edges(pairs, 0)[1]),
        mean_degree=2 * n_edges / n_genes,
        n_components=int(parts.max(initial=-1)) + 1,
        largest_component=int((parts == 0).sum()),
        degrees=pd.Series(degrees, names, name="degree"),
        hubs=_hubs(degrees, network.sum(axis=1), names, n_hubs),
        components=pd.Series(parts, names, name="component"),
    )


def compare_networks(before: Any, after: Any, *, n_changes: int = 100) -> Bunch:
    """Compare the networks of two fitted selectors of the same genes.

    Parameters
    ----------
    before, after : estimator
        Fitted NetworkEdgeSelector or NetworkEdgeSelectorCV. Genes are matched by name,
        or by position where they have none.
    n_changes : int, default=100
        How many of the pairs whose partial correlation differs most to list, edges or
        not. They are found exactly.

    Returns
    -------
    Bunch
        `gained`, `lost`, `kept` and `changed`: DataFrames with `source`, `target`, the
        partial correlation `before` and `after`, `change` and `change_of_size` (that of
        its absolute value), largest changes first. And `jaccard`, the share of the
        edges of either network that both have; 1 where neither has any.

    Raises
    ------
    NotFittedError
        If a selector is not fitted.
    ValueError
        If the genes are not the same.

    Examples
    --------
    >>> import copy
    >>> import pandas as pd
    >>> from sklearn_grn import NetworkEdgeSelector, compare_networks
    >>> from sklearn_grn.datasets import load_leukemia
    >>> expression = load_leukemia(as_frame=True).data
    >>> before = NetworkEdgeSelector(threshold=0.05).fit(expression)
    >>> pathway = pd.Series(0.5, index=["CD3D", "CD3G", "LCK"], name="T-cell receptor")
    >>> after = copy.copy(before).partial_fit_pathways(pathway)
    >>> compare_networks(before, after).gained[["source", "target"]]
      source target
    0    LCK   CD3G
    1   CD3D   CD3G
    2   CD3D    LCK
    """
    for selector in (before, after):
        check_is_fitted(selector, "network_")
    names, order = gene_names(before), _matching(before, after)
    old, new = _values(_links(before)), _values(_links(after), order)
    first = _pair_set(before._edges)
    second = _pair_set(_renumbered(after._edges, order))

    table = partial(_by_change, old, new, names)
    either = len(first | second)
    return Bunch(
        gained=table(second - first),
        lost=table(first - second),
        kept=table(first & second),
        changed=changes_of(*_largest_changes(old, new, n_changes), names=names),
        jaccard=len(first & second) / either if either else 1.0,
    )


# ------------------------------------------------------------------ one network's parts
def _links(fitted: Any) -> Symmetric:
    inner = last_step(getattr(fitted, "estimator_", fitted))
    return partial_correlations(inner, fitted.n_features_in_)


def _edges(
    fitted: Any, pairs: PairTiles, threshold: float | None, n_jobs: int | None
) -> Edges:
    if threshold is not None:
        return clipped(edges_above(pairs, threshold, n_jobs=n_jobs))
    if not hasattr(fitted, "_edges"):
        raise ValueError(
            f"{type(fitted).__name__} has selected no edges. Give a threshold, or fit "
            "a NetworkEdgeSelector"
        )
    return fitted._edges


def _hubs(
    degrees: NDArray, strength: NDArray, names: NDArray, n_hubs: int
) -> pd.DataFrame:
    first = np.lexsort((np.arange(len(names)), -strength, -degrees))[:n_hubs]
    first = first[degrees[first] > 0]
    columns = {"gene": names[first], "degree": degrees[first]}
    return pd.DataFrame(columns | {"strength": strength[first]})


def _parts(network: Any, linked: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the number of each gene's component, by size, -1 without an edge."""
    labels = connected_components(network, directed=False)[1]
    sizes = np.bincount(labels[linked], minlength=labels.max(initial=0) + 1)
    rank = np.empty(len(sizes), dtype=np.intp)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return np.where(linked, rank[labels], -1)


# ----------------------------------------------------------------- two networks' genes
def _matching(before: Any, after: Any) -> NDArray[np.intp]:
    """Return where in the second table each gene of the first is."""
    first, second = pd.Index(gene_names(before)), pd.Index(gene_names(after))
    order = second.get_indexer(first)
    if len(first) != len(second) or (order < 0).any():
        lacking = first[order < 0].append(second.difference(first))
        raise ValueError(
            f"the networks are of {len(first)} and {len(second)} genes, and "
            f"{lacking[:3].tolist()} are in one of them only. Fit both selectors to "
            "the same genes"
        )
    return order


def _values(links: Symmetric, order: NDArray | None = None) -> PairTiles:
    """Return the values of pairs, of genes in another order."""
    if isinstance(links, DiagonalPlusLowRank):
        rows = rows_of(links)
        return RowProducts(rows if order is None else rows[order])
    return DenseEntries(links if order is None else links[np.ix_(order, order)])


def _renumbered(edges: Edges, order: NDArray) -> Edges:
    numbers = np.argsort(order)
    ends = np.sort([numbers[edges.sources], numbers[edges.targets]], axis=0)
    return edges._replace(sources=ends[0], targets=ends[1])


def _by_change(
    old: PairTiles, new: PairTiles, names: NDArray, pairs: set[tuple[int, int]]
) -> pd.DataFrame:
    """Return a row for each pair, largest change first."""
    ends = np.array(sorted(pairs), dtype=np.intp).reshape(-1, 2).T
    values = [np.clip(side.measure(*ends), -1, 1) for side in (old, new)]
    order = np.argsort(-np.abs(values[1] - values[0]), kind="stable")
    sources, targets, was, now = (part[order] for part in (*ends, *values))
    return changes_of(sources, targets, was, now, names)


def _pair_set(edges: Edges) -> set[tuple[int, int]]:
    return set(zip(edges.sources.tolist(), edges.targets.tolist(), strict=True))


def _largest_changes(
    old: PairTiles, new: PairTiles, n_changes: int
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    if isinstance(old, RowProducts) and isinstance(new, RowProducts):
        return strongest_changes(old.rows, new.rows, n_changes)
    every = np.arange(len(old.order))
    dense = [_densely(side, every) for side in (old, new)]
    (i, j, _), _ = strongest_edges(DenseEntries(dense[1] - dense[0]), n_changes)
    return i, j, dense[0][i, j], dense[1][i, j]


def _densely(pairs: PairTiles, every: NDArray) -> NDArray[np.float64]:
    values = pairs.measure(*(grid.ravel() for grid in np.meshgrid(every, every)))
    return values.reshape(len(every), len(every))
