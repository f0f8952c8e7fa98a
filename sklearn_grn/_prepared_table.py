"""What a test of edges sees of a table: genes as rows, without confounders."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._centred_table import centre

# What is left of a gene that the confounders determine is rounding.
_ROUNDING = 1e-8


class PreparedTable(NamedTuple):
    """Genes that vary, standardised.

    Attributes
    ----------
    rows : ndarray of shape (n_varying, n_samples)
        A gene a row, with mean 0 and mean square 1.
    genes : ndarray of shape (n_varying,)
        Their numbers in the table. Genes that do not vary, or that the confounders
        determine, have no edges and are not tested.
    confounder_rank : int
        Degrees of freedom that the confounders take.
    """

    rows: NDArray[np.float64]
    genes: NDArray[np.intp]
    confounder_rank: int


def prepare(X: NDArray, confounders: NDArray | None = None) -> PreparedTable:
    """Regress confounders out, give samples an equal scale, and standardise.

    Every sample is divided by its root mean square over the genes. On Gaussian tables
    this changes little; it cures samples that scatter more than others and elliptical
    distributions with heavy tails, of which a correlation of Gaussian samples is the
    angle. Confounders are regressed out before, so that they do not count as scatter,
    and again afterwards, so that what is tested has no part in them.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite.
    confounders : ndarray of shape (n_samples, n_confounders) or None
        Finite numbers known of the samples: covariates, and batches as indicators.

    Returns
    -------
    PreparedTable

    Raises
    ------
    ValueError
        If no gene varies, or none beyond the confounders.
    """
    residual = regress_out(X, confounders)
    rows, known = residual.rows, _known_directions(confounders, len(X))
    scatter = np.sqrt(np.square(rows).mean(axis=0))
    rows = rows / np.where(scatter > 0, scatter, 1.0)
    return residual._replace(rows=standardise(_without(rows, known)))


def regress_out(X: NDArray, confounders: NDArray | None = None) -> PreparedTable:
    """Regress confounders out, and standardise; samples keep their scale.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite.
    confounders : ndarray of shape (n_samples, n_confounders) or None
        As in `prepare`.

    Returns
    -------
    PreparedTable

    Raises
    ------
    ValueError
        If no gene varies, or none beyond the confounders.
    """
    table = centre(X.astype(np.float64, copy=False), False)
    known = _known_directions(confounders, len(X))
    rows = np.ascontiguousarray(table.samples[:, table.varies].T)
    residuals = _without(rows, known)
    varies = _lengths(residuals) > _ROUNDING * _lengths(rows)
    if not varies.any():
        raise ValueError(
            f"the confounders, of rank {known.shape[1] - 1}, explain all of the "
            f"{len(rows)} genes that vary over the {len(X)} samples. Pass fewer"
        )
    genes = np.flatnonzero(table.varies)[varies]
    return PreparedTable(standardise(residuals[varies]), genes, known.shape[1] - 1)


def standardise(rows: NDArray) -> NDArray[np.float64]:
    """Return rows with mean square 1; their mean is 0 already."""
    return rows * (rows.shape[1] ** 0.5 / _lengths(rows))[:, None]


def _known_directions(confounders: NDArray | None, n_samples: int) -> NDArray:
    """Return an orthonormal basis of the constant and the confounders."""
    constant = np.full((n_samples, 1), n_samples**-0.5)
    if confounders is None:
        return constant
    varying = confounders - confounders.mean(axis=0)
    lengths = _lengths(varying.T)
    varying = varying[:, lengths > 0] / lengths[lengths > 0]
    basis, sizes, _ = np.linalg.svd(varying, full_matrices=False)
    return np.hstack([constant, basis[:, sizes > _ROUNDING]])


def _without(rows: NDArray, directions: NDArray) -> NDArray:
    return rows - (rows @ directions) @ directions.T


def _lengths(rows: NDArray) -> NDArray[np.float64]:
    return np.sqrt(np.einsum("ij,ij->i", rows, rows))
