"""Inverses after a change of low rank, against 50 digits and against SciPy."""

import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg

from sklearn_grn.linalg import (
    matrix_inversion_lemma,
    sherman_morrison_update,
    woodbury_update,
)

mpmath.mp.dps = 50
seeds, sizes = st.integers(0, 2**32 - 1), st.integers(1, 12)


def covariance_of(size, seed=0):
    root = np.random.default_rng(seed).normal(size=(size, 2 * size))
    return root @ root.T / size


def precision_of(size, seed=0):
    precision = linalg.inv(covariance_of(size, seed))
    return 0.5 * (precision + precision.T)


def columns_of(size, n_columns, seed=1):
    return np.random.default_rng(seed).normal(size=(size, n_columns))


def exact_update(precision, X, sign=1):
    """Return the updated precision in 50 digits, rounded at the end."""
    covariance = mpmath.matrix(precision.tolist()) ** -1
    X = mpmath.matrix(X.tolist())
    updated = (covariance + sign * X * X.T) ** -1
    return np.array(updated.tolist(), dtype=float)


def error_of(computed, expected):
    return np.abs(computed - expected).max() / np.abs(expected).max()


# ------------------------------------------------------------------- Woodbury
@pytest.mark.parametrize("size_of_loadings", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("n_columns", [1, 3])
def test_update_against_fifty_digits(n_columns, size_of_loadings):
    precision = precision_of(7)
    X = size_of_loadings * columns_of(7, n_columns)
    computed = woodbury_update(precision, X)
    assert error_of(computed, exact_update(precision, X)) < 1e-12


@pytest.mark.parametrize("left", [0.5, 1e-2, 1e-4])
def test_downdate_close_to_the_cone_against_fifty_digits(left):
    precision, X = precision_of(7), columns_of(7, 1)
    X *= np.sqrt((1 - left) / (X.T @ precision @ X))
    computed = woodbury_update(precision, X, downdate=True)
    assert error_of(computed, exact_update(precision, X, -1)) < 1e-13 / left


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_collinear_columns_against_fifty_digits(scale):
    precision, column = precision_of(6), columns_of(6, 1)
    X = scale * np.hstack([column, column, -2 * column])
    computed = woodbury_update(precision, X)
    assert error_of(computed, exact_update(precision, X)) < 1e-12


@given(sizes, st.integers(0, 5), seeds, st.booleans())
def test_update_against_scipy(size, n_columns, seed, downdate):
    covariance, X = covariance_of(size, seed), columns_of(size, n_columns, seed)
    precision = precision_of(size, seed)
    sign = -1 if downdate else 1
    if downdate and n_columns:
        X = X * (0.5 / np.sqrt(linalg.eigvalsh(X.T @ precision @ X)[-1]))
    expected = linalg.inv(covariance + sign * X @ X.T)
    computed = woodbury_update(precision, X, downdate=downdate)
    assert error_of(computed, expected) < 1e-10 * np.linalg.cond(covariance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [5, 300])
@pytest.mark.parametrize("overwrite", [True, False])
def test_symmetric_in_exactly_symmetric_out(size, dtype, overwrite):
    precision = precision_of(size).astype(dtype)
    X = 0.1 * columns_of(size, 3).astype(dtype)
    updated = woodbury_update(precision, X, overwrite=overwrite)
    assert updated.dtype == dtype
    assert_array_equal(updated, updated.T)
    assert (updated is precision) == overwrite


@pytest.mark.parametrize("variance", [2.0, [0.0, 3.0]])
def test_activity_variance_scales_columns(variance):
    precision, X = precision_of(6), columns_of(6, 2)
    computed = woodbury_update(precision, X, activity_variance=variance)
    expected = woodbury_update(precision, X * np.sqrt(variance))
    assert_allclose(computed, expected, rtol=1e-12)


def test_down_undoes_up():
    precision, X = precision_of(9), columns_of(9, 2)
    there = woodbury_update(precision, X)
    back = woodbury_update(there, X, downdate=True)
    assert_allclose(back, precision, atol=1e-9 * np.abs(precision).max())


@pytest.mark.parametrize("order", ["C", "F"])
def test_overwrite_makes_no_second_matrix(allocation_peak, order):
    precision = np.array(np.eye(1500), order=order)
    X = 0.1 * columns_of(1500, 2)
    with allocation_peak() as peak:
        woodbury_update(precision, X, overwrite=True)
    assert peak() < 0.2 * precision.nbytes


def test_inputs_stay_as_they_were():
    precision, X = precision_of(6), columns_of(6, 2)
    copies = precision.copy(), X.copy()
    woodbury_update(precision, X)
    assert_array_equal(precision, copies[0])
    assert_array_equal(X, copies[1])


P, ONE = precision_of(4), np.ones((4, 1))
LOPSIDED = P + np.triu(np.ones((4, 4)), 1)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((P, 10 * ONE), {"downdate": True}, "eigenvalue of I - X' P X is -"),
        ((-np.eye(4), 2 * ONE), {}, "not positive definite"),
        ((LOPSIDED, ONE), {}, r"not symmetric: .* differ by up to"),
        ((P, np.ones((3, 1))), {}, r"\(3, 1\)"),
        ((P, np.ones((1, 4))), {}, "X.T"),
        ((P[:3], ONE), {}, "must be square"),
        ((P, ONE * np.nan), {}, "X holds values that are NaN"),
        ((P * np.inf, ONE), {}, "precision"),
        ((P, ONE), {"activity_variance": -1.0}, "-1.0"),
        ((P, ["a", "b", "c", "d"]), {}, "numbers"),
        ((np.eye(4, dtype=int), ONE), {"overwrite": True}, "dtype int"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments, options, message):
    before = np.array(arguments[0])
    with pytest.raises(ValueError, match=message):
        woodbury_update(*arguments, **options)
    assert_array_equal(arguments[0], before)


@pytest.mark.parametrize("second", [[0.0, 1.0, 0.0], [1e160, 0.0, 0.0]])
def test_products_that_overflow_are_refused(second):
    X = np.array([[1e160, 0.0, 0.0], second]).T
    with pytest.raises(ValueError, match="too large for float64"):
        woodbury_update(np.eye(3), X)


@given(st.floats(1.0, 1e6), st.sampled_from([np.float32, np.float64]))
def test_the_fraction_that_is_said_to_fit_fits(scale, dtype):
    precision, X = np.eye(3, dtype=dtype), np.array([[scale, 0, 0], [0, 0.1, 0]]).T
    with pytest.raises(ValueError, match="times X would fit") as refusal:
        woodbury_update(precision, X, downdate=True)
    fraction = float(str(refusal.value).split(" times X")[0].split()[-1])
    assert fraction > 0.998 / scale
    woodbury_update(precision, fraction * X, downdate=True)


def test_slightly_indefinite_precision_is_refused():
    with pytest.raises(ValueError, match=r"X' P X is -0.00"):
        woodbury_update(np.diag([1.0, -1.0]), [0.0, 0.05])


@pytest.mark.parametrize("place", [(1, 2), (2, 2)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("order", ["C", "F"])
def test_one_value_that_is_not_finite_is_found(place, value, order):
    precision = np.array(np.eye(4), order=order)
    precision[place] = value
    with pytest.raises(ValueError, match=r"precision holds .*: 1 of 16"):
        woodbury_update(precision, [0.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("size", [2, 3, 50, 2000])
@pytest.mark.parametrize("place", [(0, 1), (0, -1), (-2, -1)])
def test_a_single_pair_that_differs_is_found(size, place):
    precision = np.eye(size)
    precision[place] = 1e-4
    with pytest.raises(ValueError, match=r"differ by up to 0.0001"):
        woodbury_update(precision, np.eye(size, 1))


def test_rounding_in_an_inverse_is_no_asymmetry():
    precision = np.linalg.inv(covariance_of(60))
    assert (precision != precision.T).any()
    updated = woodbury_update(precision, columns_of(60, 2))
    assert_array_equal(updated, updated.T)


@pytest.mark.parametrize("distance", [1e-4, 1e-8])
def test_large_columns_that_are_almost_alike(distance):
    precision, X = precision_of(6), 1e6 * columns_of(6, 2)
    X[:, 1] = X[:, 0] + distance * X[:, 1]
    computed = woodbury_update(precision, X)
    # The textbook formula is wrong in the first digit here.
    error = np.abs(computed - exact_update(precision, X)).max()
    assert error < 1e-7 * np.abs(precision).max()


@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, pd.DataFrame])
def test_tables_and_integers(make):
    precision = np.array([[4, 1], [1, 3]])
    computed = woodbury_update(make(precision), pd.Series([1, 2]))
    assert type(computed) is np.ndarray
    assert computed.dtype == np.float64
    assert error_of(computed, exact_update(precision, np.array([[1], [2]]))) < 1e-14


def backwards(precision):
    return precision[::-1, ::-1]


def as_integers(precision):
    return precision.astype(int)


@pytest.mark.parametrize("convert", [np.asarray, as_integers, backwards])
def test_update_allocates_one_matrix(allocation_peak, convert):
    precision = convert(np.eye(1500))
    X = 0.1 * columns_of(1500, 2)
    with allocation_peak() as peak:
        woodbury_update(precision, X)
    assert peak() < 1.2 * precision.nbytes


@pytest.mark.parametrize("order", ["C", "F"])
def test_refused_overwrite_leaves_every_bit(order):
    precision = np.array(precision_of(300), order=order)
    before = precision.tobytes("A")
    with pytest.raises(ValueError, match="cannot be taken out"):
        woodbury_update(precision, columns_of(300, 3), downdate=True, overwrite=True)
    assert precision.tobytes("A") == before


@pytest.mark.parametrize("order", ["C", "F"])
def test_overwriting_writes_what_is_returned_otherwise(order):
    precision = np.array(precision_of(300), order=order)
    X = columns_of(300, 3)
    expected = woodbury_update(precision, X)
    woodbury_update(precision, X, overwrite=True)
    assert_allclose(precision, expected, rtol=1e-13, atol=1e-13)


def unwriteable(precision):
    precision.flags.writeable = False
    return precision


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unwriteable, "read-only"),
        (backwards, "strides"),
        (pd.DataFrame, "a DataFrame"),
        (as_integers, "dtype int"),
    ],
)
def test_what_cannot_be_overwritten_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        woodbury_update(change(np.eye(4)), ONE, overwrite=True)


