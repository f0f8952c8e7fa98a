"""Pathways of prior knowledge become loadings that add the variance they should."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from scipy import sparse

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn.datasets import load_leukemia, load_progeny
from sklearn_grn.pathways import added_variance, pathway_loadings, scale_loadings

CAP = 3


# ------------------------------------------------------------- the naive formulas
def naive_shares(weights, fraction):
    """Shares min(cap, t w^2) of one pathway, t found by bisection; mean `fraction`."""
    square = np.square(weights[weights != 0])
    low, high = 0.0, CAP / square.min()
    for _ in range(200):
        middle = (low + high) / 2
        if np.minimum(CAP, middle * square).mean() < 1:
            low = middle
        else:
            high = middle
    return fraction * np.minimum(CAP, high * np.square(weights))


def naive_loadings(weights, variances, fraction):
    columns = [
        np.sign(column) * np.sqrt(naive_shares(column, part) * variances)
        for column, part in zip(
            weights.T, np.broadcast_to(fraction, weights.shape[1]), strict=True
        )
    ]
    return np.column_stack(columns)


def naive_table(rows, genes, pathways):
    """Fill genes x pathways one row of the net at a time."""
    table = pd.DataFrame(0.0, index=list(genes), columns=list(pathways))
    for source, target, weight in rows:
        if source in table.columns and target in table.index:
            table.loc[target, source] = weight
    return table


# ------------------------------------------------------------------ easy models
def make_weights(n_genes, n_pathways, heavy, seed):
    """Weights, about half of them 0, one in ten `heavy` times as large."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_genes, n_pathways))
    weights[rng.random(weights.shape) < 0.5] = 0.0
    weights[rng.random(weights.shape) < 0.1] *= heavy
    weights[0] = 1.0  # no pathway is empty
    return weights, rng.uniform(0.1, 5.0, n_genes)


problems = st.builds(
    make_weights,
    n_genes=st.integers(1, 60),
    n_pathways=st.integers(1, 4),
    heavy=st.sampled_from([1.0, 30.0, 1e6]),
    seed=st.integers(0, 1000),
)
totals = st.floats(1e-3, 1.0)  # what all pathways may add to one gene
WEIGHTS, VARIANCES = make_weights(40, 3, heavy=10.0, seed=1)
GENES = [f"gene{i}" for i in range(40)]
PATHWAYS = ["p53", "NFkB", "WNT"]
TABLE = pd.DataFrame(WEIGHTS, index=GENES, columns=PATHWAYS)
SERIES = pd.Series(VARIANCES, index=GENES)


@pytest.fixture
def two_genes():
    """Loadings and variances of genes called a and b."""
    table = pd.DataFrame({"up": [1.0, 2.0], "down": [-1.0, 0.0]}, index=["a", "b"])
    return table, pd.Series({"a": 4.0, "b": 9.0})


# ------------------------------------------------------------------------ scaling
@given(problems, totals)
def test_scaled_loadings_match_water_filling_by_bisection(problem, total):
    weights, variances = problem
    fraction = total / (weights.shape[1] * CAP)
    scaled = scale_loadings(weights, variances, fraction)
    expected = naive_loadings(weights, variances, fraction)
    assert_allclose(scaled, expected, rtol=1e-9)


@given(problems, totals)
def test_share_is_the_stated_fraction_on_average(problem, total):
    weights, variances = problem
    fraction = total / (weights.shape[1] * CAP)
    shares = scale_loadings(weights, variances, fraction) ** 2 / variances[:, None]
    average = shares.sum(axis=0) / np.count_nonzero(weights, axis=0)
    assert_allclose(average, fraction, rtol=1e-12)


@given(problems)
def test_no_share_is_above_the_cap_and_below_it_shares_are_proportional(problem):
    weights, variances = problem
    weights, fraction = weights[:, :1], 0.1
    shares = scale_loadings(weights, variances, fraction)[:, 0] ** 2 / variances
    assert shares.max() <= CAP * fraction * (1 + 1e-12)
    below = (shares > 0) & (shares < CAP * fraction * (1 - 1e-9))
    ratio = shares[below] / weights[below, 0] ** 2
    assert_allclose(ratio, np.mean(ratio) if len(ratio) else [], rtol=1e-9)
    # The strongest alone are capped: none of them is weaker than one that is not.
    capped = np.abs(weights[(shares > 0) & ~below, 0])
    if len(capped) and below.any():
        assert capped.min() >= np.abs(weights[below, 0]).max()


