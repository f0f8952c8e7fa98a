"""``sklearn-grn network``: from files to a network, to files and a report."""

from __future__ import annotations

import copy
import io
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator

from sklearn_grn import _network_report as report
from sklearn_grn._expression_tables import Expression, odd_names, read_expression
from sklearn_grn._gene_sets import read_gmt, read_net
from sklearn_grn._network_formats import delimited
from sklearn_grn._precision import FactorPrecisionEstimator
from sklearn_grn._selection import NetworkEdgeSelector
from sklearn_grn._text_lines import LISTS, NO_LIMITS, TABLES, Limits, text_lines
from sklearn_grn._text_tables import Layout, read_confounders
from sklearn_grn._whole_files import check_writable, write_whole
from sklearn_grn.export import network_files
from sklearn_grn.pathways import added_variance, pathway_loadings, scale_loadings

_RAW_COUNTS = 100  # no logarithm of a measurement is as large
_SHARE = 0.1  # of its genes' variance that a pathway adds
_DPI = 150


class _Inputs(NamedTuple):
    expression: Expression
    net: pd.DataFrame | None
    regulators: list[str] | None
    confounders: pd.DataFrame | None


class _Found(NamedTuple):
    before: Any  # the same as after where there are no pathways
    after: Any
    loadings: pd.DataFrame | None = None
    changes: pd.DataFrame | None = None


def run(
    options: Namespace, write: Callable[[str], Any], tell: Callable[[str], Any]
) -> None:
    """Find a network, write its files, and report.

    Parameters
    ----------
    options : Namespace
        What `sklearn-grn network` was told.
    write : callable
        Takes each line of the report.
    tell : callable
        Takes what happens now, while it happens.

    Raises
    ------
    ValueError, OSError, ImportError, MemoryError
        Where the data are not fit for it. Then no file has been written.
    """
    _check_results(options)
    notes: list[str] = []
    with _noted(notes):
        inputs = _read(options, tell)
        found = _find(options, inputs, tell)
        contents = _contents(options, found, notes, tell)
    write_whole(contents)
    _report(options, inputs, found, notes, write)
    for path in contents:
        write(f"Written: {path}")


# --------------------------------------------------------------------------------- in
def _check_results(options: Namespace) -> None:
    """Find out now whether the results could be written, not after the work."""
    paths = [options.output, options.changes, options.plot]
    for path in paths:
        if path is not None:
            check_writable(path)
    if options.plot is not None:
        _import_pyplot()


def _read(options: Namespace, tell: Callable[[str], Any]) -> _Inputs:
    lists, tables = (NO_LIMITS, NO_LIMITS) if options.no_limits else (LISTS, TABLES)
    net = regulators = confounders = None
    if options.pathways is not None:
        net = _read_pathways(options.pathways, lists)
    if options.regulators is not None:
        regulators = _read_list(options.regulators, lists)
    known = set(regulators or ()) | set(() if net is None else net["target"])
    layout = Layout(
        genes=options.genes,
        separator=options.sep,
        labels=options.labels,
        no_labels=options.no_labels,
        drop=tuple(options.drop),
        limits=tables,
    )
    tell(f"reading {options.table}")
    expression = read_expression(options.table, layout, known)
    if options.log1p:
        expression = expression._replace(table=_logarithms(expression.table))
    if options.confounders is not None:
        samples = expression.table.index
        confounders = read_confounders(options.confounders, samples, tables)
    return _Inputs(expression, net, regulators, confounders)


def _read_pathways(path: Path, limits: Limits) -> pd.DataFrame:
    is_gmt = path.name.lower().removesuffix(".gz").endswith(".gmt")
    return (read_gmt if is_gmt else read_net)(path, **limits._asdict())


def _read_list(path: Path, limits: Limits) -> list[str]:
    names = [line.strip() for _, line in text_lines(path, limits)]
    if not names:
        raise ValueError(f"{path} names no regulator: it needs one a line")
    return names


def _logarithms(table: pd.DataFrame) -> pd.DataFrame:
    values = table.to_numpy()
    if values.min() < 0:
        row, column = map(int, np.unravel_index(values.argmin(), values.shape))
        raise ValueError(
            f"--log1p takes counts, and gene {table.columns[column]!r} has "
            f"{values.min():.4g} in sample {table.index[row]!r}; leave --log1p out if "
            "these are logarithms already"
        )
    return pd.DataFrame(np.log1p(values), table.index, table.columns)


# ------------------------------------------------------------------------- the network
def _find(options: Namespace, inputs: _Inputs, tell: Callable[[str], Any]) -> _Found:
    table = inputs.expression.table
    size = f"{table.shape[0]:,} samples of {table.shape[1]:,} genes"
    if inputs.regulators is not None:
        tell(f"ranking the edges of regulators in {size}")
        selector = _regulatory_selector(options, inputs.regulators).fit(table)
        return _Found(selector, selector)
    tell(f"looking for edges in {size}")
    before = _selector(options).fit(table, confounders=inputs.confounders)
    if inputs.net is None:
        return _Found(before, before)
    tell("adding pathways")
    loadings = scale_loadings(
        pathway_loadings(inputs.net, table.columns),
        table.var(),
        variance_explained=options.variance_explained or _SHARE,
    )
    after = copy.copy(before).partial_fit_pathways(loadings)
    changes = after.edge_changes_
    return _Found(before, _no_more_edges(options, after, table), loadings, changes)


