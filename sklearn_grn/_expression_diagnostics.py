"""What spoils a test of edges and does not show in its null scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._edge_search import edges_above
from sklearn_grn._leave_pair_correlation import unit_length
from sklearn_grn._prepared_table import prepare

# In simulations with 150 samples the realised false discovery proportion at .05 was .05
# where margins followed Student's t with 5 degrees of freedom (37 % of the genes had an
# excess kurtosis above 2), .08 with 4 (57 %) and .15 with 3 (81 %); with a median count
# of about 4 it was .14, with 29 it was .06.
_HEAVY, _FEW_HEAVY = 2.0, 0.3
_LOW_COUNT, _AT_FLOOR = 10.0, 0.1
_FEW_SAMPLES = 30
_LARGE_SCALE = 1.2

# Replicates share most of what is not common to all samples. Groups of samples do not,
# nor do samples of tables with few genes, where chance correlations are larger.
_REPLICATE, _FAR, _FEW_REPLICATES = 0.8, 5.0, 0.05
_SERIAL = 0.2
_SMALL = 1000.0  # counts up to here are told from other numbers


@dataclass(frozen=True, eq=False)
class ExpressionDiagnostics:
    """What was measured of a table.

    Attributes
    ----------
    n_samples : int
    excess_kurtosis : ndarray of shape (n_varying,)
        Of the genes that vary, after samples got an equal scale. 0 for normal genes.
    typical_count : float
        Median over genes of the median count; nan where the table holds no counts, nor
        their logarithms log(1 + count) or log2(1 + count).
    floor_share : float
        Mean share of the other samples that equal the lowest of a gene.
    n_replicates : int
        Samples that are almost equal to another one.
    serial_correlation : float
        Mean correlation of each sample with the next one in the table.
    serial_score : float
        The same in standard deviations of samples in an order by chance.
    """

    n_samples: int
    excess_kurtosis: NDArray[np.float64]
    typical_count: float
    floor_share: float
    n_replicates: int
    serial_correlation: float
    serial_score: float


def diagnose_expression(
    X: NDArray, confounders: NDArray | None = None
) -> ExpressionDiagnostics:
    """Measure margins, counts, and whether samples look independent.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite, as it is tested.
    confounders : ndarray of shape (n_samples, n_confounders) or None
        As in the test.

    Returns
    -------
    ExpressionDiagnostics
    """
    table = prepare(X, confounders)
    samples = unit_length(table.rows.T)
    mean, spread = _bulk_of_samples(samples)
    near = edges_above(samples, max(_REPLICATE, mean + _FAR * spread))
    serial = float(np.einsum("ij,ij->i", samples[1:], samples[:-1]).mean())
    return ExpressionDiagnostics(
        n_samples=len(X),
        excess_kurtosis=np.square(np.square(table.rows)).mean(axis=1) - 3.0,
        typical_count=typical_count(X),
        floor_share=_floor_share(X[:, table.genes]),
        n_replicates=len(np.unique(np.concatenate(near[:2]))),
        serial_correlation=serial,
        serial_score=(serial - mean) / (spread or 1.0) * (len(X) - 1) ** 0.5,
    )


def concerns(found: ExpressionDiagnostics, null_scale: float) -> list[str]:
    """Return a sentence on each assumption that seems to fail.

    Parameters
    ----------
    found : ExpressionDiagnostics
    null_scale : float
        Of the test.

    Returns
    -------
    list of str
        What was found, with its number, and what to do.
    """
    said = []
    if found.n_samples < _FEW_SAMPLES:
        said.append(
            f"{found.n_samples} samples are few: below {_FEW_SAMPLES} hardly an edge "
            "is certified. Use the ranking of partial correlations"
        )
    heavy = float((found.excess_kurtosis > _HEAVY).mean())
    if heavy > _FEW_HEAVY:
        said.append(
            f"{heavy:.0%} of the genes have heavy tails (excess kurtosis above "
            f"{_HEAVY:g}), with which more edges are false than q-values say. Take "
            "logarithms or normal scores of ranks first"
        )
    if found.typical_count < _LOW_COUNT:
        said.append(
            f"the median gene has a count of {found.typical_count:.3g}: below about "
            f"{_LOW_COUNT:g} counts do not show their gene's level well enough to "
            "tell direct from indirect edges. Aggregate cells, or drop such genes"
        )
    elif found.floor_share > _AT_FLOOR:
        said.append(
            f"{found.floor_share:.0%} of the values are the lowest of their gene, as "
            "with counts of 0, which do not show a gene's level well enough to tell "
            "direct from indirect edges. Aggregate cells, or drop such genes"
        )
    return [*said, *_dependence(found), *_excess(null_scale)]


def _dependence(found: ExpressionDiagnostics) -> list[str]:
    if found.n_replicates > _FEW_REPLICATES * found.n_samples:
        return [
            f"{found.n_replicates} of the {found.n_samples} samples are almost equal "
            "to another one. Average replicates first"
        ]
    if found.serial_correlation > _SERIAL and found.serial_score > _FAR:
        return [
            "neighbouring samples of the table have a mean correlation of "
            f"{found.serial_correlation:.2f}, as in a time series or in a table sorted "
            "by groups, but the test takes samples as independent. Pass groups as "
            "confounders, or thin the series"
        ]
    return []


def _excess(null_scale: float) -> list[str]:
    if null_scale <= _LARGE_SCALE:
        return []
    return [
        f"unconnected genes correlate {null_scale:.2f} times as much as independent "
        "samples and sparse edges explain, so take q-values as a ranking. Look for "
        "batches and groups of samples, and pass them as confounders"
    ]


def typical_count(X: NDArray) -> float:
    """Return the median over genes of the median count, nan if there are no counts.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Perhaps counts, or their logarithms.

    Returns
    -------
    float
    """
    if X.min() < 0:
        return np.nan
    scales: list[tuple[Callable, Callable]] = [
        (lambda counts: counts, lambda values: values),
        (np.log1p, np.expm1),
        (lambda counts: np.log2(1 + counts), lambda values: np.exp2(values) - 1),
    ]
    for scale, inverse in scales:
        counts = inverse(X[scale(_SMALL) > X].astype(np.float64))
        # Logarithms in float32 bring counts up to 1000 back to within 1e-3.
        if len(counts) and np.abs(counts - np.round(counts)).max() < 5e-3:
            middle = float(np.median(np.median(X, axis=0)))
            return float(inverse(min(middle, scale(1e9))))
    return np.nan


def _floor_share(X: NDArray) -> float:
    return float(((X.min(axis=0) == X).sum(axis=0) - 1).mean()) / (len(X) - 1)


def _bulk_of_samples(samples: NDArray) -> tuple[float, float]:
    """Return mean and root mean square deviation of the correlations of samples."""
    n_samples, n_genes = samples.shape
    n_pairs = n_samples * (n_samples - 1)
    small = samples @ samples.T if n_samples <= n_genes else samples.T @ samples
    mean = (np.square(samples.sum(axis=0)).sum() - n_samples) / n_pairs
    square = (np.square(small).sum() - n_samples) / n_pairs
    return float(mean), float(max(square - mean**2, 0.0) ** 0.5)
