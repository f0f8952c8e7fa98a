"""How well methods rank the edges of known networks.

Every method ranks the ordered pairs of every set, and what comes out is appended to a
file at once; a run that is started again goes on where it stopped. What the file holds
is printed as Markdown, and written to the page if one is named.

Sets are simulated by the package; those of DREAM4 and SynTReN are read where
SKLEARN_GRN_REFERENCE_DATA names their folder, and further ones from folders that hold
`expression.*`, `gold.*` and, where the regulators are known, `tfs.*`.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from accuracy_constants import constants_table
from accuracy_methods import Method, methods
from accuracy_report import markdown, rewrite_page
from accuracy_sets import Known, Source, own, reference, simulated
from accuracy_speed import speed_table
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

COLUMNS = ["group", "set", "seed", "method", "n_samples", "n_genes", "prevalence"]
COLUMNS += ["aupr", "auroc", "aupr_undirected", "auroc_undirected", "first", "seconds"]
N_FIRST = 100  # edges whose precision is reported


def main() -> None:
    options = read_options()
    part = (
        "constants" if options.constants else "speed" if options.speed else "accuracy"
    )
    text = PARTS[part](options)
    print(text)
    if options.page:
        rewrite_page(options.page, text, part)


def ranked(options: argparse.Namespace) -> str:
    run(chosen_sets(options), chosen_methods(options), options.results)
    return markdown(pd.read_csv(options.results))


def moved(options: argparse.Namespace) -> str:
    return constants_table([source() for _, _, source in chosen_sets(options)])


def timed(options: argparse.Namespace) -> str:
    return speed_table()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("folders", nargs="*", type=Path, help="sets of your own")
    add("--results", type=Path, default=Path("accuracy.csv"), help="file of results")
    add("--seeds", type=int, default=3, help="tables of each simulated set")
    add("--sets", nargs="*", metavar="TEXT", help="those whose names hold a text")
    add("--methods", nargs="*", metavar="NAME", help="as in the heads of the table")
    add("--trees", type=int, default=100, help="trees for each gene")
    add("--constants", action="store_true", help="halve and double them instead")
    add("--speed", action="store_true", help="time the score on larger tables instead")
    add("--page", type=Path, help="page whose table is rewritten")
    return parser.parse_args()


def chosen_sets(options: argparse.Namespace) -> list[tuple[str, int, Source]]:
    sets = [own(folder) for folder in options.folders]
    folder = os.environ.get("SKLEARN_GRN_REFERENCE_DATA")
    if folder:
        sets += reference(Path(folder))
    sets += simulated(options.seeds)
    if not options.sets:
        return sets
    return [item for item in sets if any(text in item[0] for text in options.sets)]


def chosen_methods(options: argparse.Namespace) -> dict[str, Method]:
    called = methods(options.trees)
    if not options.methods:
        return called
    unknown = set(options.methods) - set(called)
    if unknown:
        raise SystemExit(f"no method is named {unknown}; there are {list(called)}")
    return {name: called[name] for name in options.methods}


# --------------------------------------------------------------------------- the runs
def run(
    sets: list[tuple[str, int, Source]], called: dict[str, Method], results: Path
) -> None:
    """Append what is not yet in the file."""
    done = finished(results)
    for method, rank in called.items():  # the slow ones come last
        for name, seed, source in sets:
            if (name, seed, method) not in done:
                known = source()
                about = {"group": known.group, "set": name, "seed": seed}
                row = {**about, "method": method, **judge(known, rank)}
                append(results, row)


def judge(known: Known, rank: Method) -> dict[str, Any]:
    """Rank the pairs of a set, and compare with what is known."""
    start = time.perf_counter()
    try:
        score = rank(known.table.copy(), known.regulators)
    except (FloatingPointError, np.linalg.LinAlgError, ValueError) as error:
        print(f"{known.name}: {error}")
        score = np.full(known.true.shape, np.nan)
    seconds = time.perf_counter() - start
    n_samples, n_genes = known.table.shape
    about = {"n_samples": n_samples, "n_genes": n_genes, "seconds": round(seconds, 4)}
    true, scores = known.true[known.judged], score[known.judged]
    about |= {"prevalence": true.mean()}
    if np.isnan(scores).any():
        return about
    either = np.triu(known.judged | known.judged.T, 1)
    true_either = (known.true | known.true.T)[either]
    scores_either = np.maximum(score, score.T)[either]
    return about | {
        "aupr": average_precision_score(true, scores),
        "auroc": roc_auc_score(true, scores),
        "aupr_undirected": average_precision_score(true_either, scores_either),
        "auroc_undirected": roc_auc_score(true_either, scores_either),
        "first": precision_of_first(true, scores, N_FIRST),
    }


def precision_of_first(true: NDArray, scores: NDArray, n_first: int) -> float:
    """Return the share of true pairs among the first, ties at the end broken evenly."""
    if len(scores) <= n_first:
        return np.nan
    last = np.partition(scores, -n_first)[-n_first]
    before, tied = scores > last, scores == last
    n_left = n_first - np.count_nonzero(before)
    return float((true[before].sum() + n_left * true[tied].mean()) / n_first)


# ---------------------------------------------------------------- the file of results
def append(results: Path, row: dict[str, Any]) -> None:
    is_new = not results.exists()
    with results.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def finished(results: Path) -> set[tuple[str, int, str]]:
    """Return set, seed and method of what is in the file."""
    if not results.exists():
        return set()
    columns = (pd.read_csv(results)[name] for name in ("set", "seed", "method"))
    return set(zip(*columns, strict=True))


# Parts of the page, each between marks of its name.
PARTS = {"constants": moved, "speed": timed, "accuracy": ranked}

if __name__ == "__main__":
    main()
