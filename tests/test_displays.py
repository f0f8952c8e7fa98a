"""What all displays have in common: axes, figures, and matplotlib when it is needed."""

import copy
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
)
from sklearn_grn.datasets import make_pathway_expression, make_sparse_network
from sklearn_grn.displays import (
    EdgeChangeDisplay,
    NetworkDisplay,
    PartialCorrelationDisplay,
    PathwayCovarianceDisplay,
    ThresholdDisplay,
)
from sklearn_grn.displays._drawing import POSITIVE, colour_map, diverging_colours

TUMOUR = make_pathway_expression(60, as_frame=True, random_state=123)
BEFORE = NetworkEdgeSelector(threshold=0.15).fit(TUMOUR.data)
AFTER = copy.copy(BEFORE).partial_fit_pathways(TUMOUR.loadings)
SPARSE = make_sparse_network(80, 60, random_state=0).data
SEARCH = NetworkEdgeSelectorCV(cv=3, thresholds=8).fit(SPARSE)
FITTED = {
    EdgeChangeDisplay: AFTER,
    NetworkDisplay: BEFORE,
    PartialCorrelationDisplay: AFTER,
    PathwayCovarianceDisplay: AFTER.estimator_,
    ThresholdDisplay: SEARCH,
}
UNFITTED = {
    EdgeChangeDisplay: NetworkEdgeSelector(),
    NetworkDisplay: NetworkEdgeSelector(),
    PartialCorrelationDisplay: NetworkEdgeSelector(),
    PathwayCovarianceDisplay: FactorPrecisionEstimator(),
    ThresholdDisplay: NetworkEdgeSelectorCV(),
}
each_display = pytest.mark.parametrize("display", list(FITTED))


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    plt.close("all")
    yield
    plt.close("all")


# ------------------------------------------------------------------------------- axes
@each_display
def test_without_axes_one_figure_is_made(display):
    drawn = display.from_estimator(FITTED[display])
    assert plt.get_fignums() == [drawn.figure_.number]
    assert all(axes.figure is drawn.figure_ for axes in np.ravel(drawn.ax_))


@each_display
def test_given_axes_are_drawn_in_and_no_other_figure_is_made(display):
    figure, (ax, _) = plt.subplots(1, 2, figsize=(16, 8))
    drawn = display.from_estimator(FITTED[display], ax=ax)
    assert plt.get_fignums() == [figure.number]
    assert drawn.figure_ is figure


@each_display
def test_plot_returns_the_display(display):
    drawn = display.from_estimator(FITTED[display])
    assert isinstance(drawn, display)
    assert drawn.plot() is drawn


@each_display
def test_an_estimator_that_is_not_fitted_is_refused_before_a_figure_is_made(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(UNFITTED[display])
    assert plt.get_fignums() == []


@each_display
def test_axes_of_a_subfigure_are_drawn_in(display):
    figure = plt.figure(figsize=(16, 8), layout="constrained")
    left, _ = figure.subfigures(1, 2)
    drawn = display.from_estimator(FITTED[display], ax=left.subplots())
    assert drawn.figure_ is left


@pytest.mark.parametrize("display", [PathwayCovarianceDisplay, ThresholdDisplay])
def test_one_axes_for_each_panel(display):
    n_panels = len(display.from_estimator(FITTED[display]).ax_)
    _, axes = plt.subplots(1, n_panels, figsize=(4 * n_panels, 4))
    drawn = display.from_estimator(FITTED[display], ax=axes)
    assert list(drawn.ax_) == list(axes)


@pytest.mark.parametrize("display", [PathwayCovarianceDisplay, ThresholdDisplay])
def test_too_few_axes_are_refused(display):
    _, axes = plt.subplots(1, 2)
    with pytest.raises(ValueError, match="2 axes were given for"):
        display.from_estimator(FITTED[display], ax=axes)


def test_axes_placed_by_hand_cannot_be_divided():
    axes = plt.figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="placed by hand"):
        ThresholdDisplay.from_estimator(SEARCH, ax=axes)


@each_display
def test_matplotlib_is_asked_for_by_its_extra(display, monkeypatch):
    drawn = display.from_estimator(FITTED[display])
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"sklearn-grn\[plot\]"):
        drawn.plot()


