"""Who reads while another thread changes sees the state before or the state after."""

import copy
import itertools
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_grn import (
    EdgeFeatures,
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    PathwayActivities,
    RegulatoryEdgeSelector,
)
from sklearn_grn._edge_search import strongest_edges

SECONDS = 0.3
GENES = [f"g{number}" for number in range(12)]
rng = np.random.default_rng(0)
FEW = pd.DataFrame(rng.normal(size=(8, 12)) + rng.normal(size=(8, 1)), columns=GENES)
MANY = pd.DataFrame(
    5 + rng.normal(size=(50, 12)) @ rng.normal(size=(12, 12)), columns=GENES
)
LOADINGS = pd.DataFrame(
    rng.normal(size=(12, 3)), index=GENES, columns=["p53", "Wnt", "TCR"]
)
NEW = FEW.iloc[:3] * 2


@pytest.fixture(autouse=True)
def _change_threads_often():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def read_during(write, reads, n_readers=2):
    """Let threads read while this one writes, and raise what any of them raises."""
    errors, stop = [], threading.Event()
    begun = threading.Barrier(n_readers + 1)

    def go_on(read):
        try:
            read()  # what is imported late is imported once
            begun.wait()
            while not stop.is_set():
                read()
        except BaseException as error:
            errors.append(error)
            begun.abort()

    threads = [
        threading.Thread(target=go_on, args=(reads[number % len(reads)],))
        for number in range(n_readers)
    ]
    for thread in threads:
        thread.start()
    try:
        begun.wait()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not errors:
            write()
    except threading.BrokenBarrierError:
        pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for error in errors:
        raise error


def one_of(ask, *states):
    """A reader that asks the estimator, and knows what each state would answer."""
    answers = [np.asarray(ask(state)) for state in states]
    assert not any(
        one.shape == other.shape and np.allclose(one, other)
        for one, other in itertools.pairwise(answers)
    )

    def read(estimator):
        found = np.asarray(ask(estimator))
        assert any(
            found.shape == answer.shape and np.allclose(found, answer, rtol=1e-10)
            for answer in answers
        ), (found, answers)

    return read


# ------------------------------------------------------------------------ estimators
QUESTIONS = {
    "activities": lambda it: it.activities(NEW),
    "score": lambda it: it.score(NEW),
    "score_samples": lambda it: it.score_samples(NEW),
    "mahalanobis": lambda it: it.mahalanobis(NEW),
    "error_norm": lambda it: it.error_norm(np.eye(12)),
    "condition_number_": lambda it: it.condition_number_,
    "pathway_loadings_": lambda it: it.pathway_loadings_[:, 1:],
    "covariance_": lambda it: it.covariance_,
    "precision_": lambda it: it.precision_,
    "search": lambda it: strongest_edges(it.partial_correlation_.row_factor(), 5)[1],
}
on_questions = pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS.keys())


def base():
    return FactorPrecisionEstimator().fit(FEW).partial_fit_pathways(LOADINGS["p53"])


@on_questions
def test_answers_while_pathways_come_and_go(ask):
    estimator, others = base(), LOADINGS[["Wnt", "TCR"]]
    read = one_of(ask, base(), base().partial_fit_pathways(others))

    def write():
        estimator.partial_fit_pathways(others)
        estimator.remove_pathways(["Wnt", "TCR"])

    read_during(write, [lambda: read(estimator)])


@pytest.mark.parametrize(
    "name", sorted(set(QUESTIONS) - {"activities", "pathway_loadings_"})
)
def test_answers_while_it_is_fitted_again(name):
    estimator, ask = FactorPrecisionEstimator().fit(FEW), QUESTIONS[name]
    read = one_of(ask, copy.copy(estimator), FactorPrecisionEstimator().fit(MANY))

    def write():
        estimator.fit(MANY)
        estimator.fit(FEW)

    read_during(write, [lambda: read(estimator)])


