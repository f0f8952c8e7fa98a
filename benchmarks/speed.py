"""How long fits and updates take beside their dense anchors: one Markdown table.

Every anchor is timed in the same run, and its numbers are compared with ours entry by
entry; a run in which they disagree stops. README.md says how to read the table.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from threadpoolctl import threadpool_info

from sklearn_grn import FactorPrecisionEstimator

N_SAMPLES = 200
N_PATHWAYS = 5
TALL_SHAPES = [(400, 200), (1500, 1000), (5000, 1000), (2100, 2000)]
TOLERANCE = 1e-8
CALLS = 100  # of an update too short for the clock
PUBLISHED = "(published, another machine)"
CORPCOR = """
samples <- matrix(rnorm({n_samples} * {n_genes}), {n_samples})
run <- function() corpcor::pcor.shrink(samples, verbose = FALSE)
cat(system.time(run())[["elapsed"]])
"""

Call = Callable[[], Any]


def main() -> None:
    options = read_options()
    n_genes, repeats = options.genes, options.repeats
    print(header(repeats), end="\n\n")
    print("| what | anchor | ours | anchor / ours | agree to |")
    print("|---|--:|--:|--:|--:|", flush=True)
    memory = peak_memory(n_genes, fits=False), peak_memory(n_genes, fits=True)
    for rows in (
        fit_rows(n_genes, repeats, *memory),
        update_rows(n_genes, repeats, options.skip_inverse),
        small_update_rows(repeats),
        tall_rows(repeats),
        other_rows(n_genes, repeats),
    ):
        for row in rows:
            print(row, flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=7)
    text = "leave out the dense inverse: minutes and 13 GB at 20,000 genes"
    parser.add_argument("--skip-inverse", action="store_true", help=text)
    return parser.parse_args()


def header(repeats: int) -> str:
    names = ["sklearn-grn", "numpy", "scipy", "scikit-learn"]
    parts = [f"Python {platform.python_version()}"]
    parts += [f"{name} {version(name)}" for name in names]
    parts += sorted({blas_name(pool) for pool in threadpool_info()})
    parts += [f"{os.cpu_count()} cores", f"{repeats} repeats, median (min to max)"]
    return "; ".join(parts)


def blas_name(pool: dict[str, Any]) -> str:
    return f"{pool['internal_api']} {pool['version']} x {pool['num_threads']} threads"


# ------------------------------------------------------------------------------ data
def simulate(n_samples: int, n_genes: int, seed: int = 0) -> NDArray:
    """Return samples of genes that share 20 programmes; seed 0 is the training set.

    Of independent genes nothing but the diagonal would be left after shrinkage.
    """
    programmes = np.random.default_rng(1234).normal(scale=0.5, size=(20, n_genes))
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(n_samples, n_genes))
    samples += rng.normal(size=(n_samples, 20)) @ programmes
    return samples


def draw_pathways(n_genes: int) -> NDArray:
    return np.random.default_rng(1).normal(scale=0.05, size=(n_genes, N_PATHWAYS))


def draw_pairs(n_genes: int) -> tuple[NDArray, NDArray]:
    """Return 400 entries of a matrix, 100 of them on its diagonal."""
    rows, columns = np.random.default_rng(2).integers(n_genes, size=(2, 400))
    return rows, np.where(np.arange(400) < 100, rows, columns)


# ----------------------------------------------------------------------- the anchors
def textbook_covariance(base: FactorPrecisionEstimator, pathways: NDArray) -> NDArray:
    """Sigma + X X' from the attributes that describe the model."""
    loadings = np.vstack([base.components_, pathways.T])
    covariance = loadings.T @ loadings
    covariance.flat[:: len(covariance) + 1] += base.noise_variance_
    return covariance


def textbook_woodbury(precision: NDArray, pathways: NDArray) -> NDArray:
    """P - P X (I + X' P X)^-1 X' P, with no more large arrays than the result."""
    right = precision @ pathways
    capacitance = np.eye(pathways.shape[1]) + pathways.T @ right
    change = right @ np.linalg.solve(capacitance, right.T)
    return np.subtract(precision, change, out=change)


def textbook_partial_correlation(precision: NDArray) -> NDArray:
    scale = 1.0 / np.sqrt(precision.diagonal())
    correlation = precision * -scale * scale[:, None]
    np.fill_diagonal(correlation, 1.0)
    return correlation


def update_both(precision: NDArray, pathways: NDArray) -> tuple[NDArray, NDArray]:
    updated = textbook_woodbury(precision, pathways)
    return updated, textbook_partial_correlation(updated)


