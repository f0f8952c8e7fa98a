"""How the ranking moves when each constant of the regulatory score changes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from accuracy_report import row
from accuracy_sets import Known
from sklearn.metrics import average_precision_score

from sklearn_grn._regulatory_score import Constants, regulatory_score
from sklearn_grn._regulatory_search import strongest_links

EXPONENTS = (0.0, 0.25, 0.5, 1.0)  # in place of the one that is read from the table


def constants_table(sets: list[Known]) -> str:
    """Return the change of directed AUPR for each constant halved and doubled."""
    usual = averaged(sets)
    names = list(usual)
    lines = [row(["constant", "", *names]), row(["---", "---", *["--:"] * len(names)])]
    values = [f"{value:.3f}".removeprefix("0") for value in usual.values()]
    lines.append(row(["*as they are*", "AUPR", *values]))
    for name, label, constants, exponent in variations():
        areas = averaged(sets, constants, exponent)
        changes = [f"{100 * (areas[key] / usual[key] - 1):+.0f} %" for key in names]
        lines.append(row([f"`{name}`", label, *changes]))
    return "\n".join(lines)


def variations() -> Iterator[tuple[str, str, Constants, float | None]]:
    """Yield a name, what it becomes, all constants, and the exponent if it is given."""
    usual = Constants()
    for name, value in usual._asdict().items():
        for factor in (0.5, 2.0):
            changed = type(value)(factor * value)
            if name == "shrinkage":  # its ratio: 19 parts of the diagonal to one
                ratio = factor * value / (1 - value)
                changed = ratio / (1 + ratio)
            yield name, f"{changed:.3g}", usual._replace(**{name: changed}), None
    for exponent in EXPONENTS:
        yield "hub_exponent", f"{exponent:g}", usual, exponent


def averaged(
    sets: list[Known],
    constants: Constants | None = None,
    exponent: float | None = None,
) -> dict[str, float]:
    """Return the mean area for each name of a set."""
    areas: dict[str, list[float]] = {}
    for known in sets:
        areas.setdefault(known.name, []).append(area(known, constants, exponent))
    return {name: float(np.mean(values)) for name, values in areas.items()}


def area(known: Known, constants: Constants | None, exponent: float | None) -> float:
    mask = np.ones(len(known.true), dtype=bool)
    if known.regulators is not None:
        mask = np.isin(np.arange(len(mask)), known.regulators)
    ranked = regulatory_score(known.table, mask, constants, exponent)
    found, _ = strongest_links(ranked, None)
    score = np.zeros(known.true.shape)
    score[found.sources, found.targets] = found.scores
    return average_precision_score(known.true[known.judged], score[known.judged])
