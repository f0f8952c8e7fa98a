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
from dense_anchors import (
    textbook_covariance,
    textbook_shrinkage,
    textbook_woodbury,
    update_both,
)
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import FactorAnalysis
from threadpoolctl import threadpool_info

from sklearn_grn import FactorPrecisionEstimator

N_SAMPLES = 200
N_PATHWAYS = 5
TALL_SHAPES = [(400, 200), (1500, 1000), (5000, 1000), (2100, 2000)]
TOLERANCE = 1e-8
CALLS = 100  # of an update too short for the clock
PUBLISHED = "(published, another machine)"
CORPCOR = """
if (!requireNamespace("corpcor", quietly = TRUE)) quit(status = 3)
draw <- function(rows, columns) matrix(rnorm(rows * columns), rows)
programmes <- draw({n_samples}, 20) %*% draw(20, {n_genes}) / 2
samples <- programmes + draw({n_samples}, {n_genes})
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
    calls = None, FactorPrecisionEstimator().fit
    memory = [peak_memory(n_genes, call) for call in calls]
    for rows in (
        fit_rows(n_genes, repeats, *memory),
        update_rows(n_genes, repeats, options.skip_inverse),
        small_update_rows(repeats),
        tall_rows(repeats),
        factor_rows(n_genes, repeats),
        other_rows(n_genes, repeats),
    ):
        for line in rows:
            print(line, flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=7)
    text = "leave out the dense inverse: minutes and 13 GB at 20,000 genes"
    parser.add_argument("--skip-inverse", action="store_true", help=text)
    return parser.parse_args()


def header(repeats: int) -> str:
    names = ["numpy", "scipy", "scikit-learn"]
    parts = [f"Python {platform.python_version()}"]
    parts += [f"{name} {version(name)}" for name in names]
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    parts += sorted({blas_name(pool) for pool in pools})
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


# ------------------------------------------------------------------------- the clock
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


def corpcor_seconds(n_genes: int) -> NDArray | str:
    """Time R's estimator once, or say why not."""
    if shutil.which("Rscript") is None:
        return "not installed"
    code = CORPCOR.format(n_samples=N_SAMPLES, n_genes=n_genes)
    run = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True)
    if run.returncode:
        return "not installed" if run.returncode == 3 else "failed"
    return np.array([float(run.stdout)])


