"""Tables of numbers in files of text: read as they stand, and bad values named."""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_grn._gene_names import as_strings, some
from sklearn_grn._nets import _MISSING
from sklearn_grn._text_lines import (
    TABLES,
    Limits,
    fields_of,
    number_in,
    shown,
    text_lines,
)

_SPREADSHEETS = (".xls", ".xlsx", ".ods", ".numbers")
_OTHER_SEPARATORS = (";", "|", " ")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
_ENOUGH = 100_000  # values that are no numbers, before the rest is not looked at

Text = tuple[int, int, str]  # row, column, and what stands there


@dataclass(frozen=True)
class Layout:
    """What a person says of a table.

    Attributes
    ----------
    genes : {"rows", "columns"} or None
        Where the genes are.
    separator : str or None
        What stands between two fields; None takes tabs if the first line has any, and
        commas otherwise.
    labels : str or None
        The column with the labels of the rows; None is the first one.
    no_labels : bool
        Whether there is no such column.
    drop : tuple of str
        Columns and rows to leave out.
    limits : Limits
        How much the file may hold.
    """

    genes: str | None = None
    separator: str | None = None
    labels: str | None = None
    no_labels: bool = False
    drop: tuple[str, ...] = ()
    limits: Limits = TABLES


class TextTable(NamedTuple):
    """A table as it stands in a file.

    Parameters
    ----------
    values : DataFrame of shape (n_rows, n_columns)
        Numbers, nan where one is missing.
    doubtful : str or None
        Name of the column that was taken for labels and holds nothing but numbers.
    """

    values: pd.DataFrame
    doubtful: str | None


def read_text_table(path: Path, layout: Layout) -> TextTable:
    """Read a table of numbers with a line of names above, and labels on the left.

    Parameters
    ----------
    path : Path
        Plain or compressed by gzip. The first line may lack the field above the
        labels, as R writes it.
    layout : Layout

    Returns
    -------
    TextTable

    Raises
    ------
    ValueError
        If a line has too few fields or too many, a name is not there, a value is no
        number, which is shown with its place, or the file exceeds a limit or is no
        text.
    """
    if path.suffix.lower() in _SPREADSHEETS:
        raise ValueError(f"{path} is a spreadsheet; save it as CSV or TSV first")
    lines = text_lines(path, layout.limits)
    header, rows = _with_header(path, _split(path, lines, layout.separator))
    at = _label_column(path, header, layout)
    columns = [
        column
        for column, name in enumerate(header)
        if column != at and name not in layout.drop
    ]
    found = _read_rows(rows, at, columns, layout.drop)
    check_dropped(layout.drop, [*header, *found.dropped], path)
    index, names = as_strings(found.labels), as_strings([header[c] for c in columns])
    _check_read(path, found, index, names)
    shape = len(index), len(names)
    numbers = np.frombuffer(found.values).reshape(shape)
    values = pd.DataFrame(numbers, index, names, copy=False)
    named = at is not None and header[at] and layout.labels is None
    only_numbers = named and all(map(_is_number, found.labels))
    return TextTable(values, header[at] if only_numbers and at is not None else None)


def read_confounders(
    path: Path, samples: pd.Index, limits: Limits = TABLES
) -> pd.DataFrame:
    """Read what is known of the samples: numbers, and labels of batches and groups.

    Parameters
    ----------
    path : Path
        Table of text with the labels of samples in the first column.
    samples : Index of shape (n_samples,)
        Labels of those that are wanted, in their order.
    limits : Limits
        How much the file may hold.

    Returns
    -------
    DataFrame of shape (n_samples, n_confounders)
        Columns of numbers as numbers, the others as text.

    Raises
    ------
    ValueError
        If a sample is not in the table or comes twice, a column comes twice, a value
        is missing or infinite; or as for `read_text_table`.
    """
    header, rows = _with_header(path, _split(path, text_lines(path, limits), None))
    fields = [[field.strip() for field in row] for row in rows]
    index, columns = as_strings([row[0] for row in fields]), as_strings(header[1:])
    _check_names(path, samples, index, columns)
    table = pd.DataFrame([row[1:] for row in fields], index, columns, dtype=object)
    table = table.loc[samples]
    for name, column in table.items():
        _check_known(path, name, column)
    numbers = [column for column in table if table[column].map(_is_number).all()]
    return table.astype(dict.fromkeys(numbers, float))


