"""Curves and distributions: the numbers that are drawn against loops over pairs."""

import copy

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.covariance import LedoitWolf

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
)
from sklearn_grn.datasets import make_pathway_expression, make_sparse_network
from sklearn_grn.displays import PartialCorrelationDisplay, ThresholdDisplay
from sklearn_grn.displays._partial_correlation import null_cdf

TUMOUR = make_pathway_expression(60, as_frame=True, random_state=123)
BEFORE = FactorPrecisionEstimator().fit(TUMOUR.data)
AFTER = copy.copy(BEFORE).partial_fit_pathways(TUMOUR.loadings)
SPARSE = make_sparse_network(80, 60, random_state=0).data
SEARCH = NetworkEdgeSelectorCV(cv=3, thresholds=12).fit(SPARSE)


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    plt.close("all")


def values_of(estimator):
    matrix = np.asarray(estimator.partial_correlation_)
    return matrix[np.triu_indices(len(matrix), 1)]


# ------------------------------------------------------------------------ distributions
def test_counts_are_those_of_all_pairs():
    drawn = PartialCorrelationDisplay.from_estimator(AFTER, BEFORE)
    for estimator, counts in ((AFTER, drawn.counts), (BEFORE, drawn.counts_before)):
        expected = np.histogram(values_of(estimator), drawn.bin_edges)[0]
        # The search counts float32 products; a value beside a bound may cross it.
        assert np.abs(counts - expected).sum() <= 4
        assert counts.sum() == 4950


def test_bins_reach_to_the_largest():
    drawn = PartialCorrelationDisplay.from_estimator(AFTER, BEFORE)
    largest = max(np.abs(values_of(side)).max() for side in (AFTER, BEFORE))
    assert_allclose(drawn.bin_edges[[0, -1]], [-largest, largest], rtol=1e-6)


def test_what_is_drawn_are_the_counts():
    drawn = PartialCorrelationDisplay.from_estimator(AFTER, BEFORE)
    assert_array_equal(drawn.counts_.get_data().values, drawn.counts)
    assert_array_equal(drawn.counts_before_.get_data().values, drawn.counts_before)


def test_without_an_update_there_is_one_distribution():
    drawn = PartialCorrelationDisplay.from_estimator(BEFORE)
    assert drawn.counts_before_ is None
    labels = [text.get_text() for text in drawn.legend_.get_texts()]
    assert labels == ["all pairs", "fitted null"]


def test_the_null_is_that_of_the_test():
    drawn = PartialCorrelationDisplay.from_estimator(AFTER, BEFORE)
    selector = NetworkEdgeSelector(significance="genenet", fdr=0.5).fit(TUMOUR.data)
    report = selector.significance_
    within = np.diff(null_cdf(drawn.bin_edges, report.kappa))
    assert_allclose(drawn.null_counts, report.eta0 * 4950 * within)


@pytest.mark.parametrize("kappa", [5.0, 60.0, 2000.0])
def test_null_distribution(kappa):
    """It is that of a correlation of kappa + 1 independent normal samples."""
    r = np.array([-0.7, -0.1, 0.0, 0.02, 0.4])
    t = r * np.sqrt((kappa - 1) / (1 - r**2))
    assert_allclose(null_cdf(r, kappa), stats.t(kappa - 1).cdf(t), rtol=1e-9)


def test_no_null_of_few_pairs():
    drawn = PartialCorrelationDisplay.from_estimator(
        FactorPrecisionEstimator().fit(TUMOUR.data.iloc[:, :20])
    )
    assert drawn.null_ is None


def test_the_null_can_be_left_out():
    drawn = PartialCorrelationDisplay.from_estimator(BEFORE, null=False)
    assert drawn.null_ is None


def test_lines_at_the_threshold():
    drawn = PartialCorrelationDisplay.from_estimator(BEFORE, threshold=0.125)
    at = [line.get_xdata()[0] for line in drawn.threshold_lines_]
    assert at == [-0.125, 0.125]


def test_a_selector_brings_its_threshold():
    selector = NetworkEdgeSelector(threshold=0, max_edges=50).fit(TUMOUR.data)
    drawn = PartialCorrelationDisplay.from_estimator(selector)
    assert drawn.threshold == selector.threshold_
    beyond = np.abs(values_of(selector.estimator_)) > drawn.threshold * (1 + 1e-12)
    assert beyond.sum() == 50


def test_any_estimator_with_a_precision():
    drawn = PartialCorrelationDisplay.from_estimator(LedoitWolf().fit(TUMOUR.data))
    assert drawn.counts.sum() == 4950