# ------------------------------------------------------------- Sherman-Morrison
def test_chain_of_fifty_updates():
    rng = np.random.default_rng(0)
    matrix = np.eye(6) + 0.1 * rng.normal(size=(6, 6))
    inverse = linalg.inv(matrix)
    for _ in range(50):
        u, v = 0.3 * rng.normal(size=(2, 6))
        matrix, inverse = (
            matrix + np.outer(u, v),
            sherman_morrison_update(inverse, u, v),
        )
    exact = np.array((mpmath.matrix(matrix.tolist()) ** -1).tolist(), dtype=float)
    assert error_of(inverse, exact) < 1e-9


@given(sizes, seeds)
def test_outer_product_against_scipy(size, seed):
    rng = np.random.default_rng(seed)
    matrix = size * np.eye(size) + rng.normal(size=(size, size)) / size
    u, v = 0.3 * rng.normal(size=(2, size))
    computed = sherman_morrison_update(linalg.inv(matrix), u, v)
    assert_allclose(computed, linalg.inv(matrix + np.outer(u, v)), atol=1e-9)


def test_singular_up_to_rounding_is_refused():
    u, v = np.array([1.0 + 2**-52, 0, 0]), np.array([-1.0, 0, 0])
    assert 1 + v @ u != 0
    with pytest.raises(ValueError, match=r"reciprocal condition is 1.11e-16"):
        sherman_morrison_update(np.eye(3), u, v)


