"""The edges that an update moves most, as bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from sklearn_grn._edge_tables import change_table
from sklearn_grn._inner_estimator import gene_names, last_step
from sklearn_grn.displays._drawing import (
    DARK,
    NEGATIVE,
    POSITIVE,
    despined,
    single_axes,
)

_MINUS = "\N{MINUS SIGN}"
_LINK = " \N{EN DASH} "


class EdgeChangeDisplay:
    """The strongest changes of partial correlations, as bars.

    It is recommended to use :meth:`from_estimator`. All parameters are stored as
    attributes.

    Parameters
    ----------
    changes : DataFrame
        `source`, `target`, the partial correlations `before` and `after`, and `change`,
        largest first: `edge_changes_` of a selector, or a table from
        `compare_networks`.

    Attributes
    ----------
    ax_ : Axes
        Axes with the bars.
    figure_ : Figure
        Figure with the axes.
    bars_ : BarContainer
        A bar for each change, largest on top: vermillion where the partial correlation
        went up, blue where it went down.
    values_ : list of Text
        Partial correlations before and after, at the ends of the bars.

    See Also
    --------
    PartialCorrelationDisplay : All pairs, as distributions.
    sklearn_grn.compare_networks : Edges gained, lost and changed.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_grn import NetworkEdgeSelector
    >>> from sklearn_grn.datasets import load_leukemia
    >>> from sklearn_grn.displays import EdgeChangeDisplay
    >>> expression = load_leukemia(as_frame=True).data
    >>> selector = NetworkEdgeSelector(threshold=0.05).fit(expression)
    >>> pathway = pd.Series(0.5, index=["CD3D", "CD3G", "LCK"], name="T-cell receptor")
    >>> selector = selector.partial_fit_pathways(pathway)
    >>> display = EdgeChangeDisplay.from_estimator(selector, n_changes=3)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['LCK – CD3G', 'CD3D – CD3G', 'CD3D – LCK']
    """

    def __init__(self, changes: pd.DataFrame) -> None:
        self.changes = changes

    @classmethod
    def from_estimator(
        cls, estimator: Any, before: Any = None, *, ax: Any = None, **kwargs: Any
    ) -> EdgeChangeDisplay:
        """Draw what pathways have changed.

        Parameters
        ----------
        estimator : NetworkEdgeSelector or FactorPrecisionEstimator
            Fitted. A selector whose pathways came or went knows what they changed.
        before : FactorPrecisionEstimator, default=None
            What to compare with, fitted to the same genes. Needed where `estimator` has
            no `edge_changes_`.
        ax : Axes, default=None
            Axes to draw in. None makes a new figure.
        **kwargs : dict
            Handed on to :meth:`plot`.

        Returns
        -------
        EdgeChangeDisplay
            With the changes drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If nothing is known of a change, or the genes are not the same.
        """
        check_is_fitted(estimator)
        if before is None and not hasattr(estimator, "edge_changes_"):
            raise ValueError(
                f"{type(estimator).__name__} has not changed since it was fitted. Add "
                "pathways to a selector, or pass the estimator as it was as `before`"
            )
        if before is None:
            return cls(estimator.edge_changes_).plot(ax, **kwargs)
        check_is_fitted(before)
        return cls(_changes_between(before, estimator)).plot(ax, **kwargs)

    def plot(
        self, ax: Any = None, *, n_changes: int = 20, title: str | None = None
    ) -> EdgeChangeDisplay:
        """Draw the changes.

        Parameters
        ----------
        ax : Axes, default=None
            Axes to draw in. None makes a new figure.
        n_changes : int, default=20
            How many of the largest to draw.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        EdgeChangeDisplay
            The display itself.
        """
        shown = self.changes.head(n_changes)
        self.ax_ = single_axes(ax, (7.0, 1.2 + 0.24 * len(shown)))
        self.figure_ = self.ax_.figure
        change = shown["change"].to_numpy()
        colours = np.where(change > 0, POSITIVE, NEGATIVE)
        self.bars_ = self.ax_.barh(np.arange(len(shown)), change, 0.7, color=colours)
        ends = zip(shown["source"], shown["target"], strict=True)
        names = [f"{source}{_LINK}{target}" for source, target in ends]
        self.ax_.set_yticks(np.arange(len(shown)), names)
        self.ax_.set(xlabel="change of the partial correlation", title=title or "")
        self.ax_.set_ylim(len(shown) - 0.4, -0.6)
        self.ax_.axvline(0.0, color=DARK, linewidth=0.8)
        despined(self.ax_)
        self._write_values(shown)
        return self

    def _write_values(self, shown: pd.DataFrame) -> None:
        """Write before and after beyond the ends of the bars, and make room for it."""
        pairs = zip(shown["before"], shown["after"], strict=True)
        digits = _digits(shown[["before", "after"]].abs().to_numpy().max(initial=0.0))
        texts = [
            f"{_number(old, digits)} → {_number(new, digits)}" for old, new in pairs
        ]
        self.values_ = self.ax_.bar_label(self.bars_, texts, padding=4, fontsize=8)
        change = shown["change"].to_numpy()
        low, high = change.min(initial=0.0), change.max(initial=0.0)
        room = 0.28 * (high - low)
        if room > 0:
            self.ax_.set_xlim(low - room * (low < 0), high + room * (high > 0))


def _changes_between(before: Any, after: Any) -> pd.DataFrame:
    names = gene_names(after)
    if not np.array_equal(gene_names(before), names):
        raise ValueError(
            "the two estimators were fitted to different genes, or to the same in "
            "another order. Fit both to the same columns"
        )
    old, new = (
        last_step(_model(side)).partial_correlation_ for side in (before, after)
    )
    return change_table(old, new, names)


def _model(fitted: Any) -> Any:
    """Return the estimator inside a selector, or the estimator itself."""
    return getattr(fitted, "estimator_", fitted)


def _digits(largest: float) -> int:
    """Return how many digits tell numbers of this size apart."""
    return int(np.clip(1 - np.floor(np.log10(largest)), 2, 5)) if largest > 0 else 2


def _number(value: float, digits: int) -> str:
    rounded = round(value, digits) + 0.0  # no minus in front of zeros
    return f"{rounded:.{digits}f}".replace("-", _MINUS)
