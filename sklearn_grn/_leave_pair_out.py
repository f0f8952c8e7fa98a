"""The leave-pair-out test of edges: which partial correlations are not 0.

A shrunk partial correlation of two genes that are linked through others only is not 0
on average, so no null fitted to such values holds its level. Here each gene is
predicted by few others, and two genes are tested by what is left of each when the other
has no part in its prediction: for unconnected genes a correlation of unrelated samples,
with a known distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sklearn_grn._edge_search import Edges
from sklearn_grn._hidden_factors import choose_n_factors, without_factors
from sklearn_grn._lasso_pilot import LassoPilot, lasso_pilot
from sklearn_grn._leave_pair_correlation import (
    PairScan,
    normal_scores,
    null_scale,
    scan_pairs,
)
from sklearn_grn._prepared_table import PreparedTable, prepare
from sklearn_grn._tested_pairs import benjamini_hochberg
from sklearn_grn._triangle_veto import scores_beside_neighbours

# Chosen on simulated networks: a looser pilot, with more coefficients, tells factors
# from edges, a stricter one leaves the test more power.
_LOOSE, _STRICT = 1.0, 1.3
_LIKELY = 0.25  # q-value of what counts as an edge in the veto
_FOR_SCALE = 2000  # genes whose pairs are enough for the scale of the null
_HELD = 10  # pairs a gene that are held at first


@dataclass(frozen=True, eq=False)
class LeavePairOut:
    """Significant edges, and what the test saw.

    Attributes
    ----------
    sources, targets : ndarray of shape (n_edges,), int
        Columns of the table, source < target; the most significant edge first.
    statistic : ndarray of shape (n_edges,)
        The leave-pair-out correlation.
    pvalue, qvalue : ndarray of shape (n_edges,)
    null_scale : float
        The z of pairs were divided by this; near 1 where the assumptions hold.
    n_factors : int
        Hidden factors removed.
    n_samples, degrees_of_freedom : int
    n_pairs : int
        Pairs tested.
    n_coefficients : int
        Size of the pilot.
    veto : bool
        Whether triangles were looked at.
    n_vetoed : int
        Edges that would be here without the veto.
    """

    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    statistic: NDArray[np.float64]
    pvalue: NDArray[np.float64]
    qvalue: NDArray[np.float64]
    null_scale: float
    n_factors: int
    n_samples: int
    degrees_of_freedom: int
    n_pairs: int
    n_coefficients: int
    veto: bool
    n_vetoed: int


def leave_pair_out(
    X: NDArray,
    *,
    alpha: float = 0.05,
    confounders: NDArray | None = None,
    n_factors: int | str = "auto",
    veto: bool = True,
    n_jobs: int | None = None,
) -> LeavePairOut:
    """Find the edges of a network at a false discovery rate.

    Samples get an equal scale; a strict lasso predicts each gene from the others; each
    pair is tested by its leave-pair-out correlation, with Student's distribution, a
    scale fitted to the bulk of the pairs, and Benjamini and Hochberg's rule [1]_.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite, on a scale on which genes are close to normal. Genes that do not vary
        have no edges, and their pairs are not counted.
    alpha : float
        Largest q-value of an edge.
    confounders : ndarray of shape (n_samples, n_confounders) or None
        Regressed out of all genes; their rank is taken from the degrees of freedom.
    n_factors : int or "auto"
        Hidden factors to remove. "auto" removes some where the scale asks for it.
    veto : bool
        Whether likely edges must stand beside their strongest common neighbour.
    n_jobs : int or None
        Number of joblib tasks at a time.

    Returns
    -------
    LeavePairOut

    Raises
    ------
    ValueError
        If no gene varies, or if too few degrees of freedom are left.

    References
    ----------
    .. [1] Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate.
       Journal of the Royal Statistical Society B 57, 289-300.
    """
    table = prepare(X, confounders)
    if isinstance(n_factors, str):
        n_factors = _choose_n_factors(table, n_jobs)
    dof = _degrees_of_freedom(table, n_factors)
    rows = without_factors(table.rows, n_factors)
    pilot, n_pairs = lasso_pilot(rows, _STRICT, n_jobs=n_jobs), math.comb(len(rows), 2)
    level = max(alpha, _LIKELY)
    edges, scores, scale = _most_significant(pilot, dof, level, n_jobs)
    before = benjamini_hochberg(_p_values(scores), n_pairs)
    if veto:
        likely = slice(np.count_nonzero(before <= _LIKELY))
        beside = scores_beside_neighbours(pilot, edges.take(likely), dof) / scale
        scores[likely] = np.minimum(scores[likely], beside)
    p_values = _p_values(scores)
    q_values = benjamini_hochberg(p_values, n_pairs)
    order = np.lexsort((edges.targets, edges.sources, -scores))
    kept = order[: np.count_nonzero(q_values <= alpha)]
    return LeavePairOut(
        table.genes[edges.sources[kept]],
        table.genes[edges.targets[kept]],
        edges.values[kept],
        p_values[kept],
        q_values[kept],
        null_scale=scale,
        n_factors=n_factors,
        n_samples=len(X),
        degrees_of_freedom=dof,
        n_pairs=n_pairs,
        n_coefficients=len(pilot.coefficients),
        veto=veto,
        n_vetoed=int(np.count_nonzero(before <= alpha)) - len(kept),
    )


def _degrees_of_freedom(table: PreparedTable, n_factors: int) -> int:
    n_genes, n_samples = table.rows.shape
    dof = n_samples - 2 - table.confounder_rank - n_factors
    if dof < 2:  # one is for the neighbour that is projected out
        raise ValueError(
            f"{n_samples} samples less {n_factors} factors and confounders of rank "
            f"{table.confounder_rank} leave {dof} degrees of freedom for a test of "
            "edges, which needs 2. Remove fewer, or take edges without a test"
        )
    if n_factors >= n_genes:
        raise ValueError(
            f"{n_factors} factors explain all of {n_genes} genes. Remove fewer"
        )
    return dof


def _choose_n_factors(table: PreparedTable, n_jobs: int | None) -> int:
    """Choose the number of hidden factors by the scale that is left without them.

    The scale of a large table is that of the pairs of some genes, which does not depend
    on the order of the genes.
    """
    by_level = np.argsort(table.rows[:, 0], kind="stable")
    some = np.sort(by_level[:: -(-len(by_level) // _FOR_SCALE)])

    def scale_without(n_factors: int) -> float:
        rows = without_factors(table.rows, n_factors)
        pilot = lasso_pilot(rows, _LOOSE, genes=some, n_jobs=n_jobs)
        dof = _degrees_of_freedom(table, n_factors)
        return null_scale(scan_pairs(pilot, 0, n_jobs=n_jobs), dof)

    most = min(_degrees_of_freedom(table, 0) - 2, len(table.rows) - 1)
    return choose_n_factors(table.rows, scale_without, most)


# ------------------------------------------------------------ the false discovery rate
def _most_significant(
    pilot: LassoPilot, dof: int, level: float, n_jobs: int | None
) -> tuple[Edges, NDArray, float]:
    """Return the pairs with q <= level, the most significant first, |z| and scale."""
    scan = scan_pairs(pilot, _HELD * len(pilot.rows), n_jobs=n_jobs)
    scale = null_scale(scan, dof)
    n_needed = _n_needed(scan, dof, scale, level)
    if n_needed > len(scan.edges.values):
        scan = scan_pairs(pilot, n_needed, n_jobs=n_jobs)
    scores = normal_scores(scan.edges.values, dof) / scale
    q_values = benjamini_hochberg(_p_values(scores), scan.n_pairs)
    kept = slice(np.count_nonzero(q_values <= level))
    return scan.edges.take(kept), scores[kept], scale


def _n_needed(scan: PairScan, dof: int, scale: float, level: float) -> int:
    """Return how many of the strongest pairs may have q <= level.

    The pairs that are not held are known to a bin. None of a bin has a smaller p than
    its upper bound, nor a higher rank than the number of pairs from its lower bound on.
    Where n_pairs p / rank > level so in all bins, no pair that is not held has
    q <= level, and the q-values of the others do not depend on it.
    """
    ranks = scan.counts[::-1].cumsum()[::-1]
    highest = np.minimum(np.append(scan.bounds[1:-1], np.inf), scan.left_out)
    p_values = _p_values(normal_scores(highest, dof) / scale)
    open_ = (scan.bounds[:-1] < scan.left_out) & (
        scan.n_pairs * p_values <= level * ranks
    )
    return int(ranks[open_].max(initial=0))


def _p_values(scores: NDArray) -> NDArray[np.float64]:
    return 2.0 * special.ndtr(-scores)