def test_outer_product_that_makes_it_singular_is_refused():
    with pytest.raises(ValueError, match=r"singular .* reciprocal condition"):
        sherman_morrison_update(np.eye(3), [1.0, 0, 0], [-1.0, 0, 0])


@pytest.mark.parametrize("sign", [1, -1])
def test_symmetric_outer_product_gives_a_symmetric_inverse(sign):
    inverse, u = precision_of(40), 0.1 * columns_of(40, 1)[:, 0]
    updated = sherman_morrison_update(inverse, u, sign * u)
    assert_array_equal(updated, updated.T)
    expected = woodbury_update(inverse, u, downdate=sign < 0)
    assert_allclose(updated, expected, rtol=1e-10, atol=1e-12)


# --------------------------------------------------------------- general lemma
def blocks_of(size, inner, seed):
    rng = np.random.default_rng(seed)
    E = 3 * np.eye(size) + 0.2 * rng.normal(size=(size, size))
    H = 3 * np.eye(inner) + 0.2 * rng.normal(size=(inner, inner))
    F, G = 0.3 * rng.normal(size=(2, size, inner))
    return E, F, H, G.T


def test_general_lemma_against_fifty_digits():
    E, F, H, G = blocks_of(6, 3, 0)
    e, f, h, g = (mpmath.matrix(block.tolist()) for block in (E, F, H, G))
    exact = np.array(((e - f * h**-1 * g) ** -1).tolist(), dtype=float)
    computed = matrix_inversion_lemma(linalg.inv(E), F, H, G)
    assert error_of(computed, exact) < 1e-14


