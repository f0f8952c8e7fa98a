"""The capacitance matrix of a diagonal-plus-low-rank covariance, in whitened units.

With Sigma = diag(psi) + L L' and A = diag(psi)^-1/2 L, the capacitance matrix is
C = I + A'A. All that is ever asked of Sigma^-1 follows from orthonormal columns
[T; Q] that span those of [I; A], so that Q = A T and C^-1 = T T':

    (I + A A')^-1 = I - Q Q',        leverage of gene i: h_i = ||q_i||^2 < 1.

Both pieces grow by appending: a new column y of A is orthogonalised against [T; Q],
which is the matrix inversion lemma (Woodbury 1950; for one column Sherman & Morrison
1950). What goes wrong in practice is 1 - h_i -> 0: a gene whose own noise is nothing
beside what the others leave open, so that it holds a direction of the factors alone;
such states are built by reflections (`_orthonormal.py`), and nothing is found by
subtracting.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import linalg
from sklearn.utils import gen_batches

from sklearn_grn._column_blocks import ColumnBlocks, compact
from sklearn_grn._orthonormal import (
    error_of_inverse,
    inverse_of_product,
    inverse_triangle,
    log_det_of_triangle,
    orthonormalise,
    sensitivity,
    solve_lower,
)

# A difference below this share of what it started from has lost four digits, and the
# Householder path takes over. Pivots are such differences, and so is 1 - h_i.
_TRUSTED = 1e-4

_GRAM_ROWS = 4096  # rows widened to float64 at a time


@dataclass(frozen=True, eq=False)  # arrays have no truth value: identity is equality
class Capacitance:
    """Sigma = diag(psi) + L L' together with the basis that inverts it; immutable.

    Attributes
    ----------
    noise_variance : ndarray of shape (n_features,)
        psi, positive.
    scale : ndarray of shape (n_features,)
        psi^-1/2.
    loadings : ColumnBlocks of shape (n_features, rank)
        L, in units of expression.
    basis : ColumnBlocks of shape (n_features, rank)
        Q = A T.
    root : ndarray of shape (rank, rank)
        T, with C^-1 = T T'.
    residual : ndarray of shape (n_features,)
        1 - h_i, the share of a gene's own noise in its variance given all others.
        Accurate relative to itself.
    n_head : int
        Columns that were factorised together; T is upper triangular behind them.
    head_log_det : float
        log det of the leading (n_head, n_head) block of C.
    head_residual : ndarray of shape (n_features,)
        1 - h_i of those columns alone.
    base : Capacitance or None
        The state that an append had to rebuild, so that taking the append back gives
        that state itself.
    uncertainty : float
        What rounding of the input leaves uncertain in partial correlations; 0 where no
        digits were lost.
    dense_uncertainty : float
        The part of it that is due to a dense covariance at the start, and so stays
        whatever is appended or removed.
    """

    noise_variance: NDArray
    scale: NDArray
    loadings: ColumnBlocks
    basis: ColumnBlocks
    root: NDArray
    residual: NDArray
    n_head: int
    head_log_det: float
    head_residual: NDArray
    base: Capacitance | None = None
    uncertainty: float = 0.0
    dense_uncertainty: float = 0.0

    @property
    def rank(self) -> int:
        """Number of columns of L."""
        return len(self.root)

    @property
    def trusted(self) -> bool:
        """Whether every 1 - h_i could be found by subtracting from 1."""
        return _trusted(self.residual)

    @property
    def of_dense_inverse(self) -> bool:
        """Whether the head may come of a dense inverse, whose error shows in [T; Q]."""
        return self.n_head >= len(self.residual)

    @property
    def log_det(self) -> float:
        """Log-determinant of C, so log det Sigma = sum log psi + log det C."""
        pivots = self.root.diagonal()[self.n_head :]
        return self.head_log_det - 2.0 * float(np.log(pivots).sum())


def factorise(noise_variance: NDArray, loadings: ColumnBlocks) -> Capacitance:
    """Build the state of diag(psi) + L L' from nothing, in O(p k^2).

    Parameters
    ----------
    noise_variance : ndarray of shape (n_features,), float64
        psi, positive and finite.
    loadings : ColumnBlocks of shape (n_features, rank)
        L.

    Returns
    -------
    Capacitance
    """
    scale = 1.0 / np.sqrt(noise_variance)
    whitened = _whiten(loadings.lying(), scale)
    gram = np.eye(len(whitened)) + _gram(whitened)
    root = _inverse_root(gram, gram.diagonal())
    if root is not None:
        basis = ColumnBlocks(root.T.astype(whitened.dtype, copy=False) @ whitened)
        residual = _subtract_squares(np.ones(len(scale)), basis.lying())
        if _trusted(residual):
            log_det = -2.0 * float(np.log(root.diagonal()).sum())
            return _head(noise_variance, loadings, basis, root, residual, log_det)
    return _reflect(noise_variance, loadings, whitened)


def factorise_dense(
    covariance: NDArray, least: float = 0.0, dtype: DTypeLike = np.float64
) -> Capacitance:
    """Build the state of a dense covariance, as exactly as its inverse is known.

    With the correlation matrix R and N = R^-1, a part theta of R is moved to the
    diagonal: K K' = R - theta I, A = theta^-1/2 K, and (I + AA')^-1 = theta N, so that
    Q Q' = I - theta N and 1 - h_i = theta N_ii. Since the smallest eigenvalue of R is
    at least 1 / trace N, theta = 1 / (2 trace N) keeps both Cholesky factors well away
    from singular ones.

    Parameters
    ----------
    covariance : ndarray of shape (n_features, n_features), float64
        Symmetric, with a positive diagonal.
    least : float, default=0
        A known lower bound of the smallest eigenvalue of R; half of it serves as theta
        where that is more.
    dtype : dtype, default=float64
        Data type of loadings and basis.

    Returns
    -------
    Capacitance
        Of rank n_features.

    Raises
    ------
    ValueError
        If the matrix is not positive definite to working precision; it names the
        smallest eigenvalue of the correlation matrix.
    """
    variance = covariance.diagonal().copy()
    deviation = np.sqrt(variance)
    correlation = covariance / deviation / deviation[:, None]
    inverse, log_det = _invert_correlation(correlation)
    size, trace = len(variance), float(inverse.trace())
    theta = max(least / 2.0, 0.5 / trace)
    root = np.linalg.cholesky(_shift(correlation, 1.0, -theta))
    basis = np.linalg.cholesky(_shift(inverse, -theta, 1.0))
    turn = solve_lower(root, basis) * theta**0.5
    state = _head(
        theta * variance,
        ColumnBlocks(np.multiply(root.T, deviation, dtype=dtype)),
        ColumnBlocks(np.ascontiguousarray(basis.T, dtype=dtype)),
        turn,
        theta * inverse.diagonal(),
        log_det - size * float(np.log(theta)),
    )
    lost = error_of_inverse(correlation, inverse)
    return replace(state, uncertainty=lost, dense_uncertainty=lost)


def append(state: Capacitance, columns: NDArray) -> Capacitance:
    """Return the state of Sigma + X X', in O(p k D); `state` is shared, not changed.

    Parameters
    ----------
    state : Capacitance
        State of Sigma.
    columns : ndarray of shape (D, n_features)
        X', in units of expression, in the data type of the loadings.

    Returns
    -------
    Capacitance
    """
    loadings = state.loadings.append(columns)
    if not state.trusted:
        return _rebuild(state, loadings)
    whitened = _whiten(columns, state.scale)
    lengths = 1.0 + np.einsum("ij,ij->i", whitened, whitened, dtype=np.float64)
    # One step of block Gram-Schmidt of [0; I; Y] against [T; 0; Q]. The squared lengths
    # that remain are sums of squares, where the textbook's I + Y'G subtracts.
    shared = state.basis.project(whitened.T)
    fresh = state.basis.combine(shared)
    np.subtract(whitened, fresh, out=fresh)
    carried = state.root @ shared
    left = carried.T @ carried + _gram(fresh)
    if state.of_dense_inverse:  # as Q has it: what goes may be all but that error
        left = _symmetric_product(whitened, fresh)
    corner = _inverse_root(np.eye(len(columns)) + left, lengths)
    if corner is None:
        return _rebuild(state, loadings)
    block = corner.T.astype(fresh.dtype, copy=False) @ fresh
    residual = _subtract_squares(state.residual.copy(), block)
    root = _border(state.root, -carried @ corner, corner)
    basis = state.basis.append(block)
    grown = replace(state, loadings=loadings, basis=basis, root=root, residual=residual)
    return grown if grown.trusted else _rebuild(state, loadings)


def remove(state: Capacitance, keep: NDArray[np.bool_]) -> Capacitance:
    """Return the state without some of its columns.

    The capacitance matrix without a column is a sub-matrix, so nothing is subtracted:
    columns at the end are cut off, which leaves bit for bit what was there before they
    came; columns behind a removed one are rotated by the Q factor of a small matrix.

    Parameters
    ----------
    state : Capacitance
        State of Sigma.
    keep : ndarray of shape (rank,), bool
        Which columns of L stay.

    Returns
    -------
    Capacitance
    """
    base = state.base
    if base is not None and not keep[base.rank :].any():
        return remove(base, keep[: base.rank])
    if keep.all():
        return state
    if base is not None and not keep[: base.rank].all():
        base = None
    loadings = state.loadings.select(keep)
    first = int(np.argmin(keep))
    if not state.trusted or first < state.n_head:
        return _factorise_again(state, loadings, base)
    basis, root = _rotate_out(state, keep, first)
    behind = islice(basis.columns(), state.n_head, None)
    residual = _subtract_squares(state.head_residual.copy(), behind)
    return replace(
        state, loadings=loadings, basis=basis, root=root, residual=residual, base=base
    )


def posterior_mean(state: Capacitance, whitened_samples: NDArray) -> NDArray:
    """Return E[f | x] = C^-1 A' z for whitened samples z, shape (n_samples, rank)."""
    return state.basis.project(whitened_samples.T).T @ state.root.T


