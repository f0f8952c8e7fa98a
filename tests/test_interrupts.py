"""Whatever interrupts a change, what is left is the old state or the new one."""

import copy
import pickle
import sys
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sklearn_grn
from sklearn_grn import (
    EdgeFeatures,
    FactorPrecisionEstimator,
    FactorPrecisionEstimatorCV,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
    PathwayActivities,
    RegulatoryEdgeSelector,
)
from sklearn_grn.export import (
    write_edge_table,
    write_graphml,
    write_network,
    write_sif,
)
from sklearn_grn.pathways import write_gmt

pytestmark = [
    pytest.mark.filterwarnings("ignore:the best .* is the smallest:UserWarning"),
    # An interrupt before a file is closed leaves that to the end of its frame.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

PACKAGE = str(Path(sklearn_grn.__file__).parent)
N_PLACES = 20  # interrupts of one change, evenly among all lines that it runs
all_places = pytest.mark.parametrize(
    "n_places", [N_PLACES, pytest.param(sys.maxsize, marks=pytest.mark.slow)]
)

GENES = list("abcdefg")
rng = np.random.default_rng(0)
FEW = pd.DataFrame(rng.normal(size=(6, 7)) @ rng.normal(size=(7, 7)), columns=GENES)
MANY = pd.DataFrame(rng.normal(size=(40, 7)) + rng.normal(size=(40, 1)), columns=GENES)
LOADINGS = pd.DataFrame(
    rng.normal(size=(7, 3)), index=GENES, columns=["p53", "Wnt", "TCR"]
)
STEEP = LOADINGS[["TCR"]] * 1e9  # takes the way of reflections


# --------------------------------------------------------------- running to a line
class Tracer:
    """Counts the lines of the package that are run, and interrupts before the last."""

    def __init__(self, last=None):
        self.n_lines, self.last = 0, last

    def __call__(self, frame, event, argument):
        return self.line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def line(self, frame, event, argument):
        if event == "line":
            self.n_lines += 1
            if self.n_lines == self.last:
                raise KeyboardInterrupt
        return self.line

    def run(self, change):
        outer = sys.gettrace()
        sys.settrace(self)
        try:
            change()
        finally:
            sys.settrace(outer)


def places(n_all, n_places):
    """Which lines, or calls, to fail at: all, or some of them and the last ones."""
    every = range(1, n_all + 1)
    some = every[:: max(1, n_all // n_places)]
    return sorted({*some, *every[-10:]})


def count_lines(make, change):
    counter, thing = Tracer(), make()
    counter.run(lambda: change(thing))
    return counter.n_lines


def interrupted(make, change, n_places=N_PLACES):
    """Yield what each interrupted change leaves behind."""
    n_lines = count_lines(make, change)
    assert n_lines > 0
    for place in places(n_lines, n_places):
        thing = make()
        with pytest.raises(KeyboardInterrupt):
            Tracer(place).run(lambda thing=thing: change(thing))
        yield thing


# --------------------------------------------------------------- comparing bit by bit
def bits(thing):
    """All that an estimator holds, as bytes."""
    return {name: pickle.dumps(plain(value)) for name, value in vars(thing).items()}


def plain(value):
    """Values without what a pickle says of identity and of memory."""
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return value.tolist()
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, pd.DataFrame):
        return {name: plain(value[name].to_numpy()) for name in value}
    if isinstance(value, dict):
        return {name: plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    slots = getattr(type(value), "__slots__", ())
    if slots and type(value).__module__.startswith("sklearn_grn"):
        held = {name: getattr(value, name) for name in slots if name != "_computed"}
        return plain(held)
    if hasattr(value, "__dict__"):
        return {
            name: plain(held)
            for name, held in vars(value).items()
            if not isinstance(getattr(type(value), name, None), cached_property)
        }
    return value


def assert_old_or_new(thing, old, new):
    now = bits(thing)
    assert now in (old, new), {name for name in now if now[name] != old.get(name)}


# --------------------------------------------------------------------- the estimators
def begun():
    return FactorPrecisionEstimator().fit(FEW)


def grown():
    return begun().partial_fit_pathways(LOADINGS)


def streaming(table):
    return FactorPrecisionEstimator().partial_fit(table.iloc[:5])


def network(**parameters):
    return NetworkEdgeSelector(threshold=0.01, **parameters)


def grown_network():
    return network().fit(FEW).partial_fit_pathways(LOADINGS)


def significant_network():
    options = {"threshold": "fdr", "significance": "t", "fdr": 0.5}
    return NetworkEdgeSelector(**options).fit(MANY)


CHANGES = {
    "first fit": (FactorPrecisionEstimator, lambda it: it.fit(FEW)),
    "fit": (grown, lambda it: it.fit(MANY)),
    "fit with pathways": (
        lambda: grown().set_params(pathways=LOADINGS),
        lambda it: it.fit(FEW * 2),
    ),
    "factor analysis": (
        lambda: grown().set_params(method="factor_analysis", n_components=1),
        lambda it: it.fit(MANY),
    ),
    "first samples": (FactorPrecisionEstimator, lambda it: it.partial_fit(FEW)),
    "samples": (lambda: streaming(FEW), lambda it: it.partial_fit(FEW)),
    "samples that outgrow": (
        lambda: streaming(MANY),
        lambda it: it.partial_fit(MANY.iloc[5:]),
    ),
    "moments": (
        lambda: FactorPrecisionEstimator().partial_fit(MANY),
        lambda it: it.partial_fit(MANY.iloc[5:]),
    ),
    "samples and pathways": (grown, lambda it: it.partial_fit(FEW)),
    "cut samples": (
        lambda: FactorPrecisionEstimator(2).partial_fit(FEW),
        lambda it: it.partial_fit(MANY),
    ),
    "pathways": (begun, lambda it: it.partial_fit_pathways(LOADINGS)),
    "steep pathway": (begun, lambda it: it.partial_fit_pathways(STEEP)),
    "last pathway": (grown, lambda it: it.remove_pathways("TCR")),
    "first pathway": (grown, lambda it: it.remove_pathways("p53")),
    "steep pathway out": (
        lambda: begun().partial_fit_pathways(STEEP),
        lambda it: it.remove_pathways("TCR"),
    ),
    "cross-validation": (
        lambda: FactorPrecisionEstimatorCV(2, cv=2).fit(FEW),
        lambda it: it.fit(MANY),
    ),
    "first network": (network, lambda it: it.fit(FEW)),
    "network": (grown_network, lambda it: it.fit(MANY)),
    "significant network": (significant_network, lambda it: it.fit(MANY * 2)),
    "network by cross-validation": (
        lambda: NetworkEdgeSelectorCV(thresholds=2, cv=2).fit(MANY),
        lambda it: it.fit(MANY.iloc[::-1]),
    ),
    "network with pathways": (
        significant_network,
        lambda it: it.partial_fit_pathways(LOADINGS),
    ),
    "network without pathway": (grown_network, lambda it: it.remove_pathways("p53")),
    "regulators": (
        lambda: RegulatoryEdgeSelector(max_edges=5).fit(MANY),
        lambda it: it.fit(FEW),
    ),
    "activities": (
        lambda: PathwayActivities(pathways=LOADINGS).fit(MANY),
        lambda it: it.fit(FEW),
    ),
    "edge features": (
        lambda: EdgeFeatures(network(max_edges=5)).fit(MANY),
        lambda it: it.fit(FEW),
    ),
}
on_changes = pytest.mark.parametrize(
    ("make", "change"), CHANGES.values(), ids=CHANGES.keys()
)


@pytest.fixture
def ends(make, change):
    """Bits before and after the change; they must not be the same."""
    old, changed = make(), make()
    change(changed)
    assert bits(old) != bits(changed)
    return bits(old), bits(changed)


@all_places
@on_changes
def test_an_interrupt_leaves_the_old_state_or_the_new(make, change, ends, n_places):
    for thing in interrupted(make, change, n_places):
        assert_old_or_new(thing, *ends)


@on_changes
def test_the_change_can_be_made_after_an_interrupt(make, change, ends):
    old, new = ends
    thing = make()
    middle = Tracer(count_lines(make, change) // 2)
    with pytest.raises(KeyboardInterrupt):
        middle.run(lambda: change(thing))
    assert bits(thing) == old
    change(thing)
    assert bits(thing) == new


@pytest.mark.parametrize("change", ["partial_fit_pathways", "remove_pathways"])
def test_an_interrupt_does_not_reach_a_copy(change):
    argument = LOADINGS if change == "partial_fit_pathways" else ["p53"]
    make = begun if change == "partial_fit_pathways" else grown
    thing, twins = make(), []
    expected = bits(thing)
    for _ in interrupted(
        lambda: twins.append(copy.copy(thing)) or twins[-1],
        lambda it: getattr(it, change)(argument),
    ):
        assert bits(thing) == expected


# ------------------------------------------------------------------------------ files
EDGES = significant_network().edges_
NET = {"source": ["TCR", "TCR", "p53"], "target": ["a", "b", "c"]}
WRITERS = {
    "edges.csv": write_edge_table,
    "edges.tsv.gz": write_edge_table,
    "net.graphml": write_graphml,
    "net.sif": write_sif,
    "network.sif": write_network,
    "sets.gmt": write_gmt,
}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@all_places
@pytest.mark.parametrize("before", [b"", None], ids=["over another", "new"])
@pytest.mark.parametrize("name", WRITERS)
def test_an_interrupted_file_is_the_old_one_or_the_new(
    name, before, n_places, tmp_path
):
    write, what = WRITERS[name], NET if name == "sets.gmt" else EDGES
    (tmp_path / "whole").mkdir()
    write(what, tmp_path / "whole" / name)
    new = contents(tmp_path / "whole")
    old = {} if before is None else dict.fromkeys(new, before)

    def folder():
        made = tmp_path / f"folder{len(list(tmp_path.iterdir()))}"
        made.mkdir()
        for path, held in old.items():
            (made / path).write_bytes(held)
        return made

    for made in interrupted(folder, lambda it: write(what, it / name), n_places):
        assert contents(made) in (old, new)


# ------------------------------------------------------------------ out of memory
MAKERS = ["concatenate", "empty", "empty_like", "zeros", "eye", "ones", "triu", "array"]
FACTORS = ["cholesky", "inv", "qr", "eigh"]


class Allocator:
    """Kernels that run out of memory at the last of so many calls."""

    def __init__(self, monkeypatch, last=None):
        self.n_calls, self.last = 0, last
        for module, names in [(np, MAKERS), (np.linalg, FACTORS)]:
            for name in names:
                monkeypatch.setattr(module, name, self.count(getattr(module, name)))

    def count(self, kernel):
        def counted(*arguments, **options):
            caller = sys._getframe(1).f_code.co_filename
            self.n_calls += caller.startswith(PACKAGE)
            if self.n_calls == self.last and caller.startswith(PACKAGE):
                raise MemoryError
            return kernel(*arguments, **options)

        return counted


@all_places
@on_changes
def test_no_memory_leaves_the_old_state(make, change, ends, n_places, monkeypatch):
    thing = make()
    with monkeypatch.context() as patch:
        counter = Allocator(patch)
        change(thing)
    assert counter.n_calls > 0
    for place in places(counter.n_calls, n_places):
        thing = make()
        with monkeypatch.context() as patch:
            Allocator(patch, place)
            with pytest.raises(MemoryError):
                change(thing)
        assert_old_or_new(thing, *ends)