def peak_memory(n_genes: int, call: Callable[[NDArray], Any] | None) -> float:
    """Return the peak memory in GB of a fresh process that calls with a table.

    Linux hands the peak of a process down to the programs it starts, so this comes
    before anything large is made.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(own_peak_memory, n_genes, call).result()


def own_peak_memory(n_genes: int, call: Callable[[NDArray], Any] | None) -> float:
    import resource  # not on Windows

    table = simulate(N_SAMPLES, n_genes)
    if call is not None:
        call(table)
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
def fit_rows(n_genes: int, repeats: int, before: float, peak: float) -> Iterator[str]:
    corpcor = corpcor_seconds(n_genes)
    table = simulate(N_SAMPLES, n_genes)
    ours = repeat(lambda: partial(FactorPrecisionEstimator().fit, table), repeats)
    shape = f"{n_genes:,} x {N_SAMPLES}"
    published = "R corpcor `pcor.shrink` at 20,000 x 200"
    yield row(f"`fit`, {shape}; {published}", f"54 s {PUBLISHED}", ours)
    ratios = None if isinstance(corpcor, str) else np.divide.outer(corpcor, ours)
    yield row(f"`fit`, {shape}; R corpcor `pcor.shrink` here", corpcor, ours, ratios)
    memory = f"{peak:.2f} GB ({before:.2f} GB with imports and table, no `fit`)"
    what = f"peak memory of a process that fits, {shape}; {published}"
    yield row(what, f"14.5 GB {PUBLISHED}", memory)


def update_rows(n_genes: int, repeats: int, skip_inverse: bool) -> Iterator[str]:
    table, pathways = simulate(N_SAMPLES, n_genes), draw_pathways(n_genes)
    few = FactorPrecisionEstimator(10).fit(table)
    what = f"`partial_fit_pathways`, {n_genes:,} genes, {N_PATHWAYS} pathways"
    inverse = None
    if not skip_inverse:
        inverse, error = time_inverse(few, pathways)
        ours = repeat(partial(updating, few, pathways), repeats)
        ratios = np.divide.outer(inverse, ours)
        yield row(f"{what}, rank 10; `np.linalg.inv`", inverse, ours, ratios, error)
    woodbury, ours, error = time_woodbury(few, pathways, repeats)
    label = "Woodbury on the dense precision"
    yield row(f"{what}, rank 10; {label}", woodbury, ours, woodbury / ours, error)

    many = FactorPrecisionEstimator().fit(table)
    ours = repeat(partial(updating, many, pathways), repeats)
    error = inverse_error(updating(many, pathways)())
    what = f"{what}, rank {many.n_components_}"
    for name, anchor in (("`np.linalg.inv`", inverse), (label, woodbury)):
        if anchor is not None:
            ratios = np.divide.outer(anchor, ours)
            yield row(f"{what}; {name} (timed above)", anchor, ours, ratios, error)


def time_inverse(
    base: FactorPrecisionEstimator, pathways: NDArray
) -> tuple[NDArray, float]:
    """Invert the dense covariance, once and without a warm-up of this size."""
    np.linalg.inv(np.eye(500))
    covariance = textbook_covariance(base, pathways)
    start = time.perf_counter()
    precision = np.linalg.inv(covariance)
    taken = time.perf_counter() - start
    pairs = draw_pairs(len(precision))
    ours = updating(base, pathways)().precision_[pairs]
    return np.array([taken]), difference(ours, precision[pairs])


def time_woodbury(
    base: FactorPrecisionEstimator, pathways: NDArray, repeats: int
) -> tuple[NDArray, NDArray, float]:
    precision = base.precision_.toarray()
    anchor = partial(textbook_woodbury, precision, pathways)
    times = interleave(lambda: anchor, partial(updating, base, pathways), repeats)
    pairs = draw_pairs(len(precision))
    ours = updating(base, pathways)().precision_[pairs]
    return *times, difference(ours, anchor()[pairs])


def small_update_rows(repeats: int) -> Iterator[str]:
    pathways = draw_pathways(100)
    base = FactorPrecisionEstimator(10).fit(simulate(N_SAMPLES, 100))
    anchor = partial(update_both, base.precision_.toarray(), pathways)
    grown, (precision, correlation) = updating(base, pathways)(), anchor()
    error = max(
        difference(grown.precision_, precision),
        difference(grown.partial_correlation_, correlation),
    )
    ours = partial(updating, base, pathways)
    calls = partial(in_a_row, lambda: anchor), partial(in_a_row, ours)
    times = [taken / CALLS for taken in interleave(*calls, repeats)]
    what = f"`partial_fit_pathways`, 100 genes, {N_PATHWAYS} pathways, rank 10"
    label = "dense Woodbury and partial correlations"
    yield row(f"{what}; {label}", *times, times[0] / times[1], error)


def tall_rows(repeats: int) -> Iterator[str]:
    for n_samples, n_genes in TALL_SHAPES:
        samples = simulate(n_samples, n_genes)
        what = f"`fit`, {n_samples:,} samples of {n_genes:,} genes; "
        yield twin_row(what + "dense twin", samples, repeats)
        yield ledoit_wolf_row(what + "scikit-learn `LedoitWolf`", samples, repeats)


def twin_row(what: str, samples: NDArray, repeats: int) -> str:
    anchor = partial(textbook_shrinkage, samples)
    ours = partial(FactorPrecisionEstimator().fit, samples)
    times = interleave(lambda: anchor, lambda: ours, repeats)
    fitted, (precision, correlation) = ours(), anchor()
    error = max(
        difference(fitted.precision_, precision),
        difference(fitted.partial_correlation_, correlation),
    )
    return row(what, *times, times[0] / times[1], error)


def ledoit_wolf_row(what: str, samples: NDArray, repeats: int) -> str:
    anchor = partial(LedoitWolf().fit, samples)
    ours = partial(FactorPrecisionEstimator(shrinkage="ledoit_wolf").fit, samples)
    times = interleave(lambda: anchor, lambda: ours, repeats)
    fitted, dense = ours(), anchor()
    error = max(
        difference(fitted.covariance_, dense.covariance_),
        difference(fitted.precision_, dense.precision_),
    )
    return row(what, *times, times[0] / times[1], error)


def factor_rows(n_genes: int, repeats: int) -> Iterator[str]:
    samples = simulate(N_SAMPLES, n_genes)
    anchor = partial(FactorAnalysis(10).fit, samples)
    ours = partial(FactorPrecisionEstimator(10, method="factor_analysis").fit, samples)
    times = interleave(lambda: anchor, lambda: ours, repeats)
    likelihoods = ours().loglike_[-1], anchor().loglike_[-1]
    shortfall = max(0.0, (likelihoods[1] - likelihoods[0]) / abs(likelihoods[1]))
    what = f"factor analysis, 10 factors, {n_genes:,} x {N_SAMPLES}; scikit-learn"
    yield row(what, *times, times[0] / times[1], shortfall)


def other_rows(n_genes: int, repeats: int) -> Iterator[str]:
    estimator = FactorPrecisionEstimator().fit(simulate(N_SAMPLES, n_genes))
    call = partial(estimator.score, simulate(20, n_genes, seed=3))
    what = f"`score` of 20 new samples, {n_genes:,} x {N_SAMPLES}"
    yield row(what, None, repeat(lambda: call, repeats))
    estimator.partial_fit_pathways(draw_pathways(n_genes))
    for which, place in (("first", 0), ("last", -1)):
        removal = partial(removing, estimator, estimator.pathway_names_[place])
        what = f"`remove_pathways`, the {which} of {N_PATHWAYS}, {n_genes:,} genes"
        yield row(what, None, repeat(removal, repeats))


def removing(estimator: FactorPrecisionEstimator, name: str) -> Call:
    return partial(copy.copy(estimator).remove_pathways, name)


# ------------------------------------------------------------------------ the writing
def row(
    what: str,
    anchor: NDArray | str | None,
    ours: NDArray | str,
    ratios: NDArray | None = None,
    error: float | None = None,
) -> str:
    agreement = "-" if error is None else f"{error:.0e}"
    cells = [what, cell(anchor), cell(ours), cell(ratios, "x"), agreement]
    return f"| {' | '.join(cells)} |"


def cell(values: NDArray | str | None, unit: str | None = None) -> str:
    """Write a median and its spread, in the unit that suits the median."""
    if values is None or isinstance(values, str):
        return values or "-"
    middle = float(np.median(values))
    factor, unit = (1.0, unit) if unit else unit_of(middle)
    text = f"{number(middle * factor)} {unit}"
    if values.size == 1:
        return f"{text} (once)"
    ends = (number(float(end) * factor) for end in (values.min(), values.max()))
    return f"{text} ({' to '.join(ends)})"


def unit_of(taken: float) -> tuple[float, str]:
    if taken < 1e-3:
        return 1e6, "µs"
    return (1e3, "ms") if taken < 1.0 else (1.0, "s")


def number(value: float) -> str:
    """Write three digits, without powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
