"""Expression tables in files: read, turned so that samples are rows, and checked.

Nothing is guessed. Where a file can be read in two ways the error shows both, and
names the option of the command line that tells them apart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from sklearn_grn._anndata import expression_table
from sklearn_grn._gene_names import hint, kind_of, some
from sklearn_grn._text_lines import shown
from sklearn_grn._text_tables import Layout, check_dropped, read_text_table

# One side must hold ten times as many known genes as the other: a sample may be called
# like a gene, once.
_CLEARLY = 10
_LONGEST = 100  # characters of a name of which the kind is known
_DATE = re.compile(r"\d{1,2}-[A-Z][a-z]{2}")


class Expression(NamedTuple):
    """An expression table, and how it was read.

    Parameters
    ----------
    table : DataFrame of shape (n_samples, n_genes)
    orientation : str
        Where the genes were, and how that is known.
    """

    table: pd.DataFrame
    orientation: str


def read_expression(
    path: str | os.PathLike[str],
    layout: Layout | None = None,
    known_genes: Collection[str] = (),
) -> Expression:
    """Read an expression table from a file.

    Parameters
    ----------
    path : str or path
        Text with tabs, commas or another separator between the fields, plain or
        compressed by gzip; or a file of an AnnData (.h5ad).
    layout : Layout, default=None
        What is known of the table.
    known_genes : collection of str, default=()
        Names of genes, such as those of pathways, that tell where the genes are.

    Returns
    -------
    Expression

    Raises
    ------
    ImportError
        If a .h5ad file is asked for and anndata is not installed.
    ValueError
        If the table cannot be read, or can be read in two ways; if a value is missing,
        infinite or no number; if a gene has no name, or two have the same.
    """
    path, layout, known = Path(path), layout or Layout(), set(known_genes)
    if path.suffix.lower() == ".h5ad":
        table = _read_annotated(path, layout)
        side, reason = layout.genes or "columns", "as in every AnnData"
    else:
        table, doubtful = read_text_table(path, layout)
        side, reason = _find_genes(table, layout.genes, known)
        _check_labels(doubtful, side)
    _check_finite(table, path)
    table = table if side == "columns" else table.T
    _check_genes(table.columns)
    if layout.genes is not None:
        reason = "as you say"
    return Expression(table, f"genes in {side}, {reason}")


def odd_names(genes: pd.Index) -> str:
    """Return a sentence on names that a spreadsheet has spoilt, if there are any.

    Parameters
    ----------
    genes : Index of shape (n_genes,)

    Returns
    -------
    str
    """
    dates = [name for name in map(str, genes) if _DATE.fullmatch(name)]
    if not dates:
        return ""
    return (
        f"{len(dates)} gene names look like dates, which a spreadsheet made of symbols "
        f"such as MARCHF1 or SEPTIN2, and match no pathway: {some(dates)}"
    )


# ------------------------------------------------------------------ where the genes are
def _find_genes(
    table: pd.DataFrame, genes: str | None, known: set[str]
) -> tuple[str, str]:
    """Return "rows" or "columns", and how that is known."""
    sides = {"columns": table.columns, "rows": table.index}
    if genes is not None:
        return genes, ""
    n_known = {side: len(known.intersection(sides[side])) for side in sides}
    less, more = sorted(n_known, key=lambda side: n_known[side])
    if n_known[more] >= max(1, _CLEARLY * n_known[less]):
        found = f"{n_known[more]:,} of the {len(sides[more]):,} names"
        return more, f"where {found} are known genes"
    raise ValueError(_question(sides) + _about_known(known, n_known, sides))


def _question(sides: dict[str, pd.Index]) -> str:
    """Return what to ask, and what the names look like."""
    sizes = [
        f"the {len(names):,} {side} ({', '.join(map(shown, names[:2]))}, ...)"
        for side, names in sides.items()
    ]
    columns, rows = (_kind(names) for names in sides.values())
    looks = f". The columns look like {columns}, the rows like {rows}"
    return (
        f"the genes may be {' or '.join(sizes)}: say which, with --genes columns or "
        f"--genes rows (the same as --transpose){looks if columns != rows else ''}"
    )


def _about_known(
    known: set[str], n_known: dict[str, int], sides: dict[str, pd.Index]
) -> str:
    """Say why the genes that are known do not tell."""
    if not known:
        return ""
    if any(n_known.values()):
        return f". Known genes are in both, {n_known['columns']} and {n_known['rows']}"
    cause = hint(known, sides["columns"]) or hint(known, sides["rows"])
    text = (
        f". No gene of the pathways or regulators ({some(sorted(known)[:3])}) is there"
    )
    return f"{text}. {cause}" if cause else text


def _kind(names: pd.Index) -> str:
    kind = kind_of(str(name)[:_LONGEST] for name in names)
    return "numbers" if kind == "Entrez numbers" else kind


# ------------------------------------------------------------------------------- checks
def _check_labels(doubtful: str | None, side: str) -> None:
    """Ask whether the first column is a gene where it might be one."""
    if doubtful is not None and side == "columns":
        raise ValueError(
            f"the first column, {shown(doubtful)}, holds only numbers: say --labels "
            f"{shown(doubtful)} if they are labels of the samples, or --no-labels if "
            "they are expression"
        )


def _check_finite(table: pd.DataFrame, path: Path) -> None:
    values = table.to_numpy()
    wrong = ~np.isfinite(values)
    if not wrong.any():
        return
    row, column = (at[0] for at in np.nonzero(wrong))
    missing = np.isnan(values[row, column])
    what = f"are {'missing' if missing else 'infinite'}"
    raise ValueError(
        f"{path}: {wrong.sum():,} values {what}, the first in column "
        f"{shown(table.columns[column])}, row {shown(table.index[row])}; fill them in, "
        "or leave columns or rows that lack some out with --drop"
    )


def _check_genes(genes: pd.Index) -> None:
    if (genes == "").any():
        at = int(np.flatnonzero(genes == "")[0])
        raise ValueError(
            f"gene number {at + 1} of {len(genes)} has no name; give it one"
        )
    again = genes[genes.duplicated()].unique()
    if len(again):
        raise ValueError(
            f"{len(again)} gene names come more than once: {some(again)}. Make them "
            "unique: take the mean of such genes, or keep one of each"
        )


def _read_annotated(path: Path, layout: Layout) -> pd.DataFrame:
    try:
        table = expression_table(path)
    except (ImportError, MemoryError, FileNotFoundError):
        raise
    except Exception as error:  # the readers of HDF5 raise whatever they like
        raise ValueError(f"{path} is no file of an AnnData: {error}") from error
    table = table.set_axis(table.columns.astype(str).astype(object), axis=1)
    table = table.set_axis(table.index.astype(str).astype(object), axis=0)
    check_dropped(layout.drop, [*table.columns, *table.index], path)
    rows = ~table.index.isin(layout.drop)
    return table.loc[rows, ~table.columns.isin(layout.drop)]
