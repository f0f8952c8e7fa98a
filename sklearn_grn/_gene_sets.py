"""Gene sets and nets in files: read into one plain table, and written again.

Whatever the form, what comes out has a row for each pathway and gene, in columns
`source`, `target` and `weight`, none of them twice.
"""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_grn._gene_names import some
from sklearn_grn._nets import merge_pairs, net_columns, read_weights
from sklearn_grn._warn import warn_caller

_GZIP = b"\x1f\x8b"


def read_gmt(path: str | os.PathLike[str]) -> pd.DataFrame:
    r"""Read gene sets from a GMT file, as MSigDB and Enrichr distribute them.

    Each line holds the name of a set, a description, and the genes, with tabs between
    them. Nothing but a tab separates, so names may contain spaces.

    Parameters
    ----------
    path : str or path
        The file: UTF-8, with or without byte order mark, plain or compressed by gzip,
        with line ends of any system.

    Returns
    -------
    DataFrame of shape (n_pairs, 3)
        A row for each set (`source`) and gene (`target`) in the order of the file, with
        `weight` 1. Descriptions are not kept.

    Raises
    ------
    ValueError
        If a line lacks a name or genes, the file holds no set, or it is no text; the
        lines are named by number.

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
    fields = [(number, line.split("\t")) for number, line in _lines(path)]
    members, n_sets, n_genes = _collect(path, fields)
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
        If a name is missing, or holds a tab or a line end.

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
    table, weight = net_columns(net).astype(str), read_weights(net)
    _check_fields(chain(table["source"].unique(), table["target"].unique()))
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
    data = "".join(lines).encode()
    packed = Path(path).suffix == ".gz"
    # Without a time in it, so that the same sets give the same bytes.
    Path(path).write_bytes(gzip.compress(data, mtime=0) if packed else data)


def read_net(net: Any) -> pd.DataFrame:
    """Read a table of regulators and targets, from a file or from memory.

    Parameters
    ----------
    net : str, path, DataFrame (pandas or polars) or dict of columns
        One row for each pathway or regulator and gene: columns `source`, `target` and
        `weight`, 1 throughout if there is no such column. Others are not read. A file
        has tabs or commas between its fields, whichever its first line has, and may be
        compressed by gzip.

    Returns
    -------
    DataFrame of shape (n_pairs, 3)
        Columns `source`, `target` and `weight`, in the order of the table, no pair
        twice.

    Raises
    ------
    ValueError
        If a column or a name is missing, a weight is neither missing nor a finite
        number, or a line has another number of fields than the first; lines of a file
        are named by number, rows of a table too, where 0 is the first.

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
    from_file = isinstance(net, (str, os.PathLike))
    columns, numbers = _read_delimited(net) if from_file else (net, None)
    table = net_columns(columns, numbers)
    return merge_pairs(table.assign(weight=read_weights(columns, numbers)))


# ------------------------------------------------------------------------ GMT files
def _collect(
    path: Any, lines: Sequence[tuple[int, list[str]]]
) -> tuple[dict[str, dict[str, None]], int, int]:
    """Return the genes of each set, without repeats, and how many sets and genes came.

    A dict keeps the order and holds a name once.
    """
    members: dict[str, dict[str, None]] = {}
    wrong, n_genes = [], 0
    for number, (name, *rest) in lines:
        genes = [gene for field in rest[1:] if (gene := field.strip())]
        if not (name := name.strip()) or not genes:
            wrong.append(number)
        members.setdefault(name, {}).update(dict.fromkeys(genes))
        n_genes += len(genes)
    if wrong:
        raise ValueError(
            f"{path} is not a GMT file: {_numbered(wrong)} not of the form name, "
            "description, genes, with tabs between them"
        )
    if not members:
        raise ValueError(f"{path} holds no gene set")
    return members, len(lines), n_genes


def _numbered(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"line {numbers[0]} is"
    more = ", ..." if len(numbers) > 10 else ""
    return f"lines {', '.join(map(str, numbers[:10]))}{more} are"


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


# -------------------------------------------------------------------- files of text
def _read_delimited(path: Any) -> tuple[dict[str, NDArray], NDArray]:
    """Return the columns of a file, and the number of the line of each row."""
    lines = list(_lines(path))
    if not lines:
        raise ValueError(f"{path} is empty")
    delimiter = "\t" if "\t" in lines[0][1] else ","
    # Line by line: a quote that is left open ends with its line.
    rows = [next(csv.reader([line], delimiter=delimiter)) for _, line in lines]
    header = [name.strip() for name in rows[0]]
    numbers = [number for number, _ in lines]
    for number, row in zip(numbers, rows, strict=True):
        if len(row) != len(header):
            raise ValueError(
                f"{path}, line {number} has {len(row)} fields, and line {numbers[0]} "
                f"has {len(header)}: {header}"
            )
    values = np.array([[field.strip() for field in row] for row in rows[1:]], object)
    values = values.reshape(len(rows) - 1, len(header))
    return dict(zip(header, values.T, strict=True)), np.array(numbers[1:])


def _lines(path: Any) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that are not empty, with their numbers from 1 on."""
    data = _unpacked(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {number} is not text in UTF-8: {error.reason}"
        ) from error
    # `splitlines` would also split at characters that are no line ends in a file.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return ((i, line) for i, line in enumerate(lines, 1) if line and not line.isspace())


def _unpacked(path: Any) -> bytes:
    """Return what is in a file, which tells itself whether it is compressed."""
    data = Path(path).read_bytes()
    if not data.startswith(_GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip file: {error}") from error
