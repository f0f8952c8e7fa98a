"""All partial correlations, as a distribution, before and after an update."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from sklearn.utils.validation import check_is_fitted

from sklearn_grn._edge_search import strongest_edges
from sklearn_grn._genenet_significance import _FEW_PAIRS, genenet_test
from sklearn_grn._inner_estimator import (
    Symmetric,
    as_pairs,
    last_step,
    n_linked,
    partial_correlations,
)
from sklearn_grn._pair_collectors import Counts, Strongest, searched
from sklearn_grn._pair_tiles import PairTiles
from sklearn_grn.displays._drawing import (
    DARK,
    NEGATIVE,
    POSITIVE,
    despined,
    single_axes,
)

# Bins are powers of two, as the search counts in a power of two of finer ones.
_FEWEST_BINS, _MOST_BINS = 16, 1024


class PartialCorrelationDisplay:
    """The distribution of the partial correlations of all pairs.

    Numbers of pairs are drawn on a logarithmic scale, as those of edges and those of
    other pairs are orders of magnitude apart.

    It is recommended to use :meth:`from_estimator`. All parameters are stored as
    attributes.

    Parameters
    ----------
    bin_edges : ndarray of shape (n_bins + 1,)
        Bounds of the bins.
    counts : ndarray of shape (n_bins,)
        Number of pairs in each bin.
    counts_before : ndarray of shape (n_bins,), default=None
        The same before an update.
    null_counts : ndarray of shape (n_bins,), default=None
        How many pairs without an edge the fitted null expects in each bin.
    threshold : float, default=None
        Above this size, pairs are edges.

    Attributes
    ----------
    ax_ : Axes
        Axes with the distributions.
    figure_ : Figure
        Figure with the axes.
    counts_ : StepPatch
        The distribution, after an update if there was one.
    counts_before_ : StepPatch or None
        The distribution before.
    null_ : Line2D or None
        The fitted null.
    threshold_lines_ : list of Line2D
        At plus and minus the threshold.
    legend_ : Legend
        What is what.

    See Also
    --------
    EdgeChangeDisplay : The pairs that an update moves most.

    Notes
    -----
    The null is that of R's GeneNet [1]_: most pairs have no edge, and a density
    proportional to (1 - r^2)^((kappa - 3) / 2) is fitted to the small values. It tells
    what all pairs have in common from what few have; the test that is calibrated is
    another one.

    References
    ----------
    .. [1] Strimmer, K. (2008). A unified approach to false discovery rate estimation.
       BMC Bioinformatics 9, 303.

    Examples
    --------
    >>> import copy
    >>> from sklearn_grn import FactorPrecisionEstimator
    >>> from sklearn_grn.datasets import make_pathway_expression
    >>> from sklearn_grn.displays import PartialCorrelationDisplay
    >>> tumour = make_pathway_expression(random_state=123)
    >>> before = FactorPrecisionEstimator().fit(tumour.data)
    >>> after = copy.copy(before).partial_fit_pathways(tumour.loadings.to_numpy())
    >>> display = PartialCorrelationDisplay.from_estimator(after, before, threshold=0.1)
    >>> int(display.counts.sum()), int(display.counts_before.sum())
    (4950, 4950)
    """

    def __init__(
        self,
        bin_edges: NDArray,
        counts: NDArray,
        *,
        counts_before: NDArray | None = None,
        null_counts: NDArray | None = None,
        threshold: float | None = None,
    ) -> None:
        self.bin_edges = bin_edges
        self.counts = counts
        self.counts_before = counts_before
        self.null_counts = null_counts
        self.threshold = threshold

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        before: Any = None,
        *,
        threshold: float | None = None,
        null: bool = True,
        n_jobs: int | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> PartialCorrelationDisplay:
        """Count the partial correlations of all pairs, and draw them.

        Parameters
        ----------
        estimator : estimator
            Fitted: a selector, a FactorPrecisionEstimator, or anything else with a
            precision.
        before : estimator, default=None
            The same before an update.
        threshold : float, default=None
            Where to draw lines. None takes `threshold_` of a selector.
        null : bool, default=True
            Whether to fit a null, to the distribution before where there is one. It
            takes a thousand pairs.
        n_jobs : int, default=None
            Number of joblib workers for the passes over all pairs.
        ax : Axes, default=None
            Axes to draw in. None makes a new figure.
        **kwargs : dict
            Handed on to :meth:`plot`.

        Returns
        -------
        PartialCorrelationDisplay
            With the distributions drawn.

        Raises
        ------
        NotFittedError
            If an estimator is not fitted.
        """
        sides = [side for side in (estimator, before) if side is not None]
        links = [_links(side) for side in sides]
        pairs = [as_pairs(values) for values in links]
        reach = max(_largest(values, n_jobs) for values in pairs) or 1.0
        n_bins = _n_bins(len(pairs[0].order))
        counts = [_count(values, reach, n_bins, n_jobs) for values in pairs]
        edges = np.linspace(-reach, reach, n_bins + 1)
        if threshold is None:
            threshold = getattr(estimator, "threshold_", None)
        display = cls(
            edges,
            counts[0],
            counts_before=counts[1] if before is not None else None,
            null_counts=_null_counts(links[-1], edges, n_jobs) if null else None,
            threshold=threshold,
        )
        return display.plot(ax, **kwargs)

    def plot(
        self, ax: Any = None, *, title: str | None = None
    ) -> PartialCorrelationDisplay:
        """Draw the distributions.

        Parameters
        ----------
        ax : Axes, default=None
            Axes to draw in. None makes a new figure.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        PartialCorrelationDisplay
            The display itself.
        """
        self.ax_ = single_axes(ax, (7.0, 4.2))
        self.figure_ = self.ax_.figure
        self.counts_before_, self.null_ = None, None
        self.threshold_lines_: list[Any] = []
        if self.counts_before is not None:
            self.counts_before_ = self.ax_.stairs(
                self.counts_before,
                self.bin_edges,
                fill=True,
                color="#BBBBBB",
                label="before",
            )
        self.counts_ = self.ax_.stairs(
            self.counts,
            self.bin_edges,
            color=NEGATIVE,
            linewidth=1.4,
            label="all pairs" if self.counts_before is None else "after",
        )
        self._draw_null()
        self._draw_threshold()
        self._finish(title)
        return self

    def _draw_null(self) -> None:
        if self.null_counts is None:
            return
        middles = (self.bin_edges[1:] + self.bin_edges[:-1]) / 2
        shown = self.null_counts > 0.1
        (self.null_,) = self.ax_.plot(
            middles[shown],
            self.null_counts[shown],
            color=DARK,
            linestyle="--",
            linewidth=1.4,
            label="fitted null",
        )

    def _draw_threshold(self) -> None:
        if self.threshold is None:
            return
        for side, label in ((-1, None), (1, f"threshold {self.threshold:.3g}")):
            line = self.ax_.axvline(
                side * self.threshold, color=POSITIVE, linestyle=":", label=label
            )
            self.threshold_lines_.append(line)

    def _finish(self, title: str | None) -> None:
        counts = [self.counts, self.counts_before]
        most = max(values.max() for values in counts if values is not None)
        self.ax_.set(
            title=title or "",
            xlabel="partial correlation",
            ylabel="pairs of genes",
            yscale="log",
            ylim=(0.5, 3 * max(most, 1)),
        )
        despined(self.ax_)
        self.legend_ = self.ax_.legend(frameon=False, loc="upper right")


# ------------------------------------------------------------------------ the counting
def _links(estimator: Any) -> Symmetric:
    check_is_fitted(estimator)
    inner = last_step(getattr(estimator, "estimator_", estimator))
    return partial_correlations(inner, estimator.n_features_in_)


def _largest(pairs: PairTiles, n_jobs: int | None) -> float:
    return min(1.0, strongest_edges(pairs, 0, n_jobs=n_jobs)[1])


def _n_bins(n_genes: int) -> int:
    """Return a number in proportion to n_pairs^(1/3) [Freedman & Diaconis 1981]."""
    wanted = 4 * max(1, math.comb(n_genes, 2)) ** (1 / 3)
    return int(np.clip(2 ** round(math.log2(wanted)), _FEWEST_BINS, _MOST_BINS))


def _count(
    pairs: PairTiles, reach: float, n_bins: int, n_jobs: int | None
) -> NDArray[np.int64]:
    found = searched(pairs, Counts(reach, Strongest(0)), n_jobs)
    return found.counts.reshape(n_bins, -1).sum(axis=1)


def _null_counts(
    links: Symmetric, edges: NDArray, n_jobs: int | None
) -> NDArray[np.float64] | None:
    """Return how many null pairs each bin should have, by the null that is fitted."""
    n_pairs = math.comb(n_linked(links), 2)
    if n_pairs < _FEW_PAIRS:
        return None
    fitted = genenet_test(as_pairs(links), n_linked(links), 0.05, n_jobs=n_jobs).report
    if "kappa" not in fitted:
        return None
    return fitted["eta0"] * n_pairs * np.diff(null_cdf(edges, fitted["kappa"]))


def null_cdf(values: ArrayLike, kappa: float) -> NDArray[np.float64]:
    """Return the distribution function of null correlations.

    Parameters
    ----------
    values : array-like of shape (n_values,)
    kappa : float
        Degrees of freedom: r^2 is Beta(1/2, (kappa - 1) / 2) distributed.

    Returns
    -------
    ndarray of shape (n_values,)
    """
    values = np.asarray(values, dtype=np.float64)
    squares = np.minimum(values**2, 1.0)
    beyond = special.betaincc(0.5, (kappa - 1) / 2, squares) / 2
    return np.where(values < 0, beyond, 1 - beyond)
