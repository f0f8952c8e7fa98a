"""How long a grid of intensities takes beside one fit for each fold.

Both are timed in turns in one process, and the scores of the grid are compared with
those of fits at three of its intensities; a run in which they disagree stops.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn._shrinkage_path import held_out_scores

N_FOLDS = 5
GRID = np.square(np.arange(1, 21) / 20)
COMPARED = [0, 9, 19]  # places in the grid
TOLERANCE = 1e-9

Fold = tuple[NDArray, NDArray]


def main() -> None:
    options = read_options()
    X = simulate(options.samples, options.genes)
    folds = [(X[train], X[test]) for train, test in KFold(N_FOLDS).split(X)]
    print(header(options), end="\n\n")
    difference = check_agreement(folds[0])
    seconds = time_both(folds, options.runs)
    print("| one fit for each fold | grid | grid / fits | agree to |")
    print("|--:|--:|--:|--:|")
    fits, grid, ratio = map(span, (*seconds.T, seconds[:, 1] / seconds[:, 0]))
    print(f"| {fits} s | {grid} s | {ratio} | {difference:.0e} |")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


def header(options: argparse.Namespace) -> str:
    parts = [f"Python {platform.python_version()}", f"numpy {version('numpy')}"]
    parts += [f"{os.cpu_count()} cores", f"{options.genes:,} genes"]
    parts += [f"{options.samples:,} samples", f"{len(GRID)} intensities"]
    return "; ".join([*parts, f"{options.runs} runs, median (min to max)"])


def simulate(n_samples: int, n_genes: int) -> NDArray:
    """Return samples of genes that share 20 programmes."""
    rng = np.random.default_rng(0)
    programmes = rng.normal(scale=0.5, size=(20, n_genes))
    samples = rng.normal(size=(n_samples, 20)) @ programmes
    samples += rng.normal(size=(n_samples, n_genes))
    return samples


def check_agreement(fold: Fold) -> float:
    """Return by how much scores differ from those of fits, relative to them."""
    training, held_out = fold
    found = held_out_scores(training, held_out, GRID)[COMPARED]
    estimators = (FactorPrecisionEstimator(shrinkage=t) for t in GRID[COMPARED])
    expected = [each.fit(training).score(held_out) for each in estimators]
    difference = float(np.abs(found / expected - 1.0).max())
    if not difference < TOLERANCE:
        raise SystemExit(f"the scores differ by {difference:.1g}")
    return difference


def time_both(folds: list[Fold], runs: int) -> NDArray:
    """Return seconds of shape (runs, 2): one fit for each fold, and the grid."""

    def fits() -> None:
        for training, _ in folds:
            FactorPrecisionEstimator().fit(training)

    def grid() -> None:
        for training, held_out in folds:
            held_out_scores(training, held_out, GRID)

    seconds(fits), seconds(grid)  # warm-up
    return np.array([[seconds(fits), seconds(grid)] for _ in range(runs)])


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def span(values: NDArray) -> str:
    return f"{np.median(values):.2f} ({values.min():.2f} to {values.max():.2f})"


if __name__ == "__main__":
    main()
