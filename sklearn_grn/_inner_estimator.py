"""What a selector needs to know of the estimator inside it, whatever that is."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array

from sklearn_grn._anndata import dense_table
from sklearn_grn._diagonal_low_rank import DiagonalPlusLowRank
from sklearn_grn._pair_tiles import DenseEntries, PairTiles, RowProducts

Symmetric = DiagonalPlusLowRank | NDArray

_ROUNDING = 1e-15  # of a dense inverse, beside correlations


# ----------------------------------------------------------------------- its wrappers
def last_step(estimator: Any) -> Any:
    """Return the estimator that holds the precision, without what is around it.

    Parameters
    ----------
    estimator : estimator
        Pipelines, frozen estimators and finished searches are opened.

    Returns
    -------
    estimator
    """
    inside = _inside(estimator)
    return estimator if inside is estimator else last_step(inside)


def with_last_step(estimator: Any, last: Any) -> Any:
    """Return a copy of an estimator with another last step; the original is kept.

    Parameters
    ----------
    estimator, last : estimator

    Returns
    -------
    estimator
    """
    inside = _inside(estimator)
    if inside is estimator:
        return last
    changed, inner = copy.copy(estimator), with_last_step(inside, last)
    if isinstance(estimator, FrozenEstimator):
        changed.estimator = inner
    elif isinstance(estimator, Pipeline):
        changed.steps = [*estimator.steps[:-1], (estimator.steps[-1][0], inner)]
    else:
        changed.best_estimator_ = inner
    return changed


def as_seen_by_last_step(estimator: Any, X: Any) -> Any:
    """Return samples as the steps of pipelines before the last hand them on.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : array-like of shape (n_samples, n_genes)

    Returns
    -------
    array-like of shape (n_samples, n_genes)
    """
    inside = _inside(estimator)
    if inside is estimator:
        return X
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        X = estimator[:-1].transform(X)
    return as_seen_by_last_step(inside, X)


def _inside(estimator: Any) -> Any:
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    if isinstance(estimator, Pipeline):
        return estimator.steps[-1][1]
    return getattr(estimator, "best_estimator_", estimator)


def check_same_genes(fitted: Any, genes: NDArray | None) -> None:
    """Check that an estimator that was fitted before has seen just these genes.

    Parameters
    ----------
    fitted : estimator
        Fitted; a frozen one does not look at what it is given.
    genes : ndarray of shape (n_genes,) or None
        Names of its genes, where it has any.

    Raises
    ------
    ValueError
        If the names differ, or their order.
    """
    seen = getattr(fitted, "feature_names_in_", None)
    if seen is None or genes is None or np.array_equal(seen, genes):
        return
    wrong = [gene for gene in genes if gene not in set(seen)] or list(genes)
    raise ValueError(
        f"The feature names should match those that {type(fitted).__name__} was fitted "
        f"to, in their order: {list(seen[:3])}, ...; this table has {wrong[:3]}. "
        "Bring its columns into that order"
    )


# ------------------------------------------------------------------- what it has found
def takes_a_covariance(last: Any) -> bool:
    """Whether the estimator was fitted to a covariance in place of samples."""
    given = getattr(last, "method", None), getattr(last, "covariance", None)
    return "precomputed" in [name for name in given if isinstance(name, str)]


def find_precision(last: Any) -> Symmetric:
    """Return the precision of a fitted estimator.

    Raises
    ------
    TypeError
        If it has neither `precision_` nor `get_precision`.
    """
    precision = getattr(last, "precision_", None)
    if precision is None and hasattr(last, "get_precision"):
        precision = last.get_precision()
    if precision is None:
        raise TypeError(
            f"{type(last).__name__} has neither precision_ nor get_precision(), so "
            "there is no network to read off it. Use FactorPrecisionEstimator or a "
            "class of sklearn.covariance, or a Pipeline that ends in one"
        )
    return precision


def find_covariance(last: Any) -> Symmetric:
    """Return the covariance of a fitted estimator, that of its precision at worst."""
    covariance = getattr(last, "covariance_", None)
    if covariance is None and hasattr(last, "get_covariance"):
        covariance = last.get_covariance()
    if covariance is None:
        covariance = np.linalg.inv(np.asarray(find_precision(last)))
    return covariance


def partial_correlations(last: Any, n_genes: int) -> Symmetric:
    """Return the partial correlations of a fitted estimator.

    Parameters
    ----------
    last : estimator
        Fitted.
    n_genes : int
        How many genes the selector has seen.

    Returns
    -------
    DiagonalPlusLowRank or ndarray of shape (n_genes, n_genes)

    Raises
    ------
    TypeError
        If the estimator has no precision.
    ValueError
        If the precision is not one of these genes, or its diagonal is not positive.
    """
    precision = find_precision(last)
    if precision.shape != (n_genes, n_genes):
        raise ValueError(
            f"the precision of {type(last).__name__} has the shape {precision.shape}, "
            f"and there are {n_genes} genes. The steps of a pipeline before the last "
            "must hand on the genes one to one"
        )
    correlation = getattr(last, "partial_correlation_", None)
    if isinstance(correlation, DiagonalPlusLowRank):
        return correlation
    return _from_precision(np.asarray(precision, dtype=np.float64))


def _from_precision(precision: NDArray) -> NDArray:
    diagonal = precision.diagonal()
    if not np.isfinite(precision).all():
        raise ValueError(
            f"the precision has {(~np.isfinite(precision)).sum()} entries that are not "
            "finite. Use more shrinkage"
        )
    if not diagonal.min(initial=np.inf) > 0:
        raise ValueError(
            f"the precision has a diagonal entry of {diagonal.min():.3g}; all must be "
            "positive. Use more shrinkage"
        )
    scale = np.sqrt(diagonal)
    correlation = -(precision + precision.T) / 2 / scale / scale[:, None]
    np.fill_diagonal(correlation, 1.0)
    # What an inverse leaves where nothing is: it is no edge, however weak.
    correlation[np.abs(correlation) < _ROUNDING] = 0.0
    return correlation


def as_pairs(correlation: Symmetric) -> PairTiles:
    """Return the values of all pairs in the form that the search takes."""
    if isinstance(correlation, DiagonalPlusLowRank):
        return RowProducts(rows_of(correlation))
    return DenseEntries(correlation)


def rows_of(correlation: DiagonalPlusLowRank) -> NDArray[np.float64]:
    """Return rows whose inner products are the partial correlations."""
    return np.ascontiguousarray(correlation.row_factor(), dtype=np.float64)


def n_linked(correlation: Symmetric) -> int:
    """Return how many genes can have an edge: a constant gene correlates with none.

    Its row is 0, or has a column of its own where there are as many columns as genes.
    """
    if isinstance(correlation, DiagonalPlusLowRank):
        filled = correlation.row_factor() != 0
        return int(filled[:, filled.sum(axis=0) > 1].any(axis=1).sum())
    linked = correlation != 0
    np.fill_diagonal(linked, False)
    return int(linked.any(axis=1).sum())


def gene_names(estimator: Any) -> NDArray:
    """Return the names of the genes that an estimator has seen, x0, x1, ... if none."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = [f"x{number}" for number in range(estimator.n_features_in_)]
    return np.asarray(names, dtype=object)


def as_samples(X: ArrayLike) -> NDArray:
    """Return samples as an array for the mathematics, float64 or float32.

    Raises
    ------
    ValueError
        If they are not a finite table of numbers.
    MemoryError
        If they are sparse, and too many to be held as an array.
    """
    options: Any = {"dtype": [np.float64, np.float32], "ensure_min_features": 0}
    return dense_table(check_array(X, accept_sparse=("csr", "csc"), **options))
