"""Whether the tests notice that a module is wrong: mutation testing.

    pip install cosmic-ray
    python benchmarks/mutation.py sklearn_grn/_capacitance.py --most 300

The mutants are those of cosmic-ray, in random order. No file is changed: the process
forks for each mutant, imports the mutated text in place of the module, and runs the
tests named after it until one fails. What survives is printed as a line of code.
Annotations and formatted messages are left out. A minute is enough to be noticed.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import os
import random
import resource
import sys
from pathlib import Path
from typing import NamedTuple

import hypothesis.extra.numpy
import pytest
import sklearn.utils.estimator_checks

HOUSE = Path(__file__).parents[1]
LOADED, SECONDS = (hypothesis, sklearn), 60  # once for all; for one, at the most


class Mutant(NamedTuple):
    place: tuple[int, int]  # line and column
    operator: str
    occurrence: int  # which of all places where the operator applies


class Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a text in place of a module."""

    def __init__(self, path: Path, text: str) -> None:
        self.name = ".".join(path.with_suffix("").parts)
        self.path, self.text = HOUSE / path, text

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            spec_from = importlib.util.spec_from_file_location
            return spec_from(name, self.path, loader=self)
        return None

    def exec_module(self, module):
        exec(compile(self.text, str(self.path), "exec"), module.__dict__)


def left_out(text: str, place: tuple[int, int]) -> bool:
    """Whether a place is in an annotation or a formatted message."""
    for node in ast.walk(ast.parse(text)):
        parts = [node] if isinstance(node, ast.JoinedStr) else []
        parts += [getattr(node, name, None) for name in ("annotation", "returns")]
        for part in filter(None, parts):
            end = part.end_lineno, part.end_col_offset
            if (part.lineno, part.col_offset) <= place < end:
                return True
    return False


def mutants(text: str) -> list[Mutant]:
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    nodes, every = list(ast_nodes(get_ast(text))), []
    for name in operator_names():
        if not get_operator(name).arguments():
            positions = get_operator(name)().mutation_positions
            starts = [tuple(start) for node in nodes for start, _ in positions(node)]
            every += [Mutant(start, name, k) for k, start in enumerate(starts)]
    random.Random(0).shuffle(every)
    return every


def survives(path: Path, text: str, tests: list[str]) -> bool:
    process = os.fork()
    if process == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        sys.meta_path.insert(0, Instead(path, text))
        options = "-x -q --tb=no -p no:cacheprovider -W ignore::pytest.PytestWarning"
        os._exit(pytest.main([*options.split(), *tests]))
    return os.waitpid(process, 0)[1] == 0


def main() -> None:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", type=Path, help="as in sklearn_grn/_capacitance.py")
    parser.add_argument("--most", type=int, help="mutants at the most; default: all")
    options = parser.parse_args()
    os.chdir(HOUSE)
    sys.path.insert(0, str(HOUSE))
    text = options.module.read_text(encoding="utf-8")
    tests = sorted(map(str, Path("tests").glob(f"test{options.module.stem}*.py")))
    if not tests or not survives(options.module, text, tests):
        raise SystemExit(f"the tests of {options.module} fail without a mutation")
    chosen = [m for m in mutants(text) if not left_out(text, m.place)][: options.most]
    n_survived = 0
    for (line, _), operator, occurrence in chosen:
        mutated = mutate_code(text, get_operator(operator)(), occurrence)
        if survives(options.module, mutated, tests):
            n_survived += 1
            print(f"{line}: {mutated.splitlines()[line - 1].strip()}", flush=True)
    print(f"{n_survived} of {len(chosen)} survived")


if __name__ == "__main__":
    main()