@given(problems)
def test_signs_and_zeros_stay(problem):
    weights, variances = problem
    scaled = scale_loadings(weights, variances, 0.01)
    assert_array_equal(np.sign(scaled), np.sign(weights))


@given(problems, st.floats(1e-3, 1e3))
def test_units_of_the_weights_do_not_matter(problem, unit):
    weights, variances = problem
    scaled = scale_loadings(weights, variances, 0.01)
    assert_allclose(scale_loadings(-unit * weights, variances, 0.01), -scaled)


@given(problems, st.floats(1e-3, 1e3))
def test_loadings_have_the_units_of_the_genes(problem, unit):
    weights, variances = problem
    scaled = scale_loadings(weights, variances, 0.01)
    rescaled = scale_loadings(weights, unit**2 * variances, 0.01)
    assert_allclose(rescaled, unit * scaled)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_extreme_weights_neither_vanish_nor_overflow(size):
    scaled = scale_loadings(np.full((4, 1), size), np.ones(4))
    assert_allclose(scaled, np.sqrt(0.1))


def test_one_giant_weight_leaves_the_rest_to_the_others():
    scaled = scale_loadings([1e200, *[1e-10] * 9], np.ones(10), 0.1)
    assert_allclose(scaled**2, [0.3, *[0.7 / 9] * 9])


def test_signs_alone_give_every_gene_the_same_share():
    scaled = scale_loadings([1, -1, 0, 1], [1.0, 4.0, 9.0, 16.0])
    assert_allclose(scaled, np.sqrt(0.1) * np.array([1, -2, 0, 4]))


def test_fractions_may_differ_between_pathways():
    fraction = [0.02, 0.05, 0.1]
    scaled = scale_loadings(WEIGHTS, VARIANCES, fraction)
    assert_allclose(scaled, naive_loadings(WEIGHTS, VARIANCES, fraction), rtol=1e-9)


def test_fractions_of_a_series_are_aligned_by_pathway():
    fraction = pd.Series({"WNT": 0.1, "p53": 0.02, "NFkB": 0.05, "other": 7.0})
    expected = scale_loadings(TABLE, SERIES, [0.02, 0.05, 0.1])
    assert_frame_equal(scale_loadings(TABLE, SERIES, fraction), expected)


def test_a_fraction_of_one_doubles_the_variance():
    assert_allclose(scale_loadings([1.0, -1.0], [4.0, 9.0], 1), [2.0, -3.0])


# ------------------------------------------------------------------ kinds of input
def test_frames_come_back_as_frames_of_the_same_order():
    scaled = scale_loadings(TABLE, SERIES)
    expected = naive_loadings(WEIGHTS, VARIANCES, 0.1)
    assert_frame_equal(scaled, pd.DataFrame(expected, GENES, PATHWAYS), rtol=1e-9)


def test_series_comes_back_as_series():
    scaled = scale_loadings(TABLE["NFkB"], SERIES)
    assert_series_equal(scaled, scale_loadings(TABLE, SERIES)["NFkB"])


@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist, pl.DataFrame])
def test_tables_without_gene_names_are_taken_row_by_row(kind):
    scaled = scale_loadings(kind(WEIGHTS), VARIANCES)
    assert isinstance(scaled, np.ndarray)
    assert_array_equal(scaled, scale_loadings(TABLE, SERIES))


@pytest.mark.parametrize(
    "kind", [np.asarray, list, pd.Series, pl.Series], ids=["array", "list", "pd", "pl"]
)
def test_variances_of_any_kind_suit_an_array(kind):
    scaled = scale_loadings(WEIGHTS[:, 0], kind(VARIANCES))
    assert scaled.shape == (40,)
    assert_array_equal(scaled, scale_loadings(WEIGHTS, VARIANCES)[:, 0])


@pytest.mark.parametrize("dtype", [np.int8, bool, np.float32])
def test_loadings_are_float64_whatever_comes_in(dtype):
    signs = np.array([[1], [0], [1]]).astype(dtype)
    scaled = scale_loadings(signs, np.ones(3, dtype=np.float32))
    assert scaled.dtype == np.float64
    assert_allclose(scaled, np.sqrt(0.1) * signs)


