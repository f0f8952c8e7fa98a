"""How long `RegulatoryEdgeSelector.fit` takes, and how much it allocates.

Seconds are those of the processor: on one thread, what a machine that does nothing else
would take.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc

import numpy as np
from accuracy_report import row, seconds

from sklearn_grn import RegulatoryEdgeSelector

SHAPES = [(100, 100, 100), (266, 1942, 160), (300, 5000, 5000), (200, 20000, 1500)]
REPEATS = 3


def speed_table() -> str:
    """Return medians over repeats after one warm-up, and the peak of another run."""
    heads = [
        "samples x genes",
        "regulators",
        "seconds",
        "peak, MB",
        "genes x genes, MB",
    ]
    lines = [row(heads), row(["--:"] * len(heads))]
    for n_samples, n_genes, n_regulators in SHAPES:
        rng = np.random.default_rng(0)
        table = rng.normal(size=(n_samples, 20)) @ rng.normal(size=(20, n_genes))
        table += 2 * rng.normal(size=table.shape)
        selector = RegulatoryEdgeSelector(np.arange(n_regulators))
        median = seconds(statistics.median(timed(selector, table)[1:]))
        peak, dense = f"{peak_of(selector, table):.0f}", f"{8e-6 * n_genes**2:.0f}"
        size = f"{n_samples} x {n_genes:,}"
        lines.append(row([size, f"{n_regulators:,}", median, peak, dense]))
    return "\n".join(lines)


def timed(selector: RegulatoryEdgeSelector, table: np.ndarray) -> list[float]:
    times = []
    for _ in range(REPEATS + 1):
        start = time.process_time()
        selector.fit(table)
        times.append(time.process_time() - start)
    return times


def peak_of(selector: RegulatoryEdgeSelector, table: np.ndarray) -> float:
    """Return the largest number of megabytes that a fit holds at a time."""
    tracemalloc.start()
    selector.fit(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6