# ---------------------------------------------------------------------------- colours
def _lightness(colours):
    linear = np.where(
        colours > 0.04045, ((colours + 0.055) / 1.055) ** 2.4, colours / 12.92
    )
    luminance = linear @ [0.2126729, 0.7151522, 0.0721750]
    return 116 * np.cbrt(luminance) - 16


def test_colours_are_perceptually_even():
    lightness = _lightness(diverging_colours())
    steps = np.diff(lightness[:129])
    assert_allclose(steps, steps.mean(), atol=0.05)
    assert_allclose(lightness, lightness[::-1], atol=0.5)


def test_zero_is_the_palest_colour():
    assert_allclose(colour_map(signed=True)(0.5)[:3], colour_map(signed=False)(0.0)[:3])
    assert _lightness(np.array(colour_map(signed=True)(0.5)[:3])) > 97


def test_no_colour_is_cut_off():
    """Each is inside sRGB, so that the steps are what they were meant to be."""
    colours = diverging_colours()
    assert 0 < colours.min() < colours.max() < 1


# ----------------------------------------------------------------- the largest changes
def test_bars_are_the_changes():
    drawn = EdgeChangeDisplay.from_estimator(AFTER, n_changes=7)
    changes = AFTER.edge_changes_.head(7)
    assert_allclose([bar.get_width() for bar in drawn.bars_], changes["change"])


def test_bars_are_coloured_by_direction():
    drawn = EdgeChangeDisplay.from_estimator(AFTER)
    red = plt.matplotlib.colors.to_rgba(POSITIVE)
    went_up = AFTER.edge_changes_["change"].head(20) > 0
    assert [bar.get_facecolor() == red for bar in drawn.bars_] == went_up.tolist()


def test_the_largest_change_is_on_top():
    drawn = EdgeChangeDisplay.from_estimator(AFTER)
    drawn.figure_.draw_without_rendering()
    tops = [bar.get_window_extent().y0 for bar in drawn.bars_]
    assert tops == sorted(tops, reverse=True)


def test_two_estimators_are_compared():
    fresh = copy.copy(BEFORE.estimator_).partial_fit_pathways(TUMOUR.loadings)
    drawn = EdgeChangeDisplay.from_estimator(fresh, BEFORE.estimator_)
    pd.testing.assert_frame_equal(drawn.changes, AFTER.edge_changes_)


def test_estimators_of_other_genes_are_refused():
    other = FactorPrecisionEstimator().fit(TUMOUR.data.iloc[:, ::-1])
    with pytest.raises(ValueError, match="different genes"):
        EdgeChangeDisplay.from_estimator(BEFORE, other)


def test_a_selector_that_has_not_changed_is_refused():
    with pytest.raises(ValueError, match="has not changed"):
        EdgeChangeDisplay.from_estimator(BEFORE)


def test_nothing_changed():
    drawn = EdgeChangeDisplay(AFTER.edge_changes_.iloc[:0]).plot()
    assert len(drawn.bars_) == 0


def test_no_minus_in_front_of_zeros():
    changes = pd.DataFrame(
        {"source": ["a"], "target": ["b"], "before": [-0.001], "after": [-0.5]}
    ).assign(change=-0.499)
    drawn = EdgeChangeDisplay(changes).plot()
    assert drawn.values_[0].get_text() == "0.00 → −0.50"


@pytest.mark.parametrize(("largest", "text"), [(0.25, "0.01"), (0.025, "0.012")])
def test_small_values_have_more_digits(largest, text):
    ends = {"source": ["a", "a"], "target": ["b", "c"]}
    changes = pd.DataFrame(ends | {"before": [0.0, 0.0], "after": [largest, 0.0124]})
    drawn = EdgeChangeDisplay(changes.assign(change=changes["after"])).plot()
    assert drawn.values_[1].get_text().endswith(f"→ {text}")


def test_values_beside_bars_stay_inside_the_axes():
    drawn = EdgeChangeDisplay.from_estimator(AFTER)
    drawn.figure_.draw_without_rendering()
    frame = drawn.ax_.get_window_extent()
    for text in drawn.values_:
        box = text.get_window_extent()
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1
