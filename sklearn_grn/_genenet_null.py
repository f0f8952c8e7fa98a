"""The null of correlations as R's GeneNet fits it: most pairs have no edge.

A mixture of a null and of something else is fitted to all values at once: the null to
the small ones (below a cut-off, where nearly all are null), the rest by a monotone
density of p-values (Strimmer 2008). Values come weighted, so that one pass that counts
them in fine bins does for 200 million pairs what the list of all does for 5,000.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

_LEAST_P = float(np.finfo(np.float64).eps)
_KAPPAS = (3.0, 1e9)  # degrees of freedom of the null that are looked at
_SHARES = np.arange(19) * 0.05  # p-values from which the share of nulls is read
_STEP = 0.9  # by which the cut-off shrinks at a time


class Values(NamedTuple):
    """Values of pairs with how often each occurs, by increasing value.

    Attributes
    ----------
    values : ndarray of shape (n_values,)
        Correlations, from -1 to 1, or the middle of a bin of them.
    weights : ndarray of shape (n_values,), int64
        How many there are.
    widths : ndarray of shape (n_values,)
        Width of the bin that they fill evenly, 0 where the value is exact.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.int64]
    widths: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray, weights: NDArray, widths: NDArray) -> Values:
        """Bring values into their order."""
        order = np.argsort(values, kind="stable")
        return cls(values[order], weights[order], widths[order])

    def take(self, keep: NDArray) -> Values:
        """Return some of the values."""
        return Values(self.values[keep], self.weights[keep], self.widths[keep])

    def sizes(self) -> Values:
        """Return the absolute values."""
        return Values.of(np.abs(self.values), self.weights, self.widths)

    def quantile(self, share: float) -> float:
        """Return a quantile, linear between neighbours [Hyndman & Fan 1996, type 7]."""
        until = self.weights.cumsum()
        position = share * (until[-1] - 1)
        numbers = np.array([np.floor(position), np.ceil(position)])
        at = np.searchsorted(until, numbers, side="right")
        inside = (numbers - until[at] + 0.5) / self.weights[at] + 0.5
        low, high = self.values[at] + self.widths[at] * inside
        return float(low + (high - low) * (position % 1))

    def share_below(self, value: float) -> float:
        """Return the share of smaller values."""
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = (value - self.values) / self.widths + 0.5
        below = np.where(self.widths > 0, inside, self.values < value)
        return float(self.weights @ np.clip(below, 0.0, 1.0) / self.weights.sum())


class Null(NamedTuple):
    """What was fitted to the values of all pairs.

    Attributes
    ----------
    kappa : float
        Degrees of freedom: the null density is proportional to
        (1 - r^2)^((kappa - 3) / 2).
    eta0 : float
        Share of pairs that are null.
    cutoff : float
        |r| up to which the null was fitted.
    p_knots, cdf, density : ndarray of shape (n_knots,)
        Distribution function of p-values at knots, and its slope behind each knot.
    """

    kappa: float
    eta0: float
    cutoff: float
    p_knots: NDArray[np.float64]
    cdf: NDArray[np.float64]
    density: NDArray[np.float64]

    def pvalue(self, values: NDArray) -> NDArray[np.float64]:
        """Return the probability that a null value is at least as large as |r|."""
        return np.maximum(_beyond(values, self.kappa), _LEAST_P)

    def qvalue(self, pvalue: NDArray) -> NDArray[np.float64]:
        """Return the false discovery rate of all pairs with p-values up to these."""
        return np.minimum(
            1.0, self.eta0 * pvalue / np.interp(pvalue, self.p_knots, self.cdf)
        )

    def local_fdr(self, pvalue: NDArray) -> NDArray[np.float64]:
        """Return the probability that a pair with such a p-value is null."""
        at = np.searchsorted(self.p_knots, pvalue, side="right") - 1
        at[pvalue <= _LEAST_P] = 0
        density = self.density[np.minimum(at, len(self.density) - 1)]
        with np.errstate(divide="ignore"):
            return np.minimum(1.0, self.eta0 / density)


def fit_null(values: Values) -> Null:
    """Fit the null of correlations, the share of nulls, and the density of p-values.

    Parameters
    ----------
    values : Values
        Of all pairs.

    Returns
    -------
    Null

    References
    ----------
    Strimmer, K. (2008). A unified approach to false discovery rate estimation. BMC
    Bioinformatics 9, 303: truncated maximum likelihood (eqs. 4 to 6 and the choice of
    the cut-off by the false non-discovery rate), Grenander's estimator of the density.
    """
    sizes = values.sizes()
    spread = (values.quantile(0.75) - values.quantile(0.25)) / 2
    rough = _kappa_of_quartile(spread)
    cutoff = _cutoff(sizes, rough)
    kappa, eta0 = _fit_below(sizes, cutoff, rough)
    p = np.maximum(_beyond(sizes.values, kappa), _LEAST_P)
    return Null(kappa, eta0, cutoff, *_distribution(p[::-1], sizes.weights[::-1], eta0))


