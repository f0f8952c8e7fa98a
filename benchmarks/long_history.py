"""Ten thousand random additions and removals of pathways, beside a fresh fit.

    python benchmarks/long_history.py --steps 10000 --genes 60

The histories are those of `tests/test_long_histories.py`. At every hundredth step the
model is compared with one update by all pathways that are there, and the memory that
its arrays keep alive with that of this update.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from itertools import product
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from test_long_histories import ALL, MILD, History, bytes_held, make_base


class Found(NamedTuple):
    """What was found of one history."""

    shape: tuple[int, int]
    kinds: str
    seed: int
    error: float  # largest of all comparisons
    last_error: float  # largest of the last tenth of them
    most_live: int
    room: float  # largest memory, as a multiple of that of a fresh model
    left: float  # memory when all are gone, beside that of the base


KINDS = {"mild": MILD, "some huge": ALL}


def follow(
    shape: tuple[int, int], kinds: str, seed: int, n_steps: int, every: int
) -> Found:
    history = History(make_base(shape), KINDS[kinds], seed)
    start = bytes_held(history.base)
    errors, live, room = [], [0], []
    for step in range(1, n_steps + 1):
        history.step()
        live.append(len(history.live))
        if step % every == 0:
            errors.append(history.error())
            room.append(bytes_held(history.estimator) / bytes_held(history.fresh()))
    history.estimator.remove_pathways(history.live)
    left = bytes_held(history.estimator) / start
    tail = errors[-max(1, len(errors) // 10) :]
    return Found(shape, kinds, seed, max(errors), max(tail), max(live), max(room), left)


def report(found: Found) -> str:
    n_samples, n_genes = found.shape
    cells = [f"{n_samples} x {n_genes}", found.kinds, found.seed, f"{found.error:.1e}"]
    cells += [f"{found.last_error:.1e}", found.most_live]
    cells += [f"{found.room:.2f}", f"{found.left:.2f}"]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--genes", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    # A huge pathway that has a twin leaves digits uncertain, and that is said.
    warnings.filterwarnings("ignore", "partial correlations may be off")
    heads = "samples x genes | pathways | seed | worst error | in the last tenth"
    print(f"| {heads} | most live | most bytes, to fresh | bytes left, to base |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    tables = [(n_samples, options.genes) for n_samples in (20, 3 * options.genes)]
    for shape, kinds, seed in product(tables, KINDS, range(options.seeds)):
        found = follow(shape, kinds, seed, options.steps, options.every)
        print(report(found), flush=True)


if __name__ == "__main__":
    main()