def _no_more_edges(
    options: Namespace, after: NetworkEdgeSelector, table: pd.DataFrame
) -> NetworkEdgeSelector:
    """Cut a network with pathways at the number of edges that was asked for, if any.

    Pathways strengthen many links: at the cut of the network before there are more.
    """
    if options.max_edges is None:
        return after
    threshold = after.threshold_ if options.fdr is not None else options.threshold or 0
    model = FrozenEstimator(after.estimator_)
    selector = NetworkEdgeSelector(
        model, threshold=threshold, max_edges=options.max_edges
    )
    return selector.fit(table)


def _selector(options: Namespace) -> NetworkEdgeSelector:
    """Return a selector; of the strongest of all pairs where only a number is given."""
    estimator = FactorPrecisionEstimator(
        options.components, method=options.method, shrinkage=options.shrinkage
    )
    n_edges, threshold = options.max_edges, options.threshold
    if threshold is None and options.fdr is None and n_edges is not None:
        threshold = 0.0
    if threshold is not None:
        return NetworkEdgeSelector(estimator, threshold=threshold, max_edges=n_edges)
    rate = {} if options.fdr is None else {"fdr": options.fdr}
    return NetworkEdgeSelector(estimator, max_edges=n_edges, **rate)


def _regulatory_selector(options: Namespace, regulators: list[str]) -> Any:
    from sklearn_grn._regulators import RegulatoryEdgeSelector

    given = {} if options.shrinkage == "auto" else {"shrinkage": options.shrinkage}
    return RegulatoryEdgeSelector(
        regulators, max_edges=options.max_edges, threshold=options.threshold, **given
    )


# -------------------------------------------------------------------------------- out
def _contents(
    options: Namespace, found: _Found, notes: list[str], tell: Callable[[str], Any]
) -> dict[Any, bytes]:
    """Return what each file is to hold."""
    contents: dict[Any, bytes] = {}
    if options.output is not None:
        contents |= network_files(found.after, options.output)
    if options.changes is not None and found.changes is not None:
        tabs = options.changes.name.lower().removesuffix(".gz").endswith(".tsv")
        contents[options.changes] = delimited(found.changes, "\t" if tabs else ",")
    if options.plot is not None and len(found.after.edges_):
        tell("drawing")
        contents[options.plot] = _picture(found.after, options.plot, notes)
    elif options.plot is not None:
        notes.append(f"there is no edge to draw, so {options.plot} is not written")
    return contents


def _picture(selector: Any, path: Path, notes: list[str]) -> bytes:
    from sklearn_grn.displays import NetworkDisplay

    display, file = NetworkDisplay.from_estimator(selector), io.BytesIO()
    display.figure_.savefig(file, format=path.suffix[1:].lower(), dpi=_DPI)
    _import_pyplot().close(display.figure_)
    n_drawn, n_edges = len(display.edges), len(selector.edges_)
    if n_drawn < n_edges:
        notes.append(f"{path} shows the {n_drawn:,} strongest of {n_edges:,} edges")
    return file.getvalue()


def _import_pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            '--plot needs matplotlib: pip install "sklearn-grn[plot]"'
        ) from error
    matplotlib.use("Agg")  # a file needs no screen
    import matplotlib.pyplot

    return matplotlib.pyplot


def _report(
    options: Namespace,
    inputs: _Inputs,
    found: _Found,
    notes: list[str],
    write: Callable[[str], Any],
) -> None:
    table, orientation = inputs.expression
    n_samples, n_genes = table.shape
    write(f"{options.table}: {n_samples:,} samples of {n_genes:,} genes; {orientation}")
    if inputs.regulators is None:
        report.report_model(write, found.before)
        report.report_test(write, found.before)
    for note in [*_about_table(table), *_about_number(options, found.before), *notes]:
        write(f"Note: {note}")
    if inputs.regulators is not None:
        report.report_regulators(write, found.after)
        return
    if found.loadings is not None and found.changes is not None:
        report.report_pathways(write, added_variance(found.loadings, table.var()))
        report.report_change(write, found.before, found.after, found.changes)
        write("")
    report.report_network(write, found.after)


def _about_table(table: pd.DataFrame) -> list[str]:
    """Return what a person should know of the values and the names of a table."""
    notes = [odd_names(table.columns)]
    largest = table.to_numpy().max()
    if largest > _RAW_COUNTS:
        notes.append(
            f"values up to {largest:.6g} are no logarithms; a few samples with large "
            "values then decide. --log1p takes logarithms"
        )
    return [note for note in notes if note]


def _about_number(options: Namespace, selector: Any) -> list[str]:
    """Say why there are fewer edges than were asked for by their number alone."""
    others = options.threshold, options.fdr
    n_edges, n_genes = len(selector.edges_), selector.n_features_in_
    if options.max_edges is None or any(other is not None for other in others):
        return []
    if n_edges == options.max_edges:
        return []
    n_pairs = n_genes * (n_genes - 1) // 2
    cause = (
        f"there are {n_pairs:,} pairs of genes, and those of no partial correlation "
        "are no edges"
    )
    if n_pairs > options.max_edges:
        cause = "the next ones tie, and are left out all together"
    return [f"{n_edges:,} edges, not {options.max_edges:,}: {cause}"]


@contextmanager
def _noted(notes: list[str]) -> Iterator[None]:
    """Collect what the package warns of, a line each, for the report."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        yield
    told = [" ".join(str(warning.message).split()) for warning in caught]
    notes.extend(dict.fromkeys(told))
