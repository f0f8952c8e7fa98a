"""Readers meet files that mean harm: they refuse them in one clear line, or read them.

What a reader must keep is in `fuzz/harness.py`, which looks for what breaks it; what it
found is in `fuzz_corpus`.
"""

import gzip
import runpy
import zlib
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_grn._expression_tables import read_expression
from sklearn_grn._text_lines import NO_LIMITS
from sklearn_grn._text_tables import Layout, read_confounders
from sklearn_grn.pathways import read_gmt, read_net

HERE = Path(__file__).parent
HARNESS = runpy.run_path(str(HERE / "fuzz" / "harness.py"))
TARGETS = HARNESS["TARGETS"]
COLUMNS = Layout(genes="columns")
READERS = {
    "gmt": read_gmt,
    "net": read_net,
    "expression": lambda path: read_expression(path, COLUMNS),
    "confounders": lambda path: read_confounders(path, pd.Index(["a"])),
}
each_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)


@pytest.fixture
def written(tmp_path):
    """Function that writes bytes or text to a file and returns its path."""

    def write(data):
        path = tmp_path / "file.txt"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


@cache
def gzip_of(*pieces):
    """Compress pieces, each with how often it comes, without holding them at once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = [packer.compress(piece) for piece, times in pieces for _ in range(times)]
    return b"".join([*packed, packer.flush()])


# ----------------------------------------------------------------- whatever bytes come
FIELDS = st.sampled_from(
    [
        "a",
        "b",
        "TP53",
        "source",
        "target",
        "weight",
        "1",
        "-2.5e3",
        "1e400",
        "nan",
        "naN",
        "inf",
        "0x10",
        "1_000",
        "١",
        "1,5",
        "=1+1",
        "",
        " ",
        '"',
        '"a"',
        '"a,b"',
        "a\rb",
        "\ufeff",
        "\0",
        "\x1b[31m",
        "\u2028",
        "é",
        "../../x",
        "<a&b>",
        "\x85",
    ]
)
LINES = st.lists(st.lists(FIELDS, min_size=1, max_size=4), max_size=5)
HEADERS = st.sampled_from(
    ["", "source\ttarget\tweight\n", "source,target\n", ",TP53,b\n", "id\tx\ty\n"]
)


@st.composite
def nearly_tables(draw):
    """Bytes that a reader does not tell at once from those of a good file."""
    delimiter, end = draw(st.sampled_from("\t,;")), draw(st.sampled_from("\n\r"))
    rows = [delimiter.join(row) for row in draw(LINES)]
    text = draw(HEADERS) + end.join(rows) + draw(st.sampled_from(["", end]))
    encoding = draw(st.sampled_from(["utf-8"] * 4 + ["utf-8-sig", "utf-16"]))
    data = text.encode(encoding)
    pack = draw(st.sampled_from([bytes, bytes, gzip.compress]))
    return pack(data)[: draw(st.sampled_from([None, None, -1, -9]))]


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=25)
@given(data=st.one_of(st.binary(max_size=100), nearly_tables()))
def test_no_bytes_break_a_promise(target, data):
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_no_seed_breaks_a_promise(target):
    for data in HARNESS["seeds"]():
        TARGETS[target](data)


FOUND = sorted((HERE / "fuzz_corpus").rglob("*"))
FOUND = [pytest.param(path, id=path.name) for path in FOUND if path.is_file()]


@pytest.mark.parametrize("path", FOUND)
def test_what_once_broke_a_promise_does_so_no_more(path):
    for target in TARGETS.values():
        target(path.read_bytes())


# ------------------------------------------------------------------------------- size
@each_reader
@pytest.mark.parametrize("byte", [b"A", b"\t", b","])
def test_a_bomb_is_refused_before_it_unfolds(written, allocation_peak, read, byte):
    path = written(gzip_of((byte * 10**6, 100)))
    with (
        allocation_peak() as peak,
        pytest.raises(ValueError, match="line 1 has more than 10,000,000 bytes"),
    ):
        read(path)
    assert peak() < 5 * 10**7


@pytest.mark.parametrize("read", [read_gmt, read_net])
def test_limits_may_be_set(written, read):
    path = written("source\ttarget\tweight\na\tb\t1\nb\tc\t2\n")
    read(path, max_bytes=33, max_line_bytes=20, max_lines=3)
    for name, limit in {"max_bytes": 32, "max_line_bytes": 19, "max_lines": 2}.items():
        with pytest.raises(ValueError, match=f"raise the limit: {name}, None for none"):
            read(path, **{name: limit})


def test_limits_of_tables_may_be_set(written):
    path, samples = written("id,g\na,1\nb,2\n"), pd.Index(["a"])
    with pytest.raises(ValueError, match="more than 2 lines"):
        read_expression(path, Layout("columns", limits=NO_LIMITS._replace(max_lines=2)))
    with pytest.raises(ValueError, match="more than 2 lines"):
        read_confounders(path, samples, NO_LIMITS._replace(max_lines=2))


def test_without_a_limit_a_long_line_is_read(written):
    path = written(gzip_of((b"set\tna", 1), (b"\tgene", 2_100_000)))
    with pytest.raises(ValueError, match="line 1 has more than"):
        read_gmt(path)
    with pytest.warns(UserWarning, match="genes come again"):
        assert len(read_gmt(path, max_line_bytes=None)) == 1


def test_a_table_takes_little_more_room_than_its_values(written, allocation_peak):
    header = ",".join(f"g{i}" for i in range(5000))
    row = ",".join(["1.25"] * 5000)
    path = written("\n".join([f",{header}", *[f"s,{row}"] * 300]))
    with allocation_peak() as peak:
        read_expression(path, COLUMNS)
    assert peak() < 1.5 * 300 * 5000 * 8


@each_reader
def test_a_million_empty_lines_are_no_table(written, read):
    with pytest.raises(ValueError, match=r"holds no|is empty"):
        read(written(b"\n" * 10**6))


def test_a_long_name_of_many_kinds_is_no_hang(written):
    """Whether this looks like a symbol of a mouse took time with its square."""
    path = written(f",A{'a' * 10**5}!,A{'b' * 10**5}!\nx,1,2\n")
    with pytest.raises(ValueError, match="names of another kind") as caught:
        read_expression(path)
    assert len(str(caught.value)) < 1000


# ------------------------------------------------------------------------------ values
@pytest.mark.parametrize("text", ["0x10", "1_000", "١", "=1+1", "1,5", "True", "1e400"])
def test_what_is_no_finite_number_is_refused_everywhere(written, text):
    path = written(f"\tg\na\t{text}\n")
    with pytest.raises(ValueError, match=r"is no number|values are infinite"):
        read_expression(path, COLUMNS)
    path = written(f"source\ttarget\tweight\na\tb\t{text}\n")
    with pytest.raises(ValueError, match=r"no finite weight: \('a', 'b'\) \(lines 2\)"):
        read_net(path)


@pytest.mark.parametrize("text", ["1e400", "inf", "-Infinity"])
def test_infinite_confounders_are_refused(written, text):
    path = written(f"id,age\na,{text}\n")
    with pytest.raises(ValueError, match="1 values are infinite in column 'age'"):
        read_confounders(path, pd.Index(["a"]))


@pytest.mark.parametrize("text", ["nan", "naN", "-NAN", "NA", ""])
def test_missing_confounders_are_refused_however_they_are_spelled(written, text):
    path = written(f"id,age\na,{text}\n")
    with pytest.raises(ValueError, match="1 values are missing in column 'age'"):
        read_confounders(path, pd.Index(["a"]))


def test_large_weights_do_not_become_infinite(written):
    path = written("source,target,weight\na,b,1e308\na,b,1.5e308\n")
    with pytest.raises(ValueError, match=r"too large to take their mean: \('a', 'b'\)"):
        read_net(path)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_weights_keep_all_digits(tmp_path_factory, weights):
    rows = [f"a\tg{i}\t{weight!r}\n" for i, weight in enumerate(weights)]
    path = tmp_path_factory.getbasetemp() / "net.tsv"
    path.write_text("source\ttarget\tweight\n" + "".join(rows))
    assert read_net(path)["weight"].tolist() == weights


# ------------------------------------------------------------------- names and quotes
def test_columns_of_one_name_are_refused(written):
    with pytest.raises(ValueError, match="more than one column 'source'"):
        read_net(written("source,target,source\na,b,c\n"))
    with pytest.raises(ValueError, match="repeats the columns 'age'"):
        read_confounders(written("id,age,age\na,1,2\n"), pd.Index(["a"]))


def test_a_name_over_two_lines_is_refused(written):
    with pytest.raises(ValueError, match="line 2 opens a quote and does not close it"):
        read_net(written('source,target\na,"b\nc,d"\n'))


def test_a_field_that_is_too_long_is_a_clear_error(written):
    path = written(f'source,target\na,"{"b" * 200_000}"')
    with pytest.raises(ValueError, match="line 2 cannot be read: field larger than"):
        read_net(path)


def test_long_values_are_cut_in_the_message(written):
    path = written(f",g\na,{'x' * 10**5}\n")
    with pytest.raises(ValueError, match="100,000 characters") as caught:
        read_expression(path, COLUMNS)
    assert len(str(caught.value)) < 1000


@each_reader
@pytest.mark.parametrize("name", ["../../passwd", "=LINK(1)", "<&>", "\x1b[1m"])
def test_names_are_only_names(written, tmp_path, read, name):
    path = written(f"source\ttarget\ta\n{name}\ta\t1\na\tb\t1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        HARNESS["refused"](read, path.read_bytes())
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]
