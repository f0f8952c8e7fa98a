"""A lasso of every gene on all others: which genes help to predict it, and how much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.linear_model import lasso_path
from sklearn.utils.parallel import Parallel, delayed

_CACHE = 2**25  # bytes of the correlations that a block of genes has with all others
_MOST_GENES = 256  # in a block, so that there are blocks for all workers
_SCREEN = 0.9  # of the penalty; what is screened out in error is found afterwards
_MOST_ADDED = 50  # candidates of a gene at a time
_TOLERANCE, _MOST_SWEEPS = 1e-10, 100_000


@dataclass(frozen=True, eq=False)
class LassoPilot:
    """Sparse regressions z_i = sum_j b_ij z_j + e_i, one a gene.

    Attributes
    ----------
    rows : ndarray of shape (n_genes, n_samples)
        The standardised genes z_i.
    residuals : ndarray of shape (n_genes, n_samples)
        e_i.
    genes, predictors : ndarray of shape (n_coefficients,)
        i and j of coefficients that are not 0, sorted by (i, j).
    coefficients : ndarray of shape (n_coefficients,)
        b_ij.
    """

    rows: NDArray[np.float64]
    residuals: NDArray[np.float64]
    genes: NDArray[np.intp]
    predictors: NDArray[np.intp]
    coefficients: NDArray[np.float64]

    def coefficients_of(self, genes: NDArray, predictors: NDArray) -> NDArray:
        """Return b_ij of any pairs, mostly 0."""
        n_genes = len(self.rows)
        present = self.genes * n_genes + self.predictors
        wanted = genes * n_genes + predictors
        at = np.searchsorted(present, wanted)
        known = np.append(present, -1)[at] == wanted
        return np.where(known, np.append(self.coefficients, 0.0)[at], 0.0)


def lasso_pilot(
    rows: NDArray,
    strictness: float,
    *,
    genes: NDArray | None = None,
    n_jobs: int | None = None,
) -> LassoPilot:
    """Fit a lasso of every gene on all others.

    The penalty is strictness * sqrt(log n_genes / n_samples), the size that a
    correlation of unconnected genes reaches by chance. The solver sees the genes whose
    correlation comes near the penalty; then the conditions of an optimum are checked
    over all genes, and what violates them is added until nothing does [1]_. So the
    optimum is that over all genes.

    Parameters
    ----------
    rows : ndarray of shape (n_genes, n_samples)
        A gene a row, with mean 0 and mean square 1.
    strictness : float
    genes : ndarray of shape (n_chosen,) or None
        Predict these only, from all. The pilot is then that of the chosen genes, and
        knows of no other.
    n_jobs : int or None
        Number of joblib tasks at a time; a task is a block of genes. The result is the
        same for each.

    Returns
    -------
    LassoPilot

    References
    ----------
    .. [1] Tibshirani, R. et al. (2012). Strong rules for discarding predictors in
       lasso-type problems. Journal of the Royal Statistical Society B 74, 245-266,
       section 7.
    """
    n_genes, n_samples = rows.shape
    chosen = np.arange(n_genes) if genes is None else genes
    penalty = strictness * (np.log(n_genes) / n_samples) ** 0.5
    fit = delayed(_fit_block)
    tasks = (fit(rows, block, penalty) for block in _blocks(chosen, n_genes))
    parts = zip(*Parallel(n_jobs=n_jobs)(tasks), strict=True)
    residuals, *table = (np.concatenate(arrays) for arrays in parts)
    table = _renumbered(table, chosen, n_genes)
    return LassoPilot(rows[chosen], residuals, *table)


def _blocks(genes: NDArray, n_genes: int) -> Iterator[NDArray]:
    n_bytes = min(_CACHE, get_config()["working_memory"] * 2**20)
    size = max(1, min(_MOST_GENES, int(n_bytes) // (8 * n_genes)))
    return (genes[at : at + size] for at in range(0, len(genes), size))


def _renumbered(table: list[NDArray], chosen: NDArray, n_genes: int) -> list[NDArray]:
    """Return coefficients among chosen genes, numbered in their order and sorted."""
    numbers = np.full(n_genes, -1)
    numbers[chosen] = np.arange(len(chosen))
    genes, predictors = numbers[table[0]], numbers[table[1]]
    order = np.lexsort((predictors, genes))
    order = order[predictors[order] >= 0]
    return [genes[order], predictors[order], table[2][order]]


def _fit_block(
    rows: NDArray, block: NDArray, penalty: float
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return residuals, genes, predictors and coefficients of a block of genes.

    With z_i in the place of e_i, the conditions of an optimum are those of the solution
    0: no correlation exceeds the penalty. Genes that meet them need no solver.
    """
    residuals, support = rows[block], dict.fromkeys(block, _NOTHING)
    sizes = _gradient(rows, block, residuals)
    candidates = _largest(sizes, _SCREEN * penalty)
    unsolved = np.flatnonzero((sizes > penalty).any(axis=1))
    while len(unsolved):
        for k in unsolved:
            found = _lasso(rows, block[k], np.flatnonzero(candidates[k]), penalty)
            residuals[k] = rows[block[k]] - found[1] @ rows[found[0]]
            support[block[k]] = found
        sizes = _gradient(rows, block[unsolved], residuals[unsolved])
        sizes[candidates[unsolved]] = 0.0
        violated = (sizes > penalty).any(axis=1)
        unsolved = unsolved[violated]
        candidates[unsolved] |= _largest(sizes[violated], penalty)
    predictors, coefficients = zip(*support.values(), strict=True)
    genes = np.repeat(block, [len(found) for found in predictors])
    return residuals, genes, np.concatenate(predictors), np.concatenate(coefficients)