def test_input_is_left_alone():
    table, variances = TABLE.copy(), SERIES.copy()
    scale_loadings(table, variances)
    assert_frame_equal(table, TABLE)
    assert_series_equal(variances, SERIES)


def test_series_of_variances_is_aligned_by_gene_name():
    shuffled = pd.concat([SERIES.sample(frac=1, random_state=0), pd.Series({"x": 1})])
    assert_frame_equal(scale_loadings(TABLE, shuffled), scale_loadings(TABLE, SERIES))


@given(st.permutations(range(40)))
def test_order_of_the_genes_does_not_matter(order):
    scaled = scale_loadings(TABLE.iloc[order], SERIES)
    assert_frame_equal(scaled.loc[GENES], scale_loadings(TABLE, SERIES), rtol=1e-12)


def test_array_of_variances_goes_with_a_frame_row_by_row():
    scaled = scale_loadings(TABLE, VARIANCES)
    assert_frame_equal(scaled, scale_loadings(TABLE, SERIES))


def test_genes_without_a_variance_are_left_out_and_counted():
    with pytest.warns(UserWarning, match="3 of the 40 genes") as warned:
        scaled = scale_loadings(TABLE, SERIES.iloc[3:])
    assert_frame_equal(scaled, scale_loadings(TABLE.iloc[3:], SERIES))
    assert len(warned) == 1
    assert warned[0].filename == __file__


def test_no_pathway_is_no_loading():
    assert scale_loadings(TABLE[[]], SERIES).shape == (40, 0)


# ---------------------------------------------------------------------- bad input
def test_no_gene_in_common_shows_both_sides(two_genes):
    table, variances = two_genes
    with pytest.raises(ValueError, match=r"\['a', 'b'\].*\['7157', '4790'\]"):
        scale_loadings(table, variances.set_axis(["7157", "4790"]))


def test_genes_as_columns_are_refused(two_genes):
    table, variances = two_genes
    with pytest.raises(ValueError, match="genes as rows"):
        scale_loadings(table.T, variances)


@pytest.mark.parametrize("where", ["loadings", "gene_variances"])
def test_genes_that_come_twice_are_refused(two_genes, where):
    table, variances = two_genes
    twice = {"loadings": table, "gene_variances": variances}
    twice[where] = pd.concat([twice[where], twice[where].loc[["b"]]])
    with pytest.raises(ValueError, match=f"{where} are not unique.*'b'"):
        scale_loadings(**twice)


@pytest.mark.parametrize(
    ("shape", "given_shape", "hint"),
    [
        ((4, 2), (3,), "one variance"),
        ((4, 2), (2,), "loadings.T"),
        ((4, 2), (4, 4), "one variance"),
        ((4, 2), (), "one variance"),
        ((4,), (3,), "one variance"),
    ],
)
def test_wrong_shapes_are_both_in_the_message(shape, given_shape, hint):
    with pytest.raises(ValueError, match=hint) as raised:
        scale_loadings(np.ones(shape), np.ones(given_shape))
    table_shape = (*shape, 1)[:2]
    for each in (table_shape, given_shape):
        assert str(each) in str(raised.value)


def test_covariance_in_place_of_variances_is_refused_without_a_dense_array(
    allocation_peak,
):
    estimator = FactorPrecisionEstimator().fit(
        np.random.default_rng(0).random((3, 4000))
    )
    with allocation_peak() as peak, pytest.raises(ValueError, match=r"\(4000, 4000\)"):
        scale_loadings(np.ones(4000), estimator.covariance_)
    assert peak() < 4000 * 4000


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_loadings_that_are_no_numbers_are_refused(two_genes, value):
    table, variances = two_genes
    table.loc["b", "down"] = value
    with pytest.raises(ValueError, match=r"loadings must be finite.*1 genes.*'b'"):
        scale_loadings(table, variances)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_variances_that_are_none_are_refused(two_genes, value):
    table, variances = two_genes
    variances["b"] = value
    with pytest.raises(ValueError, match=r"gene_variances must.*1 genes.*'b'"):
        scale_loadings(table, variances)


def test_variances_of_genes_that_are_not_asked_for_may_be_missing(two_genes):
    table, variances = two_genes
    variances["c"] = np.nan
    assert scale_loadings(table, variances).index.tolist() == ["a", "b"]


