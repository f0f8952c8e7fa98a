"""How time and memory of each step grow, beside what the mathematics says.

Each round times every size once, so that a slow minute falls on all sizes alike. It has
a slope of its own: least squares in logarithms. Memory is the largest amount that NumPy
and Python hold at a time beyond what was there before, from a run of its own.
"""

from __future__ import annotations

import copy
import math
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from speed import Call, seconds, simulate

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn._edge_search import strongest_edges

LEAST_SECONDS = 0.02  # shorter calls are repeated until the clock can tell
N_EDGES = 10_000
COLOURS = {"time": ("#0072b2", "o"), "memory": ("#d55e00", "s")}


class Series(NamedTuple):
    """A step at several sizes, and the powers that are expected.

    Attributes
    ----------
    step, grows_with, fixed : str
        What is done, what grows, and what stays.
    sizes : list of int
    prepare : callable
        From a size to the call that is measured.
    theory : tuple of str
        Leading terms of time and memory: n samples, p genes, rank k, D pathways.
    powers : tuple of float
        Powers of what grows in these two.
    """

    step: str
    grows_with: str
    fixed: str
    sizes: list[int]
    prepare: Callable[[int], Call]
    theory: tuple[str, str]
    powers: tuple[float, float]


class Growth(NamedTuple):
    """What was measured.

    Attributes
    ----------
    series : Series
    times : ndarray of shape (n_rounds, n_sizes)
        Seconds.
    memory : ndarray of shape (n_sizes,)
        Bytes.
    """

    series: Series
    times: NDArray
    memory: NDArray


# ------------------------------------------------------------------------- the steps
def all_series(quick: bool) -> list[Series]:
    """Return the steps with their sizes; the quick ones are to try the program."""
    genes = 2_000 if quick else 20_000
    searched = 1_000 if quick else 8_000
    return [
        Series(
            "`fit` and `partial_fit_pathways`",
            "genes",
            "100 samples, 5 pathways",
            sizes(1_000, 10_000 if quick else 200_000),
            fit_and_update,
            ("n² p", "n p"),
            (1, 1),
        ),
        Series(
            "`fit`",
            "samples",
            f"{genes:,} genes",
            doubling(25, 100 if quick else 800),
            partial(fit_samples, genes),
            ("n² p", "n p"),
            (2, 1),
        ),
        Series(
            "`partial_fit_pathways`",
            "rank",
            f"{genes:,} genes, 5 pathways",
            doubling(50, 200 if quick else 800),
            partial(update_of_rank, genes),
            ("p k D", "p D + k²"),
            (1, 0),
        ),
        Series(
            "`partial_fit_pathways`",
            "pathways",
            f"{genes:,} genes, rank 199",
            doubling(1, 16 if quick else 64),
            partial(update_by_pathways, genes),
            ("p k D", "p D"),
            (1, 1),
        ),
        Series(
            "`remove_pathways`, the first of 5",
            "genes",
            "rank 104",
            sizes(1_000, 5_000 if quick else 50_000),
            remove_first,
            ("p D²", "p D"),
            (1, 1),
        ),
        Series(
            "`score` of 20 samples",
            "genes",
            "rank 99",
            sizes(1_000, 5_000 if quick else 50_000),
            score_samples,
            ("n p k", "n p"),
            (1, 1),
        ),
        Series(
            f"search for {N_EDGES:,} edges",
            "genes",
            "rank 100",
            doubling(1_000, 2_000 if quick else 16_000),
            partial(search, rank=100),
            ("p² k", "p k"),
            (2, 1),
        ),
        Series(
            f"search for {N_EDGES:,} edges",
            "rank",
            f"{searched:,} genes",
            doubling(64, 256 if quick else 1_024),
            partial(search, searched),
            ("p² k", "p k"),
            (1, 1),
        ),
    ]


def sizes(first: int, last: int) -> list[int]:
    """Return 1, 2, 5, 10, ... times a power of ten."""
    steps = [step * 10**power for power in range(8) for step in (1, 2, 5)]
    return [step for step in steps if first <= step <= last]


def doubling(first: int, last: int) -> list[int]:
    return [first * 2**step for step in range(int(math.log2(last / first)) + 1)]


def fit_and_update(n_genes: int) -> Call:
    table, pathways = simulate(100, n_genes), draw_loadings(n_genes, 5)
    return lambda: FactorPrecisionEstimator().fit(table).partial_fit_pathways(pathways)


def fit_samples(n_genes: int, n_samples: int) -> Call:
    return partial(FactorPrecisionEstimator().fit, simulate(n_samples, n_genes))


def update_of_rank(n_genes: int, rank: int) -> Call:
    base = FactorPrecisionEstimator().fit(simulate(rank + 1, n_genes))
    return partial(updated, base, draw_loadings(n_genes, 5))


def update_by_pathways(n_genes: int, n_pathways: int) -> Call:
    base = FactorPrecisionEstimator().fit(simulate(200, n_genes))
    return partial(updated, base, draw_loadings(n_genes, n_pathways))


def remove_first(n_genes: int) -> Call:
    base = FactorPrecisionEstimator().fit(simulate(100, n_genes))
    grown = updated(base, draw_loadings(n_genes, 5))
    return lambda: copy.copy(grown).remove_pathways("pathway0")


def score_samples(n_genes: int) -> Call:
    base = FactorPrecisionEstimator().fit(simulate(100, n_genes))
    return partial(base.score, simulate(20, n_genes, seed=3))