_NOTHING = np.empty(0, dtype=np.intp), np.empty(0)


def _gradient(rows: NDArray, genes: NDArray, residuals: NDArray) -> NDArray:
    """Return |z_j . e_i| / n_samples over all j, 0 for the gene itself."""
    sizes = residuals @ rows.T
    sizes /= rows.shape[1]
    np.abs(sizes, out=sizes)
    sizes[np.arange(len(genes)), genes] = 0.0
    return sizes


def _largest(sizes: NDArray, least: float) -> NDArray[np.bool_]:
    """Tell which entries exceed `least`, in each row the largest of them.

    Where a factor links all genes a row has thousands, of which the optimum uses few.
    """
    large = sizes > least
    for k in np.flatnonzero(large.sum(axis=1) > _MOST_ADDED):
        large[k] = sizes[k] >= np.partition(sizes[k], -_MOST_ADDED)[-_MOST_ADDED]
    return large


def _lasso(
    rows: NDArray, gene: int, candidates: NDArray, penalty: float
) -> tuple[NDArray, NDArray]:
    """Return the predictors of a gene among candidates, and their coefficients."""
    table, sample = rows[candidates], rows[gene]
    with config_context(skip_parameter_validation=True):  # it takes half of the time
        _, path, _ = lasso_path(
            table.T,
            sample,
            alphas=[penalty],
            precompute=table @ table.T,
            Xy=table @ sample,
            check_input=False,
            tol=_TOLERANCE,
            max_iter=_MOST_SWEEPS,
        )
    found = np.flatnonzero(path)
    return candidates[found], _sharpened(table[found], sample, path[found, 0], penalty)


def _sharpened(
    table: NDArray, sample: NDArray, coefficients: NDArray, penalty: float
) -> NDArray:
    """Return coefficients to the rounding of floats, not to that of the solver.

    Given their signs the optimum is a linear problem. Of equal genes, whose
    coefficients are known in sum alone, each takes the same part.
    """
    signs = np.sign(coefficients)
    target = table @ sample - len(sample) * penalty * signs
    sharp = np.linalg.lstsq(table @ table.T, target)[0]
    return sharp if np.array_equal(np.sign(sharp), signs) else coefficients
