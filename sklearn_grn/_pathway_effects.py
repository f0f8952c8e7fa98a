"""What a pathway does to each edge of a network.

Its effect is exact, and nothing has to be fitted again. With C^-1 = T T' (see
`_capacitance.py`), t the row of T that belongs to the pathway and u = t / ||t||,

    Q_without = Q (I - u u'),        1 - h_without = (1 - h) + (Q u)^2 :

C^-1 loses the rank one that a removed row and column leave behind (the inverse of a
sub-matrix; Golub & Van Loan 2013, Matrix Computations, 2.1.4). That is O(p k) for each
pathway, and nothing is found by subtracting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from sklearn_grn._capacitance import Capacitance, append
from sklearn_grn._edge_search import strongest_changes
from sklearn_grn._explained_covariance import pathway_position
from sklearn_grn._loadings import Pathways, read_pathways

_TILE = 2**22  # bytes; what is done to a tile for each pathway stays in cache


def edge_effects(estimator: Any, name: str, *, n_edges: int = 100) -> pd.DataFrame:
    """Return the edges on which a pathway has the largest effect.

    The effect is the partial correlation in the model as it is, less that in the model
    without the pathway. It is exact, and the search for the largest is, too.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator
        Fitted.
    name : str
        Name of the pathway, as in `pathway_names_`.
    n_edges : int, default=100
        How many edges; all where there are fewer.

    Returns
    -------
    DataFrame of shape (n_edges, 5)
        Columns `source`, `target` (names of genes, or their positions if they have
        none), `without`, `with` (partial correlations) and `effect`, largest in
        absolute value first.

    Raises
    ------
    ValueError
        If there is no such pathway.

    See Also
    --------
    network_changes : Which pathway would change the network most.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_grn import FactorPrecisionEstimator
    >>> from sklearn_grn.pathways import edge_effects
    >>> samples = np.random.default_rng(0).normal(size=(20, 4))
    >>> estimator = FactorPrecisionEstimator().fit(samples)
    >>> _ = estimator.partial_fit_pathways([[2.0], [2.0], [0], [0]], "p53")
    >>> edge_effects(estimator, "p53", n_edges=1)[["source", "target"]].to_numpy()
    array([[0, 1]])
    """
    check_is_fitted(estimator)
    at = estimator.n_components_ + pathway_position(estimator, name)
    rows = rows_without(estimator._state, at)
    found = strongest_changes(rows, _rows(estimator._state), n_edges)
    sources, targets, without, present = found
    genes = _genes(estimator)
    return pd.DataFrame(
        {
            "source": genes[sources],
            "target": genes[targets],
            "without": without,
            "with": present,
            "effect": present - without,
        }
    )


def network_changes(
    estimator: Any, loadings: Any, activity_variance: Any = None
) -> pd.DataFrame:
    """Return how much each of several pathways would change the network by itself.

    Each is added alone, which is the formula of Sherman and Morrison [1]_, and the
    estimator stays what it is.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator
        Fitted.
    loadings : DataFrame, array-like or sparse of shape (n_features, n_pathways)
        As for `partial_fit_pathways`, in units of expression. A single regulator is a
        pathway too: its targets are the genes.
    activity_variance : float or array-like of shape (n_pathways,), default=None
        phi; None means 1.

    Returns
    -------
    DataFrame of shape (n_pathways, 4)
        A row for each pathway, in order of decreasing `mean_change`: the mean, over all
        pairs of genes, of the change in partial correlation, in absolute value;
        `largest_change`, with its sign, and its genes `source` and `target`.

    Raises
    ------
    ValueError
        As `partial_fit_pathways` does, or if there is only one gene.

    See Also
    --------
    edge_effects : Which edges a pathway moves.

    Notes
    -----
    The sum of *squared* changes would not tell strong pathways apart: what one takes
    from the precision P is P x x' P / (1 + x' P x), of rank one and bounded in whitened
    units, so that the sum has a limit that each of them comes close to.

    All pairs are looked at, in O(p^2 (k + n_pathways)).

    References
    ----------
    .. [1] Sherman, J. & Morrison, W. J. (1950). Adjustment of an inverse matrix
       corresponding to a change in one element of a given matrix. Ann. Math. Statist.
       21, 124-127.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_grn import FactorPrecisionEstimator
    >>> from sklearn_grn.pathways import network_changes
    >>> samples = np.random.default_rng(0).normal(size=(20, 4))
    >>> estimator = FactorPrecisionEstimator().fit(samples)
    >>> loadings = np.array([[2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]).T
    >>> network_changes(estimator, loadings).round(2)
              mean_change  largest_change  source  target
    pathway0         0.14            0.81       0       1
    pathway1         0.09            0.52       2       3
    """
    check_is_fitted(estimator)
    state, dtype = estimator._state, estimator._pathways.loadings.dtype
    names = getattr(estimator, "feature_names_in_", None)
    nothing = Pathways.none(estimator.n_features_in_, dtype)
    fresh = read_pathways(
        loadings, None, activity_variance, gene_names=names, present=nothing
    )
    if estimator.n_features_in_ < 2:
        raise ValueError("a network needs two genes or more, and the model has 1")
    moves = [move_of_rows(state, column) for column in fresh.scaled()]
    means, largest, sources, targets = sizes_of_changes(_rows(state), moves)
    genes = _genes(estimator)
    changes = {
        "mean_change": means,
        "largest_change": largest,
        "source": genes[sources],
        "target": genes[targets],
    }
    table = pd.DataFrame(changes, index=fresh.names)
    return table.sort_values("mean_change", ascending=False, kind="stable")


# ----------------------------------------------------------------- functions of arrays
def rows_without(state: Capacitance, at: int) -> NDArray[np.float64]:
    """Return rows whose inner products are partial correlations without a column.

    Parameters
    ----------
    state : Capacitance
        State of Sigma.
    at : int
        Position of the column of L that is left out.

    Returns
    -------
    ndarray of shape (n_features, rank)
        In the coordinates of the rows with the column, so that their differences are
        small where its effect is.
    """
    direction = state.root[at] / np.linalg.norm(state.root[at])
    basis = state.basis.lying().astype(np.float64)
    left = direction @ basis
    basis -= direction[:, None] * left
    return (basis / np.sqrt(state.residual + np.square(left))).T


def move_of_rows(state: Capacitance, column: NDArray) -> tuple[NDArray, NDArray]:
    """Return what one pathway does to the rows of partial correlations.

    The partial correlation r_ij becomes a_i a_j r_ij + b_i b_j: with g the new column
    of Q, a_i^2 = (1 - h_i) / (1 - h_i - g_i^2) and b_i = g_i / (1 - h_i - g_i^2)^1/2.

    Parameters
    ----------
    state : Capacitance
        State of Sigma, without the pathway.
    column : ndarray of shape (n_features,)
        x phi^1/2.

    Returns
    -------
    growth, pull : ndarray of shape (n_features,)
        a and b.
    """
    after = append(state, column[None])
    direction = after.root[-1] / np.linalg.norm(after.root[-1])
    deviation = np.sqrt(after.residual)
    growth = np.sqrt(state.residual) / deviation
    return growth, after.basis.combine(direction) / deviation


def sizes_of_changes(
    rows: NDArray[np.float64], moves: Sequence[tuple[NDArray, NDArray]]
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return mean and largest change over all pairs, for each of several moves.

    Parameters
    ----------
    rows : ndarray of shape (n_features, rank)
        W, whose inner products are the partial correlations before.
    moves : sequence of (growth, pull)
        As from `move_of_rows`, each starting from `rows`.

    Returns
    -------
    means : ndarray of shape (n_moves,)
        Of absolute values.
    largest : ndarray of shape (n_moves,)
        With their signs.
    sources, targets : ndarray of shape (n_moves,)
        The pairs of the largest, source < target.
    """
    n_rows = len(rows)
    totals, largest = np.zeros(len(moves)), np.zeros(len(moves))
    pairs = np.tile([0, 1], (len(moves), 1))
    for batch in gen_batches(n_rows, max(1, _TILE // (8 * n_rows))):
        rest, n_batch = slice(batch.start, n_rows), batch.stop - batch.start
        before = rows[batch] @ rows[rest].T
        for k, (growth, pull) in enumerate(moves):
            change = before * (np.outer(growth[batch], growth[rest]) - 1.0)
            change += np.outer(pull[batch], pull[rest])
            change[:, :n_batch] = np.triu(change[:, :n_batch], 1)
            totals[k] += np.abs(change).sum()
            i, j = np.unravel_index(np.abs(change).argmax(), change.shape)
            if abs(change[i, j]) > abs(largest[k]):
                largest[k], pairs[k] = change[i, j], (i + batch.start, j + batch.start)
    return totals / math.comb(n_rows, 2), largest, *pairs.T


def _rows(state: Capacitance) -> NDArray[np.float64]:
    """Return rows whose inner products are the partial correlations."""
    return (state.basis.lying().astype(np.float64) / np.sqrt(state.residual)).T


def _genes(estimator: Any) -> NDArray:
    """Return the names of the genes, or their positions if they have none."""
    numbers = np.arange(estimator.n_features_in_)
    return np.asarray(getattr(estimator, "feature_names_in_", numbers))
