"""Pathway loadings as people hold them, aligned with the genes of a fitted model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import check_array

from sklearn_grn._column_blocks import ColumnBlocks
from sklearn_grn._gene_names import as_strings, hint, match_is_poor
from sklearn_grn._warn import warn_caller

_FLOATS = (np.float64, np.float32)


@dataclass(frozen=True, eq=False)
class Pathways:
    """Pathways in the order of their arrival; immutable.

    Attributes
    ----------
    names : ndarray of shape (n_pathways,), object
    activity_variance : ndarray of shape (n_pathways,)
        phi.
    loadings : ColumnBlocks of shape (n_features, n_pathways)
        Loadings as given; apart from phi, so that they can be given back.
    """

    names: NDArray
    activity_variance: NDArray
    loadings: ColumnBlocks

    @classmethod
    def none(cls, n_features: int, dtype: np.dtype) -> Pathways:
        """Return no pathways."""
        # Cut off one: arrays made empty change their strides, and hash, in a pickle.
        columns = ColumnBlocks(np.zeros((1, n_features), dtype=dtype)[:0])
        return cls(np.zeros(1, dtype=object)[:0], np.zeros(1)[:0], columns)

    def append(self, other: Pathways) -> Pathways:
        """Return these pathways and, behind them, others."""
        return Pathways(
            np.concatenate([self.names, other.names]),
            np.concatenate([self.activity_variance, other.activity_variance]),
            self.loadings.append(other.loadings.lying()),
        )

    def select(self, keep: NDArray[np.bool_]) -> Pathways:
        """Return some of the pathways."""
        parts = self.names[keep], self.activity_variance[keep]
        return Pathways(*parts, self.loadings.select(keep))

    def scaled(self) -> NDArray:
        """Return the columns x_k phi_k^1/2, lying as (n_pathways, n_features)."""
        lying = self.loadings.lying()
        if (self.activity_variance == 1.0).all():
            return lying
        return lying * np.sqrt(self.activity_variance).astype(lying.dtype)[:, None]


def read_pathways(
    loadings: Any,
    names: str | Iterable[Any] | None,
    activity_variance: ArrayLike | None,
    *,
    gene_names: NDArray | None,
    present: Pathways,
) -> Pathways:
    """Check and align pathways that arrive.

    Parameters
    ----------
    loadings : array-like, sparse or DataFrame of shape (n_features, n_pathways), \
            or Series
        pandas tables are aligned by gene name. Everything else is taken row by row.
    names : str, iterable of str or None
        Names asked for; None takes the table's own, or "pathway0" and so on.
    activity_variance : float, array-like of shape (n_pathways,) or None
        None means 1.
    gene_names : ndarray of shape (n_features,) or None
        Names of the genes, where the model knows them.
    present : Pathways
        What is there already.

    Returns
    -------
    Pathways
        The new ones alone.

    Raises
    ------
    ValueError
        On wrong orientation or length, values that are not finite numbers, duplicate
        gene names, no gene in common, names that are there twice, variances below 0.
    """
    n_features, dtype = present.loadings.shape[0], present.loadings.dtype
    lying, carried = _align(loadings, gene_names, n_features)
    chosen = _name(names, carried, len(lying), present.names.tolist())
    variance = _check_variance(activity_variance, len(lying))
    _check_range(lying, variance, dtype)
    columns = ColumnBlocks(lying.astype(dtype, copy=False))
    return Pathways(np.array(chosen, dtype=object), variance, columns)


def posterior_deviation(
    root: NDArray[np.float64], activity_variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the posterior standard deviation of each activity.

    Given a sample the factors have covariance C^-1 = T T', and the activity of a
    pathway is its factor times phi^1/2. The values of the sample do not matter.

    Parameters
    ----------
    root : ndarray of shape (rank, rank)
        T, with the pathways last.
    activity_variance : ndarray of shape (n_pathways,)
        phi.

    Returns
    -------
    ndarray of shape (n_pathways,)
    """
    # Cut off one, as in `Pathways.none`.
    rows = root[len(root) - len(activity_variance) :]
    deviation = np.append(np.sqrt(np.einsum("ij,ij->i", rows, rows)), 0.0)[:-1]
    deviation *= np.sqrt(activity_variance)
    return deviation


def _align(
    loadings: Any, gene_names: NDArray | None, n_features: int
) -> tuple[NDArray, list[str] | None]:
    """Return loadings lying as (n_pathways, n_features), and the names they carry."""
    names = None
    if isinstance(loadings, pd.Series):
        names = None if loadings.name is None else [str(loadings.name)]
        loadings = _by_name(loadings.to_frame(), gene_names, n_features)
    elif isinstance(loadings, pd.DataFrame):
        if loadings.columns.dtype.kind not in "iu":  # numbers are no names
            names = [str(name) for name in loadings.columns]
        loadings = _by_name(loadings, gene_names, n_features)
    elif hasattr(loadings, "columns"):  # polars and its like have no index
        names = [str(name) for name in loadings.columns]
    elif sparse.issparse(loadings):
        loadings = loadings.toarray()
    if not hasattr(loadings, "columns") and np.ndim(loadings) == 1:
        loadings = np.asarray(loadings)[:, None]
    values = loadings
    if not is_plain_table(loadings):
        values = check_array(loadings, dtype=np.float64, input_name="pathway loadings")
    _check_orientation(values.shape, n_features)
    # A copy: the caller's array stays his.
    return np.array(values.T, dtype=np.float64, order="C"), names


