"""The benchmark of calibration counts rightly, and a small run holds its level."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.random import RandomState
from numpy.testing import assert_allclose, assert_array_equal

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
calibration = importlib.import_module("calibration")
regimes = importlib.import_module("calibration_regimes")
pages = importlib.import_module("calibration_report")
SMALL = regimes.Regime("small", "A group", 20, 30)


@pytest.fixture
def samples():
    return RandomState(0).standard_normal((2000, 12))


def find(key):
    return next(regime for regime in regimes.REGIMES if regime.key == key)


def oracle(table):
    """Find three edges and a false one at .05, and another false one at .2."""
    _, network = SMALL.draw(0)
    linked = network.toarray() != 0
    true, false = (np.argwhere(np.triu(which, 1)) for which in (linked, ~linked))
    pairs = np.vstack([true[:3], false[:1], false[1:2]])
    qvalues = np.array([0.0, 0.01, 0.02, 0.04, 0.15])
    return pairs[:, 0], pairs[:, 1], qvalues, {"scale": 1.1, "n_factors": 2}


def run_oracle(results, seeds=1, name="LPO"):
    calibration.run([SMALL], range(seeds), {name: oracle}, results, 1)
    return calibration.read(results)


# ------------------------------------------------------------------------ the regimes
def test_regimes_have_names_of_their_own():
    keys = [regime.key for regime in regimes.REGIMES]
    assert len(set(keys)) == len(keys)
    assert set(calibration.QUICK) <= set(keys)


def test_same_seed_same_table():
    regime = find("counts of 29, log, 300 x 150")
    first, again, other = (regime.draw(seed)[0] for seed in (3, 3, 4))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_transformed_and_raw_tables_are_the_same_ones():
    raw, log = (
        find(f"counts of 29, {form}, 300 x 150").draw(0)[0] for form in ("raw", "log")
    )
    assert_array_equal(np.log1p(raw), log)


def test_factors_carry_their_share(samples):
    changed = regimes.add_factors(samples, RandomState(1), 3, 0.4)
    hidden = changed - 0.6**0.5 * samples
    assert np.linalg.matrix_rank(hidden) == 3
    assert hidden.var(axis=0).mean() == pytest.approx(0.4, abs=0.15)


def test_batches_shift_samples_together(samples):
    shifts = regimes.add_batches(samples, RandomState(1), 4, 0.7) - samples
    assert_allclose(shifts[::4], np.tile(shifts[0], (500, 1)))
    assert len(np.unique(shifts[:, 0].round(9))) == 4


@pytest.mark.parametrize(
    ("change", "parameters"),
    [("stretch_margins", {"df": 3}), ("skew_margins", {"sigma": 1.0})],
)
def test_ranks_undo_what_margins_suffer(samples, change, parameters):
    changed = getattr(regimes, change)(samples, RandomState(1), **parameters)
    assert not np.allclose(changed, samples)
    before, after = (regimes.rank_normal(x, RandomState(2)) for x in (samples, changed))
    assert_array_equal(before, after)


def test_normal_scores_are_normal(samples):
    scores = regimes.rank_normal(np.exp(samples), RandomState(0))
    assert_allclose(scores.mean(axis=0), 0, atol=1e-12)
    assert_allclose(scores.std(axis=0), 1, atol=1e-2)
    tied = regimes.rank_normal(np.array([[1.0], [1.0], [5.0]]), RandomState(0))
    assert tied[0] == tied[1] < tied[2]


def test_outlying_samples_are_as_many_as_said(samples):
    changed = regimes.add_outlying_samples(samples, RandomState(1), 0.02, 6.0)
    factor = changed / samples
    assert_allclose(np.sort(factor[:, 0])[-40:], 6)
    assert_allclose(np.sort(factor[:, 0])[:-40], 1)


def test_autocorrelation_is_the_coefficient_and_the_variance_stays(samples):
    changed = regimes.autocorrelate(samples, RandomState(1), 0.6)
    lagged = [np.corrcoef(x[1:], x[:-1])[0, 1] for x in changed.T]
    assert np.mean(lagged) == pytest.approx(0.6, abs=0.02)
    assert changed.var() == pytest.approx(1, abs=0.05)


def test_replicates_share_a_sample(samples):
    changed = regimes.replicate(samples, RandomState(1), 3, 0.0)
    assert_array_equal(changed[:6], samples[[0, 0, 0, 1, 1, 1]])


def test_counts_have_their_mean_and_dispersion():
    flat = np.zeros((20_000, 8))
    poisson = regimes.count(flat, RandomState(1), 20)
    ratio = poisson.var(axis=0) / poisson.mean(axis=0)
    assert_allclose(ratio, 1, atol=0.06)
    overdispersed = regimes.count(flat, RandomState(1), 20, 0.5)
    mean = overdispersed.mean(axis=0)
    assert_allclose(overdispersed.var(axis=0), mean + 0.5 * mean**2, rtol=0.1)


def test_measurement_error_keeps_the_variance(samples):
    changed = regimes.add_noise(samples, RandomState(1), 0.2)
    assert_allclose(changed.var(axis=0), 1, atol=0.15)
    assert np.corrcoef(changed[:, 0], samples[:, 0])[0, 1] == pytest.approx(
        0.8**0.5, abs=0.02
    )


# --------------------------------------------------------------------------- the runs
def test_discoveries_are_counted_at_each_level(tmp_path):
    table = run_oracle(tmp_path / "results.csv")
    assert table["level"].tolist() == [0.05, 0.1, 0.2]
    assert table["found"].tolist() == [4, 4, 5]
    assert table["false"].tolist() == [1, 1, 2]
    assert table["n_links"].tolist() == [20, 20, 20]


def test_run_goes_on_where_it_stopped(tmp_path):
    results = tmp_path / "results.csv"
    run_oracle(results)
    table = run_oracle(results, seeds=3)
    assert table.groupby("seed").size().to_dict() == {0: 3, 1: 3, 2: 3}


def test_forgotten_results_are_made_again(tmp_path):
    results = tmp_path / "results.csv"
    run_oracle(results)
    run_oracle(results, name="GeneNet")
    calibration.forget(results, [SMALL], {"LPO": oracle})
    assert calibration.finished(results) == {(SMALL.key, 0, "GeneNet")}


def test_classical_test_needs_more_samples_than_genes():
    assert calibration.applies("t", find("random, degree 2, 200 x 400"))
    assert not calibration.applies("t", find("ten hubs, 300 x 300"))
    assert calibration.applies("LPO", find("ten hubs, 300 x 300"))


def test_summary_is_mean_and_standard_error():
    rows = [
        {"found": found, "false": false, "n_links": 10, "seed": seed}
        for seed, (found, false) in enumerate([(4, 1), (0, 0), (5, 5)])
    ]
    same = {"regime": "R", "test": "LPO", "level": 0.05, "scale": 1.0}
    table = pd.DataFrame(rows).assign(**same, n_factors=0, warned=[0, 0, 1])
    means = calibration.summary(table).loc[("R", "LPO", 0.05)]
    shares = np.array([0.25, 0.0, 1.0])
    assert means["fdp"] == pytest.approx(shares.mean())
    assert means["fdp_error"] == pytest.approx(shares.std(ddof=1) / 3**0.5)
    assert means["power"] == pytest.approx(0.1)
    assert means["warned"] == pytest.approx(1 / 3)
    assert means["seeds"] == 3


def test_power_of_an_empty_network_is_not_defined():
    rows = {"regime": "R", "test": "LPO", "level": 0.05, "found": 1, "false": 1}
    rows |= {"n_links": 0, "scale": 1.0, "n_factors": 0, "warned": 0}
    means = calibration.summary(pd.DataFrame([rows])).iloc[0]
    assert means["fdp"] == 1
    assert np.isnan(means["power"])


# -------------------------------------------------------------------------- the report
@pytest.mark.parametrize(
    ("fdp", "text"), [(0.0591, ".059 ± .004"), (0.0611, "**.061 ± .004**")]
)
def test_share_beyond_what_is_tolerated_is_bold(fdp, text):
    index = pd.MultiIndex.from_tuples([(SMALL.key, "LPO", 0.05)])
    summary = pd.DataFrame({"fdp": fdp, "fdp_error": 0.004}, index=index)
    assert pages.cell(summary, "LPO", 0.05, "fdp", SMALL) == text


def test_tables_have_a_row_for_each_regime(tmp_path):
    run_oracle(tmp_path / "results.csv", seeds=2)
    summary = calibration.summary(calibration.read(tmp_path / "results.csv"))
    text = pages.markdown(summary, [SMALL, find("chain, 300 x 100")])
    rows = [line for line in text.splitlines() if line.startswith("| small, 20 x 30 |")]
    assert len(rows) == 2
    assert "| 1.10 | 2.0 | 0% |" in rows[0]
    assert "chain" not in text
    widths = {line.count("|") for line in text.splitlines() if "small" in line}
    assert widths <= {line.count("|") for line in text.splitlines() if "---" in line}


def test_page_is_rewritten_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n")
    pages.rewrite_page(page, "new")
    pages.rewrite_page(page, "newer")
    assert page.read_text() == f"before\n{pages.BEGIN}\nnewer\n{pages.END}\nafter\n"


def test_page_without_marks_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text")
    with pytest.raises(SystemExit, match="has no lines"):
        pages.rewrite_page(page, "new")
    assert page.read_text() == "text"


def test_the_page_of_the_documentation_has_its_marks():
    text = (BENCHMARKS.parent / "docs" / "significance.md").read_text(encoding="utf-8")
    assert text.count(pages.BEGIN) == text.count(pages.END) == 1
    assert text.index(pages.BEGIN) < text.index(pages.END)


def test_figure_names_the_regimes_and_stays_small(tmp_path):
    run_oracle(tmp_path / "results.csv", seeds=2)
    summary = calibration.summary(calibration.read(tmp_path / "results.csv"))
    pages.draw_figure(summary, [SMALL], tmp_path / "figure.png")
    assert 1000 < (tmp_path / "figure.png").stat().st_size < 200_000


# ------------------------------------------------------------------ the small version
@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    results = tmp_path_factory.mktemp("calibration") / "results.csv"
    tests = {name: calibration.TESTS[name] for name in ("LPO", "GeneNet")}
    quick = calibration.chosen_regimes(None, quick=True)
    calibration.run(quick, range(100, 105), tests, results, 1)
    return calibration.summary(calibration.read(results))


@pytest.mark.slow
@pytest.mark.parametrize("regime", calibration.QUICK)
@pytest.mark.parametrize("level", calibration.LEVELS)
def test_leave_pair_out_holds_its_level(small_run, regime, level):
    row = small_run.loc[(regime, "LPO", level)]
    assert row["fdp"] <= 1.2 * level + 2 * row["fdp_error"]


@pytest.mark.slow
@pytest.mark.parametrize("regime", calibration.QUICK)
def test_leave_pair_out_finds_most_edges(small_run, regime):
    assert small_run.at[(regime, "LPO", 0.05), "power"] > 0.5


@pytest.mark.slow
def test_genenet_does_not_hold_its_level_in_a_chain(small_run):
    """Its reason to be in the table: more samples make indirect links significant."""
    assert small_run.at[("chain, 300 x 100", "GeneNet", 0.05), "fdp"] > 0.1
