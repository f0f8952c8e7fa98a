"""Sums of pathways as pictures: the numbers, the names and the frames."""

import copy

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn.datasets import make_pathway_expression
from sklearn_grn.displays import PathwayCovarianceDisplay

GENES = ["BAX", "CDKN1A", "FAS", "MYC"]
LOADINGS = pd.DataFrame({"p53": [0.8, 0.9, 0.7, 0.1], "stress": [0.1, 0, 0.4, -0.5]})
LOADINGS.index = GENES
GROUPS = {"BAX": "death", "CDKN1A": "cycle", "FAS": "death", "MYC": "cycle"}
TUMOUR = make_pathway_expression(50, as_frame=True, random_state=123)
MODEL = FactorPrecisionEstimator(pathways=TUMOUR.loadings).fit(TUMOUR.data)


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    plt.close("all")


def shown(texts):
    texts = [text for text in texts if text.get_visible() and text.get_text()]
    return np.array([text.get_window_extent().extents for text in texts])


def n_overlaps(boxes):
    first, second = boxes[:, None], boxes[None]
    apart = (first[..., 2:] <= second[..., :2]) | (second[..., 2:] <= first[..., :2])
    return np.triu(~apart.any(axis=-1), 1).sum()


def all_axis_labels(drawn):
    for axes in drawn.ax_:
        for side in (axes, *axes.child_axes):
            yield from (side.get_xticklabels(), side.get_yticklabels())


# -------------------------------------------------------------------------- the numbers
def test_panels_are_outer_products():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS)
    for image, (_, x) in zip(drawn.images_, LOADINGS.items(), strict=False):
        assert_allclose(image.get_array(), np.outer(x, x))


def test_the_last_panel_is_the_sum():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS, baseline=np.eye(4))
    X = LOADINGS.to_numpy()
    assert_allclose(drawn.images_[-1].get_array(), np.eye(4) + X @ X.T)
    assert_allclose(drawn.terms.sum(axis=0), drawn.total)


def test_the_covariance_of_a_model_is_drawn():
    drawn = PathwayCovarianceDisplay.from_estimator(MODEL)
    assert_allclose(drawn.total, MODEL.covariance_.toarray(), atol=1e-12)
    assert len(drawn.ax_) == 5


def test_pathways_of_a_model_alone():
    drawn = PathwayCovarianceDisplay.from_estimator(MODEL, pathways_only=True)
    X = TUMOUR.loadings.to_numpy()
    assert_allclose(drawn.total, X @ X.T, atol=1e-12)


def test_variances_of_activities_count():
    model = copy.copy(MODEL).partial_fit_pathways(
        TUMOUR.loadings.iloc[:, :1] * 2, "strong", activity_variance=9.0
    )
    drawn = PathwayCovarianceDisplay.from_estimator(model)
    x = 2 * TUMOUR.loadings.iloc[:, 0].to_numpy()
    assert_allclose(drawn.terms[-1], 9 * np.outer(x, x))


def test_some_genes_are_drawn_in_the_order_asked_for():
    wanted = ["Cytokine_3", "Immune_1"]
    drawn = PathwayCovarianceDisplay.from_estimator(MODEL, genes=wanted)
    at = [TUMOUR.feature_names.index(name) for name in wanted]
    assert_allclose(drawn.total, MODEL.covariance_[np.ix_(at, at)])
    assert list(drawn.feature_names) == wanted


def test_panels_share_one_scale():
    drawn = PathwayCovarianceDisplay.from_estimator(MODEL)
    limits = {image.get_clim() for image in drawn.images_}
    largest = np.abs([*drawn.terms, drawn.total]).max()
    assert limits == {(-largest, largest)}


def test_white_is_zero_where_nothing_is_negative():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS[["p53"]])
    assert drawn.images_[0].get_clim()[0] == 0.0
    assert min(drawn.images_[0].cmap(0.0)[:3]) > 0.95


def test_colours_beyond_the_scale_are_announced():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS, vmax=0.5)
    assert drawn.images_[0].get_clim() == (-0.5, 0.5)
    assert drawn.colorbar_.extend == "both"


def test_signs_between_panels():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS, baseline=np.eye(4))
    assert [text.get_text() for text in drawn.operators_] == ["+", "+", "="]


# ---------------------------------------------------------------- numbers in the cells
def test_numbers_are_written_where_they_fit():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS)
    written = [text.get_text().replace("−", "-") for text in drawn.values_[-1]]
    assert_allclose(np.array(written, float).reshape(4, 4), drawn.total, atol=0.005)


def test_numbers_stay_inside_their_cells():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS)
    drawn.figure_.canvas.draw()
    for axes, texts in zip(drawn.ax_, drawn.values_, strict=True):
        side = axes.get_window_extent().width / 4
        boxes = shown(texts)
        assert (boxes[:, 2:] - boxes[:, :2] < side).all()
        assert n_overlaps(boxes) == 0


def test_no_numbers_in_small_cells():
    drawn = PathwayCovarianceDisplay.from_estimator(MODEL)
    assert drawn.values_ == [[]] * 5


