"""The shipped tables are what their descriptions say."""

from importlib import resources

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal

from sklearn_grn.datasets import _loaders, load_leukemia, load_progeny


@pytest.fixture(scope="module")
def leukemia():
    return load_leukemia()


@pytest.fixture(scope="module")
def progeny():
    return load_progeny()


def test_leukemia_is_a_complete_numeric_table(leukemia):
    assert leukemia.data.shape == (128, 1300)
    assert leukemia.data.dtype == np.float64
    assert leukemia.data.flags.c_contiguous
    assert leukemia.data.flags.writeable
    assert np.isfinite(leukemia.data).all()


def test_leukemia_names_are_unique_strings(leukemia):
    for names, count in ((leukemia.feature_names, 1300), (leukemia.sample_names, 128)):
        assert len(set(names)) == count
        assert all(isinstance(name, str) and name for name in names)
    assert leukemia.sample_names[0] == "01005"


def test_leukemia_target_is_the_lineage(leukemia):
    assert_array_equal(leukemia.target_names, ["B", "T"])
    assert_array_equal(np.bincount(leukemia.target), [95, 33])
    lineage = leukemia.samples["BT"].str[0]
    assert_array_equal(leukemia.target_names[leukemia.target], lineage)


def test_leukemia_samples_describe_the_rows_of_the_data(leukemia):
    samples = leukemia.samples
    assert samples.columns.tolist() == ["sex", "age", "BT", "mol.biol"]
    assert samples.index.tolist() == leukemia.sample_names
    assert samples["sex"].value_counts().to_dict() == {"M": 83, "F": 42}
    assert samples["age"].between(5, 58).sum() == 123
    # Genes of the Y chromosome know the sex, so the two tables are in the same order.
    y_gene = leukemia.data[:, leukemia.feature_names.index("RPS4Y1")]
    men, women = (y_gene[samples["sex"] == sex] for sex in "MF")
    assert np.median(men) > np.median(women) + 3


def test_leukemia_genes_come_most_variable_first(leukemia):
    assert np.diff(leukemia.data.var(axis=0)).max() < 1e-3  # but for the rounding


def test_leukemia_as_frame(leukemia):
    framed = load_leukemia(as_frame=True)
    assert framed.data.columns.tolist() == leukemia.feature_names
    assert framed.data.index.tolist() == leukemia.sample_names
    assert_array_equal(framed.data, leukemia.data)
    assert_array_equal(framed.target, leukemia.target)
    assert_frame_equal(framed.frame.drop(columns="target"), framed.data)
    assert_series_equal(framed.frame["target"], framed.target)
    assert leukemia.frame is None


@pytest.mark.parametrize("as_frame", [False, True])
def test_leukemia_return_X_y(as_frame):
    X, y = load_leukemia(return_X_y=True, as_frame=as_frame)
    bunch = load_leukemia(as_frame=as_frame)
    assert isinstance(X, pd.DataFrame if as_frame else np.ndarray)
    assert isinstance(y, pd.Series if as_frame else np.ndarray)
    assert_array_equal(X, bunch.data)
    assert_array_equal(y, bunch.target)


def test_leukemia_states_origin_and_licence(leukemia):
    assert "Chiaretti" in leukemia.DESCR
    assert "Artistic License 2.0" in leukemia.DESCR


@pytest.mark.parametrize("table", ["leukemia", "pbmc", "progeny"])
def test_each_table_takes_at_most_400_kb(table):
    folder = resources.files("sklearn_grn.datasets") / "data"
    files = [file for file in folder.iterdir() if file.name.startswith(table)]
    assert 0 < sum(len(file.read_bytes()) for file in files) <= 400_000


def test_no_file_of_the_folder_is_beyond_the_budgets():
    folder = resources.files("sklearn_grn.datasets") / "data"
    tables = ("leukemia", "pbmc", "progeny")
    others = [file for file in folder.iterdir() if not file.name.startswith(tables)]
    licences = {"LICENSE-Apache-2.0.txt", "LICENSE-BSD-3-Clause.txt"}
    assert {file.name for file in others} == {"README.md", *licences}
    assert sum(len(file.read_bytes()) for file in others) <= 25_000


@pytest.mark.parametrize(
    "file_name",
    [
        "leukemia_expression.csv.gz",
        "pbmc_expression.csv.gz",
        "progeny_human_top500.csv.gz",
    ],
)
def test_compressed_tables_hold_no_time_and_no_file_name(file_name):
    header = (resources.files("sklearn_grn.datasets") / "data" / file_name).read_bytes()
    flags, time = header[3], header[4:8]
    assert flags == 0
    assert time == bytes(4)