def _rebuild(state: Capacitance, loadings: ColumnBlocks) -> Capacitance:
    base = replace(state, base=None) if state.trusted else state.base
    return _factorise_again(state, loadings, base)


def _factorise_again(
    state: Capacitance, loadings: ColumnBlocks, base: Capacitance | None
) -> Capacitance:
    fresh = factorise(state.noise_variance, loadings)
    given = state.dense_uncertainty  # that of its loadings is not of rounding them
    lost = max(fresh.uncertainty, given)
    return replace(fresh, base=base, uncertainty=lost, dense_uncertainty=given)


def _rotate_out(
    state: Capacitance, keep: NDArray[np.bool_], first: int
) -> tuple[ColumnBlocks, NDArray]:
    """Rotate the columns from `first` on so that the removed rows of T vanish.

    [I; A] without a column is [T; Q] R without that column; with R_kept = G R' the new
    orthonormal columns are [T; Q] G and R' is their triangle.
    """
    head = state.root[:first, :first]
    if not keep[first:].any():
        return state.basis.first(first), compact(head)
    triangle = inverse_triangle(state.root[first:, first:])[:, keep[first:]]
    rotation, triangle = linalg.qr(triangle, mode="economic", check_finite=False)
    signs = np.where(triangle.diagonal() < 0, -1.0, 1.0)
    rotation, triangle = rotation * signs, triangle * signs[:, None]
    tail = state.basis.last_lying(state.rank - first)
    block = rotation.T.astype(tail.dtype, copy=False) @ tail
    beside = state.root[:first, first:] @ rotation
    root = _border(head, beside, inverse_triangle(triangle))
    return ColumnBlocks(*state.basis.first(first).blocks, block), root


