"""The classical t test of sample partial correlations."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sklearn_grn._edge_search import Edges
from sklearn_grn._prepared_table import regress_out
from sklearn_grn._tested_pairs import TestedPairs, benjamini_hochberg, nothing_found
from sklearn_grn._warn import warn_caller


def classical_test(
    samples: NDArray, alpha: float, confounders: NDArray | None = None
) -> TestedPairs:
    """Test sample partial correlations by the t test, at a false discovery rate.

    With n samples of p genes, and confounders of rank c, a sample partial correlation r
    without an edge has t = r sqrt(d / (1 - r^2)) on d = n - p - c degrees of freedom
    [1]_, so that r^2 has the distribution Beta(1/2, d/2).

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_genes)
    alpha : float
        False discovery rate, controlled by the rule of [2]_.
    confounders : ndarray of shape (n_samples, n_confounders) or None
        Regressed out.

    Returns
    -------
    TestedPairs
        Empty where d is 2 or less, with a warning.

    References
    ----------
    .. [1] Fisher, R. A. (1924). The distribution of the partial correlation
       coefficient. Metron 3, 329-332.
    .. [2] Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57, 289-300.
    """
    rows, numbers, rank = regress_out(samples, confounders)
    n_samples, n_pairs = len(samples), math.comb(len(numbers), 2)
    freedom = n_samples - len(numbers) - rank
    report: dict = {"test": "t", "n_samples": n_samples}
    report["degrees_of_freedom"] = freedom
    if n_pairs and freedom <= 2:
        warn_caller(
            f"no edge is significant: the t test of {len(numbers)} genes needs more "
            f"than the {n_samples} samples there are. Use another test"
        )
    if n_pairs == 0 or freedom <= 2:
        return nothing_found(n_pairs, report)
    edges = _partial_correlations(rows, numbers)
    pvalue = special.betaincc(0.5, freedom / 2, np.square(edges.values))
    qvalue = benjamini_hochberg(pvalue, n_pairs)
    kept = edges.order()[: np.count_nonzero(qvalue <= alpha)]
    report["n_pairs"] = n_pairs
    return TestedPairs(*edges.take(kept), pvalue[kept], qvalue[kept], None, report)


def _partial_correlations(rows: NDArray, numbers: NDArray) -> Edges:
    """Return those of all pairs, from the triangle R of a QR factorisation.

    The precision is R^-1 R^-T: the squares of a product X'X would lose half the digits.
    """
    inverse = np.linalg.pinv(np.linalg.qr(rows.T, mode="r"))
    inverse /= np.linalg.norm(inverse, axis=1)[:, None]
    i, j = np.triu_indices(len(rows), 1)
    values = np.clip(-(inverse @ inverse.T)[i, j], -1.0, 1.0)
    return Edges(numbers[i], numbers[j], values)
