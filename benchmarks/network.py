"""How long it takes to find a network, beside its anchors: one Markdown table.

README.md says how to read it. Anchors are timed in the same run.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from speed import (
    PUBLISHED,
    corpcor_seconds,
    header,
    interleave,
    peak_memory,
    repeat,
    row,
    seconds,
    simulate,
)

from sklearn_grn import NetworkEdgeSelector, NetworkEdgeSelectorCV
from sklearn_grn._edge_search import strongest_edges
from sklearn_grn.datasets import load_leukemia, make_sparse_network

N_SAMPLES, N_EDGES, RANK = 200, 10_000, 999
SIDE = 512  # of the tiles of the bare product


def main() -> None:
    options = read_options()
    n_genes, repeats = options.genes, options.repeats
    print(header(repeats), end="\n\n")
    print("| what | anchor | ours | anchor / ours | agree to |")
    print("|---|--:|--:|--:|--:|", flush=True)
    parts = {
        "memory": partial(memory_rows, n_genes),
        "strongest": partial(strongest_rows, n_genes, repeats),
        "peers": partial(peer_rows, options.peer_genes, repeats),
        "search": partial(scan_rows, n_genes, repeats),
        "validation": partial(validation_rows, repeats),
        "tests": partial(significance_rows, n_genes, repeats),
    }
    for name in options.parts or parts:
        for line in parts[name]():
            print(line, flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--peer-genes", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--parts", nargs="*", metavar="PART", help="some of the rows")
    return parser.parse_args()


# ------------------------------------------------------------------- what is timed
def find_strongest(table: NDArray) -> NetworkEdgeSelector:
    return NetworkEdgeSelector(threshold=0, max_edges=N_EDGES).fit(table)


def find_by_genenet(table: NDArray) -> NetworkEdgeSelector:
    return NetworkEdgeSelector(significance="genenet").fit(table)


def find_certified(table: NDArray) -> NetworkEdgeSelector:
    with warnings.catch_warnings():  # the programmes of the table are not sparse
        warnings.simplefilter("ignore")
        return NetworkEdgeSelector().fit(table)


def by_ledoit_wolf(table: NDArray) -> NDArray:
    """Return the strongest partial correlations by way of a dense precision."""
    precision = LedoitWolf().fit(table).precision_
    scale = np.sqrt(precision.diagonal())
    sizes = np.abs(precision / scale / scale[:, None])[np.triu_indices(len(scale), 1)]
    return np.argpartition(sizes, -N_EDGES)[-N_EDGES:]


def bare_product(rows: NDArray) -> None:
    """Multiply the tiles above the diagonal, and look at nothing."""
    memory = np.empty((SIDE, SIDE), dtype=np.float32)
    for at in range(0, len(rows), SIDE):
        for to in range(at, len(rows), SIDE):
            left, right = rows[at : at + SIDE], rows[to : to + SIDE]
            np.matmul(left, right.T, out=memory[: len(left), : len(right)])


def sparse_table(n_samples: int, n_genes: int) -> NDArray:
    return make_sparse_network(n_samples, n_genes, random_state=0).data


# -------------------------------------------------------------------------- the rows
def memory_rows(n_genes: int) -> Iterator[str]:
    before = peak_memory(n_genes, None)
    for name, find in (
        (f"{N_EDGES:,} strongest edges", find_strongest),
        ("edges by GeneNet's test", find_by_genenet),
        ("edges by the leave-pair-out test", find_certified),
    ):
        memory = f"{peak_memory(n_genes, find):.2f} GB ({before:.2f} GB before `fit`)"
        what = f"peak memory of a process, {n_genes:,} x {N_SAMPLES}, {name}"
        yield row(what, None, memory)


def strongest_rows(n_genes: int, repeats: int) -> Iterator[str]:
    corpcor, table = corpcor_seconds(n_genes), simulate(N_SAMPLES, n_genes)
    ours = repeat(lambda: partial(find_strongest, table), repeats)
    what = f"`fit` to the {N_EDGES:,} strongest edges, {n_genes:,} x {N_SAMPLES}"
    anchor = f"54 s {PUBLISHED}, and 3.2 GB of matrix to sort"
    yield row(f"{what}; R corpcor at 20,000 x 200", anchor, ours)
    ratios = None if isinstance(corpcor, str) else np.divide.outer(corpcor, ours)
    yield row(f"{what}; R corpcor here", corpcor, ours, ratios)


def peer_rows(n_genes: int, repeats: int) -> Iterator[str]:
    table = simulate(N_SAMPLES, n_genes)
    anchor = np.array([seconds(partial(by_ledoit_wolf, table))])
    ours = repeat(lambda: partial(find_strongest, table), repeats)
    what = f"`fit` to the {N_EDGES:,} strongest edges, {n_genes:,} x {N_SAMPLES}; "
    label = "scikit-learn `LedoitWolf`, precision, sorted"
    yield row(what + label, anchor, ours, np.divide.outer(anchor, ours))
    yield row(what + "R corpcor without sorting", f"2.6 s {PUBLISHED}", ours)


def scan_rows(n_genes: int, repeats: int) -> Iterator[str]:
    for rank in (N_SAMPLES - 1, RANK):
        rows = np.random.default_rng(0).normal(size=(n_genes, rank))
        rows *= 0.4 / np.linalg.norm(rows, axis=1)[:, None]
        single = rows.astype(np.float32)
        anchor = partial(bare_product, single)
        ours = partial(strongest_edges, rows, N_EDGES)
        times = interleave(lambda a=anchor: a, lambda o=ours: o, repeats)
        what = f"search alone, {n_genes:,} genes, rank {rank}; "
        label = "float32 product of the same tiles, nothing looked at"
        yield row(what + label, *times, times[0] / times[1])


def validation_rows(repeats: int) -> Iterator[str]:
    tables = {
        "leukaemia, 1,300 x 128": load_leukemia().data,
        "5,000 x 100": sparse_table(100, 5_000),
    }
    for name, table in tables.items():
        best = NetworkEdgeSelectorCV().fit(table).best_threshold_
        one = partial(NetworkEdgeSelectorCV(thresholds=[best]).fit, table)
        many = partial(NetworkEdgeSelectorCV(thresholds=50).fit, table)
        times = interleave(lambda o=one: o, lambda m=many: m, repeats)
        what = f"50 thresholds x 5 folds, {name}; one threshold x 5 folds"
        yield row(what, *times, times[0] / times[1])


def significance_rows(n_genes: int, repeats: int) -> Iterator[str]:
    cases: list[tuple[str, Any, int, int]] = [
        ("GeneNet's test", find_by_genenet, N_SAMPLES, n_genes),
        ("leave-pair-out test", find_certified, 100, 1_000),
        ("leave-pair-out test", find_certified, N_SAMPLES, n_genes),
    ]
    for name, find, n_samples, genes in cases:
        table = sparse_table(n_samples, genes)
        ours = repeat(lambda f=find, t=table: partial(f, t), min(repeats, 3))
        what = f"`fit` by the {name}, {genes:,} x {n_samples}, sparse network"
        yield row(what, None, ours)


if __name__ == "__main__":
    main()