def _head(
    noise_variance: NDArray,
    loadings: ColumnBlocks,
    basis: ColumnBlocks,
    root: NDArray,
    residual: NDArray,
    log_det: float,
) -> Capacitance:
    """Return a state whose columns were all factorised together."""
    parts = (noise_variance, 1.0 / np.sqrt(noise_variance), loadings, basis, root)
    return Capacitance(*parts, residual, len(root), log_det, residual)


def _reflect(
    noise_variance: NDArray, loadings: ColumnBlocks, whitened: NDArray
) -> Capacitance:
    """Return the state of ill-conditioned columns, and what rounding them costs."""
    rows = whitened.T.astype(np.float64)
    root, basis, residual, log_det = orthonormalise(rows)
    strength = sensitivity(rows, root, basis, residual)
    lying = np.ascontiguousarray(basis.T, dtype=loadings.dtype)
    parts = (noise_variance, loadings, ColumnBlocks(lying), root, residual, log_det)
    lost = float(np.finfo(whitened.dtype).eps) * strength
    return replace(_head(*parts), uncertainty=lost)


def _invert_correlation(correlation: NDArray) -> tuple[NDArray, float]:
    """Return R^-1 and log det R by a Cholesky factor."""
    try:
        triangle = np.linalg.cholesky(correlation)
        inverse = inverse_of_product(triangle)
    except np.linalg.LinAlgError:
        inverse = np.full((1, 1), np.inf)
    # The smallest eigenvalue of R is at least 1 / trace R^-1.
    if not inverse.trace() * 10 * np.finfo(np.float64).eps < 1.0:
        smallest = linalg.eigvalsh(correlation, subset_by_index=[0, 0])[0]
        raise ValueError(
            "the covariance is not positive definite: the smallest eigenvalue of its "
            f"correlation matrix is {smallest:.3g}. Use more shrinkage"
        )
    return inverse, log_det_of_triangle(triangle)


