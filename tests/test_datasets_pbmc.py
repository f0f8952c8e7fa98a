"""The cells of the blood are what their description says."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal

from sklearn_grn.datasets import load_pbmc


@pytest.fixture(scope="module")
def cells():
    return load_pbmc()


def test_cells_are_a_complete_numeric_table(cells):
    assert cells.data.shape == (700, 765)
    assert cells.data.dtype == np.float64
    assert cells.data.flags.c_contiguous
    assert np.isfinite(cells.data).all()


def test_two_thirds_of_the_entries_are_0(cells):
    assert cells.data.min() == 0
    assert np.mean(cells.data == 0) == pytest.approx(0.674, abs=5e-4)


def test_names_are_unique_strings(cells):
    for names, count in ((cells.feature_names, 765), (cells.sample_names, 700)):
        assert len(set(names)) == count
        assert all(isinstance(name, str) and name for name in names)


def test_target_is_the_type_of_the_cell(cells):
    assert len(cells.target_names) == 10
    labels = cells.samples["bulk_label"]
    assert_array_equal(cells.target_names[cells.target], labels)
    assert labels.value_counts().iloc[[0, -1]].tolist() == [240, 8]


def test_samples_describe_the_rows_of_the_data(cells):
    assert cells.samples.index.tolist() == cells.sample_names
    genes, labels = cells.feature_names, cells.samples["bulk_label"]
    # Markers of the types, so the two tables are in the same order.
    for gene, label in {"CD79A": "CD19+ B", "NKG7": "CD56+ NK"}.items():
        level = cells.data[:, genes.index(gene)]
        assert level[labels == label].mean() > level[labels != label].mean() + 1


def test_cells_as_frame(cells):
    framed = load_pbmc(as_frame=True)
    assert framed.data.columns.tolist() == cells.feature_names
    assert_array_equal(framed.data, cells.data)
    assert_frame_equal(framed.frame.drop(columns="target"), framed.data)
    assert_series_equal(framed.frame["target"], framed.target)
    assert cells.frame is None


@pytest.mark.parametrize("as_frame", [False, True])
def test_cells_return_X_y(cells, as_frame):
    X, y = load_pbmc(return_X_y=True, as_frame=as_frame)
    assert isinstance(X, pd.DataFrame if as_frame else np.ndarray)
    assert_array_equal(X, cells.data)
    assert_array_equal(y, cells.target)


def test_cells_state_origin_and_licence(cells):
    for word in ("Zheng", "CC-BY-4.0", "BSD 3-Clause"):
        assert word in cells.DESCR


def test_cells_are_those_of_the_reference(cells, reference_data):
    path = reference_data / "singlecell" / "pbmc68k_reduced_lognorm.tsv.gz"
    table = pd.read_csv(path, sep="\t", index_col=0, keep_default_na=False)
    assert table.columns.tolist() == cells.feature_names
    assert_allclose(table, cells.data, atol=5e-4)
