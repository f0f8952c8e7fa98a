"""How many digits are right on badly conditioned models: a table and a figure.

The package, the textbook's dense Woodbury formula and a dense Cholesky factor answer
the same five questions, and 50-digit arithmetic (`numerical_accuracy_exact.py`) says by
how much each is off. Loadings and specific variances count as exact.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numerical_accuracy_exact import (
    N_EXPECTED,
    Answers,
    Model,
    exact_answers,
    model_of_condition,
    models,
    random_model,
)
from numpy.typing import NDArray
from scipy import linalg

from sklearn_grn import DiagonalPlusLowRank, FactorPrecisionEstimator
from sklearn_grn._trust import expected_error

BEGIN = "<!-- numerical accuracy: begin -->"
END = "<!-- numerical accuracy: end -->"
QUANTITIES = [
    "diagonal of the precision",
    "partial correlations",
    "log determinant",
    "score",
    "Mahalanobis distance",
]
STYLES = {
    "sklearn_grn": ("#0072b2", "o"),
    "dense Woodbury": ("#d55e00", "s"),
    "dense Cholesky": ("#009e73", "^"),
}
CONDITIONS = [10.0**power for power in range(0, 15, 2)]
LAST_DIGITS = 1e-15  # errors below it are alike
WITHIN = 10.0  # times the best of the others


def main() -> None:
    options = read_options()
    size, seeds = (options.genes, options.rank), range(options.draws)
    drawn = [models(*size, seed) for seed in seeds]
    table = [measure(list(draws)) for draws in zip(*drawn, strict=True)]
    scatter = estimates([random_model(seed) for seed in range(options.scatter)])
    parts = [summary(table, options), markdown(drawn[0], table)]
    text = "\n\n".join([*parts, scatter_summary(scatter)])
    print(text)
    if options.page:
        rewrite_page(options.page, text)
    if options.figure:
        sweep = [
            measure([model_of_condition(*size, condition, seed) for seed in seeds])[0]
            for condition in CONDITIONS
        ]
        draw_figure(np.array(sweep), scatter, options.figure)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=30)
    parser.add_argument("--rank", type=int, default=5)
    parser.add_argument("--draws", type=int, default=25)
    parser.add_argument("--scatter", type=int, default=2000)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--figure", type=Path)
    return parser.parse_args()


# ----------------------------------------------------------------------- the methods
def fitted(model: Model) -> FactorPrecisionEstimator:
    """Return the estimator after all steps."""
    start = model.start if model.dense else DiagonalPlusLowRank(*model.start)
    estimator = FactorPrecisionEstimator(method="precomputed").fit(start)
    for number, step in enumerate(model.steps):
        if isinstance(step, int):
            names = [
                name for name in estimator.pathway_names_ if name.startswith(f"{step} ")
            ]
            estimator.remove_pathways(names)
        else:
            names = [f"{number} {column}" for column in range(step.shape[1])]
            estimator.partial_fit_pathways(step, names)
    return estimator


def ours(model: Model) -> Answers:
    estimator, samples = fitted(model), model.samples()
    return Answers(
        estimator.precision_.diagonal(),
        estimator.partial_correlation_.toarray(),
        estimator.covariance_.logdet(),
        estimator.score(samples[:N_EXPECTED]),
        estimator.mahalanobis(samples),
    )


def dense_woodbury(model: Model) -> Answers:
    """Update the dense precision by the textbook's formula, step by step."""
    steps = model.steps
    if model.dense:
        precision = np.linalg.inv(model.start)
        log_det = np.linalg.slogdet(model.start)[1]
    else:
        psi, first = model.start
        precision, log_det = np.diag(1 / psi), np.log(psi).sum()
        precision, log_det = woodbury_step(precision, log_det, first, 1.0)
    for step in steps:
        sign, columns = (
            (1.0, step) if not isinstance(step, int) else (-1.0, steps[step])
        )
        precision, log_det = woodbury_step(precision, log_det, columns, sign)
    samples = model.samples()
    distances = np.einsum("ij,jk,ik->i", samples, precision, samples)
    return dense_answers(precision, log_det, distances)


def woodbury_step(
    precision: NDArray, log_det: float, X: NDArray, sign: float
) -> tuple[NDArray, float]:
    product = precision @ X
    small = np.eye(X.shape[1]) + sign * X.T @ product
    updated = precision - sign * product @ np.linalg.inv(small) @ product.T
    return updated, log_det + np.linalg.slogdet(small)[1]