# ------------------------------------------------------------------------- the null
def _within(size: NDArray | float, kappa: float) -> NDArray:
    """Return P(|r| <= size): r^2 is Beta(1/2, (kappa - 1) / 2) distributed."""
    return special.betainc(0.5, (kappa - 1) / 2, np.square(size))


def _beyond(size: NDArray | float, kappa: float) -> NDArray:
    return special.betaincc(0.5, (kappa - 1) / 2, np.minimum(np.square(size), 1.0))


def _kappa_of_quartile(half: float) -> float:
    """Return the kappa that has half of |r| below a size: from there it is searched."""

    def excess(log_kappa: float) -> float:
        return float(_within(half, np.exp(log_kappa))) - 0.5

    least, most = np.log(_KAPPAS)
    if excess(least) >= 0 or excess(most) <= 0:
        return _KAPPAS[0] if excess(least) >= 0 else _KAPPAS[1]
    return float(np.exp(optimize.brentq(excess, least, most, xtol=1e-12)))


def _cutoff(sizes: Values, kappa: float) -> float:
    """Return the |r| up to which nearly all pairs are null.

    It shrinks as long as that lowers the share of edges among the pairs below it, the
    false non-discovery rate.
    """

    def null_share(least: float) -> float:
        """Return how many p-values are above a level, of those that nulls have."""
        size = special.betainccinv(0.5, (kappa - 1) / 2, least) ** 0.5
        return min(1.0, sizes.share_below(size) / (1.0 - least))

    def missed(cutoff: float) -> float:
        below = sizes.share_below(cutoff)
        if below <= 0.0:
            return 0.0
        return max(0.0, 1.0 - null * float(_within(cutoff, kappa)) / below)

    null = float(np.quantile([null_share(least) for least in _SHARES], 0.1))
    cutoff = sizes.quantile(min(0.99, null))
    while missed(_STEP * cutoff) < missed(cutoff):
        cutoff *= _STEP
    return cutoff


def _fit_below(sizes: Values, cutoff: float, start: float) -> tuple[float, float]:
    """Fit kappa to the values up to the cut-off by maximum likelihood, and eta0."""
    n_below = np.searchsorted(sizes.values, cutoff, side="right")
    weights = sizes.weights[:n_below]
    number = weights.sum()
    logs = float(
        weights @ np.log1p(-np.square(np.minimum(sizes.values[:n_below], 1 - _LEAST_P)))
    )

    def loss(log_kappa: float) -> float:
        kappa = np.exp(log_kappa)
        constant = special.betaln(0.5, (kappa - 1) / 2)
        truncated = np.log(_within(cutoff, kappa))
        return number * (constant + truncated) - (kappa - 3) / 2 * logs

    bounds = np.log(np.clip([start / 1000, start * 1000], *_KAPPAS))
    best = optimize.minimize_scalar(
        loss, bounds=bounds, method="bounded", options={"xatol": 1e-10}
    )
    kappa = float(np.exp(best.x))
    share = number / sizes.weights.sum()
    return kappa, min(1.0, float(share / _within(cutoff, kappa)))


# ------------------------------------------------------------------ what is not null
def _distribution(
    p: NDArray, weights: NDArray, eta0: float
) -> tuple[NDArray, NDArray, NDArray]:
    """Return knots, distribution function and density of increasing p-values.

    The density is the steepest decreasing one (Grenander 1956): the slope of the least
    concave majorant of the empirical distribution function, which is kept where a
    mixture with eta0 nulls can be.
    """
    last = np.append(np.diff(p) > 0, True)
    cdf = (weights.cumsum() / weights.sum())[last]
    p = p[last]
    cdf = np.clip(cdf, eta0 * p, 1 - eta0 * (1 - p))
    cdf[-1] = 1 - eta0 * (1 - p[-1])  # from there on all are null
    knots, cdf = np.append(0.0, p), np.append(0.0, cdf)
    if knots[-1] < 1.0:
        knots, cdf = np.append(knots, 1.0), np.append(cdf, 1.0)
    widths = np.diff(knots)
    slopes = optimize.isotonic_regression(
        np.diff(cdf) / widths, weights=widths, increasing=False
    ).x
    cdf = np.append(0.0, np.cumsum(slopes * widths))
    return knots, cdf, slopes
