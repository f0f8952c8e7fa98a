"""The pairs with the largest regulatory scores, found exactly.

The largest score of a regulator in each block of genes is known: that of a cell. So few
cells can hold one of the strongest edges, and only these are looked through.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._array_interface import _free_memory
from sklearn_grn._block_links import BLOCK
from sklearn_grn._regulatory_score import RegulatoryScore

_SPARE = 2**14  # pairs held beyond twice those wanted before the weakest are dropped
_ALWAYS_HELD = 2**20  # pairs
_EDGE_BYTES = 3 * 32  # two numbers and two values, held, joined and sorted
_ABOVE_ZERO = float(np.finfo(np.float64).tiny)

# Sums over genes round differently in another order of the genes, so scores that are
# this close, as a share of their size, count as equal.
_ROUNDING = 1e-9


class DirectedEdges(NamedTuple):
    """Edges from regulators to targets, strongest first.

    Attributes
    ----------
    sources, targets : ndarray of shape (n_edges,)
        Numbers of the genes.
    scores : ndarray of shape (n_edges,)
    partial_correlations : ndarray of shape (n_edges,)
        Of the levels, shrunken; the sign tells activation from repression.
    """

    sources: NDArray[np.intp] = np.empty(0, dtype=np.intp)
    targets: NDArray[np.intp] = np.empty(0, dtype=np.intp)
    scores: NDArray[np.float64] = np.empty(0)
    partial_correlations: NDArray[np.float64] = np.empty(0)


def strongest_links(
    score: RegulatoryScore, n_edges: int | None, threshold: float = 0.0
) -> tuple[DirectedEdges, float]:
    """Return the pairs with the largest scores, found exactly.

    Parameters
    ----------
    score : RegulatoryScore
    n_edges : int or None
        How many at the most; None for all. Pairs that tie at the cut are all left out.
    threshold : float, default=0
        Scores above it count.

    Returns
    -------
    edges : DirectedEdges
    left_out : float
        The largest score of all other pairs, or the threshold where that is more.

    Raises
    ------
    ValueError
        If the pairs take more than half of the free memory.
    """
    n_regulators, n_genes = score.links.n_regulators, score.links.n_genes
    n_pairs = n_regulators * (n_genes - 1)
    wanted = n_pairs if n_edges is None else min(n_edges, n_pairs)
    found = _Strongest(wanted + 1, max(threshold, _ABOVE_ZERO))
    _search(score, found)
    sources, targets, scores, correlations = found.result()
    i, j = score.genes[sources], score.genes[targets]
    order = np.lexsort((j, i, -scores))
    weakest = scores[order[wanted:]].max(initial=threshold)
    kept = order[scores[order] > weakest * (1.0 + _ROUNDING)]
    return DirectedEdges(i[kept], j[kept], scores[kept], correlations[kept]), weakest


def _search(score: RegulatoryScore, found: _Strongest) -> None:
    """Look through the cells that can hold one of the strongest pairs."""
    factor = score.factor[:, None]
    cells = score.largest * factor
    found.raise_to(cells)
    for block, targets in enumerate(score.links.target_blocks()):
        rows = np.flatnonzero(cells[:, block] >= found.least)
        for start in range(0, len(rows), BLOCK):
            sources = rows[start : start + BLOCK]
            links, levels = score.links.rows(sources, targets)
            values = links / score.background[targets] * factor[sources]
            at = np.nonzero(values >= found.least)
            ends = sources[at[0]], targets.start + at[1]
            found.hold(DirectedEdges(*ends, values[at], levels[at]))


class _Strongest:
    """The strongest pairs; the bound rises while they are collected."""

    def __init__(self, n_wanted: int, least: float) -> None:
        self.n_wanted, self.least = n_wanted, least * (1.0 - _ROUNDING)
        self.held = [DirectedEdges()]
        self.n_held = 0

    def raise_to(self, values: NDArray) -> None:
        """Raise the bound to what enough pairs reach, given values of some."""
        if values.size > self.n_wanted:
            bound = np.partition(values, -self.n_wanted, axis=None)[-self.n_wanted]
            self.least = max(self.least, float(bound) * (1.0 - _ROUNDING))

    def hold(self, edges: DirectedEdges) -> None:
        """Take pairs that reach the bound."""
        self.held.append(edges)
        self.n_held += len(edges.scores)
        too_many = self.n_held > _ALWAYS_HELD and self.n_held > self._most
        if too_many or self.n_held > 2 * self.n_wanted + _SPARE:
            self._drop_weakest()
        if too_many and self.n_held > self._most:
            raise ValueError(
                f"more than {self._most:,.0f} edges may take more than half of the "
                "free memory. Choose a larger threshold or a smaller max_edges"
            )

    def result(self) -> DirectedEdges:
        """Return the pairs that may be among the strongest."""
        self._drop_weakest()
        return self.held[0]

    @cached_property
    def _most(self) -> float:
        return _free_memory() / 2 / _EDGE_BYTES  # to ask takes milliseconds

    def _drop_weakest(self) -> None:
        """Drop pairs that enough others exceed."""
        held = DirectedEdges(*map(np.concatenate, zip(*self.held, strict=True)))
        self.raise_to(held.scores)
        kept = held.scores >= self.least
        self.held = [DirectedEdges._make(values[kept] for values in held)]
        self.n_held = int(np.count_nonzero(kept))
