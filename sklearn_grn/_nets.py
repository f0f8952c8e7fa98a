"""Long tables of pathways and their targets, checked and laid out as loadings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from sklearn_grn._gene_names import (
    as_strings,
    find,
    gene_names_of,
    hint,
    match_is_poor,
    some,
)
from sklearn_grn._text_lines import number_in
from sklearn_grn._warn import warn_caller

_PAIR = ["source", "target"]
_DENSE = 2**28  # bytes; above this most of a table of gene sets is zeros in any case
_MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"]


def pathway_loadings(
    net: Any, genes: Any = None, *, min_targets: int = 5
) -> pd.DataFrame:
    """Lay a table of pathways and their targets out as genes x pathways.

    Parameters
    ----------
    net : DataFrame or dict of columns
        One row for each pathway and gene: columns `source` (pathway), `target` (gene)
        and `weight`, 1 throughout if there is no such column. Others are not read.
    genes : sequence of str, DataFrame, AnnData or fitted estimator, default=None
        Measured genes: names, or where they are found, as the columns of an expression
        table. They are the rows, all of them, in this order. None takes the targets in
        the order of their appearance.
    min_targets : int, default=5
        A pathway with fewer targets among the genes is left out. A weight of 0 does
        not make a target.

    Returns
    -------
    DataFrame of shape (n_genes, n_pathways)
        Weights, 0 where the net has none; pathways in the order of their appearance.
        Where this takes more than 256 MiB (20,000 genes in 1,678 pathways) the columns
        are sparse (`pandas.SparseDtype`).

    Raises
    ------
    ValueError
        If a column or a name is missing, a weight is not a finite number, a pair of
        source and target comes twice (`read_net` merges such rows), a gene comes twice,
        no target is among the genes, or no pathway has enough of them.

    Warns
    -----
    UserWarning
        Counts the targets that are not among the genes, and names the pathways that
        are left out. Where hardly any target is found it shows examples of both sides,
        and says what may be the cause.

    See Also
    --------
    pathway_coverage : How many of its genes were measured, for each pathway.
    rename_targets : Give the targets the names that the genes have.
    scale_loadings : Turn the weights into loadings in units of expression.

    Notes
    -----
    No name is ever changed, not even its case.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_grn.pathways import pathway_loadings
    >>> net = {"source": ["p53", "p53"], "target": ["MDM2", "CDKN1A"], "weight": [2, 3]}
    >>> pathway_loadings(net, ["CDKN1A", "TP53", "MDM2"], min_targets=2)["p53"].tolist()
    [3.0, 0.0, 2.0]
    """
    source, pathways, target, targets, weight = _read_strict(net)
    index = pd.Index(targets.tolist()) if genes is None else gene_names_of(genes)
    position = find(targets, index, "net", "genes")
    row = position[target]
    counted = (row >= 0) & (weight != 0)
    n_targets = np.bincount(source[counted], minlength=len(pathways))
    keep = n_targets >= min_targets
    if not keep.any():
        most = pathways[int(n_targets.argmax())]
        raise ValueError(
            f"no pathway has min_targets={min_targets} targets among the {len(index)} "
            f"genes; {most!r} has most, {n_targets.max()}"
        )
    _warn_of_losses(targets, position, index, pathways[~keep])
    counted &= keep[source]
    column = (np.cumsum(keep) - 1)[source[counted]]
    entries = weight[counted], row[counted], column
    return _lay_out(entries, index, pathways[keep])


def pathway_coverage(net: Any, genes: Any) -> pd.DataFrame:
    """Count how many targets of each pathway are among the measured genes.

    Parameters
    ----------
    net : DataFrame or dict of columns
        As for `pathway_loadings`.
    genes : sequence of str, DataFrame, AnnData or fitted estimator
        As for `pathway_loadings`.

    Returns
    -------
    DataFrame of shape (n_pathways, 3)
        For each pathway, in the order of their appearance: `n_targets`, those of
        non-zero weight; `n_measured`, how many of these are among the genes; and
        `measured`, the share.

    Raises
    ------
    ValueError
        As `pathway_loadings`, where nothing is in common.

    See Also
    --------
    pathway_loadings : The table itself.

    Examples
    --------
    >>> from sklearn_grn.pathways import pathway_coverage
    >>> net = {"source": ["p53", "p53", "WNT"], "target": ["MDM2", "BAX", "AXIN2"]}
    >>> pathway_coverage(net, ["BAX", "MDM2", "TP53"])
         n_targets  n_measured  measured
    p53          2           2       1.0
    WNT          1           0       0.0
    """
    source, pathways, target, targets, weight = _read_strict(net)
    position = find(targets, gene_names_of(genes), "net", "genes")
    loaded = weight != 0
    found = loaded & (position[target] >= 0)
    size = len(pathways)
    n_targets = np.bincount(source[loaded], minlength=size)
    n_measured = np.bincount(source[found], minlength=size)
    share = n_measured / np.maximum(n_targets, 1)
    columns = {"n_targets": n_targets, "n_measured": n_measured, "measured": share}
    return pd.DataFrame(columns, index=pathways)


def rename_targets(
    net: Any, names: Mapping[str, str] | pd.Series | Callable[[str], str]
) -> pd.DataFrame:
    """Give the targets of a net other names.

    Nothing in this package renames a gene by itself: one name is not always the same
    gene. This is the step that says so.

    Parameters
    ----------
    net : DataFrame or dict of columns
        One row for each pathway and gene, as `read_net` and `read_gmt` return it.
    names : mapping of str to str, Series or callable
        New names by old ones, or a function of the old name, such as `str.upper` or
        `without_version`. Targets that a mapping lacks keep their names.

    Returns
    -------
    DataFrame of shape (n_pairs, 3)
        Columns `source`, `target` and `weight`. No row is left out, but rows that now
        have the same source and target are merged into one of their mean weight.

    Raises
    ------
    ValueError
        If no target is in the mapping, an old name comes twice in it, or a new name is
        empty or not a string.

    Warns
    -----
    UserWarning
        Counts the targets that a mapping lacks, and the rows that were merged.

    Examples
    --------
    >>> from sklearn_grn.pathways import rename_targets
    >>> net = {"source": ["p53", "p53"], "target": ["Mdm2", "Cdkn1a"]}
    >>> rename_targets(net, str.upper)["target"].tolist()
    ['MDM2', 'CDKN1A']
    """
    table = net_columns(net).assign(weight=read_weights(net))
    target, targets = pd.factorize(table["target"])
    changed = [names(name) for name in targets] if callable(names) else None
    fresh = _look_up(names, targets) if changed is None else changed
    wrong = [name for name in fresh if not isinstance(name, str) or not name]
    if wrong:
        raise ValueError(f"new names must be strings that are not empty: {some(wrong)}")
    return merge_pairs(table.assign(target=np.array(fresh, object)[target]))


# ------------------------------------------------------------------------ its columns
def net_columns(net: Any, numbers: NDArray | None = None) -> pd.DataFrame:
    """Return source and target of a net; every row must have both.

    Parameters
    ----------
    net : DataFrame or dict of columns
    numbers : ndarray of shape (n_rows,), default=None
        Numbers of the lines that the rows were read from.

    Returns
    -------
    DataFrame of shape (n_rows, 2)

    Raises
    ------
    ValueError
        If a column or a name is missing.
    """
    columns = list(net.columns if hasattr(net, "columns") else net)
    if not set(_PAIR) <= set(columns):
        raise ValueError(
            f"a net has columns {_PAIR} and may have weight; this one has "
            f"[{some(columns)}]. "
            "Rename them first"
        )
    # As objects: pandas takes its time over finding out that they are text.
    given = {name: np.asarray(net[name], object) for name in _PAIR}
    table = pd.DataFrame(given, dtype=object)
    nameless = (table.isna() | (table == "")).any(axis=1).to_numpy()
    _refuse_rows(
        "lack a name (pandas takes a gene called NA for missing unless it reads with "
        "keep_default_na=False)",
        nameless,
        table,
        numbers,
    )
    return table


def read_weights(net: Any, numbers: NDArray | None = None) -> NDArray[np.float64]:
    """Return the weights of a net, nan where one is missing, 1 where all are.

    Parameters
    ----------
    net : DataFrame or dict of columns
    numbers : ndarray of shape (n_rows,), default=None
        Numbers of the lines that the rows were read from.

    Returns
    -------
    ndarray of shape (n_rows,)

    Raises
    ------
    ValueError
        If a weight is neither a finite number nor missing.
    """
    columns = list(net.columns if hasattr(net, "columns") else net)
    if "weight" not in columns:
        return np.ones(len(np.asarray(net["source"])))
    given = pd.Series(np.asarray(net["weight"], object), dtype=object)
    missing = (given.isna() | given.isin(_MISSING)).to_numpy()
    known = given.mask(missing).map(_number)
    weight = pd.to_numeric(known, errors="coerce").to_numpy(float)
    wrong = ~np.isfinite(weight) & ~missing
    if wrong.any():
        _refuse_rows("have no finite weight", wrong, net_columns(net), numbers)
    return weight


def merge_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out rows without a weight, and merge those of one source and target.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, 3)
        Columns source, target and weight.

    Returns
    -------
    DataFrame of shape (n_pairs, 3)

    Raises
    ------
    ValueError
        If a mean of weights is larger than a float can be.
    """
    missing, losses = table["weight"].isna(), []
    if missing.any():
        losses += [f"{missing.sum()} rows have no weight and are left out"]
        table = table[~missing]
    again = table.duplicated(_PAIR)
    if again.any():
        merged = table.groupby(_PAIR, sort=False, as_index=False)
        with np.errstate(over="ignore"):
            weights = merged["weight"].agg(["mean", "min", "max"])
        large = ~np.isfinite(weights["mean"].to_numpy())
        _refuse_rows("have weights too large to take their mean", large, weights)
        n_unlike = np.count_nonzero(weights["min"] != weights["max"])
        losses += [
            f"{again.sum()} rows repeat the source and target of another and are "
            f"merged with it; {n_unlike} pairs had unlike weights and take their mean"
        ]
        table = weights.rename(columns={"mean": "weight"})[[*_PAIR, "weight"]]
    if losses:
        warn_caller("; ".join(losses))
    # From lists, which pandas takes the type of.
    return pd.DataFrame({name: table[name].tolist() for name in [*_PAIR, "weight"]})


