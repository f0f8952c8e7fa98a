"""Every way in which people hold pathway loadings, and every way to get them wrong."""

from contextlib import contextmanager

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_grn import FactorPrecisionEstimator

GENES = [f"gene{i}" for i in range(8)]
SAMPLES = np.random.default_rng(0).normal(size=(6, 8)) + 1.0
# Small whole numbers, exact in every data type.
LOADINGS = np.random.default_rng(1).integers(-3, 4, size=(8, 2)).astype(np.float64)
TABLE = pd.DataFrame(LOADINGS, index=GENES, columns=["p53", "NFkB"])


def fit_named(**parameters):
    frame = pd.DataFrame(SAMPLES, columns=GENES)
    return FactorPrecisionEstimator(**parameters).fit(frame)


def fit_unnamed(**parameters):
    return FactorPrecisionEstimator(**parameters).fit(SAMPLES)


on_named_and_not = pytest.mark.parametrize("fit", [fit_named, fit_unnamed])


# ------------------------------------------------------------- the naive formulas
def with_pathways(covariance, loadings, activity_variance=1.0):
    """Sigma + X diag(phi) X', dense."""
    phi = np.broadcast_to(activity_variance, loadings.shape[1])
    return covariance.toarray() + loadings @ np.diag(phi) @ loadings.T


def assert_has_pathways(estimator, loadings, activity_variance=1.0):
    assert_array_equal(estimator.pathway_loadings_, loadings)
    base = fit_unnamed().covariance_
    expected = with_pathways(base, loadings, activity_variance)
    assert_allclose(estimator.covariance_.toarray(), expected, rtol=1e-13, atol=1e-14)


@contextmanager
def refused(estimator, message, error=ValueError):
    """The block raises, and leaves the estimator as it was."""
    before = joblib.hash(estimator)
    with pytest.raises(error, match=message):
        yield
    assert joblib.hash(estimator) == before


# ------------------------------------------------------------------ tables by position
def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


CONTAINERS = {
    "array": np.array,
    "list": np.ndarray.tolist,
    "Fortran": np.asfortranarray,
    "strided": lambda array: np.repeat(array, 2, axis=0)[::2],
    "read-only": read_only,
    "float32": lambda array: array.astype(np.float32),
    "int8": lambda array: array.astype(np.int8),
    "object": lambda array: array.astype(object),
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
    "coo_array": sparse.coo_array,
    "csr_matrix": sparse.csr_matrix,
    "polars": pl.DataFrame,
}


@on_named_and_not
@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_without_gene_names_go_by_position(fit, container):
    estimator = fit().partial_fit_pathways(CONTAINERS[container](LOADINGS))
    assert_has_pathways(estimator, LOADINGS)


@on_named_and_not
def test_true_and_false_are_loadings(fit):
    members = LOADINGS > 0
    assert_has_pathways(fit().partial_fit_pathways(members), members.astype(float))


ONE_COLUMN = {
    "array": np.array,
    "strided": lambda column: np.repeat(column, 2)[::2],
    "int": lambda column: column.astype(int),
    "coo_array": sparse.coo_array,
}


@on_named_and_not
@pytest.mark.parametrize("container", ONE_COLUMN)
def test_one_dimension_is_one_pathway(fit, container):
    estimator = fit().partial_fit_pathways(ONE_COLUMN[container](LOADINGS[:, 0]))
    assert_has_pathways(estimator, LOADINGS[:, :1])


@pytest.mark.parametrize("container", [list, tuple, pl.Series])
def test_one_dimension_without_ndim_is_one_pathway(container):
    column = container(LOADINGS[:, 0].tolist())
    assert_has_pathways(fit_unnamed().partial_fit_pathways(column), LOADINGS[:, :1])


def test_a_frame_numbered_by_pandas_goes_by_position_where_genes_have_no_names():
    frame = TABLE.reset_index(drop=True)
    assert_has_pathways(fit_unnamed().partial_fit_pathways(frame), LOADINGS)
    column = fit_unnamed().partial_fit_pathways(frame["p53"])
    assert_has_pathways(column, LOADINGS[:, :1])


def test_loadings_take_the_data_type_of_the_samples():
    estimator = FactorPrecisionEstimator().fit(SAMPLES.astype(np.float32))
    estimator.partial_fit_pathways(LOADINGS)
    assert estimator.pathway_loadings_.dtype == np.float32
    assert estimator.precision_.dtype == np.float32


