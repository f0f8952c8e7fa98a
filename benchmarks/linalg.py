"""How long `woodbury_update` takes beside the textbook formula: one Markdown table.

Calls take turns, the textbook's first, and each entry of a pair is the best of a few,
so that what else the machine does meets all alike. The numbers are compared in the same
run, and a run in which they disagree stops.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from sklearn_grn.linalg import woodbury_update

SIZES = [50, 100, 200, 500, 1000, 2000]
COLUMNS = [1, 5, 20]
BEST_OF = 5
TOLERANCE = 1e-10  # of the largest entry

Call = Callable[[], NDArray]


def main() -> None:
    options = read_options()
    print(header(options.pairs), end="\n\n")
    print(
        "| genes | columns | textbook | ours / textbook | with overwrite / textbook |"
    )
    print("|--:|--:|--:|--:|--:|", flush=True)
    for size in options.sizes:
        precision = precision_of(size)
        for n_columns in COLUMNS:
            times = time_updates(precision, n_columns, options.pairs)
            print(row(size, n_columns, times), flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    return parser.parse_args()


def header(pairs: int) -> str:
    names = ["numpy", "scipy"]
    parts = [f"Python {platform.python_version()}"]
    parts += [f"{name} {version(name)}" for name in names]
    parts += [f"{os.cpu_count()} cores"]
    parts += [f"{pairs} pairs, each the best of {BEST_OF}: median (min to max)"]
    return "; ".join(parts)


def textbook(precision: NDArray, X: NDArray) -> NDArray:
    """P - P X (I + X'PX)^-1 X'P, which checks nothing and is symmetric by chance."""
    right = precision @ X
    return precision - right @ np.linalg.inv(np.eye(X.shape[1]) + X.T @ right) @ right.T


def precision_of(size: int) -> NDArray:
    samples = np.random.default_rng(size).normal(size=(2 * size, size))
    return np.linalg.inv(samples.T @ samples / len(samples))


def time_updates(precision: NDArray, n_columns: int, pairs: int) -> NDArray:
    """Return seconds of shape (pairs, 3): textbook, ours, ours with overwrite."""
    X = 0.1 * np.random.default_rng(0).normal(size=(len(precision), n_columns))
    work = precision.copy()
    calls: list[Call] = [
        lambda: textbook(precision, X),
        lambda: woodbury_update(precision, X),
        lambda: woodbury_update(work, X, overwrite=True),
    ]
    check_agreement([call().copy() for call in calls])
    times = np.empty((pairs, BEST_OF, len(calls)))
    for turn in np.ndindex(pairs, BEST_OF):
        np.copyto(work, precision)
        times[turn] = [seconds(call) for call in calls]
    return times.min(axis=1)


def seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def check_agreement(results: list[NDArray]) -> None:
    expected, *ours = results
    for computed in ours:
        difference = np.abs(computed - expected).max() / np.abs(expected).max()
        if not difference < TOLERANCE:
            raise SystemExit(f"the results differ by {difference:.1g}")


def row(size: int, n_columns: int, times: NDArray) -> str:
    ratios = times[:, 1:] / times[:, :1]
    spans = [
        f"{np.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})"
        for ratio in ratios.T
    ]
    textbook_time = f"{1e6 * np.median(times[:, 0]):,.0f} µs"
    cells = [f"{size:,}", str(n_columns), textbook_time, *spans]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
