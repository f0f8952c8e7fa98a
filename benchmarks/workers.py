"""How the search for edges gains from a second worker of a Dask cluster, in two tables.

README.md says how to read it. Every worker, and the process that stands alone, has one
thread. Both sides take turns, and what they find is compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from accuracy_report import rewrite_page
from distributed import Client, LocalCluster
from numpy.typing import NDArray
from speed import cell, header, interleave, repeat
from threadpoolctl import threadpool_limits

from sklearn_grn._edge_search import (
    census,
    edges_above,
    mean_absolute,
    strongest_edges,
)
from sklearn_grn._pair_collectors import Strongest, _look_through
from sklearn_grn._pair_tiles import RowProducts, n_panels

N_WORKERS = 2


def main() -> None:
    options = read_options()
    rows = make_rows(options.genes, options.rank)
    lines = []
    with threadpool_limits(1), start_cluster() as cluster, Client(cluster) as client:
        client.wait_for_workers(N_WORKERS)
        for line in tables(rows, options, client):
            print(line, flush=True)
            lines.append(line)
    if options.page:
        rewrite_page(options.page, "\n".join(lines), "measured")


def tables(rows: NDArray, options: argparse.Namespace, client: Client) -> Iterator[str]:
    n_genes, rank = rows.shape
    n_edges, repeats = options.edges, options.repeats
    what = f"{n_genes:,} genes, rank {rank}, {n_edges:,} edges"
    yield f"{header(repeats)}; {what}.\n"
    yield "| search | alone | two workers | alone / two workers |"
    yield "|---|--:|--:|--:|"
    yield from search_rows(rows, n_edges, repeats, client)
    yield "\n| what is not shared | time |"
    yield "|---|--:|"
    yield from serial_rows(rows, n_edges, repeats, client)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--genes", type=int, default=20_000)
    add("--rank", type=int, default=999)
    add("--edges", type=int, default=10_000)
    add("--repeats", type=int, default=5)
    add("--page", type=Path, help="page whose tables are rewritten")
    return parser.parse_args()


def make_rows(n_genes: int, rank: int) -> NDArray:
    rows = np.random.default_rng(0).normal(size=(n_genes, rank))
    return rows * (0.4 / np.linalg.norm(rows, axis=1))[:, None]


def start_cluster() -> LocalCluster:
    """Dask's nannies give each worker process one thread of BLAS."""
    return LocalCluster(
        n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0"
    )


# -------------------------------------------------------------------------- the rows
def search_rows(
    rows: NDArray, n_edges: int, repeats: int, client: Client
) -> Iterator[str]:
    threshold = strongest_edges(rows, n_edges)[1]
    searches: dict[str, Callable[[], Any]] = {
        "strongest edges": lambda: strongest_edges(rows, n_edges)[0].values,
        "edges above a threshold": lambda: edges_above(rows, threshold).values,
        "census": lambda: census(rows, n_edges).counts,
        "mean of absolute values": lambda: mean_absolute(rows),
    }
    for name, search in searches.items():
        shared = partial(at_workers, search, client)
        if not np.array_equal(search(), shared()):
            raise SystemExit(f"{name}: the workers found something else")
        times = interleave(lambda s=search: s, lambda s=shared: s, repeats)
        cells = [name, *map(cell, times), cell(times[0] / times[1], "x")]
        yield f"| {' | '.join(cells)} |"


def serial_rows(
    rows: NDArray, n_edges: int, repeats: int, client: Client
) -> Iterator[str]:
    pairs = RowProducts(rows)
    screen = pairs.screen()
    found = strongest_edges(rows, n_edges)[0]
    send = partial(client.scatter, broadcast=True, hash=False)
    steps: dict[str, Callable[[], Any]] = {
        "sorting rows, float32 copy": lambda: RowProducts(rows),
        f"first of {n_panels(pairs)} panels": lambda: _look_through(
            Strongest(n_edges), pairs, 0
        ),
        f"sending {megabytes(screen)} to both workers": lambda: send(screen),
        f"sending {megabytes(pairs)} to both workers": lambda: send(pairs),
        f"values of {n_edges:,} edges": lambda: pairs.measure(*found[:2]),
    }
    for name, step in steps.items():
        yield f"| {name} | {cell(repeat(lambda s=step: s, repeats))} |"


def at_workers(search: Callable[[], Any], client: Client) -> Any:
    with joblib.parallel_config("dask", client=client):
        return search()


def megabytes(pairs: RowProducts) -> str:
    return f"{pairs.__sizeof__() / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