def textbook_shrinkage(samples: NDArray) -> tuple[NDArray, NDArray]:
    """Precision and partial correlations of Schafer & Strimmer (2005), genes x genes.

    With factor n / (n - 1)^3, the variance of r_ij is that of z_ki z_kj over samples.
    """
    n = len(samples)
    centred = samples - samples.mean(axis=0)
    variance = np.square(centred).sum(axis=0) / (n - 1)
    standard = centred / np.sqrt(variance)
    products, squares = standard.T @ standard, np.square(standard)
    uncertainty = (squares.T @ squares - products**2 / n) * (n / (n - 1) ** 3)
    correlation = products / (n - 1)
    shrinkage = (uncertainty.sum() - uncertainty.trace()) / (
        np.square(correlation).sum() - np.square(correlation.diagonal()).sum()
    )
    correlation *= 1.0 - np.clip(shrinkage, 0.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    spread = np.sqrt(shrunken_variance(centred, variance))
    precision = np.linalg.inv(correlation * spread * spread[:, None])
    return precision, textbook_partial_correlation(precision)


def shrunken_variance(centred: NDArray, variance: NDArray) -> NDArray:
    """Opgen-Rhein & Strimmer (2007), eq. 8: variances shrunk to their median."""
    n = len(centred)
    uncertainty = np.square(centred**2 - (n - 1) / n * variance).sum(axis=0)
    distance = variance - np.median(variance)
    shrinkage = n / (n - 1) ** 3 * uncertainty.sum() / np.square(distance).sum()
    return variance - np.clip(shrinkage, 0.0, 1.0) * distance


def corpcor_seconds(n_genes: int) -> NDArray | str:
    """Time R's estimator, where R has it."""
    if shutil.which("Rscript") is None:
        return "not installed"
    code = CORPCOR.format(n_samples=N_SAMPLES, n_genes=n_genes)
    run = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True)
    return "not installed" if run.returncode else np.array([float(run.stdout)])


# ---------------------------------------------------------------------- the stopwatch
def seconds(call: Call) -> float:
    start = time.perf_counter()
    result = call()
    stop = time.perf_counter()
    del result  # giving back gigabytes takes time too
    return stop - start


def repeat(prepare: Callable[[], Call], repeats: int) -> NDArray:
    """Time what `prepare` returns; the first time is not counted."""
    return np.array([seconds(prepare()) for _ in range(repeats + 1)])[1:]


def interleave(
    anchor: Callable[[], Call], ours: Callable[[], Call], repeats: int
) -> tuple[NDArray, NDArray]:
    """Time two calls in turn, A B A B; the first of each is not counted."""
    rounds = range(repeats + 1)
    both = np.array([(seconds(anchor()), seconds(ours())) for _ in rounds])
    return both[1:, 0], both[1:, 1]


def updating(base: FactorPrecisionEstimator, pathways: NDArray) -> Call:
    """Return an update, from the same state each time."""
    return partial(copy.copy(base).partial_fit_pathways, pathways)


def in_a_row(prepare: Callable[[], Call]) -> Call:
    calls = [prepare() for _ in range(CALLS)]
    return lambda: [call() for call in calls]


def peak_memory(n_genes: int, *, fits: bool) -> float:
    """Return the peak memory of a fresh process in GB.

    Linux hands the peak of a process down to the programs it starts, so this comes
    before anything large is made.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(own_peak_memory, n_genes, fits).result()


def own_peak_memory(n_genes: int, fits: bool) -> float:
    import resource  # not on Windows

    table = simulate(N_SAMPLES, n_genes)
    if fits:
        FactorPrecisionEstimator().fit(table)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


# ----------------------------------------------------------------------- the agreement
def difference(ours: Any, anchor: NDArray) -> float:
    """Return the largest difference relative to the middle entry by magnitude."""
    error = np.abs(np.asarray(ours) - anchor).max() / np.median(np.abs(anchor))
    if not error < TOLERANCE:
        raise SystemExit(f"anchor and ours differ by {error:.1e} of a typical entry")
    return float(error)


def inverse_error(estimator: FactorPrecisionEstimator) -> float:
    """Return how far some columns of Sigma P are from those of the identity."""
    size = estimator.n_features_in_
    columns = draw_pairs(size)[0]
    loadings = np.vstack([estimator.components_, estimator.pathway_loadings_.T])
    precision = estimator.precision_[:, columns]
    product = loadings.T @ (loadings @ precision)
    product += estimator.noise_variance_[:, None] * precision
    product[columns, np.arange(len(columns))] -= 1.0
    return difference(product + 1.0, np.ones(()))


# -------------------------------------------------------------------------- the rows
def fit_rows(
    n_genes: int, repeats: int, before: float, peak: float
) -> Iterator[str]:
    table = simulate(N_SAMPLES, n_genes)
    ours = repeat(lambda: partial(FactorPrecisionEstimator().fit, table), repeats)
    what = f"`fit`, {n_genes:,} x {N_SAMPLES}"
    published = "R corpcor `pcor.shrink` at 20,000 x 200"
    yield row(f"{what}; {published}", f"54 s {PUBLISHED}", ours)
    yield row(f"{what}; R corpcor `pcor.shrink`, run here", corpcor_seconds(n_genes), ours)
    memory = f"{peak:.2f} GB, {before:.2f} GB without `fit`"
    what = f"peak memory of the process, {n_genes:,} x {N_SAMPLES}"
    yield row(f"{what}; {published}", f"14.5 GB {PUBLISHED}", memory)


def update_rows(n_genes: int, repeats: int, skip_inverse: bool) -> Iterator[str]:
    table, pathways = simulate(N_SAMPLES, n_genes), draw_pathways(n_genes)
    few = FactorPrecisionEstimator(10).fit(table)
    many = FactorPrecisionEstimator().fit(table)
    pairs = draw_pairs(n_genes)
    inverse, entries = inverse_times(few, pathways, pairs, skip_inverse)
    ours = repeat(partial(updating, few, pathways), repeats)
    grown = updating(few, pathways)()
    error = inverse_error(grown)
    what = f"`partial_fit_pathways`, {n_genes:,} genes, {N_PATHWAYS} pathways, rank "
    agreement = error if entries is None else difference(grown.precision_[pairs], entries)
    yield row(f"{what}10; `np.linalg.inv`", inverse, ours, agreement)
    ...
