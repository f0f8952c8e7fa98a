"""Names of pathways, variances of activities, and what is kept of the caller's."""

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
LOADINGS = np.random.default_rng(1).normal(size=(8, 2))
TABLE = pd.DataFrame(LOADINGS, index=GENES, columns=["p53", "NFkB"])


def fit_named(**parameters):
    frame = pd.DataFrame(SAMPLES, columns=GENES)
    return FactorPrecisionEstimator(**parameters).fit(frame)


@pytest.fixture
def estimator():
    return fit_named()


@contextmanager
def refused(estimator, message):
    """The block raises, and leaves the estimator as it was."""
    before = joblib.hash(estimator)
    with pytest.raises(ValueError, match=message):
        yield
    assert joblib.hash(estimator) == before


# --------------------------------------------------------------------------- names
def test_names_default_to_numbers(estimator):
    estimator.partial_fit_pathways(LOADINGS).partial_fit_pathways(LOADINGS[:, 0])
    assert_array_equal(estimator.pathway_names_, ["pathway0", "pathway1", "pathway2"])


def test_default_names_avoid_those_that_are_present(estimator):
    estimator.partial_fit_pathways(LOADINGS, ["pathway1", "p53"])
    estimator.partial_fit_pathways(LOADINGS)
    expected = ["pathway1", "p53", "pathway0", "pathway2"]
    assert_array_equal(estimator.pathway_names_, expected)


def test_default_names_are_unique_after_removals(estimator):
    for gone in ("pathway0", "pathway2", "pathway1"):
        estimator.partial_fit_pathways(LOADINGS).remove_pathways(gone)
        estimator.partial_fit_pathways(LOADINGS[:, 0])
        names = estimator.pathway_names_.tolist()
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("table", [TABLE, pl.from_pandas(TABLE)], ids=["pandas", "pl"])
def test_names_come_from_the_columns(estimator, table):
    estimator.partial_fit_pathways(table)
    assert_array_equal(estimator.pathway_names_, ["p53", "NFkB"])


def test_columns_that_are_no_text_become_text(estimator):
    estimator.partial_fit_pathways(TABLE.set_axis([7, ("a", 1)], axis=1))
    assert_array_equal(estimator.pathway_names_, ["7", "('a', 1)"])


def test_the_name_of_a_series_is_that_of_the_pathway(estimator):
    estimator.partial_fit_pathways(TABLE["p53"].rename(7))
    assert_array_equal(estimator.pathway_names_, ["7"])


def test_a_series_without_a_name_takes_the_default(estimator):
    estimator.partial_fit_pathways(TABLE["p53"].rename(None))
    assert_array_equal(estimator.pathway_names_, ["pathway0"])


def test_a_second_series_without_a_name_takes_the_next_default(estimator):
    nameless = TABLE["p53"].rename(None)
    estimator.partial_fit_pathways(nameless).partial_fit_pathways(nameless)
    assert_array_equal(estimator.pathway_names_, ["pathway0", "pathway1"])


@pytest.mark.parametrize("loadings", [LOADINGS, TABLE], ids=["array", "table"])
@pytest.mark.parametrize(
    "container", [list, tuple, np.array, pd.Index, iter, pl.Series]
)
def test_names_may_be_given_in_any_container(estimator, loadings, container):
    estimator.partial_fit_pathways(loadings, container(["hypoxia", "PI3K"]))
    assert_array_equal(estimator.pathway_names_, ["hypoxia", "PI3K"])
    assert estimator.pathway_names_.dtype == object


@pytest.mark.parametrize("loadings", [LOADINGS[:, 0], TABLE["p53"]], ids=["array", "s"])
def test_one_name_may_be_plain_text(estimator, loadings):
    estimator.partial_fit_pathways(loadings, "hypoxia")
    assert_array_equal(estimator.pathway_names_, ["hypoxia"])


def test_given_names_may_mend_columns_of_one_name(estimator):
    twice = TABLE.set_axis(["p53", "p53"], axis=1)
    estimator.partial_fit_pathways(twice, ["up", "down"])
    assert_array_equal(estimator.pathway_loadings_, LOADINGS)


