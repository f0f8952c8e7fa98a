"""The page on the command line: its commands run, and print what it shows."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

from sklearn_grn._cli import main

PAGE = Path(__file__).parents[1] / "docs" / "command_line.md"
TEXT = PAGE.read_text(encoding="utf-8")
SETUP = re.search(r"^```python\n(from .*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[1]
# Commands, each with what the page shows of its output.
SHOWN = re.findall(
    r"^```sh\n(sklearn-grn .*?)^```$"
    r"(?:(?!^```).)*?(?:^```console\n([^$].*?)^```$|(?=^#))",
    TEXT,
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder with the files that the page makes."""
    place = tmp_path_factory.mktemp("page")
    (place / "setup.py").write_text(SETUP, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        runpy.run_path("setup.py")
    return place


def run(folder, monkeypatch, capsys, command):
    monkeypatch.chdir(folder)
    words = shlex.split(command.replace("\\\n", " "))
    code = main(words[1:])
    return code, capsys.readouterr()


def test_page_shows_commands():
    assert len(SHOWN) == 3
    assert sum(bool(output) for _, output in SHOWN) == 2


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_command_prints_what_the_page_shows(
    folder, monkeypatch, capsys, command, output
):
    code, printed = run(folder, monkeypatch, capsys, command)
    assert (code, printed.err) == (0, "")
    assert output in printed.out
    named = re.findall(r"--(?:output|changes) (\S+)", command)
    assert all((folder / name).stat().st_size for name in named)


def test_question_is_the_one_that_the_page_shows(folder, monkeypatch, capsys):
    command, answer = re.search(r"^\$ (.*)\n(.*)\n", TEXT, re.MULTILINE).groups()
    code, printed = run(folder, monkeypatch, capsys, command)
    assert (code, printed.err) == (1, f"{answer}\n")
