"""An error is one line that says what to do; nothing is written, no traceback shown."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sklearn_grn import _cli, _network_command, _whole_files
from sklearn_grn._cli import main
from sklearn_grn._command_options import read_options

VALUES = np.random.default_rng(0).normal(size=(9, 6)).round(3)
GENES = ["NA", "TP53", "MYC", "EGFR", "LCK", "CD3D"]
TABLE = pd.DataFrame(VALUES, [f"s{i}" for i in range(9)], GENES)
PLENTY = "--genes columns --max-edges 5"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder with the files of the tests, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    TABLE.to_csv("table.csv")
    TABLE.assign(group="a").to_csv("text.csv")
    TABLE.replace(VALUES[2, 1], np.nan).to_csv("missing.csv")
    (tmp_path / "one.csv").write_text(",a,b\ns1,1,2\n")
    (tmp_path / "mouse.gmt").write_text("p53\tna\tTrp53\tMyc\tEgfr\tLck\tCd3d\n")
    (tmp_path / "bad.gmt").write_text("p53\n")
    (tmp_path / "tfs.txt").write_text("TP53\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "batch.csv").write_text("sample,batch\ns0,a\n")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.fixture
def fails(folder, capsys):
    """Function that runs a command which must fail, and returns what it says."""
    before = {path: path.is_dir() or path.read_bytes() for path in folder.iterdir()}

    def command(line):
        code = main(["network", *line.split()])
        out, err = capsys.readouterr()
        after = {path: path.is_dir() or path.read_bytes() for path in folder.iterdir()}
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert after == before
        assert err.startswith("sklearn-grn network: error: ")
        return err

    return command


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("none.csv", "none.csv: No such file or directory"),
        ("folder", "folder: Is a directory"),
        ("table.csv", "--genes columns or --genes rows (the same as --transpose)"),
        (
            f"missing.csv {PLENTY}",
            "1 values are missing, the first in column 'TP53', row",
        ),
        (
            f"text.csv {PLENTY}",
            "'a' in column 'group', row 's0' is no number (9 values",
        ),
        ("one.csv --genes columns", "1 sample(s)"),
        (f"table.csv {PLENTY} --log1p", "--log1p takes counts, and gene '"),
        (f"table.csv {PLENTY} --pathways none.gmt", "none.gmt: No such file"),
        (f"table.csv {PLENTY} --pathways bad.gmt", "bad.gmt is not a GMT file: line 1"),
        (f"table.csv {PLENTY} --pathways mouse.gmt", "without regard to case"),
        ("table.csv --pathways mouse.gmt", "without regard to case"),
        (f"table.csv {PLENTY} --regulators empty.txt", "empty.txt names no regulator"),
        (f"table.csv {PLENTY} --regulators none.txt", "none.txt: No such file"),
        ("table.csv --genes rows --regulators tfs.txt", "no gene of the list of regul"),
        (f"table.csv {PLENTY} --output none/net.csv", "no folder"),
        (
            f"table.csv {PLENTY} --shrinkage 0 --drop s1 --drop s2 --drop s3",
            "shrinkage",
        ),
        (f"table.csv {PLENTY} --drop S1", "has no column or row 'S1' to leave out"),
        ("table.csv --genes columns --confounders batch.csv", "lacks the samples 's1'"),
    ],
)
def test_data_that_are_not_fit_are_one_line_and_code_1(fails, line, message):
    assert message in fails(line)


def test_results_are_checked_before_the_work(fails, monkeypatch):
    monkeypatch.setattr(_network_command, "read_expression", None)
    assert "make it" in fails(f"table.csv {PLENTY} --output none/net.csv")


@pytest.mark.parametrize("failing", ["network_files", "_picture"])
def test_where_one_result_fails_none_is_written(fails, monkeypatch, failing):
    def fail(*arguments):
        raise ValueError("this\nfails")

    monkeypatch.setattr(_network_command, failing, fail)
    line = f"table.csv {PLENTY} --output net.csv --plot net.png"
    assert fails(line).endswith("error: this fails\n")


def test_a_full_disk_leaves_no_file(fails, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device", "net.csv")

    monkeypatch.setattr(_whole_files.os, "fsync", fail)
    line = f"table.csv {PLENTY} --output net.csv"
    assert fails(line).endswith("error: net.csv: No space left on device\n")


def test_old_results_stay_where_the_work_fails(folder, capsys):
    (folder / "net.csv").write_text("before")
    words = f"missing.csv {PLENTY} --output net.csv".split()
    assert main(["network", *words]) == 1
    assert (folder / "net.csv").read_text() == "before"


def test_an_interrupt_is_one_line(folder, capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_cli._network_command, "run", interrupt)
    assert main(["network", "table.csv"]) == 130
    assert capsys.readouterr().err == "sklearn-grn network: error: stopped\n"


def test_code_reaches_the_shell(folder):
    command = [sys.executable, "-m", "sklearn_grn", "network", "none.csv"]
    done = subprocess.run(command, capture_output=True, text=True)
    expected = "sklearn-grn network: error: none.csv: No such file or directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


# ---------------------------------------------------------------------- misunderstood
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--fdr 0", "argument --fdr: '0' must be a number above 0 and below 1"),
        ("--fdr 1", "'1' must be a number above 0 and below 1"),
        ("--fdr nan", "'nan' must be a number"),
        ("--threshold -1", "must be a number 0 or more"),
        ("--threshold inf", "must be a number 0 or more"),
        ("--threshold many", "'many' must be a number 0 or more"),
        ("--max-edges 0", "'0' must be a whole number from 1 on"),
        ("--max-edges 1.5", "'1.5' must be a whole number from 1 on"),
        ("--shrinkage 2", "from 0 to 1, or auto, ledoit_wolf or oas"),
        ("--pathways f --variance-explained 2", "above 0 and at most 1"),
        ("--sep ;;", "must be one character, or tab"),
        ("--output net.xlsx", "net.xlsx must end in one of .csv, .tsv, .graphml, .sif"),
        ("--output net", "must end in one of"),
        ("--pathways f --changes net.sif", "net.sif must end in .csv or .tsv"),
        ("--plot net.jpeg", "net.jpeg must end in .png, .pdf or .svg"),
        ("--fdr 0.1 --threshold 0.1", "not allowed with argument"),
        ("--genes columns --transpose", "not allowed with argument"),
        ("--regulators f --pathways g", "use one of them"),
        ("--regulators f --fdr 0.1", "in place of --fdr"),
        ("--regulators f --method factor_analysis", "do not go with --regulators"),
        ("--regulators f --components 3", "do not go with --regulators"),
        ("--regulators f --shrinkage oas", "takes a number for --shrinkage"),
        ("--method factor_analysis --shrinkage 0.1", "does not go with --method"),
        ("--variance-explained 0.1", "--variance-explained is that of --pathways"),
        ("--changes c.csv", "--changes lists what --pathways change"),
        ("--labels a --no-labels", "use one"),
        ("--genes rows --no-labels", "leave --no-labels out"),
        ("--max-edges 5 --confounders f", "are for the test of edges; use --fdr"),
        ("--threshold 0.1 --confounders f", "are for the test of edges; use --fdr"),
        ("--regulators f --confounders f", "are for the test of edges; use --fdr"),
        ("--output table.csv", "two of the files are the same"),
        (
            "--pathways f --output ./a.csv --changes a.csv",
            "two of the files are the same",
        ),
        ("--pathways f --output a.sif --changes a_nodes.tsv", "two of the files"),
        ("--max 5", "unrecognized arguments: --max"),
    ],
)
def test_words_that_are_not_understood_are_code_2(folder, capsys, line, message):
    with pytest.raises(SystemExit) as stopped:
        main(["network", "table.csv", *line.split()])
    assert stopped.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("line", ["--sep tab", "--labels id", "--no-labels"])
def test_options_of_text_do_not_go_with_anndata(capsys, line):
    with pytest.raises(SystemExit):
        main(["network", "cells.h5ad", *line.split()])
    assert "are for files of text; leave them out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("--sep tab", "sep", "\t"),
        (r"--sep \t", "sep", "\t"),
        ("--sep ;", "sep", ";"),
        ("--transpose", "genes", "rows"),
        ("--shrinkage 0", "shrinkage", 0.0),
        ("--drop a --drop b", "drop", ["a", "b"]),
    ],
)
def test_words_are_understood(line, name, value):
    options = read_options(["network", "table.csv", *line.split()])
    assert getattr(options, name) == value


def test_help_teaches_by_examples_that_are_understood(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["network", "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out.replace("\\\n", "")
    lines = [line.split() for line in text.splitlines() if "    sklearn-grn" in line]
    assert len(lines) == 4
    for words in lines:
        assert read_options(words[1:]).command == "network"
