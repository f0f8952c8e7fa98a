"""Files of text from anywhere, read line by line and within limits.

What a file holds is counted while it is read and unpacked, so that one which would not
end, or not fit, is refused before it does harm.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # its byte order marks
_BLOCK = 2**18
_LONG = 100  # characters of a name or value, before a message cuts it
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


class Limits(NamedTuple):
    """How much a file may hold; None where there is no limit.

    Parameters
    ----------
    max_bytes : int or None
        Bytes of the file, and of what it holds once unpacked.
    max_line_bytes : int or None
        Bytes of a line.
    max_lines : int or None
        Lines, with those that are empty. What a short line becomes takes many times its
        bytes, and its time.
    """

    max_bytes: int | None
    max_line_bytes: int | None
    max_lines: int | None


# 50,000 sets of 250 genes; and a table of 20,000 genes x 5,000 samples, with ten
# characters a value.
LISTS = Limits(10**8, 10**7, 10**7)
TABLES = Limits(10**9, 10**7, 10**7)
NO_LIMITS = Limits(None, None, None)


def text_lines(path: Any, limits: Limits = LISTS) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that are not empty, with their numbers from 1 on.

    Parameters
    ----------
    path : str or path
        UTF-8, with or without byte order mark, plain or compressed by gzip, which the
        file tells itself, with line ends of any system.
    limits : Limits

    Yields
    ------
    tuple of int and str

    Raises
    ------
    ValueError
        If the file exceeds a limit, is damaged, or is no text in UTF-8.
    OSError
        If it cannot be opened or read.
    """
    most = _check_limits(limits)
    with _opened(path, most.max_bytes) as stream:
        for number, line in _raw_lines(stream, most.max_line_bytes):
            if number > most.max_lines:
                raise ValueError(
                    f"{path} has more than {most.max_lines:,} lines"
                    f"{_raised_by('max_lines')}"
                )
            if len(line) > most.max_line_bytes:
                raise ValueError(
                    f"{path}, line {number} has more than {most.max_line_bytes:,} "
                    f"bytes{_raised_by('max_line_bytes')}"
                )
            text = _decoded(path, number, line)
            if text and not text.isspace():
                yield number, text


def fields_of(path: Any, number: int, line: str, delimiter: str) -> list[str]:
    """Return the fields of a line, as spreadsheets quote them.

    Parameters
    ----------
    path : str or path
    number : int
        Of the line, for the message.
    line, delimiter : str

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If a quote is opened and not closed, or a field of a line with quotes is longer
        than Python's `csv` allows (`csv.field_size_limit`).
    """
    if '"' not in line:
        return line.split(delimiter)
    # A line and no more: a quote that is left open must not take in what follows.
    reader = csv.reader([line, ""], delimiter=delimiter)
    try:
        fields = next(reader)
    except csv.Error as error:
        raise ValueError(f"{path}, line {number} cannot be read: {error}") from error
    if reader.line_num > 1:
        raise ValueError(
            f"{path}, line {number} opens a quote and does not close it; close it, or "
            "write the quote twice within quotes"
        )
    return fields


def number_in(text: str) -> float:
    """Return the number that a field holds.

    Parameters
    ----------
    text : str
        Digits are those of ASCII; white space around them does not count.

    Returns
    -------
    float
        Infinite where the number is too large.

    Raises
    ------
    ValueError
        If it is no number.
    """
    # Python reads 1_000, and digits of any script, which few other programs do.
    if "_" in text or not text.strip().isascii():
        raise ValueError(f"{shown(text)} is no number")
    return float(text)