def test_gene_called_NA_and_gene_called_like_a_date_keep_their_names(
    tmp_path, monkeypatch
):
    text = "sample,NA,MARCH1,1-Dec,nan\n007,1.5,,2.5,3.5\n"
    (tmp_path / "table.csv").write_text(text)
    monkeypatch.setattr(_loaders, "_DATA", tmp_path)
    table = _loaders._read_table("table.csv")
    assert table.columns.tolist() == ["NA", "MARCH1", "1-Dec", "nan"]
    assert table.index.tolist() == ["007"]
    assert table["MARCH1"].isna().all()


def test_leukemia_equals_the_table_it_was_cut_from(leukemia, reference_data):
    with np.load(reference_data / "tumour" / "all_leukemia.npz") as reference:
        X, genes = reference["X"].astype(np.float64), reference["genes"]
        assert_array_equal(leukemia.sample_names, reference["samples"])
    most_variable = np.argsort(-X.var(axis=0), kind="stable")[:1300]
    assert_array_equal(leukemia.feature_names, genes[most_variable])
    rounding = 0.0005
    assert_allclose(leukemia.data, X[:, most_variable], rtol=0, atol=rounding + 1e-12)


# ---------------------------------------------------------------------- PROGENy
def test_progeny_has_14_pathways_of_500_genes(progeny):
    assert progeny.data.columns.tolist() == ["source", "target", "weight", "p_value"]
    assert len(progeny.pathway_names) == 14
    assert progeny.data["source"].unique().tolist() == progeny.pathway_names
    assert progeny.data.groupby("source").size().eq(500).all()
    assert not progeny.data.duplicated(["source", "target"]).any()


def test_progeny_names_are_strings_and_numbers_are_complete(progeny):
    for column in ("source", "target"):
        assert all(isinstance(name, str) and name for name in progeny.data[column])
    numbers = progeny.data[["weight", "p_value"]]
    assert (numbers.dtypes == np.float64).all()
    assert np.isfinite(numbers).all(axis=None)
    assert (numbers["weight"] != 0).all()


def test_progeny_genes_come_surest_first(progeny):
    for _, genes in progeny.data.groupby("source"):
        assert genes["p_value"].is_monotonic_increasing
    assert progeny.data["p_value"].between(0, 0.1).all()


@pytest.mark.parametrize(
    ("pathway", "gene", "sign"),
    [
        ("Androgen", "KLK3", 1),  # PSA, the marker of androgen action
        ("Estrogen", "GREB1", 1),
        ("Hypoxia", "CA9", 1),
        ("NFkB", "NFKBIA", 1),
        ("TGFb", "SERPINE1", 1),
        ("p53", "CDKN1A", 1),
        ("p53", "MDM2", 1),
        ("p53", "PLK1", -1),  # of the cell cycle, which p53 halts
    ],
)
def test_progeny_weights_have_the_sign_of_the_textbook(progeny, pathway, gene, sign):
    weight = progeny.data.set_index(["source", "target"])["weight"]
    assert np.sign(weight[pathway, gene]) == sign


def test_progeny_keeps_gene_names_that_look_like_dates(progeny):
    assert {"MARCH5", "MARCH8", "SEPT3", "SEPT9"} <= set(progeny.data["target"])


def test_net_keeps_names_that_look_like_numbers_dates_or_gaps(tmp_path, monkeypatch):
    names = ["NA", "nan", "MARCH1", "1-Dec", "007", "1e5", "null"]
    rows = [f"NA,{name},1.5" for name in names]
    (tmp_path / "net.csv").write_text("\n".join(["source,target,weight", *rows]))
    monkeypatch.setattr(_loaders, "_DATA", tmp_path)
    net = _loaders._read_net("net.csv")
    assert net["target"].tolist() == names
    assert set(net["source"]) == {"NA"}


def test_progeny_states_origin_licence_and_changes(progeny):
    for words in ("Schubert", "Holland", "1.20.0", "Apache-2.0", "rounded"):
        assert words in progeny.DESCR
    assert "Chiaretti" not in progeny.DESCR


def test_progeny_is_not_in_the_description_of_the_leukemia(leukemia):
    assert leukemia.DESCR.startswith("Expression in acute lymphoblastic leukaemia")
    assert "PROGENy" not in leukemia.DESCR


def test_progeny_loads_afresh_each_time(progeny):
    spoilt = load_progeny().data
    spoilt["weight"] = 0.0
    assert_frame_equal(load_progeny().data, progeny.data)


def test_progeny_equals_the_table_it_was_made_from(progeny, reference_data):
    source = reference_data / "priors" / "progeny_human_top500.tsv.gz"
    reference = pd.read_csv(source, sep="\t", keep_default_na=False)
    assert_frame_equal(progeny.data, reference, check_exact=True)
