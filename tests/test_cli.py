"""The command finds the network that the classes find, reports it and writes it."""

import copy
import os
import re
import subprocess
import sys
import warnings
from argparse import Namespace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.frozen import FrozenEstimator

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    _network_command,
    compare_networks,
)
from sklearn_grn._cli import main
from sklearn_grn._regulators import RegulatoryEdgeSelector
from sklearn_grn.datasets import load_leukemia, load_progeny
from sklearn_grn.pathways import pathway_loadings, scale_loadings, write_gmt

EXPRESSION = load_leukemia(as_frame=True).data.iloc[:, :60].rename_axis(None)
NET = load_progeny().data
NET = NET[NET["target"].isin(EXPRESSION.columns)]
NET = NET[NET["source"].map(NET["source"].value_counts()) >= 5]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder with the files of the tests, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    EXPRESSION.to_csv("table.csv")
    EXPRESSION.T.to_csv("genes_in_rows.tsv.gz", sep="\t")
    NET.to_csv("net.tsv", sep="\t", index=False)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """Function that runs ``sklearn-grn network`` and returns what it printed."""

    def command(line, table="table.csv --genes columns"):
        code = main(["network", *f"{table} {line}".split()])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return out

    return command


def read_edges(path):
    separator = "\t" if ".tsv" in str(path) else ","
    table = pd.read_csv(path, sep=separator, keep_default_na=False)
    return table.drop(columns="sign")


def assert_edges(path, selector):
    assert len(selector.edges_)
    found = read_edges(path)
    assert_frame_equal(found, selector.edges_, check_dtype=False, rtol=1e-9)


