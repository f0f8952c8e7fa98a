"""How many of the edges that a test calls significant are false, and how many it finds.

Tables are simulated in many regimes, and each test is asked for its edges at false
discovery rates of .05, .1 and .2. Every result is appended to a file at once; a run
that is started again goes on where it stopped. What the file holds is printed as
Markdown, and written to the page and the figure if they are named.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibration_regimes import REGIMES, Regime
from calibration_report import draw_figure, markdown, rewrite_page
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed

LEVELS = (0.05, 0.1, 0.2)
COLUMNS = ["regime", "seed", "test", "level", "n_links", "found", "false"]
COLUMNS += ["scale", "n_factors", "warned", "seconds"]
QUICK = ["random, degree 2, 200 x 100", "ten hubs, 300 x 100", "chain, 300 x 100"]

Found = tuple[NDArray, NDArray, NDArray, dict[str, Any]]
Test = Callable[[NDArray], Found]  # table -> sources, targets, q-values, what it saw


def main() -> None:
    options = read_options()
    regimes = chosen_regimes(options.regimes, options.quick)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    tests = {name: TESTS[name] for name in options.tests}
    if options.no_veto and "LPO" in tests:
        tests["LPO"] = partial(tests["LPO"], veto=False)
    if options.fresh:
        forget(options.results, regimes, tests)
    run(regimes, seeds, tests, options.results, options.jobs)
    report(options.results, regimes, options.page, options.figure)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--results", type=Path, default=Path("calibration.csv"), help="file of results")
    add("--seeds", type=int, default=20, help="tables of each regime")
    add("--first-seed", type=int, default=0)
    add("--regimes", nargs="*", metavar="TEXT", help="those whose names hold a text")
    add("--tests", nargs="*", choices=list(TESTS), default=list(TESTS))
    add("--no-veto", action="store_true", help="LPO without it: name another file")
    add("--quick", action="store_true", help="three regimes only")
    add("--fresh", action="store_true", help="forget earlier results of what is run")
    add("--jobs", type=int, default=1)
    add("--page", type=Path, help="page whose table is rewritten")
    add("--figure", type=Path, help="image that is rewritten")
    return parser.parse_args()


def chosen_regimes(texts: list[str] | None, quick: bool) -> list[Regime]:
    if quick:
        return [regime for regime in REGIMES if regime.key in QUICK]
    if not texts:
        return REGIMES
    chosen = [regime for regime in REGIMES if any(text in regime.key for text in texts)]
    if not chosen:
        raise SystemExit(f"no regime has {' or '.join(texts)} in its name")
    return chosen


# -------------------------------------------------------------------------- the tests
def package_test(table: NDArray, significance: str, **options: Any) -> Found:
    """Ask the package for all edges up to the largest level."""
    from sklearn_grn import test_edges

    genes = pd.DataFrame(table)  # whose names are numbers
    edges, report = test_edges(
        genes, significance=significance, fdr=max(LEVELS), **options
    )
    saw = {
        "scale": report.get("null_scale", np.nan),
        "n_factors": report.get("n_factors", 0),
    }
    sources, targets = (
        edges[name].to_numpy(dtype=int) for name in ("source", "target")
    )
    return sources, targets, edges["qvalue"].to_numpy(), saw


TESTS: dict[str, Test] = {
    "LPO": partial(package_test, significance="leave_pair_out"),
    "GeneNet": partial(package_test, significance="genenet"),
    "t": partial(package_test, significance="t"),
}


def applies(name: str, regime: Regime) -> bool:
    """Whether a test can be made: the classical one needs more samples than genes."""
    return name != "t" or regime.n_samples > regime.n_genes + 1


# --------------------------------------------------------------------------- the runs
def run(
    regimes: list[Regime],
    seeds: range,
    tests: dict[str, Test],
    results: Path,
    n_jobs: int,
) -> None:
    """Append what is not yet in the file, a regime at a time."""
    done = finished(results)
    tasks = [
        (regime, seed, name, test)
        for seed in seeds  # all regimes soon have a few seeds
        for regime in regimes
        for name, test in tests.items()
        if applies(name, regime) and (regime.key, seed, name) not in done
    ]
    rows_of_each = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(try_test)(*task) for task in tasks
    )
    for rows in rows_of_each:
        append(results, rows)


def try_test(regime: Regime, seed: int, name: str, test: Test) -> list[dict[str, Any]]:
    """Return a row for each level."""
    table, network = regime.draw(seed)
    linked = network.toarray() != 0
    start = time.perf_counter()
    # The regimes are made to break assumptions: that it warns is a result.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sources, targets, qvalues, saw = test(table)
    seconds = time.perf_counter() - start
    about = {
        "regime": regime.key,
        "seed": seed,
        "test": name,
        "n_links": network.nnz // 2,
    }
    about |= {**saw, "warned": int(bool(caught)), "seconds": round(seconds, 3)}
    true = linked[sources, targets]
    return [
        {**about, "level": level, **discoveries(true, qvalues <= level)}
        for level in LEVELS
    ]


def discoveries(true: NDArray, significant: NDArray) -> dict[str, int]:
    found = int(significant.sum())
    return {"found": found, "false": found - int(true[significant].sum())}


# ---------------------------------------------------------------- the file of results
def append(results: Path, rows: list[dict[str, Any]]) -> None:
    is_new = not results.exists()
    with results.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerows(rows)


def read(results: Path) -> pd.DataFrame:
    return pd.read_csv(results) if results.exists() else pd.DataFrame(columns=COLUMNS)


def finished(results: Path) -> set[tuple[str, int, str]]:
    """Return regime, seed and test of what is in the file."""
    columns = (read(results)[name] for name in ("regime", "seed", "test"))
    return set(zip(*columns, strict=True))


def forget(results: Path, regimes: list[Regime], tests: dict[str, Test]) -> None:
    """Take results out of the file, so that they are made again."""
    table = read(results)
    again = table["regime"].isin([regime.key for regime in regimes])
    table[~(again & table["test"].isin(list(tests)))].to_csv(results, index=False)


# -------------------------------------------------------------------------- the report
def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds and their standard errors, a row for each test.

    A table without discoveries has no false ones: its share is 0.
    """
    table = table.assign(
        fdp=table["false"] / table["found"].clip(lower=1),
        power=(table["found"] - table["false"]) / table["n_links"].replace(0, np.nan),
    )
    groups = table.groupby(["regime", "test", "level"])
    means = groups[["fdp", "power", "scale", "n_factors", "warned"]].mean()
    errors = groups[["fdp", "power"]].sem().add_suffix("_error")
    return means.join(errors).assign(seeds=groups.size())


def report(
    results: Path, regimes: list[Regime], page: Path | None, figure: Path | None
) -> None:
    table = summary(read(results))
    text = markdown(table, regimes)
    print(text)
    if figure:
        draw_figure(table, regimes, figure)
    if page:
        rewrite_page(page, text)


if __name__ == "__main__":
    main()
