"""Eight threads that ask one estimator, and four processes that fit at once.

    python benchmarks/load.py --seconds 60

Every answer is compared with the first one, and memory is looked at all the while.
Threads take turns asking for activities, for the score and for the strongest edges; one
more adds and removes pathways of a copy, whose columns are shared.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn._edge_search import strongest_edges

N_SAMPLES, N_GENES, N_PATHWAYS, N_EDGES = 60, 1_500, 20, 1_000
Question = Callable[[], NDArray]


class Load(NamedTuple):
    """What was asked and what went wrong."""

    n_answers: dict[str, int]
    n_wrong: int
    errors: list[str]
    memory: list[float]  # MB of this process, each second


# ---------------------------------------------------------------------- what is asked
def simulate(seed: int, n_samples: int = N_SAMPLES) -> NDArray:
    rng = np.random.default_rng(seed)
    programmes = rng.normal(size=(n_samples, 5)) @ rng.normal(size=(5, N_GENES))
    return programmes + rng.normal(size=(n_samples, N_GENES))


def draw_loadings() -> NDArray:
    return np.random.default_rng(9).normal(scale=0.1, size=(N_GENES, N_PATHWAYS))


def fitted() -> FactorPrecisionEstimator:
    estimator = FactorPrecisionEstimator().fit(simulate(0))
    return estimator.partial_fit_pathways(draw_loadings())


def questions(estimator: FactorPrecisionEstimator) -> dict[str, Question]:
    new = simulate(1, 10)
    return {
        "activities": lambda: estimator.activities(new),
        "score": lambda: estimator.score_samples(new),
        "search": lambda: search(estimator),
        "update of a copy": lambda: update(estimator),
    }


def search(estimator: FactorPrecisionEstimator) -> NDArray:
    rows = np.ascontiguousarray(estimator.partial_correlation_.row_factor())
    return strongest_edges(rows, N_EDGES)[0].values


def update(estimator: FactorPrecisionEstimator) -> NDArray:
    grown = copy.copy(estimator).partial_fit_pathways(
        2 * draw_loadings()[:, :3], list("xyz")
    )
    return grown.remove_pathways(["pathway4", "y"]).precision_.diagonal()


def refit(seed: int) -> NDArray:
    estimator = FactorPrecisionEstimator().fit(simulate(seed))
    return estimator.partial_fit_pathways(draw_loadings()).precision_.diagonal()


# --------------------------------------------------------------------------- the load
def megabytes() -> float:
    """Return the memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def watched(every: float = 1.0) -> Iterator[list[float]]:
    """Look at the memory once a second."""
    seen, stop = [megabytes()], threading.Event()

    def look() -> None:
        while not stop.wait(every):
            seen.append(megabytes())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()
        seen.append(megabytes())


def ask(asked: dict[str, Question], n_threads: int, n_seconds: float) -> Load:
    """Ask in several threads until the time is over."""
    first = {name: question() for name, question in asked.items()}
    counts, errors, wrong = dict.fromkeys(asked, 0), [], []
    lock, end = threading.Lock(), time.monotonic() + n_seconds

    def go_on(name: str) -> None:
        try:
            while time.monotonic() < end:
                right = np.allclose(asked[name](), first[name], rtol=1e-10, atol=0)
                with lock:
                    counts[name] += 1
                    wrong.extend([] if right else [name])
        except Exception as error:
            errors.append(f"{name}: {error!r}")

    names = [list(asked)[number % len(asked)] for number in range(n_threads)]
    threads = [threading.Thread(target=go_on, args=(name,)) for name in names]
    with watched() as memory:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return Load(counts, len(wrong), errors, memory)


def fit_again(seed: int, n_seconds: float) -> Load:
    """What each process does: fits in one thread of its own."""
    return ask({"fit": partial(refit, seed)}, 1, n_seconds)


# -------------------------------------------------------------------------- the report
def report(what: str, load: Load) -> bool:
    counts = ", ".join(f"{count} x {name}" for name, count in load.n_answers.items())
    middle = load.memory[min(len(load.memory) - 1, max(1, len(load.memory) // 10))]
    print(f"{what}: {counts}; {load.n_wrong} wrong, {len(load.errors)} errors")
    print(
        f"  memory {load.memory[0]:.0f} MB at the start, {middle:.0f} MB after a tenth "
        f"of the time, {max(load.memory):.0f} MB at most, {load.memory[-1]:.0f} MB at "
        "the end"
    )
    for error in load.errors[:5]:
        print(f"  {error}")
    return not load.errors and load.n_wrong == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--processes", type=int, default=4)
    options = parser.parse_args()
    loads: list[tuple[str, Any]] = []
    threaded = ask(questions(fitted()), options.threads, options.seconds)
    loads.append((f"{options.threads} threads", threaded))
    tasks = [(seed, options.seconds) for seed in range(options.processes)]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        found = pool.starmap(fit_again, tasks)
    loads += [(f"process {number}", load) for number, load in enumerate(found)]
    return 0 if sum(report(*each) for each in loads) == len(loads) else 1


if __name__ == "__main__":
    sys.exit(main())
