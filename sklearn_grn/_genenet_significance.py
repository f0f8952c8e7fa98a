"""The test of R's GeneNet: partial correlations against a null fitted to them all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._classical_significance import classical_test
from sklearn_grn._edge_search import Census, Edges, census, edges_above
from sklearn_grn._genenet_null import Null, Values, fit_null
from sklearn_grn._pair_tiles import PairTiles
from sklearn_grn._tested_pairs import TestedPairs, nothing_found
from sklearn_grn._warn import warn_caller

_FEW_PAIRS = 1000  # of fewer no null can be told from the edges
_TAIL = 4  # strongest pairs for each gene that the first pass keeps


def genenet_test(
    pairs: PairTiles,
    n_linked: int,
    alpha: float,
    samples: NDArray | None = None,
    confounders: NDArray | None = None,
    *,
    n_jobs: int | None = None,
) -> TestedPairs:
    """Test partial correlations against a null that is fitted to all of them.

    One pass counts all pairs in fine bins and keeps the strongest with their exact
    values. Where all of these are significant there may be more, and a second pass
    finds them.

    Parameters
    ----------
    pairs : PairTiles
        Partial correlations.
    n_linked : int
        Number of genes that vary. Pairs of others are not tested.
    alpha : float
        False discovery rate.
    samples : ndarray of shape (n_samples, n_genes), or None
        For the classical test, which stands in where there are few pairs.
    confounders : ndarray of shape (n_samples, n_confounders), or None
        For the classical test, too.
    n_jobs : int or None
        As in `edges_above`.

    Returns
    -------
    TestedPairs

    References
    ----------
    Schafer & Strimmer (2005), Bioinformatics 21, 754-764; Strimmer (2008), BMC
    Bioinformatics 9, 303.
    """
    n_pairs = math.comb(n_linked, 2)
    report: dict[str, Any] = {"test": "genenet"}
    if samples is not None:
        report["n_samples"] = len(samples)
    if n_pairs < _FEW_PAIRS:
        if samples is not None and len(samples) > samples.shape[1] + 2:
            return classical_test(samples, alpha, confounders)
        _warn_of_few_pairs(n_pairs, len(pairs.order), report.get("n_samples", 0))
        return nothing_found(n_pairs, report)
    found = census(pairs, _TAIL * len(pairs.order), n_jobs=n_jobs)
    values = _values(found, found.tail, n_pairs)
    if values.quantile(0.25) == values.quantile(0.75):
        warn_caller(
            "no edge is significant: more than half of the partial correlations are "
            "equal, so no null can be fitted to them. Select by threshold or max_edges"
        )
        return nothing_found(n_pairs, report)
    null, tail, left_out = fit_null(values), found.tail, found.left_out
    if left_out > 0 and (_qvalue(null, tail.values) <= alpha).all():
        left_out = _least_size(null, found, alpha)
        tail = edges_above(pairs, left_out, n_jobs=n_jobs)
        null = fit_null(_values(found, tail, n_pairs))
    report |= {"n_pairs": n_pairs, "kappa": null.kappa, "eta0": null.eta0}
    report["cutoff"] = null.cutoff
    return _tested(null, tail, left_out, alpha, report)


def _values(found: Census, tail: Edges, n_pairs: int) -> Values:
    """Return exact values of the strongest pairs, and those of the others in bins."""
    n_tail = len(tail.values)
    if found.left_out == 0:
        others = Values(np.zeros(1), np.array([n_pairs - n_tail]), np.zeros(1))
    else:
        others = _others_in_bins(found, tail, n_pairs)
    once = np.ones(n_tail, dtype=np.int64)
    exact = Values(np.clip(tail.values, -1, 1), once, np.zeros(n_tail))
    return Values.of(*map(np.append, others, exact))


def _others_in_bins(found: Census, tail: Edges, n_pairs: int) -> Values:
    """Return the values of pairs that are not in the tail."""
    numbers = np.searchsorted(found.bounds[1:-1], tail.values, side="right")
    tails = np.bincount(numbers, minlength=len(found.counts))
    # float32 counts a few values in the next bin, which the sums even out.
    until = np.maximum.accumulate(np.append(0, (found.counts - tails).cumsum()))
    weights, centres = np.diff(until), (found.bounds[1:] + found.bounds[:-1]) / 2
    # Pairs of genes that do not vary are in the bin of 0.
    weights[len(weights) // 2] -= found.counts.sum() - n_pairs
    filled = weights > 0
    return Values(centres, weights, np.diff(found.bounds)).take(filled)


def _qvalue(null: Null, values: NDArray) -> NDArray[np.float64]:
    return null.qvalue(null.pvalue(values))


def _least_size(null: Null, found: Census, alpha: float) -> float:
    """Return a |value| below which no pair is significant: q rises as |value| falls."""
    bounds = found.bounds[len(found.bounds) // 2 :]
    significant = _qvalue(null, np.minimum(bounds, 1.0)) <= alpha
    first = int(np.argmax(significant)) if significant.any() else len(bounds) - 1
    return float(bounds[max(0, first - 2)])


def _tested(
    null: Null, tail: Edges, left_out: float, alpha: float, report: dict[str, Any]
) -> TestedPairs:
    pvalue = null.pvalue(tail.values)
    qvalue = null.qvalue(pvalue)
    keep = qvalue <= alpha
    left_out = float(np.abs(tail.values[~keep]).max(initial=left_out))
    # Two pairs as strong as each other are edges both, or neither, even where p-values
    # are at their floor and do not tell them apart.
    keep &= np.abs(tail.values) > left_out
    local = null.local_fdr(pvalue)[keep]
    found = pvalue[keep], qvalue[keep], local
    return TestedPairs(*tail.take(keep), *found, report, left_out)


def _warn_of_few_pairs(n_pairs: int, n_genes: int, n_samples: int) -> None:
    if n_pairs:
        warn_caller(
            f"no edge is significant: {n_pairs} pairs are too few to fit a null to, "
            f"and the t test needs more than the {n_samples} samples there are of "
            f"{n_genes} genes. Select by threshold or max_edges"
        )