@given(sizes, st.integers(1, 5), seeds)
def test_general_lemma_against_scipy(size, inner, seed):
    E, F, H, G = blocks_of(size, inner, seed)
    computed = matrix_inversion_lemma(linalg.inv(E), F, H, G)
    expected = linalg.inv(E - F @ linalg.solve(H, G))
    assert_allclose(computed, expected, atol=1e-9 * np.abs(expected).max())


def test_lemma_is_woodbury_in_the_symmetric_case():
    precision, X = precision_of(5), columns_of(5, 2)
    computed = matrix_inversion_lemma(precision, X, -np.eye(2), X.T)
    assert_allclose(computed, woodbury_update(precision, X), rtol=1e-10)
    assert_array_equal(computed, computed.T)


NOT_FINITE = np.array([[np.inf, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("name", "position"), [("E_inv", 0), ("F", 1), ("H", 2), ("G", 3)]
)
def test_block_that_is_not_finite_is_named(name, position):
    blocks = [np.eye(2), 0.1 * np.ones((2, 2)), 2 * np.eye(2), 0.1 * np.ones((2, 2))]
    blocks[position] = NOT_FINITE
    with pytest.raises(ValueError, match=f"^{name} holds values"):
        matrix_inversion_lemma(*blocks)


def test_what_float32_cannot_hold_is_named():
    with pytest.raises(ValueError, match=r"u holds values .* beyond float32"):
        sherman_morrison_update(np.eye(2, dtype=np.float32), [1e300, 0], [0, 1])


def test_rows_of_different_units_are_not_singular():
    units = np.diag([1e-12, 1e12])
    F, G = np.eye(3, 2), 0.5 * np.eye(2, 3)
    computed = matrix_inversion_lemma(np.eye(3), F, 2 * units, units @ G)
    assert_allclose(computed, np.diag([4 / 3, 4 / 3, 1]), rtol=1e-14)


def test_singular_blocks_are_refused():
    with pytest.raises(ValueError, match="H is singular"):
        matrix_inversion_lemma(np.eye(3), np.ones((3, 1)), [[0.0]], np.ones((1, 3)))
    with pytest.raises(ValueError, match="singular to working precision"):
        matrix_inversion_lemma(np.eye(1), [[1.0]], [[1.0]], [[1.0]])
    with pytest.raises(ValueError, match=r"F has shape"):
        matrix_inversion_lemma(np.eye(3), np.ones((2, 1)), [[1.0]], np.ones((1, 3)))