def in_utf8(text: str, form: str) -> bytes:
    """Return text as the bytes of a file.

    Parameters
    ----------
    text : str
    form : str
        What the file is, for the message.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If it holds what no file of text can: NUL, or half of a surrogate pair.
    """
    found = _UNWRITABLE.search(text)
    if found is None:
        return text.encode()
    around = text[max(0, found.start() - _LONG // 2) : found.end()]
    raise ValueError(
        f"{form} cannot hold the character {found[0]!r}, and has it at the end of "
        f"{around!r}. Leave it out of the name"
    )


def shown(value: Any) -> str:
    """Return a value for a message, cut where it is long.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
    """
    if isinstance(value, str) and len(value) > _LONG:
        return f"{value[:_LONG]!r}... ({len(value):,} characters)"
    return repr(value)


# ------------------------------------------------------------------------------- limits
class _Most(NamedTuple):
    max_bytes: float
    max_line_bytes: float
    max_lines: float


def _check_limits(limits: Limits) -> _Most:
    for name, limit in limits._asdict().items():
        if limit is not None and not limit >= 1:
            raise ValueError(
                f"{name}={limit!r} must be a number from 1 on, or None for no limit"
            )
    return _Most(*(math.inf if limit is None else limit for limit in limits))


def _raised_by(name: str) -> str:
    return (
        f". If you trust it, raise the limit: {name}, None for none (--no-limits on "
        "the command line)"
    )


class _Counted(io.RawIOBase):
    """A stream that ends with an error where more comes out of it than it may hold.

    Parameters
    ----------
    stream : binary stream
    path : str or path
        Of the file, for the message.
    most : float
        Bytes.
    start : bytes
        What has been read of the stream before.
    """

    def __init__(self, stream: Any, path: Any, most: float, start: bytes = b"") -> None:
        self._stream, self._path, self._most, self._start = stream, path, most, start
        self._count = 0

    def readable(self) -> bool:
        """Return True: `io.RawIOBase` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, first with the bytes that were looked at."""
        start = self._start[: len(buffer)]
        self._start = self._start[len(start) :]
        buffer[: len(start)] = start
        number = len(start) or self._stream.readinto(buffer)
        self._count += number
        if self._count > self._most:
            raise ValueError(
                f"{self._path} holds more than {self._most:,} bytes"
                f"{_raised_by('max_bytes')}"
            )
        return number


# ---------------------------------------------------------------------------- the bytes
@contextmanager
def _opened(path: Any, most: float) -> Iterator[io.BufferedIOBase]:
    """Open what is in a file, which tells itself whether it is compressed."""
    with open(path, "rb", buffering=0, opener=_without_waiting) as file:
        start = _first_of_pipe(path, file.fileno())
        while len(start) < len(_GZIP) and (more := file.read(len(_GZIP) - len(start))):
            start += more
        stream = io.BufferedReader(_Counted(file, path, most, start))
        if start == _GZIP:
            unpacked: Any = gzip.GzipFile(fileobj=stream)
            stream = io.BufferedReader(_Counted(unpacked, path, most))
        try:
            yield stream
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} is a damaged gzip file: {error}") from error


def _without_waiting(path: str, flags: int) -> int:
    # Who opens a pipe waits for somebody who writes to it, perhaps for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _first_of_pipe(path: Any, file: int) -> bytes:
    """Return the first byte of a pipe that has one already; check that one may come."""
    start, mode = b"", os.fstat(file).st_mode
    if stat.S_ISREG(mode) or not hasattr(os, "O_NONBLOCK"):
        return start
    if stat.S_ISFIFO(mode):
        with suppress(BlockingIOError):  # somebody is about to write
            start = os.read(file, 1)
            if not start:
                raise ValueError(f"{path} is a pipe, and nobody writes to it")
    os.set_blocking(file, True)
    return start


def _raw_lines(stream: io.BufferedIOBase, most: float) -> Iterator[tuple[int, bytes]]:
    """Yield numbers of lines and what they hold; of those that hold nothing only some.

    Of a line that is too long it may be the beginning.
    """
    number = 0
    for piece in _pieces(stream, most):
        # That of bytes splits at the line ends of all systems and, unlike that of
        # text, at no other character.
        for line in piece.splitlines():
            number += 1
            if line:
                yield number, line
        yield number, b""


def _pieces(stream: io.BufferedIOBase, most: float) -> Iterator[bytes]:
    """Yield lines, many at once; the last may be the beginning of a longer one."""
    rest = bytearray()
    for block in _blocks(stream):
        end = 1 + max(block.rfind(b"\n"), block.rfind(b"\r"))
        if end:
            yield bytes(rest + block[:end])
            rest.clear()
        rest += block[end:]
        if len(rest) > most:
            yield bytes(rest)
    yield bytes(rest)


def _blocks(stream: io.BufferedIOBase) -> Iterator[bytes]:
    """Yield the bytes in pieces, none of which ends in the middle of a line end."""
    held = b""
    while block := stream.read(_BLOCK):
        block = held + block
        held = b"\r" if block.endswith(b"\r") else b""
        yield block.removesuffix(held)
    yield held


def _decoded(path: Any, number: int, line: bytes) -> str:
    if number == 1 and line.startswith(_UTF_16):
        raise ValueError(f"{path} is text in UTF-16 or UTF-32; save it in UTF-8")
    if b"\0" in line:
        raise ValueError(
            f"{path}, line {number} holds a NUL character, which no text in UTF-8 "
            "does; it is a file of another kind, or in UTF-16"
        )
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number} is not text in UTF-8: {error.reason}; save it in "
            "UTF-8"
        ) from error
