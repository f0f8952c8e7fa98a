"""The path of intensities against a fit at each of them, and against dense formulas."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from sklearn_grn import FactorPrecisionEstimator
from sklearn_grn._shrinkage_path import held_out_scores

# Training samples x genes: fewer samples, as many, one more, many more.
SHAPES = [(6, 15), (9, 9), (10, 9), (60, 7), (25, 2500)]
on_shapes = pytest.mark.parametrize("shape", SHAPES, ids="{0[0]}x{0[1]}".format)
on_centring = pytest.mark.parametrize("assume_centered", [False, True])
GRID = np.array([1e-6, 1e-3, 0.1, 0.5, 0.9, 0.999, 1.0])
N_HELD_OUT = 8


def draw(shape, n_held_out=N_HELD_OUT, seed=0):
    """Training and held-out samples of correlated genes with means and scales."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = shape[0] + n_held_out, shape[1]
    programme = rng.normal(size=(n_samples, 1)) * rng.normal(size=n_features)
    noise = rng.exponential(size=(n_samples, n_features)) - 1.0
    samples = (programme + noise) * rng.uniform(0.5, 4.0, n_features) + 0.5
    return samples[: shape[0]], samples[shape[0] :]


def draw_pathways(n_pathways, n_features):
    """Loadings that lie, as the function takes them."""
    return np.random.default_rng(1).normal(size=(n_pathways, n_features))


def fitted_scores(training, held_out, grid, pathways=None, assume_centered=False):
    """What a fit for each intensity says."""
    loadings = None if pathways is None else pathways.T
    estimators = (
        FactorPrecisionEstimator(
            shrinkage=t, pathways=loadings, assume_centered=assume_centered
        )
        for t in grid
    )
    return [each.fit(training).score(held_out) for each in estimators]


# -------------------------------------------------------------- equal to a fit for each
@on_shapes
@on_centring
def test_scores_are_those_of_fits(shape, assume_centered):
    tables = draw(shape)
    found = held_out_scores(*tables, GRID, assume_centered=assume_centered)
    expected = fitted_scores(*tables, GRID, assume_centered=assume_centered)
    assert_allclose(found, expected, rtol=1e-12)


@on_shapes
@on_centring
@pytest.mark.parametrize("n_pathways", [1, 4, 30])
def test_scores_with_pathways_are_those_of_fits(shape, assume_centered, n_pathways):
    tables, pathways = draw(shape), draw_pathways(n_pathways, shape[1])
    found = held_out_scores(*tables, GRID, pathways, assume_centered)
    expected = fitted_scores(*tables, GRID, pathways, assume_centered)
    assert_allclose(found, expected, rtol=1e-10)