# ---------------------------------------------------------------------- tables by name
ALIGNED = {
    "aligned": TABLE,
    "permuted": TABLE.iloc[[3, 1, 7, 0, 2, 6, 5, 4]],
    "other type of text": TABLE.set_axis(TABLE.index.astype(object)),
    "sparse columns": TABLE.astype(pd.SparseDtype(float, 0.0)),
    "nullable columns": TABLE.astype("Float64"),
    "whole numbers": TABLE.astype(int),
}


@pytest.mark.parametrize("table", ALIGNED.values(), ids=list(ALIGNED))
def test_pandas_tables_are_aligned_by_gene_name(table):
    estimator = fit_named().partial_fit_pathways(table)
    assert_has_pathways(estimator, LOADINGS)
    assert_array_equal(estimator.pathway_names_, ["p53", "NFkB"])


def test_a_series_is_aligned_by_gene_name():
    estimator = fit_named().partial_fit_pathways(TABLE["NFkB"].iloc[::-1])
    assert_has_pathways(estimator, LOADINGS[:, 1:])
    assert_array_equal(estimator.pathway_names_, ["NFkB"])


def test_genes_that_the_loadings_lack_load_nothing():
    rows = [6, 2, 3]
    estimator = fit_named().partial_fit_pathways(TABLE.iloc[rows])
    expected = np.zeros_like(LOADINGS)
    expected[rows] = LOADINGS[rows]
    assert_has_pathways(estimator, expected)


def with_unknown_genes(table=TABLE):
    """Three rows more, whose labels need not be text."""
    labels = ["TP53", 7, ("gene0", "gene1")]
    index = pd.Index([*table.index, *labels], dtype=object, tupleize_cols=False)
    values = np.vstack([table, np.ones((3, 2))])
    return pd.DataFrame(values, index=index, columns=table.columns).iloc[::-1]


def test_genes_that_the_model_lacks_are_left_out():
    estimator = fit_named()
    with pytest.warns(UserWarning, match="not in the fitted table"):
        estimator.partial_fit_pathways(with_unknown_genes())
    assert_has_pathways(estimator, LOADINGS)


def test_one_warning_counts_the_genes_that_the_model_lacks():
    estimator = fit_named()
    with pytest.warns(UserWarning, match="3 of the 11 genes of the loadings") as caught:
        estimator.partial_fit_pathways(with_unknown_genes())
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_the_warning_of_fit_points_to_the_caller():
    with pytest.warns(UserWarning, match="3 of the 11 genes of the loadings") as caught:
        fit_named(pathways=with_unknown_genes())
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "table",
    [
        TABLE.rename(index=str.upper),
        TABLE.reset_index(drop=True),
        TABLE["p53"].rename(index=str.upper),
        TABLE.iloc[:3].rename(index=str.upper),
    ],
    ids=["upper case", "numbered", "series", "short"],
)
def test_no_gene_in_common_is_refused_with_examples_of_both_sides(table):
    estimator = fit_named()
    genes = rf"\['gene0', 'gene1', 'gene2'\].*\[{table.index[0]!r}, {table.index[1]!r},"
    with refused(estimator, f"share no gene with the fitted table.*{genes}"):
        estimator.partial_fit_pathways(table)


@pytest.mark.parametrize("column", [slice(None), "p53"], ids=["frame", "series"])
def test_gene_names_are_refused_where_the_model_has_none(column):
    estimator = fit_unnamed()
    two_ways_out = r"Fit on a table with gene names.*or pass loadings.to_numpy\(\)"
    with refused(estimator, rf"\['gene0', 'gene1', 'gene2'\].*{two_ways_out}"):
        estimator.partial_fit_pathways(TABLE.loc[:, column])


def test_numbers_as_gene_names_are_refused_where_the_model_has_none():
    estimator = fit_unnamed()
    with refused(estimator, r"have gene names \(\[0, 2, 1\], \.\.\.\)"):
        estimator.partial_fit_pathways(TABLE.set_axis([0, 2, 1, 3, 4, 5, 6, 7]))


# ----------------------------------------------------------------- gene names twice
TWICE = [*GENES[:-1], "gene3"]


def fit_twice_named():
    # scikit-learn before 1.9 fits such a table, later ones refuse it themselves.
    estimator = fit_named()
    estimator.feature_names_in_ = np.array(TWICE, dtype=object)
    return estimator


