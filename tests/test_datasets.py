"""The shipped tables are what their descriptions say."""

from importlib import resources

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal

from sklearn_grn.datasets import _loaders, load_leukemia


@pytest.fixture(scope="module")
def leukemia():
    return load_leukemia()


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


def test_leukemia_takes_at_most_400_kb():
    folder = resources.files("sklearn_grn.datasets") / "data"
    names = ["leukemia_expression.csv.gz", "leukemia_samples.csv", "README.md"]
    assert sum(len((folder / name).read_bytes()) for name in names) <= 400_000


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
