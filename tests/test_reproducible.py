"""The same table gives the same result: bit for bit, and whatever the order of things.

Each case fits a public class, or calls a public function, and returns numbers by the
names of genes. Run as a script this file writes what all of them find.
"""

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import (
    EdgeFeatures,
    FactorPrecisionEstimator,
    FactorPrecisionEstimatorCV,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
    NonparanormalTransformer,
    PathwayActivities,
    RegulatoryEdgeSelector,
    leave_one_out,
    network_statistics,
    test_edges,
)
from sklearn_grn.datasets import load_leukemia

EXPRESSION = load_leukemia(as_frame=True).data
WIDE = EXPRESSION.iloc[:60, :100]  # no more samples than genes
TALL = EXPRESSION.iloc[:, :40]
ORDER = np.random.default_rng(0).permutation(1300)


def by_gene(values, genes):
    """Return numbers of genes, in the order of names."""
    return {"genes": pd.Series(np.asarray(values), genes, dtype=float).sort_index()}


def by_pair(values, genes):
    """Return a symmetric matrix of genes, in the order of names."""
    table = pd.DataFrame(np.asarray(values), genes, genes)
    return {"pairs": table.sort_index().sort_index(axis=1)}


def by_edge(edges):
    """Return the numbers of edges, in the order of their ends, whichever is first."""
    ends = np.sort(edges[["source", "target"]].to_numpy(str), axis=1)
    table = edges.drop(columns=["source", "target"]).set_axis(list(map(tuple, ends)))
    return {"edges": table.sort_index().astype(float)}


def by_link(edges):
    """Return the numbers of directed edges, in the order of their ends."""
    table = edges.set_index(["source", "target"]).sort_index()
    return {"links": table.select_dtypes("number").astype(float)}


# ------------------------------------------------------------------------ the cases
def pathways_of(X):
    """Return loadings that go with the genes, not with their order or their names."""
    size = np.sqrt(X.var())
    sign = np.sign(X.skew())
    return pd.DataFrame({"size": 0.3 * size, "sign": 0.2 * sign * size})


def covariance(**parameters):
    def found(X):
        estimator = FactorPrecisionEstimator(**parameters).fit(X)
        estimator.partial_fit_pathways(pathways_of(X))
        return {
            **by_pair(estimator.partial_correlation_, X.columns),
            **by_gene(estimator.noise_variance_, X.columns),
            "scores": pd.Series(estimator.score_samples(X), X.index).sort_index(),
        }

    return found


def covariance_cv(X):
    estimator = FactorPrecisionEstimatorCV().fit(X)
    scores = pd.Series(estimator.cv_results_["mean_test_score"])
    pairs = by_pair(estimator.partial_correlation_, X.columns)
    return {"grid": scores, **pairs}


def selector(**parameters):
    return lambda X: by_edge(NetworkEdgeSelector(**parameters).fit(X).edges_)


def selector_cv(X):
    found = NetworkEdgeSelectorCV(cv=3).fit(X)
    scores = pd.Series(found.cv_results_["mean_test_score"])
    return {"grid": scores, **by_edge(found.edges_)}


def edge_features(X):
    features = EdgeFeatures(NetworkEdgeSelector(threshold=0, max_edges=30)).fit(X)
    columns = pd.DataFrame(features.transform(X).T, columns=X.index).sort_index(axis=1)
    edges = features.selector_.edges_[["source", "target"]]
    return by_edge(pd.concat([edges, columns], axis=1))


def regulators(X):
    found = RegulatoryEdgeSelector(threshold=0.0, max_edges=200).fit(X)
    return by_link(found.edges_)


def normal_scores(X):
    scores = NonparanormalTransformer().fit(X).transform(X)
    return by_pair(scores.T @ scores, X.columns)


def activities(X):
    estimator = FactorPrecisionEstimator(pathways=pathways_of(X))
    found = PathwayActivities(estimator).fit(X)
    return {"activities": pd.DataFrame(found.transform(X), X.index).sort_index()}


def without_each(X):
    estimator = FactorPrecisionEstimator().fit(X)
    found = leave_one_out(estimator, X, 50)
    scores = pd.Series(found.score_samples, X.index).sort_index()
    return {"scores": scores, **by_edge(found.edges)}


def found_edges(X):
    return by_edge(test_edges(X, fdr=0.3).edges)


def statistics(X):
    fitted = NetworkEdgeSelector(threshold=0, max_edges=100).fit(X)
    found = network_statistics(fitted)
    hubs = found.hubs.set_index("gene").sort_index()
    return {"hubs": hubs.astype(float)}


CASES = {
    "all components": covariance(),
    "five components": covariance(n_components=5),
    "ledoit_wolf": covariance(shrinkage="ledoit_wolf"),
    "oas": covariance(shrinkage="oas"),
    "factor analysis": covariance(n_components=2, method="factor_analysis"),
    "held-out shrinkage": covariance_cv,
    "strongest": selector(threshold=0, max_edges=100),
    "threshold": selector(threshold=0.1),
    "leave_pair_out": selector(fdr=0.3),
    "genenet": selector(significance="genenet", fdr=0.3),
    "held-out threshold": selector_cv,
    "edge features": edge_features,
    "regulators": regulators,
    "normal scores": normal_scores,
    "activities": activities,
    "leave_one_out": without_each,
    "test_edges": found_edges,
    "statistics": statistics,
}
# Folds are samples next to each other, so their order is part of the question.
WITH_FOLDS = {"held-out shrinkage", "held-out threshold", "leave_pair_out"}
WITH_FOLDS |= {"test_edges"}
# How far numbers may be apart where rounding differs. The maximum of a likelihood is
# flat, and found to about the root of what rounding leaves. GeneNet's null is less
# exact still, as its likelihood loses digits to cancellation.
RELATIVE = dict.fromkeys(CASES, 1e-10) | {"genenet": 1e-3, "factor analysis": 1e-6}
ABSOLUTE = dict.fromkeys(CASES, 1e-12) | {"factor analysis": 1e-6}
on_cases = pytest.mark.parametrize("case", CASES)
on_tables = pytest.mark.parametrize("X", [WIDE, TALL], ids=["wide", "tall"])
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, table in expected.items():
        assert list(found[name].index) == list(table.index), name
        assert_array_equal(found[name].to_numpy(), table.to_numpy(), err_msg=name)


