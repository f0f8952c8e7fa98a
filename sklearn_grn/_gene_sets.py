"""Gene sets and nets in files: read into one plain table, and written again.

Whatever the form, what comes out has a row for each pathway and gene, in columns
`source`, `target` and `weight`, none of them twice.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_grn._gene_names import some
from sklearn_grn._nets import merge_pairs, net_columns, read_weights
from sklearn_grn._text_lines import (
    LISTS,
    Limits,
    fields_of,
    in_utf8,
    text_lines,
)
from sklearn_grn._warn import warn_caller
from sklearn_grn._whole_files import write_whole

_NET = ("source", "target", "weight")
_MARK = "\ufeff"  # of the byte order
_MOST_SHOWN = 10  # lines, in a message


def read_gmt(
    path: str | os.PathLike[str],
    *,
    max_bytes: int | None = LISTS.max_bytes,
    max_line_bytes: int | None = LISTS.max_line_bytes,
    max_lines: int | None = LISTS.max_lines,
) -> pd.DataFrame:
    r"""Read gene sets from a GMT file, as MSigDB and Enrichr distribute them.

    Each line holds the name of a set, a description, and the genes, with tabs between
    them. Nothing but a tab separates, so names may contain spaces.

    Parameters
    ----------
    path : str or path
        The file: UTF-8, with or without byte order mark, plain or compressed by gzip,
        with line ends of any system.
    max_bytes : int or None, default=100_000_000
        A file that is larger, or holds more once it is unpacked, is refused; None is
        no limit.
    max_line_bytes : int or None, default=10_000_000
        The same for a line.
    max_lines : int or None, default=10_000_000
        The same for the number of lines.

    Returns
    -------
    DataFrame of shape (n_pairs, 3)
        A row for each set (`source`) and gene (`target`) in the order of the file, with
        `weight` 1. Descriptions are not kept.

    Raises
    ------
    ValueError
        If a line lacks a name or genes, the file holds no set, exceeds a limit, or is
        no text; the lines are named by number.

    Warns
    -----
    UserWarning
        Counts the sets that come twice, whose genes are put together, and the genes
        that come twice in a set, which are kept once.

    See Also
    --------
    write_gmt : The way back.
    pathway_loadings : Lay the table out as genes x pathways.

    Notes
    -----
    Empty lines and empty fields are skipped, and white space around a name is dropped.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_grn.pathways import read_gmt
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "sets.gmt")
    ...     _ = path.write_text("p53 response\tna\tMDM2\tCDKN1A\n")
    ...     read_gmt(path)
             source  target  weight
    0  p53 response    MDM2     1.0
    1  p53 response  CDKN1A     1.0
    """
    lines = text_lines(path, Limits(max_bytes, max_line_bytes, max_lines))
    members, n_sets, n_genes = _collect(path, lines)
    sizes = [len(genes) for genes in members.values()]
    _warn_of_repeats(path, n_sets - len(members), n_genes - sum(sizes))
    names = np.array(list(members), dtype=object)
    target = np.array(list(chain.from_iterable(members.values())), dtype=object)
    return pd.DataFrame(
        {"source": np.repeat(names, sizes), "target": target, "weight": 1.0}
    )


def write_gmt(
    net: Any,
    path: str | os.PathLike[str],
    descriptions: Mapping[str, str] | None = None,
) -> None:
    r"""Write the sets of a net to a GMT file; `read_gmt` gives them back.

    Parameters
    ----------
    net : DataFrame or dict of columns
        One row for each pathway (`source`) and gene (`target`). A GMT file has no room
        for weights: they are left out, and a row of weight 0 is no member.
    path : str or path
        Compressed by gzip if the name ends in ".gz".
    descriptions : mapping of str to str, default=None
        Descriptions of sets by their names; "na" for those that it lacks.

    Raises
    ------
    ValueError
        If a name is missing, or `read_gmt` would not give it back: it holds a tab, a
        line end or NUL, or has white space or a byte order mark around it.
    OSError
        If the file cannot be written. Then nothing has changed.

    Warns
    -----
    UserWarning
        If weights other than 0 and 1 are left out.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_grn.pathways import write_gmt
    >>> net = {"source": ["p53", "p53"], "target": ["MDM2", "CDKN1A"]}
    >>> with TemporaryDirectory() as folder:
    ...     write_gmt(net, Path(folder, "sets.gmt"))
    ...     Path(folder, "sets.gmt").read_text()
    'p53\tna\tMDM2\tCDKN1A\n'
    """
    table, weight = net_columns(net), read_weights(net)
    for column in table:
        table[column] = pd.Series(list(map(str, table[column])), dtype=object)
    names = [*table["source"].unique(), *table["target"].unique()]
    _check_fields(names)
    _check_ends(names)
    n_weights = np.count_nonzero((weight != 0) & (weight != 1))
    if n_weights:
        warn_caller(
            f"{n_weights} weights are left out: a GMT file has no room for them"
        )
    about = dict.fromkeys(table["source"].unique(), "na") | dict(descriptions or {})
    _check_fields(about.values())
    groups = table[weight != 0].groupby("source", sort=False)["target"]
    lines = [
        "\t".join([name, about[name], *genes]) + "\n"
        for name, genes in ((name, dict.fromkeys(group)) for name, group in groups)
    ]
    write_whole({path: in_utf8("".join(lines), "a GMT file")})


def read_net(
    net: Any,
    *,
    max_bytes: int | None = LISTS.max_bytes,
    max_line_bytes: int | None = LISTS.max_line_bytes,
    max_lines: int | None = LISTS.max_lines,
) -> pd.DataFrame:
    """Read a table of regulators and targets, from a file or from memory.

    Parameters
    ----------
    net : str, path, DataFrame (pandas or polars) or dict of columns
        One row for each pathway or regulator and gene: columns `source`, `target` and
        `weight`, 1 throughout if there is no such column. Others are not read. A file
        has tabs or commas between its fields, whichever its first line has, and may be
        compressed by gzip.
    max_bytes : int or None, default=100_000_000
        A file that is larger, or holds more once it is unpacked, is refused; None is
        no limit.
    max_line_bytes : int or None, default=10_000_000
        The same for a line.
    max_lines : int or None, default=10_000_000
        The same for the number of lines.

    Returns
    -------
    DataFrame of shape (n_pairs, 3)
        Columns `source`, `target` and `weight`, in the order of the table, no pair
        twice.

    Raises
    ------
    ValueError
        If a column or a name is missing, a weight is neither missing nor a finite
        number, a line has another number of fields than the first or opens a quote and
        does not close it, or a file exceeds a limit or is no text; lines of a file are
        named by number, rows of a table too, where 0 is the first.

    Warns
    -----
    UserWarning
        Counts the rows without a weight, which are left out, and those that repeat
        the source and target of another, which are merged into one of their mean
        weight.

    See Also
    --------
    read_gmt : Read gene sets.
    pathway_loadings : Lay the table out as genes x pathways.

    Notes
    -----
    A gene called NA, nan or null is a gene. In the column of weights, these and an
    empty field say that the weight is not known.

    Examples
    --------
    >>> from sklearn_grn.pathways import read_net
    >>> read_net({"source": ["p53", "p53"], "target": ["MDM2", "CDKN1A"]})
      source  target  weight
    0    p53    MDM2     1.0
    1    p53  CDKN1A     1.0
    """
    columns, numbers = net, None
    if isinstance(net, (str, os.PathLike)):
        columns, numbers = _read_delimited(
            net, Limits(max_bytes, max_line_bytes, max_lines)
        )
    table = net_columns(columns, numbers)
    return merge_pairs(table.assign(weight=read_weights(columns, numbers)))


# ------------------------------------------------------------------------ GMT files
def _collect(
    path: Any, lines: Iterable[tuple[int, str]]
) -> tuple[dict[str, dict[str, None]], int, int]:
    """Return the genes of each set, without repeats, and how many sets and genes came.

    A dict keeps the order and holds a name once.
    """
    members: dict[str, dict[str, None]] = {}
    same: dict[str, str] = {}  # a gene of many sets takes the room of one
    wrong: list[int] = []
    n_sets = n_genes = 0
    for number, line in lines:
        name, _, *rest = (field.strip() for field in f"{line}\t".split("\t"))
        genes = [same.setdefault(gene, gene) for gene in rest if gene]
        if not name or not genes:
            wrong.append(number)
        if len(wrong) > _MOST_SHOWN:
            break
        members.setdefault(name, {}).update(dict.fromkeys(genes))
        n_sets += 1
        n_genes += len(genes)
    if wrong:
        raise ValueError(
            f"{path} is not a GMT file: {_numbered(wrong)} not of the form name, "
            "description, genes, with tabs between them"
        )
    if not members:
        raise ValueError(f"{path} holds no gene set")
    return members, n_sets, n_genes


def _numbered(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"line {numbers[0]} is"
    more = ", ..." if len(numbers) > _MOST_SHOWN else ""
    return f"lines {', '.join(map(str, numbers[:_MOST_SHOWN]))}{more} are"


def _warn_of_repeats(path: Any, n_sets: int, n_genes: int) -> None:
    repeats = []
    if n_sets:
        repeats += [f"{n_sets} sets have the name of another and are merged with it"]
    if n_genes:
        repeats += [f"{n_genes} genes come again in their set and are kept once"]
    if repeats:
        warn_caller(f"{path}: {'; '.join(repeats)}")


def _check_fields(names: Any) -> None:
    broken = [name for name in names if set("\t\n\r") & set(name)]
    if broken:
        raise ValueError(
            "a GMT file cannot hold names or descriptions with a tab or a line end: "
            f"{some(broken)}"
        )


def _check_ends(names: Sequence[str]) -> None:
    broken = [name for name in names if name != name.strip() or name[0] == _MARK]
    if broken:
        raise ValueError(
            "a GMT file cannot hold names with white space or a byte order mark around "
            f"them: {some(broken)}. Take it away, for instance with "
            "rename_targets(net, str.strip)"
        )


# ----------------------------------------------------------------------- tables of nets
def _read_delimited(path: Any, limits: Limits) -> tuple[dict[str, Any], NDArray]:
    """Return the columns that a net has, and the number of the line of each row."""
    rows = _rows(path, text_lines(path, limits))
    first, header = next(rows, (0, []))
    if not header:
        raise ValueError(f"{path} is empty")
    _check_header(path, header)
    wanted = [name for name in _NET if name in header]
    at = [header.index(name) for name in wanted]
    columns: list[list[str]] = [[] for _ in wanted]
    same: dict[str, str] = {}  # a name of many rows takes the room of one
    numbers = array("q")
    for number, row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"{path}, line {number} has {len(row)} fields, and line {first} has "
                f"{len(header)}: {some(header)}"
            )
        for column, place in zip(columns, at, strict=True):
            column.append(same.setdefault(row[place], row[place]))
        numbers.append(number)
    return dict(zip(wanted, columns, strict=True)), np.array(numbers)


def _rows(
    path: Any, lines: Iterable[tuple[int, str]]
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the fields of each line."""
    delimiter = ""
    for number, line in lines:
        delimiter = delimiter or ("\t" if "\t" in line else ",")
        fields = fields_of(path, number, line, delimiter)
        yield number, [field.strip() for field in fields]


def _check_header(path: Any, header: Sequence[str]) -> None:
    """Check that a net has its columns, each of them once."""
    net_columns(dict.fromkeys(header, ()))
    again = [name for name in _NET if header.count(name) > 1]
    if again:
        raise ValueError(
            f"{path} has more than one column {some(again)}; leave one of each"
        )