def test_no_partial_correlation_at_all():
    nothing = FactorPrecisionEstimator(shrinkage=1.0).fit(TUMOUR.data)
    drawn = PartialCorrelationDisplay.from_estimator(nothing, null=False)
    assert drawn.counts.sum() == 4950


def test_the_legend_hides_no_count():
    drawn = PartialCorrelationDisplay.from_estimator(AFTER, BEFORE, threshold=0.1)
    drawn.figure_.canvas.draw()
    box = drawn.legend_.get_window_extent()
    middles = (drawn.bin_edges[1:] + drawn.bin_edges[:-1]) / 2
    tops = np.column_stack([middles, np.maximum(drawn.counts, drawn.counts_before)])
    pixels = drawn.ax_.transData.transform(tops[tops[:, 1] > 0])
    assert not box.count_contains(pixels)


# --------------------------------------------------------------------------- thresholds
def test_curves_are_the_results_of_cross_validation():
    drawn = ThresholdDisplay.from_estimator(SEARCH)
    results = SEARCH.cv_results_
    for line in (drawn.n_edges_, drawn.scores_, drawn.false_discovery_rate_):
        assert_array_equal(line.get_xdata(), results["threshold"])
    assert_array_equal(drawn.n_edges_.get_ydata(), results["n_edges"])
    assert_allclose(drawn.scores_.get_ydata(), results["mean_test_score"])


def test_the_band_is_a_standard_error():
    drawn = ThresholdDisplay.from_estimator(SEARCH)
    error = SEARCH.cv_results_["std_test_score"] / np.sqrt(3)
    path = drawn.score_band_.get_paths()[0].vertices
    mean = SEARCH.cv_results_["mean_test_score"]
    assert_allclose(path[:, 1].max(), (mean + error).max())
    assert_allclose(path[:, 1].min(), (mean - error).min())


def test_false_discovery_rates_count_null_pairs():
    drawn = ThresholdDisplay.from_estimator(SEARCH)
    selector = NetworkEdgeSelector(significance="genenet", fdr=0.5).fit(SPARSE)
    report, sizes = selector.significance_, np.abs(values_of(selector.estimator_))
    for threshold, rate in zip(
        drawn.thresholds, drawn.false_discovery_rate, strict=True
    ):
        by_chance = 2 * null_cdf(-threshold, report.kappa)
        expected = report.eta0 * len(sizes) * by_chance
        n_above = (sizes > threshold * (1 + 1e-12)).sum()
        if n_above:
            assert_allclose(rate, min(1.0, expected / n_above), rtol=1e-6)
        else:
            assert np.isnan(rate)


def test_false_discovery_rates_are_the_q_values_of_genenet():
    """At a threshold just below an edge its rate is the q-value, up to monotonicity."""
    selector = NetworkEdgeSelector(significance="genenet", fdr=0.5).fit(SPARSE)
    weakest = selector.edges_.iloc[-1]
    thresholds = [np.nextafter(abs(weakest["partial_correlation"]), 0)]
    search = NetworkEdgeSelectorCV(cv=3, thresholds=thresholds).fit(SPARSE)
    drawn = ThresholdDisplay.from_estimator(search)
    assert_allclose(drawn.false_discovery_rate, weakest["qvalue"], rtol=0.1)


def test_the_best_threshold_is_marked_in_each_panel():
    drawn = ThresholdDisplay.from_estimator(SEARCH)
    at = [line.get_xdata()[0] for line in drawn.best_lines_]
    assert at == [SEARCH.best_threshold_] * 3
    n_edges = len(SEARCH.edges_)
    assert any(f"{n_edges:,} edges" in text.get_text() for text in drawn.ax_[0].texts)


def test_panels_show_the_same_thresholds():
    drawn = ThresholdDisplay.from_estimator(SEARCH)
    assert len({axes.get_xlim() for axes in drawn.ax_}) == 1


def test_a_threshold_of_0_is_shown():
    search = NetworkEdgeSelectorCV(cv=3, thresholds=[0.0, 0.1, 0.2]).fit(SPARSE)
    drawn = ThresholdDisplay.from_estimator(search)
    assert drawn.ax_[0].get_xlim()[0] < 0 < 0.2 < drawn.ax_[0].get_xlim()[1]


def test_no_false_discovery_rate_of_few_pairs():
    search = NetworkEdgeSelectorCV(cv=3, thresholds=5).fit(SPARSE[:, :15])
    drawn = ThresholdDisplay.from_estimator(search)
    assert len(drawn.ax_) == 2
    assert drawn.false_discovery_rate_ is None


def test_a_selector_without_cross_validation_is_refused():
    with pytest.raises(TypeError, match="compared no thresholds"):
        ThresholdDisplay.from_estimator(NetworkEdgeSelector(threshold=0.1).fit(SPARSE))
