"""The command line and its demonstration."""

import copy
import re
import subprocess
import sys

import numpy as np
import pytest

from sklearn_grn import NetworkEdgeSelector, _demo
from sklearn_grn._cli import main
from sklearn_grn.datasets import load_leukemia


@pytest.fixture(scope="module")
def expression():
    return load_leukemia(as_frame=True).data


@pytest.fixture(scope="module")
def networks(expression):
    before = NetworkEdgeSelector(threshold=0.05).fit(expression.iloc[:, :60])
    loadings = np.zeros((60, 2))
    loadings[:9, 0], loadings[20:30, 1] = 0.5, -0.3
    return before, copy.copy(before).partial_fit_pathways(loadings)


def dense_pairs(selector):
    """Return sizes of all partial correlations, the slow way."""
    correlation = np.asarray(selector.estimator_.partial_correlation_)
    return np.abs(correlation[np.triu_indices(len(correlation), 1)])


def test_demo_reports_both_networks(capsys):
    assert main(["demo"]) == 0
    report = capsys.readouterr().out
    words = ("128 samples of 1300 genes", "14 pathways", "before", "after", "changed")
    assert all(word in report for word in words)


def test_demo_update_equals_the_full_inverse(capsys):
    main(["demo"])
    error = re.search(r"differ by (\S+) of", capsys.readouterr().out)
    assert float(error[1]) < 1e-10


def test_demo_runs_as_a_module():
    command = [sys.executable, "-m", "sklearn_grn", "demo"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "full inverse" in finished.stdout
    assert finished.stderr == ""


def test_no_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "usage: sklearn-grn" in capsys.readouterr().err


def test_progeny_adds_a_tenth_of_the_variance_to_each_pathway(expression):
    loadings = _demo.progeny_loadings(expression)
    assert loadings.index.tolist() == expression.columns.tolist()
    shares = loadings.pow(2).div(expression.var(), axis=0)
    np.testing.assert_allclose(shares[shares > 0].mean(), 0.1)


def test_summaries_are_those_of_the_dense_matrix(networks):
    table = _demo.summaries(*networks)
    assert table.columns[1] == "edges > 0.050"
    for row, selector in zip(table.itertuples(index=False), networks, strict=True):
        sizes = dense_pairs(selector)
        assert row[1] == (sizes > 0.05).sum()
        assert row[2] == f"{(sizes > 0.05).mean():.3%}"
        np.testing.assert_allclose(row[3:5], [sizes.mean(), sizes.max()], rtol=1e-6)
        assert row[5] == selector.estimator_.condition_number_


def test_edges_are_counted_as_kept_new_and_gone(capsys):
    main(["demo"])
    report = capsys.readouterr().out
    found = re.search(r"(\d+) edges stay, (\d+) are new, (\d+) are gone", report)
    kept, new, gone = map(int, found.groups())
    after = int(re.search(r"^ +after +(\d+)", report, re.MULTILINE)[1])
    assert kept + gone == 1000
    assert kept + new == after
