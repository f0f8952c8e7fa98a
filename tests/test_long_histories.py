"""Pathways that come and go hundreds of times leave no error and no memory behind."""

import copy

import numpy as np
import pytest

from sklearn_grn import FactorPrecisionEstimator

N_FEATURES = 30
SHAPES = [(8, N_FEATURES), (100, N_FEATURES)]  # held in samples, in a dense inverse
on_shapes = pytest.mark.parametrize("shape", SHAPES, ids="{0[0]}x{0[1]}".format)
on_lengths = pytest.mark.parametrize(
    ("n_steps", "every"), [(300, 20), pytest.param(10_000, 100, marks=pytest.mark.slow)]
)
MILD = ["dense", "sparse", "twin", "component", "tiny", "none"]
ALL = [*MILD, "huge"]  # beside a huge one the model is mostly built from nothing
on_kinds = pytest.mark.parametrize("kinds", [MILD, ALL], ids=["mild", "huge"])


def make_base(shape):
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(shape[0], 1)) * rng.normal(size=shape[1])
    return FactorPrecisionEstimator().fit(shared + rng.normal(size=shape))


class History:
    """Random additions and removals, and a list of what is there."""

    def __init__(self, base, kinds=ALL, seed=0):
        self.base, self.estimator, self.kinds = base, copy.copy(base), kinds
        self.rng = np.random.default_rng(seed)
        self.live, self.n_named = {}, 0

    def step(self):
        # Some twenty pathways in the long run, none and forty at times.
        if self.rng.random() < 0.62 - 0.006 * len(self.live) or not self.live:
            self.add(int(self.rng.integers(1, 5)))
        else:
            self.remove(min(len(self.live), int(self.rng.integers(1, 5))))

    def add(self, n_pathways):
        names = [f"set{self.n_named + k}" for k in range(n_pathways)]
        columns = [self.draw(self.rng.choice(self.kinds)) for _ in names]
        variances = 10.0 ** self.rng.uniform(-3, 3, n_pathways)
        variances[self.rng.random(n_pathways) < 0.5] = 1.0
        self.estimator.partial_fit_pathways(np.array(columns).T, names, variances)
        self.n_named += n_pathways
        self.live |= dict(zip(names, zip(columns, variances, strict=True), strict=True))

    def remove(self, n_pathways):
        names = list(self.live)
        at_the_end = self.rng.random() < 0.3
        chosen = self.rng.choice(names, n_pathways, replace=False).tolist()
        gone = names[-n_pathways:] if at_the_end else chosen
        self.estimator.remove_pathways(gone)
        for name in gone:
            del self.live[name]

    def draw(self, kind):
        column = 0.3 * self.rng.normal(size=self.base.n_features_in_)
        if kind == "sparse":
            return column * (self.rng.random(len(column)) < 0.2)
        if kind == "twin" and self.live:
            name = self.rng.choice(list(self.live))
            other = self.live[name][0]
            return other + 1e-6 * np.linalg.norm(other) * column
        if kind == "component":
            component = self.base.components_[
                self.rng.integers(len(self.base.components_))
            ]
            return component + 1e-6 * column
        return column * {"huge": 1e6, "tiny": 1e-8, "none": 0.0}.get(kind, 1.0)

    def fresh(self):
        """One update with all that is there."""
        fresh = copy.copy(self.base)
        if not self.live:
            return fresh
        columns, variances = zip(*self.live.values(), strict=True)
        return fresh.partial_fit_pathways(
            np.array(columns).T, list(self.live), variances
        )

    def error(self):
        """Largest error of a covariance, precision or partial correlation.

        Entries are taken relative to the roots of the two diagonal entries.
        """
        fresh = self.fresh()
        assert self.estimator.pathway_names_.tolist() == list(self.live)
        errors = [
            scaled_error(getattr(self.estimator, name), getattr(fresh, name))
            for name in ["covariance_", "precision_", "partial_correlation_"]
        ]
        return max(errors)


