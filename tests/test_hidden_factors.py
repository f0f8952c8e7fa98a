"""How many hidden factors are removed, and how."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_grn._hidden_factors import (
    choose_n_factors,
    leading_directions,
    n_beyond_chance,
    without_factors,
)
from sklearn_grn._prepared_table import prepare


def make_rows(n_factors, n_genes=100, n_samples=40, strength=1.0):
    rng = np.random.default_rng(0)
    activities = rng.normal(size=(n_samples, n_factors))
    loadings = strength * rng.normal(size=(n_factors, n_genes))
    return prepare(activities @ loadings + rng.normal(size=(n_samples, n_genes))).rows


@pytest.mark.parametrize(("n_genes", "n_samples"), [(100, 40), (30, 90)])
def test_directions_are_singular_vectors(n_genes, n_samples):
    rows = make_rows(3, n_genes, n_samples)
    values, directions = leading_directions(rows, 3)
    _, sizes, axes = np.linalg.svd(rows, full_matrices=False)
    assert_allclose(values, sizes[:3] ** 2)
    assert_allclose(np.abs((directions * axes[:3].T).sum(axis=0)), 1.0)


@pytest.mark.parametrize("n_factors", [0, 1, 4, 12])
def test_factors_beyond_chance_are_counted(n_factors):
    rows = make_rows(n_factors, n_genes=400, n_samples=60)
    assert n_beyond_chance(rows) == min(n_factors, 10)


def test_all_directions_may_be_beyond_chance():
    assert n_beyond_chance(make_rows(1, n_genes=1, n_samples=20)) <= 1


def test_what_is_left_is_orthogonal_to_the_factors():
    rows = make_rows(3)
    _, directions = leading_directions(rows, 2)
    assert_allclose(without_factors(rows, 2) @ directions, 0.0, atol=1e-12)


def test_what_is_left_is_standardised():
    left = without_factors(make_rows(3), 2)
    assert_allclose(left.mean(axis=1), 0.0, atol=1e-12)
    assert_allclose(np.square(left).mean(axis=1), 1.0)


def test_none_removed_changes_nothing():
    rows = make_rows(1)
    assert without_factors(rows, 0) is rows


def chosen(scales, most=99):
    """Number chosen for a table with 4 factors, from the scale after each removal."""
    rows = make_rows(4, n_genes=400, n_samples=60)
    return choose_n_factors(rows, lambda n_factors: scales[n_factors], most)


@pytest.mark.parametrize(
    ("scales", "n_factors"),
    [
        ([1.08, 0, 0, 0, 0], 0),  # not suspicious
        ([1.3, 1.0, 0, 0, 0], 1),  # enough after one
        ([1.3, 1.2, 1.12, 1.04, 0], 3),
        ([1.3, 1.2, 1.18, 1.0, 0], 1),  # the second is not worth it
        ([1.15, 1.13, 1.0, 1.0, 1.0], 0),  # nor is the first
        ([1.3, 1.29, 1.28, 1.1, 1.15], 3),  # still unexplained: look at all
        ([1.3, 1.29, 1.1, 1.1, 1.1], 2),  # the fewest of equal ones
        ([1.5, 1.4, 1.3, 1.25, 1.21, 1.0], 4),  # no more than beyond chance
    ],
)
def test_a_factor_is_removed_if_the_scale_falls(scales, n_factors):
    assert chosen(scales) == n_factors


def test_degrees_of_freedom_limit_the_factors():
    assert chosen([1.5, 1.4, 1.3, 1.2, 1.1], most=2) == 2


def test_scales_are_computed_once():
    asked = []

    def scale(n_factors):
        asked.append(n_factors)
        return 1.3 - 0.01 * n_factors

    choose_n_factors(make_rows(4, n_genes=400, n_samples=60), scale, 99)
    assert sorted(asked) == [0, 1, 2, 3, 4]


def test_chance_is_the_same_in_each_call():
    rows = make_rows(2, strength=0.3)
    assert len({n_beyond_chance(rows) for _ in range(3)}) == 1
