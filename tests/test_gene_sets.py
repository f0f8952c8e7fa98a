"""Gene sets and nets are read from files of any make, and bad lines are named."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from sklearn_grn.pathways import pathway_loadings, read_gmt, read_net, write_gmt

GMT = "p53 response\thttp://x\tMDM2\tCDKN1A\nWNT\t\tAXIN2\n"
PAIRS = [("p53 response", "MDM2"), ("p53 response", "CDKN1A"), ("WNT", "AXIN2")]


def frame(pairs, weights=1.0):
    return pd.DataFrame(pairs, columns=["source", "target"]).assign(weight=weights)


@pytest.fixture
def written(tmp_path):
    """Function that writes bytes or text to a file and returns its path."""

    def write(data, name="sets.gmt"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


# ------------------------------------------------------------------------- GMT files
@pytest.mark.parametrize(
    "data",
    [
        GMT,
        GMT.replace("\n", "\r\n"),
        GMT.replace("\n", "\r"),
        b"\xef\xbb\xbf" + GMT.encode(),
        GMT.removesuffix("\n"),
        "\n" + GMT.replace("\n", "\n\n \t \n"),
        GMT.replace("\n", "\t\t\n"),
        GMT.replace("MDM2", " MDM2 "),
        gzip.compress(GMT.encode()),
        gzip.compress(GMT.replace("\n", "\r\n").encode("utf-8-sig")),
    ],
    ids=[
        "plain",
        "CRLF",
        "CR",
        "byte order mark",
        "no last line end",
        "empty lines",
        "empty fields",
        "spaces around a name",
        "gzip",
        "all at once",
    ],
)
def test_gmt_is_read_whatever_its_make(written, data):
    assert_frame_equal(read_gmt(written(data)), frame(PAIRS))


def test_path_may_be_text(written):
    assert_frame_equal(read_gmt(str(written(GMT))), frame(PAIRS))


def test_only_tabs_separate(written):
    net = read_gmt(written("a set\tits text\tgene one, or two\tNA\n"))
    assert net["target"].tolist() == ["gene one, or two", "NA"]


def test_characters_that_end_no_line_in_a_file_stay(written):
    net = read_gmt(written("set\tna\ta\x0bb\x85c\u2028d\n"))
    assert net["target"].tolist() == ["a\x0bb\x85c\u2028d"]


def test_sets_of_one_name_are_merged_and_counted(written):
    path = written("a\tna\tx\ty\nb\tna\tx\na\tna\tz\n")
    with pytest.warns(UserWarning, match="1 sets have the name of another") as warned:
        net = read_gmt(path)
    expected = [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x")]
    assert_frame_equal(net, frame(expected))
    assert warned[0].filename == __file__


def test_genes_that_come_twice_in_a_set_are_kept_once_and_counted(written):
    with pytest.warns(UserWarning, match="2 genes come again in their set"):
        net = read_gmt(written("a\tna\tx\ty\tx\tx\nb\tna\tx\n"))
    assert_frame_equal(net, frame([("a", "x"), ("a", "y"), ("b", "x")]))


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("a\tna\tx\nb na x y\n", "line 2 is not of the form"),
        ("a\tna\tx\n\n\nb\tna\n", "line 4 is not"),
        ("a\tna\tx\nb\tna\t\t\n", "line 2 is not"),
        ("\tna\tx\n", "line 1 is not"),
        ("a\nb\tna\tx\nc\n", "lines 1, 3 are not"),
        ("a\n" * 12, r"lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, \.\.\. are not"),
        (b"a\tna\tx\nb\tna\tg\xe9ne\n", "line 2 is not text in UTF-8"),
    ],
)
def test_malformed_lines_are_named_by_number(written, data, lines):
    with pytest.raises(ValueError, match=rf"sets\.gmt.*{lines}"):
        read_gmt(written(data))


@pytest.mark.parametrize("data", ["", "\n\n", b"\xef\xbb\xbf"])
def test_file_without_a_set_is_refused(written, data):
    with pytest.raises(ValueError, match="holds no gene set"):
        read_gmt(written(data))


@pytest.mark.parametrize("damage", [slice(0, -9), slice(0, 12)])
def test_damaged_gzip_is_refused(written, damage):
    with pytest.raises(ValueError, match=r"sets\.gmt is a damaged gzip file"):
        read_gmt(written(gzip.compress(GMT.encode())[damage]))


def test_file_that_is_not_there_is_told_by_python(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_gmt(tmp_path / "nowhere.gmt")


# ------------------------------------------------------------------------ and back
NAMES = st.text(
    st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs", "Zs", "Cc"]),
    min_size=1,
).filter(lambda name: name == name.strip() and "\ufeff" not in name)


@given(
    st.dictionaries(
        NAMES, st.lists(NAMES, min_size=1, max_size=4, unique=True), min_size=1
    )
)
def test_what_is_written_is_read_again(tmp_path_factory, sets):
    path = tmp_path_factory.getbasetemp() / "round.gmt"
    net = frame([(name, gene) for name, genes in sets.items() for gene in genes])
    write_gmt(net, path)
    assert_frame_equal(read_gmt(path), net)


def test_gzip_is_written_by_name_and_always_the_same(tmp_path):
    paths = [tmp_path / "one.gmt.gz", tmp_path / "two.gmt.gz"]
    for path in paths:
        write_gmt(frame(PAIRS), path)
    assert paths[0].read_bytes()[:2] == b"\x1f\x8b"
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert_frame_equal(read_gmt(paths[0]), frame(PAIRS))


def test_descriptions_are_written_where_they_are_given(tmp_path):
    write_gmt(frame(PAIRS), tmp_path / "sets.gmt", {"WNT": "signalling"})
    assert (tmp_path / "sets.gmt").read_text().splitlines() == [
        "p53 response\tna\tMDM2\tCDKN1A",
        "WNT\tsignalling\tAXIN2",
    ]


def test_weights_that_are_left_out_are_counted(tmp_path):
    with pytest.warns(UserWarning, match="2 weights are left out"):
        write_gmt(frame(PAIRS, [1.0, -1.0, 2.5]), tmp_path / "sets.gmt")
    assert_frame_equal(read_gmt(tmp_path / "sets.gmt"), frame(PAIRS))


def test_weight_0_is_no_member(tmp_path):
    write_gmt(frame(PAIRS, [1.0, 0.0, 1.0]), tmp_path / "sets.gmt")
    assert_frame_equal(read_gmt(tmp_path / "sets.gmt"), frame([PAIRS[0], PAIRS[2]]))


def test_names_that_are_numbers_become_text(tmp_path):
    net = {"source": ["a", "a"], "target": [7157, 4790]}
    write_gmt(net, tmp_path / "sets.gmt")
    assert read_gmt(tmp_path / "sets.gmt")["target"].tolist() == ["7157", "4790"]


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\rb"])
def test_names_that_would_break_a_line_are_not_written(tmp_path, name):
    with pytest.raises(ValueError, match="with a tab or a line end"):
        write_gmt(frame([(name, "x")]), tmp_path / "sets.gmt")
    with pytest.raises(ValueError, match="with a tab or a line end"):
        write_gmt(frame(PAIRS), tmp_path / "sets.gmt", {"WNT": name})


# ------------------------------------------------------------------------- net files
NET = frame([("p53", "MDM2"), ("p53", "BCL2"), ("WNT", "NA")], [2.0, -0.5, 1.5])


@pytest.mark.parametrize("separator", ["\t", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "pack", [str.encode, lambda text: gzip.compress(text.encode())]
)
def test_net_is_read_whatever_its_make(written, separator, end, pack):
    text = NET.to_csv(sep=separator, lineterminator=end, index=False)
    assert_frame_equal(read_net(written(pack("\ufeff" + text), "net.txt")), NET)


def test_columns_of_a_file_may_come_in_any_order_with_others(written):
    text = NET.assign(pmid="1;2")[["weight", "pmid", "target", "source"]].to_csv()
    assert_frame_equal(read_net(written(text, "net.csv")), NET)


def test_quoted_names_may_hold_the_separator(written):
    net = read_net(written('source,target\n"a, b","x"\n', "net.csv"))
    assert_frame_equal(net, frame([("a, b", "x")]))


def test_weights_are_1_where_there_is_no_column(written):
    net = read_net(written("source\ttarget\na\tx\nb\ty\n", "net.tsv"))
    assert net["weight"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("missing", ["", "NA", "nan", "NULL"])
def test_rows_without_a_weight_are_left_out_and_counted(written, missing):
    text = f"source\ttarget\tweight\na\tx\t1\nb\tNA\t{missing}\nb\ty\t-2e-1\n"
    with pytest.warns(UserWarning, match="1 rows have no weight and are left out"):
        net = read_net(written(text, "net.tsv"))
    assert_frame_equal(net, frame([("a", "x"), ("b", "y")], [1.0, -0.2]))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["a\tx\t1", "", "b\ty"], "line 4 has 2 fields, and line 1 has 3"),
        (["a\tx\t1\t2"], "line 2 has 4 fields"),
        (["a\tx\t1", "b\ty\thigh"], r"no finite weight: \('b', 'y'\) \(lines 3\)"),
        (["a\tx\t1", "", "b\ty\tinf"], r"no finite weight.*\(lines 4\)"),
        (["a\t\t1", "b\ty\t1", "\tz\t1"], r"2 rows of the net lack.*\(lines 2, 4\)"),
    ],
)
def test_malformed_rows_of_a_file_are_named_by_their_lines(written, lines, words):
    text = "\n".join(["source\ttarget\tweight", *lines])
    with pytest.raises(ValueError, match=words):
        read_net(written(text, "net.tsv"))


def test_file_without_the_columns_shows_those_that_it_has(written):
    with pytest.raises(ValueError, match=r"this one has \['tf', 'gene'\]. Rename"):
        read_net(written("tf\tgene\na\tx\n", "net.tsv"))


def test_empty_file_is_refused(written):
    with pytest.raises(ValueError, match=r"net\.tsv is empty"):
        read_net(written("", "net.tsv"))


def test_file_with_a_header_alone_is_a_net_without_rows(written):
    assert read_net(written("source\ttarget\n", "net.tsv")).empty


# ----------------------------------------------------------- the hallmarks, for real
def test_hallmarks_are_the_same_from_both_kinds_of_file(reference_data):
    folder = reference_data / "priors"
    sets = read_gmt(folder / "msigdb_hallmark_v7.0.symbols.gmt.gz")
    assert sets["source"].nunique() == 50
    assert sets["target"].nunique() == 4384
    table = read_net(folder / "msigdb_hallmark_v7.0.tsv.gz")
    assert_frame_equal(sets, table)


def test_hallmarks_survive_the_way_out_and_in(reference_data, tmp_path):
    path = reference_data / "priors" / "msigdb_hallmark_v7.0.symbols.gmt.gz"
    sets = read_gmt(path)
    write_gmt(sets, tmp_path / "again.gmt.gz")
    again = read_gmt(tmp_path / "again.gmt.gz")
    assert_frame_equal(sets, again)
    loadings = pathway_loadings(again)
    assert loadings.shape == (4384, 50)
    assert np.count_nonzero(loadings) == len(sets)
