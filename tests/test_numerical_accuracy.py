"""The benchmark of numerical accuracy measures rightly, and its claims hold."""

import importlib
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

# That digits are lost is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:partial correlations may be off")

CHECKOUT = Path(__file__).parents[1]
sys.path.insert(0, str(CHECKOUT / "benchmarks"))
benchmark = importlib.import_module("numerical_accuracy")
exact = importlib.import_module("numerical_accuracy_exact")
PAGE = CHECKOUT / "docs" / "numerical_accuracy.md"

SIZE = 12, 4  # genes, columns to begin with
ROWS = [(model.group, model.name) for model in exact.models(*SIZE, 0)]
FACTORED = [row for row in ROWS if row[0] != "Dense covariance"]
DENSE = [row for row in ROWS if row[0] == "Dense covariance"]


def model_of(row, seed=0):
    models = exact.models(*SIZE, seed)
    return next(model for model in models if (model.group, model.name) == row)


@cache
def errors_of(row, seed=0):
    return benchmark.errors_of(model_of(row, seed))


# ------------------------------------------------------------------- how it measures
@pytest.mark.parametrize("row", [ROWS[0], DENSE[0]])
def test_exact_answers_are_those_of_numpy_on_an_easy_model(row):
    model = model_of(row)
    base, columns = model.pieces
    covariance, samples = base + columns @ columns.T, model.samples()
    precision = np.linalg.inv(covariance)
    deviation = np.sqrt(precision.diagonal())
    answers = exact.exact_answers(model)
    assert_allclose(answers.precision_diagonal, precision.diagonal(), rtol=1e-12)
    rho = -precision / np.outer(deviation, deviation)
    np.fill_diagonal(rho, 1)
    assert_allclose(answers.partial_correlation, rho, atol=1e-12)
    log_det = np.linalg.slogdet(covariance)[1]
    assert_allclose(answers.log_determinant, log_det, rtol=1e-12)
    distances = np.einsum("ij,jk,ik->i", samples, precision, samples)
    assert_allclose(answers.distance, distances, rtol=1e-12)
    score = -0.5 * (12 * np.log(2 * np.pi) + log_det + distances[:2].mean())
    assert_allclose(answers.score, score, rtol=1e-12)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row[1] in ("1e-12 to 1e12", "1e8, the same twice")]
)
def test_fifty_digits_are_enough(row):
    model = model_of(row)
    fifty, eighty = (exact.exact_answers(model, digits) for digits in (50, 80))
    for given, expected in zip(fifty, eighty, strict=True):
        assert_allclose(given, expected, rtol=1e-15)


def test_steps_add_and_remove_columns():
    parts = [np.full((3, 1), value) for value in (1.0, 2.0, 3.0)]
    model = exact.Model("", "", (np.ones(3), parts[0]), (parts[1], parts[2], 0))
    base, columns = model.pieces
    assert_allclose(base, np.eye(3))
    assert_allclose(columns, np.hstack([parts[0], parts[2]]))


@pytest.mark.parametrize("condition", [1e2, 1e8, 1e14])
def test_models_have_the_condition_that_is_asked_for(condition):
    start = exact.model_of_condition(*SIZE, condition, 0).start
    reached = exact.DiagonalPlusLowRank(*start).condition_number()
    assert_allclose(reached, condition, rtol=1e-3)


@pytest.mark.parametrize(
    "method", [benchmark.dense_woodbury, benchmark.dense_cholesky, benchmark.ours]
)
@pytest.mark.parametrize("row", [ROWS[0], ("Fit, add, add, remove, add", ROWS[15][1])])
def test_all_methods_agree_on_easy_models(method, row):
    model = model_of(row)
    errors = benchmark.compare(method, model, exact.exact_answers(model))
    assert max(errors) < 1e-11


def test_errors_are_of_the_size_of_a_known_change():
    model = model_of(ROWS[0])
    truth = exact.exact_answers(model)
    rho = truth.partial_correlation + 0.25 * np.eye(12)[::-1]
    wrong = exact.Answers(
        truth.precision_diagonal * np.linspace(1, 1.5, 12),
        rho,
        truth.log_determinant * 1.01,
        truth.score * 0.98,
        truth.distance * [1, 1, 1, 3],
    )
    errors = benchmark.compare(lambda _: wrong, model, truth)
    assert_allclose(errors, [0.5, 0.25, 0.01, 0.02, 2.0])


def test_a_method_that_stops_has_an_infinite_error():
    def stops(_):
        raise np.linalg.LinAlgError

    model = model_of(ROWS[0])
    assert benchmark.compare(stops, model, exact.exact_answers(model)) == [np.inf] * 5


# ------------------------------------------------------------------ what it claims
@pytest.mark.parametrize("row", FACTORED)
def test_no_more_than_ten_times_worse_than_the_best(row):
    assert benchmark.ratio_to_best(errors_of(row)).max() <= 10


@pytest.mark.parametrize("row", DENSE)
def test_of_a_dense_covariance_not_on_average_either(row):
    errors = np.median([errors_of(row, seed) for seed in range(7)], axis=0)
    assert benchmark.ratio_to_best(errors)[:2].max() <= 10


@pytest.mark.parametrize("row", FACTORED)
def test_precision_and_determinant_of_factored_models(row):
    near = 1e-6 if "differ by 1e-8" in row[1] else 1e-9
    assert errors_of(row)[0, :3].max() < near


def test_textbook_loses_all_digits_of_a_huge_pathway_on_one_gene():
    errors = errors_of(("Pathways", "1e8 on one gene"))
    assert errors[1, 0] > 1e-3
    assert errors[0, 0] < 1e-14


def test_dense_cholesky_fails_on_two_huge_pathways():
    assert np.isinf(errors_of(("Pathways", "1e8, the same twice"))[2]).all()


def test_weak_pathway_does_not_magnify_the_error_of_a_dense_inverse():
    rows = [row for row in DENSE if row[1] == "condition 1e10, weak pathway"]
    before = ("Dense covariance", "condition 1e10")
    seeds = range(5)
    error = np.median([errors_of(rows[0], seed)[0, 1] for seed in seeds])
    assert error < 3 * np.median([errors_of(before, seed)[0, 1] for seed in seeds])


def test_random_models_expect_their_errors():
    expected, true = benchmark.estimates([exact.random_model(s) for s in range(300)]).T
    seen = true > 1e-8
    assert seen.sum() > 5
    assert ((expected[seen] / true[seen] > 0.1) & (expected < 1e3 * true)[seen]).all()


# --------------------------------------------------------------------------- the page
def test_page_has_a_row_for_each_model():
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition(benchmark.BEGIN)[2].partition(benchmark.END)[0]
    assert [line.split(" | ")[0][2:] for line in table.splitlines() if "/" in line] == [
        name for _, name in ROWS
    ]


def test_numbers_are_short():
    written = [benchmark.short(error) for error in (0, 3e-16, 4.2e-9, 2e-12, 0.99, 7)]
    assert written == ["0", "0", "4e-9", "2e-12", "≥ 1", "≥ 1"]
    assert benchmark.short(np.inf) == "fails"


def test_figure_is_drawn(tmp_path):
    sweep = 10.0 ** np.random.default_rng(0).uniform(-17, 2, size=(8, 3, 5))
    sweep[-1, 2] = np.inf
    benchmark.draw_figure(sweep, np.full((4, 2), 1e-9), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