def dense_cholesky(model: Model) -> Answers:
    """Factorise the dense covariance of all columns there are in the end."""
    base, columns = model.pieces
    factor = linalg.cho_factor(base + columns @ columns.T, lower=True)
    precision = linalg.cho_solve(factor, np.eye(model.n_genes))
    log_det = 2 * np.log(factor[0].diagonal()).sum()
    whitened = linalg.solve_triangular(factor[0], model.samples().T, lower=True)
    return dense_answers(precision, log_det, np.square(whitened).sum(axis=0))


@np.errstate(invalid="ignore", divide="ignore")
def dense_answers(precision: NDArray, log_det: float, distances: NDArray) -> Answers:
    deviation = np.sqrt(precision.diagonal())
    rho = -precision / deviation / deviation[:, None]
    mean = distances[:N_EXPECTED].mean()
    score = -0.5 * (len(precision) * np.log(2 * np.pi) + log_det + mean)
    return Answers(precision.diagonal(), rho, log_det, score, distances)


METHODS: dict[str, Callable[[Model], Answers]] = {
    "sklearn_grn": ours,
    "dense Woodbury": dense_woodbury,
    "dense Cholesky": dense_cholesky,
}


# ------------------------------------------------------------------------ the errors
def measure(draws: list[Model]) -> tuple[NDArray, float]:
    """Return the median errors of methods and quantities, and what ours expects."""
    errors = [errors_of(model) for model in draws]
    expected = [expected_error(fitted(model)._state) for model in draws]
    return np.median(errors, axis=0), float(np.median(expected))


def errors_of(model: Model) -> NDArray:
    """Return errors of shape (n_methods, n_quantities), infinite for no answer."""
    truth = exact_answers(model)
    return np.array([compare(method, model, truth) for method in METHODS.values()])


def compare(
    method: Callable[[Model], Answers], model: Model, truth: Answers
) -> list[float]:
    try:
        given = method(model)
    except np.linalg.LinAlgError:
        return [np.inf] * len(QUANTITIES)
    off = ~np.eye(model.n_genes, dtype=bool)
    differences = [
        relative(given.precision_diagonal, truth.precision_diagonal),
        np.abs(given.partial_correlation - truth.partial_correlation)[off].max(),
        relative(given.log_determinant, truth.log_determinant, least=1.0),
        relative(given.score, truth.score, least=1.0),
        relative(given.distance, truth.distance),
    ]
    return [float(error) if np.isfinite(error) else np.inf for error in differences]


def relative(given: Any, truth: Any, least: float = 0.0) -> float:
    """Return the largest error relative to the truth, or to `least` if that is more."""
    return float(np.max(np.abs(given - truth) / np.maximum(np.abs(truth), least)))


def ratio_to_best(errors: NDArray) -> NDArray:
    """Return the error of ours over the best of the others, for each quantity."""
    return np.maximum(errors[0], LAST_DIGITS) / np.maximum(
        errors[1:].min(axis=0), LAST_DIGITS
    )


def estimates(random: list[Model]) -> NDArray:
    """Return expected and true error of each model."""
    rows = []
    for model in random:
        truth, estimator = exact_answers(model), fitted(model)
        errors = compare(ours, model, truth)
        rows.append([expected_error(estimator._state), max(errors[:2])])
    return np.array(rows)


# -------------------------------------------------------------------------- the page
def summary(table: list[tuple[NDArray, float]], options: argparse.Namespace) -> str:
    errors = np.array([row for row, _ in table])
    ratios = np.array([ratio_to_best(row) for row in errors])
    row, quantity = np.unravel_index(ratios.argmax(), ratios.shape)
    lost = [
        (np.isinf(errors[:, i]) | (errors[:, i] > 1e-6)).any(axis=1) for i in (1, 2)
    ]
    return (
        f"{options.genes} genes, {options.rank} columns to begin with; medians of "
        f"{options.draws} draws. In no row is the package more than "
        f"{max(1.0, ratios[row, quantity]):.1f} times worse than the better of the two "
        f"others (errors below {LAST_DIGITS:.0e} count as that). Dense Woodbury is off "
        f"by more than 1e-6, or fails, in {lost[0].sum()} of {len(table)} rows, dense "
        f"Cholesky in {lost[1].sum()}, the package in "
        f"{(errors[:, 0] > 1e-6).any(axis=1).sum()}."
    )


