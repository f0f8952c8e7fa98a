"""Lines are read within limits, in pieces, as if the file were read at once."""

import csv
import gzip
import os
import threading
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_grn import _text_lines
from sklearn_grn._text_lines import (
    NO_LIMITS,
    Limits,
    fields_of,
    in_utf8,
    number_in,
    shown,
    text_lines,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Function that writes bytes to a file, always the same one, and returns it."""
    path = tmp_path_factory.mktemp("lines") / "file.txt"

    def write(data):
        path.write_bytes(data)
        return path

    return write


def naive(data):
    """The lines of a file, all at once."""
    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    return [(i, s) for i, s in enumerate(text.split("\n"), 1) if s and not s.isspace()]


def gzip_of(*pieces, times=1):
    """Compress pieces, each as often as `times` says, without holding them at once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = [packer.compress(piece) for piece in pieces for _ in range(times)]
    return b"".join([*packed, packer.flush()])


# ------------------------------------------------------------------------------- lines
TEXTS = st.text(st.sampled_from("ab\n\r\t \u2028\x85é\ufeff\U0001f9ec"), max_size=40)


@given(TEXTS, st.integers(1, 5), st.booleans())
def test_pieces_make_the_same_lines_as_the_whole(written, text, block, packed):
    data = text.encode()
    path = written(gzip.compress(data) if packed else data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_text_lines, "_BLOCK", block)
        assert list(text_lines(path)) == naive(data)


def test_members_of_a_gzip_file_are_put_together(written):
    path = written(gzip.compress(b"a\nb") + gzip.compress(b"c\n") + bytes(7))
    assert list(text_lines(path)) == [(1, "a"), (2, "bc")]


@pytest.mark.parametrize("line", [b"a\xff", "é".encode("latin-1"), b"\xed\xa0\x80"])
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_line_that_is_no_text_has_its_number(written, line, end):
    path = written(end.join([b"a", b"", line, b"c"]))
    with pytest.raises(ValueError, match=r"line 3 is not text in UTF-8: .* save it in"):
        list(text_lines(path))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_text_of_another_encoding_is_told(written, encoding):
    with pytest.raises(ValueError, match=r"text in UTF-16 or UTF-32; save it in UTF-8"):
        list(text_lines(written("TP53\n".encode(encoding))))


@pytest.mark.parametrize("data", [b"a\n\0\n", "a\nb".encode("utf-16-be"), b"PK\3\4\0"])
def test_no_text_holds_nul(written, data):
    with pytest.raises(ValueError, match=r"line [12] holds a NUL character"):
        list(text_lines(written(data)))


@pytest.mark.parametrize("damage", [slice(0, -1), slice(0, 10), slice(0, 2)])
def test_a_gzip_file_that_is_cut_off_is_refused(written, damage):
    with pytest.raises(ValueError, match="is a damaged gzip file"):
        list(text_lines(written(gzip.compress(b"a\nb\n")[damage])))


def test_what_follows_a_gzip_file_is_refused(written):
    with pytest.raises(ValueError, match="is a damaged gzip file"):
        list(text_lines(written(gzip.compress(b"a\n") + b"b\n")))


# ------------------------------------------------------------------------------- limits
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_as_many_bytes_as_the_limit_are_read_and_no_more(written, pack):
    path = written(pack(100 * b"abcdefg\n"))
    assert len(list(text_lines(path, NO_LIMITS._replace(max_bytes=800)))) == 100
    with pytest.raises(ValueError, match=r"more than 799 bytes.*max_bytes, None for"):
        list(text_lines(path, NO_LIMITS._replace(max_bytes=799)))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("block", [1, 4, 2**18])
def test_a_line_as_long_as_the_limit_is_read_and_no_longer(
    written, monkeypatch, end, block
):
    monkeypatch.setattr(_text_lines, "_BLOCK", block)
    path = written(b"a\nabcdefg" + end)
    assert list(text_lines(path, NO_LIMITS._replace(max_line_bytes=7)))[1] == (
        2,
        "abcdefg",
    )
    with pytest.raises(ValueError, match=r"line 2 has more than 6 bytes.*max_line_byt"):
        list(text_lines(path, NO_LIMITS._replace(max_line_bytes=6)))


def test_without_limits_long_lines_are_read(written):
    path = written(gzip_of(b"A" * 10**6, times=11))
    assert [len(line) for _, line in text_lines(path, NO_LIMITS)] == [11 * 10**6]


@pytest.mark.parametrize("byte", [b"A", b"\0", b" "])
def test_a_line_of_1e8_characters_is_not_held(written, allocation_peak, byte):
    path = written(gzip_of(byte * 10**6, times=100))
    assert path.stat().st_size < 10**6
    with (
        allocation_peak() as peak,
        pytest.raises(ValueError, match="line 1 has more than 10,000,000 bytes"),
    ):
        list(text_lines(path))
    assert peak() < 5 * 10**7


def test_empty_lines_without_end_are_not_held(written, allocation_peak):
    path = written(gzip_of(b"\n" * 10**6, times=4))
    limits = NO_LIMITS._replace(max_bytes=3 * 10**6)
    with (
        allocation_peak() as peak,
        pytest.raises(ValueError, match="more than 3,000,000 bytes"),
    ):
        list(text_lines(path, limits))
    assert peak() < 8 * 10**6


@pytest.mark.parametrize("data", [b"a\nb\n\nc", b"a\r\n\r\n\r\nb", b"a\n\n\n\n"])
def test_as_many_lines_as_the_limit_are_read_and_no_more(written, data):
    path = written(data)
    assert list(text_lines(path, NO_LIMITS._replace(max_lines=4))) == naive(data)
    with pytest.raises(ValueError, match=r"has more than 3 lines.*max_lines, None for"):
        list(text_lines(path, NO_LIMITS._replace(max_lines=3)))


def test_what_a_gzip_file_hides_counts_too(written):
    """Members of nothing unpack to nothing, and take their time."""
    path = written(gzip.compress(b"") * 1000)
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        list(text_lines(path, NO_LIMITS._replace(max_bytes=1000)))


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
@pytest.mark.parametrize("name", Limits._fields)
def test_a_limit_that_nothing_fits_is_refused(written, name, limit):
    limits = NO_LIMITS._replace(**{name: limit})
    with pytest.raises(ValueError, match=f"{name}={limit} must be a number from 1 on"):
        list(text_lines(written(b"a"), limits))


# ------------------------------------------------------------------- what is no file
def test_a_folder_and_a_missing_file_are_told_by_python(tmp_path):
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        list(text_lines(tmp_path))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(text_lines(tmp_path / "nowhere"))


needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")


@needs_pipes
def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is a pipe, and nobody writes to it"):
        list(text_lines(tmp_path / "pipe"))


@needs_pipes
@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("data", [b"a\nb\n", gzip.compress(b"a\nb\n")])
def test_a_pipe_that_somebody_writes_to_is_read(tmp_path, data, wait):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    # Nobody may write where nobody reads; this one never takes anything.
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY)

    def write():
        os.write(writer, data)
        os.close(writer)

    later = threading.Timer(0.1, write)
    later.start() if wait else write()
    assert list(text_lines(path)) == [(1, "a"), (2, "b")]
    os.close(reader)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such device")
