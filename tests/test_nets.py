"""Nets are cleaned, renamed and laid out, and no gene is dropped or moved silently."""

import copy
from contextlib import nullcontext

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal

from sklearn_grn import FactorPrecisionEstimator, _nets
from sklearn_grn.pathways import (
    added_variance,
    pathway_coverage,
    pathway_loadings,
    read_net,
    rename_targets,
    scale_loadings,
    without_version,
)

ROWS = [
    ("p53", "MDM2", 2.0),
    ("WNT", "AXIN2", 1.5),
    ("p53", "CDKN1A", 3.0),
    ("WNT", "MDM2", -1.0),
]
NET = pd.DataFrame(ROWS, columns=["source", "target", "weight"])


def net_of(*rows):
    return pd.DataFrame(rows, columns=["source", "target", "weight"])


# ------------------------------------------------- alignment neither drops nor moves
GENES = [f"GENE{i}" for i in range(12)]
NETS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([*GENES[:8], "other", "gene1", "GENE1.2"]),
        st.floats(-2, 2).map(lambda weight: weight or 1.0),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda row: row[:2],
)


@pytest.mark.filterwarnings("ignore:.*not among the genes:UserWarning")
@given(NETS, st.lists(st.sampled_from(GENES), min_size=1, unique=True))
def test_alignment_keeps_every_gene_in_its_place_and_every_weight(rows, genes):
    known = [row for row in rows if row[1] in genes]
    if not known:
        with pytest.raises(ValueError, match="no gene of the net"):
            pathway_loadings(net_of(*rows), genes, min_targets=1)
        return
    table = pathway_loadings(net_of(*rows), genes, min_targets=1)
    assert table.index.tolist() == genes
    found = {
        (source, target): table.loc[target, source]
        for source in table
        for target in table.index[table[source] != 0]
    }
    assert found == {row[:2]: row[2] for row in known}


@given(NETS, st.lists(st.sampled_from(GENES), min_size=1, unique=True))
def test_every_target_that_is_lost_is_counted(rows, genes):
    targets = {row[1] for row in rows}
    lost = targets - set(genes)
    if not lost or lost == targets:
        return
    words = f"{len(lost)} of the {len(targets)} targets are not among the genes"
    with pytest.warns(UserWarning, match=words):
        pathway_loadings(net_of(*rows), genes, min_targets=1)


@pytest.mark.filterwarnings("ignore:.*not among the genes:UserWarning")
@given(
    NETS,
    st.lists(st.sampled_from(GENES), min_size=1, unique=True),
    st.randoms(use_true_random=False),
)
def test_order_of_genes_and_rows_does_not_matter(rows, genes, random):
    if not {row[1] for row in rows} & set(genes):
        return
    table = pathway_loadings(net_of(*rows), genes, min_targets=1)
    mixed_rows, mixed_genes = rows.copy(), genes.copy()
    random.shuffle(mixed_rows)
    random.shuffle(mixed_genes)
    mixed = pathway_loadings(net_of(*mixed_rows), mixed_genes, min_targets=1)
    assert_frame_equal(mixed.loc[table.index, table.columns], table)


ESTIMATOR = FactorPrecisionEstimator().fit(
    pd.DataFrame(np.random.default_rng(0).normal(size=(5, 12)), columns=GENES)
)


@pytest.mark.filterwarnings("error")
@given(st.lists(st.sampled_from([*GENES, "x", "gene3"]), min_size=1, unique=True))
def test_loadings_that_arrive_are_put_right_or_refused_or_counted(index):
    loadings = pd.Series(np.arange(1.0, len(index) + 1), index=index, name="a")
    n_strangers = len(set(index) - set(GENES))
    grown = copy.copy(ESTIMATOR)
    if n_strangers == len(index):
        with pytest.raises(ValueError, match="share no gene"):
            grown.partial_fit_pathways(loadings)
        return
    told = pytest.warns(UserWarning, match=f"{n_strangers} of the {len(index)} genes")
    with told if n_strangers else nullcontext():
        grown.partial_fit_pathways(loadings)
    expected = loadings.reindex(GENES, fill_value=0.0)
    assert_array_equal(grown.pathway_loadings_[:, 0], expected)