# --------------------------------------------------------------------------- its parts
def _number(weight: Any) -> Any:
    """Return a weight that is text as a number, nan where it is none."""
    if not isinstance(weight, str):
        return weight
    try:
        return number_in(weight)
    except ValueError:
        return np.nan


def _read_strict(net: Any) -> tuple[NDArray, pd.Index, NDArray, pd.Index, NDArray]:
    """Return codes and names of sources, of targets, and the weights, all finite."""
    table, weight = net_columns(net), read_weights(net)
    _refuse_rows("have no finite weight", np.isnan(weight), table)
    source, pathways = pd.factorize(table["source"])
    target, targets = pd.factorize(table["target"])
    pairs = pd.Index(source * max(1, len(targets)) + target)
    twice = np.asarray(pairs.duplicated())
    _refuse_rows(
        "repeat the source and target of another; let read_net merge them",
        twice,
        table,
    )
    return source, pd.Index(pathways.tolist()), target, targets, weight


def _refuse_rows(
    problem: str, wrong: NDArray, table: pd.DataFrame, numbers: NDArray | None = None
) -> None:
    if not wrong.any():
        return
    at = np.flatnonzero(wrong)
    known = "rows" if numbers is None else "lines"
    places = (at if numbers is None else numbers[at])[:10].tolist()
    pairs = table[_PAIR].iloc[at[:11]].itertuples(index=False, name=None)
    raise ValueError(
        f"{len(at)} rows of the net {problem}: {some(pairs)} ({known} "
        f"{', '.join(map(str, places))}{', ...' if len(at) > 10 else ''})"
    )


