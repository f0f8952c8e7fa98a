"""How far partial correlations may be off, and a warning where that is too far."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._capacitance import _TRUSTED, Capacitance
from sklearn_grn._warn import warn_caller

_EPSILON = {
    np.dtype(kind): float(np.finfo(kind).eps) for kind in (np.float32, np.float64)
}

# Less than these digits nobody reckons with: six of sixteen, three of seven.
_TOLERATED = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 1e-3}


def expected_error(state: Capacitance) -> float:
    """Return by about how much rounding moves partial correlations.

    It holds for the diagonal of the precision too, relative to itself. What rounding of
    the input leaves uncertain is found where columns are factorised. The rest is the
    last digit of the basis, seen beside the smallest 1 - h_i; where that is not found
    by subtracting, the digit stays what it is.

    Parameters
    ----------
    state : Capacitance

    Returns
    -------
    float
    """
    smallest = float(state.residual.min())
    share = smallest if smallest >= _TRUSTED else 1.0
    return state.uncertainty + _EPSILON[state.basis.dtype] / share


def warn_of_rounding(
    state: Capacitance,
    gene_names: NDArray | None,
    pathway_names: Iterable[str],
    before: Capacitance | None = None,
) -> None:
    """Warn if partial correlations may be off, by how much, and whose fault it is.

    Parameters
    ----------
    state : Capacitance
    gene_names : ndarray of shape (n_features,), or None
    pathway_names : iterable of str
        Names of the last columns; the others are components.
    before : Capacitance or None
        The state that an update began with. Nobody is warned again unless the error
        has doubled.
    """
    dtype, tolerated = state.basis.dtype, _TOLERATED[state.basis.dtype]
    if dtype == np.float64 and state.uncertainty <= tolerated:
        return  # at the cost of a comparison: an update of few genes takes microseconds
    error = expected_error(state)
    if error <= max(tolerated, 0.0 if before is None else 2 * expected_error(before)):
        return
    warn_caller(
        f"partial correlations may be off by about {min(error, 1.0):.1g}: rounding of "
        f"{dtype} moves them by so much, for "
        + _culprit(state, error, gene_names, list(pathway_names))
    )


def _culprit(
    state: Capacitance, error: float, gene_names: NDArray | None, pathways: list[str]
) -> str:
    """Say which column or gene the others determine all but fully."""
    alone = np.sqrt(_column_shares(state))
    column = int(alone.argmin()) if len(alone) else 0
    # A column that loses so many digits itself explains the error.
    if len(alone) and _EPSILON[state.basis.dtype] / alone[column] > 0.01 * error:
        first = state.rank - len(pathways)
        name = f"component {column}"
        if column >= first:
            name = f"pathway {pathways[column - first]!r}"
        return (
            f"{name} is a combination of other columns but for {alone[column]:.1g} of "
            "its length. Leave it out, or merge it with those"
        )
    left_open = _gene_shares(state)
    gene = int(left_open.argmin())
    name = str(gene) if gene_names is None else str(gene_names[gene])
    return (
        f"other genes determine gene {name} but for {left_open[gene]:.1g} of its "
        "variance. Leave one of them out, or shrink more"
    )


def _column_shares(state: Capacitance) -> NDArray:
    """Return which share of C_kk the other columns leave open: 1 / (C_kk (C^-1)_kk)."""
    lengths = np.array(
        [
            1.0 + np.square(column * state.scale).sum()
            for column in state.loadings.columns()
        ]
    )
    return 1.0 / (lengths * np.square(state.root).sum(axis=1))


def _gene_shares(state: Capacitance) -> NDArray:
    """Return which share of Sigma_ii other genes leave open: 1 / (Sigma_ii P_ii)."""
    variance = state.noise_variance.copy()
    for column in state.loadings.columns():
        variance += np.square(column, dtype=np.float64)
    return state.noise_variance / (state.residual * variance)
