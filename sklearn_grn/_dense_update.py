"""What lies under `linalg`: checks that cost next to nothing, and symmetric updates.

A check must not take longer than the update of a small matrix. So asymmetry, and what
is not finite, show in products with two probe vectors that run along with the columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import lapack

# NumPy and SciPy bring a BLAS each, whose threads wait for each other at every change.
# All long products are NumPy's; SciPy factorises k x k matrices, too small for threads.

_ONE_PIECE = 208  # a matrix of up to so many rows is updated in one piece
_TILE = 64  # rows that are updated and mirrored at a time otherwise
_ONE_THREAD = 2**18  # multiplications up to which BLAS wakes no other thread

# Two probes tell an asymmetric matrix from a rounded one where they differ by this
# share of their size; it is more than the inverse of a matrix of condition 1e5 leaves.
_ROUNDED = 1e-12

# A negative x'Px beyond this is no rounding: the matrix is not positive definite.
_SLACK = 1e-4

_EPSILON = {np.dtype(kind): np.finfo(kind).eps for kind in (np.float32, np.float64)}


@np.errstate(over="ignore", invalid="ignore")
def half_of_change(
    matrix: NDArray, X: ArrayLike, activity_variance: ArrayLike | None, downdate: bool
) -> NDArray:
    """Return H of the change H' H, of shape (n_pathways, n_features).

    The probes run along with the columns, so the check costs no pass of its own.
    """
    probed = _read_columns(X, activity_variance, matrix)
    product = _project(matrix, probed)
    gram = _gram(probed, product)
    _check_symmetric(matrix, gram)
    columns, product, gram = probed[:, :-2], product[:, :-2], gram[:-2, :-2]
    if len(gram) < 2:
        return _scale_column(columns, product, gram, downdate)
    if downdate:
        return _grow(columns, product, gram)
    return _shrink(matrix, columns, product, gram)


def _scale_column(
    columns: NDArray, product: NDArray, gram: NDArray, downdate: bool
) -> NDArray:
    """Return H for one column, or none, with a row of zeros.

    BLAS multiplies two columns by two rows several times faster than NumPy one by one.
    """
    half = np.zeros((2, len(product)), dtype=product.dtype)
    if not gram.size:
        return half
    small = 1.0 - gram.item() if downdate else 1.0 + gram.item()
    if downdate and not _resolution(len(product), product.dtype) < small < 1.0 + _SLACK:
        _refuse_downdate(columns, gram)
    if not downdate and not 1.0 - _SLACK < small < math.inf:
        _refuse_update(columns, gram)
    np.multiply(product[:, 0], small**-0.5, out=half[0])
    return half


def _shrink(
    matrix: NDArray, columns: NDArray, product: NDArray, gram: NDArray
) -> NDArray:
    """Return H of P - H' H for two columns or more that come."""
    small = _identity(len(gram)) + gram
    root = _inverse_root(small)
    if root is None or not _is_well_scaled(root, small, matrix.dtype):
        axes = _principal_axes(columns)
        product = _project(matrix, axes)
        gram = _gram(axes, product)
        finite = np.isfinite(gram).all()
        root = _inverse_root(_identity(len(gram)) + gram) if finite else None
    # trace (I + X'PX)^-1 is at most k, or P is not what it should be.
    if root is None or not np.vdot(root.T, root.T) < (1.0 + _SLACK) * len(gram):
        _refuse_update(columns, gram)
    return root.astype(matrix.dtype, copy=False) @ product.T


def _grow(columns: NDArray, product: NDArray, gram: NDArray) -> NDArray:
    """Return H of P + H' H for two columns or more that go."""
    root = _inverse_root(_identity(len(gram)) - gram)
    # 1 / trace M^-1 is at most the smallest eigenvalue of M, and at least a k-th of it.
    limit = 1.0 / _resolution(len(columns), product.dtype)
    least = (1.0 - _SLACK) * len(gram)
    if root is None or not least < np.vdot(root.T, root.T) < limit:
        _refuse_downdate(columns, gram)
    return root.astype(product.dtype, copy=False) @ product.T


def _inverse_root(small: NDArray) -> NDArray | None:
    """Return T with T' T = M^-1, or None where M is not positive definite."""
    triangle, info = lapack.dpotrf(small, 1)  # 1: the lower one
    return None if info else lapack.dtrtri(triangle, 1)[0]


