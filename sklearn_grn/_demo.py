"""The demonstration: a real leukaemia network before and after two pathways arrive."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_grn._precision import FactorPrecisionEstimator
from sklearn_grn.datasets import load_leukemia

# Members of the two antigen receptor signalling cascades, from their textbook account
# (Janeway's Immunobiology, 9th ed., chapter 7), as far as the table has them.
_RECEPTORS = {
    "T-cell receptor": "CD3D CD3G CD247 TRAC TRBC1 LCK FYN ZAP70 ITK PRKCQ",
    "B-cell receptor": "CD79A CD79B IGHM IGHD CD19 CR2 LYN BLK BTK BLNK",
}
_VARIANCE_ADDED = 0.1
_SHOWN = 8


def run(write: Callable[[str], Any] = print) -> None:
    """Fit the leukaemia table, add two pathways, and report what changed.

    Parameters
    ----------
    write : callable, default=print
        Takes each line of the report.
    """
    expression = load_leukemia(as_frame=True).data
    before, seconds = _timed(FactorPrecisionEstimator().fit, expression)
    loadings = receptor_loadings(expression)
    # The first call warms the caches; the quickest of the others is reported.
    grown = [copy.copy(before) for _ in range(6)]
    updates = [_timed(each.partial_fit_pathways, loadings) for each in grown]
    after, update = min(updates[1:], key=lambda timed: timed[1])
    covariance = after.covariance_.toarray()
    inverse, inversion = _timed(np.linalg.inv, covariance)
    error = np.abs(after.precision_ - inverse).max() / np.abs(inverse).max()

    samples, genes = expression.shape
    write(f"Acute lymphoblastic leukaemia: {samples} samples of {genes} genes")
    write(
        f"  fit            {1e3 * seconds:8.1f} ms, shrinkage {before.shrinkage_:.3f}"
    )
    write(f"  two pathways   {1e3 * update:8.1f} ms: {', '.join(loadings.columns)}")
    write(f"  full inverse   {1e3 * inversion:8.1f} ms, {inversion / update:.0f} times")
    write(f"  the two precisions differ by {error:.0e} of the largest entry")
    _write_table(write, _summaries(before, after))
    for title, estimator in (("before", before), ("after", after)):
        write(f"Strongest partial correlations {title}")
        _write_table(write, strongest_pairs(estimator, _SHOWN))
    write("Largest changes")
    _write_table(write, strongest_pairs(after, _SHOWN, before))


def receptor_loadings(expression: pd.DataFrame) -> pd.DataFrame:
    """Return loadings that add a tenth to the variance of each member of a pathway.

    Loadings are in units of expression: a gene of variance v gets (0.1 v)^1/2.

    Parameters
    ----------
    expression : DataFrame of shape (n_samples, n_genes)

    Returns
    -------
    DataFrame of shape (n_genes, 2)
    """
    loadings = pd.DataFrame(0.0, index=expression.columns, columns=list(_RECEPTORS))
    size = np.sqrt(_VARIANCE_ADDED * expression.var())
    for pathway, genes in _RECEPTORS.items():
        members = genes.split()
        loadings.loc[members, pathway] = size[members]
    return loadings


def strongest_pairs(
    estimator: FactorPrecisionEstimator,
    n_pairs: int,
    reference: FactorPrecisionEstimator | None = None,
) -> pd.DataFrame:
    """Return the pairs of genes with the largest partial correlations, by magnitude.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator
        Fitted on a table with gene names.
    n_pairs : int
        Number of pairs.
    reference : FactorPrecisionEstimator, default=None
        If given, pairs are ranked by their change from this one.

    Returns
    -------
    DataFrame
        Columns source, target, partial_correlation, and change with a reference.
    """
    names = estimator.feature_names_in_
    sources, targets, values = _pairs(estimator)
    table = {"partial_correlation": values}
    if reference is not None:
        table["change"] = values - _pairs(reference)[2]
    ranked = np.argsort(-np.abs(list(table.values())[-1]), kind="stable")[:n_pairs]
    return pd.DataFrame(
        {"source": names[sources[ranked]], "target": names[targets[ranked]]}
        | {name: column[ranked] for name, column in table.items()}
    )


def _pairs(estimator: FactorPrecisionEstimator) -> tuple[NDArray, NDArray, NDArray]:
    # A thousand genes: the dense matrix is small. Large tables need a search.
    correlation = estimator.partial_correlation_.toarray()
    sources, targets = np.triu_indices(len(correlation), 1)
    return sources, targets, correlation[sources, targets]


def _summaries(*estimators: FactorPrecisionEstimator) -> pd.DataFrame:
    sizes = [np.abs(_pairs(estimator)[2]) for estimator in estimators]
    return pd.DataFrame(
        {
            "network": ["before", "after"],
            "mean |rho|": [size.mean() for size in sizes],
            "largest |rho|": [size.max() for size in sizes],
            "condition": [estimator.condition_number_ for estimator in estimators],
        }
    )


def _timed(function: Callable, *arguments: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def _write_table(write: Callable[[str], Any], table: pd.DataFrame) -> None:
    text: Iterable[str] = table.to_string(index=False, float_format="%.4f").split("\n")
    for line in text:
        write("  " + line)
    write("")
