"""The demonstration: a real leukaemia network before and after pathways arrive."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sklearn_grn._edge_search import (
    edges_above,
    mean_absolute,
    strongest_changes,
    strongest_edges,
)
from sklearn_grn._precision import FactorPrecisionEstimator
from sklearn_grn.datasets import load_leukemia, load_progeny
from sklearn_grn.pathways import added_variance, pathway_loadings, scale_loadings

_CUT = 0.05  # |rho| from which the summary counts an edge
_SHOWN = 8


def run(write: Callable[[str], Any] = print) -> None:
    """Fit the leukaemia table, add PROGENy's pathways, and report what changed.

    Parameters
    ----------
    write : callable, default=print
        Takes each line of the report.
    """
    expression = load_leukemia(as_frame=True).data
    loadings = progeny_loadings(expression)
    before, seconds = _timed(FactorPrecisionEstimator().fit, expression)
    after, update = _quickest_update(before, loadings)
    write(
        f"Acute lymphoblastic leukaemia: {expression.shape[0]} samples of "
        f"{expression.shape[1]} genes, fitted in {1e3 * seconds:.0f} ms "
        f"(shrinkage {before.shrinkage_:.3f})"
    )
    _report_pathways(write, loadings, expression.var())
    _report_time(write, after, update)
    _write_table(write, "The network", summaries(before, after))
    _write_table(write, "Strongest edges after", strongest(after, _SHOWN))
    _write_table(write, "Edges that changed most", changes(before, after, _SHOWN))


def progeny_loadings(expression: pd.DataFrame) -> pd.DataFrame:
    """Return PROGENy's weights as loadings in units of expression.

    Each pathway adds a tenth of its genes' variance, on average over its genes.

    Parameters
    ----------
    expression : DataFrame of shape (n_samples, n_genes)

    Returns
    -------
    DataFrame of shape (n_genes, 14)
    """
    net = load_progeny().data
    measured = net[net["target"].isin(expression.columns)]
    loadings = pathway_loadings(measured, expression.columns)
    return scale_loadings(loadings, expression.var(), variance_explained=0.1)


def summaries(*estimators: FactorPrecisionEstimator) -> pd.DataFrame:
    """Return one row of network statistics for each of two estimators.

    Parameters
    ----------
    *estimators : FactorPrecisionEstimator
        The network before, and after.

    Returns
    -------
    DataFrame
    """
    rows = []
    for name, estimator in zip(("before", "after"), estimators, strict=True):
        factor = estimator.partial_correlation_.row_factor()
        n_edges = len(edges_above(factor, _CUT).values)
        n_pairs = len(factor) * (len(factor) - 1) // 2
        largest = abs(strongest_edges(factor, 1)[0].values[0])
        means = (mean_absolute(factor), largest, estimator.condition_number_)
        rows.append((name, n_edges, f"{n_edges / n_pairs:.3%}", *means))
    columns = [f"edges > {_CUT}", "density", "mean |rho|", "largest", "condition"]
    return pd.DataFrame(rows, columns=["", *columns])


def strongest(estimator: FactorPrecisionEstimator, n_edges: int) -> pd.DataFrame:
    """Return the strongest edges by gene name.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator
        Fitted on a table with gene names.
    n_edges : int

    Returns
    -------
    DataFrame
        Columns source, target, partial_correlation.
    """
    names, factor = estimator.feature_names_in_, estimator.partial_correlation_
    edges, _ = strongest_edges(factor.row_factor(), n_edges)
    return pd.DataFrame(
        {
            "source": names[edges.sources],
            "target": names[edges.targets],
            "partial_correlation": edges.values,
        }
    )


def changes(
    before: FactorPrecisionEstimator, after: FactorPrecisionEstimator, n_edges: int
) -> pd.DataFrame:
    """Return the edges that differ most between two networks of the same genes.

    Parameters
    ----------
    before, after : FactorPrecisionEstimator
        Fitted on a table with gene names.
    n_edges : int

    Returns
    -------
    DataFrame
        Columns source, target, before, after, change.
    """
    first = before.partial_correlation_.row_factor()
    second = after.partial_correlation_.row_factor()
    sources, targets, old, new = strongest_changes(first, second, n_edges)
    names = after.feature_names_in_
    ends = {"source": names[sources], "target": names[targets]}
    return pd.DataFrame(ends | {"before": old, "after": new, "change": new - old})


def _quickest_update(
    before: FactorPrecisionEstimator, loadings: pd.DataFrame
) -> tuple[FactorPrecisionEstimator, float]:
    """Add pathways to a few copies; the first call warms the caches."""
    grown = [copy.copy(before) for _ in range(6)]
    updates = [_timed(each.partial_fit_pathways, loadings) for each in grown]
    return min(updates[1:], key=lambda timed: timed[1])


def _report_pathways(
    write: Callable[[str], Any], loadings: pd.DataFrame, variances: pd.Series
) -> None:
    shares = added_variance(loadings, variances)
    write(
        f"PROGENy: {loadings.shape[1]} pathways reach {(shares > 0).sum()} genes and "
        f"add {shares[shares > 0].mean():.2f} of a gene's variance on average, "
        f"{shares.max():.2f} at most"
    )


def _report_time(
    write: Callable[[str], Any], after: FactorPrecisionEstimator, update: float
) -> None:
    inverse, inversion = _timed(np.linalg.inv, after.covariance_.toarray())
    error = np.abs(after.precision_ - inverse).max() / np.abs(inverse).max()
    write(
        f"Update {1e3 * update:.1f} ms, full inverse {1e3 * inversion:.0f} ms: "
        f"{inversion / update:.0f} times; they differ by {error:.0e} of the largest "
        "entry\n"
    )


def _write_table(write: Callable[[str], Any], title: str, table: pd.DataFrame) -> None:
    text = table.to_string(index=False, float_format="%.4f")
    write(title)
    for line in text.split("\n"):
        write("  " + line)
    write("")


def _timed(function: Callable, *arguments: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start
