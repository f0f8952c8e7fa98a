"""The error that a model expects of itself against its true error in 50 digits."""

import warnings

import mpmath
import numpy as np
import pytest

from sklearn_grn._capacitance import append, factorise, factorise_dense, remove
from sklearn_grn._column_blocks import ColumnBlocks
from sklearn_grn._orthonormal import sensitivity
from sklearn_grn._trust import expected_error, warn_of_rounding

N_GENES = 8
GENES = np.array([f"g{i}" for i in range(N_GENES)], dtype=object)


def state_of(psi, loadings):
    return factorise(psi, ColumnBlocks(np.ascontiguousarray(loadings.T)))


def exact(psi, loadings):
    """Diagonal of the precision and partial correlations."""
    with mpmath.workdps(50):
        columns = mpmath.matrix(loadings.tolist())
        precision = (mpmath.diag(psi.tolist()) + columns * columns.T) ** -1
        return normalised(precision)


def exact_dense(covariance):
    with mpmath.workdps(50):
        return normalised(mpmath.matrix(covariance.tolist()) ** -1)


def normalised(precision):
    root = [mpmath.sqrt(precision[i, i]) for i in range(N_GENES)]
    rho = [
        [float(-precision[i, j] / (root[i] * root[j])) for j in range(N_GENES)]
        for i in range(N_GENES)
    ]
    return np.array([float(r * r) for r in root]), np.array(rho)


def true_error(state, truth):
    diagonal, rho = truth
    rows = state.basis.lying().T / np.sqrt(state.residual)[:, None].astype(
        state.basis.dtype
    )
    off = ~np.eye(N_GENES, dtype=bool)
    relative = np.abs(state.residual / state.noise_variance / diagonal - 1).max()
    return max(relative, np.abs(rows @ rows.T - rho)[off].max())


def alike(size, difference, seed, dtype=np.float64):
    """Two long columns that differ by a share of their length, and two others."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(N_GENES, 4))
    loadings[:, 1] = loadings[:, 0] + difference * loadings[:, 1]
    loadings[:, :2] *= size
    return rng.uniform(0.5, 1.5, N_GENES), loadings.astype(dtype)


def two_genes_alike(noise, difference, seed):
    rng = np.random.default_rng(seed)
    loadings, psi = rng.normal(size=(N_GENES, 4)), rng.uniform(0.5, 1.5, N_GENES)
    loadings[1], psi[:2] = loadings[0] + difference * loadings[1], noise
    return psi, loadings


def dense(share, seed):
    """A covariance in which gene 1 is gene 0 but for a share of its variance."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(N_GENES, N_GENES + 5))
    samples[1] = samples[0] + share**0.5 * samples[1]
    return samples @ samples.T


# ---------------------------------------------------------------------- the number
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1e7, 1e9, 1e11, 1e13])
def test_error_of_columns_alike_is_expected_within_two_orders(size, seed):
    psi, loadings = alike(size, 3 / size, seed)
    state = state_of(psi, loadings)
    ratio = expected_error(state) / true_error(state, exact(psi, loadings))
    assert 0.1 < ratio < 100


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [1e-6, 1e-9, 1e-12])
def test_error_of_genes_alike_is_expected_within_two_orders(noise, seed):
    psi, loadings = two_genes_alike(noise, noise**0.5, seed)
    state = state_of(psi, loadings)
    ratio = expected_error(state) / true_error(state, exact(psi, loadings))
    assert 0.1 < ratio < 100


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [1e-6, 1e-9, 1e-12])
def test_error_of_a_dense_covariance_is_expected_within_two_orders(share, seed):
    covariance = dense(share, seed)
    state = factorise_dense(covariance)
    ratio = expected_error(state) / true_error(state, exact_dense(covariance))
    assert 0.1 < ratio < 100


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1e1, 1e3, 1e5])
def test_error_in_single_precision_is_expected_within_two_orders(size, seed):
    psi, loadings = alike(size, 3 / size, seed, np.float32)
    state = state_of(psi, loadings)
    truth = exact(psi, loadings.astype(np.float64))
    assert 0.1 < expected_error(state) / true_error(state, truth) < 100


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_expected_of_an_ordinary_model(seed):
    rng = np.random.default_rng(seed)
    state = state_of(np.ones(N_GENES), rng.normal(size=(N_GENES, 4)))
    assert state.uncertainty == 0
    assert expected_error(state) < 1e-13


def test_one_huge_column_is_no_trouble():
    psi, loadings = alike(1e10, 1.0, 0)
    assert expected_error(state_of(psi, loadings)) < 1e-12


def test_infinite_where_squares_are():
    rows, root = np.full((2, 1), 1e200), np.full((1, 1), 1e-200)
    assert sensitivity(rows, root, rows / 1e200, np.ones(2)) == np.inf


def test_error_goes_with_the_column_that_brought_it():
    psi, loadings = alike(1e10, 1e-10, 0)
    base = state_of(psi, loadings[:, [0, 2, 3]])
    worse = append(base, loadings[:, 1:2].T.copy())
    better = remove(worse, np.array([False, True, True, True]))
    assert expected_error(worse) > 1e-8
    assert expected_error(better) < 1e-12


def test_error_of_a_dense_inverse_stays_where_it_is_factorised_again():
    state = factorise_dense(dense(1e-12, 0))
    appended = append(state, 1e8 * np.eye(1, N_GENES, 4))
    assert appended.n_head == appended.rank  # it was
    assert expected_error(appended) >= expected_error(state)


# --------------------------------------------------------------------- the warning
def worse_state():
    psi, loadings = alike(1e12, 1e-12, 0)
    return state_of(psi, loadings[:, ::-1])


def test_names_the_pathway_at_fault():
    message = (
        r"off by about 0\.\d+: rounding of float64 .* for pathway '[AB]' is a "
        r"combination of other columns but for \de-1[23] of its length"
    )
    with pytest.warns(UserWarning, match=message):
        warn_of_rounding(worse_state(), GENES, ["A", "B"])


def test_counts_components_where_no_pathway_is_at_fault():
    psi, loadings = alike(1e12, 1e-12, 0)
    with pytest.warns(UserWarning, match=r"for component [01] is a combination"):
        warn_of_rounding(state_of(psi, loadings), None, ["A"])


@pytest.mark.parametrize(("names", "named"), [(GENES, "g[01]"), (None, "[01]")])
def test_names_the_gene_at_fault(names, named):
    state = factorise_dense(dense(1e-11, 0))
    message = rf"other genes determine gene {named} but for \de-1[123] of its variance"
    with pytest.warns(UserWarning, match=message):
        warn_of_rounding(state, names, [])


def test_points_at_the_line_of_the_caller():
    with pytest.warns(UserWarning, match="may be off") as caught:
        warn_of_rounding(worse_state(), GENES, [])
    assert caught[0].filename == __file__


def test_is_silent_where_an_update_made_it_no_worse():
    state = worse_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_rounding(append(state, np.ones((1, N_GENES))), GENES, ["A"], state)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_is_silent_in_ordinary_use(dtype):
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(N_GENES, 4)).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_rounding(state_of(np.ones(N_GENES), loadings), GENES, [])


def test_single_precision_warns_of_a_small_residual():
    gene = 70 * np.eye(N_GENES, dtype=np.float32)[:, :1]
    state = state_of(np.ones(N_GENES), gene)
    assert state.trusted
    assert expected_error(state) == pytest.approx(1.2e-7 * 70**2, rel=0.01)
