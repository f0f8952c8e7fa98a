"""The command line and its demonstration."""

import re
import subprocess
import sys

import numpy as np
import pytest

from sklearn_grn import FactorPrecisionEstimator, _demo
from sklearn_grn._cli import main
from sklearn_grn.datasets import load_leukemia


@pytest.fixture(scope="module")
def expression():
    return load_leukemia(as_frame=True).data


def test_demo_reports_both_networks(capsys):
    assert main(["demo"]) == 0
    report = capsys.readouterr().out
    for words in ("128 samples of 1300 genes", "before", "after", "Largest changes"):
        assert words in report


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


def test_receptor_loadings_add_a_tenth_of_the_variance(expression):
    loadings = _demo.receptor_loadings(expression)
    shares = loadings.pow(2).sum(axis=1) / expression.var()
    np.testing.assert_allclose(shares[shares > 0], 0.1)
    assert (shares > 0).sum() == 20


def test_strongest_pairs_are_sorted_and_named(expression):
    estimator = FactorPrecisionEstimator().fit(expression.iloc[:, :50])
    pairs = _demo.strongest_pairs(estimator, 5)
    dense = np.abs(np.triu(estimator.partial_correlation_, 1))
    expected = np.sort(dense, axis=None)[::-1][:5]
    np.testing.assert_allclose(pairs["partial_correlation"].abs(), expected)
    assert {*pairs["source"], *pairs["target"]} <= set(expression.columns[:50])
