"""Names of genes: where they are found, and hints where two sides do not match."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn._gene_names import hint, kind_of
from sklearn_grn.pathways import pathway_loadings, rename_targets, without_version

GENES = ["TP53", "MDM2", "CDKN1A", "BAX"]
NET = {"source": ["p53"] * 3, "target": ["MDM2", "CDKN1A", "BAX"]}
TABLE = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 4)), columns=GENES)
SCALER = StandardScaler().set_output(transform="pandas")

# Twenty genes of each kind of name, as the databases write them.
ENSEMBL = [f"ENSG{i:011d}" for i in range(20)]
VERSIONED = [f"{name}.{i % 5 + 1}" for i, name in enumerate(ENSEMBL)]
MOUSE_ENSEMBL = [f"ENSMUSG{i:011d}" for i in range(20)]
HUMAN = [f"GENE{i}" for i in range(20)]
MOUSE = [f"Gene{i}" for i in range(20)]
ENTREZ = [str(i) for i in range(7157, 7177)]
PROBES = [f"{i}_s_at" for i in range(1007, 1027)]


# ------------------------------------------------------------- where the names are
@pytest.mark.parametrize(
    "genes",
    [
        GENES,
        TABLE,
        pl.from_pandas(TABLE),
        FactorPrecisionEstimator().fit(TABLE),
        make_pipeline(SCALER, FactorPrecisionEstimator()).fit(TABLE),
        SimpleNamespace(var_names=pd.Index(GENES)),
    ],
    ids=["list", "pandas", "polars", "estimator", "pipeline", "AnnData"],
)
def test_genes_are_found_wherever_they_are(genes):
    loadings = pathway_loadings(NET, genes, min_targets=3)
    assert loadings.index.tolist() == GENES


def test_estimator_without_names_is_refused():
    estimator = FactorPrecisionEstimator().fit(TABLE.to_numpy())
    with pytest.raises(ValueError, match="FactorPrecisionEstimator knows no gene name"):
        pathway_loadings(NET, estimator)


# -------------------------------------------------------------------------- versions
@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("ENSG00000141510.12", "ENSG00000141510"),
        ("ENSMUSG00000059552.14", "ENSMUSG00000059552"),
        ("NM_000546.6", "NM_000546"),
        ("ENSG00000141510", "ENSG00000141510"),
        ("RP11-34P13.7", "RP11-34P13.7"),  # a clone: the number is no version
        ("AC004556.1", "AC004556.1"),
        ("HLA-A", "HLA-A"),
    ],
)
def test_versions_are_those_of_ensembl_and_refseq_only(name, bare):
    assert without_version(name) == bare


# ----------------------------------------------------------------------------- kinds
@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (ENSEMBL, "human Ensembl genes"),
        (VERSIONED, "human Ensembl genes"),
        (MOUSE_ENSEMBL, "Ensembl genes of another species"),
        (["ENST00000269305.9", "ENSP00000269305"], "Ensembl transcripts or proteins"),
        (ENTREZ, "Entrez numbers"),
        (PROBES, "probe sets of a microarray"),
        (["NM_000546.6", "NR_001566"], "RefSeq accessions"),
        (["P04637", "Q00987", "A0A024R161"], "UniProt accessions"),
        (["1-Dec", "2-Mar"], "dates, which a spreadsheet made of symbols"),
        (["TP53", "HLA-A", "C1orf112"], "human symbols"),
        (["Trp53", "Mdm2", "1700001C02Rik"], "symbols of mouse or rat"),
        (["a b", "c d"], "names of another kind"),
        ([], "names of another kind"),
    ],
)
def test_kind_of_names_is_told(names, kind):
    assert kind_of(names) == kind


# ----------------------------------------------------------------------------- hints
@pytest.mark.parametrize(
    ("wanted", "known", "words"),
    [
        (HUMAN, [name.lower() for name in HUMAN], "20 of the 20.*regard to case"),
        (MOUSE, HUMAN, "to case.*look like symbols of mouse.*human symbols on the oth"),
        (ENSEMBL, VERSIONED, r"to versions.*rename_targets\(net, without_version\)"),
        (HUMAN, [f" {name}" for name in HUMAN], "regard to space around them"),
        (ENSEMBL, HUMAN, "Those look like human Ensembl genes, these like human symb"),
        (HUMAN, ENTREZ, "these like Entrez numbers.*a table of both"),
        (PROBES, HUMAN, "Those look like probe sets"),
        (ENSEMBL, MOUSE_ENSEMBL, "these like Ensembl genes of another species"),
    ],
)
def test_hint_names_the_cause(wanted, known, words):
    loadings = {"source": ["set"] * len(wanted), "target": wanted}
    with pytest.raises(ValueError, match=f"(?s)no gene of the net.*{words}"):
        pathway_loadings(loadings, known)


def test_numbers_are_no_text():
    net = {"source": ["a", "a"], "target": [7157, 7158]}
    with pytest.raises(ValueError, match=r"numbers on one.*rename_targets\(net, str\)"):
        pathway_loadings(net, ENTREZ)
    loadings = pathway_loadings(rename_targets(net, str), ENTREZ, min_targets=2)
    assert loadings.index[loadings["a"] != 0].tolist() == ["7157", "7158"]


def test_no_hint_where_nothing_is_known():
    assert hint(["A", "B"], ["C", "D"]) == ""


def test_no_hint_where_the_names_match():
    assert hint(HUMAN, HUMAN) == ""


def test_hint_does_not_depend_on_the_order():
    assert hint(VERSIONED, ENSEMBL) == hint(VERSIONED[::-1], ENSEMBL[::-1])


def test_hardly_any_match_is_told_with_both_sides_and_the_cause():
    known = ["GENE0", *[name.lower() for name in HUMAN[1:]]]
    net = {"source": ["a"] * 20, "target": HUMAN}
    with pytest.warns(UserWarning, match="hardly") as warned:
        pathway_loadings(net, known, min_targets=1)
    message = str(warned[0].message)
    assert "19 of the 20 targets are not among the genes" in message
    assert "'GENE1'" in message
    assert "hardly any matches, and the first genes are ['GENE0', 'gene1'" in message
    assert "without regard to case" in message


def test_small_panel_is_no_reason_for_a_hint():
    net = {"source": ["a"] * 20, "target": HUMAN}
    with pytest.warns(UserWarning, match="18 of the 20") as warned:
        pathway_loadings(net, HUMAN[:2], min_targets=1)
    assert "hardly" not in str(warned[0].message)


def test_hint_is_given_where_loadings_arrive():
    estimator = FactorPrecisionEstimator().fit(TABLE)
    loadings = pd.Series(1.0, index=[name.lower() for name in GENES], name="p53")
    with pytest.raises(ValueError, match=r"share no gene.*without regard to case"):
        estimator.partial_fit_pathways(loadings)