@pytest.mark.parametrize("loadings", [np.ones((2, 2, 2)), [["up"], ["down"]]])
def test_loadings_that_are_no_table_of_numbers_are_refused(loadings):
    with pytest.raises(ValueError, match=r"dim 3|string"):
        scale_loadings(loadings, np.ones(2))


def test_sparse_loadings_are_refused():
    with pytest.raises(TypeError, match="dense"):
        scale_loadings(sparse.csr_array(WEIGHTS), VARIANCES)


def test_pathway_without_a_gene_is_refused_by_name(two_genes):
    table, variances = two_genes
    with pytest.raises(ValueError, match="none among the 2 genes: 'none', 'nil'"):
        scale_loadings(table.assign(none=0.0, nil=0.0), variances)


@pytest.mark.parametrize(
    "fraction", [0, -0.1, 1.01, 10, np.nan, np.inf, [0.1, 0], [0.1], [[0.1, 0.1]]]
)
def test_variance_explained_is_a_fraction(two_genes, fraction):
    with pytest.raises(ValueError, match=r"variance_explained.*2 pathways.*at most 1"):
        scale_loadings(*two_genes, fraction)


# ------------------------------------------------------------------ constant genes
def test_constant_gene_has_loading_0_and_is_no_part_of_the_average(two_genes):
    table, variances = two_genes
    table.loc["constant"], variances["constant"] = 5.0, 0.0
    with pytest.warns(UserWarning, match=r"1 of the 3 genes.*'constant'") as warned:
        scaled = scale_loadings(table, variances)
    assert_array_equal(scaled.loc["constant"], 0.0)
    table.loc["constant"] = 0.0
    assert_frame_equal(scaled, scale_loadings(table, variances))
    assert warned[0].filename == __file__


def test_constant_gene_outside_all_pathways_is_nothing_to_warn_of(two_genes):
    table, variances = two_genes
    table.loc["constant"], variances["constant"] = 0.0, 0.0
    assert_array_equal(scale_loadings(table, variances).loc["constant"], 0.0)


def test_pathway_of_constant_genes_is_refused(two_genes):
    table, variances = two_genes
    variances["a"] = 0.0
    with (
        pytest.warns(UserWarning, match="'a'"),
        pytest.raises(ValueError, match="'down'"),
    ):
        scale_loadings(table, variances)


# ------------------------------------------------------------------ added variance
@given(problems)
def test_added_variance_is_the_sum_over_the_pathways(problem):
    weights, variances = problem
    expected = [
        sum(x**2 for x in row) / v for row, v in zip(weights, variances, strict=True)
    ]
    assert_allclose(added_variance(weights, variances), expected)


def test_added_variance_is_what_the_model_gains():
    samples = np.random.default_rng(2).normal(size=(10, 40)) * np.sqrt(VARIANCES)
    estimator = FactorPrecisionEstimator().fit(samples)
    before = estimator.covariance_.diagonal().copy()
    loadings = scale_loadings(WEIGHTS, before)
    estimator.partial_fit_pathways(loadings)
    gained = estimator.covariance_.diagonal() / before - 1
    assert_allclose(added_variance(loadings, before), gained, atol=1e-12)


def test_added_variance_of_a_frame_has_the_names_of_the_genes(two_genes):
    added = added_variance(*two_genes)
    expected = pd.Series({"a": (1 + 1) / 4, "b": 4 / 9}, name="added_variance")
    assert_series_equal(added, expected)


def test_added_variance_leaves_out_genes_without_a_variance(two_genes):
    table, variances = two_genes
    with pytest.warns(UserWarning, match="1 of the 2 genes") as warned:
        added = added_variance(table, variances.drop("a"))
    assert added.index.tolist() == ["b"]
    assert warned[0].filename == __file__


def test_added_variance_of_a_constant_gene_is_infinite_if_it_is_loaded():
    assert_array_equal(added_variance([1.0, 0.0], [0.0, 0.0]), [np.inf, 0.0])


def test_gene_that_gets_more_than_its_own_variance_is_named():
    overlapping = pd.DataFrame(1.0, index=["a", "b"], columns=list("uvw"))
    overlapping.loc["b", ["v", "w"]] = 0.0
    variances = pd.Series({"a": 2.0, "b": 3.0})
    with pytest.warns(
        UserWarning, match=r"1 of the 2 genes.* 'a': 1.20 times"
    ) as warned:
        scaled = scale_loadings(overlapping, variances, 0.4)
    assert_allclose(added_variance(scaled, variances), [1.2, 0.4])
    assert warned[0].filename == __file__


