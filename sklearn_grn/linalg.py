"""Inverses of dense matrices after a change of low rank.

For matrices that are held entry by entry. A covariance of many genes is better held in
factors, as :class:`~sklearn_grn.FactorPrecisionEstimator` does: its updates take
O(n_features rank), where each of these functions writes n_features^2 numbers.

===============================  ==============================================
:func:`woodbury_update`          symmetric positive definite, k columns come or go
:func:`sherman_morrison_update`  any square matrix, one outer product comes
:func:`matrix_inversion_lemma`   any square matrix, the general block form
===============================  ==============================================
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import lapack

__all__ = ["matrix_inversion_lemma", "sherman_morrison_update", "woodbury_update"]

# NumPy and SciPy bring a BLAS each, whose threads wait for each other at every change.
# All products are NumPy's; SciPy factorises matrices of k rows, too small for threads.

_ONE_TILE = 256  # up to so many rows a matrix is updated in one piece
_TILE = 64  # rows that are mirrored at a time: they stay in the cache
_ONE_THREAD = 2**18  # multiplications below which a product does not wake threads

# In float64 two probes tell an asymmetric matrix from a rounded one; this share of
# their size is more than the inverse of a matrix of condition 1e5 leaves.
_PROBE_TOLERANCE = 1e-12

_WELL_SCALED = 1e4  # of I + X'PX with unit diagonal: no more digits than four are lost


def woodbury_update(
    precision: ArrayLike,
    X: ArrayLike,
    *,
    activity_variance: ArrayLike | None = None,
    downdate: bool = False,
    overwrite: bool = False,
) -> NDArray:
    """Return the precision matrix after pathways have come or gone.

    With P = Σ^-1 and the variances φ of the pathways' activities, this is

        (Σ + X diag(φ) X')^-1 = P - P X (diag(φ)^-1 + X' P X)^-1 X' P,

    or, with `downdate`, (Σ - X diag(φ) X')^-1. It takes O(n_features^2 n_pathways)
    instead of the O(n_features^3) of a new inverse.

    Parameters
    ----------
    precision : array-like of shape (n_features, n_features)
        P, symmetric positive definite, in units of 1 / expression^2. Differences
        between mirrored entries up to ε^1/2 of the largest entry (1.5e-8 in float64)
        are taken as rounding.
    X : array-like of shape (n_features,) or (n_features, n_pathways)
        Loadings, in units of expression. Rows are taken in order: tables are not
        aligned by name.
    activity_variance : float or array-like of shape (n_pathways,), default=None
        φ, at least 0; None means 1.
    downdate : bool, default=False
        Take the pathways out of Σ instead of adding them.
    overwrite : bool, default=False
        Write the result into `precision`, which must then be a writeable array of
        float32 or float64, C or F ordered and without gaps. Nothing else of its size is
        allocated. When an error is raised, `precision` is as it was before.

    Returns
    -------
    updated : ndarray of shape (n_features, n_features)
        Exactly symmetric; float32 if `precision` is float32, else float64. It is
        `precision` itself with `overwrite`.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not a finite real number or a variance is
        negative; if `precision` is asymmetric, or not positive definite along X; if
        X diag(φ) X' cannot be taken out because Σ has less than that (the message says
        which fraction of X it has); if `precision` cannot be overwritten.

    See Also
    --------
    matrix_inversion_lemma : The general form.
    sklearn_grn.FactorPrecisionEstimator : The same in factors, without any matrix of
        shape (n_features, n_features).

    Notes
    -----
    With H' H = P X (I + X' P X)^-1 X' P (X scaled by φ^1/2) the result is P - H' H, of
    which one triangle is found and mirrored. When columns of X are so large or so alike
    that the I is lost beside X' P X, the principal axes of X take their place. Errors
    stay at rounding level relative to the largest entries of P, times the condition
    of P at worst; in a downdate also divided by the smallest eigenvalue of I - X' P X.
    Where X' P X exceeds 1 / ε no array of this data type can hold what is left of P
    along X: the result is then positive semi-definite up to rounding, no more.

    Whether all of P is positive definite is not checked, as that takes longer than the
    update.

    References
    ----------
    .. [1] Woodbury, M. A. (1950). Inverting modified matrices. Memorandum Report 42,
       Statistical Research Group, Princeton University.
    .. [2] Golub, G. H. & Van Loan, C. F. (2013). Matrix Computations, 4th ed., section
       2.1.4. Johns Hopkins University Press.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_grn.linalg import woodbury_update
    >>> precision = np.diag([1.0, 2.0, 4.0])
    >>> pathway = np.array([1.0, 0.5, 0.0])
    >>> updated = woodbury_update(precision, pathway)
    >>> updated
    array([[ 0.6, -0.4,  0. ],
           [-0.4,  1.6,  0. ],
           [ 0. ,  0. ,  4. ]])
    >>> back = woodbury_update(updated, pathway, downdate=True)
    >>> bool(np.allclose(back, precision))
    True
    """
    if overwrite:
        _check_overwritable(precision)
    matrix = _read_square("precision", precision)
    if not matrix.flags.c_contiguous:
        matrix = matrix.T
    half = _half_of_change(matrix, X, activity_variance, downdate)
    change = half if downdate else -half
    if overwrite:
        _add_mirrored(matrix, half, change, matrix)
        return np.asarray(precision)
    own = _is_converted(matrix, precision)
    return _add_mirrored(matrix, half, change, matrix if own else None)


def sherman_morrison_update(inverse: ArrayLike, u: ArrayLike, v: ArrayLike) -> NDArray:
    """Return the inverse of a square matrix to which an outer product is added.

        (A + u v')^-1 = A^-1 - A^-1 u v' A^-1 / (1 + v' A^-1 u),

    in O(n^2). A need not be symmetric.

    Parameters
    ----------
    inverse : array-like of shape (n, n)
        A^-1.
    u, v : array-like of shape (n,)
        Column and row of the outer product; the unit of u v' is that of A.

    Returns
    -------
    updated : ndarray of shape (n, n)
        float32 if `inverse` is float32, else float64. Exactly symmetric if `inverse`
        is and u equals v or -v.

    Raises
    ------
    ValueError
        If A + u v' is singular to working precision (the message gives the reciprocal
        condition of 1 + v' A^-1 u), a shape does not fit, or a value is not a finite
        real number.

    See Also
    --------
    woodbury_update : Several symmetric outer products at once.

    References
    ----------
    .. [1] Sherman, J. & Morrison, W. J. (1950). Adjustment of an inverse matrix
       corresponding to a change in one element of a given matrix. Annals of
       Mathematical Statistics 21(1), 124-127.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_grn.linalg import sherman_morrison_update
    >>> sherman_morrison_update(np.eye(2), [1, 0], [1, 2])  # inverse of [[2, 2], [0, 1]]
    array([[ 0.5, -1. ],
           [ 0. ,  1. ]])
    """
    matrix = _read_square("inverse", inverse)
    shape = (len(matrix),)
    u, v = (_read(*given, shape, matrix.dtype) for given in (("u", u), ("v", v)))
    # The lemma with E = A, F = u, H = -1 and G = v'.
    blocks = u[:, None], np.full((1, 1), -1.0), v[None]
    names = "inverse", "u", "H", "v", "1 + v' A^-1 u", "A + u v'"
    return _block_update(matrix, *blocks, names)


def matrix_inversion_lemma(
    E_inv: ArrayLike, F: ArrayLike, H: ArrayLike, G: ArrayLike
) -> NDArray:
    """Return the inverse of a square matrix from which a block product is taken.

        (E - F H^-1 G)^-1 = E^-1 + E^-1 F (H - G E^-1 F)^-1 G E^-1,

    in O(n^2 m + m^3). No matrix need be symmetric. It is also the leading block of the
    inverse of [[E, F], [G, H]], and with F = X, H = -diag(φ)^-1 and G = X' it is
    :func:`woodbury_update`.

    Parameters
    ----------
    E_inv : array-like of shape (n, n)
        E^-1.
    F : array-like of shape (n, m)
        Columns. The unit of F H^-1 G is that of E.
    H : array-like of shape (m, m)
        Itself, not its inverse; it must have one.
    G : array-like of shape (m, n)
        Rows.

    Returns
    -------
    updated : ndarray of shape (n, n)
        float32 if `E_inv` is float32, else float64. Exactly symmetric if `E_inv` and
        `H` are and G equals F' or -F'.

    Raises
    ------
    ValueError
        If H or H - G E^-1 F is singular to working precision (the message gives its
        reciprocal condition), a shape does not fit, or a value is not a finite real
        number.

    See Also
    --------
    woodbury_update : The symmetric positive definite case, faster and more accurate.

    Notes
    -----
    The reciprocal condition is that of S = H - G E^-1 F as it is computed:
    1 / || |S^-1| (|H| + |G| |E^-1 F|) || in the maximum norm. It does not depend on the
    units of the rows of G and H, and it sees what the subtraction cancels.

    References
    ----------
    .. [1] Duncan, W. J. (1944). Some devices for the solution of large sets of
       simultaneous linear equations. Philosophical Magazine 35(249), 660-670.
    .. [2] Guttman, L. (1946). Enlargement methods for computing the inverse matrix.
       Annals of Mathematical Statistics 17(3), 336-343.
    .. [3] Golub, G. H. & Van Loan, C. F. (2013). Matrix Computations, 4th ed., section
       2.1.4. Johns Hopkins University Press.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_grn.linalg import matrix_inversion_lemma
    >>> F, H, G = [[2.0], [0.0]], [[4.0]], [[1.0, 1.0]]
    >>> matrix_inversion_lemma(np.eye(2), F, H, G)  # of [[0.5, -0.5], [0, 1]]
    array([[2., 1.],
           [0., 1.]])
    """
    matrix = _read_square("E_inv", E_inv)
    size, dtype = len(matrix), matrix.dtype
    small = _read_square("H", H).astype(np.float64, copy=False)
    columns = _read("F", F, (size, len(small)), dtype)
    rows = _read("G", G, (len(small), size), dtype)
    _invert_small(small, np.abs(small), "H", "H^-1", dtype)
    names = "E_inv", "F", "H", "G", "H - G E^-1 F", "E - F H^-1 G"
    return _block_update(matrix, columns, small, rows, names)


@np.errstate(over="ignore", invalid="ignore")
def _half_of_change(
    matrix: NDArray, X: ArrayLike, activity_variance: ArrayLike | None, downdate: bool
) -> NDArray:
    """Return H of the change H' H, lying as (n_pathways, n_features).

    The probes run along with the columns, so that the check costs no pass of its own.
    """
    probed = _read_columns(X, activity_variance, matrix)
    product = probed @ matrix
    gram = _gram(product, probed)
    _check_symmetric(matrix, gram)
    columns, product, gram = probed[:-2], product[:-2], gram[:-2, :-2]
    if not len(columns):
        return np.zeros_like(probed)
    if downdate:
        return _grow(columns, product, gram)
    return _shrink(matrix, columns, product, gram)


def _shrink(
    matrix: NDArray, columns: NDArray, product: NDArray, gram: NDArray
) -> NDArray:
    """Return H of P - H' H for columns that come."""
    small = _identity(len(gram)) + gram
    root = _inverse_root(small)
    if root is None or not _is_well_scaled(root, small, product.dtype):
        axes = _principal_axes(columns)
        product = axes @ matrix
        gram = _gram(product, axes)
        root = _inverse_root(_identity(len(gram)) + gram)
    # trace (I + X'PX)^-1 is at most k, or P is not what it should be.
    if root is None or not 0.0 < np.vdot(root, root) <= 1.01 * len(gram):
        _refuse_update(columns, gram)
    return root.astype(product.dtype, copy=False) @ product


def _grow(columns: NDArray, product: NDArray, gram: NDArray) -> NDArray:
    """Return H of P + H' H for columns that go."""
    root = _inverse_root(_identity(len(gram)) - gram)
    # 1 / trace M^-1 is at most the smallest eigenvalue of M, and at least a k-th of it.
    limit = 1.0 / _resolution(columns.shape[1], product.dtype)
    if root is None or not 0.99 * len(gram) <= np.vdot(root, root) < limit:
        _refuse_downdate(columns, gram)
    return root.astype(product.dtype, copy=False) @ product


def _inverse_root(small: NDArray) -> NDArray | None:
    """Return T with T' T = M^-1, or None where M is not positive definite.

    The T of one column has a row of zeros more: BLAS multiplies two columns by two rows
    several times faster than NumPy one by one.
    """
    if len(small) == 1:
        value = small.item()
        return np.array([[value**-0.5], [0.0]]) if value > 0.0 else None
    triangle, info = lapack.dpotrf(small, lower=1)
    return None if info else lapack.dtrtri(triangle, lower=1)[0]


def _is_well_scaled(root: NDArray, small: NDArray, dtype: np.dtype) -> bool:
    """Tell whether M keeps its digits: the sum of M_jj (M^-1)_jj is k if it is diagonal.

    Columns of any size pass, as long as they are not alike.
    """
    if len(small) == 1:
        return True
    scaled = root * np.sqrt(small.diagonal())
    return bool(np.vdot(scaled, scaled) < len(small) * _EPSILON[dtype] ** -0.25)


def _principal_axes(columns: NDArray) -> NDArray:
    """Return orthogonal columns with the same X X', so that M is graded, not singular."""
    if not np.isfinite(columns).all():
        return columns
    lengths, axes = np.linalg.svd(columns.astype(np.float64), full_matrices=False)[1:]
    return (lengths[:, None] * axes).astype(columns.dtype)


def _add_mirrored(
    matrix: NDArray, left: NDArray, right: NDArray, out: NDArray | None
) -> NDArray:
    """Return matrix + left' right for a symmetric sum, exactly symmetric.

    One triangle is computed and mirrored tile by tile, so `out` may be `matrix`.
    """
    size = len(matrix)
    if out is None:
        if size <= _ONE_TILE:
            total = left.T @ right
            total += matrix
            return _mirror(total)
        out = np.empty_like(matrix)
    width = max(_TILE, _ONE_THREAD // (_TILE * len(left)))
    for top in range(0, size, _TILE):
        rows = slice(top, top + _TILE)
        for start in range(top, size, width):
            columns = slice(start, start + width)
            tile = left[:, rows].T @ right[:, columns]
            tile += matrix[rows, columns]
            if start == top:
                _mirror(tile[:, :_TILE])
            out[rows, columns] = tile
            out[columns, rows] = tile.T
    return out


def _mirror(square: NDArray) -> NDArray:
    """Copy the upper triangle of an almost symmetric matrix onto the lower, in place.

    In the blocks on the diagonal the larger of two mirrored entries serves for both.
    """
    for start in range(0, len(square), _MIRRORED):
        stop = start + _MIRRORED
        corner = square[start:stop, start:stop]
        np.maximum(corner, corner.T.copy(), out=corner)
        square[stop:, start:stop] = square[start:stop, stop:].T
    return square


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _block_update(
    matrix: NDArray, columns: NDArray, small: NDArray, rows: NDArray, names: Names
) -> NDArray:
    """Return (E - F H^-1 G)^-1 from E^-1, F, H and G."""
