"""Pairs whose link may be that of each with a third gene."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._edge_search import Edges
from sklearn_grn._lasso_pilot import LassoPilot
from sklearn_grn._leave_pair_correlation import (
    correlations,
    normal_scores,
    pair_residuals,
    unit_length,
)

# An indirect link is the weakest of its triangle, as the data processing inequality has
# it. The tenth is for chance, so that pairs of spokes do not pass which are by chance a
# little stronger than a weak spoke. Chosen on simulated networks.
_STRONGER = 1.1

_MOST_STEPS = 2**21  # from pairs to neighbours of one of their genes, held at a time


def scores_beside_neighbours(
    pilot: LassoPilot, edges: Edges, dof: int
) -> NDArray[np.float64]:
    """Return |z| of pairs from what a common neighbour leaves of their correlation.

    The lasso shrinks, so a gene that two others share is not removed from them
    completely, and of many spokes of a hub some pairs look linked. Here the strongest
    common neighbour is projected out of both residuals, unless the pair is clearly
    stronger than the weaker of its two links to that neighbour (Margolin, A. A. et al.
    (2006). ARACNE. BMC Bioinformatics 7, S7: the weakest link of a triangle may be
    indirect).

    Parameters
    ----------
    pilot : LassoPilot
    edges : Edges
        The graph of likely edges, and the pairs that are asked about.
    dof : int
        Degrees of freedom of the correlation without the neighbour, which takes one.

    Returns
    -------
    ndarray of shape (n_edges,)
        Infinite for pairs that have no common neighbour, or stand out beside it.
    """
    scores = np.full(len(edges.values), np.inf)
    pairs, neighbours, strengths = strongest_neighbours(edges)
    weak = np.abs(edges.values[pairs]) < _STRONGER * strengths
    pairs, neighbours = pairs[weak], neighbours[weak]
    chosen = edges.take(pairs)
    for batch, left, right in pair_residuals(pilot, chosen.sources, chosen.targets):
        third = unit_length(pilot.rows[neighbours[batch]])
        r = correlations(_beside(left, third), _beside(right, third))
        scores[pairs[batch]] = normal_scores(r, dof - 1)
    return scores


def strongest_neighbours(edges: Edges) -> tuple[NDArray, NDArray, NDArray]:
    """Return the pairs that have a common neighbour, and the strongest of each.

    Parameters
    ----------
    edges : Edges
        A graph.

    Returns
    -------
    pairs : ndarray of shape (n_pairs,)
        Numbers of edges.
    neighbours : ndarray of shape (n_pairs,)
        Gene with the largest min(|r_ic|, |r_jc|), the first of equal ones.
    strengths : ndarray of shape (n_pairs,)
        This minimum.
    """
    found = [np.empty((3, 0)), *_triangles(edges)]
    pairs, neighbours, strengths = np.concatenate(found, axis=1)
    order = np.lexsort((neighbours, -strengths, pairs))
    pairs, first = np.unique(pairs[order], return_index=True)
    first = order[first]
    return pairs.astype(np.intp), neighbours[first].astype(np.intp), strengths[first]


def _triangles(edges: Edges) -> Iterator[NDArray]:
    """Yield pairs, common neighbours and min(|r_ic|, |r_jc|), a row each.

    From the gene of a pair that has fewer neighbours one goes to each of these, and
    looks whether it is one of the other gene: no more steps than edges times the
    square root of twice their number (Chiba, N. and Nishizeki, T. (1985). Arboricity
    and subgraph listing algorithms. SIAM Journal on Computing 14, 210-223).
    """
    there = _Neighbours(edges)
    swap = there.degree[edges.sources] > there.degree[edges.targets]
    few = np.where(swap, edges.targets, edges.sources)
    many = np.where(swap, edges.sources, edges.targets)
    n_done = there.degree[few].cumsum() // _MOST_STEPS
    ends = np.flatnonzero(np.diff(n_done)) + 1
    for batch in np.split(np.arange(len(few)), ends):
        lengths = there.degree[few[batch]]
        pairs = np.repeat(batch, lengths)
        steps = np.arange(len(pairs)) - np.repeat(lengths.cumsum() - lengths, lengths)
        first = there.start[few[pairs]] + steps
        third = there.genes[first]
        weaker = np.minimum(there.sizes[first], there.sizes_of(many[pairs], third))
        yield np.stack([pairs, third, weaker])[:, weaker >= 0]


class _Neighbours:
    """The neighbours of each gene, one gene after the other."""

    def __init__(self, edges: Edges) -> None:
        sources = np.concatenate([edges.sources, edges.targets])
        targets = np.concatenate([edges.targets, edges.sources])
        order = np.lexsort((targets, sources))
        self.n_genes = int(targets.max(initial=0)) + 1
        self.genes, self.sizes = targets[order], np.abs(np.tile(edges.values, 2)[order])
        self.links = sources[order] * self.n_genes + self.genes
        self.degree = np.bincount(sources, minlength=self.n_genes)
        self.start = self.degree.cumsum() - self.degree

    def sizes_of(self, sources: NDArray, targets: NDArray) -> NDArray[np.float64]:
        """Return |r| of pairs, -1 where there is no edge."""
        wanted = sources * self.n_genes + targets
        at = np.searchsorted(self.links, wanted)
        present = np.append(self.links, -1)[at] == wanted
        return np.where(present, np.append(self.sizes, -1.0)[at], -1.0)


def _beside(rows: NDArray, third: NDArray) -> NDArray:
    return rows - np.einsum("ij,ij->i", rows, third)[:, None] * third