def scaled_error(matrix, expected):
    matrix, expected = np.asarray(matrix), np.asarray(expected)
    deviation = np.sqrt(expected.diagonal())
    return np.abs((matrix - expected) / np.outer(deviation, deviation)).max()


def bytes_held(thing):
    """Bytes of all memory that arrays of an object keep alive, each counted once."""
    found, seen, left = {}, set(), [thing]
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            while isinstance(item.base, np.ndarray):
                item = item.base
            found[id(item)] = item.nbytes
        elif isinstance(item, dict):
            left += item.values()
        elif isinstance(item, list | tuple):
            left += item
        else:
            left += getattr(item, "__dict__", {}).values()
            names = getattr(type(item), "__slots__", ())
            left += [getattr(item, name, None) for name in names]
    return sum(found.values())


# ----------------------------------------------------------------------------- error
# A huge pathway that has a twin leaves digits uncertain, and that is said.
@pytest.mark.filterwarnings("ignore:partial correlations:UserWarning")
@on_lengths
@on_shapes
@on_kinds
def test_the_error_does_not_grow_with_the_history(shape, kinds, n_steps, every):
    history = History(make_base(shape), kinds)
    for step in range(1, n_steps + 1):
        history.step()
        if step % every == 0:
            assert history.error() <= 1e-9, step


@pytest.mark.filterwarnings("ignore:partial correlations:UserWarning")
@on_shapes
@on_kinds
def test_when_all_are_gone_the_model_is_as_it_was(shape, kinds):
    history = History(make_base(shape), kinds)
    for _ in range(200):
        history.step()
    history.estimator.remove_pathways(history.live)
    history.live = {}
    assert history.error() <= 1e-11


# ---------------------------------------------------------------------------- memory
@pytest.mark.filterwarnings("ignore:partial correlations:UserWarning")
@on_lengths
@on_shapes
@on_kinds
def test_memory_is_at_most_three_times_that_of_a_fresh_model(
    shape, kinds, n_steps, every
):
    history = History(make_base(shape), kinds)
    for step in range(1, n_steps + 1):
        history.step()
        if step % every == 0:
            expected = bytes_held(history.fresh())
            assert bytes_held(history.estimator) <= 3 * expected, step


@pytest.mark.parametrize("n_left", [0, 3])
def test_what_is_cut_off_at_the_end_takes_no_memory(n_left):
    base = make_base((8, 200))
    few = np.random.default_rng(1).normal(size=(200, 150))
    grown = copy.copy(base).partial_fit_pathways(few)
    grown.remove_pathways(grown.pathway_names_[n_left:])
    expected = copy.copy(base).partial_fit_pathways(few[:, :n_left]) if n_left else base
    assert bytes_held(grown) <= 1.5 * bytes_held(expected)


def test_what_is_cut_off_before_a_later_one_takes_no_memory():
    base = make_base((8, 200))
    many = np.random.default_rng(1).normal(size=(200, 151))
    grown = copy.copy(base).partial_fit_pathways(many[:, :150])
    grown.partial_fit_pathways(many[:, 150], "last")
    grown.remove_pathways(grown.pathway_names_[:150])
    expected = copy.copy(base).partial_fit_pathways(many[:, 150])
    assert bytes_held(grown) <= 1.5 * bytes_held(expected)


@on_shapes
def test_digits_that_were_lost_come_back_when_the_pathways_go(shape):
    """A pathway that is all but twice there, and huge, costs digits while it is."""
    base = make_base(shape)
    draw = np.random.default_rng(1).normal
    huge = 1e8 * draw(size=N_FEATURES)
    grown = copy.copy(base).partial_fit_pathways(draw(size=N_FEATURES), "mild")
    twins = np.array([huge, huge + 1e-2 * draw(size=N_FEATURES)]).T
    grown.partial_fit_pathways(twins, ["one", "other"])
    grown.partial_fit_pathways(draw(size=N_FEATURES), "late")
    assert grown._state.uncertainty > 1e-12
    grown.remove_pathways(["mild", "one", "other"])
    assert grown._state.uncertainty <= 1e-14