def _shift(matrix: NDArray, factor: float, shift: float) -> NDArray:
    shifted = factor * matrix
    shifted.flat[:: len(matrix) + 1] += shift
    return shifted


def _whiten(lying: NDArray, scale: NDArray) -> NDArray:
    return lying * scale.astype(lying.dtype, copy=False)


def _gram(lying: NDArray) -> NDArray:
    """Return Y'Y in float64 for Y lying as (k, n_features)."""
    if lying.dtype == np.float64:
        return lying @ lying.T
    gram = np.zeros((len(lying), len(lying)))
    for batch in gen_batches(lying.shape[1], _GRAM_ROWS):
        part = lying[:, batch].astype(np.float64)
        gram += part @ part.T
    return gram


def _symmetric_product(left: NDArray, right: NDArray) -> NDArray:
    """Return the symmetric Y'G in float64 for Y and G lying as (k, n_features)."""
    product = left.astype(np.float64, copy=False) @ right.T.astype(np.float64)
    return 0.5 * (product + product.T)


def _inverse_root(gram: NDArray, squared_lengths: NDArray) -> NDArray | None:
    """Return T = R^-1 for gram = R'R, or None where a pivot has lost its digits."""
    if len(gram) == 1:  # Sherman & Morrison
        return gram**-0.5 if gram[0, 0] >= _TRUSTED * squared_lengths[0] else None
    try:
        triangle = np.linalg.cholesky(gram).T
    except np.linalg.LinAlgError:
        return None
    if (triangle.diagonal() ** 2 < _TRUSTED * squared_lengths).any():
        return None
    return inverse_triangle(triangle)


def _subtract_squares(residual: NDArray, columns: Iterable[NDArray]) -> NDArray:
    """Subtract the squares of lying columns one by one, in place.

    The order is fixed, so that cutting columns off gives back the very bits that were
    there before the columns came.
    """
    for column in columns:
        residual -= np.square(column, dtype=np.float64)
    return residual


def _trusted(residual: NDArray) -> bool:
    """Whether every 1 - h_i could be found by subtracting from 1."""
    return bool(residual.min() >= _TRUSTED)


def _border(root: NDArray, beside: NDArray, corner: NDArray) -> NDArray:
    """Return [[root, beside], [0, corner]]."""
    size = len(root) + len(corner)
    bordered = np.empty((size, size))
    bordered[: len(root), : len(root)] = root
    bordered[len(root) :, : len(root)] = 0.0
    bordered[: len(root), len(root) :] = beside
    bordered[len(root) :, len(root) :] = corner
    return bordered
