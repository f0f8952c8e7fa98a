"""How many of the strongest edges stay when something small changes: two tables.

The edges of a real table are found again without each of its samples, in random halves
of them, in float32, with two threads of BLAS, and with its genes and samples in another
order. Every fit is a true one; `leave_one_out` is compared with those.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    RegulatoryEdgeSelector,
    leave_one_out,
)
from sklearn_grn.datasets import load_leukemia, load_pbmc

BEGIN = "<!-- reproducible: begin -->"
END = "<!-- reproducible: end -->"

Network = Callable[[pd.DataFrame], set]  # the strongest edges of a table


class Case(NamedTuple):
    """A table, and the way to its edges."""

    table: str
    method: str
    expression: pd.DataFrame
    network: Network
    estimator: FactorPrecisionEstimator | None = None


def main() -> None:
    options = read_options()
    chosen = cases(options.edges)
    held = [held_row(case) for case in chosen]
    varied = [
        varied_row(case, options.edges, options.halves, not options.skip_samples)
        for case in chosen
    ]
    text = "\n\n".join(
        [
            f"How many of the {options.edges} strongest edges are the same:",
            markdown(pd.DataFrame(held)),
            f"How many stay with other samples; halves are {options.halves} random "
            "ones:",
            markdown(pd.DataFrame(varied)),
        ]
    )
    print(text)
    if options.page:
        rewrite_page(options.page, text)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edges", type=int, default=100)
    parser.add_argument("--halves", type=int, default=50)
    parser.add_argument("--skip-samples", action="store_true", help="halves alone")
    parser.add_argument("--page", type=Path)
    return parser.parse_args()


# ------------------------------------------------------------------------- the cases
def cases(n_edges: int) -> list[Case]:
    leukemia, cells = load_leukemia(as_frame=True), load_pbmc(as_frame=True)
    b_cells = leukemia.data[leukemia.target == 0]
    monocytes = cells.data[cells.target == 0]
    tables = {
        "leukaemia": leukemia.data,
        "leukaemia of B-cells": b_cells,
        "blood cells": cells.data,
        "CD14+ monocytes": monocytes.loc[:, monocytes.std() > 0],
    }
    default = FactorPrecisionEstimator()
    found = [
        case(name, "default", table, default, n_edges) for name, table in tables.items()
    ]
    five = FactorPrecisionEstimator(5)
    factors = FactorPrecisionEstimator(5, method="factor_analysis")
    return [
        *found,
        case("leukaemia", "5 components", leukemia.data, five, n_edges),
        case("leukaemia", "factor analysis, 5", leukemia.data, factors, n_edges),
        Case("leukaemia", "regulators", leukemia.data, regulators(n_edges)),
    ]


def case(
    name: str,
    method: str,
    table: pd.DataFrame,
    estimator: FactorPrecisionEstimator,
    n_edges: int,
) -> Case:
    def network(expression: pd.DataFrame) -> set:
        selector = NetworkEdgeSelector(estimator, threshold=0, max_edges=n_edges)
        edges = selector.fit(expression).edges_
        return set(map(frozenset, edges[["source", "target"]].to_numpy()))

    exact = estimator.method == "shrinkage" and estimator.n_components is None
    return Case(name, method, table, network, estimator if exact else None)


def regulators(n_edges: int) -> Network:
    def network(expression: pd.DataFrame) -> set:
        selector = RegulatoryEdgeSelector(threshold=0, max_edges=n_edges)
        edges = selector.fit(expression).edges_
        return set(map(tuple, edges[["source", "target"]].to_numpy()))

    return network


# -------------------------------------------------------------------------- the rows
def held_row(case: Case) -> dict[str, str]:
    """Return how many edges are the same where all should be."""
    expression, rng = case.expression, np.random.default_rng(0)
    whole = case.network(expression)
    with threadpool_limits(2):
        two = case.network(expression)
    shuffled = expression.iloc[
        rng.permutation(expression.shape[0]), rng.permutation(expression.shape[1])
    ]
    return {
        **heading(case),
        "again": number(whole, case.network(expression)),
        "two threads": number(whole, two),
        "another order": number(whole, case.network(shuffled)),
        "float32": number(whole, case.network(expression.astype(np.float32))),
    }


def varied_row(case: Case, n_edges: int, n_halves: int, singly: bool) -> dict[str, str]:
    """Return how many edges stay without samples: median, and least."""
    whole, samples = case.network(case.expression), np.arange(len(case.expression))
    singles = (np.delete(samples, at) for at in samples) if singly else ()
    rng = np.random.default_rng(1)
    halves = (rng.permutation(samples)[: len(samples) // 2] for _ in range(n_halves))
    without = stay(case, whole, singles)
    return {
        **heading(case),
        "one left out": spread(without),
        "mean": f"{np.mean(without):.1f}" if len(without) else "–",
        "mean by `leave_one_out`": quick(case, n_edges),
        "half": spread(stay(case, whole, halves)),
    }


def heading(case: Case) -> dict[str, str]:
    samples, genes = case.expression.shape
    return {"table": f"{case.table}, {samples} × {genes:,}", "edges by": case.method}


def number(whole: set, other: set) -> str:
    return f"{len(whole & other)} of {len(whole)}"


def stay(case: Case, whole: set, choices: Iterable[np.ndarray]) -> list[int]:
    return [len(whole & case.network(case.expression.iloc[kept])) for kept in choices]


def spread(counts: list[int]) -> str:
    return f"{np.median(counts):.0f} ({min(counts)})" if counts else "–"


def quick(case: Case, n_edges: int) -> str:
    if case.estimator is None:
        return "–"
    estimator = case.estimator.fit(case.expression)
    kept = leave_one_out(estimator, case.expression, n_edges).edges["kept"]
    return f"{kept.sum():.1f}"


# -------------------------------------------------------------------------- the page
def markdown(rows: pd.DataFrame) -> str:
    lines = [rows.columns, ["---", "---", *["--:"] * (rows.shape[1] - 2)]]
    lines += rows.to_numpy().tolist()
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rewrite_page(page: Path, text: str) -> None:
    """Put the tables between the two marks of a page."""
    old = page.read_text(encoding="utf-8")
    if BEGIN not in old or END not in old:
        raise SystemExit(f"{page} has no lines {BEGIN} and {END}")
    before, rest = old.split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)  # genes that half of the cells lack
    with threadpool_limits(1):
        main()
