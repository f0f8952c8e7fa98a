"""The package beside its peers, and how its steps grow: the tables of one page.

Peer and package take turns in one process. What counts is the ratio of neighbours, its
median and its spread. Where both compute the same, the numbers are compared too, and a
run in which they disagree stops. `growth.py` says how growth is measured.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from accuracy_report import rewrite_page
from dense_anchors import (
    textbook_covariance,
    textbook_shrinkage,
    textbook_woodbury,
)
from growth import (
    all_series,
    draw_figure,
    draw_loadings,
    growth_table,
    measure,
    search,
    steady,
    updated,
)
from network import N_EDGES, bare_product
from numpy.typing import NDArray
from sklearn.covariance import GraphicalLassoCV, LedoitWolf
from sklearn.decomposition import FactorAnalysis
from sklearn.model_selection import KFold
from speed import Call, corpcor_seconds, difference, header, seconds, simulate
from threadpoolctl import threadpool_limits

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
    RegulatoryEdgeSelector,
)
from sklearn_grn._edge_search import strongest_edges

RUNS = 5  # of each pair, and of each size of a growing step


class Comparison(NamedTuple):
    """A step of the package beside another way to the same.

    Attributes
    ----------
    step, peer : str
    times : ndarray of shape (n_runs, 2) or str
        Seconds of the peer and of the package; or why there are none.
    error : float or None
        The largest difference, where both compute the same.
    """

    step: str
    peer: str
    times: NDArray | str
    error: float | None = None


def main() -> None:
    options, start = read_options(), time.perf_counter()
    lines = ["| step | peer | peer / package | agree to |", "|---|---|--:|--:|"]
    for comparison in comparisons(options.quick):
        lines.append(written(comparison))
        print(lines[-1], flush=True)
    growths = []
    for series in all_series(options.quick):
        growths.append(measure(series, RUNS))
        print(growth_table(growths).splitlines()[-1], flush=True)
    parts = ["\n".join(lines), growth_table(growths), many_updates(options.quick)]
    text = "\n\n".join([about(options.quick, time.perf_counter() - start), *parts])
    if options.figure:
        draw_figure(growths, options.figure)
    if options.page:
        rewrite_page(options.page, text, "performance")
    print(f"\n{text}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    text = "small sizes, under a minute, to try the program; the numbers say nothing"
    parser.add_argument("--quick", action="store_true", help=text)
    parser.add_argument("--page", type=Path, help="page whose tables are rewritten")
    parser.add_argument("--figure", type=Path, help="file for the figure of growth")
    return parser.parse_args()


def about(quick: bool, taken: float) -> str:
    """Say what the numbers were measured on."""
    size = "**Small sizes, to try the program.** " if quick else ""
    machine = header(RUNS).removesuffix(", median (min to max)")
    return f"{size}{machine}, medians with smallest and largest; {taken:.0f} s in all."


# ------------------------------------------------------------------- taking of turns
def take_turns(peer: Call, package: Call, runs: int = RUNS) -> NDArray:
    """Return seconds of shape (runs, 2); short calls are repeated for the clock."""
    clocks = [steady(peer), steady(package)]
    return np.array([[clock() for clock in clocks] for _ in range(runs)])


def written(comparison: Comparison) -> str:
    step, peer, times, error = comparison
    if isinstance(times, str):
        return f"| {step} | {peer} | {times} | |"
    ratios = times[:, 0] / times[:, 1]
    agreement = "" if error is None else f"{error:.0e}"
    return f"| {step} | {peer} | {spread(ratios)} | {agreement} |"


def spread(values: NDArray) -> str:
    middle, least, most = map(short, (np.median(values), values.min(), values.max()))
    return f"**{middle}** ({least} to {most})"


def short(value: Any) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


# ------------------------------------------------------------------------- the peers
def comparisons(quick: bool) -> Iterator[Comparison]:
    n_genes, n_searched = (300, 500) if quick else (2_000, 5_000)
    yield from fits(n_genes)
    yield from updates(n_genes)
    yield from scores(n_genes)
    yield from searches(n_searched)
    yield from networks(20 if quick else 50, 50 if quick else 100)
    yield from across_languages(n_genes)
    yield from other_programs(quick)


def fits(n_genes: int) -> Iterator[Comparison]:
    table = simulate(100, n_genes)
    step = f"`fit`, {n_genes:,} genes x 100 samples"
    ours = FactorPrecisionEstimator()
    times = take_turns(partial(textbook_shrinkage, table), partial(ours.fit, table))
    error = difference(ours.precision_, textbook_shrinkage(table)[0])
    yield Comparison(step, "NumPy, the same estimate genes x genes", times, error)

    peer, ours = LedoitWolf(), FactorPrecisionEstimator(shrinkage="ledoit_wolf")
    times = take_turns(partial(peer.fit, table), partial(ours.fit, table))
    error = difference(ours.precision_, peer.precision_)
    what = f'{step}, `shrinkage="ledoit_wolf"`'
    yield Comparison(what, "scikit-learn `LedoitWolf`", times, error)

    factors = FactorPrecisionEstimator(10, method="factor_analysis")
    analysis = FactorAnalysis(10)
    times = take_turns(partial(analysis.fit, table), partial(factors.fit, table))
    likelihoods = factors.loglike_[-1], analysis.loglike_[-1]
    shortfall = max(0.0, 1.0 - likelihoods[1] / likelihoods[0])
    what = f"{step}, factor analysis, 10 factors"
    yield Comparison(what, "scikit-learn `FactorAnalysis`", times, shortfall)


def updates(n_genes: int) -> Iterator[Comparison]:
    base = FactorPrecisionEstimator().fit(simulate(100, n_genes))
    pathways = draw_loadings(n_genes, 5)
    grown = updated(base, pathways)
    covariance = textbook_covariance(base, pathways)
    precision = base.precision_.toarray()
    step = f"`partial_fit_pathways`, {n_genes:,} genes, 5 pathways, rank 99"
    package = partial(updated, base, pathways)
    for name, peer in (
        ("NumPy, `np.linalg.inv`", partial(np.linalg.inv, covariance)),
        ("Woodbury, dense", partial(textbook_woodbury, precision, pathways)),
    ):
        error = difference(grown.precision_, peer())
        yield Comparison(step, name, take_turns(peer, package), error)

    fewer = partial(np.linalg.inv, textbook_covariance(base, pathways[:, 1:]))
    removed = copy.copy(grown).remove_pathways("pathway0")
    times = take_turns(fewer, lambda: copy.copy(grown).remove_pathways("pathway0"))
    error = difference(removed.precision_, fewer())
    step = f"`remove_pathways`, {n_genes:,} genes, the first of 5"
    yield Comparison(step, "NumPy, `np.linalg.inv`", times, error)


def scores(n_genes: int) -> Iterator[Comparison]:
    table, fresh = simulate(100, n_genes), simulate(20, n_genes, seed=3)
    peer = LedoitWolf().fit(table)
    ours = FactorPrecisionEstimator(shrinkage="ledoit_wolf").fit(table)
    times = take_turns(partial(peer.score, fresh), partial(ours.score, fresh))
    error = difference(ours.score(fresh), np.array(peer.score(fresh)))
    step = f"`score` of 20 samples, {n_genes:,} genes"
    yield Comparison(step, "scikit-learn `LedoitWolf`", times, error)


def searches(n_genes: int) -> Iterator[Comparison]:
    ours, rows = search(n_genes, 100), scaled_rows(n_genes, 100)
    peer: Call = partial(sorted_product, rows)
    error = difference(np.abs(ours()[0].values[::-1]), peer())
    step = f"search for {N_EDGES:,} edges, {n_genes:,} genes, rank 100"
    yield Comparison(step, "NumPy, all pairs sorted", take_turns(peer, ours), error)

    peer = partial(bare_product, rows.astype(np.float32))
    name = "NumPy, float32 products of the same tiles, nothing looked at"
    yield Comparison(step, name, take_turns(peer, ours))

    table = simulate(100, n_genes)
    ours = partial(NetworkEdgeSelector(significance="genenet").fit, table)
    peer = partial(NetworkEdgeSelector(threshold=0, max_edges=N_EDGES).fit, table)
    step = f"GeneNet's test of all pairs, {n_genes:,} genes x 100 samples"
    name = f"the package, the {N_EDGES:,} strongest edges without a test"
    yield Comparison(step, name, take_turns(quietly(peer), quietly(ours)))


def scaled_rows(n_genes: int, rank: int) -> NDArray:
    """Return the rows that are searched, as in `growth.search`."""
    rows = np.random.default_rng(0).normal(size=(n_genes, rank))
    return rows * (0.4 / np.linalg.norm(rows, axis=1)[:, None])


def sorted_product(rows: NDArray) -> NDArray:
    """Return the largest sizes of all products of two rows, smallest first."""
    sizes = np.abs(rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return np.sort(sizes[np.argpartition(sizes, -N_EDGES)[-N_EDGES:]])


def networks(n_genes: int, n_samples: int) -> Iterator[Comparison]:
    table = simulate(n_samples, n_genes)
    ours = quietly(partial(NetworkEdgeSelectorCV().fit, table))
    peer = quietly(partial(GraphicalLassoCV().fit, table))
    step = f"`NetworkEdgeSelectorCV`, {n_genes} genes x {n_samples} samples"
    name = "scikit-learn `GraphicalLassoCV`, another estimate"
    yield Comparison(step, name, take_turns(peer, ours))

    step = f"`RegulatoryEdgeSelector`, {n_genes} genes x {n_samples} samples"
    if importlib.util.find_spec("portia") is None:
        yield Comparison(step, "PORTIA, another ranking", "not installed")
        return
    from accuracy_methods import portia

    peer, ours = partial(portia, table, None), RegulatoryEdgeSelector()
    times = take_turns(quietly(peer), quietly(partial(ours.fit, table)))
    yield Comparison(step, "PORTIA, another ranking", times)


def quietly(call: Call) -> Call:
    """Return a call that does not warn, of no edge or of slow convergence."""

    def without_warnings() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()

    return without_warnings


def across_languages(n_genes: int) -> Iterator[Comparison]:
    """Time corpcor in processes of R, each of which measures itself."""
    step, name = f"`fit`, {n_genes:,} genes x 200 samples", "R corpcor `pcor.shrink`"
    taken = corpcor_seconds(n_genes)
    if isinstance(taken, str):
        yield Comparison(step, name, taken)
        return
    clock = steady(partial(FactorPrecisionEstimator().fit, simulate(200, n_genes)))
    rounds = [(corpcor_seconds(n_genes), clock()) for _ in range(RUNS)]
    yield Comparison(step, name, np.array([(float(r[0]), own) for r, own in rounds]))


# ------------------------------------------------------------- comparisons elsewhere
def other_programs(quick: bool) -> Iterator[Comparison]:
    """Take further rows from programs of their own, where these are there."""
    if importlib.util.find_spec("shrinkage_grid") is not None:
        yield shrinkage_grid(1_000 if quick else 20_000, 50 if quick else 200)
    step = f"search for {N_EDGES:,} edges, two workers of a Dask cluster"
    if all(map(importlib.util.find_spec, ("workers", "distributed"))):
        yield two_workers(step, *((1_000, 50) if quick else (10_000, 500)))
    else:
        yield Comparison(step, "the package, alone", "not installed")


def shrinkage_grid(n_genes: int, n_samples: int) -> Comparison:
    import shrinkage_grid as grid

    table = grid.simulate(n_samples, n_genes)
    folds = [(table[some], table[rest]) for some, rest in KFold(5).split(table)]
    error, times = grid.check_agreement(folds[0]), grid.time_both(folds, RUNS)
    step = f"{len(grid.GRID)} intensities x 5 folds, {n_genes:,} genes x {n_samples}"
    return Comparison(step, "the package, one fit for each fold", times, error)


def two_workers(step: str, n_genes: int, rank: int) -> Comparison:
    """Give each process one thread, so that workers do not share what one had."""
    import workers
    from distributed import Client

    alone = partial(strongest_edges, workers.make_rows(n_genes, rank), N_EDGES)
    with (
        threadpool_limits(1),
        workers.start_cluster() as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(workers.N_WORKERS)
        shared = partial(workers.at_workers, alone, client)
        times = take_turns(alone, shared)
        error = difference(shared()[0].values, alone()[0].values)
    step = f"{step}, {n_genes:,} genes, rank {rank}"
    return Comparison(step, "the package, alone", times, error)


# -------------------------------------------------------------- a thousand in a row
def many_updates(quick: bool) -> str:
    """Add one pathway after another, beside the two products that each one costs."""
    n_genes, number = (1_000, 50) if quick else (20_000, 1_000)
    base = FactorPrecisionEstimator(10).fit(simulate(20, n_genes))
    columns = draw_loadings(n_genes, number)
    one_by_one = partial(add_one_by_one, base, columns)
    runs = [(bare_seconds(base, columns), seconds(one_by_one)) for _ in range(RUNS)]
    times = np.array(runs)
    error = update_error(one_by_one(), updated(base, columns))
    taken = f"{np.median(times[:, 1]):.1f} s ({times[:, 1].min():.1f} to "
    return (
        f"{number:,} updates by one pathway in a row, {n_genes:,} genes, rank "
        f"{base.n_components_} to {base.n_components_ + number:,}: {taken}"
        f"{times[:, 1].max():.1f}), {spread(times[:, 1] / times[:, 0])} times the two "
        "bare products of each update with the columns that are there. From one fit "
        f"with all pathways the precision then differs by {error:.0e} of a typical "
        "entry."
    )


def add_one_by_one(
    base: FactorPrecisionEstimator, columns: NDArray
) -> FactorPrecisionEstimator:
    grown = copy.copy(base)
    for column in columns.T:
        grown.partial_fit_pathways(column)
    return grown


def bare_seconds(base: FactorPrecisionEstimator, columns: NDArray) -> float:
    """Time q = Q'y and Qq for a Q that grows by a column each time."""
    first, number = base.n_components_, columns.shape[1]
    rng = np.random.default_rng(2)
    basis = rng.normal(size=(first + number, len(columns)))
    lying = np.ascontiguousarray(columns.T)
    start = time.perf_counter()
    for at in range(number):
        there = basis[: first + at]
        (there @ lying[at]) @ there
    return time.perf_counter() - start


def update_error(
    grown: FactorPrecisionEstimator, fresh: FactorPrecisionEstimator
) -> float:
    """Compare 400 entries of both precisions, 100 of them on the diagonal."""
    rows, others = np.random.default_rng(3).integers(
        grown.n_features_in_, size=(2, 400)
    )
    others[:100] = rows[:100]
    return difference(grown.precision_[rows, others], fresh.precision_[rows, others])


if __name__ == "__main__":
    main()