def is_plain_table(values: Any) -> bool:
    """Whether values are a finite array of floats, so that a check finds nothing."""
    if type(values) is not np.ndarray or values.ndim != 2 or values.size == 0:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return values.dtype in _FLOATS and math.isfinite(values.sum())


def _name(
    given: str | Iterable[Any] | None,
    carried: list[str] | None,
    n_pathways: int,
    taken: Sequence[str],
) -> list[str]:
    """Return a new, unique name for each pathway."""
    if isinstance(given, str):
        given = [given]
    names = carried if given is None else [str(name) for name in given]
    used = set(taken)
    if names is None:
        fresh = (f"pathway{i}" for i in range(len(taken) + n_pathways))
        names = list(islice((name for name in fresh if name not in used), n_pathways))
    if len(names) != n_pathways:
        raise ValueError(
            f"pathway_names has {len(names)} names, the loadings have {n_pathways} "
            "columns; give one name for each column"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    present = [name for name in names if name in used]
    if twice or present:
        problem = f"{present} are present already" if present else f"{twice} come twice"
        raise ValueError(
            f"pathway names must be unique, and {problem}. Remove the old ones with "
            "remove_pathways, or pass other pathway_names"
        )
    return names


def _check_variance(activity_variance: ArrayLike | None, n_pathways: int) -> NDArray:
    """Return the variance of each pathway's activity, 1 where none is given."""
    if activity_variance is None:
        return np.ones(n_pathways)
    variance = np.array(activity_variance, dtype=np.float64)
    if variance.ndim == 0:
        variance = np.full(n_pathways, variance)
    if variance.shape != (n_pathways,):
        raise ValueError(
            f"activity_variance has shape {variance.shape}; give one number, or one "
            f"for each of the {n_pathways} pathways"
        )
    if not (np.isfinite(variance) & (variance >= 0)).all():
        raise ValueError(
            f"activity_variance is {variance.tolist()}; variances are finite and at "
            "least 0"
        )
    return variance


def _by_name(table: pd.DataFrame, gene_names: NDArray | None, n_features: int) -> Any:
    """Return the rows of a table in the order of the genes, 0 where it has none."""
    if gene_names is None:
        return _by_position(table)
    index, genes = as_strings(table.index), as_strings(gene_names)
    _check_unique("loadings", index)
    _check_unique("fitted table", genes)
    rows = index.get_indexer(genes)
    unknown = np.ones(len(index), dtype=bool)
    unknown[rows[rows >= 0]] = False
    if unknown.all():
        _refuse_strangers(table, gene_names)
    if unknown.any():
        warn_caller(
            f"{unknown.sum()} of the {len(index)} genes of the loadings are not in the "
            f"fitted table and are left out, {index[unknown][0]!r} among them"
            + (f". {hint(index, genes)}" if match_is_poor(rows, len(index)) else "")
        )
    values = table.to_numpy()[rows]
    values[rows < 0] = 0
    return values


def _check_unique(where: str, names: pd.Index) -> None:
    if names.has_duplicates:
        twice = names[names.duplicated()].unique()[:5].tolist()
        raise ValueError(
            f"gene names of the {where} are not unique, so loadings cannot be aligned "
            f"by name: {twice}. Merge or rename these genes"
        )


def _refuse_strangers(table: pd.DataFrame, gene_names: NDArray) -> NoReturn:
    if table.columns.isin(gene_names).any():
        raise ValueError(
            f"the loadings have shape {table.shape} with the genes as columns; pass "
            f"loadings.T, a row for each of the {len(gene_names)} genes"
        )
    raise ValueError(
        "the loadings share no gene with the fitted table. Its first genes are "
        f"{list(gene_names[:3])}, those of the loadings are "
        f"{table.index[:3].tolist()}. "
        + (hint(table.index, gene_names) or "Use the same identifiers in both")
    )


def _by_position(table: pd.DataFrame) -> NDArray:
    if isinstance(table.index, pd.RangeIndex):
        return table.to_numpy()
    raise ValueError(
        f"the loadings have gene names ({table.index[:3].tolist()}, ...) but the "
        "samples came without any, so they cannot be aligned. Fit on a table with gene "
        'names (after a transformer: set_output(transform="pandas")), or pass '
        "loadings.to_numpy() with rows in the order of the genes"
    )


def _check_range(lying: NDArray, variance: NDArray, dtype: np.dtype) -> None:
    """Refuse loadings whose squares would leave the range of the model's floats."""
    reach = np.maximum(lying.max(axis=1), -lying.min(axis=1))
    largest = float((reach * np.sqrt(variance)).max(initial=0.0))
    if largest >= 1e-3 * float(np.finfo(dtype).max) ** 0.5:
        raise ValueError(
            f"pathway loadings of {largest:.3g} have squares beyond the range of "
            f"floating point numbers ({dtype}); give them in units of expression"
        )


def _check_orientation(shape: tuple[int, int], n_features: int) -> None:
    if shape[0] == n_features:
        return
    hint = "pass its transpose" if shape[1] == n_features else "give one row per gene"
    raise ValueError(
        f"pathway loadings have shape {shape}, and must be ({n_features}, n_pathways) "
        f"for a model of {n_features} genes: {hint}"
    )