def test_exactly_its_own_variance_is_nothing_to_warn_of():
    fractions = [0.2, 0.4, 0.3, 0.1]
    assert np.sum([fractions], axis=1) > 1  # by rounding
    scaled = scale_loadings(np.ones((1, 4)), [1.0], fractions)
    assert_allclose(added_variance(scaled, [1.0]), 1.0)


# --------------------------------------------------------------------- long tables
ROWS = [
    ("p53", "MDM2", 2.0),
    ("WNT", "AXIN2", 1.5),
    ("p53", "CDKN1A", 3.0),
    ("WNT", "MDM2", -1.0),
    ("p53", "BCL2", -0.5),
]
NET = pd.DataFrame(ROWS, columns=["source", "target", "weight"])


def test_net_becomes_genes_by_pathways_in_order_of_appearance():
    expected = naive_table(ROWS, ["MDM2", "AXIN2", "CDKN1A", "BCL2"], ["p53", "WNT"])
    assert_frame_equal(pathway_loadings(NET, min_targets=1), expected)


@given(
    st.lists(st.tuples(*[st.integers(0, 5)] * 2), min_size=1, unique=True),
    st.permutations([f"gene{i}" for i in range(6)]),
)
def test_net_is_aligned_to_the_genes_as_a_loop_would(pairs, genes):
    rows = [(f"pathway{s}", f"gene{t}", s - t + 0.5) for s, t in pairs]
    net = pd.DataFrame(rows, columns=["source", "target", "weight"])
    expected = naive_table(rows, genes, net["source"].unique())
    assert_frame_equal(pathway_loadings(net, genes, min_targets=1), expected)


@pytest.mark.parametrize("kind", [list, np.array, pd.Index, pd.Series, tuple])
def test_genes_of_any_kind_are_all_there_in_their_order(kind):
    genes = ["TP53", "BCL2", "AXIN2", "MDM2", "CDKN1A"]
    table = pathway_loadings(NET, kind(genes), min_targets=1)
    assert table.index.tolist() == genes
    assert_array_equal(table.loc["TP53"], 0.0)


@pytest.mark.parametrize("kind", [lambda net: net.to_dict("list"), pl.from_pandas])
def test_net_may_be_a_table_of_any_kind(kind):
    expected = pathway_loadings(NET, min_targets=1)
    assert_frame_equal(pathway_loadings(kind(NET), min_targets=1), expected)


def test_weights_are_1_without_a_column_of_them():
    table = pathway_loadings(NET.drop(columns="weight"), min_targets=1)
    assert_array_equal(table, pathway_loadings(NET, min_targets=1) != 0)


def test_index_of_the_net_and_other_columns_do_not_matter():
    net = NET.assign(p_value=0.5).set_index(pd.Index([3, 3, 1, 0, 7]))
    assert_frame_equal(
        pathway_loadings(net, min_targets=1), pathway_loadings(NET, min_targets=1)
    )


def test_names_like_gaps_and_dates_stay():
    names = ["NA", "nan", "MARCH1", "1-Dec", "null"]
    table = pathway_loadings({"source": ["NA"] * 5, "target": names}, names[::-1])
    assert table.index.tolist() == names[::-1]
    assert table.columns.tolist() == ["NA"]
    assert_array_equal(table, 1.0)


def test_losses_are_told_in_one_warning():
    genes = ["MDM2", "CDKN1A", "BCL2"]
    with pytest.warns(UserWarning, match=r"1 of the 4 targets.*'AXIN2'") as warned:
        table = pathway_loadings(NET, genes, min_targets=2)
    assert table.columns.tolist() == ["p53"]
    assert len(warned) == 1
    assert "1 pathways have too few targets left: 'WNT'" in str(warned[0].message)
    assert warned[0].filename == __file__


def test_pathways_need_five_targets_unless_told():
    net = {"source": ["five"] * 5 + ["four"] * 4, "target": [*"abcde", *"abcd"]}
    with pytest.warns(UserWarning, match="'four'"):
        assert pathway_loadings(net).columns.tolist() == ["five"]


def test_weight_0_is_no_target():
    net = pd.concat([NET, pd.DataFrame([("WNT", "TP53", 0.0)], columns=NET.columns)])
    with pytest.warns(UserWarning, match="'WNT'"):
        table = pathway_loadings(net, min_targets=3)
    assert table.loc["TP53"].tolist() == [0.0]


