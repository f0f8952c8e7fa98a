"""What a test of edges says, whatever the test."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._edge_search import Edges


class TestedPairs(NamedTuple):
    """Pairs of genes, source < target, that are significant, strongest first.

    Attributes
    ----------
    sources, targets : ndarray of shape (n_significant,)
        Numbers of the genes.
    statistic, pvalue, qvalue : ndarray of shape (n_significant,)
        The correlation that was tested, its p-value, and the false discovery rate of
        all pairs with p-values up to its own.
    local_fdr : ndarray of shape (n_significant,) or None
        Probability that a pair with just this p-value has no edge.
    report : dict
        What the test saw.
    left_out : float or None
        Where partial correlations themselves are tested, the largest |value| of all
        other pairs.
    """

    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    statistic: NDArray[np.float64]
    pvalue: NDArray[np.float64]
    qvalue: NDArray[np.float64]
    local_fdr: NDArray[np.float64] | None
    report: dict[str, Any]
    left_out: float | None = None

    @property
    def table(self) -> dict[str, NDArray]:
        """Columns that are added to a table of edges."""
        columns = {"pvalue": self.pvalue, "qvalue": self.qvalue}
        return (
            columns
            if self.local_fdr is None
            else columns | {"local_fdr": self.local_fdr}
        )


TestedPairs.__test__ = False  # type: ignore[attr-defined]  # for pytest: no test


def benjamini_hochberg(pvalue: NDArray, n_tests: int) -> NDArray[np.float64]:
    """Return q-values (Benjamini & Hochberg 1995).

    Parameters
    ----------
    pvalue : ndarray of shape (n_listed,)
        The smallest of all p-values.
    n_tests : int
        How many there are in all.

    Returns
    -------
    ndarray of shape (n_listed,)
    """
    order = np.argsort(pvalue, kind="stable")
    ranked = pvalue[order] * n_tests / np.arange(1, len(pvalue) + 1)
    qvalue = np.empty(len(pvalue))
    qvalue[order] = np.minimum.accumulate(ranked[::-1])[::-1]
    return np.minimum(qvalue, 1.0)


def nothing_found(n_pairs: int, report: dict[str, Any]) -> TestedPairs:
    """Return what a test says that finds no edge.

    Parameters
    ----------
    n_pairs : int
        How many pairs there were to be tested.
    report : dict
        What the test saw.

    Returns
    -------
    TestedPairs
    """
    none = np.empty(0)
    return TestedPairs(*Edges(), none, none, none, report | {"n_pairs": n_pairs})