def markdown(rows: list[Model], table: list[tuple[NDArray, float]]) -> str:
    """Return a row for each model, and a line of its own above each group."""
    heads = ["model", *QUANTITIES, "own estimate"]
    lines = [line(heads), line(["---", *["--:"] * (len(heads) - 1)])]
    pairs = zip(rows, table, strict=True)
    for group, members in groupby(pairs, key=lambda pair: pair[0].group):
        lines.append(line([f"*{group}*", *[""] * (len(heads) - 1)]))
        for model, (errors, expected) in members:
            cells = [" / ".join(map(short, column)) for column in errors.T]
            lines.append(line([model.name, *cells, short(expected)]))
    return "\n".join(lines)


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def short(error: float) -> str:
    if np.isinf(error):
        return "fails"
    if error >= 0.95:
        return "≥ 1"
    if error < LAST_DIGITS:
        return "0"
    return f"{error:.0e}".replace("e-0", "e-")


def rewrite_page(page: Path, text: str) -> None:
    """Put the table between the two marks of a page."""
    old = page.read_text(encoding="utf-8")
    if BEGIN not in old or END not in old:
        raise SystemExit(f"{page} has no lines {BEGIN} and {END}")
    before, rest = old.split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


# ------------------------------------------------------------------------ the figure
def draw_figure(sweep: NDArray, scatter: NDArray, path: Path) -> None:
    """Draw errors against condition, and expected against true errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5.6), layout="constrained")
    axes = figure.subplots(2, 3)
    for number, name in enumerate(QUANTITIES):
        axis = axes.flat[number]
        draw_sweep(axis, sweep[:, :, number])
        axis.set_title(name, fontsize=9)
    draw_scatter(axes.flat[-1], scatter)
    for axis in axes[:, 0]:
        axis.set_ylabel("error")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    figure.savefig(path, dpi=100)


def draw_sweep(axis: Any, errors: NDArray) -> None:
    """Draw a line for each method; what it cannot do is left out."""
    for (method, (colour, marker)), values in zip(
        STYLES.items(), errors.T, strict=True
    ):
        shown = np.where(np.isfinite(values), np.clip(values, 1e-16, 10), np.nan)
        look = {"color": colour, "marker": marker, "markersize": 4, "label": method}
        axis.plot(CONDITIONS, shown, zorder=3 if method == "sklearn_grn" else 2, **look)
    axis.axhspan(1, 30, color="0.9", zorder=0)
    axis.set(xscale="log", yscale="log", ylim=(3e-17, 30), xlabel="condition number")
    tidy(axis)


def draw_scatter(axis: Any, scatter: NDArray) -> None:
    """Draw expected against true errors, with bounds of two orders."""
    expected, true = np.clip(scatter, 1e-16, 1).T
    axis.plot(true, expected, ".", color="0.35", markersize=2, rasterized=True)
    ends = np.array([1e-16, 1.0])
    axis.fill_between(ends, ends / 100, ends * 100, color="#0072b2", alpha=0.15, lw=0)
    axis.axhline(1e-6, color="#d55e00", linewidth=1)
    axis.text(1.5e-16, 2e-6, "warns", color="#d55e00", fontsize=8)
    axis.set(xscale="log", yscale="log", xlim=(1e-16, 1), ylim=(3e-17, 30))
    axis.set_xlabel("true error")
    axis.set_title("own estimate of the error", fontsize=9)
    tidy(axis)


def tidy(axis: Any) -> None:
    axis.grid(color="0.92")
    axis.tick_params(labelsize=8)
    axis.xaxis.label.set_size(8)
    axis.spines[["top", "right"]].set_visible(False)


def scatter_summary(scatter: NDArray) -> str:
    expected, true = scatter.T
    ratio = expected[true > 1e-8] / true[true > 1e-8]
    wrong, warned = true > 1e-6, expected > 1e-6
    return (
        f"Of {len(true)} random models {len(ratio)} have an error beyond 1e-8, and the "
        f"estimate is {ratio.min():.1g} to {ratio.max():.0f} times that error. It is "
        f"beyond 1e-6 in {wrong.sum()}, {(wrong & ~warned).sum()} of them without a "
        f"warning. {(warned & (true < 1e-8)).sum()} of {warned.sum()} warnings were "
        "for an error below 1e-8."
    )


if __name__ == "__main__":
    main()