@pytest.mark.parametrize("name", ["score", "activities"])
def test_answers_while_samples_arrive(name):
    """Each batch moves mean, precision and activities together."""
    estimator = FactorPrecisionEstimator(pathways=LOADINGS).fit(FEW)
    batches = [MANY.iloc[start : start + 10] for start in range(0, 50, 10)]
    states = [copy.copy(estimator)]
    for batch in batches:
        states.append(copy.copy(states[-1]).partial_fit(batch))
    read = one_of(QUESTIONS[name], *states)

    def write():
        for batch in batches:
            estimator.partial_fit(batch)
        estimator.fit(FEW)

    read_during(write, [lambda: read(estimator)])


def test_a_copy_is_one_state():
    """Two attributes read in turn may be of two states; those of a copy never are."""
    estimator, others = base(), LOADINGS[["Wnt", "TCR"]]

    def read():
        held = copy.copy(estimator)
        product = held.precision_ @ held.covariance_.toarray()
        assert_allclose(product, np.eye(12), atol=1e-10)
        n_pathways = len(held.pathway_names_)
        assert held.activity_std_.shape == (n_pathways,)
        assert held.pathway_loadings_.shape == (12, n_pathways)
        assert held.covariance_.rank == held.n_components_ + n_pathways

    def write():
        estimator.partial_fit_pathways(others)
        estimator.remove_pathways(["Wnt", "TCR"])

    read_during(write, [read])


def test_copies_that_share_columns_grow_at_once():
    """Two threads append to one base, and each gets its own columns."""
    shared = base()

    def grow(name):
        grown = copy.copy(shared).partial_fit_pathways(LOADINGS[name])
        assert_allclose(grown.pathway_loadings_, LOADINGS[["p53", name]])

    read_during(lambda: grow("Wnt"), [lambda: grow("TCR"), lambda: grow("Wnt")])


# ------------------------------------------------------------------------- selectors
def selector():
    return NetworkEdgeSelector(threshold=0.01).fit(FEW)


NETWORKS = {
    "score": lambda it: it.score(FEW),
    "edges_": lambda it: it.edges_["partial_correlation"],
    "network_": lambda it: it.network_.toarray(),
    "features": lambda it: _features(it).transform(NEW),
}


def _features(fitted):
    features = EdgeFeatures(NetworkEdgeSelector(threshold=0.01)).fit(FEW)
    features.selector_ = fitted
    return features


@pytest.mark.parametrize("ask", NETWORKS.values(), ids=NETWORKS.keys())
def test_networks_while_pathways_come_and_go(ask):
    estimator = selector().partial_fit_pathways(LOADINGS["p53"])
    other = copy.copy(estimator).partial_fit_pathways(LOADINGS["TCR"])
    read = one_of(ask, copy.copy(estimator), other)

    def write():
        estimator.partial_fit_pathways(LOADINGS["TCR"])
        estimator.remove_pathways("TCR")

    read_during(write, [lambda: read(estimator)])


REFITTED = {
    "network": (selector, lambda it: it.network_.toarray()),
    "pseudo-likelihood": (selector, lambda it: it.score(FEW)),
    "regulators": (
        lambda: RegulatoryEdgeSelector(max_edges=9).fit(FEW),
        lambda it: it.network_.toarray(),
    ),
    "activities": (
        lambda: PathwayActivities(pathways=LOADINGS).fit(FEW),
        lambda it: it.transform(NEW),
    ),
    "edge features": (
        lambda: EdgeFeatures(NetworkEdgeSelector(threshold=0, max_edges=5)).fit(FEW),
        lambda it: it.transform(NEW),
    ),
}


@pytest.mark.parametrize(("make", "ask"), REFITTED.values(), ids=REFITTED.keys())
def test_answers_while_others_are_fitted_again(make, ask):
    estimator = make()
    read = one_of(ask, make(), make().fit(MANY))

    def write():
        estimator.fit(MANY)
        estimator.fit(FEW)

    read_during(write, [lambda: read(estimator)])


# ------------------------------------------------------------------------------ load
def test_eight_threads_ask_one_estimator():
    estimator = base()
    asked = ["activities", "score", "search"]
    readers = [one_of(QUESTIONS[name], copy.copy(estimator)) for name in asked]
    reads = [lambda read=read: read(estimator) for read in readers]
    read_during(lambda: time.sleep(0.05), reads, n_readers=8)