# --------------------------------------------------------------------- the same network
@pytest.mark.parametrize(
    ("line", "selector"),
    [
        ("--max-edges 40", NetworkEdgeSelector(threshold=0, max_edges=40)),
        ("--threshold 0.1", NetworkEdgeSelector(threshold=0.1)),
        (
            "--threshold 0.1 --max-edges 9",
            NetworkEdgeSelector(threshold=0.1, max_edges=9),
        ),
        (
            "--max-edges 40 --shrinkage 0.5 --components 5",
            NetworkEdgeSelector(
                FactorPrecisionEstimator(5, shrinkage=0.5), threshold=0, max_edges=40
            ),
        ),
        (
            "--max-edges 40 --shrinkage oas",
            NetworkEdgeSelector(
                FactorPrecisionEstimator(shrinkage="oas"), threshold=0, max_edges=40
            ),
        ),
        (
            "--max-edges 40 --method factor_analysis --components 3",
            NetworkEdgeSelector(
                FactorPrecisionEstimator(3, method="factor_analysis"),
                threshold=0,
                max_edges=40,
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_edges_are_those_of_the_selector(run, line, selector):
    run(f"{line} --output edges.csv")
    assert_edges("edges.csv", selector.fit(EXPRESSION))


@pytest.mark.filterwarnings("ignore:neighbouring", "ignore:unconnected genes")
@pytest.mark.parametrize(
    ("line", "options"),
    [("", {}), ("--fdr 0.2", {"fdr": 0.2}), ("--max-edges 5 --fdr 0.2", {"fdr": 0.2})],
)
def test_edges_are_tested_by_default_and_at_the_rate_given(run, line, options):
    run(f"{line} --output edges.tsv")
    if "max" in line:
        options = options | {"max_edges": 5}
    assert_edges("edges.tsv", NetworkEdgeSelector(**options).fit(EXPRESSION))


def test_confounders_reach_the_test(run):
    batch = pd.DataFrame({"batch": list("ab") * 64, "age": np.arange(128.0)})
    batch.set_axis(EXPRESSION.index).sample(frac=1, random_state=0).to_csv("batch.csv")
    run("--confounders batch.csv --output edges.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = NetworkEdgeSelector().fit(EXPRESSION, confounders=batch)
        without = NetworkEdgeSelector().fit(EXPRESSION)
    assert_edges("edges.csv", expected)
    assert len(expected.edges_) != len(without.edges_)


@pytest.mark.parametrize("number", [1, 40, 1000])
def test_a_number_alone_means_exactly_that_many(run, number):
    assert f"Network: {number:,} edges among" in run(f"--max-edges {number}")


def test_fewer_edges_than_asked_for_are_explained(run):
    out = run("--max-edges 5000")
    assert re.search(r"Note: 1,\d+ edges, not 5,000: there are 1,770 pairs", out)


def test_edges_that_tie_are_left_out_together_and_this_is_said():
    options = Namespace(max_edges=3, threshold=None, fdr=None)
    selector = SimpleNamespace(edges_=["one", "two"], n_features_in_=10)
    told = ["2 edges, not 3: the next ones tie, and are left out all together"]
    assert _network_command._about_number(options, selector) == told


def test_logarithms_are_taken_of_counts(run):
    counts = np.exp2(EXPRESSION).round()
    counts.to_csv("counts.csv")
    line = "--log1p --max-edges 30 --output edges.csv"
    out = run(line, "counts.csv --genes columns")
    assert "Note: values up to" not in out
    expected = NetworkEdgeSelector(threshold=0, max_edges=30).fit(np.log1p(counts))
    assert_edges("edges.csv", expected)


def test_counts_without_logarithms_are_told(run):
    np.exp2(EXPRESSION).round().to_csv("counts.csv")
    out = run("--max-edges 30", "counts.csv --genes columns")
    assert re.search(r"Note: values up to \d+ are no logarithms.* --log1p takes", out)


# ----------------------------------------------------------------- pathways, regulators
@pytest.fixture
def grown():
    """Network before and after the pathways of the tests."""
    before = NetworkEdgeSelector(threshold=0.15).fit(EXPRESSION)
    loadings = pathway_loadings(NET, EXPRESSION.columns)
    loadings = scale_loadings(loadings, EXPRESSION.var(), variance_explained=0.2)
    return before, copy.copy(before).partial_fit_pathways(loadings)


@pytest.mark.parametrize("file", ["net.tsv", "net.gmt", "net.gmt.gz"])
@pytest.mark.filterwarnings("ignore:.*weights are left out")
def test_pathways_are_read_from_either_kind_of_file(run, file):
    if "gmt" in file:
        write_gmt(NET, file)
    out = run(f"--pathways {file} --max-edges 40", table="genes_in_rows.tsv.gz")
    n_known = NET["target"].nunique()
    assert f"genes in rows, where {n_known} of the 60 names are known genes" in out
    assert f"they reach {n_known} of 60 genes" in out


def test_network_after_pathways_is_written(run, grown):
    line = "--pathways net.tsv --variance-explained 0.2 --threshold 0.15"
    run(f"{line} --output after.csv")
    assert_edges("after.csv", grown[1])


@pytest.mark.parametrize("number", [5, 300])
def test_number_of_edges_holds_after_pathways_too(run, grown, number):
    line = f"--pathways net.tsv --variance-explained 0.2 --max-edges {number}"
    out = run(f"{line} --output after.csv")
    model = FrozenEstimator(grown[1].estimator_)
    expected = NetworkEdgeSelector(model, threshold=0, max_edges=number)
    assert_edges("after.csv", expected.fit(EXPRESSION))
    assert f"both are cut at {number} edges" in out


def test_changes_are_written(run, grown):
    line = "--pathways net.tsv --variance-explained 0.2 --threshold 0.15"
    run(f"{line} --changes changes.tsv")
    found = pd.read_csv("changes.tsv", sep="\t", keep_default_na=False)
    assert_frame_equal(found, grown[1].edge_changes_, check_dtype=False, rtol=1e-9)


def test_what_pathways_change_is_counted(run, grown):
    line = "--pathways net.tsv --variance-explained 0.2 --threshold 0.15"
    out, found = run(line), compare_networks(*grown)
    counts = f"{len(found.kept)} edges stay, {len(found.gained)} are new, "
    assert f"{counts}{len(found.lost)} are gone; both are cut at |partial" in out
    first = grown[1].edge_changes_.iloc[0]
    assert re.search(rf"changed most\n.*\n +{first.source} +{first.target} ", out)


def test_a_tenth_of_the_variance_is_the_default(run):
    line = "--pathways net.tsv --max-edges 40"
    assert run(line) == run(f"{line} --variance-explained 0.1")


def test_regulators_give_directed_edges(run, folder):
    names = EXPRESSION.columns[:7]
    (folder / "tfs.txt").write_text("\ufeff" + "\r\n".join([*names, ""]), "utf-8")
    out = run("--regulators tfs.txt --max-edges 30 --output edges.csv", "table.csv")
    expected = RegulatoryEdgeSelector(list(names), max_edges=30).fit(EXPRESSION)
    assert_edges("edges.csv", expected)
    assert "where 7 of the 60 names are known genes" in out
    assert f"Network: {len(expected.edges_)} edges from" in out


def test_number_for_shrinkage_reaches_the_ranking(run, folder):
    (folder / "tfs.txt").write_text("\n".join(EXPRESSION.columns[:7]))
    line = "--regulators tfs.txt --threshold 3 --shrinkage 0.8 --output edges.csv"
    run(line)
    expected = RegulatoryEdgeSelector(
        EXPRESSION.columns[:7], threshold=3, shrinkage=0.8
    )
    assert_edges("edges.csv", expected.fit(EXPRESSION))


# --------------------------------------------------------------------------- the report
def test_report_says_what_the_test_saw(run):
    out = run("--fdr 0.1")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = NetworkEdgeSelector(fdr=0.1).fit(EXPRESSION).significance_
    assert "Test: leave-pair-out, at a false discovery rate of 0.1\n" in out
    assert f"samples 128, pairs tested {found.n_pairs:,}, " in out
    assert f"hidden factors removed {found.n_factors}, " in out
    assert f"scale of the null {found.null_scale:.2f}, " in out
    expected = [str(warning.message) for warning in caught]
    assert expected
    assert re.findall("^Note: (.*)$", out, re.MULTILINE) == expected


def test_an_empty_network_is_an_answer(run, folder):
    out = run("--threshold 0.99 --output edges.csv --plot network.png")
    assert "Note: no edge was selected. The largest" in out
    assert "Note: there is no edge to draw, so network.png is not written" in out
    assert "Network: 0 edges among 0 of 60 genes" in out
    assert (folder / "edges.csv").read_text().count("\n") == 1
    assert not (folder / "network.png").exists()


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("net.csv.gz", ["net.csv.gz"]),
        ("net.graphml", ["net.graphml"]),
        ("net.sif", ["net.sif", "net_nodes.tsv"]),
    ],
)
def test_written_files_are_named(run, folder, name, files):
    before = set(folder.iterdir())
    out = run(f"--max-edges 40 --output {name}")
    assert re.findall("Written: (.*)", out) == files
    assert sorted(p.name for p in set(folder.iterdir()) - before) == files


def test_report_survives_a_reader_who_stops(folder):
    words = [sys.executable, "-m", "sklearn_grn", "network", "table.csv", "--genes"]
    words += ["columns", "--max-edges", "40", "--output", "edges.csv"]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, **pipe) as command:
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 0
    assert len(read_edges("edges.csv")) == 40


def test_names_without_letters_in_the_terminal_are_written_as_codes(folder):
    EXPRESSION.rename(columns={"TRDC": "β"}).to_csv("greek.csv")
    words = [sys.executable, "-m", "sklearn_grn", "network", "greek.csv", "--genes"]
    words += ["columns", "--max-edges", "40"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u03b2" in done.stdout


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_for_terminals(folder, capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    main(["network", "table.csv", "--genes", "columns", "--max-edges", "40"])
    told = re.findall(r"^\[ +\d+\.\d s\] (.*) \.\.\.$", capsys.readouterr().err, re.M)
    expected = ["reading table.csv", "looking for edges in 128 samples of 60 genes"]
    assert told == (expected if terminal else [])


# -------------------------------------------------------------------------- the picture
@pytest.mark.parametrize(
    ("name", "start"),
    [("net.png", b"\x89PNG"), ("net.pdf", b"%PDF"), ("net.SVG", b"<?xml")],
)
def test_picture_is_drawn(run, folder, name, start):
    pytest.importorskip("matplotlib")
    out = run(f"--max-edges 40 --plot {name}")
    assert (folder / name).read_bytes().startswith(start)
    assert f"Written: {name}" in out


def test_edges_that_are_not_drawn_are_counted(run):
    pytest.importorskip("matplotlib")
    out = run("--max-edges 400 --plot net.png")
    assert "Note: net.png shows the 300 strongest of 400 edges" in out


def test_lack_of_matplotlib_is_found_out_before_the_work(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(_network_command, "read_expression", None)
    words = ["network", "table.csv", "--genes", "columns", "--plot", "net.png"]
    assert main(words) == 1
    assert "sklearn-grn[plot]" in capsys.readouterr().err
