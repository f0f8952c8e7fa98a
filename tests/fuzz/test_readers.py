"""Coverage-guided search for bytes that break a reader or a writer.

A few seconds each, or as many as SKLEARN_GRN_FUZZ_SECONDS says. What it finds belongs
into tests/fuzz_corpus, in the folder of its target: from there on every run tries it.
"""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HARNESS = HERE / "harness.py"
TARGETS = runpy.run_path(str(HARNESS))["TARGETS"]
SECONDS = int(os.environ.get("SKLEARN_GRN_FUZZ_SECONDS", "5"))


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS)
def test_no_bytes_are_found_that_break_a_promise(target, tmp_path):
    pytest.importorskip("atheris")
    corpus = HERE.parent / "fuzz_corpus" / target
    words = [sys.executable, str(HARNESS), target]
    words += [f"-max_total_time={SECONDS}", "-timeout=20", "-rss_limit_mb=2048"]
    words += [str(corpus)] if corpus.is_dir() else []
    found = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    kept = [path.read_bytes() for path in tmp_path.iterdir()]
    assert found.returncode == 0, f"{kept}\n{found.stderr[-4000:]}"
