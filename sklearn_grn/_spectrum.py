"""Eigenvalues and norms of matrices that are never built."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.utils import check_array

from sklearn_grn._array_interface import ArrayInterface
from sklearn_grn._column_blocks import ColumnBlocks

DENSE_EIGENVALUES = 500  # up to this size LAPACK is faster than any iteration
_PRECISION = 1e-7  # relative width at which the bisection stops


def extreme_eigenvalue(operator: LinearOperator, which: str) -> float:
    """Return the largest eigenvalue of a symmetric operator.

    Parameters
    ----------
    operator : LinearOperator of shape (n, n)
    which : {"LA", "LM"}
        Largest by value, or by magnitude.

    Returns
    -------
    float
    """
    size = operator.shape[0]
    if size <= DENSE_EIGENVALUES:
        values = np.linalg.eigvalsh(operator @ np.eye(size))
        return float(values[np.abs(values).argmax()] if which == "LM" else values[-1])
    start = np.random.default_rng(0).normal(size=size)  # fixed, so that results repeat
    if not (operator @ start).any():  # Lanczos would have nowhere to go
        return 0.0
    found = eigsh(operator, k=1, which=which, v0=start, return_eigenvectors=False)
    return float(found[0])


def smallest_eigenvalue(noise_variance: NDArray, loadings: ColumnBlocks) -> float:
    """Return the smallest eigenvalue of diag(psi) + L L', to seven digits.

    Lanczos would stall where the noise variances crowd. Instead eigenvalues below t are
    counted by Sylvester's law of inertia (Golub & Van Loan, 4th ed., 8.1.5),

        #(Sigma - t < 0) = #(psi_i < t) - #(I + L' diag(psi - t)^-1 L < 0),

    and the count is bisected. By interlacing the answer lies between the smallest psi
    and the one that is rank places further up.

    Parameters
    ----------
    noise_variance : ndarray of shape (n,)
    loadings : ColumnBlocks of shape (n, rank)

    Returns
    -------
    float
    """
    lying = loadings.lying().astype(np.float64, copy=False)
    rank, size = lying.shape
    low = float(noise_variance.min())
    high = float((noise_variance + np.einsum("ij,ij->j", lying, lying)).min())
    if rank < size:
        high = min(high, float(np.partition(noise_variance, rank)[rank]))
    while high - low > _PRECISION * high:
        middle = 0.5 * (low + high)
        if _count_below(middle, noise_variance, lying):
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def squared_distance(matrix: ArrayInterface, other: Any, norm: str) -> float:
    """Return the squared norm of the difference from another symmetric matrix.

    Parameters
    ----------
    matrix : structured matrix of shape (n, n)
    other : array-like or structured matrix of the same shape
    norm : {"frobenius", "spectral"}

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes differ or `norm` is not one of the two.
    """
    if not isinstance(other, ArrayInterface):
        other = check_array(other, dtype=np.float64, input_name="comp_cov")
    if other.shape != matrix.shape:
        raise ValueError(f"matrices of shape {matrix.shape} and {other.shape} differ")
    if norm == "frobenius":
        # Block by block: sums of squares of factors would cancel for close matrices.
        parts = ((block, other[rows]) for rows, block in matrix._row_blocks())
        return float(sum(np.square(mine - theirs).sum() for mine, theirs in parts))
    if norm == "spectral":
        difference = LinearOperator(
            matrix.shape, matvec=lambda x: matrix @ x - other @ x, dtype=np.float64
        )
        return extreme_eigenvalue(difference, "LM") ** 2
    raise ValueError(f"norm is {norm!r}; it must be 'frobenius' or 'spectral'")


def _count_below(shift: float, noise_variance: NDArray, lying: NDArray) -> int:
    shifted = noise_variance - shift
    shifted[shifted == 0] = np.finfo(np.float64).eps * shift
    middle = np.eye(len(lying)) + (lying / shifted) @ lying.T
    negative = np.linalg.eigvalsh(middle) < 0 if len(lying) else np.empty(0)
    return int((shifted < 0).sum() - negative.sum())