def _is_well_scaled(root: NDArray, small: NDArray, dtype: np.dtype) -> bool:
    """Tell whether M = I + X'PX keeps the digits of I.

    It does when M is small, or when the sum of M_jj (M^-1)_jj is near k, as it is for
    a diagonal M: columns of any size pass, as long as they are not alike.
    """
    limit = _EPSILON[dtype] ** -0.25
    if np.vdot(small, small) < limit**2:
        return True
    scaled = root * np.sqrt(small.diagonal())
    return bool(np.vdot(scaled, scaled) < len(small) * limit)


def _principal_axes(columns: NDArray) -> NDArray:
    """Return orthogonal columns with the same X X': M is graded then, not singular."""
    if not np.isfinite(columns).all():
        return columns
    axes, lengths, _ = np.linalg.svd(columns.astype(np.float64), full_matrices=False)
    return (axes * lengths).astype(columns.dtype)


def _project(matrix: NDArray, columns: NDArray) -> NDArray:
    """Return P X, of many columns as X' P: there BLAS is faster with a wide matrix."""
    if columns.size > _ONE_THREAD // 16:
        return (columns.T @ matrix).T
    return _multiply(matrix, columns)


def _multiply(left: NDArray, right: NDArray) -> NDArray:
    """Return left @ right, in slices of rows that BLAS multiplies in one thread.

    Threads would gain little, as memory sets the pace, and every call would wait until
    all cores are free. Products with more terms are left to them.
    """
    step = _ONE_THREAD // right.size // 8 * 8
    if step >= len(left) or step < 8:
        return left @ right
    product = np.empty((len(left), right.shape[1]), dtype=left.dtype)
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        np.matmul(left[rows], right, out=product[rows])
    return product