def _look_up(names: Any, targets: pd.Index) -> list[Any]:
    """Return the new name of each target, its old one where the mapping has none."""
    table = pd.Series(names, dtype=object)
    table = table[table.notna() & (table != "")]
    position = find(targets, table.index, "net", "new names")
    lacking = position < 0
    if lacking.any():
        warn_caller(
            f"{lacking.sum()} of the {len(targets)} targets have no new name and keep "
            f"theirs: {some(targets[lacking])}"
        )
    fresh = table.to_numpy(object)[position]
    fresh[lacking] = np.asarray(targets, object)[lacking]
    return fresh.tolist()


def _lay_out(
    entries: tuple[NDArray, NDArray, NDArray], index: pd.Index, columns: pd.Index
) -> pd.DataFrame:
    """Return the table of entries (values, rows, columns), 0 elsewhere."""
    shape = len(index), len(columns)
    if 8 * shape[0] * shape[1] > _DENSE:
        values, row, column = entries
        matrix = sparse.coo_array((values, (row, column)), shape=shape).tocsc()
        return pd.DataFrame.sparse.from_spmatrix(  # type: ignore[attr-defined]
            matrix, index, columns
        )
    values, row, column = entries
    # A pathway is a row here, which is how pandas lays out a column: nothing is copied.
    lying = np.zeros(shape[::-1])
    lying[column, row] = values
    return pd.DataFrame(lying.T, index=index, columns=columns, copy=False)


def _warn_of_losses(
    targets: pd.Index, position: NDArray, genes: pd.Index, few: pd.Index
) -> None:
    losses, lost = [], targets[position < 0]
    if len(lost):
        of = f"{len(lost)} of the {len(targets)} targets"
        losses += [f"{of} are not among the genes and are left out: {some(lost)}"]
    if len(few):
        losses += [f"{len(few)} pathways have too few targets left: {some(few)}"]
    if match_is_poor(position, len(genes)):
        cause = hint(targets, genes) or "Use the same identifiers in both"
        shown = as_strings(genes)[:3].tolist()
        losses += [f"hardly any matches, and the first genes are {shown}. {cause}"]
    if losses:
        warn_caller("; ".join(losses))
