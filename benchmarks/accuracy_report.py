"""The results of accuracy.py as Markdown tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

QUANTITIES = {
    "aupr": "Area under precision and recall, directed",
    "auroc": "Area under the receiver operating curve, directed",
    "aupr_undirected": "Area under precision and recall, undirected",
    "auroc_undirected": "Area under the receiver operating curve, undirected",
    "first": "Share of true edges among the first hundred ordered pairs",
    "seconds": "Seconds",
}


def markdown(results: pd.DataFrame) -> str:
    """Return a table for each quantity, means over seeds."""
    names = ["n_samples", "n_genes", "prevalence", *QUANTITIES]
    keys = ["group", "set", "method"]
    means = results.groupby(keys, sort=False)[names].mean().reset_index()
    parts = []
    for quantity, title in QUANTITIES.items():
        parts += [f"**{title}**", table(means, quantity)]
    return "\n\n".join(parts)


def table(means: pd.DataFrame, quantity: str) -> str:
    """Return a row for each set, a column for each method, the best in bold."""
    called = list(dict.fromkeys(means["method"]))
    with_chance = quantity in ("aupr", "first")
    heads = ["set", "samples x genes", *(["chance"] if with_chance else []), *called]
    lines = [row(heads), row(["---"] + ["--:"] * (len(heads) - 1))]
    for group, members in means.groupby("group", sort=False):
        lines.append(row([f"*{group}*"] + [""] * (len(heads) - 1)))
        for name, rows in members.groupby("set", sort=False):
            first, values = rows.iloc[0], rows.set_index("method")[quantity]
            size = f"{first['n_samples']:.0f} x {first['n_genes']:.0f}"
            chance = [short(first["prevalence"])] if with_chance else []
            cells = written(values.reindex(called), quantity)
            lines.append(row([str(name), size, *chance, *cells]))
    return "\n".join(lines)


def written(values: pd.Series, quantity: str) -> list[str]:
    if quantity == "seconds":
        return [seconds(value) for value in values]
    best = values.round(3).max()
    return [
        f"**{short(value)}**" if round(value, 3) == best else short(value)
        for value in values
    ]


def short(value: float) -> str:
    """Return .045 for 0.045."""
    return "–" if np.isnan(value) else f"{value:.3f}".removeprefix("0")


def seconds(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}" if value < 1 else f"{value:.1f}"


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def rewrite_page(page: Path, text: str, part: str) -> None:
    """Put tables between the two marks of their part of a page."""
    begin, end = (f"<!-- {part}: {word} -->" for word in ("begin", "end"))
    old = page.read_text(encoding="utf-8")
    if begin not in old or end not in old:
        raise SystemExit(f"{page} has no lines {begin} and {end}")
    before, rest = old.split(begin)
    after = rest.split(end)[1]
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
