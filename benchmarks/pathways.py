"""How long pathways take from a GMT file to a network: one Markdown table."""

from __future__ import annotations

import argparse
import copy
import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn.pathways import (
    edge_effects,
    fit_activity_variance,
    network_changes,
    pathway_loadings,
    read_gmt,
)

N_PATHWAYS = 14
SAMPLES = [20, 50, 100, 200]


def main() -> None:
    options = read_options()
    print(header(options), end="\n\n")
    print("| what | median (min to max) |\n|---|--:|", flush=True)
    for what, call in steps(options):
        print(f"| {what} | {spread(timed(call, options.repeats))} |", flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--sets", type=int, default=10_000)
    parser.add_argument("--set-size", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=9)
    return parser.parse_args()


def header(options: argparse.Namespace) -> str:
    names = ["numpy", "pandas"]
    parts = [f"Python {platform.python_version()}"]
    parts += [f"{name} {version(name)}" for name in names]
    parts += [f"{os.cpu_count()} cores", f"{options.genes:,} genes"]
    parts += [f"{options.repeats} repeats after one warm-up"]
    return "; ".join(parts)


def steps(options: argparse.Namespace) -> Any:
    """Yield what is timed, and the call."""
    rng = np.random.default_rng(0)
    genes = np.array([f"GENE{i}" for i in range(options.genes)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sets.gmt")
        write_sets(path, genes, options, rng)
        what = f"{options.sets:,} sets of {options.set_size} genes: "
        yield what + "`read_gmt`", lambda: read_gmt(path)
        net = read_gmt(path)
        yield what + "`pathway_loadings`", lambda: pathway_loadings(net, genes)
    for n_samples in SAMPLES:
        yield from updates(n_samples, genes, rng)


def write_sets(
    path: Path, genes: Any, options: argparse.Namespace, rng: np.random.Generator
) -> None:
    with path.open("w") as file:
        for i in range(options.sets):
            members = rng.choice(genes, options.set_size, replace=False)
            file.write("\t".join([f"SET_{i}", "na", *members]) + "\n")


def updates(n_samples: int, genes: Any, rng: np.random.Generator) -> Any:
    samples = rng.normal(size=(n_samples, len(genes)))
    table = pd.DataFrame(samples, columns=genes)
    estimator = FactorPrecisionEstimator().fit(table)
    members = rng.random((len(genes), N_PATHWAYS)) < 0.01
    loadings = 0.3 * rng.normal(size=members.shape) * members
    frame = pd.DataFrame(loadings, genes)
    grown = copy.copy(estimator).partial_fit_pathways(loadings)
    what = f"{n_samples} samples, {N_PATHWAYS} pathways: "

    def add(pathways: Any) -> Callable[[], Any]:
        return lambda: copy.copy(estimator).partial_fit_pathways(pathways)

    yield what + "added, aligned already", add(loadings)
    yield what + "added, aligned by name", add(frame)
    yield (
        what + "`fit_activity_variance`",
        lambda: fit_activity_variance(grown, table),
    )
    if n_samples == SAMPLES[0]:
        yield (
            what + "`edge_effects` of one",
            lambda: edge_effects(grown, "pathway0", n_edges=100),
        )
        yield what + "`network_changes`", lambda: network_changes(estimator, loadings)


def timed(call: Callable[[], Any], repeats: int) -> np.ndarray:
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


def spread(seconds: np.ndarray) -> str:
    unit, factor = ("s", 1.0) if np.median(seconds) >= 0.1 else ("ms", 1e3)
    low, middle, high = factor * np.quantile(seconds, [0, 0.5, 1])
    return f"{middle:.3g} {unit} ({low:.3g} to {high:.3g})"


if __name__ == "__main__":
    main()
