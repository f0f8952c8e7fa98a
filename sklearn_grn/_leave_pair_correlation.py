"""The correlation of two residuals, each made without the other gene."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sklearn_grn._edge_search import Edges, census
from sklearn_grn._lasso_pilot import LassoPilot

_CACHE = 2**21  # bytes of the residuals that are at hand at a time
_QUARTILE = float(special.ndtri(0.75))  # the median of |z| for a normal z
# Of fewer pairs most may be edges, and their median would cost much power. Without it
# the level holds: "few genes" in `benchmarks/calibration.py`.
_FEW_PAIRS = 70


class PairScan(NamedTuple):
    """The leave-pair-out correlations of all pairs, the weak ones as counts.

    Attributes
    ----------
    edges : Edges
        The strongest pairs, strongest first.
    left_out : float
        No other pair has a larger |r|.
    counts : ndarray of shape (n_bins,), int64
        Number of pairs with |r| in each bin.
    bounds : ndarray of shape (n_bins + 1,)
        Bounds of the bins, from 0; the last also holds what lies beyond.
    """

    edges: Edges
    left_out: float
    counts: NDArray[np.int64]
    bounds: NDArray[np.float64]

    @property
    def n_pairs(self) -> int:
        """Number of all pairs."""
        return int(self.counts.sum())

    @property
    def median(self) -> float:
        """The median of |r|, within a bin where not all pairs are held; 0 of none."""
        if self.n_pairs == 0:
            return 0.0
        if len(self.edges.values) == self.n_pairs:
            return float(np.median(np.abs(self.edges.values)))
        below = np.append(0, self.counts.cumsum())
        return float(np.interp(self.n_pairs / 2, below, self.bounds))


def scan_pairs(
    pilot: LassoPilot, n_edges: int, *, n_jobs: int | None = None
) -> PairScan:
    """Compute the leave-pair-out correlation of all pairs.

    With e_i(-j) = e_i + b_ij z_j, r_ij is the correlation of e_i(-j) and e_j(-i) [1]_.
    Where neither gene predicts the other it is the correlation of e_i and e_j, an inner
    product of rows; the other pairs are few, and take the place of what the scan
    found for them.

    Parameters
    ----------
    pilot : LassoPilot
    n_edges : int
        At least so many of the strongest pairs are held; all where there are few.
    n_jobs : int or None
        Number of joblib tasks at a time.

    Returns
    -------
    PairScan

    References
    ----------
    .. [1] Liu, W. (2013). Gaussian graphical model estimation with false discovery rate
       control. Annals of Statistics 41, 2948-2978, with the residuals of the lasso in
       which the pair's own coefficients are taken back exactly.
    """
    rows = unit_length(pilot.residuals)
    linked = _linked_pairs(pilot)
    found = census(rows, n_edges + len(linked.sources), n_jobs=n_jobs)
    before = np.einsum("ij,ij->i", rows[linked.sources], rows[linked.targets])
    bounds, counts = _folded(found.bounds, found.counts)
    counts += _histogram(linked.values, bounds) - _histogram(before, bounds)
    n_genes = len(rows)
    ordinary = ~np.isin(
        found.tail.sources * n_genes + found.tail.targets,
        linked.sources * n_genes + linked.targets,
    )
    pairs = zip(found.tail.take(ordinary), linked, strict=True)
    edges = Edges(*(np.concatenate(both) for both in pairs))
    if len(edges.values) < math.comb(n_genes, 2):
        edges = edges.take(np.abs(edges.values) > found.left_out)
    return PairScan(edges.strongest_first(), found.left_out, counts, bounds)


def pair_residuals(
    pilot: LassoPilot, sources: NDArray, targets: NDArray
) -> Iterator[tuple[slice, NDArray, NDArray]]:
    """Yield which pairs, e_i(-j) and e_j(-i), a batch of pairs at a time."""
    size = max(1, _CACHE // (8 * pilot.rows.shape[1]))
    for start in range(0, len(sources), size):
        batch = slice(start, start + size)
        i, j = sources[batch], targets[batch]
        forward, backward = pilot.coefficients_of(i, j), pilot.coefficients_of(j, i)
        left = pilot.residuals[i] + forward[:, None] * pilot.rows[j]
        right = pilot.residuals[j] + backward[:, None] * pilot.rows[i]
        yield batch, left, right


def correlations(left: NDArray, right: NDArray) -> NDArray[np.float64]:
    """Return the correlation of rows of mean 0, pair by pair."""
    return np.einsum("ij,ij->i", unit_length(left), unit_length(right)).clip(-1, 1)


def unit_length(rows: NDArray) -> NDArray[np.float64]:
    """Return rows of length 1; those of length 0 stay."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows / np.where(lengths > 0, lengths, 1.0)[:, None]


