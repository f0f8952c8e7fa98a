"""Pathways as people hold them, turned into loadings, and what they do to a network.

Prior knowledge says which genes follow a pathway, in which direction and how surely:
signs or weights. A loading says by how much the level of a gene moves when the activity
of the pathway moves by one.

`read_gmt` and `read_net` read files, `pathway_loadings` lays a long table out as genes
x pathways, `scale_loadings` gives it the units of the expression table, and
`added_variance` tells what the pathways then add to each gene. Others take a fitted
estimator: what a pathway explains, which edges it moves, and how active it is.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from sklearn_grn._activity_variance import fit_activity_variance
from sklearn_grn._anndata import expression_table, write_anndata
from sklearn_grn._explained_covariance import (
    baseline_covariance,
    explain_pair,
    pathway_covariance,
    variance_shares,
)
from sklearn_grn._gene_names import find, some, without_version
from sklearn_grn._gene_sets import read_gmt, read_net, write_gmt
from sklearn_grn._nets import pathway_coverage, pathway_loadings, rename_targets
from sklearn_grn._pathway_effects import edge_effects, network_changes

__all__ = [
    "added_variance",
    "baseline_covariance",
    "edge_effects",
    "explain_pair",
    "expression_table",
    "fit_activity_variance",
    "network_changes",
    "pathway_covariance",
    "pathway_coverage",
    "pathway_loadings",
    "read_gmt",
    "read_net",
    "rename_targets",
    "scale_loadings",
    "variance_shares",
    "without_version",
    "write_anndata",
    "write_gmt",
]

# At the default of a tenth, no pathway alone adds more than three tenths to the
# variance of a gene, and it takes four of them to double it.
_LARGEST_SHARE = 3


def scale_loadings(
    loadings: Any, gene_variances: Any, variance_explained: ArrayLike = 0.1
) -> Any:
    """Turn signs or weights of pathways into loadings in units of expression.

    A pathway with loadings x adds x_i^2 to the variance v_i of gene i, the share
    x_i^2 / v_i. After scaling, the shares of a pathway's genes (those of non-zero
    weight) are `variance_explained` on average and proportional to the squared weights.
    No gene gets more than three times the average: the strongest stop there, and what
    they leave goes to the others, in proportion. Signs stay, and 0 stays 0.

    Parameters
    ----------
    loadings : DataFrame or array-like of shape (n_genes, n_pathways), or Series
        Signs or weights, 0 for a gene that is not in the pathway.
    gene_variances : Series or array-like of shape (n_genes,)
        Variance of each gene, for instance ``expression.var()``, or those of a fitted
        model that has no pathways yet, ``estimator.covariance_.diagonal()``. A Series
        is aligned with loadings that are a pandas table by gene name. Everything else
        is taken in the order of the rows.
    variance_explained : float or array-like of shape (n_pathways,), default=0.1
        Average share of each pathway, above 0 and at most 1. A Series is aligned with
        the columns of a DataFrame by name.

    Returns
    -------
    DataFrame, Series or ndarray
        Loadings, of the kind and in the order of the given ones, float64, for a
        pathway whose activity has variance 1. Genes without a variance are left out; a
        gene that does not vary has no unit, so it stays with loading 0.

    Raises
    ------
    ValueError
        If the shapes do not match, a gene comes twice or none is in common, a loading
        or a variance is missing or infinite, a variance is negative, a pathway has no
        gene of non-zero weight that varies, or `variance_explained` is not above 0 and
        at most 1.

    Warns
    -----
    UserWarning
        Counts the genes left out, and those that do not vary; names the gene to which
        overlapping pathways add most, if that is more than its own variance.

    See Also
    --------
    added_variance : What all pathways together add to each gene.
    FactorPrecisionEstimator.partial_fit_pathways : Where the loadings go.

    Notes
    -----
    A gene in several pathways receives the sum of their shares, as each pathway is
    scaled on its own and adds to the variance that is there. Look at `added_variance`.

    Weights of prior knowledge are not in units of expression: PROGENy's as they stand
    add tens of variances to a gene, so that nothing is left of the samples.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_grn.pathways import scale_loadings
    >>> signs = pd.Series({"MDM2": 1, "BCL2": -1, "ACTB": 0}, name="p53")
    >>> variances = pd.Series({"ACTB": 0.2, "BCL2": 0.4, "MDM2": 2.5})
    >>> scale_loadings(signs, variances).round(3).to_dict()
    {'MDM2': 0.5, 'BCL2': -0.2, 'ACTB': 0.0}
    """
    table, variances = _read(loadings, gene_variances)
    fraction = _check_fraction(variance_explained, table.columns)
    weights = _without_constant_genes(table, variances)
    shares = np.zeros(weights.shape)
    for k, size in enumerate(np.abs(weights.T)):
        shares[:, k] = _share_out(size)
    shares *= fraction
    _warn_of_large_sums(shares.sum(axis=1), table.index)

    scaled = np.sign(weights) * np.sqrt(shares * variances[:, None])
    if isinstance(loadings, pd.DataFrame):
        return pd.DataFrame(scaled, index=table.index, columns=table.columns)
    if isinstance(loadings, pd.Series):
        return pd.Series(scaled[:, 0], index=table.index, name=loadings.name)
    return scaled.reshape(np.shape(loadings))


def added_variance(loadings: Any, gene_variances: Any) -> Any:
    """Return the variance that pathways together add to each gene, in its own units.

    For gene i of variance v_i this is the sum of x_ik^2 / v_i over the pathways k: 0.5
    says that they add half of the variance the gene has. It tells what overlapping
    pathways amount to, and whether loadings are in units of expression at all.

    Parameters
    ----------
    loadings : DataFrame or array-like of shape (n_genes, n_pathways), or Series
        Loadings of the pathways.
    gene_variances : Series or array-like of shape (n_genes,)
        Variance of each gene without the pathways, aligned as in `scale_loadings`.

    Returns
    -------
    Series or ndarray of shape (n_genes,)
        Series with the genes as index if `loadings` is a pandas table, without those
        that have no variance. Infinite for a gene of variance 0 that has a loading.

    Raises
    ------
    ValueError
        If the shapes do not match, a gene comes twice or none is in common, a loading
        or a variance is missing or infinite, or a variance is negative.

    Warns
    -----
    UserWarning
        Counts the genes that have no variance.

    See Also
    --------
    scale_loadings : Loadings that add a stated fraction.

    Examples
    --------
    >>> from sklearn_grn.pathways import added_variance, scale_loadings
    >>> overlapping = [[1, 0], [1, 1], [0, 1]]
    >>> loadings = scale_loadings(overlapping, [0.5, 2.0, 1.0])
    >>> added_variance(loadings, [0.5, 2.0, 1.0]).round(3).tolist()
    [0.1, 0.2, 0.1]
    """
    table, variances = _read(loadings, gene_variances)
    added = np.square(table.to_numpy()).sum(axis=1)
    share = np.full(len(added), np.inf)
    np.divide(added, variances, out=share, where=variances > 0)
    share[added == 0] = 0
    if isinstance(loadings, (pd.DataFrame, pd.Series)):
        return pd.Series(share, index=table.index, name="added_variance")
    return share


def _share_out(size: NDArray) -> NDArray:
    """Return the shares of one pathway's genes: mean 1, in proportion, capped.

    Who is above the cap stays above it when the others take what is left, so that
    capping all of them at once and sharing out again ends at the one solution.
    """
    shares = np.zeros(len(size))
    rest = np.flatnonzero(size)
    left = float(len(rest))
    while True:
        square = np.square(size[rest] / size[rest].max())
        shares[rest] = left * square / square.sum()
        above = shares[rest] > _LARGEST_SHARE
        if not above.any():
            return shares
        shares[rest[above]] = _LARGEST_SHARE
        left -= _LARGEST_SHARE * above.sum()
        rest = rest[~above]


def _without_constant_genes(table: pd.DataFrame, variances: NDArray) -> NDArray:
    """Return the weights, 0 for genes of variance 0; no pathway is left empty."""
    weights = np.where(variances[:, None] > 0, table.to_numpy(), 0.0)
    constant = np.flatnonzero((weights != table.to_numpy()).any(axis=1))
    if len(constant):
        warnings.warn(
            f"{len(constant)} of the {len(table)} genes do not vary, so they have no "
            f"unit, and their loadings are 0: {some(table.index[constant])}",
            stacklevel=3,
        )
    empty = np.flatnonzero(~weights.any(axis=0))
    if len(empty):
        raise ValueError(
            "a pathway needs a gene of non-zero weight that varies; these have none "
            f"among the {len(table)} genes: {some(table.columns[empty])}"
        )
    return weights


def _warn_of_large_sums(total: NDArray, genes: pd.Index) -> None:
    n_above = np.count_nonzero(total > 1 + 1e-9)  # but for rounding
    if n_above:
        warnings.warn(
            f"pathways together add more than its own variance to {n_above} of the "
            f"{len(genes)} genes, most to {genes[int(total.argmax())]!r}: "
            f"{total.max():.2f} times. Lower variance_explained, or drop pathways",
            stacklevel=3,
        )


def _read(loadings: Any, gene_variances: Any) -> tuple[pd.DataFrame, NDArray]:
    """Return loadings, as a table, and variances of the genes that have both."""
    named = isinstance(loadings, (pd.DataFrame, pd.Series))
    if not named:
        loadings = check_array(loadings, ensure_2d=False, ensure_all_finite=False)
    table = pd.DataFrame(loadings).astype(float)
    by_name = named and isinstance(gene_variances, pd.Series)
    _check_shapes(table.shape, np.shape(gene_variances), by_name)
    variances = np.asarray(gene_variances, dtype=float)
    if by_name:
        row = find(table.index, gene_variances.index, "loadings", "gene_variances")
        table, variances = table[row >= 0], variances[row[row >= 0]]
        if n_lost := np.count_nonzero(row < 0):
            lost = f"{n_lost} of the {len(row)} genes of the loadings have no variance"
            warnings.warn(f"{lost} and are left out", stacklevel=3)
    _check_values(table, variances)
    return table, variances


def _check_shapes(shape: tuple, given: tuple, by_name: bool) -> None:
    # A structured covariance, given by mistake, must not become dense: np.shape asks.
    if len(given) != 1 or not (by_name or shape[0] == given[0]):
        transposed = given == shape[1:]
        hint = "pass loadings.T" if transposed else "give one variance for each gene"
        raise ValueError(
            f"loadings have shape {shape}, gene_variances have shape {given}: {hint}"
        )


def _check_values(table: pd.DataFrame, variances: NDArray) -> None:
    problems = {
        "loadings must be finite, and 0 for a gene that is not in the pathway (see "
        "loadings.fillna)": ~np.isfinite(table.to_numpy()).all(axis=1),
        "gene_variances must be finite and at least 0": ~(
            np.isfinite(variances) & (variances >= 0)
        ),
    }
    for problem, wrong in problems.items():
        if wrong.any():
            genes = some(table.index[np.flatnonzero(wrong)])
            raise ValueError(f"{problem}; {wrong.sum()} genes break this: {genes}")


def _check_fraction(variance_explained: Any, names: pd.Index) -> NDArray:
    if isinstance(variance_explained, pd.Series):
        variance_explained = variance_explained.reindex(names)
    fraction = np.asarray(variance_explained, dtype=float)
    one_each = fraction.shape in ((), (len(names),))
    if not one_each or not ((fraction > 0) & (fraction <= 1)).all():
        raise ValueError(
            f"variance_explained is {fraction.tolist()}; give one fraction, or one for "
            f"each of the {len(names)} pathways, above 0 and at most 1 (0.1 is a tenth)"
        )
    return fraction