def test_duplicate_genes_of_the_loadings_are_refused():
    estimator = fit_named()
    message = r"gene names of the loadings are not unique.*\['gene3'\]"
    with refused(estimator, message):
        estimator.partial_fit_pathways(TABLE.set_axis(TWICE))


def test_duplicate_genes_of_the_model_are_refused_where_names_align():
    estimator = fit_twice_named()
    message = r"table are not unique.*\['gene3'\]"
    with refused(estimator, message):
        estimator.partial_fit_pathways(TABLE)


@pytest.mark.parametrize("container", CONTAINERS)
def test_duplicate_genes_are_no_trouble_by_position(container):
    estimator = fit_twice_named()
    estimator.partial_fit_pathways(CONTAINERS[container](LOADINGS))
    assert_has_pathways(estimator, LOADINGS)


# ------------------------------------------------------------- shapes and values
@on_named_and_not
@pytest.mark.parametrize("container", [np.array, sparse.csr_array, pl.DataFrame])
def test_the_wrong_orientation_is_refused_with_both_shapes(fit, container):
    estimator = fit()
    message = r"shape \(2, 8\), and must be \(8, n_pathways\).*pass its transpose"
    with refused(estimator, message):
        estimator.partial_fit_pathways(container(LOADINGS.T))


def test_a_table_with_genes_as_columns_is_refused():
    estimator = fit_named()
    message = r"shape \(2, 8\) with the genes as columns; pass loadings.T.* 8 genes"
    with refused(estimator, message):
        estimator.partial_fit_pathways(TABLE.T)


def test_a_table_with_genes_as_columns_is_refused_where_the_model_has_no_names():
    estimator = fit_unnamed()
    with refused(estimator, r"have gene names \(\['p53', 'NFkB'\], \.\.\.\)"):
        estimator.partial_fit_pathways(TABLE.T)


@on_named_and_not
@pytest.mark.parametrize("n_rows", [1, 7, 9])
def test_the_wrong_length_is_refused(fit, n_rows):
    estimator, loadings = fit(), np.ones((n_rows, 2))
    message = rf"shape \({n_rows}, 2\), and must be \(8, n_pathways\).*row per gene"
    with refused(estimator, message):
        estimator.partial_fit_pathways(loadings)


@on_named_and_not
@pytest.mark.parametrize("container", [np.array, list, sparse.csr_array, pl.DataFrame])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "pathway loadings contains NaN"),
        (np.inf, "pathway loadings contains infinity"),
        (-np.inf, "pathway loadings contains infinity"),
    ],
)
def test_values_that_are_not_finite_are_refused(fit, container, value, message):
    estimator, loadings = fit(), LOADINGS.copy()
    loadings[3, 1] = value
    with refused(estimator, message):
        estimator.partial_fit_pathways(container(loadings))


@on_named_and_not
@pytest.mark.parametrize(
    ("loadings", "message"),
    [
        (np.where(LOADINGS > 2, None, LOADINGS), "pathway loadings contains NaN"),
        (LOADINGS.astype(str).astype(object) + "x", "could not convert string"),
        (np.array([["up", "down"]] * 8), "could not convert string"),
        (LOADINGS * 1j, "Complex data not supported"),
    ],
    ids=["None", "object", "text", "complex"],
)
def test_values_that_are_no_numbers_are_refused(fit, loadings, message):
    estimator = fit()
    with refused(estimator, message):
        estimator.partial_fit_pathways(loadings)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_values_in_a_table_are_refused(value):
    estimator, table = fit_named(), TABLE.copy()
    table.iloc[3, 1] = value
    with refused(estimator, "pathway loadings contains"):
        estimator.partial_fit_pathways(table)


@on_named_and_not
@pytest.mark.parametrize(
    "loadings",
    [None, 3.0, "p53", LOADINGS[None], LOADINGS[:, :0], TABLE.iloc[:, :0], []],
    ids=["None", "number", "text", "3-d", "no column", "no column of table", "empty"],
)
def test_what_is_no_table_is_refused(fit, loadings):
    estimator = fit()
    with refused(estimator, "."):
        estimator.partial_fit_pathways(loadings)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(
    ("dtype", "size"), [(np.float64, 1e160), (np.float32, 1e25), (np.float32, 1e50)]
)
def test_loadings_whose_squares_leave_the_range_of_floats_are_refused(dtype, size):
    estimator = FactorPrecisionEstimator().fit(SAMPLES.astype(dtype))
    with refused(estimator, "range of floating point numbers"):
        estimator.partial_fit_pathways(LOADINGS * size)