# --------------------------------------------------------------------- large tables
@pytest.fixture
def as_if_large(monkeypatch):
    """Lay every table out in the way of those that are too large to be dense."""
    monkeypatch.setattr(_nets, "_DENSE", 0)


def test_columns_of_a_large_table_are_sparse(as_if_large):
    table = pathway_loadings(NET, ["MDM2", "TP53", "AXIN2", "CDKN1A"], min_targets=1)
    assert all(dtype == pd.SparseDtype(float, 0.0) for dtype in table.dtypes)


def test_values_of_a_large_table_are_those_of_a_small_one(monkeypatch):
    genes = ["MDM2", "TP53", "AXIN2", "CDKN1A"]
    dense = pathway_loadings(NET, genes, min_targets=1)
    monkeypatch.setattr(_nets, "_DENSE", 0)
    assert_frame_equal(pathway_loadings(NET, genes, min_targets=1).astype(float), dense)


def test_large_tables_go_the_whole_way(as_if_large):
    samples = np.random.default_rng(0).normal(size=(9, 3))
    expression = pd.DataFrame(samples, columns=["CDKN1A", "MDM2", "AXIN2"])
    table = pathway_loadings(NET, expression, min_targets=1)
    scaled = scale_loadings(table, expression.var())
    assert_array_equal(added_variance(scaled, expression.var()).round(9) > 0, True)
    estimator = FactorPrecisionEstimator().fit(expression)
    estimator.partial_fit_pathways(table)
    assert_array_equal(estimator.pathway_loadings_, table.to_numpy())


# -------------------------------------------------------------------------- coverage
def test_coverage_counts_what_was_measured():
    coverage = pathway_coverage(NET, ["MDM2", "CDKN1A", "TP53"])
    expected = {"n_targets": [2, 2], "n_measured": [2, 1], "measured": [1.0, 0.5]}
    assert_frame_equal(coverage, pd.DataFrame(expected, index=["p53", "WNT"]))


def test_coverage_counts_no_weight_of_0():
    coverage = pathway_coverage(net_of(*ROWS, ("WNT", "TP53", 0.0)), ["TP53", "MDM2"])
    assert coverage["n_targets"].tolist() == [2, 2]
    assert coverage["n_measured"].tolist() == [1, 1]


@pytest.mark.filterwarnings("ignore:.*not among the genes:UserWarning")
@given(NETS, st.lists(st.sampled_from(GENES[:8]), min_size=3, unique=True))
def test_coverage_is_what_the_loadings_hold(rows, genes):
    if not {row[1] for row in rows} & set(genes):
        return
    coverage = pathway_coverage(net_of(*rows), genes)
    table = pathway_loadings(net_of(*rows), genes, min_targets=1)
    counts = coverage["n_measured"]
    assert counts[counts > 0].to_dict() == (table != 0).sum().to_dict()


def test_coverage_without_a_gene_in_common_is_refused():
    with pytest.raises(ValueError, match=r"no gene of the net.*Entrez"):
        pathway_coverage(NET, ["7157", "4790"])


# ------------------------------------------------------------------------- renaming
def test_targets_are_renamed_by_a_mapping():
    fresh = rename_targets(NET, {"MDM2": "a", "AXIN2": "b", "CDKN1A": "c"})
    assert_frame_equal(fresh, NET.assign(target=["a", "b", "c", "a"]))


def test_targets_are_renamed_by_a_series():
    names = pd.Series({"CDKN1A": "c", "MDM2": "a", "AXIN2": "b", "BAX": "d"})
    assert rename_targets(NET, names)["target"].tolist() == ["a", "b", "c", "a"]


def test_targets_are_renamed_by_a_function():
    assert rename_targets(NET, str.lower)["target"].str.islower().all()


def test_versions_are_stripped_on_request_only():
    net = {"source": ["p53"], "target": ["ENSG00000141510.12"]}
    genes = ["ENSG00000141510"]
    with pytest.raises(ValueError, match="versions"):
        pathway_loadings(net, genes, min_targets=1)
    renamed = rename_targets(net, without_version)
    assert pathway_loadings(renamed, genes, min_targets=1)["p53"].tolist() == [1.0]


