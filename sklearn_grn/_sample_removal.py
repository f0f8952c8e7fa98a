"""Removing each sample from a covariance in turn, as a term of a sum.

Let B be the covariance with the divisor that one sample less calls for. The covariance
without sample k is B - y_k y_k', of rank one, and B is the same for all samples:

    P_k = B^-1 + B^-1 y_k y_k' B^-1 / s_k,    s_k = 1 - y_k' B^-1 y_k

(Sherman & Morrison 1950), and its determinant is s_k times that of B. P_k is a sum, so
its diagonal loses no digits. What goes wrong is s_k -> 0, where a sample is alone in
its direction, as each is while there are more genes than samples and shrinkage is
small. So a small s_k is found as a sum of squares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._capacitance import Capacitance, append, factorise, factorise_dense
from sklearn_grn._centred_table import CentredTable
from sklearn_grn._column_blocks import ColumnBlocks
from sklearn_grn._edge_search import Edges
from sklearn_grn._likelihood import explain, log_density
from sklearn_grn._pair_tiles import inner_products

_TRUSTED = 1e-4  # a difference below this share of what it started from is found anew


class Removals(NamedTuple):
    """What each sample takes from the model of all.

    Attributes
    ----------
    state : Capacitance
        B, with psi its noise variance.
    directions : ndarray of shape (n_samples, n_features)
        psi^1/2 B^-1 y_k / s_k^1/2: with a row a, the whitened precision is that of B
        plus a a'.
    shares : ndarray of shape (n_samples,)
        s_k, the determinant of the covariance without the sample over that of B.
    """

    state: Capacitance
    directions: NDArray
    shares: NDArray[np.float64]


def remove_each(
    table: CentredTable, noise: NDArray, spread: NDArray, pathways: NDArray
) -> Removals:
    """Remove each sample from diag(noise) + S D'D S + X X', where D are the samples.

    Parameters
    ----------
    table : CentredTable
        Its `samples` are D.
    noise : ndarray of shape (n_features,)
    spread : ndarray of shape (n_features,)
        The diagonal of S.
    pathways : ndarray of shape (n_pathways, n_features)
        X'.

    Returns
    -------
    Removals
        Without a sample the mean moves too, by d_k / (n - 1), so that D'D loses
        n / (n - 1) d_k d_k', and d_k d_k' where the mean is known.
    """
    n_samples, n_features = table.samples.shape
    by = _by_projection if n_samples <= n_features else _by_residuals
    return by(table, noise, spread, pathways)


def _by_projection(
    table: CentredTable, noise: NDArray, spread: NDArray, pathways: NDArray
) -> Removals:
    """Take samples out of the factor where there are no more of them than genes.

    With orthonormal contrasts H the factor is L = S D'H, and y_k = L u_k with the unit
    vector u_k = (n / (n - 1))^1/2 h_k. So what is left of L L' is L (I - u u') L', and

        s_k = u' C^-1 u = ||T'u||^2,      psi^1/2 B^-1 y_k = Q T'u.
    """
    n_samples, dof = len(table.samples), table.dof
    contrasts = _contrasts(n_samples) if dof < n_samples else np.eye(n_samples)
    dtype = table.samples.dtype
    columns = contrasts.T.astype(dtype) @ table.samples
    columns *= spread.astype(dtype)
    state = append(factorise(noise, ColumnBlocks(columns)), pathways)
    turned = (n_samples / dof) ** 0.5 * contrasts @ state.root[:dof]
    shares = np.square(turned).sum(axis=1)
    turned /= np.sqrt(shares)[:, None]
    return Removals(state, state.basis.combine(turned.T.astype(dtype)), shares)


def _by_residuals(
    table: CentredTable, noise: NDArray, spread: NDArray, pathways: NDArray
) -> Removals:
    """Take samples out of a dense covariance, where there are more of them than genes.

    y_k' B^-1 y_k is a sum of squares, and 1 less this is good unless it is small. The
    leverages sum to no more than the genes, so there are at most about as many such
    samples.
    """
    growth = len(table.samples) / table.dof
    covariance = table.gram * spread * spread[:, None]
    covariance.flat[:: len(spread) + 1] += noise
    least = float((noise / covariance.diagonal()).min())
    dense = factorise_dense(covariance, least, table.samples.dtype)
    state = append(dense, pathways)
    columns = table.samples * (spread * growth**0.5)
    factors, residual = explain(state, columns)
    shares = 1.0 - np.square(factors).sum(axis=1) - np.square(residual).sum(axis=1)
    near = np.flatnonzero(shares < _TRUSTED)
    weights = residual[near] * state.scale
    shares[near] = np.square(weights) @ noise
    shares[near] += np.square(weights @ pathways.T).sum(axis=1)
    shares[near] += _squares_left(near, weights @ columns.T, growth)
    _refuse_singular(shares, table, noise, len(pathways))
    residual /= np.sqrt(shares)[:, None]
    return Removals(state, residual, shares)


def _squares_left(
    near: NDArray[np.intp], fitted: NDArray, growth: float
) -> NDArray[np.float64]:
    """Return what a ridge regression of u_k on the samples leaves.

    s_k is the least value of ||u_k - D S g||^2 + g' diag(noise) g + ||X'g||^2, reached
    at g = B^-1 y_k: an error of g enters it squared. This is its first term.
    """
    left = -fitted / growth**0.5
    left[np.arange(len(near)), near] += growth**0.5
    left -= (growth - 1.0) / growth**0.5  # u_k sums to 0 where the mean is estimated
    return np.square(left).sum(axis=1)


def _refuse_singular(
    shares: NDArray[np.float64], table: CentredTable, noise: NDArray, n_pathways: int
) -> None:
    """Refuse samples without which nothing is left in some direction, nor noise."""
    if noise.all():
        return
    least = int(shares.argmin())
    lacking = table.dof - 1 + n_pathways < table.varies.sum()
    if lacking or shares[least] < np.finfo(table.samples.dtype).eps:
        raise ValueError(
            f"without sample {least} the covariance is singular, and shrinkage is 0. "
            "Use shrinkage='auto', or a number above 0"
        )


def _contrasts(n_samples: int) -> NDArray[np.float64]:
    """Return n - 1 orthonormal columns that sum to 0.

    All but the last of the Householder reflection that takes the ones to n^1/2 times
    the last axis.
    """
    contrasts = np.eye(n_samples)[:, :-1] - 1.0 / (n_samples + n_samples**0.5)
    contrasts[-1] = -(n_samples**-0.5)
    return contrasts


def held_out_log_density(
    removals: Removals, table: CentredTable
) -> NDArray[np.float64]:
    """Return the Gaussian log-density of each sample in the model without it.

    Parameters
    ----------
    removals : Removals
    table : CentredTable

    Returns
    -------
    ndarray of shape (n_samples,)
        The residual is n / (n - 1) d_k, from the mean of the others.
    """
    state, directions, shares = removals
    residuals = table.samples * table.samples.dtype.type(
        table.unit * len(table.samples) / table.dof
    )
    common = log_density(state, residuals)
    along = np.einsum("ij,ij,j->i", directions, residuals, state.scale)
    return common - 0.5 * (np.log(shares) + along**2)


def correlations_without(
    removals: Removals,
    changes: Iterable[NDArray],
    candidates: Edges,
    n_edges: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the partial correlations of edges without each sample.

    Parameters
    ----------
    removals : Removals
    changes : iterable of ndarray of shape (n_features,)
        For each sample, what each gene's noise variance gains without it. Only those of
        the two genes of an edge are looked at.
    candidates : Edges
        The edges, and behind them others that compete for their places.
    n_edges : int

    Returns
    -------
    values : ndarray of shape (n_samples, n_edges)
    kept : ndarray of shape (n_edges,)
        Share of samples without which an edge is still among the `n_edges` strongest
        candidates.
    """
    n_samples = len(removals.directions)
    values, kept = np.empty((n_samples, n_edges)), np.zeros(n_edges)
    if n_edges == 0:
        return values, kept
    for k, correlations in enumerate(_without_each(removals, changes, candidates)):
        values[k], sizes = correlations[:n_edges], np.abs(correlations)
        kept += sizes[:n_edges] >= np.partition(sizes, -n_edges)[-n_edges]
    return values, kept / n_samples