def test_numbers_can_be_left_out():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS, write=False)
    assert drawn.values_ == [[]] * 3


# ------------------------------------------------------------------------ names, groups
@pytest.mark.parametrize("n_genes", [4, 25, 45, 100])
@pytest.mark.parametrize("grouped", [True, False])
def test_names_on_the_axes_do_not_overlap(n_genes, grouped):
    loadings = TUMOUR.loadings.iloc[100 - n_genes :]
    groups = TUMOUR.groups if grouped else None
    drawn = PathwayCovarianceDisplay.from_loadings(loadings, groups=groups)
    drawn.figure_.canvas.draw()
    for texts in all_axis_labels(drawn):
        boxes = shown(texts)
        assert len(boxes) == 0 or n_overlaps(boxes) == 0


@pytest.mark.parametrize("n_genes", [25, 100])
def test_nothing_is_cut_off(n_genes):
    loadings = TUMOUR.loadings.iloc[100 - n_genes :]
    drawn = PathwayCovarianceDisplay.from_loadings(loadings, groups=TUMOUR.groups)
    drawn.figure_.canvas.draw()
    size = drawn.figure_.bbox
    for texts in all_axis_labels(drawn):
        for box in shown(texts):
            assert (box[:2] >= size.min - 1).all()
            assert (box[2:] <= size.max + 1).all()


def test_names_of_few_genes_are_written():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS)
    assert [text.get_text() for text in drawn.ax_[0].get_yticklabels()] == GENES
    assert [text.get_text() for text in drawn.ax_[1].get_xticklabels()] == GENES


def test_names_of_groups_stand_in_for_those_of_many_genes():
    drawn = PathwayCovarianceDisplay.from_estimator(MODEL, groups=TUMOUR.groups)
    expected = ["Immune", "Cytokine", "Metabolic", "Proliferation"]
    for texts in (drawn.ax_[0].get_yticklabels(), drawn.ax_[-1].get_xticklabels()):
        assert [text.get_text() for text in texts] == expected


def test_names_of_small_groups_make_way_for_those_of_large_ones():
    groups = np.repeat(["large", *(f"small {k}" for k in range(30))], [40] + [2] * 30)
    drawn = PathwayCovarianceDisplay.from_loadings(TUMOUR.loadings, groups=groups)
    drawn.figure_.canvas.draw()
    for texts in (drawn.ax_[0].get_yticklabels(), drawn.ax_[1].get_xticklabels()):
        assert texts[0].get_text() == "large"
        assert texts[0].get_visible()
        assert 1 < len(shown(texts)) < 31
        assert n_overlaps(shown(texts)) == 0


def test_groups_are_brought_together_and_framed():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS, groups=GROUPS)
    assert list(drawn.feature_names) == ["BAX", "FAS", "CDKN1A", "MYC"]
    expected = LOADINGS.loc[drawn.feature_names, "p53"]
    assert_allclose(drawn.terms[0], np.outer(expected, expected))
    for axes in drawn.ax_:
        assert sorted(line.get_xdata()[0] for line in axes.lines)[-1] == 1.5


def test_both_genes_and_groups_are_named_where_genes_fit():
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS, groups=GROUPS)
    beyond = drawn.ax_[0].child_axes
    names = [[text.get_text() for text in side.get_xticklabels()] for side in beyond]
    assert ["death", "cycle"] in names


def test_groups_by_position():
    by_position = [GROUPS[gene] for gene in GENES]
    drawn = PathwayCovarianceDisplay.from_loadings(LOADINGS, groups=by_position)
    assert_array_equal(drawn.groups, ["death", "death", "cycle", "cycle"])


def test_names_with_dollar_signs_are_written_as_they_are():
    loadings = LOADINGS.rename(index={"BAX": "$BAX$"}, columns={"p53": "p$5$3"})
    drawn = PathwayCovarianceDisplay.from_loadings(loadings)
    drawn.figure_.canvas.draw()
    assert not drawn.ax_[0].get_yticklabels()[0].get_parse_math()
    assert drawn.term_names[0].startswith(r"p\$5\$3")


# ---------------------------------------------------------------------------- refusals
def test_a_gene_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no gene \\['TP53'\\]"):
        PathwayCovarianceDisplay.from_estimator(MODEL, genes=["TP53"])


def test_more_genes_than_pixels_are_refused():
    with pytest.raises(ValueError, match="2,001 genes are more than the 2,000"):
        PathwayCovarianceDisplay.from_loadings(np.ones((2001, 1)))
    assert plt.get_fignums() == []


def test_a_baseline_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        PathwayCovarianceDisplay.from_loadings(LOADINGS, baseline=np.eye(3))


def test_too_few_groups_are_refused():
    with pytest.raises(ValueError, match="there are 4 genes"):
        PathwayCovarianceDisplay.from_loadings(LOADINGS, groups=["death"])


def test_a_model_without_pathways_has_no_sum_of_them():
    model = FactorPrecisionEstimator().fit(TUMOUR.data)
    with pytest.raises(ValueError, match="has no pathway"):
        PathwayCovarianceDisplay.from_estimator(model, pathways_only=True)