@pytest.mark.parametrize("names", ["p53", ["p53"], ["a", "b", "c"], []])
def test_another_number_of_names_is_refused(estimator, names):
    n_names = 1 if names == "p53" else len(names)
    with refused(estimator, f"has {n_names} names, the loadings have 2 columns"):
        estimator.partial_fit_pathways(LOADINGS, names)


@pytest.mark.parametrize("names", [["p53", "p53"], [1, "1"]])
def test_a_name_that_is_given_twice_is_refused(estimator, names):
    with refused(estimator, rf"\['{names[0]}'\] come twice.*other pathway_names"):
        estimator.partial_fit_pathways(LOADINGS, names)


def test_columns_of_one_name_are_refused(estimator):
    with refused(estimator, r"\['p53'\] come twice"):
        estimator.partial_fit_pathways(TABLE.set_axis(["p53", "p53"], axis=1))


def test_a_name_that_is_present_is_refused(estimator):
    estimator.partial_fit_pathways(TABLE)
    with refused(estimator, r"\['NFkB'\] are present already.*remove_pathways"):
        estimator.partial_fit_pathways(LOADINGS, ["hypoxia", "NFkB"])


def test_a_table_that_is_present_is_refused(estimator):
    estimator.partial_fit_pathways(TABLE)
    with refused(estimator, r"\['p53', 'NFkB'\] are present already"):
        estimator.partial_fit_pathways(TABLE)


def test_a_name_is_free_again_after_its_removal(estimator):
    estimator.partial_fit_pathways(TABLE).remove_pathways("p53")
    estimator.partial_fit_pathways(LOADINGS[:, 1], "p53")
    assert_array_equal(estimator.pathway_names_, ["NFkB", "p53"])
    assert_array_equal(estimator.pathway_loadings_, LOADINGS[:, [1, 1]])


# ------------------------------------------------------------- variances of activities
VARIANCES = {
    "none": None,
    "one number": 0.25,
    "whole number": 4,
    "NumPy number": np.float32(0.25),
    "list": [0.25, 4],
    "array": np.array([0.25, 4.0]),
    "series": pd.Series([0.25, 4.0], index=["NFkB", "p53"]),
    "zero": 0,
    "one of them zero": [0.0, 2.0],
    "tiny and large": [1e-300, 1e12],
}
on_variances = pytest.mark.parametrize("variance", VARIANCES.values(), ids=VARIANCES)


def as_vector(variance):
    return np.broadcast_to(1.0 if variance is None else variance, 2)


@on_variances
def test_activity_variance_scales_what_a_pathway_adds(estimator, variance):
    expected = estimator.covariance_.toarray()
    expected += LOADINGS @ np.diag(as_vector(variance)) @ LOADINGS.T
    estimator.partial_fit_pathways(TABLE, activity_variance=variance)
    covariance = estimator.covariance_.toarray()
    assert_allclose(covariance, expected, rtol=0, atol=1e-14 * expected.max())


@on_variances
def test_activity_variance_and_loadings_are_kept_apart(estimator, variance):
    estimator.partial_fit_pathways(TABLE, activity_variance=variance)
    assert_array_equal(estimator.activity_variance_, as_vector(variance))
    assert estimator.activity_variance_.dtype == np.float64
    assert_array_equal(estimator.pathway_loadings_, LOADINGS)


def test_activity_variances_stay_with_their_pathways(estimator):
    estimator.partial_fit_pathways(TABLE, activity_variance=[2.0, 3.0])
    estimator.partial_fit_pathways(LOADINGS[:, 0], activity_variance=5.0)
    estimator.remove_pathways("p53")
    assert_array_equal(estimator.activity_variance_, [3.0, 5.0])


@pytest.mark.parametrize("matrix", ["covariance_", "precision_"])
def test_a_pathway_of_no_variance_adds_nothing(estimator, matrix):
    expected = getattr(estimator, matrix).toarray()
    estimator.partial_fit_pathways(TABLE, activity_variance=0)
    computed = getattr(estimator, matrix).toarray()
    assert_allclose(computed, expected, rtol=1e-13, atol=1e-14)


