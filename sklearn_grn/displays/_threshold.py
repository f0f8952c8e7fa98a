"""What each threshold of a network would mean."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.utils.validation import check_is_fitted

from sklearn_grn._genenet_significance import _FEW_PAIRS, genenet_test
from sklearn_grn._inner_estimator import (
    as_pairs,
    last_step,
    n_linked,
    partial_correlations,
)
from sklearn_grn.displays._drawing import (
    DARK,
    NEGATIVE,
    POSITIVE,
    THIRD,
    despined,
    panels,
)

_LEVEL = 0.05  # of the false discovery rate that is marked


class ThresholdDisplay:
    """Edges, held-out score and false discovery rate against the threshold.

    It is recommended to use :meth:`from_estimator`. All parameters are stored as
    attributes.

    Parameters
    ----------
    thresholds : ndarray of shape (n_thresholds,)
        In increasing order.
    n_edges : ndarray of shape (n_thresholds,)
        Number of edges above each.
    scores : ndarray of shape (n_splits, n_thresholds)
        Held-out score in each fold.
    false_discovery_rate : ndarray of shape (n_thresholds,), default=None
        Expected share of null pairs among the edges above each.
    best_threshold : float, default=None
        The threshold that was chosen.

    Attributes
    ----------
    ax_ : ndarray of Axes
        The panels, one above the other.
    figure_ : Figure
        Figure with the panels.
    n_edges_, scores_ : Line2D
        Numbers of edges; mean scores.
    score_band_ : FillBetweenPolyCollection
        One standard error of the mean score on either side.
    false_discovery_rate_ : Line2D or None
        The false discovery rates.
    best_lines_ : list of Line2D
        The threshold that was chosen, in each panel.

    See Also
    --------
    sklearn_grn.NetworkEdgeSelectorCV : Chooses the threshold.

    Notes
    -----
    The false discovery rate is eta0 p(t) / F(t): the null of R's GeneNet [1]_ is fitted
    to the partial correlations of all pairs, p(t) of which exceed a threshold t by
    chance, and F(t) do. Where genes follow what was not measured it is too small;
    `NetworkEdgeSelector` has a test that is calibrated, which is no cut at a partial
    correlation.

    References
    ----------
    .. [1] Strimmer, K. (2008). A unified approach to false discovery rate estimation.
       BMC Bioinformatics 9, 303.

    Examples
    --------
    >>> from sklearn_grn import NetworkEdgeSelectorCV
    >>> from sklearn_grn.datasets import load_leukemia
    >>> from sklearn_grn.displays import ThresholdDisplay
    >>> expression = load_leukemia(as_frame=True).data.iloc[:, :200]
    >>> selector = NetworkEdgeSelectorCV(cv=3).fit(expression)
    >>> display = ThresholdDisplay.from_estimator(selector)
    >>> len(display.ax_)
    3
    """

    def __init__(
        self,
        thresholds: NDArray,
        n_edges: NDArray,
        scores: NDArray,
        *,
        false_discovery_rate: NDArray | None = None,
        best_threshold: float | None = None,
    ) -> None:
        self.thresholds = thresholds
        self.n_edges = n_edges
        self.scores = scores
        self.false_discovery_rate = false_discovery_rate
        self.best_threshold = best_threshold

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, n_jobs: int | None = None, ax: Any = None, **kwargs: Any
    ) -> ThresholdDisplay:
        """Draw what cross-validation has found.

        Parameters
        ----------
        estimator : NetworkEdgeSelectorCV
            Fitted.
        n_jobs : int, default=None
            Number of joblib workers for the pass over all pairs that fits the null.
        ax : Axes or array-like of Axes, default=None
            Axes of a grid whose room is divided, or one for each of the panels (three;
            two where there are too few pairs to fit a null). None makes a new figure.
        **kwargs : dict
            Handed on to :meth:`plot`.

        Returns
        -------
        ThresholdDisplay
            With the curves drawn.

        Raises
        ------
        NotFittedError
            If the selector is not fitted.
        TypeError
            If it is no NetworkEdgeSelectorCV.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "cv_results_"):
            raise TypeError(
                f"{type(estimator).__name__} has compared no thresholds. Fit a "
                "NetworkEdgeSelectorCV"
            )
        found, n_splits = estimator.cv_results_, estimator.n_splits_
        display = cls(
            found["threshold"],
            found["n_edges"],
            np.array([found[f"split{k}_test_score"] for k in range(n_splits)]),
            false_discovery_rate=_false_discovery_rate(estimator, n_jobs),
            best_threshold=estimator.best_threshold_,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, title: str | None = None) -> ThresholdDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : Axes or array-like of Axes, default=None
            As in :meth:`from_estimator`.
        title : str, default=None
            Title above the panels.

        Returns
        -------
        ThresholdDisplay
            The display itself.
        """
        n_panels = 2 if self.false_discovery_rate is None else 3
        self.ax_ = panels(ax, n_panels, 1, (6.5, 2.1 * n_panels))
        self.figure_ = self.ax_[0].figure
        if title:
            self.ax_[0].set_title(title, pad=18)
        self._draw_edges(self.ax_[0])
        self._draw_scores(self.ax_[1])
        self.false_discovery_rate_ = None
        if self.false_discovery_rate is not None:
            self._draw_false_discoveries(self.ax_[2], self.false_discovery_rate)
        self.best_lines_: list[Any] = []
        if self.best_threshold is not None:
            self._mark_best(self.best_threshold)
        self._align()
        return self

    def _draw_edges(self, axes: Any) -> None:
        style = {"color": DARK, "marker": ".", "markersize": 4}
        (self.n_edges_,) = axes.plot(self.thresholds, self.n_edges, **style)
        axes.set_yscale("symlog", linthresh=1)
        axes.set(ylabel="edges", ylim=(0, 2 * max(1, np.max(self.n_edges))))

    def _draw_scores(self, axes: Any) -> None:
        mean = self.scores.mean(axis=0)
        error = self.scores.std(axis=0) / len(self.scores) ** 0.5
        self.score_band_ = axes.fill_between(
            self.thresholds, mean - error, mean + error, color=NEGATIVE, alpha=0.2, lw=0
        )
        style = {"color": NEGATIVE, "marker": ".", "markersize": 4}
        (self.scores_,) = axes.plot(self.thresholds, mean, **style)
        axes.set_ylabel("held-out score")

    def _draw_false_discoveries(self, axes: Any, rates: NDArray) -> None:
        style = {"color": THIRD, "marker": ".", "markersize": 4}
        (self.false_discovery_rate_,) = axes.plot(self.thresholds, rates, **style)
        axes.axhline(_LEVEL, color=THIRD, linestyle=":", linewidth=1)
        axes.annotate(
            f"{_LEVEL:g}",
            (1.0, _LEVEL),
            xycoords=("axes fraction", "data"),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            color=THIRD,
        )
        largest = np.nanmax(np.append(rates, 2 * _LEVEL))
        axes.set(ylabel="false discovery rate", ylim=(-0.03 * largest, 1.05 * largest))

    def _mark_best(self, best: float) -> None:
        """Draw a line through all panels, and write beside it what it is."""
        at = int(np.searchsorted(self.thresholds, best))
        left = at > len(self.thresholds) / 2
        self.ax_[0].annotate(
            f"best: {best:.3g}, {self.n_edges[at]:,} edges",
            (best, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-5 if left else 5, 3),
            textcoords="offset points",
            ha="right" if left else "left",
            color=POSITIVE,
        )
        style = {"color": POSITIVE, "linestyle": "--", "linewidth": 1.2}
        self.best_lines_ = [axes.axvline(best, **style) for axes in self.ax_]

    def _align(self) -> None:
        """Give all panels one axis of thresholds."""
        low, high = self.thresholds[0], self.thresholds[-1]
        room = max(1.01, (high / low) ** 0.04) if low > 0 else 1.04
        for axes in self.ax_:
            if low > 0:
                axes.set_xscale("log")
                axes.xaxis.get_major_locator().set_params(subs=(1, 2, 3, 5))
                axes.xaxis.set_major_formatter("{x:.3g}")
                axes.xaxis.minor.locator.set_params(subs=())
            axes.set_xlim(low / room - 0.04 * (high or 1.0) * (low == 0), high * room)
            axes.tick_params(labelbottom=axes is self.ax_[-1])
            despined(axes)
        self.ax_[-1].set_xlabel("threshold of |partial correlation|")


def _false_discovery_rate(
    selector: Any, n_jobs: int | None
) -> NDArray[np.float64] | None:
    """Return the share of null pairs above each threshold, NaN where there is none."""
    inner = last_step(selector.estimator_)
    links = partial_correlations(inner, selector.n_features_in_)
    n_pairs = math.comb(n_linked(links), 2)
    if n_pairs < _FEW_PAIRS:
        return None
    null = genenet_test(as_pairs(links), n_linked(links), _LEVEL, n_jobs=n_jobs).report
    if "kappa" not in null:
        return None
    thresholds = np.minimum(selector.cv_results_["threshold"], 1.0)
    beyond = special.betaincc(0.5, (null["kappa"] - 1) / 2, thresholds**2)
    n_edges = selector.cv_results_["n_edges"].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.minimum(1.0, null["eta0"] * n_pairs * beyond / n_edges)
    return np.where(n_edges > 0, share, np.nan)
