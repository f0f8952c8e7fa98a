"""Which edges differ from 0 by more than chance."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_array

from sklearn_grn._anndata import as_table
from sklearn_grn._classical_significance import classical_test
from sklearn_grn._edge_search import Edges
from sklearn_grn._edge_tables import edge_table
from sklearn_grn._expression_diagnostics import concerns, diagnose_expression
from sklearn_grn._genenet_significance import genenet_test
from sklearn_grn._inner_estimator import as_pairs, n_linked
from sklearn_grn._leave_pair_out import leave_pair_out
from sklearn_grn._precision import FactorPrecisionEstimator
from sklearn_grn._prepared_table import regress_out
from sklearn_grn._tested_pairs import TestedPairs, nothing_found
from sklearn_grn._warn import warn_caller

TESTS = ("leave_pair_out", "genenet", "t")
_LEAST_SAMPLES = 4  # two for a mean and a slope, and two degrees of freedom
# What is told of a leave-pair-out test, by the names of its result.
_TOLD = (
    "null_scale",
    "n_factors",
    "degrees_of_freedom",
    "n_pairs",
    "n_coefficients",
    "veto",
    "n_vetoed",
)


class SignificanceTest(NamedTuple):
    """Significant edges, and what the test saw.

    Parameters
    ----------
    edges : DataFrame
        `source`, `target`, the `statistic` that was tested, `pvalue` and `qvalue` of
        each edge, most significant first; and `local_fdr` by GeneNet's test.
    report : Bunch
        The name of the `test`, `n_samples`, `n_pairs`, and what is its own: for
        "leave_pair_out" `null_scale`, `n_factors` removed, `degrees_of_freedom`,
        `n_coefficients` of the pilot, `veto` and `n_vetoed`; for "genenet" `kappa`,
        `eta0` and `cutoff` of the null; for "t" `degrees_of_freedom`.
    """

    edges: pd.DataFrame
    report: Bunch


def test_edges(
    X: Any,
    *,
    significance: str = "leave_pair_out",
    fdr: float = 0.05,
    confounders: Any = None,
    n_factors: int | str = "auto",
    veto: bool = True,
    n_jobs: int | None = None,
) -> SignificanceTest:
    r"""Find the edges of a gene network at a false discovery rate.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Expression table, samples x genes, on a log scale or as normal scores of ranks.
    significance : {"leave_pair_out", "genenet", "t"}, default="leave_pair_out"
        "leave_pair_out" correlates what sparse regressions leave of two genes, each
        without the other [1]_ [2]_. "genenet" fits a null to the shrunken partial
        correlations of FactorPrecisionEstimator, as R's GeneNet does [3]_. "t" is the
        classical t test, for more samples than genes.
    fdr : float, default=0.05
        Largest q-value of an edge.
    confounders : array-like of shape (n_samples, n_confounders), default=None
        Known batches (as indicator columns, or a table with a column of labels) and
        covariates. They are regressed out, and cost degrees of freedom.
    n_factors : int or "auto", default="auto"
        Hidden factors to remove by "leave_pair_out"; "auto" removes some where
        unconnected genes correlate more than they should.
    veto : bool, default=True
        Whether "leave_pair_out" keeps an edge only if it stands beside the strongest
        common neighbour of its two genes.
    n_jobs : int, default=None
        Number of joblib workers.

    Returns
    -------
    SignificanceTest
        A named tuple of `edges` and `report`.

    Raises
    ------
    ValueError
        If the table is not finite, no gene varies, or a parameter is not known.

    Warns
    -----
    UserWarning
        Where the assumptions of "leave_pair_out" seem to fail: few samples, heavy
        tails, low counts, dependent samples, a wide null.

    See Also
    --------
    NetworkEdgeSelector : Selects these edges, and weighs them by partial correlation.

    References
    ----------
    .. [1] Liu, W. (2013). Gaussian graphical model estimation with false discovery
       rate control. Annals of Statistics 41, 2948-2978.
    .. [2] Jankova, J. & van de Geer, S. (2015). Confidence intervals for
       high-dimensional inverse covariance estimation. Electronic Journal of Statistics
       9, 1205-1229.
    .. [3] Strimmer, K. (2008). A unified approach to false discovery rate estimation.
       BMC Bioinformatics 9, 303.

    Examples
    --------
    >>> from sklearn_grn import test_edges
    >>> from sklearn_grn.datasets import make_sparse_network
    >>> simulated = make_sparse_network(100, 200, random_state=0)
    >>> found = test_edges(simulated.data, fdr=0.05)
    >>> found.report.n_pairs, found.report.n_factors
    (19900, 0)
    """
    if significance not in TESTS:
        raise ValueError(f"significance={significance!r} must be one of {TESTS}")
    if not 0 < fdr < 1:
        raise ValueError(f"fdr={fdr!r} is a rate, and must be between 0 and 1")
    X = as_table(X)
    samples = check_array(X, dtype=np.float64, ensure_min_samples=2)
    known = as_confounders(confounders, len(samples))
    if significance == "leave_pair_out":
        tested = leave_pair_out_test(
            samples, fdr, known, n_factors=n_factors, veto=veto, n_jobs=n_jobs
        )
    elif significance == "t":
        tested = classical_test(samples, fdr, known)
    else:
        tested = _shrunken_test(samples, fdr, known, n_jobs)
    edges = Edges(tested.sources, tested.targets, tested.statistic)
    table = edge_table(edges, _column_names(X, samples.shape[1]), tested.table)
    table = table.rename(columns={"partial_correlation": "statistic"})
    return SignificanceTest(table, Bunch(**tested.report))


test_edges.__test__ = False  # type: ignore[attr-defined]  # it is no test of pytest's


def leave_pair_out_test(
    samples: NDArray,
    alpha: float,
    confounders: NDArray | None = None,
    *,
    n_factors: int | str = "auto",
    veto: bool = True,
    n_jobs: int | None = None,
) -> TestedPairs:
    """Test edges by `leave_pair_out`, and warn where its assumptions seem to fail.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_genes)
    alpha : float
        False discovery rate.
    confounders : ndarray of shape (n_samples, n_confounders) or None
    n_factors, veto, n_jobs
        As in `leave_pair_out`.

    Returns
    -------
    TestedPairs
        Empty where no degree of freedom is left for a test, with a warning.

    Raises
    ------
    ValueError
        If `n_factors` is neither "auto" nor a number from 0 up.
    """
    given: Any = n_factors
    if given != "auto" and not (isinstance(given, Integral) and int(given) >= 0):
        raise ValueError(f"n_factors={n_factors!r} must be 'auto', or 0 or more")
    _, genes, rank = regress_out(samples, confounders)
    n_samples, n_pairs = len(samples), math.comb(len(genes), 2)
    report = {"test": "leave_pair_out", "n_samples": n_samples}
    if n_pairs and n_samples - rank < _LEAST_SAMPLES:
        warn_caller(
            f"no edge is significant: {n_samples} samples are too few for a test. "
            "Select by threshold or max_edges"
        )
    if n_pairs == 0 or n_samples - rank < _LEAST_SAMPLES:
        return nothing_found(n_pairs, report)
    found = leave_pair_out(
        samples,
        alpha=alpha,
        confounders=confounders,
        n_factors=n_factors,
        veto=veto,
        n_jobs=n_jobs,
    )
    diagnosis = diagnose_expression(samples, confounders)
    for concern in concerns(diagnosis, found.null_scale):
        warn_caller(concern)
    report |= {name: getattr(found, name) for name in _TOLD}
    pairs = found.sources, found.targets, found.statistic
    return TestedPairs(*pairs, found.pvalue, found.qvalue, None, report)


def as_confounders(table: Any, n_samples: int) -> NDArray[np.float64] | None:
    """Return what is known of the samples as numbers, labels as indicator columns.

    Parameters
    ----------
    table : array-like of shape (n_samples,) or (n_samples, n_confounders), or None
        Columns that are not numbers are labels.
    n_samples : int

    Returns
    -------
    ndarray of shape (n_samples, n_columns) or None

    Raises
    ------
    ValueError
        If a value is missing, or there is not one row for each sample.
    """
    if table is None:
        return None
    frame = pd.DataFrame(table.to_numpy() if hasattr(table, "to_numpy") else table)
    if len(frame) != n_samples:
        raise ValueError(
            f"confounders have {len(frame)} rows, and there are {n_samples} samples"
        )
    if frame.isna().any(axis=None):
        raise ValueError(
            f"confounders have {int(frame.isna().sum().sum())} missing values. Fill "
            "them in, or leave these samples out"
        )
    numbers = frame.infer_objects()
    return pd.get_dummies(numbers, dtype=float).to_numpy(dtype=np.float64)


def _shrunken_test(
    samples: NDArray, alpha: float, confounders: NDArray | None, n_jobs: int | None
) -> TestedPairs:
    """Do what R's GeneNet does, on what the confounders leave."""
    left = samples
    if confounders is not None:
        rows, genes, _ = regress_out(samples, confounders)
        left = np.zeros_like(samples)
        left[:, genes] = rows.T
    correlation = FactorPrecisionEstimator().fit(left).partial_correlation_
    pairs, linked = as_pairs(correlation), n_linked(correlation)
    return genenet_test(pairs, linked, alpha, samples, confounders, n_jobs=n_jobs)


def _column_names(X: Any, n_genes: int) -> NDArray:
    names = getattr(X, "columns", None)
    if names is None:
        names = [f"x{number}" for number in range(n_genes)]
    return np.asarray(names, dtype=object)