# ----------------------------------------------------------------- lines and the header
def _split(
    path: Path, lines: Iterator[tuple[int, str]], separator: str | None
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the fields of each line."""
    for number, line in lines:
        if separator is None:
            separator = "\t" if "\t" in line else ","
        fields = fields_of(path, number, line, separator)
        if len(fields) == 1:
            raise ValueError(f"{path}, line {number} {_one_field(line, separator)}")
        yield number, fields


def _one_field(line: str, separator: str) -> str:
    shown = {"\t": "tab", ",": "comma"}.get(separator, repr(separator))
    others = [other for other in _OTHER_SEPARATORS if other in line]
    advice = f"--sep {others[0]!r}" if others else "--sep"
    return f"has no {shown} in it; say what separates the fields with {advice}"


def _with_header(
    path: Path, lines: Iterator[tuple[int, list[str]]]
) -> tuple[list[str], Iterator[list[str]]]:
    """Return the names above the columns, and the rows, all of one length."""
    first, second = next(lines, None), next(lines, None)
    if first is None or second is None:
        raise ValueError(f"{path} holds no table: it needs a line of names, and rows")
    header = [name.strip() for name in first[1]]
    # R's write.table puts nothing above the labels.
    if len(second[1]) == len(header) + 1:
        header = ["", *header]

    def rows() -> Iterator[list[str]]:
        for number, fields in chain([second], lines):
            if len(fields) != len(header):
                raise ValueError(
                    f"{path}, line {number} has {len(fields)} fields, and "
                    f"{len(header)} names stand in line {first[0]}"
                )
            yield fields

    return header, rows()


def _label_column(path: Path, header: Sequence[str], layout: Layout) -> int | None:
    if layout.no_labels:
        return None
    if layout.labels is None:
        return 0
    if layout.labels not in header:
        raise ValueError(
            f"{path} has no column {layout.labels!r} (--labels); its columns are "
            f"{some(header)}"
        )
    return header.index(layout.labels)


def check_dropped(drop: Sequence[str], names: Collection[str], path: Path) -> None:
    """Check that what a person wants to leave out is there.

    Parameters
    ----------
    drop, names : sequence of str
    path : Path
        Of the table.

    Raises
    ------
    ValueError
        If a name is not there.
    """
    unknown = [name for name in drop if name not in names]
    if unknown:
        raise ValueError(
            f"{path} has no column or row {some(unknown)} to leave out (--drop)"
        )


# -------------------------------------------------------------------------- confounders
def _check_names(
    path: Path, samples: pd.Index, index: pd.Index, columns: pd.Index
) -> None:
    lacking = samples[~samples.isin(index)]
    again = index[index.duplicated()].intersection(samples)
    twice = columns[columns.duplicated()].unique()
    for names, problem in (
        (lacking, "lacks the samples"),
        (again, "repeats"),
        (twice, "repeats the columns"),
    ):
        if len(names):
            raise ValueError(f"{path} {problem} {some(names)}")


def _check_known(path: Path, name: Hashable, column: pd.Series) -> None:
    is_number = column.map(_is_number)
    value = column.where(is_number, 0.0).astype(float)
    missing = column.isin(_MISSING) | value.isna()
    infinite = is_number.all() & np.isinf(value)
    for wrong, problem in ((missing, "missing"), (infinite, "infinite")):
        if wrong.any():
            raise ValueError(
                f"{path}: {wrong.sum()} values are {problem} in column {shown(name)}, "
                f"the first of sample {shown(column.index[int(wrong.argmax())])}; fill "
                "them in"
            )


# ------------------------------------------------------------------------ rows, values
class _Rows(NamedTuple):
    labels: list[str]
    values: array[float]  # row after row; an array that grows is not copied at the end
    texts: list[Text]
    dropped: set[str]


def _read_rows(
    rows: Iterator[list[str]],
    at: int | None,
    columns: Sequence[int],
    drop: Sequence[str],
) -> _Rows:
    found = _Rows([], array("d"), [], set())
    for number, fields in enumerate(rows, 1):
        label = str(number) if at is None else fields[at].strip()
        if label in drop:
            found.dropped.add(label)
            continue
        values, texts = _numbers([fields[column] for column in columns])
        row = len(found.labels)
        found.texts.extend((row, column, text) for column, text in texts)
        found.labels.append(label)
        found.values.frombytes(values.tobytes())
        if len(found.texts) > _ENOUGH:
            break
    return found


def _numbers(fields: list[str]) -> tuple[NDArray[np.float64], list[tuple[int, str]]]:
    """Return numbers, nan where there is none, and what is neither number nor missing.

    Field by field, which is slow, only where a line needs it.
    """
    try:
        together = "".join(fields)  # what `number_in` refuses, for all at once
        if together.isascii() and "_" not in together:
            return np.array(fields, dtype=np.float64), []
    except ValueError:
        pass
    fields = [field.strip() for field in fields]
    wrong = [
        (column, text)
        for column, text in enumerate(fields)
        if text not in _MISSING and not _is_number(text)
    ]
    values = [number_in(text) if _is_number(text) else np.nan for text in fields]
    return np.array(values, dtype=np.float64), wrong


def _is_number(text: str) -> bool:
    try:
        number_in(text)
    except ValueError:
        return False
    return True


def _check_read(path: Path, found: _Rows, index: pd.Index, names: pd.Index) -> None:
    if found.texts:
        raise ValueError(f"{path}: {_about_text(found.texts, index, names)}")
    if not len(index) or not len(names):
        raise ValueError(
            f"{path} holds {len(index)} rows and {len(names)} columns of numbers"
        )


def _about_text(texts: Sequence[Text], index: pd.Index, names: pd.Index) -> str:
    """Say where the first value that is no number stands, and what to do about it."""
    row, column, text = texts[0]
    place = f"{shown(text)} in column {shown(names[column])}, row {shown(index[row])}"
    if _DECIMAL_COMMA.fullmatch(text):
        return f"{place} is no number; write a decimal point in place of the comma"
    in_row = sum(at == row for at, _, _ in texts)
    in_column = sum(at == column for _, at, _ in texts)
    what, name = "column", shown(names[column])
    if in_row > in_column:
        what, name = "row", shown(index[row])
    number = max(in_row, in_column)
    rest = f" ({number} values of that {what} are text)"
    return (
        f"{place} is no number{rest if number > 1 else ''}; correct it, or leave the "
        f"{what} {name} out with --drop {name}"
    )
