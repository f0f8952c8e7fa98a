"""Inverses of dense matrices after a change of low rank.

For matrices that are held entry by entry. A covariance of many genes is better held in
factors, as :class:`~sklearn_grn.FactorPrecisionEstimator` does: its updates take
O(n_features rank), where each of these functions writes n_features^2 numbers.

* :func:`woodbury_update`: symmetric positive definite, some columns come or go.
* :func:`sherman_morrison_update`: any square matrix, one outer product comes.
* :func:`matrix_inversion_lemma`: any square matrix, the general block form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_grn._dense_update import (
    add_mirrored,
    block_update,
    check_overwritable,
    half_of_change,
    invert_small,
    is_converted,
    read,
    read_square,
)

__all__ = ["matrix_inversion_lemma", "sherman_morrison_update", "woodbury_update"]


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
        check_overwritable(precision)
    matrix = read_square("precision", precision)
    if not matrix.flags.c_contiguous:
        matrix = matrix.T
    half = half_of_change(matrix, X, activity_variance, downdate)
    out = matrix if overwrite or is_converted(matrix, precision) else None
    updated = add_mirrored(matrix, half, half.copy() if downdate else -half, out)
    return np.asarray(precision) if overwrite else updated


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
    >>> sherman_morrison_update(np.eye(2), [1, 0], [1, 2])  # of [[2, 2], [0, 1]]
    array([[ 0.5, -1. ],
           [ 0. ,  1. ]])
    """
    matrix = read_square("inverse", inverse)
    beside = f"an inverse of shape {matrix.shape}"
    column = read("u", u, matrix.shape[:1], matrix.dtype, beside)[:, None]
    row = read("v", v, matrix.shape[:1], matrix.dtype, beside)[None]
    # The lemma with E = A, F = u, H = -1 and G = v'.
    given = {"inverse": matrix, "u": column, "H": np.full((1, 1), -1.0), "v": row}
    return block_update(given, "1 + v' A^-1 u", "A + u v'")


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
    The reciprocal condition is that of S = H - G E^-1 F as it is computed, with abs the
    absolute values of the entries:
    ``1 / norm(abs(S^-1) (abs(H) + abs(G) abs(E^-1 F)))`` in the maximum norm. It does
    not depend on the units of the rows of G and H, and it sees what the subtraction
    cancels.

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
    matrix = read_square("E_inv", E_inv)
    small = read_square("H", H).astype(np.float64)
    beside = f"an E_inv of shape {matrix.shape} and an H of shape {small.shape}"
    shape = len(matrix), len(small)
    columns = read("F", F, shape, matrix.dtype, beside)
    rows = read("G", G, shape[::-1], matrix.dtype, beside)
    given = {"E_inv": matrix, "F": columns, "H": small, "G": rows}
    invert_small(small, np.abs(small), given, "H", "Pass an H that has an inverse")
    return block_update(given, "H - G E^-1 F", "E - F H^-1 G")
