"""Fifty gene sets come and go, one by one or at once, in any order."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn.datasets import load_leukemia
from sklearn_grn.pathways import (
    baseline_covariance,
    pathway_covariance,
    pathway_loadings,
    read_gmt,
    scale_loadings,
)

MATRICES = ["covariance_", "precision_", "partial_correlation_"]


@pytest.fixture(scope="module")
def expression():
    return load_leukemia(as_frame=True).data


@pytest.fixture(scope="module")
def hallmarks(expression, reference_data):
    """Loadings of the 50 hallmark sets, each adding a twentieth of a variance."""
    path = reference_data / "priors" / "msigdb_hallmark_v7.0.symbols.gmt.gz"
    with pytest.warns(UserWarning, match="targets are not among the genes"):
        loadings = pathway_loadings(read_gmt(path), expression, min_targets=1)
    assert loadings.shape == (1300, 50)
    return scale_loadings(loadings, expression.var(), variance_explained=0.05)


@pytest.fixture(scope="module")
def base(expression):
    return FactorPrecisionEstimator().fit(expression)


@pytest.fixture(scope="module")
def grown(base, hallmarks):
    """The estimator after each of the sets, which arrived one by one."""
    steps = [base]
    for name in hallmarks:
        steps.append(copy.copy(steps[-1]).partial_fit_pathways(hallmarks[name]))
    return steps


def assert_same_model(one, other, tolerance=1e-10):
    for name in MATRICES:
        matrix, expected = (np.asarray(getattr(e, name)) for e in (one, other))
        scale = np.abs(expected).max()
        assert_allclose(matrix / scale, expected / scale, rtol=0, atol=tolerance)


def test_one_by_one_is_at_once(base, grown, hallmarks):
    at_once = copy.copy(base).partial_fit_pathways(hallmarks)
    assert_same_model(grown[-1], at_once)


def test_one_by_one_is_the_dense_inverse(grown, hallmarks):
    loadings = hallmarks.to_numpy()
    dense = grown[0].covariance_.toarray() + loadings @ loadings.T
    assert_allclose(grown[-1].precision_, np.linalg.inv(dense), atol=1e-10)


def test_order_of_arrival_does_not_matter_and_is_kept(base, grown, hallmarks):
    names = np.random.default_rng(0).permutation(hallmarks.columns)
    mixed = copy.copy(base)
    for name in names:
        mixed.partial_fit_pathways(hallmarks[name])
    assert mixed.pathway_names_.tolist() == names.tolist()
    assert grown[-1].pathway_names_.tolist() == hallmarks.columns.tolist()
    assert_array_equal(mixed.pathway_loadings_, hallmarks[names])
    assert_same_model(mixed, grown[-1])


@pytest.mark.parametrize("seed", range(4))
def test_removal_in_any_order_restores_the_model(base, grown, hallmarks, seed):
    estimator = copy.copy(grown[-1])
    for name in np.random.default_rng(seed).permutation(hallmarks.columns):
        estimator.remove_pathways(name)
    assert not len(estimator.pathway_names_)
    assert_same_model(estimator, base)


def test_removal_leaves_the_order_of_the_others(grown, hallmarks):
    gone = hallmarks.columns[[3, 17, 30]]
    estimator = copy.copy(grown[-1]).remove_pathways(gone)
    others = hallmarks.columns.drop(gone)
    assert estimator.pathway_names_.tolist() == others.tolist()
    assert_array_equal(estimator.pathway_loadings_, hallmarks[others])


def test_what_came_last_goes_without_a_trace(grown, hallmarks):
    estimator = copy.copy(grown[-1])
    for k in range(hallmarks.shape[1] - 1, -1, -1):
        estimator.remove_pathways(hallmarks.columns[k])
        for name in MATRICES if k % 10 == 0 else ["precision_"]:
            sample = np.s_[::13, ::7]
            matrix, expected = getattr(estimator, name), getattr(grown[k], name)
            assert_array_equal(matrix[sample], expected[sample])


def test_a_set_that_comes_back_is_as_if_it_had_stayed(grown, hallmarks):
    estimator, name = copy.copy(grown[-1]), hallmarks.columns[20]
    estimator.remove_pathways(name).partial_fit_pathways(hallmarks[name])
    assert estimator.pathway_names_[-1] == name
    assert_same_model(estimator, grown[-1])


def test_fifty_parts_and_the_baseline_sum_to_the_covariance(grown, hallmarks):
    total = baseline_covariance(grown[-1]).toarray()
    for name in hallmarks:
        total += pathway_covariance(grown[-1], name).toarray()
    assert_allclose(total, grown[-1].covariance_, atol=1e-12)
