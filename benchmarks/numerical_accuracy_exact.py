"""Badly conditioned models, and what 50-digit arithmetic says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import mpmath
import numpy as np
from numpy.typing import NDArray

from sklearn_grn import DiagonalPlusLowRank

DIGITS = 50
N_EXPECTED = 2  # samples, the first ones, that are scored


class Answers(NamedTuple):
    """What is asked of a covariance."""

    precision_diagonal: NDArray
    partial_correlation: NDArray
    log_determinant: float
    score: float
    distance: NDArray


@dataclass(frozen=True, eq=False)
class Model:
    """A covariance to begin with, and pathways that come and go.

    A start is psi and L of diag(psi) + L L', or a dense covariance. A step adds the
    columns of an array, or removes those of the step of that number.
    """

    name: str
    group: str
    start: tuple[NDArray, NDArray] | NDArray
    steps: tuple[NDArray | int, ...] = ()

    @property
    def dense(self) -> bool:
        return isinstance(self.start, np.ndarray)

    @property
    def pieces(self) -> tuple[NDArray, NDArray]:
        """What the covariance is in the end: a matrix (or a diagonal), and columns."""
        base, first = self.start, np.empty((self.n_genes, 0))
        if not self.dense:
            base, first = np.diag(self.start[0]), self.start[1]
        gone = {step for step in self.steps if isinstance(step, int)}
        left = [
            step
            for number, step in enumerate(self.steps)
            if not isinstance(step, int) and number not in gone
        ]
        return base, np.hstack([first, *left])

    @property
    def n_genes(self) -> int:
        return len(self.start if self.dense else self.start[0])

    def samples(self) -> NDArray:
        """Return four samples: two of the model, and two that it does not expect.

        Of these one has the variances of the model and no correlations, one only the
        specific variances.
        """
        base, columns = self.pieces
        drawn = np.random.default_rng(1).normal(size=(4, self.n_genes))
        values, axes = np.linalg.eigh(base) if self.dense else (base.diagonal(), 1.0)
        alone = drawn * np.sqrt(np.maximum(values, 0.0))
        if self.dense:
            alone = alone @ axes.T
        factors = np.random.default_rng(2).normal(size=(2, columns.shape[1]))
        variance = base.diagonal() + np.square(columns).sum(axis=1)
        expected = alone[:2] + factors @ columns.T
        return np.vstack([expected, drawn[2] * np.sqrt(variance), alone[3]])


# ------------------------------------------------------------------------ the models
def models(n_genes: int, rank: int, seed: int) -> list[Model]:
    """Return a model for each row of the table."""
    rng = np.random.default_rng(seed)
    return [
        *noise_models(rng, n_genes, rank),
        *pathway_models(rng, n_genes, rank),
        *unit_models(rng, n_genes, rank),
        *chains(rng, n_genes, rank),
        *dense_models(rng, n_genes),
    ]


def noise_models(rng: np.random.Generator, n_genes: int, rank: int) -> Iterator[Model]:
    def normal(n_columns: int) -> NDArray:
        return rng.normal(size=(n_genes, n_columns))

    ordinary = rng.uniform(0.5, 1.5, n_genes)
    order = np.arange(n_genes)
    twice, loadings = normal(2), normal(rank)
    loadings[1], twice[1] = loadings[0], twice[0]
    group = "Specific variances"
    for name, psi, columns, step in [
        ("about 1", ordinary, normal(rank), normal(2)),
        ("one of 1e-12", np.where(order < 1, 1e-12, ordinary), normal(rank), normal(2)),
        (
            "more of 1e-12 than columns",
            np.where(order < rank + 3, 1e-12, ordinary),
            normal(rank),
            normal(2),
        ),
        (
            "1e-12 to 1e12",
            10.0 ** rng.permutation(np.linspace(-12, 12, n_genes)),
            normal(rank),
            normal(2),
        ),
        ("two genes alike", ordinary, loadings, twice),
        (
            "two genes alike, 1e-12 each",
            np.where(order < 2, 1e-12, ordinary),
            loadings,
            twice,
        ),
    ]:
        yield Model(name, group, (psi, columns), (step,))


def pathway_models(
    rng: np.random.Generator, n_genes: int, rank: int
) -> Iterator[Model]:
    def normal(n_columns: int) -> NDArray:
        return rng.normal(size=(n_genes, n_columns))

    start = rng.uniform(0.5, 1.5, n_genes), normal(rank)
    gene, pathway = np.eye(n_genes)[:, 4:5], normal(1)
    near = pathway + 1e-8 * normal(1)
    for name, steps in [
        ("the same twice", (pathway, pathway)),
        ("two that differ by 1e-8", (pathway, near)),
        ("1e8, the same twice", (1e8 * pathway, 1e8 * pathway)),
        ("1e4, two that differ by 1e-4", (1e4 * pathway, 1e4 * pathway + normal(1))),
        ("1e8, two that differ by 1e-8", (1e8 * pathway, 1e8 * near)),
        ("1e8 on one gene", (1e8 * gene,)),
        ("1e8 on one gene of many", (1e8 * gene + normal(1),)),
    ]:
        yield Model(name, "Pathways", start, steps)


def unit_models(rng: np.random.Generator, n_genes: int, rank: int) -> Iterator[Model]:
    def normal(n_columns: int) -> NDArray:
        return rng.normal(size=(n_genes, n_columns))

    psi, group = rng.uniform(0.5, 1.5, n_genes), "Units"
    unit = 10.0 ** rng.permutation(np.linspace(-8, 8, n_genes))
    genes = psi * unit**2, normal(rank) * unit[:, None]
    yield Model("genes in 1e-8 to 1e8", group, genes, (normal(2) * unit[:, None],))
    lengths = np.geomspace(1e-8, 1e8, rank)
    columns = psi, normal(rank) * lengths
    yield Model("columns of 1e-8 to 1e8", group, columns, (normal(2) * [1e8, 1e-8],))


def chains(rng: np.random.Generator, n_genes: int, rank: int) -> Iterator[Model]:
    def normal(n_columns: int) -> NDArray:
        return rng.normal(size=(n_genes, n_columns))

    psi, group = rng.uniform(0.5, 1.5, n_genes), "Fit, add, add, remove, add"
    wide = 10.0 ** rng.permutation(np.linspace(-12, 12, n_genes))
    gene, huge = 1e8 * np.eye(n_genes)[:, 4:5], 1e8 * normal(1)
    for name, noise, steps in [
        ("ordinary pathways", psi, (normal(2), normal(2), 0, normal(1))),
        ("1e8 comes and goes", psi, (normal(2), huge, 1, normal(1))),
        ("1e8 on one gene comes and goes", psi, (gene, normal(2), 0, normal(1))),
        ("1e8 twice, one goes", psi, (huge, huge, 0, normal(1))),
        ("1e8 stays", psi, (huge, normal(2), 1, normal(1))),
        (
            "specific variances 1e-12 to 1e12",
            wide,
            (normal(2), normal(2), 0, normal(1)),
        ),
    ]:
        yield Model(name, group, (noise, normal(rank)), steps)


def dense_models(rng: np.random.Generator, n_genes: int) -> Iterator[Model]:
    def normal(n_columns: int) -> NDArray:
        return rng.normal(size=(n_genes, n_columns))

    group = "Dense covariance"
    for condition in [1e2, 1e6, 1e10, 1e12]:
        start = dense_covariance(rng, n_genes, condition)
        name = f"condition {power_of_ten(condition)}"
        yield Model(name, group, start)
        yield Model(f"{name}, weak pathway", group, start, (1e-3 * normal(1),))
        steps = normal(2), normal(2), 0, normal(1)
        yield Model(f"{name}, add, add, remove, add", group, start, steps)
    for share in [1e-6, 1e-10]:
        samples = normal(n_genes + 10)
        samples[1] = samples[0] + share**0.5 * samples[1]
        covariance = samples @ samples.T
        name = f"two genes alike but for {power_of_ten(share)}"
        yield Model(name, group, covariance)


def power_of_ten(value: float) -> str:
    return f"1e{round(np.log10(value))}"


def dense_covariance(
    rng: np.random.Generator, n_genes: int, condition: float
) -> NDArray:
    """Return a matrix with eigenvalues from 1 to 1 / condition, randomly turned."""
    axes = np.linalg.qr(rng.normal(size=(n_genes, n_genes)))[0]
    matrix = (axes * np.geomspace(1, 1 / condition, n_genes)) @ axes.T
    return 0.5 * (matrix + matrix.T)


def model_of_condition(n_genes: int, rank: int, condition: float, seed: int) -> Model:
    """Return a model whose covariance has a condition number, by bisection."""
    rng = np.random.default_rng(seed)
    shares = rng.permutation(np.linspace(0, 1, n_genes))
    loadings = rng.normal(size=(n_genes, rank)) / n_genes**0.5

    def at(decades: float) -> tuple[NDArray, NDArray]:
        return 10.0 ** (-decades * shares), (1 - 10.0**-decades) * loadings

    least, most = 0.0, 40.0
    for _ in range(60):
        middle = 0.5 * (least + most)
        reached = DiagonalPlusLowRank(*at(middle)).condition_number()
        least, most = (middle, most) if reached < condition else (least, middle)
    return Model(power_of_ten(condition), "Sweep", at(0.5 * (least + most)))


def random_model(seed: int, n_genes: int = 10, rank: int = 4) -> Model:
    """Return a model in which one to three things are wrong, more or less so."""
    rng = np.random.default_rng(seed)
    psi = 10.0 ** rng.uniform(-1, 1) * rng.uniform(0.5, 1.5, n_genes)
    loadings = rng.normal(size=(n_genes, rank))
    for fault in rng.choice(FAULTS, size=rng.integers(1, 4), replace=False):
        psi, loadings = fault(rng, psi, loadings)
    return Model(f"model {seed}", "Scatter", (psi, loadings))


def spread_noise(rng, psi, loadings):
    reach = rng.uniform(0, 12, size=2)
    return 10.0 ** rng.uniform(-reach[0], reach[1], len(psi)), loadings


def shrink_noise(rng, psi, loadings):
    few = np.arange(len(psi)) < rng.integers(1, len(psi))
    return np.where(few, 10.0 ** -rng.uniform(0, 14), psi), loadings


def spread_columns(rng, psi, loadings):
    return psi, loadings * 10.0 ** rng.uniform(-8, 8, loadings.shape[1])


def align_columns(rng, psi, loadings):
    column = rng.integers(1, loadings.shape[1])
    mixture = loadings[:, :column] @ rng.normal(size=column)
    loadings = loadings.copy()
    loadings[:, column] *= 10.0 ** -rng.uniform(0, 12)
    loadings[:, column] += 10.0 ** rng.uniform(-2, 2) * mixture
    return psi, loadings * 10.0 ** rng.uniform(0, 10)


def load_one_gene(rng, psi, loadings):
    loadings = loadings.copy()
    loadings[rng.integers(len(psi)), 0] += 10.0 ** rng.uniform(0, 10)
    return psi, loadings


def double_gene(rng, psi, loadings):
    psi, loadings = psi.copy(), loadings.copy()
    difference = 10.0 ** -rng.uniform(0, 16) * rng.normal(size=loadings.shape[1])
    loadings[1] = loadings[0] * (1 + difference)
    psi[:2] = 10.0 ** -rng.uniform(0, 14)
    return psi, loadings


FAULTS = [
    spread_noise,
    shrink_noise,
    spread_columns,
    align_columns,
    load_one_gene,
    double_gene,
]


# ------------------------------------------------------------------------- the truth
def exact_answers(model: Model, digits: int = DIGITS) -> Answers:
    """Return the answers of arithmetic with so many digits, rounded once at the end."""
    with mpmath.workdps(digits):
        triangle = _triangle(_covariance(model))
        inverse = _inverse_columns(triangle)
        genes = range(len(triangle))
        precision = [
            [mpmath.fdot(inverse[i], inverse[j][i - j :]) for j in range(i + 1)]
            for i in genes
        ]
        root = [mpmath.sqrt(precision[i][i]) for i in genes]
        rho = np.ones((len(root), len(root)))
        for i in genes:
            for j in range(i):
                rho[i, j] = rho[j, i] = -precision[i][j] / (root[i] * root[j])
        distances = [_distance(triangle, sample) for sample in model.samples().tolist()]
        log_det = 2 * mpmath.fsum(mpmath.log(triangle[i][i]) for i in genes)
        mean = mpmath.fsum(distances[:N_EXPECTED]) / N_EXPECTED
        score = -(len(root) * mpmath.log(2 * mpmath.pi) + log_det + mean) / 2
        diagonal = np.array([float(precision[i][i]) for i in genes])
        distance = np.array([float(value) for value in distances])
        return Answers(diagonal, rho, float(log_det), float(score), distance)


def _covariance(model: Model) -> list[list]:
    base, columns = model.pieces
    rows = [[mpmath.mpf(value) for value in row] for row in columns.tolist()]
    return [
        [base[i, j].item() + mpmath.fdot(rows[i], rows[j]) for j in range(i + 1)]
        for i in range(len(rows))
    ]


def _triangle(covariance: list[list]) -> list[list]:
    """Return the rows of the Cholesky factor."""
    triangle: list[list] = []
    for i, wanted in enumerate(covariance):
        row: list = []
        for j in range(i):
            known = mpmath.fdot(row, triangle[j][:j])
            row.append((wanted[j] - known) / triangle[j][j])
        row.append(mpmath.sqrt(wanted[i] - mpmath.fdot(row, row)))
        triangle.append(row)
    return triangle


def _inverse_columns(triangle: list[list]) -> list[list]:
    """Return the columns of the inverse of a triangle, each from its diagonal on."""
    columns = []
    for j in range(len(triangle)):
        column = [1 / triangle[j][j]]
        for i in range(j + 1, len(triangle)):
            column.append(-mpmath.fdot(triangle[i][j:i], column) / triangle[i][i])
        columns.append(column)
    return columns


def _distance(triangle: list[list], sample: list[float]):
    solved: list = []
    for row, value in zip(triangle, sample, strict=True):
        solved.append((value - mpmath.fdot(row[:-1], solved)) / row[-1])
    return mpmath.fdot(solved, solved)