def test_a_pathway_of_no_variance_has_no_activity(estimator):
    estimator.partial_fit_pathways(TABLE, activity_variance=[0, 1])
    activities = estimator.activities(pd.DataFrame(SAMPLES, columns=GENES))
    assert_array_equal(activities[:, 0], 0.0)


def test_the_square_root_of_a_variance_may_be_in_the_loadings(estimator):
    estimator.partial_fit_pathways(TABLE, activity_variance=4.0)
    other = FactorPrecisionEstimator().fit(SAMPLES).partial_fit_pathways(2 * LOADINGS)
    precision = other.precision_.toarray()
    assert_allclose(estimator.precision_.toarray(), precision, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("variance", [-1.0, np.nan, np.inf, [1.0, -1e-9]])
def test_values_that_are_no_variances_are_refused(estimator, variance):
    with refused(estimator, "variances are finite and at least 0"):
        estimator.partial_fit_pathways(TABLE, activity_variance=variance)


@pytest.mark.parametrize("variance", [[1.0], [1.0] * 3, [], [[1.0, 1.0]]])
def test_another_number_of_variances_is_refused(estimator, variance):
    with refused(estimator, r"has shape \(.*for each of the 2 pathways"):
        estimator.partial_fit_pathways(TABLE, activity_variance=variance)


def test_variances_that_are_no_numbers_are_refused(estimator):
    with refused(estimator, "could not convert string to float"):
        estimator.partial_fit_pathways(TABLE, activity_variance="large")


# -------------------------------------------------------- fit, and what it keeps
@pytest.mark.parametrize(
    "pathways",
    [LOADINGS, TABLE, TABLE.iloc[::-1], TABLE["p53"], sparse.csr_array(LOADINGS)],
    ids=["array", "table", "permuted", "series", "sparse"],
)
def test_fit_with_pathways_equals_fit_and_then_adding_them(pathways):
    at_once = fit_named(pathways=pathways)
    later = fit_named().partial_fit_pathways(pathways)
    assert_array_equal(at_once.pathway_names_, later.pathway_names_)
    assert_array_equal(at_once.pathway_loadings_, later.pathway_loadings_)
    for matrix in ("covariance_", "precision_", "partial_correlation_"):
        expected = getattr(later, matrix).toarray()
        assert_array_equal(getattr(at_once, matrix).toarray(), expected)


CHANGEABLE = {
    "array": LOADINGS.copy,
    "Fortran": lambda: np.asfortranarray(LOADINGS),
    "column": lambda: LOADINGS[:, 0].copy(),
    "transposed": lambda: LOADINGS.T.copy().T,
}
on_changeable = pytest.mark.parametrize("make", CHANGEABLE.values(), ids=CHANGEABLE)


@on_changeable
def test_the_array_of_the_caller_is_not_kept(make):
    loadings, variance = make(), np.full(make().ndim, 0.5)[: make()[0].size]
    estimator = fit_named().partial_fit_pathways(loadings, None, variance)
    before = joblib.hash(estimator)
    loadings[...] = variance[...] = 99.0
    assert joblib.hash(estimator) == before


@on_changeable
def test_the_array_of_the_caller_is_not_changed(make):
    loadings = make()
    fit_named().partial_fit_pathways(loadings, activity_variance=2.0)
    assert_array_equal(loadings, make())


def test_the_table_of_the_caller_is_neither_kept_nor_changed():
    table = TABLE.copy()
    estimator = fit_named().partial_fit_pathways(table)
    pd.testing.assert_frame_equal(table, TABLE)
    before = joblib.hash(estimator)
    table.iloc[:, :] = 99.0
    assert joblib.hash(estimator) == before


def test_the_sparse_table_of_the_caller_is_neither_kept_nor_changed():
    table = sparse.csr_array(LOADINGS)
    estimator = fit_named().partial_fit_pathways(table)
    assert_array_equal(table.toarray(), LOADINGS)
    before = joblib.hash(estimator)
    table.data[:] = 99.0
    assert joblib.hash(estimator) == before


def test_the_names_of_the_caller_are_not_kept():
    names = np.array(["p53", "NFkB"], dtype=object)
    estimator = fit_named().partial_fit_pathways(LOADINGS, names)
    names[:] = "changed"
    assert_array_equal(estimator.pathway_names_, ["p53", "NFkB"])
