"""Expression tables are read from files of any make, and what is doubtful is asked."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from sklearn_grn import _anndata
from sklearn_grn._expression_tables import odd_names, read_expression
from sklearn_grn._text_tables import Layout

GENES = ["NA", "TP53", "MARCH1", "nan"]
SAMPLES = ["s1", "s2", "s3"]
VALUES = np.array([[1.5, -2, 3e-7, 0], [4, 5, 6, 7.25], [0.1, 0.2, 0.3, 1 / 3]])
TABLE = pd.DataFrame(
    VALUES, pd.Index(SAMPLES, dtype=object), pd.Index(GENES, dtype=object)
)
COLUMNS, ROWS = Layout(genes="columns"), Layout(genes="rows")


@pytest.fixture
def written(tmp_path):
    """Function that writes bytes or text to a file and returns its path."""

    def write(data, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def text(table=TABLE, **options):
    return table.to_csv(**options)


# ----------------------------------------------------------------------------- its make
@pytest.mark.parametrize(
    "data",
    [
        text(),
        text(sep="\t"),
        text(quoting=1),
        text(index_label="sample"),
        text().replace("\n", "\r\n"),
        text().replace("\n", "\r"),
        text().encode("utf-8-sig"),
        text().removesuffix("\n"),
        text().removeprefix(","),
        text().replace(",", " , "),
        "\n" + text().replace("\n", "\n\n"),
        gzip.compress(text(sep="\t").encode()),
    ],
    ids=[
        "commas",
        "tabs",
        "all quoted",
        "labels with a name",
        "CRLF",
        "CR",
        "byte order mark",
        "no last line end",
        "nothing above the labels, as from R",
        "spaces around fields",
        "empty lines",
        "gzip",
    ],
)
def test_table_is_read_whatever_its_make(written, data):
    assert_frame_equal(read_expression(written(data), COLUMNS).table, TABLE)


def test_path_may_be_text(written):
    assert_frame_equal(read_expression(str(written(text())), COLUMNS).table, TABLE)


def test_separator_may_be_given(written):
    layout = Layout(genes="columns", separator=";")
    assert_frame_equal(read_expression(written(text(sep=";")), layout).table, TABLE)


def test_genes_in_rows_become_columns(written):
    found = read_expression(written(text(TABLE.T)), ROWS)
    assert_frame_equal(found.table, TABLE)
    assert found.orientation == "genes in rows, as you say"


def test_labels_may_stand_in_any_column(written):
    table = TABLE.assign(sample=SAMPLES)[["TP53", "sample", "NA"]]
    layout = Layout(genes="columns", labels="sample")
    found = read_expression(written(text(table, index=False)), layout).table
    assert_frame_equal(found, TABLE[["TP53", "NA"]])


def test_without_labels_every_column_is_a_gene(written):
    layout = Layout(genes="columns", no_labels=True)
    found = read_expression(written(text(index=False)), layout).table
    assert found.index.tolist() == ["1", "2", "3"]
    assert_frame_equal(found.set_axis(TABLE.index), TABLE)


def test_columns_and_rows_may_be_left_out(written):
    data = text(TABLE.assign(group="a")) + "group,x,y,z,w,\n"
    layout = Layout(genes="columns", drop=("group", "TP53"))
    found = read_expression(written(data), layout).table
    assert_frame_equal(found, TABLE.drop(columns="TP53"))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_keep_all_digits(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("numbers") / "table.csv"
    path.write_text(text(pd.DataFrame({"gene": numbers, "other": 0.0})))
    found = read_expression(path, COLUMNS).table["gene"]
    assert found.tolist() == numbers


# -------------------------------------------------------------------- where genes are
@pytest.mark.parametrize("side", ["columns", "rows"])
def test_known_genes_tell_where_the_genes_are(written, side):
    table = TABLE if side == "columns" else TABLE.T
    found = read_expression(written(text(table)), known_genes=["TP53", "NA", "MYC"])
    assert_frame_equal(found.table, TABLE)
    expected = f"genes in {side}, where 2 of the 4 names are known genes"
    assert found.orientation == expected


def test_what_a_person_says_counts_more_than_known_genes(written):
    table = read_expression(written(text()), ROWS, known_genes=GENES).table
    assert table.columns.tolist() == SAMPLES


def test_a_sample_called_like_a_gene_does_not_matter(written):
    genes = [f"G{i}" for i in range(20)]
    table = pd.DataFrame(np.eye(20), ["G7", *(f"s{i}" for i in range(19))], genes)
    assert read_expression(written(text(table)), None, genes).table.columns[0] == "G0"


def test_genes_on_both_sides_are_asked_for(written):
    path = written(text(TABLE.set_axis(["TP53", "a", "b"])))
    with pytest.raises(ValueError, match=r"Known genes are in both, 1 and 1"):
        read_expression(path, None, ["TP53"])


def test_side_is_asked_for_and_not_guessed(written):
    path = written(text(TABLE.set_axis([1, 2, 3])))
    with pytest.raises(ValueError, match=r"--genes columns or --genes rows") as caught:
        read_expression(path)
    assert "the 4 columns ('NA', 'TP53', ...) or the 3 rows ('1', '2', ...)" in str(
        caught.value
    )
    assert "the rows like numbers" in str(caught.value)


def test_question_says_why_known_genes_do_not_tell(written):
    path = written(text(TABLE.rename(columns=str.lower)))
    with pytest.raises(ValueError, match="without regard to case"):
        read_expression(path, None, ["TP53", "MARCH1", "MYC"])


def test_a_named_first_column_of_numbers_is_asked_for(written):
    data = "TP53,MYC\n1,2\n3,4\n"
    with pytest.raises(ValueError, match=r"'TP53', holds only numbers: say --labels"):
        read_expression(written(data), COLUMNS)


@pytest.mark.parametrize("layout", [Layout("columns", labels="id"), ROWS])
def test_numbers_may_be_labels_if_a_person_says_so(written, layout):
    table = read_expression(written("id,a,b\n7157,1,2\n4609,3,4\n"), layout).table
    assert "7157" in (table.index if layout.genes == "columns" else table.columns)


# ------------------------------------------------------------------------------ refused
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "holds no table"),
        (",a,b\n", "holds no table"),
        (",a,b\ns1,1,2\ns2,3\n", "line 3 has 2 fields, and 3 names stand in line 1"),
        (",a,b\ns1,1,2\ns2,3,4,5\n", "line 3 has 4 fields"),
        ("a;b\n1;2\n", r"line 1 has no comma in it; .* --sep ';'"),
        (",a,b\ns1,1,\ns2,3,NA\n", "2 values are missing, the first in column 'b', "),
        (
            ",a,b\ns1,1,inf\n",
            "1 values are infinite, the first in column 'b', row 's1'",
        ),
        (
            ",a,b\ns1,1,high\n",
            "'high' in column 'b', row 's1' is no number; correct it",
        ),
        (",a,b\ns1,1,1_0\n", "'1_0' in column 'b', row 's1' is no number"),
        (",a,b\ns1,1,x\ns2,1,y\n", "2 values of that column .* --drop 'b'"),
        (",a,b,c\ns1,1,2,3\ng,x,y,z\n", "3 values of that row .* --drop 'g'"),
        (",a,b,a,b\ns1,1,2,3,4\n", "2 gene names come more than once: 'a', 'b'"),
        (",a,,b\ns1,1,2,3\n", "gene number 2 of 3 has no name"),
        (b",a,b\ns1,1,\xff\n", "line 2 is not text in UTF-8"),
        (b"\x1f\x8bnonsense", "is a damaged gzip file"),
    ],
)
def test_refusal_names_value_and_place(written, data, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_expression(written(data), COLUMNS)
    assert "\n" not in str(caught.value)


def test_decimal_commas_are_told(written):
    layout = Layout(genes="columns", separator=";")
    with pytest.raises(ValueError, match=r"'1,5' in column 'a'.* a decimal point"):
        read_expression(written(";a;b\ns1;1,5;2\n"), layout)


@pytest.mark.parametrize(
    "layout", [Layout("columns", labels="id"), Layout("columns", drop=("id",))]
)
def test_a_name_that_is_not_there_is_refused(written, layout):
    with pytest.raises(ValueError, match="'id'"):
        read_expression(written(text()), layout)


def test_repeated_genes_are_found_in_rows_too(written):
    with pytest.raises(ValueError, match="more than once: 'TP53'"):
        read_expression(written(",s1,s2\nTP53,1,2\nTP53,3,4\n"), ROWS)


def test_a_spreadsheet_is_refused(written):
    with pytest.raises(ValueError, match="save it as CSV"):
        read_expression(written(b"PK", "table.xlsx"), COLUMNS)


def test_dates_among_the_names_are_told():
    assert odd_names(pd.Index(["1-Mar", "TP53"])).startswith("1 gene names look like")
    assert odd_names(pd.Index(["NKX2-1", "TP53"])) == ""


# ------------------------------------------------------------------------------ AnnData
@pytest.fixture
def annotated(monkeypatch):
    """Function that makes files of an AnnData hold a table."""

    def hold(table, error=None):
        def read(path, layer=None):
            if error is not None:
                raise error
            return table

        monkeypatch.setattr("sklearn_grn._expression_tables.expression_table", read)

    return hold


def test_genes_of_an_anndata_are_its_variables(annotated):
    annotated(TABLE)
    found = read_expression("cells.h5ad")
    assert_frame_equal(found.table, TABLE)
    assert found.orientation == "genes in columns, as in every AnnData"


def test_anndata_may_hold_its_genes_in_rows(annotated):
    annotated(TABLE.T)
    assert_frame_equal(read_expression("cells.h5ad", ROWS).table, TABLE)


def test_parts_of_an_anndata_may_be_left_out(annotated):
    annotated(TABLE)
    found = read_expression("cells.h5ad", Layout(drop=("s1", "nan"))).table
    assert_frame_equal(found, TABLE.iloc[1:, :3])


def test_a_damaged_anndata_is_one_line(annotated):
    annotated(None, KeyError("no X"))
    with pytest.raises(ValueError, match=r"cells\.h5ad is no file of an AnnData"):
        read_expression("cells.h5ad")


def test_lack_of_anndata_names_the_extra(monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(_anndata, "import_module", fail)
    with pytest.raises(ImportError, match=r"sklearn-grn\[anndata\]"):
        read_expression("cells.h5ad")


def test_file_of_an_anndata_is_read(tmp_path):
    anndata = pytest.importorskip("anndata")
    anndata.AnnData(TABLE).write_h5ad(tmp_path / "cells.h5ad")
    assert_frame_equal(read_expression(tmp_path / "cells.h5ad").table, TABLE)