def search(n_genes: int, rank: int) -> Call:
    rows = np.random.default_rng(0).normal(size=(n_genes, rank))
    rows *= 0.4 / np.linalg.norm(rows, axis=1)[:, None]
    return partial(strongest_edges, rows, N_EDGES)


def updated(base: FactorPrecisionEstimator, pathways: NDArray) -> Any:
    return copy.copy(base).partial_fit_pathways(pathways)


def draw_loadings(n_genes: int, n_pathways: int) -> NDArray:
    rng = np.random.default_rng(1)
    return rng.normal(scale=0.05, size=(n_genes, n_pathways))


# --------------------------------------------------------------------- the measuring
def measure(series: Series, rounds: int) -> Growth:
    """Time every size in each round, one warm-up before, and find its memory."""
    calls = [series.prepare(size) for size in series.sizes]
    memory = np.array([peak_memory(call) for call in calls])
    clocks = [steady(call) for call in calls]
    times = np.array([[clock() for clock in clocks] for _ in range(rounds)])
    return Growth(series, times, memory)


def steady(call: Call) -> Callable[[], float]:
    """Return a clock that repeats short calls, and gives the seconds of one."""
    seconds(call)
    count = max(1, math.ceil(LEAST_SECONDS / max(seconds(call), 1e-7)))

    def repeatedly() -> None:
        for _ in range(count):
            call()

    return lambda: seconds(repeatedly) / count


def peak_memory(call: Call) -> int:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    call()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return peak


def slopes(growth: Growth) -> NDArray:
    """Return the power of the size in each round, by least squares in logarithms."""
    return np.polyfit(np.log(growth.series.sizes), np.log(growth.times).T, 1)[0]


def memory_slope(growth: Growth) -> float:
    return float(np.polyfit(np.log(growth.series.sizes), np.log(growth.memory), 1)[0])


def last_slope(growth: Growth) -> float:
    """Return the power between the two largest sizes, where constants weigh least."""
    middle, ends = np.median(growth.times, axis=0)[-2:], growth.series.sizes[-2:]
    return float(np.diff(np.log(middle))[0] / np.diff(np.log(ends))[0])


# ----------------------------------------------------------------------- the writing
def growth_table(growths: list[Growth]) -> str:
    heads = (
        "step | grows with | from | to | time | power, theory | measured | at the end"
    )
    lines = [f"| {heads} | memory | power, theory | measured |"]
    lines.append("|---|---|--:|--:|---|--:|--:|--:|---|--:|--:|")
    return "\n".join([*lines, *map(growth_row, growths)])


def growth_row(growth: Growth) -> str:
    series, found = growth.series, slopes(growth)
    spread = f"**{np.median(found):.2f}** ({found.min():.2f} to {found.max():.2f})"
    cells = [f"{series.step}; {series.fixed}", series.grows_with]
    cells += [f"{series.sizes[0]:,}", f"{series.sizes[-1]:,}", series.theory[0]]
    cells += [f"{series.powers[0]:g}", spread, f"{last_slope(growth):.2f}"]
    cells += [series.theory[1], f"{series.powers[1]:g}", f"{memory_slope(growth):.2f}"]
    return f"| {' | '.join(cells)} |"


def draw_figure(growths: list[Growth], path: Path) -> None:
    """Draw a panel for each step: points as measured, theory as dashed lines."""
    from matplotlib.figure import Figure

    n_rows = math.ceil(len(growths) / 4)
    figure = Figure(figsize=(10, 2.7 * n_rows + 0.4), layout="constrained")
    axes = figure.subplots(n_rows, 4, squeeze=False).ravel()
    for axis, growth in zip(axes, growths, strict=False):
        draw_panel(axis, growth)
    for axis in axes[len(growths) :]:
        axis.set_visible(False)
    for axis in axes[::4]:
        axis.set_ylabel("share of the last")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=100)


def draw_panel(axis: Any, growth: Growth) -> None:
    series = growth.series
    at = np.array(series.sizes, dtype=float)
    for what, values, power in lines_of(growth):
        colour, marker = COLOURS[what]
        style: dict[str, Any] = {"color": colour, "linewidth": 1}
        middle = np.median(values, axis=0)
        ends = np.abs(np.array([values.min(axis=0), values.max(axis=0)]) - middle)
        style |= {"label": f"{what}, measured"}
        axis.errorbar(at, middle, ends, fmt=marker, markersize=4, capsize=2, **style)
        style |= {"label": f"{what}, theory", "alpha": 0.7, "zorder": 1}
        axis.plot(at, (at / at[-1]) ** power, "--", **style)
    axis.set(xscale="log", yscale="log", xlabel=series.grows_with)
    shown = series.sizes[:: max(1, math.ceil(len(at) / 4))]
    axis.set_xticks(shown, [f"{size:,}" for size in shown])
    axis.minorticks_off()
    title = series.step.replace("`", "").replace(" and ", " and\n")
    axis.set_title(f"{title}\n({series.fixed})", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(color="0.92")
    axis.spines[["top", "right"]].set_visible(False)


def lines_of(growth: Growth) -> Iterator[tuple[str, NDArray, float]]:
    """Yield times and memory as shares of those at the last size, and their powers."""
    times = growth.times / np.median(growth.times[:, -1])
    yield "time", times, growth.series.powers[0]
    memory = growth.memory[None, :] / growth.memory[-1]
    yield "memory", memory, growth.series.powers[1]