# ------------------------------------------------------------------- its distribution
def normal_scores(r: NDArray, dof: int) -> NDArray[np.float64]:
    """Return |z| of a normal variable that is as unlikely as |r|.

    For unconnected genes t = r sqrt(dof / (1 - r^2)) follows Student's distribution,
    so that P(|R| > |r|) = I_{1 - r^2}(dof / 2, 1 / 2), the incomplete beta function
    [1]_. Its logarithm is turned into z, and where the function itself leaves the
    range of floats, its logarithm comes from the hypergeometric series.

    Parameters
    ----------
    r : ndarray of shape (n_pairs,)
        Correlations.
    dof : int
        Degrees of freedom, n_samples - 2 less what was regressed out.

    Returns
    -------
    ndarray of shape (n_pairs,)
        Infinite where |r| = 1.

    References
    ----------
    .. [1] Abramowitz, M. and Stegun, I. (1972). Handbook of Mathematical Functions,
       eq. 26.7.1 and 26.5.27.
    """
    a, r = dof / 2, np.abs(r)
    rest = (1.0 - r) * (1.0 + r)
    with np.errstate(divide="ignore"):
        log_p = np.log(special.betainc(a, 0.5, rest))
        far = log_p < -600.0
        x = rest[far]
        # I_x(a, b) = x^a (1 - x)^b F(a + b, 1; a + 1; x) / (a B(a, b)) [1, 26.5.23 and
        # 15.3.3]
        series = np.log(special.hyp2f1(a + 0.5, 1.0, a + 1.0, x)) + 0.5 * np.log1p(-x)
        log_p[far] = a * np.log(x) + series - np.log(a) - special.betaln(a, 0.5)
    return np.abs(special.ndtri_exp(log_p - np.log(2.0)))


def null_scale(scan: PairScan, dof: int) -> float:
    """Return the scale of z under the null, 1 or more, from the median of |z|.

    Most pairs are unconnected. Where their |z| are larger than chance makes them,
    something else than sparse edges links the genes, and z is divided by this scale. Of
    a dozen genes most pairs may be edges, and the median tells nothing.
    """
    if scan.n_pairs < _FEW_PAIRS:
        return 1.0
    median = normal_scores(np.array([scan.median]), dof)
    return max(1.0, float(median[0]) / _QUARTILE)


# -------------------------------------------------------------------- its bookkeeping
def _linked_pairs(pilot: LassoPilot) -> Edges:
    """Return the pairs of which one predicts the other, with their correlations."""
    n_genes = len(pilot.rows)
    low = np.minimum(pilot.genes, pilot.predictors)
    high = np.maximum(pilot.genes, pilot.predictors)
    sources, targets = np.divmod(np.unique(low * n_genes + high), n_genes)
    values = np.empty(len(sources))
    for batch, left, right in pair_residuals(pilot, sources, targets):
        values[batch] = correlations(left, right)
    return Edges(sources, targets, values)


def _folded(bounds: NDArray, counts: NDArray) -> tuple[NDArray, NDArray]:
    """Return bounds and counts of |r| from those of r, which are symmetric."""
    half = len(counts) // 2
    return bounds[half:], counts[half:] + counts[:half][::-1]


def _histogram(values: NDArray, bounds: NDArray) -> NDArray[np.int64]:
    n_bins = len(bounds) - 1
    numbers = np.searchsorted(bounds, np.abs(values), side="right") - 1
    return np.bincount(np.clip(numbers, 0, n_bins - 1), minlength=n_bins)
