"""What the pages show runs: doctests as doctests, other Python as scripts."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?!\w+:|#)([^)#\s]+)[^)]*\)")


def blocks(page):
    """The Python of a page, each block with the number of lines above it."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield match[1], text.count("\n", 0, match.start(1))


def doctest_pages():
    return [page for page in PAGES if any(">>>" in code for code, _ in blocks(page))]


def scripts():
    return [
        pytest.param(code, id=f"{page.name}:{line + 1}")
        for page in PAGES
        for code, line in blocks(page)
        if ">>>" not in code
    ]


@pytest.mark.parametrize("page", doctest_pages(), ids=lambda page: page.name)
def test_page_prints_what_it_says(page):
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=FLAGS)
    names, report = {}, []  # the blocks of a page build on each other
    for code, line in blocks(page):
        test = parser.get_doctest(code, names, page.name, str(page), line)
        runner.run(test, out=report.append, clear_globs=False)
        names = test.globs
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize("code", scripts())
def test_script_runs_in_an_empty_folder(code, tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page):
    linked = LINK.findall(page.read_text(encoding="utf-8"))
    missing = [link for link in linked if not (page.parent / link).exists()]
    assert not missing


def test_no_python_is_left_out():
    """A fence spelled in another way would never run."""
    for page in PAGES:
        fences = re.findall(r"^\s*(?:`{3,}|~{3,})\s*(py\w*)", page.read_text(), re.M)
        assert len(fences) == len(list(blocks(page))), page.name
