"""The demonstration: a real leukaemia network before and after pathways arrive."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sklearn_grn._inner_estimator import last_step
from sklearn_grn._network_comparison import compare_networks, network_statistics
from sklearn_grn._precision import FactorPrecisionEstimator
from sklearn_grn._selection import NetworkEdgeSelector
from sklearn_grn.datasets import load_leukemia, load_progeny
from sklearn_grn.pathways import added_variance, pathway_loadings, scale_loadings

_N_EDGES = 1000  # in the network before
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
    selector = NetworkEdgeSelector(threshold=0, max_edges=_N_EDGES)
    before, seconds = _timed(selector.fit, expression)
    update = _quickest_update(before.estimator_, loadings)
    after = copy.copy(before).partial_fit_pathways(loadings)
    write(
        f"Acute lymphoblastic leukaemia: {expression.shape[0]} samples of "
        f"{expression.shape[1]} genes; fitted, and the {_N_EDGES:,} strongest edges "
        f"found, in {1e3 * seconds:.0f} ms (shrinkage "
        f"{before.estimator_.shrinkage_:.3f})"
    )
    _report_pathways(write, loadings, expression.var())
    _report_time(write, after.estimator_, update)
    _write_table(write, "The network", summaries(before, after))
    _report_comparison(write, before, after)
    _write_table(write, "Hubs after", network_statistics(after).hubs.head(_SHOWN))
    _write_table(write, "Strongest edges after", after.edges_.head(_SHOWN))
    changed = after.edge_changes_.drop(columns="change_of_size")
    _write_table(write, "Edges that changed most", changed.head(_SHOWN))


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


def summaries(*selectors: NetworkEdgeSelector) -> pd.DataFrame:
    """Return one row of network statistics for each of two networks.

    Parameters
    ----------
    *selectors : NetworkEdgeSelector
        The network before, and after.

    Returns
    -------
    DataFrame
    """
    rows = []
    for name, selector in zip(("before", "after"), selectors, strict=True):
        found = network_statistics(selector)
        means = found.mean_partial_correlation, found.largest_partial_correlation
        condition = last_step(selector.estimator_).condition_number_
        density = f"{found.density:.3%}"
        rows.append((name, found.n_edges, density, *means, condition))
    cut = selectors[0].threshold_
    columns = [f"edges > {cut:.3f}", "density", "mean |rho|", "largest", "condition"]
    return pd.DataFrame(rows, columns=["", *columns])


def _quickest_update(before: FactorPrecisionEstimator, loadings: pd.DataFrame) -> float:
    """Add pathways to a few copies; the first call warms the caches."""
    grown = [copy.copy(before) for _ in range(6)]
    updates = [_timed(each.partial_fit_pathways, loadings) for each in grown]
    return min(seconds for _, seconds in updates[1:])


def _report_comparison(
    write: Callable[[str], Any], before: NetworkEdgeSelector, after: NetworkEdgeSelector
) -> None:
    found = compare_networks(before, after)
    write(
        f"{len(found.kept)} edges stay, {len(found.gained)} are new, "
        f"{len(found.lost)} are gone\n"
    )


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
