"""Names of genes: where they are found, and why those of two sides do not match."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_grn._text_lines import shown

_LITTLE = 0.1  # of the shorter list; a panel of 700 genes shares most of its own

# Patterns of the whole name, the first that fits counts. Ensembl writes a species as
# three or four letters behind ENS, and none for human: www.ensembl.org/info/genome/
# stable_ids. Symbols are upper case for human, capitalised for mouse and rat.
_KINDS = {
    "human Ensembl genes": r"ENSG\d{11}(\.\d+)?",
    "Ensembl genes of another species": r"ENS[A-Z]{3,4}G\d{11}(\.\d+)?",
    "Ensembl transcripts or proteins": r"ENS[A-Z]{0,4}[TP]\d{11}(\.\d+)?",
    "Entrez numbers": r"\d+",
    "probe sets of a microarray": r"\w+_at",
    "RefSeq accessions": r"[NX][MRP]_\d+(\.\d+)?",
    "UniProt accessions": r"[OPQ]\d[A-Z\d]{3}\d|[A-NR-Z]\d([A-Z][A-Z\d]{2}\d){1,2}",
    "dates, which a spreadsheet made of symbols": r"\d{1,2}-[A-Z][a-z]{2}",
    "human symbols": r"[A-Z][A-Z\d.@-]*(orf\d+)?",
    "symbols of mouse or rat": r"[A-Z\d][\d.-]*[a-z][a-z\d.-]*",
}
_VERSION = re.compile(r"(ENS[A-Z]*\d{11}|[NX][MRP]_\d+)\.\d+")


def without_version(name: str) -> str:
    """Return an identifier without its version: ENSG00000141510 of ENSG00000141510.12.

    Only Ensembl's and RefSeq's identifiers have versions. The number behind the dot of
    other names, such as RP11-34P13.7, belongs to the name and stays.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Examples
    --------
    >>> from sklearn_grn.pathways import without_version
    >>> [without_version(name) for name in ["ENSG00000141510.12", "RP11-34P13.7"]]
    ['ENSG00000141510', 'RP11-34P13.7']
    """
    match = _VERSION.fullmatch(name)
    return match[1] if match else name


def gene_names_of(genes: Any) -> pd.Index:
    """Return the gene names of a table, of a fitted estimator, or as they are given.

    Parameters
    ----------
    genes : sequence of str, DataFrame, AnnData or fitted estimator
        Genes are the columns of a table, and the variables of an AnnData.

    Returns
    -------
    Index of shape (n_genes,)

    Raises
    ------
    ValueError
        If an estimator knows no gene names.
    """
    if hasattr(genes, "var_names"):
        return pd.Index(genes.var_names)
    if hasattr(genes, "columns"):
        return pd.Index(genes.columns)
    if hasattr(genes, "get_params"):
        names = getattr(genes, "feature_names_in_", None)
        if names is None:
            raise ValueError(
                f"{type(genes).__name__} knows no gene names. Fit it on a table whose "
                "columns are named, or give the names"
            )
        return pd.Index(names)
    return pd.Index(genes)


def find(wanted: Any, known: Any, what: str, where: str) -> NDArray[np.intp]:
    """Return the position of each wanted gene among the known, -1 where it is not.

    Parameters
    ----------
    wanted, known : sequence of str
        Names, each without duplicates.
    what, where : str
        What they are called in a message.

    Returns
    -------
    ndarray of shape (n_wanted,)

    Raises
    ------
    ValueError
        If a name comes twice on one side, or the two have none in common: it shows
        examples of both, and says what may be the cause.
    """
    wanted, known = as_strings(wanted), as_strings(known)
    for names, table in ((wanted, what), (known, where)):
        if names.has_duplicates:
            raise ValueError(
                f"gene names of the {table} are not unique, so nothing can be aligned "
                f"by name: {some(names[names.duplicated()].unique())}"
            )
    row = known.get_indexer(wanted)
    if not (row >= 0).any():
        advice = "Use the same identifiers in both, with the genes as rows"
        raise ValueError(
            f"no gene of the {what} is among those of the {where}: "
            f"{wanted[:3].tolist()} are the first, and {known[:3].tolist()}. "
            f"{hint(wanted, known) or advice}"
        )
    return row


def as_strings(names: Any) -> pd.Index:
    """Return names as an index of Python objects.

    Look-ups in Arrow-backed strings are a hundred times slower.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    Index
    """
    return pd.Index(np.asarray(names, object), dtype=object)


def match_is_poor(row: NDArray[np.intp], n_known: int) -> bool:
    """Tell whether hardly any name was found, for the shorter of the two lists.

    Parameters
    ----------
    row : ndarray of shape (n_wanted,)
        As from `find`.
    n_known : int

    Returns
    -------
    bool
    """
    return bool(np.count_nonzero(row >= 0) < _LITTLE * min(len(row), n_known))


def hint(wanted: Iterable[Any], known: Iterable[Any]) -> str:
    """Say why names of two sides may not match, as far as the names tell.

    Parameters
    ----------
    wanted, known : iterable of str
        Names that should match.

    Returns
    -------
    str
        A sentence without its full stop, empty where nothing is found.
    """
    wanted, known = set(wanted), set(known)
    left, right = set(map(str, wanted)), set(map(str, known))
    if left & right and not wanted & known:
        return (
            "They are numbers on one side and text on the other: rename one side, "
            "rename_targets(net, str)"
        )
    here, there = kind_of(left), kind_of(right)
    for what, change, step in _CHANGES:
        n_common = len(set(map(change, left)) & set(map(change, right)))
        if n_common > 2 * len(left & right):
            species = f". They look like {here} on one side, {there} on the other"
            return (
                f"{n_common} of the {len(left)} would match without regard to {what}: "
                f"rename one side, {step}" + (species if here != there else "")
            )
    if here != there:
        return (
            f"Those look like {here}, these like {there}: rename one side with a table "
            "of both (rename_targets)"
        )
    return ""


def kind_of(names: Iterable[str]) -> str:
    """Return what most of the names look like.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    str
    """
    names = list(names)
    for kind, pattern in _KINDS.items():
        fits = re.compile(pattern).fullmatch
        if sum(fits(name) is not None for name in names) > len(names) / 2:
            return kind
    return "names of another kind"


def some(names: Iterable[Any]) -> str:
    """Return names for a message, no more than ten.

    Parameters
    ----------
    names : iterable

    Returns
    -------
    str
    """
    names = list(names)
    return ", ".join(map(shown, names[:10])) + (", ..." if len(names) > 10 else "")


_CHANGES: list[tuple[str, Callable[[str], str], str]] = [
    ("space around them", str.strip, "rename_targets(net, str.strip)"),
    ("versions", without_version, "rename_targets(net, without_version)"),
    ("case", str.upper, "for instance rename_targets(net, str.upper)"),
]