def assert_close(case, found, expected):
    assert list(found) == list(expected)
    for name, table in expected.items():
        assert list(found[name].index) == list(table.index), name
        values, wanted = found[name].to_numpy(), table.to_numpy()
        assert_allclose(values, wanted, RELATIVE[case], ABSOLUTE[case], err_msg=name)


@pytest.fixture(scope="module")
def plain():
    """Return what each case finds on a table, found once."""
    known = {}

    def found(case, X):
        key = case, X.shape
        if key not in known:
            known[key] = CASES[case](X)
        return known[key]

    return found


# ------------------------------------------------------------- order, names, repeats
@on_cases
@on_tables
def test_the_order_of_genes_does_not_matter(case, X, plain):
    order = [number for number in ORDER if number < X.shape[1]]
    assert_close(case, CASES[case](X.iloc[:, order]), plain(case, X))


@pytest.mark.parametrize("case", [case for case in CASES if case not in WITH_FOLDS])
@on_tables
def test_the_order_of_samples_does_not_matter(case, X, plain):
    order = [number for number in ORDER if number < X.shape[0]]
    assert_close(case, CASES[case](X.iloc[order]), plain(case, X))


@on_cases
@on_tables
def test_other_names_change_nothing_but_names(case, X, plain):
    # Their order is the same, so that results by name stay where they were.
    names = [f"{number:04d}" for number in X.columns.argsort().argsort()]
    found = CASES[case](X.set_axis(names, axis=1))
    for name, table in plain(case, X).items():
        assert_array_equal(found[name].to_numpy(), table.to_numpy(), err_msg=name)


@pytest.mark.parametrize(
    "estimator",
    [
        NetworkEdgeSelector(threshold=0, max_edges=100),
        NetworkEdgeSelector(fdr=0.3),
        NetworkEdgeSelector(significance="genenet", fdr=0.3),
        RegulatoryEdgeSelector(threshold=0.0, max_edges=200),
    ],
    ids=str,
)
def test_the_alphabet_does_not_order_the_edges(estimator):
    ranks = WIDE.columns.argsort().argsort()
    names = dict(zip(WIDE, (f"{200 - rank}" for rank in ranks), strict=True))
    expected = estimator.fit(WIDE).edges_.copy()
    ends = expected[["source", "target"]].map(names.get)
    found = estimator.fit(WIDE.rename(columns=names)).edges_
    pd.testing.assert_frame_equal(
        found, expected.assign(**ends), check_exact=True, check_dtype=False
    )


@on_cases
@on_tables
def test_again_is_the_same(case, X, plain):
    assert_same(CASES[case](X), plain(case, X))


@pytest.mark.parametrize(
    "estimator",
    [
        FactorPrecisionEstimator(3, method="factor_analysis"),
        FactorPrecisionEstimatorCV(),
        NetworkEdgeSelector(fdr=0.3),
        NetworkEdgeSelectorCV(cv=3),
        EdgeFeatures(NetworkEdgeSelector(threshold=0.1)),
        RegulatoryEdgeSelector(threshold=0.0, max_edges=200),
        NonparanormalTransformer(),
    ],
    ids=lambda estimator: f"{type(estimator).__name__}",
)
def test_a_second_fit_finds_what_the_first_found(estimator):
    first = joblib.hash(estimator.fit(WIDE))
    assert joblib.hash(estimator.fit(TALL)) != first
    assert joblib.hash(estimator.fit(WIDE)) == first


# ------------------------------------------------------------- processes and threads
def found_by_all(X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case: found(X) for case, found in CASES.items()}


def in_a_process(folder, n_threads, seed):
    """Return what all cases find in a fresh process."""
    path = folder / f"{n_threads}-{seed}.pickle"
    threads = {f"{library}_NUM_THREADS": str(n_threads) for library in LIBRARIES}
    environment = {**os.environ, **threads, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, __file__, str(path)]
    subprocess.run(command, env=environment, check=True, cwd=folder)
    return path.read_bytes()


LIBRARIES = ("OPENBLAS", "MKL", "OMP", "VECLIB")


@pytest.fixture(scope="module")
def one_thread(tmp_path_factory):
    return in_a_process(tmp_path_factory.mktemp("one"), 1, seed=1)


def test_a_fresh_process_finds_every_bit(one_thread, tmp_path):
    assert in_a_process(tmp_path, 1, seed=2) == one_thread


def test_two_threads_find_the_same_but_for_rounding(one_thread, tmp_path):
    two = pickle.loads(in_a_process(tmp_path, 2, seed=1))
    for case, expected in pickle.loads(one_thread).items():
        assert_close(case, two[case], expected)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(
        pickle.dumps(found_by_all(EXPRESSION.iloc[:100, :120]))
    )
