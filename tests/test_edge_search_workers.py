"""The search on the workers of a Dask cluster against the search on its own."""

import pickle

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.model_selection import cross_validate

from sklearn_grn import NetworkEdgeSelector, test_edges
from sklearn_grn._edge_search import (
    census,
    edges_above,
    mean_absolute,
    strongest_changes,
    strongest_edges,
)
from sklearn_grn._pair_collectors import (
    _SPARE,
    AbsoluteSum,
    Counts,
    Strongest,
    _look_through,
    _screen_through,
)
from sklearn_grn._pair_tiles import DenseEntries, RowProducts, n_panels
from sklearn_grn.datasets import make_sparse_network

SIDE, N_ROWS = 50, 1000  # 20 panels


@pytest.fixture(autouse=True)
def small_tiles():
    with sklearn.config_context(working_memory=4 * SIDE**2 / 2**20):
        yield


@pytest.fixture(scope="module")
def client():
    """Two worker processes of one thread each.

    The memory manager of Dask drops copies that no task waits for. Should it come by
    between sending and the first task, rows are sent again.
    """
    dask, distributed = map(pytest.importorskip, ("dask", "distributed"))
    with (
        dask.config.set({"distributed.scheduler.active-memory-manager.start": False}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        yield client


@pytest.fixture
def at_workers(client):
    """Run a search at the workers."""

    def run(search):
        with joblib.parallel_config("dask", client=client):
            return search()

    return run


def smooth():
    return np.random.default_rng(0).normal(size=(N_ROWS, 30))


def uneven():
    """Few long rows among many short ones, so that most tiles are skipped."""
    return smooth() * np.random.default_rng(1).exponential(size=(N_ROWS, 1)) ** 3


def alike():
    """Rows of which many are the same: no margin tells their products apart."""
    return smooth()[np.random.default_rng(2).integers(0, 4, N_ROWS)]


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert_array_equal(ours, theirs)


SEARCHES = {
    "strongest": lambda rows: strongest_edges(rows, 500)[0],
    "left out": lambda rows: [strongest_edges(rows, 500)[1]],
    "above": lambda rows: edges_above(rows, strongest_edges(rows, 700)[1]),
    "changes": lambda rows: strongest_changes(rows, rows[::-1], 500),
    "census": lambda rows: [census(rows, 9).counts, *census(rows, 9).tail],
    "mean": lambda rows: [mean_absolute(rows)],
    "dense": lambda rows: strongest_edges(DenseEntries(rows @ rows.T), 500)[0],
}


# --------------------------------------------------------------------- on a cluster
@pytest.mark.distributed
@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
@pytest.mark.parametrize("make_rows", [smooth, uneven, alike])
def test_workers_find_what_one_finds(search, make_rows, at_workers):
    rows = make_rows()
    assert_same(at_workers(lambda: search(rows)), search(rows))


@pytest.mark.distributed
def test_a_selector_finds_the_same_edges(at_workers):
    table = make_sparse_network(40, 200, random_state=0).data

    def fit():
        return NetworkEdgeSelector(threshold=0, max_edges=100).fit(table).edges_

    assert at_workers(fit).equals(fit())


@pytest.mark.distributed
@pytest.mark.parametrize("significance", ["leave_pair_out", "genenet"])
def test_a_test_finds_the_same_edges(significance, at_workers):
    table = make_sparse_network(60, 200, random_state=0).data

    def run():
        return test_edges(table, significance=significance).edges

    expected = run()
    assert len(expected) > 0
    assert at_workers(run).equals(expected)


@pytest.mark.distributed
def test_searches_within_tasks_find_the_same_edges(at_workers):
    table = make_sparse_network(60, 200, random_state=0).data
    selector = NetworkEdgeSelector(threshold=0, max_edges=100)

    def run():
        found = cross_validate(selector, table, cv=2, return_estimator=True)
        return [fitted.edges_ for fitted in found["estimator"]]

    for ours, theirs in zip(at_workers(run), run(), strict=True):
        assert ours.equals(theirs)


@pytest.mark.distributed
def test_more_pairs_than_memory_are_refused(at_workers, monkeypatch):
    monkeypatch.setattr("sklearn_grn._edge_search._free_memory", lambda: 1e6)
    with pytest.raises(ValueError, match="pairs exceed the threshold"):
        at_workers(lambda: edges_above(smooth(), 0.0))


@pytest.fixture
def arrivals(client):
    """How often rows were unpacked at each worker."""

    def watch():
        from sklearn_grn._pair_tiles import RowProducts

        def unpack(self, state):
            vars(self).update(state)
            RowProducts.n_unpacked += 1

        RowProducts.n_unpacked, RowProducts.__setstate__ = 0, unpack

    def read():
        from sklearn_grn._pair_tiles import RowProducts

        return RowProducts.n_unpacked

    def forget():
        from sklearn_grn._pair_tiles import RowProducts

        del RowProducts.n_unpacked, RowProducts.__setstate__

    client.run(watch)
    yield lambda: list(client.run(read).values())
    client.run(forget)


@pytest.mark.distributed
@pytest.mark.parametrize("name", ["strongest", "changes", "mean"])
def test_rows_are_sent_once_to_each_worker(name, arrivals, at_workers):
    rows = smooth()
    at_workers(lambda: SEARCHES[name](rows))
    assert arrivals() == [1, 1]


# ------------------------------------------------------------ what goes, what comes
def test_the_size_is_that_of_all_arrays():
    rows = smooth()
    single, double, vectors = rows.nbytes // 2, rows.nbytes, 2 * 8 * N_ROWS
    size = RowProducts(rows).__sizeof__()
    assert size == pytest.approx(single + double + vectors, abs=200)


def test_the_size_is_that_of_what_is_sent():
    for pairs in (
        RowProducts(smooth()),
        RowProducts(smooth()).screen(),
        RowProducts(smooth(), smooth()).screen(),
        DenseEntries(np.eye(N_ROWS)),
    ):
        assert len(pickle.dumps(pairs)) == pytest.approx(pairs.__sizeof__(), abs=2000)


def test_a_task_is_sent_few_bytes():
    for collector in (Strongest(9), Counts(1.0, Strongest(9)), AbsoluteSum()):
        assert len(pickle.dumps(collector.empty())) < 1000


def test_what_screens_has_four_bytes_a_number():
    rows = smooth()
    screen = RowProducts(rows).screen()
    assert screen.__sizeof__() < 4 * rows.size + 2 * 8 * N_ROWS + 200


@pytest.mark.parametrize("make_rows", [smooth, uneven, alike])
@pytest.mark.parametrize("n_edges", [0, 10, 3000])
def test_a_task_returns_few_pairs(make_rows, n_edges):
    pairs = RowProducts(make_rows())
    for panel in range(n_panels(pairs)):
        found = _look_through(Strongest(n_edges), pairs, panel)
        n_held = sum(len(part.values) for part in found.held)
        assert n_held <= 2 * (n_edges + 1) + _SPARE
        assert len(pickle.dumps(found)) < 24 * n_held + 2**14


def test_a_task_says_that_it_needs_the_rows():
    pairs = RowProducts(np.ones((N_ROWS, 1)))
    assert _screen_through(Strongest(5), pairs, 0) is not None
    assert _screen_through(Strongest(5), pairs.screen(), 0) is None