def test_targets_that_a_mapping_lacks_stay_and_are_counted():
    names = {"MDM2": "a", "AXIN2": np.nan, "CDKN1A": ""}
    with pytest.warns(UserWarning, match="2 of the 3 targets have no new name") as told:
        fresh = rename_targets(NET, names)
    assert fresh["target"].tolist() == ["a", "AXIN2", "CDKN1A", "a"]
    assert told[0].filename == __file__


def test_rows_that_fall_together_are_merged_and_counted():
    with pytest.warns(UserWarning, match=r"1 rows repeat.*1 pairs had unlike weights"):
        fresh = rename_targets(NET, {"MDM2": "x", "CDKN1A": "x", "AXIN2": "y"})
    expected = [("p53", "x", 2.5), ("WNT", "y", 1.5), ("WNT", "x", -1.0)]
    assert_frame_equal(fresh, net_of(*expected))


def test_mapping_of_other_genes_is_refused():
    with pytest.raises(ValueError, match=r"among those of the new names.*Ensembl"):
        rename_targets(NET, {"ENSG00000141510": "TP53"})


def test_mapping_that_names_a_gene_twice_is_refused():
    names = pd.Series(["a", "b"], index=["MDM2", "MDM2"])
    with pytest.raises(ValueError, match=r"new names are not unique.*'MDM2'"):
        rename_targets(NET, names)


@pytest.mark.parametrize("name", ["", 7, None])
def test_new_names_must_be_names(name):
    with pytest.raises(ValueError, match="strings that are not empty"):
        rename_targets(NET, lambda old: name)


# ------------------------------------------------------------------ nets in memory
@pytest.mark.parametrize(
    "kind", [pd.DataFrame, pl.from_pandas, lambda net: net.to_dict("list")]
)
def test_net_is_read_from_any_table(kind):
    assert_frame_equal(read_net(kind(NET)), NET)


def test_clean_net_is_read_as_it_is_whatever_its_index():
    assert_frame_equal(read_net(NET.set_index(pd.Index([5, 5, 1, 0]))), NET)


def test_repeated_rows_are_merged_and_counted():
    net = net_of(*ROWS, ROWS[0], ("WNT", "AXIN2", 0.5), ("WNT", "AXIN2", 1.0))
    with pytest.warns(UserWarning, match=r"3 rows repeat.*1 pairs had unlike") as told:
        fresh = read_net(net)
    assert_frame_equal(fresh, NET.assign(weight=[2.0, 1.0, 3.0, -1.0]))
    assert told[0].filename == __file__


@pytest.mark.parametrize("missing", [None, np.nan, "", "NA"])
def test_missing_weights_are_left_out_and_counted(missing):
    columns = NET.to_dict("list")
    columns["weight"] = [missing, 1.5, missing, -1.0]
    with pytest.warns(UserWarning, match="2 rows have no weight and are left out"):
        assert_frame_equal(read_net(columns), net_of(ROWS[1], ROWS[3]))


def test_missing_weights_of_polars_are_left_out():
    net = pl.DataFrame(
        {"source": ["a", "a"], "target": ["x", "y"], "weight": [1, None]}
    )
    with pytest.warns(UserWarning, match="1 rows have no weight"):
        assert_frame_equal(read_net(net), net_of(("a", "x", 1.0)))


def test_losses_of_both_kinds_are_told_in_one_warning():
    net = net_of(*ROWS, ROWS[0], ("p53", "BAX", np.nan))
    with pytest.warns(
        UserWarning, match="1 rows have no weight.*1 rows repeat"
    ) as told:
        read_net(net)
    assert len(told) == 1


def test_a_bad_row_of_a_table_is_told_by_its_number():
    columns = NET.to_dict("list")
    columns["weight"][2] = "strong"
    with pytest.raises(ValueError, match=r"\('p53', 'CDKN1A'\) \(rows 2\)"):
        read_net(columns)


def test_table_of_the_caller_is_not_changed():
    net = net_of(*ROWS, ROWS[0])
    before = net.copy()
    with pytest.warns(UserWarning, match="repeat"):
        rename_targets(read_net(net), str.lower)
    assert_frame_equal(net, before)