def test_a_device_without_end_is_refused():
    with pytest.raises(ValueError, match="line 1 has more than 10,000,000 bytes"):
        list(text_lines("/dev/zero"))


# ----------------------------------------------------------------- fields and numbers
@pytest.mark.parametrize("line", ['"', '"a,b', 'a,"', 'a,"b""', 'a,"b,c'])
def test_a_quote_that_is_not_closed_is_refused(line):
    with pytest.raises(ValueError, match="line 7 opens a quote and does not close it"):
        fields_of("file", 7, line, ",")


@pytest.mark.parametrize(
    ("line", "fields"),
    [('5\' "a",b', ['5\' "a"', "b"]), ('"a""b",c', ['a"b', "c"]), (",", ["", ""])],
)
def test_quotes_within_a_field_stay(line, fields):
    assert fields_of("file", 1, line, ",") == fields


def test_a_field_that_is_too_long_for_python_is_refused():
    with pytest.raises(ValueError, match="line 2 cannot be read: field larger than"):
        fields_of("file", 2, f'"{"a" * 200_000}"', ",")


@given(st.text(st.sampled_from('ab, \t"'), min_size=1), st.sampled_from(",\t "))
def test_fields_are_those_of_csv(line, delimiter):
    reader = csv.reader([line, ""], delimiter=delimiter)
    expected = next(reader)
    if reader.line_num == 1:
        assert fields_of("file", 1, line, delimiter) == expected


@pytest.mark.parametrize("text", ["1e400", "1" * 400, "-1e5000", "inf", "-Infinity"])
def test_numbers_too_large_are_infinite(text):
    assert abs(number_in(text)) == float("inf")


@pytest.mark.parametrize("text", ["0x10", "1_000", "١", "１", "1,5", "=1", "", "1d5"])
def test_what_few_programs_read_is_no_number(text):
    with pytest.raises(ValueError):  # noqa: PT011
        number_in(text)


@given(st.floats(allow_nan=False))
def test_numbers_are_read_with_all_digits(number):
    assert number_in(f" {number!r}\u2003") == number


# ------------------------------------------------------------------------- for writers
@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_characters_that_no_file_can_hold_are_refused_with_what_is_before(character):
    with pytest.raises(ValueError, match=r"SIF cannot hold the character .*TP53"):
        in_utf8(f"MDM2\tTP53{character}", "SIF")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_other_text_is_written_as_it_is(text):
    assert in_utf8(text, "SIF").decode() == text


def test_long_values_are_cut_in_messages():
    assert shown("a" * 100) == repr("a" * 100)
    assert shown("\x1b" * 10**6) == repr("\x1b" * 100) + "... (1,000,000 characters)"