def _without_each(
    removals: Removals, changes: Iterable[NDArray], pairs: Edges
) -> Iterator[NDArray[np.float64]]:
    """Yield the partial correlations of pairs without one sample after another.

    The inverse of the block of the precision that belongs to two genes is their
    covariance given all others. What their own noise gains is added to its diagonal,
    and that is 1 / (P_ii (1 - rho^2)) before.
    """
    state, (i, j, _) = removals.state, pairs
    basis = state.basis.lying().T
    products = inner_products(basis.astype(np.float64, copy=False), i, j)
    # A gene that varies in one sample only has nothing left without it but rounding.
    least = np.finfo(basis.dtype).eps ** 0.5
    for direction, change in zip(removals.directions, changes, strict=True):
        squares = state.residual + np.square(direction, dtype=np.float64)
        values = products - direction[i].astype(np.float64) * direction[j]
        values /= np.sqrt(squares[i] * squares[j])
        gains = squares * change * np.square(state.scale)
        alone = np.maximum(1.0 - np.square(values), 0.0)
        for end in (i, j):
            left = 1.0 + gains[end] * alone
            values = np.where(left > least, values, 0.0)
            values /= np.sqrt(np.maximum(left, least))
        yield np.clip(values, -1.0, 1.0)


def noise_changes(table: CentredTable, noise: NDArray) -> Iterator[NDArray]:
    """Yield what noise gains without each sample, where it is a share of a variance.

    Parameters
    ----------
    table : CentredTable
    noise : ndarray of shape (n_features,)
        Of all samples.

    Yields
    ------
    ndarray of shape (n_features,)
        noise (v_k / v - 1), with the variance v_k without the sample.
    """
    growth = len(table.samples) / table.dof
    variance = np.where(table.varies, table.variance, np.inf)
    for sample in table.samples:
        squares = np.square(sample, dtype=np.float64) / variance
        yield noise * (1.0 - growth * squares) / (table.dof - 1)
