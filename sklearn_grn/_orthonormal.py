"""Orthonormal columns that span those of [I; A], to the last digits of every row.

The way for ill-conditioned models: Householder reflections in place of the Cholesky
factor of I + A'A, and coordinates of their own for genes all but free of noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

# Genes with 1 - h_i below this get coordinates of their own, worst
# first, until their 1 - h_i sum to one half. The block of (I + AA')^-1 that belongs to
# them then has no eigenvalue above one half (its trace), and since the h_i sum to less
# than the rank there are never more such genes than columns.
_NOISE_FREE = 1e-2

# NumPy and SciPy bring a BLAS each, whose threads wait for each other at every change;
# up to this size that takes longer than NumPy's more expensive algorithm.
SMALL = 400


def orthonormalise(rows: NDArray) -> tuple[NDArray, NDArray, NDArray, float]:
    """Return T and Q = A T with orthonormal columns [T; Q], for rows A of genes.

    Parameters
    ----------
    rows : ndarray of shape (n_features, rank)
        A, float64.

    Returns
    -------
    root : ndarray of shape (rank, rank)
        T.
    basis : ndarray of shape (n_features, rank)
        Q.
    residual : ndarray of shape (n_features,)
        1 - ||q_i||^2, accurate relative to itself.
    log_det : float
        log det (I + A'A).
    """
    root, basis, triangle, _ = _by_reflections(rows)
    residual = 1.0 - np.einsum("ij,ij->i", basis, basis)
    noise_free = _noise_free_genes(residual)
    if noise_free.any():
        return _pivot_out(rows, noise_free)
    return root, basis, residual, log_det_of_triangle(triangle)


@np.errstate(over="ignore", invalid="ignore")
def sensitivity(
    rows: NDArray, root: NDArray, basis: NDArray, residual: NDArray
) -> float:
    """Return how strongly rounding of A shows in (I + AA')^-1 = N = I - QQ'.

    To first order dN = -(N dA W + W' dA' N) with W = C^-1 A' = T Q' [1]_. Where the
    entries of A are off by independent shares e, the change of N_ij beside
    (N_ii N_jj)^1/2 has a standard deviation of about e times

        (sum_k b_k W_kj^2 / N_jj)^1/2,     b_k = sum_i N_ii a_ik^2.

    Parameters
    ----------
    rows : ndarray of shape (n_features, rank)
        A.
    root : ndarray of shape (rank, rank)
        T.
    basis : ndarray of shape (n_features, rank)
        Q.
    residual : ndarray of shape (n_features,)
        The diagonal of N.

    Returns
    -------
    float
        The largest over all genes j; infinite where it is beyond floats.

    References
    ----------
    .. [1] Higham (2002), Accuracy and Stability of Numerical Algorithms, 2nd ed.,
       SIAM, chapter 20, on the sensitivity of least squares.
    """
    weights = residual @ np.square(rows)
    squares = weights @ np.square(root @ basis.T) / residual
    largest = squares.max(initial=0.0)
    return float(np.sqrt(largest)) if np.isfinite(largest) else np.inf


def error_of_inverse(correlation: NDArray, inverse: NDArray) -> float:
    """Return what rounding of R leaves uncertain in N = R^-1.

    dN = -N dR N. For entries of R off by independent shares e, dN_ii / N_ii has a
    standard deviation of about e times (N^2)_ii / N_ii times the root mean square of R.

    Parameters
    ----------
    correlation : ndarray of shape (n_features, n_features)
        R.
    inverse : ndarray of shape (n_features, n_features)
        N.

    Returns
    -------
    float
        For e of the last digit.
    """
    strength = np.einsum("ij,ij->i", inverse, inverse) / inverse.diagonal()
    typical = np.linalg.norm(correlation) / len(correlation)
    return float(np.finfo(np.float64).eps * typical * strength.max())


def inverse_triangle(triangle: NDArray) -> NDArray:
    """Return the inverse of an upper triangle."""
    if len(triangle) <= SMALL:  # the LU of a triangle has nothing to eliminate
        return np.triu(np.linalg.inv(triangle))
    return np.triu(linalg.lapack.dtrtri(triangle, lower=0)[0])


def inverse_of_product(triangle: NDArray) -> NDArray:
    """Return (K K')^-1, exactly symmetric, for a lower triangle K."""
    if len(triangle) <= SMALL:
        inverse = np.linalg.inv(triangle)
        return inverse.T @ inverse
    inverse = np.tril(linalg.lapack.dpotri(triangle, lower=1)[0])
    inverse += np.tril(inverse, -1).T
    return inverse


def solve_lower(triangle: NDArray, right: NDArray) -> NDArray:
    """Return K^-1 B for a lower triangle K."""
    if len(triangle) <= SMALL:
        return np.linalg.solve(triangle, right)
    return linalg.solve_triangular(triangle, right, lower=True, check_finite=False)


def leading_eigenpairs(gram: NDArray, n_pairs: int) -> tuple[NDArray, NDArray]:
    """Return the largest eigenvalues, in falling order, and their eigenvectors."""
    if n_pairs == 0:
        return np.empty(0), np.empty((len(gram), 0))
    if len(gram) <= SMALL:
        values, vectors = np.linalg.eigh(gram)
    else:
        leading = [len(gram) - n_pairs, len(gram) - 1]
        values, vectors = linalg.eigh(gram, subset_by_index=leading)
    return values[::-1][:n_pairs], vectors[:, ::-1][:, :n_pairs]


def log_det_of_triangle(triangle: NDArray) -> float:
    """Return log det R'R of a triangle R."""
    return 2.0 * float(np.log(np.abs(triangle.diagonal())).sum())


def _by_reflections(rows: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return T, Q, R and pivots of [I; A] by Householder reflections.

    [I; A] with its columns in the order of the pivots is [T; Q] R. With rows sorted by
    size and columns pivoted the factorisation is stable row by row, so small rows keep
    their digits beside large ones (Cox & Higham 1998, Numerical Analysis 1997, Addison
    Wesley Longman, 57-73).
    """
    rank = rows.shape[1]
    stacked = np.concatenate([np.eye(rank), rows])
    order = np.argsort(-np.abs(stacked).max(axis=1, initial=0.0), kind="stable")
    sorted_basis, triangle, pivots = linalg.qr(
        stacked[order], mode="economic", pivoting=True
    )
    basis = np.empty_like(sorted_basis)
    basis[order] = sorted_basis
    return basis[:rank], basis[rank:], triangle, pivots


def _noise_free_genes(residual: NDArray) -> NDArray[np.bool_]:
    """Mark genes whose own noise is nothing beside what the others leave open."""
    order = np.argsort(residual, kind="stable")
    within = np.cumsum(np.maximum(residual[order], 0.0)) <= 0.5
    noise_free = np.zeros(len(residual), dtype=bool)
    noise_free[order[within & (residual[order] < _NOISE_FREE)]] = True
    return noise_free


def _pivot_out(
    rows: NDArray, out: NDArray[np.bool_]
) -> tuple[NDArray, NDArray, NDArray, float]:
    """Give each gene of the set B = `out` a coordinate of its own.

    Without B the capacitance is C_G = R_G'R_G with basis [T_G; Q_G]. With
    W = A_B R_G^-1 the block of N = (I + AA')^-1 that belongs to B is
    N_BB = (I + WW')^-1 = V V', where [I; W'] = [V; U] R_B and V = R_B^-1 is found as
    the inverse of a triangle: its rows keep their relative accuracy however small. With
    the Cholesky factor X X' = I - N_BB, an almost diagonal matrix, the rows

        q_B = [X, 0],     q_G = Q_G [U V'X^-T, U_perp]

    have the inner products delta_ij - N_ij, each small one as a product of one large
    and one small coordinate. (Block inverse and Schur complement: Golub & Van Loan,
    Matrix Computations, 4th ed., 3.2.11; leaving one row out is B = {i}.)
    """
    n_out, rank = int(out.sum()), rows.shape[1]
    root, kept_basis, triangle, pivots = _by_reflections(rows[~out])
    outside = linalg.solve_triangular(triangle, rows[out][:, pivots].T, trans=1)
    _, explained, out_triangle, out_pivots = _by_reflections(outside)
    inverse = np.empty((n_out, n_out))
    inverse[out_pivots] = inverse_triangle(out_triangle)
    complement = linalg.qr(explained, mode="full")[0][:, n_out:]
    near_identity = linalg.cholesky(np.eye(n_out) - inverse @ inverse.T, lower=True)
    shared = linalg.solve_triangular(near_identity, inverse, lower=True).T
    turn = np.concatenate([explained @ shared, complement], axis=1)

    basis = np.zeros((len(rows), rank))
    basis[out, :n_out] = near_identity
    basis[~out] = kept_basis @ turn
    residual = 1.0 - np.einsum("ij,ij->i", basis, basis)
    residual[out] = np.einsum("ij,ij->i", inverse, inverse)
    return (
        root @ turn,
        basis,
        residual,
        log_det_of_triangle(triangle) + log_det_of_triangle(out_triangle),
    )