def test_no_pathway_with_enough_targets_is_refused():
    with pytest.raises(ValueError, match=r"min_targets=4.*4 genes; 'p53' has most, 3"):
        pathway_loadings(NET, min_targets=4)


def test_no_target_among_the_genes_shows_both_sides():
    with pytest.raises(ValueError, match=r"'MDM2', 'AXIN2'.*'7157', '4790'"):
        pathway_loadings(NET, ["7157", "4790"])


def test_gene_that_comes_twice_is_refused():
    with pytest.raises(ValueError, match=r"genes are not unique.*'MDM2'"):
        pathway_loadings(NET, ["MDM2", "BCL2", "MDM2"])


@pytest.mark.parametrize("column", ["source", "target"])
def test_net_without_a_column_is_refused(column):
    with pytest.raises(ValueError, match=r"columns.*this one has \["):
        pathway_loadings(NET.drop(columns=column))


def test_pair_that_comes_twice_is_refused():
    with pytest.raises(ValueError, match=r"1 rows.*merge them: \('WNT', 'MDM2'\)"):
        pathway_loadings(pd.concat([NET, NET.iloc[[3]].assign(weight=7.0)]))


@pytest.mark.parametrize("weight", [np.nan, np.inf, None])
def test_weight_that_is_no_number_is_refused(weight):
    net = {"source": ["p53", "p53"], "target": ["A", "B"], "weight": [1.0, weight]}
    with pytest.raises(ValueError, match=r"no finite weight: \('p53', 'B'\)"):
        pathway_loadings(net)


@pytest.mark.parametrize("column", ["source", "target"])
@pytest.mark.parametrize("name", [np.nan, None, ""])
def test_row_that_lacks_a_name_is_refused(column, name):
    net = NET.astype({column: object})
    net.loc[2, column] = name
    with pytest.raises(ValueError, match=r"1 rows of the net lack .*keep_default_na"):
        pathway_loadings(net)


def test_net_without_rows_is_refused():
    with pytest.raises(ValueError, match="no gene of the net"):
        pathway_loadings(NET.iloc[:0])


# ---------------------------------------------------------------- PROGENy, for real
@pytest.fixture(scope="module")
def expression():
    return load_leukemia(as_frame=True).data


@pytest.fixture(scope="module")
def progeny(expression):
    """PROGENy's weights as they stand, for the genes of the leukaemia table."""
    with pytest.warns(UserWarning, match="5233 of the 5782 targets"):
        return pathway_loadings(load_progeny().data, expression.columns)


def test_progeny_is_all_there(progeny, expression):
    net = load_progeny().data
    measured = net[net["target"].isin(expression.columns)]
    assert progeny.shape == (1300, 14)
    assert np.count_nonzero(progeny) == len(measured)
    for source, target, weight in measured.head(50)[NET.columns].to_numpy():
        assert progeny.loc[target, source] == weight


def test_progeny_as_it_stands_adds_many_variances_and_scaled_a_tenth(
    progeny, expression
):
    variances = expression.var()
    loaded = progeny.any(axis=1)
    assert added_variance(progeny, variances)[loaded].median() > 10
    scaled = scale_loadings(progeny, variances)
    shares = scaled.pow(2).div(variances, axis=0)
    assert_allclose(shares.sum() / (progeny != 0).sum(), 0.1)
    assert added_variance(scaled, variances)[loaded].median() < 0.2


def test_scaled_progeny_enters_the_estimator_cleanly(progeny, expression):
    estimator = FactorPrecisionEstimator().fit(expression)
    scaled = scale_loadings(progeny, estimator.covariance_.diagonal())
    estimator.partial_fit_pathways(scaled)
    assert estimator.pathway_names_.tolist() == load_progeny().pathway_names
    assert_array_equal(estimator.pathway_loadings_, scaled)
    assert np.isfinite(estimator.score(expression))


def test_progeny_suits_the_samples_better_when_scaled(progeny, expression):
    estimator = FactorPrecisionEstimator().fit(expression)
    scores = []
    for loadings in (progeny, scale_loadings(progeny, expression.var())):
        estimator.partial_fit_pathways(loadings)
        scores.append(estimator.score(expression))
        estimator.remove_pathways(loadings.columns)
    assert scores[1] > scores[0]
