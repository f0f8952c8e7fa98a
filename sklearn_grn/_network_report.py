"""What the command prints of a network: plain lines, on what was seen and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from sklearn_grn._inner_estimator import last_step
from sklearn_grn._network_comparison import compare_networks, network_statistics

Write = Callable[[str], Any]

_SHOWN = 8  # rows of a table
_TESTS = {
    "leave_pair_out": "leave-pair-out",
    "genenet": "as in GeneNet",
    "t": "t test",
}


def write_table(write: Write, title: str, table: pd.DataFrame) -> None:
    """Write the first rows of a table under a title; nothing if it has none.

    Parameters
    ----------
    write : callable
        Takes each line.
    title : str
    table : DataFrame
    """
    if len(table) == 0:
        return
    text = table.head(_SHOWN).to_string(index=False, float_format="%.3g")
    write("")
    write(title)
    for line in text.split("\n"):
        write("  " + line)


def report_model(write: Write, selector: Any) -> None:
    """Say how the covariance was estimated.

    Parameters
    ----------
    write : callable
    selector : NetworkEdgeSelector
        Fitted.
    """
    model = last_step(selector.estimator_)
    if hasattr(model, "shrinkage_"):
        how = model.shrinkage if isinstance(model.shrinkage, str) else "as given"
        size = f"{model.n_components_} components"
        write(f"Model: {size}, shrinkage {model.shrinkage_:.3f} ({how})")
    else:
        write(f"Model: factor analysis with {model.n_components_} factors")


def report_test(write: Write, selector: Any) -> None:
    """Say what the test of edges saw, where there was one.

    Parameters
    ----------
    write : callable
    selector : NetworkEdgeSelector
        Fitted.
    """
    found = getattr(selector, "significance_", None)
    if found is None:
        return
    told = [f"samples {found.n_samples:,}", f"pairs tested {found.n_pairs:,}"]
    if "n_factors" in found:
        told += [
            f"hidden factors removed {found.n_factors}",
            f"scale of the null {found.null_scale:.2f}",
            f"left out as the edge of a third gene {found.n_vetoed:,}",
        ]
    name = _TESTS[found.test]
    write(f"Test: {name}, at a false discovery rate of {selector.fdr:g}")
    write("  " + ", ".join(told))


def report_network(write: Write, selector: Any) -> None:
    """Describe a network: its size, its hubs, its strongest edges.

    Parameters
    ----------
    write : callable
    selector : NetworkEdgeSelector
        Fitted.
    """
    found = network_statistics(selector, n_hubs=_SHOWN)
    n_linked = int((found.degrees > 0).sum())
    write(
        f"Network: {found.n_edges:,} edges among {n_linked:,} of {found.n_genes:,} "
        f"genes, density {found.density:.3%}, {found.n_components:,} parts, the "
        f"largest of {found.largest_component:,} genes"
    )
    write_table(write, "Hubs", found.hubs)
    write_table(write, "Strongest edges", selector.edges_)


def report_regulators(write: Write, selector: Any) -> None:
    """Describe a ranking of edges from regulators to targets.

    Parameters
    ----------
    write : callable
    selector : RegulatoryEdgeSelector
        Fitted.
    """
    edges = selector.edges_
    n_targets = edges["source"].value_counts()
    write(
        f"Network: {len(edges):,} edges from {len(n_targets):,} of "
        f"{len(selector.regulators_):,} regulators to {edges['target'].nunique():,} of "
        f"{selector.n_features_in_:,} genes; a ranking, not a test"
    )
    hubs = pd.DataFrame({"regulator": n_targets.index, "targets": n_targets.to_numpy()})
    write_table(write, "Regulators with most targets", hubs)
    write_table(write, "Strongest edges", edges)


def report_pathways(write: Write, shares: pd.Series) -> None:
    """Say what pathways add to the variance of their genes.

    Parameters
    ----------
    write : callable
    shares : Series of shape (n_genes,)
        What all pathways add to each gene, as a share of its own variance.
    """
    reached = shares[shares > 0]
    write(
        f"Pathways: they reach {len(reached):,} of {len(shares):,} genes and add "
        f"{reached.mean():.2f} of a gene's variance on average, {reached.max():.2f} at "
        "most"
    )


def report_change(write: Write, before: Any, after: Any, changes: pd.DataFrame) -> None:
    """Describe the network before and after pathways, and what they changed.

    Parameters
    ----------
    write : callable
    before, after : NetworkEdgeSelector
        Fitted to the same genes.
    changes : DataFrame
        The pairs that changed most.
    """
    rows = {"before": before, "after": after}
    summaries = [_summary(name, selector) for name, selector in rows.items()]
    write_table(write, "Before and after the pathways", pd.DataFrame(summaries))
    found = compare_networks(before, after, n_changes=1)
    write(
        f"  {len(found.kept):,} edges stay, {len(found.gained):,} are new, "
        f"{len(found.lost):,} are gone; {_cut(before, after)}"
    )
    columns = ["source", "target", "before", "after", "change"]
    write_table(write, "Pairs that changed most", changes[columns])


def _summary(name: str, selector: Any) -> dict[str, Any]:
    found = network_statistics(selector)
    return {
        "": name,
        "edges": found.n_edges,
        "density": f"{found.density:.3%}",
        "mean |rho|": found.mean_partial_correlation,
        "largest": found.largest_partial_correlation,
        "condition": last_step(selector.estimator_).condition_number_,
    }


def _cut(before: Any, after: Any) -> str:
    if after.max_edges is None or len(after.edges_) < after.max_edges:
        return f"both are cut at |partial correlation| {before.threshold_:.3g}"
    return f"both are cut at {after.max_edges:,} edges"
