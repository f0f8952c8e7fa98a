"""What the pathways of a fitted model explain of its covariance.

The covariance is a sum, diag(psi) + L L' + sum_k phi_k x_k x_k', so what each pathway
explains is read off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_grn._diagonal_low_rank import DiagonalPlusLowRank

_BASELINE = "baseline"


def baseline_covariance(estimator: Any) -> DiagonalPlusLowRank:
    """Return what the covariance of a model is without its pathways.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator
        Fitted.

    Returns
    -------
    DiagonalPlusLowRank of shape (n_features, n_features)
        diag(psi) + L L', with the components that `fit` found.

    See Also
    --------
    pathway_covariance : What a pathway adds to it.

    Examples
    --------
    >>> from sklearn_grn import FactorPrecisionEstimator
    >>> from sklearn_grn.pathways import baseline_covariance
    >>> estimator = FactorPrecisionEstimator().fit([[0.0, 1], [1, 0], [2, 1]])
    >>> _ = estimator.partial_fit_pathways([[1.0], [1.0]], "p53")
    >>> (estimator.covariance_ - baseline_covariance(estimator)).round(6)
    array([[1., 1.],
           [1., 1.]])
    """
    check_is_fitted(estimator)
    return DiagonalPlusLowRank(estimator.noise_variance_, estimator.components_.T)


def pathway_covariance(estimator: Any, name: str) -> DiagonalPlusLowRank:
    """Return what one pathway adds to the covariance, phi x x'.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator
        Fitted.
    name : str
        Name of the pathway, as in `pathway_names_`.

    Returns
    -------
    DiagonalPlusLowRank of shape (n_features, n_features)
        Of rank 1. Those of all pathways and the baseline sum to `covariance_`.

    Raises
    ------
    ValueError
        If there is no such pathway.

    See Also
    --------
    baseline_covariance : The rest.
    explain_pair : The same for two genes.

    Examples
    --------
    >>> from sklearn_grn import FactorPrecisionEstimator
    >>> from sklearn_grn.pathways import pathway_covariance
    >>> estimator = FactorPrecisionEstimator().fit([[0.0, 1], [1, 0], [2, 1]])
    >>> _ = estimator.partial_fit_pathways([[1.0], [0.5]], "p53")
    >>> pathway_covariance(estimator, "p53").toarray()
    array([[1.  , 0.5 ],
           [0.5 , 0.25]])
    """
    check_is_fitted(estimator)
    column = _columns(estimator)[[pathway_position(estimator, name)]]
    return DiagonalPlusLowRank(np.zeros(column.shape[1]), column.T)


def explain_pair(estimator: Any, gene: Any, other: Any) -> pd.DataFrame:
    """Split the covariance of two genes into the parts that pathways explain.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator
        Fitted.
    gene, other : str or int
        Names of the genes, or their positions. Twice the same one splits its variance.

    Returns
    -------
    DataFrame of shape (1 + n_pathways, 2)
        A row for the baseline and one for each pathway, in the order of their arrival:
        `covariance`, which sums to that of the two genes, and `correlation`, the same
        in units of their standard deviations.

    Raises
    ------
    ValueError
        If a gene is not in the model.

    See Also
    --------
    edge_effects : What a pathway does to partial correlations.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn_grn import FactorPrecisionEstimator
    >>> from sklearn_grn.pathways import explain_pair
    >>> genes = ["BAX", "FAS"]
    >>> table = pd.DataFrame([[0.0, 1], [1, 1], [1, 0], [0, 0]], columns=genes)
    >>> estimator = FactorPrecisionEstimator().fit(table)
    >>> loadings = pd.DataFrame({"p53": [0.8, 0.7], "stress": [0.1, 0.1]}, genes)
    >>> _ = estimator.partial_fit_pathways(loadings)
    >>> explain_pair(estimator, "BAX", "FAS")["covariance"].round(2).to_dict()
    {'baseline': 0.0, 'p53': 0.56, 'stress': 0.01}
    """
    check_is_fitted(estimator)
    i, j = _gene_position(estimator, gene), _gene_position(estimator, other)
    columns = _columns(estimator)[:, [i, j]].astype(np.float64)
    components = estimator.components_[:, [i, j]].astype(np.float64)
    noise = float(estimator.noise_variance_[i]) if i == j else 0.0
    parts = np.append(components[:, 0] @ components[:, 1] + noise, columns.prod(axis=1))
    variances = estimator.covariance_.diagonal()[[i, j]].astype(np.float64)
    return pd.DataFrame(
        {"covariance": parts, "correlation": parts / np.sqrt(variances.prod())},
        index=[_BASELINE, *estimator.pathway_names_],
    )


def variance_shares(estimator: Any) -> pd.DataFrame:
    """Return the share of each gene's variance that each pathway explains.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator
        Fitted.

    Returns
    -------
    DataFrame of shape (n_features, 1 + n_pathways)
        A column for the baseline and one for each pathway, in the order of their
        arrival; rows sum to 1.

    See Also
    --------
    added_variance : What loadings would add, relative to the variance without them.

    Examples
    --------
    >>> from sklearn_grn import FactorPrecisionEstimator
    >>> from sklearn_grn.pathways import variance_shares
    >>> estimator = FactorPrecisionEstimator().fit([[0.0, 1], [1, 0], [2, 1], [1, 0]])
    >>> _ = estimator.partial_fit_pathways([[1.0], [0.0]], "p53")
    >>> variance_shares(estimator)["p53"].round(2).tolist()
    [0.67, 0.0]
    """
    check_is_fitted(estimator)
    parts = np.square(_columns(estimator), dtype=np.float64)
    baseline = estimator.noise_variance_.astype(np.float64)
    baseline += np.square(estimator.components_, dtype=np.float64).sum(axis=0)
    shares = np.vstack([baseline, parts]) / (baseline + parts.sum(axis=0))
    genes = getattr(estimator, "feature_names_in_", None)
    return pd.DataFrame(
        shares.T, index=genes, columns=[_BASELINE, *estimator.pathway_names_]
    )


# ------------------------------------------------------------------------- look-ups
def pathway_position(estimator: Any, name: str) -> int:
    """Return the position of a pathway among those of a model.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator
    name : str

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there is no such pathway.
    """
    names = estimator.pathway_names_.tolist()
    if name not in names:
        raise ValueError(f"no pathway is named {name!r}; there are {names}")
    return names.index(name)


def _columns(estimator: Any) -> NDArray:
    """Return the columns x_k phi_k^1/2, lying as (n_pathways, n_features)."""
    return estimator._pathways.scaled()


def _gene_position(estimator: Any, gene: Any) -> int:
    names = getattr(estimator, "feature_names_in_", None)
    if isinstance(gene, str) and names is not None and (names == gene).any():
        return int(np.flatnonzero(names == gene)[0])
    n_genes = estimator.n_features_in_
    if isinstance(gene, (int, np.integer)) and 0 <= gene < n_genes:
        return int(gene)
    known = f"names such as {names[:3].tolist()}" if names is not None else "no names"
    raise ValueError(
        f"no gene {gene!r}: the model has {n_genes} genes, at 0 to {n_genes - 1}, and "
        f"{known}"
    )
