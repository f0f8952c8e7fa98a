"""The results of calibration.py as Markdown tables and as a figure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibration_regimes import Regime
from numpy.typing import NDArray

Column = tuple[str, Callable[[Regime], str]]  # heading, and how to fill a row

BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"
TOLERATED = 1.2  # times the nominal rate; beyond it a figure is bold
STYLES = {"LPO": ("#0072b2", "o"), "GeneNet": ("#d55e00", "s"), "t": ("#009e73", "^")}


def markdown(summary: pd.DataFrame, regimes: list[Regime]) -> str:
    """Return tables of false discoveries, of power, and of the classical test."""
    shown = [regime for regime in regimes if regime.key in summary.index]
    if not shown:
        return "No results yet."
    fewest, most = summary["seeds"].min(), summary["seeds"].max()
    both = [
        [column for test in ("LPO", "GeneNet") for column in rates(summary, test, what)]
        for what in ("fdp", "power")
    ]
    classical = rates(summary, "t", "fdp", "false") + rates(summary, "t", "power")
    classified = [regime for regime in shown if (regime.key, "t") in summary.index]
    parts = [
        f"Means over {fewest if fewest == most else f'{fewest} to {most}'} simulated "
        "tables of each regime ± their standard errors.",
        "**Realised share of false edges**, bold beyond 1.2 times the nominal rate. "
        "Where there are no edges it is the chance of any discovery.",
        table(shown, both[0] + observations(summary)),
        "**Power**: the share of true edges that are found.",
        table(shown, both[1]),
    ]
    if classified:
        parts.append("**The classical t test**, where it can be made.")
        parts.append(table(classified, classical))
    return "\n\n".join(parts)


def rates(
    summary: pd.DataFrame, test: str, what: str, heading: str | None = None
) -> list[Column]:
    """Return a column for each level."""
    return [
        (
            f"{heading or test} {short(level).rstrip('0')}",
            partial(cell, summary, test, level, what),
        )
        for level in sorted(summary.index.unique("level"))
    ]


def observations(summary: pd.DataFrame) -> list[Column]:
    """Return what the leave-pair-out test saw and said."""
    forms = {"scale": "{:.2f}", "n_factors": "{:.1f}", "warned": "{:.0%}"}
    means = summary.query("test == 'LPO'").groupby("regime")[list(forms)].mean()

    def written(name: str, regime: Regime) -> str:
        if regime.key not in means.index or np.isnan(means.at[regime.key, name]):
            return "–"
        return forms[name].format(means.at[regime.key, name])

    heads = {"scale": "scale", "n_factors": "factors", "warned": "warned"}
    return [(heads[name], partial(written, name)) for name in forms]


def cell(
    summary: pd.DataFrame, test: str, level: float, what: str, regime: Regime
) -> str:
    """Return mean and standard error, bold where too many edges are false."""
    at = regime.key, test, level
    if at not in summary.index or np.isnan(summary.at[at, what]):
        return "–"
    value, error = summary.at[at, what], summary.at[at, f"{what}_error"]
    text = short(value) if np.isnan(error) else f"{short(value)} ± {short(error)}"
    too_many = what == "fdp" and value > TOLERATED * level
    return f"**{text}**" if too_many else text


def short(value: float) -> str:
    """Return .045 for 0.045."""
    return f"{value:.3f}".removeprefix("0")


def table(regimes: list[Regime], columns: list[Column]) -> str:
    """Return a row for each regime, and a line of its own above each group."""
    lines = head(["regime, genes x samples", *(name for name, _ in columns)])
    for group, members in groupby(regimes, key=lambda regime: regime.group):
        lines.append(row([f"*{group}*", *[""] * len(columns)]))
        lines += [
            row([regime.key, *(write(regime) for _, write in columns)])
            for regime in members
        ]
    return "\n".join(lines)


def head(names: list[str]) -> list[str]:
    return [row(names), row(["---", *["--:"] * (len(names) - 1)])]


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def rewrite_page(page: Path, text: str) -> None:
    """Put the tables between the two marks of a page."""
    old = page.read_text(encoding="utf-8")
    if BEGIN not in old or END not in old:
        raise SystemExit(f"{page} has no lines {BEGIN} and {END}")
    before, rest = old.split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


# -------------------------------------------------------------------------- the figure
def draw_figure(
    summary: pd.DataFrame, regimes: list[Regime], path: Path, level: float = 0.05
) -> None:
    """Draw realised share and power of each regime at one level."""
    from matplotlib.figure import Figure

    heights, titles = layout([r for r in regimes if r.key in summary.index])
    n_lines = len(heights) + len(titles)
    size = (8.5, 1.2 + 0.17 * n_lines)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, what in zip(axes, ("fdp", "power"), strict=True):
        draw_panel(axis, summary, heights, what, level)
    shares, found = axes
    shares.axvspan(0, TOLERATED * level, color="0.9", zorder=0)
    shares.axvline(level, color="0.5", linewidth=1, zorder=1)
    # Small shares matter, and some are large: a scale of square roots.
    shares.set_xscale("function", functions=(signed_root, signed_square))
    shares.set_xlim(-0.0004, 1.03)
    shares.set_xticks([0, level, 0.2, 0.5, 1], ["0", str(level), "0.2", "0.5", "1"])
    shares.set_xlabel(f"realised share of false edges, nominal {level}")
    found.set_xlabel("share of true edges found")
    labels = {at: name for name, at in {**heights, **titles}.items()}
    shares.set_yticks(list(labels), list(labels.values()), fontsize=8)
    for text in shares.get_yticklabels():
        text.set_fontweight("bold" if text.get_text() in titles else "normal")
    shares.set_ylim(n_lines - 0.3, -0.7)
    figure.legend(
        *found.get_legend_handles_labels(), loc="outside upper right", ncols=3
    )
    figure.savefig(path, dpi=100)


def signed_root(values: NDArray) -> NDArray:
    return np.sign(values) * np.sqrt(np.abs(values))


def signed_square(values: NDArray) -> NDArray:
    return values * np.abs(values)


def layout(regimes: list[Regime]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the line of each regime, and of the title of each group."""
    heights: dict[str, int] = {}
    titles: dict[str, int] = {}
    for regime in regimes:
        if regime.group not in titles:
            titles[regime.group] = len(heights) + len(titles)
        heights[regime.key] = len(heights) + len(titles)
    return heights, titles


def draw_panel(
    axis: Any, summary: pd.DataFrame, heights: dict[str, int], what: str, level: float
) -> None:
    """Draw means and standard errors, each test a little above the next."""
    for shift, test in zip((-0.22, 0.0, 0.22), STYLES, strict=True):
        keys = [key for key in heights if (key, test, level) in summary.index]
        rows = summary.reindex([(key, test, level) for key in keys])
        colour, marker = STYLES[test]
        axis.errorbar(
            rows[what],
            [heights[key] + shift for key in keys],
            xerr=rows[f"{what}_error"].fillna(0),
            fmt=marker,
            color=colour,
            markersize=3.5,
            linewidth=1,
            label=test,
        )
    axis.grid(axis="x", color="0.92")
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right"]].set_visible(False)