def add_mirrored(
    matrix: NDArray, half: NDArray, change: NDArray, out: NDArray | None
) -> NDArray:
    """Return matrix + half' change, a symmetric sum; `out` may be `matrix`.

    One triangle is found and mirrored tile by tile. Both go from a tile that lies
    without gaps: entries 2^n apart would push each other out of the cache.
    """
    size = len(matrix)
    if out is None and size <= _ONE_PIECE:
        total = half.T @ change
        total += matrix
        return _symmetrise(total)
    if out is None:
        out = np.empty_like(matrix)
    width = max(_TILE, _ONE_THREAD // (_TILE * len(half)))
    for top in range(0, size, _TILE):
        for start in range(top, size, width):
            rows, columns = slice(top, top + _TILE), slice(start, start + width)
            tile = half[:, rows].T @ change[:, columns]
            tile += matrix[rows, columns]
            if start == top:
                _symmetrise(tile[:, :_TILE])
            out[rows, columns] = tile
            out[columns, rows] = tile.T
    return out


def _symmetrise(square: NDArray) -> NDArray:
    """Make mirrored entries equal in place, where rounding made them differ."""
    return np.maximum(square, square.T.copy(), out=square)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def block_update(given: Mapping[str, NDArray], schur: str, changed: str) -> NDArray:
    """Return (E - F H^-1 G)^-1 from E^-1, F, H and G, which `given` holds by name."""
    matrix, columns, small, rows = given.values()
    left, right = matrix @ columns, rows @ matrix
    wide_left, wide_rows = left.astype(np.float64), rows.astype(np.float64)
    terms = np.abs(small) + np.abs(wide_rows) @ np.abs(wide_left)
    hint = f"{changed} has no inverse, only a pseudo-inverse (numpy.linalg.pinv)"
    inverse = invert_small(small - wide_rows @ wide_left, terms, given, schur, hint)
    left, right = _pad(left, inverse.astype(matrix.dtype) @ right)
    if _is_congruence(matrix, columns, small, rows):
        updated = add_mirrored(matrix, left.T, right, None)
    else:
        updated = _multiply(left, right)
        updated += matrix
    if not (math.isfinite(updated.sum()) or np.isfinite(updated).all()):
        _check_finite(given)
        raise ValueError(f"{changed} has an inverse too large for {matrix.dtype}")
    return updated


def _pad(left: NDArray, right: NDArray) -> tuple[NDArray, NDArray]:
    """Give a product of one column and one row a second of zeros, for the sake of BLAS.

    NumPy multiplies one column by one row itself, several times slower.
    """
    if left.shape[1] > 1:
        return left, right
    both = np.concatenate([left, np.zeros_like(left)], axis=1)
    return both, np.concatenate([right, np.zeros_like(right)])


def _is_congruence(
    matrix: NDArray, columns: NDArray, small: NDArray, rows: NDArray
) -> bool:
    """Whether the result is symmetric: F = G' or -G', and E^-1 and H are symmetric."""
    alike = (rows == columns.T).all() or (rows == -columns.T).all()
    return bool(
        alike and (small == small.T).all() and _largest_asymmetry(matrix) == 0.0
    )


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def invert_small(
    small: NDArray, terms: NDArray, given: Mapping[str, NDArray], name: str, hint: str
) -> NDArray:
    """Return S^-1, unless S is singular beside the terms it is a difference of."""
    matrix = next(iter(given.values()))
    limit = _resolution(len(matrix), matrix.dtype)
    try:
        inverse = np.linalg.inv(small)
        reciprocal = 1.0 / (np.abs(inverse) @ terms).sum(axis=1).max()
    except np.linalg.LinAlgError:
        reciprocal = 0.0
    if not reciprocal > limit:
        _check_finite(given)
        raise ValueError(
            f"{name} is singular to working precision: its reciprocal condition is "
            f"{reciprocal:.3g}, and must be more than {limit:.3g}. {hint}"
        )
    return inverse


def _resolution(size: int, dtype: np.dtype) -> float:
    """Return what is left of 1 when a sum of `size` terms cancels."""
    return max(size, 16) * float(_EPSILON[dtype])


def _gram(columns: NDArray, product: NDArray) -> NDArray:
    """Return X' P X in float64."""
    if columns.dtype == np.float32:
        columns, product = columns.astype(np.float64), product.astype(np.float64)
    return columns.T @ product


@lru_cache(maxsize=1)
def _identity(size: int) -> NDArray:
    return np.eye(size)


@lru_cache(maxsize=8)
def _probes(size: int, dtype: np.dtype) -> NDArray:
    """Return vectors r = cos θ and s = sin θ with scattered, equally spaced angles.

    s'Pr - r'Ps is the sum of (P_ij - P_ji) sin (θ_i - θ_j) over pairs, and the sine
    of no pair is 0: a difference between two mirrored entries always shows.
    """
    order = np.random.default_rng(0).permutation(size)
    angles = (order + 0.5) * (np.pi / size)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(dtype)


def _check_symmetric(matrix: NDArray, gram: NDArray) -> None:
    """Refuse a matrix that is not symmetric, or not finite.

    `gram` ends with the products of the probes. What is not finite makes their
    difference so too, as no probe is 0 anywhere. In float32 rounding is as large as a
    difference worth to be found, and entries are compared at once.
    """
    difference = abs(gram[-1, -2] - gram[-2, -1])
    rounded = difference < _ROUNDED * (gram[-1, -1] + gram[-2, -2])
    if rounded and matrix.dtype == np.float64:
        return
    largest = _largest_asymmetry(matrix)
    limit = _EPSILON[matrix.dtype] ** 0.5 * np.abs(matrix.diagonal()).max()
    if not largest <= limit:
        _check_finite({"precision": matrix})
        raise ValueError(
            f"precision is not symmetric: mirrored entries differ by up to "
            f"{largest:.3g}, and {limit:.3g} would pass as rounding. Pass "
            "(precision + precision.T) / 2 if that is what you mean"
        )


def _largest_asymmetry(matrix: NDArray) -> float:
    """Return the largest |P_ij - P_ji|, NaN where an entry is not finite."""
    largest = np.zeros((), dtype=matrix.dtype)
    for start in range(0, len(matrix), _TILE):
        rows = slice(start, start + _TILE)
        difference = matrix[start:, rows].T.copy()
        difference -= matrix[rows, start:]
        largest = np.maximum(largest, np.abs(difference, out=difference).max())
    return float(largest)


def _check_finite(given: Mapping[str, NDArray]) -> None:
    for name, array in given.items():
        wrong = array.size - np.count_nonzero(np.isfinite(array))
        if wrong:
            raise ValueError(
                f"{name} holds values that are NaN, infinite or beyond {array.dtype}: "
                f"{wrong} of {array.size}. Remove or replace them"
            )


def _refuse_update(columns: NDArray, gram: NDArray) -> NoReturn:
    """Say why I + X'PX is not at least I."""
    _check_finite({"X": columns})
    if not np.isfinite(gram).all():
        raise ValueError(f"X' P X is too large for {columns.dtype}. Rescale X")
    spectrum = 1.0 + np.linalg.eigvalsh(gram)
    reciprocal = np.abs(spectrum).min() / np.abs(spectrum).max()
    raise ValueError(
        "precision is not positive definite: the smallest eigenvalue of X' P X is "
        f"{spectrum[0] - 1.0:.3g}, and I + X' P X has the reciprocal condition "
        f"{reciprocal:.3g}. Pass the inverse of a covariance matrix"
    )


def _refuse_downdate(columns: NDArray, gram: NDArray) -> NoReturn:
    """Say how far X X' is out of what Σ holds."""
    _check_finite({"X": columns})
    if not np.isfinite(gram).all():
        raise ValueError(f"X' P X is too large for {columns.dtype}. Rescale X")
    spectrum = np.linalg.eigvalsh(gram)
    if spectrum[-1] < 0.5:
        _refuse_update(columns, gram)
    # Less by more than the four digits of the message round up.
    fitting = 0.999 * min(spectrum[-1] ** -0.5, 1.0)
    raise ValueError(
        "X cannot be taken out, for the covariance would no longer be positive "
        f"definite: the smallest eigenvalue of I - X' P X is {1 - spectrum[-1]:.3g}, "
        f"and must be more than {_resolution(len(columns), columns.dtype):.3g}. "
        f"Some {fitting:.4g} times X would fit"
    )


def check_overwritable(precision: Any) -> None:
    """Refuse to write into what cannot hold the result."""
    if not isinstance(precision, np.ndarray):
        problem = f"a {type(precision).__name__}"
    elif precision.dtype not in _EPSILON:
        problem = f"of dtype {precision.dtype}"
    elif not precision.flags.writeable:
        problem = "read-only"
    elif not (precision.flags.c_contiguous or precision.flags.f_contiguous):
        problem = f"laid out with strides {precision.strides}"
    else:
        return
    raise ValueError(
        f"overwrite=True needs a precision that is a writeable ndarray of float32 or "
        f"float64, C or F ordered and without gaps; this one is {problem}. Pass "
        "overwrite=False, or a copy"
    )


def is_converted(matrix: NDArray, precision: Any) -> bool:
    """Whether the matrix was copied from an array, and nobody else holds it."""
    if not isinstance(precision, np.ndarray) or matrix is precision:
        return False
    return not np.may_share_memory(matrix, precision)


def _read_columns(
    X: ArrayLike, activity_variance: ArrayLike | None, matrix: NDArray
) -> NDArray:
    """Return X, scaled by φ^1/2, and beside it the two probes."""
    columns, size = _read_numbers("X", X), len(matrix)
    if columns.ndim == 1:
        columns = columns[:, None]
    if columns.ndim != 2 or len(columns) != size:
        _refuse_shape(columns.shape, size)
    n_columns = columns.shape[1]
    probed = np.empty((size, n_columns + 2), dtype=matrix.dtype)
    probed[:, :-2] = columns
    if activity_variance is not None:
        probed[:, :-2] *= _read_deviation(activity_variance, n_columns)
    probed[:, -2:] = _probes(size, matrix.dtype)
    return probed


def _refuse_shape(shape: tuple[int, ...], size: int) -> NoReturn:
    transpose = len(shape) == 2 and shape[1] == size
    raise ValueError(
        f"X has shape {shape}, and must be ({size},) or ({size}, n_pathways) for a "
        f"precision of shape ({size}, {size})" + "; pass X.T" * transpose
    )


def _read_deviation(activity_variance: ArrayLike, n_columns: int) -> NDArray:
    variance = _read_numbers("activity_variance", activity_variance)
    if variance.shape not in ((), (n_columns,)):
        raise ValueError(
            f"activity_variance has shape {variance.shape}; give one number, or one "
            f"for each column of X: shape ({n_columns},)"
        )
    if not (np.isfinite(variance) & (variance >= 0)).all():
        raise ValueError(
            f"activity_variance is {variance.tolist()}; variances are finite and at "
            "least 0 (downdate=True takes X out)"
        )
    return np.broadcast_to(np.sqrt(variance), (n_columns,))


def read_square(name: str, value: ArrayLike) -> NDArray:
    """Return a square matrix of float32 or float64 without gaps, copied if need be."""
    array = _read_numbers(name, value)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        raise ValueError(f"{name} has shape {array.shape}, and must be square")
    if array.dtype not in _EPSILON:
        return array.astype(np.float64)
    return array if array.flags.forc else array.copy()


@np.errstate(over="ignore")
def read(
    name: str, value: ArrayLike, shape: tuple[int, ...], dtype: np.dtype, beside: str
) -> NDArray:
    """Return an array of a given shape and data type; what is beyond it is infinite."""
    array = _read_numbers(name, value)
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}, and must be {shape} beside {beside}"
        )
    return array.astype(dtype)


def _read_numbers(name: str, value: ArrayLike) -> NDArray:
    array = np.asarray(value)
    if array.dtype.kind in "fiub":
        return array
    try:
        if array.dtype.kind == "O":
            return array.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"{name} is a {type(value).__name__} of dtype {array.dtype}; pass a dense "
        "array of real numbers"
    )