@on_shapes
@pytest.mark.parametrize("n_pathways", [0, 2])
@pytest.mark.filterwarnings("ignore:.* of the .* genes do not vary")
def test_genes_that_do_not_vary_keep_their_variance(shape, n_pathways):
    tables, pathways = draw(shape), draw_pathways(n_pathways, shape[1])
    tables[0][:, [0, 3]] = 1.5  # constant in training samples, not in the others
    loaded = pathways if n_pathways else None
    found = held_out_scores(*tables, GRID, loaded)
    assert_allclose(found, fitted_scores(*tables, GRID, loaded), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.* of the .* genes do not vary")
def test_fewer_varying_genes_than_samples():
    tables = draw((9, 12))
    tables[0][:, :7] = 1.5
    assert_allclose(
        held_out_scores(*tables, GRID), fitted_scores(*tables, GRID), rtol=1e-12
    )


@pytest.mark.parametrize("shape", [(12, 1), (2, 1), (2, 6)])
def test_few_genes_or_samples(shape):
    tables = draw(shape)
    assert_allclose(
        held_out_scores(*tables, GRID), fitted_scores(*tables, GRID), rtol=1e-12
    )


@pytest.mark.parametrize("shape", [(60, 7), (10, 9)])
@on_centring
def test_intensity_0_where_there_are_more_samples(shape, assume_centered):
    tables, grid = draw(shape), [0.0, 0.5]
    found = held_out_scores(*tables, np.array(grid), assume_centered=assume_centered)
    expected = fitted_scores(*tables, grid, assume_centered=assume_centered)
    assert_allclose(found, expected, rtol=1e-10)


def test_many_held_out_samples():
    tables = draw((10, 40), n_held_out=300)
    assert_allclose(
        held_out_scores(*tables, GRID), fitted_scores(*tables, GRID), rtol=1e-12
    )


@on_shapes
@pytest.mark.parametrize("n_pathways", [0, 3])
def test_float32_to_its_rounding(shape, n_pathways):
    tables = [table.astype(np.float32) for table in draw(shape)]
    pathways = draw_pathways(n_pathways, shape[1]).astype(np.float32)
    loaded, grid = (pathways if n_pathways else None), GRID[1:]
    found = held_out_scores(*tables, grid, loaded)
    assert_allclose(found, fitted_scores(*tables, grid, loaded), rtol=1e-5)


@pytest.mark.parametrize("unit", [1e-150, 1e-60, 1e60, 1e150])
def test_units_do_not_matter(unit):
    tables = draw((10, 40))
    scores = held_out_scores(*(unit * table for table in tables), GRID)
    assert_allclose(scores + 40 * np.log(unit), held_out_scores(*tables, GRID))


# ----------------------------------------------------------------- the dense formulas
def dense_covariance(training, intensity):
    """Shrink the correlations of numpy, with the variances of a fitted model."""
    variance = FactorPrecisionEstimator(shrinkage=1.0).fit(training).noise_variance_
    correlation = (1 - intensity) * np.corrcoef(training.T)
    np.fill_diagonal(correlation, 1.0)
    return correlation * np.sqrt(np.outer(variance, variance))


@pytest.mark.parametrize("shape", SHAPES[:4])
@pytest.mark.parametrize("intensity", [0.1, 0.5, 1.0])
def test_scores_are_normal_densities(shape, intensity):
    training, held_out = draw(shape)
    covariance = dense_covariance(training, intensity)
    normal = stats.multivariate_normal(training.mean(axis=0), covariance)
    found = held_out_scores(training, held_out, np.array([intensity]))
    assert_allclose(found, normal.logpdf(held_out).mean())


def exact_score(training, held_out, intensity):
    """The mean log-density in sixty digits."""
    variance = FactorPrecisionEstimator(shrinkage=1.0).fit(training).noise_variance_
    with mpmath.workdps(60):
        samples = mpmath.matrix(training.tolist())
        n_samples, n_genes = samples.rows, samples.cols
        mean = [mpmath.fsum(samples[:, j]) / n_samples for j in range(n_genes)]
        spread = [mpmath.sqrt(mpmath.mpf(float(value))) for value in variance]
        Z = mpmath.matrix(n_samples, n_genes)
        for j in range(n_genes):
            column = samples[:, j] - mean[j] * mpmath.ones(n_samples, 1)
            Z[:, j] = column / mpmath.norm(column)
        t = mpmath.mpf(intensity)
        sigma = t * mpmath.eye(n_genes) + (1 - t) * Z.T * Z
        log_det = mpmath.log(mpmath.det(sigma)) + 2 * mpmath.fsum(
            map(mpmath.log, spread)
        )
        total = 0
        for row in held_out.tolist():
            y = mpmath.matrix([(row[j] - mean[j]) / spread[j] for j in range(n_genes)])
            total += (y.T * mpmath.lu_solve(sigma, y))[0]
        constant = n_genes * mpmath.log(2 * mpmath.pi) + log_det
        return float(-(constant + total / len(held_out)) / 2)


@pytest.mark.parametrize("intensity", [1e-12, 1e-6, 0.1])
@pytest.mark.parametrize("apart", [0.0, 1e-9, 1e-5])
def test_nothing_cancels_where_held_out_samples_lie_among_training_samples(
    intensity, apart
):
    # The rest across the training samples is nothing, or next to it, and is divided by
    # the intensity.
    training, noise = draw((6, 15), n_held_out=6)
    held_out = training[::-1] + apart * noise
    found = held_out_scores(training, held_out, np.array([intensity]))
    exact = exact_score(training, held_out, intensity)
    assert_allclose(found, exact, rtol=1e-8)


@pytest.mark.parametrize("intensity", [1e-8, 1e-3, 0.3])
def test_samples_that_are_there_twice(intensity):
    training, held_out = draw((4, 12))
    training = np.concatenate([training, training, training[:1] + 1e-9])
    found = held_out_scores(training, held_out, np.array([intensity]))
    assert_allclose(found, exact_score(training, held_out, intensity), rtol=1e-9)


# ------------------------------------------------------------------------- what is not
@pytest.mark.parametrize("shape", [(6, 15), (9, 9)])
def test_intensity_0_is_refused_where_samples_are_few(shape):
    with pytest.raises(ValueError, match=f"0 with {shape[0]} training samples of"):
        held_out_scores(*draw(shape), np.array([0.5, 0.0]))


def test_intensity_0_is_refused_where_a_gene_is_a_copy():
    training, held_out = draw((60, 7))
    training[:, 1] = 2 * training[:, 0]
    with pytest.raises(ValueError, match=r"smallest eigenvalue .* Leave 0 out"):
        held_out_scores(training, held_out, np.array([0.0]))


def test_no_gene_that_varies_is_refused():
    with pytest.raises(ValueError, match="none of the 15 genes varies"):
        held_out_scores(np.ones((6, 15)), np.ones((2, 15)), GRID)


def test_tables_are_left_as_they_were():
    tables = draw((6, 15))
    before = [table.copy() for table in tables]
    for table in tables:
        table.flags.writeable = False
    held_out_scores(*tables, GRID)
    for table, kept in zip(tables, before, strict=True):
        assert (table == kept).all()


def test_a_grid_needs_no_more_memory_than_a_fit(allocation_peak):
    tables = draw((40, 20_000))
    with allocation_peak() as of_fit:
        FactorPrecisionEstimator().fit(tables[0])
    with allocation_peak() as of_grid:
        held_out_scores(*tables, np.linspace(0.01, 1, 200))
    assert of_grid() < of_fit()
