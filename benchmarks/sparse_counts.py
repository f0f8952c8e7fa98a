"""How long an estimate of sparse counts takes, and its memory: one Markdown table.

Counts of cells with a few hidden programmes, log-transformed, are drawn in sparse
chunks. README.md says how to read the table.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import joblib
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_info

from sklearn_grn import _implicit_gram
from sklearn_grn._implicit_table import implicit_table

CHUNK = 500  # cells that are drawn at a time
N_PROGRAMMES = 20


def main() -> None:
    options = read_options()
    print(header(options), end="\n\n")
    print("| step | seconds | of CPU | peak of the process so far, GB |")
    print("|---|--:|--:|--:|", flush=True)
    with timed("draw the counts"):
        X = draw_counts(options.cells, options.genes, options.density)
    print(f"| ({X.nnz:,} counts, {memory_of(X):.2f} GB) | | | |", flush=True)
    with joblib.parallel_config(n_jobs=options.jobs):
        estimate(X, options.axes)
        if options.dense:
            compare_dense(X)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--density", type=float, default=0.05)
    parser.add_argument("--axes", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    text = "also sum the squared products both ways, sparse and dense"
    parser.add_argument("--dense", action="store_true", help=text)
    return parser.parse_args()


def header(options: argparse.Namespace) -> str:
    parts = [f"{options.cells:,} cells x {options.genes:,} genes"]
    parts += [f"{options.axes} axes", f"Python {platform.python_version()}"]
    parts += [f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn")]
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    parts += sorted({f"{p['internal_api']} x {p['num_threads']}" for p in pools})
    return "; ".join([*parts, f"{options.jobs} jobs", f"{os.cpu_count()} cores"])


# ------------------------------------------------------------------------------ steps
def estimate(X: sparse.csr_array, n_axes: int) -> None:
    """Do what the shrinkage of correlations asks of a table, step by step."""
    with timed("table: mean, variance"):
        table = implicit_table(X, assume_centered=False)
    with timed("fourth moments"):
        table.fourth_moments()
    table = table.scaled(1.0 / np.sqrt(np.where(table.varies, table.variance, 1.0)))
    with timed("lengths of samples"):
        table.fourth_lengths()
    with timed("squared product"):
        table.squared_product()
    with timed(f"{n_axes} leading axes"):
        axes = table.leading_axes(n_axes)
    strengths = np.square(axes, dtype=np.float64).sum(axis=1) / table.dof
    step = max(1, n_axes // 5)
    shown = ", ".join(f"{strength:.3g}" for strength in strengths[::step])
    print(f"| (one eigenvalue in {step}: {shown}) | | | |")


def compare_dense(X: sparse.csr_array) -> None:
    """Sum squared products with either kind of multiplication."""
    table = implicit_table(X, assume_centered=False)
    found = []
    for name, speed in (("sparse", 0.0), ("dense", np.inf)):
        _implicit_gram._DENSE_SPEED = speed
        with timed(f"squared product, {name}"):
            found.append(table.squared_product())
    print(f"| (relative difference {found[1] / found[0] - 1:.1e}) | | | |", flush=True)


@contextmanager
def timed(step: str) -> Iterator[None]:
    start, start_cpu = time.perf_counter(), time.process_time()
    yield
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| {step} | {seconds:.1f} | {cpu:.1f} | {peak:.2f} |", flush=True)


def memory_of(X: sparse.csr_array) -> float:
    return (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 1e9


# ------------------------------------------------------------------------------- data
def draw_counts(n_cells: int, n_genes: int, density: float) -> sparse.csr_array:
    """Return log(1 + counts), float32: Poisson around rates that share programmes."""
    rng = np.random.default_rng(0)
    rates = rng.lognormal(sigma=1.5, size=n_genes)
    rates *= level(rates, density)
    members = rng.random((N_PROGRAMMES, n_genes)) < 0.05
    programmes = (rng.normal(scale=0.7, size=members.shape) * members).astype("f4")
    chunks = [
        draw_chunk(rng, min(CHUNK, n_cells - start), rates, programmes)
        for start in range(0, n_cells, CHUNK)
    ]
    return sparse.vstack(chunks, format="csr")


def draw_chunk(
    rng: np.random.Generator, n_cells: int, rates: NDArray, programmes: NDArray
) -> sparse.csr_array:
    activity = rng.normal(size=(n_cells, len(programmes))).astype("f4")
    expected = np.exp(activity @ programmes) * rates.astype("f4")
    chunk = sparse.csr_array(rng.poisson(expected), dtype=np.float32)
    return chunk.log1p()


def level(rates: NDArray, density: float) -> float:
    """Return what rates must be multiplied by for that share of counts above 0."""
    low, high = 1e-9, 1e9
    for _ in range(60):
        middle = np.sqrt(low * high)
        above = -np.expm1(-rates * middle).mean() > density
        low, high = (low, middle) if above else (middle, high)
    return low


if __name__ == "__main__":
    main()
