"""The field's worked examples, in the factored form."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_grn import DiagonalPlusLowRank

GENES = ["TP53", "BRCA1", "IL6", "TNF"]
LOADINGS = np.array([[0.8, 0.1], [0.7, 0.1], [0.1, 0.9], [0.1, 0.8]])
VARIANCES = np.array([0.04, 0.03, 0.05, 0.06])
PRODUCT = np.array(
    [
        [0.65, 0.57, 0.17, 0.16],
        [0.57, 0.50, 0.16, 0.15],
        [0.17, 0.16, 0.82, 0.73],
        [0.16, 0.15, 0.73, 0.65],
    ]
)


@pytest.fixture(scope="module")
def panel():
    """Return loadings, noise variances and pathways of the 500-gene panel."""
    np.random.seed(42)  # noqa: NPY002 - the published numbers come from this generator
    loadings = 0.1 * np.random.randn(500, 10)  # noqa: NPY002
    noise = np.random.uniform(0.01, 0.05, 500)  # noqa: NPY002
    return loadings, noise, 0.05 * np.random.randn(500, 5)  # noqa: NPY002


@pytest.fixture(scope="module")
def baseline(panel):
    loadings, noise, _ = panel
    return DiagonalPlusLowRank(noise, loadings)


def partial_correlations(covariance):
    precision = covariance.inverse()
    scale = np.sqrt(precision.diagonal())
    correlation = -precision.toarray() / np.outer(scale, scale)
    return correlation[np.triu_indices(len(scale), 1)]


# ----------------------------------------------------------------- four genes
def test_outer_product_of_four_genes():
    product = DiagonalPlusLowRank(np.zeros(4), LOADINGS)
    assert_allclose(product.toarray(), PRODUCT, atol=1e-12)


def test_outer_product_has_rank_two():
    product = DiagonalPlusLowRank(np.zeros(4), LOADINGS)
    assert_allclose(np.linalg.eigvalsh(product), [0, 0, 0.952, 1.668], atol=5e-4)
    assert np.linalg.matrix_rank(product) == product.rank == 2


def test_four_genes_with_variances():
    covariance = DiagonalPlusLowRank(VARIANCES, LOADINGS)
    assert_allclose(covariance.diagonal(), [0.69, 0.53, 0.87, 0.71], atol=1e-12)
    eigenvalues = np.linalg.eigvalsh(covariance)
    assert_allclose(eigenvalues, [0.034, 0.056, 0.993, 1.717], atol=5e-4)


def test_pathways_one_by_one_are_outer_products():
    first = DiagonalPlusLowRank(VARIANCES, LOADINGS[:, :1])
    both = first.append(LOADINGS[:, 1:])
    assert first[0, 1] == pytest.approx(0.56)
    assert both[0, 1] == pytest.approx(0.56 + 0.01)
    summed = np.diag(VARIANCES) + sum(np.outer(x, x) for x in LOADINGS.T)
    assert_allclose(both.toarray(), summed, atol=1e-15)


# ------------------------------------------------------------------- 500 genes
def test_panel_spectrum(baseline):
    eigenvalues = np.linalg.eigvalsh(baseline)
    assert eigenvalues[0] == pytest.approx(0.010179, abs=5e-7)
    assert eigenvalues[-1] == pytest.approx(6.235666, abs=5e-7)
    assert baseline.condition_number() == pytest.approx(612.6, abs=0.05)


def test_panel_genes_per_pathway(panel):
    counts = (np.abs(panel[2]) > 0.05).sum(axis=0)
    assert counts.tolist() == [168, 164, 165, 161, 169]


def test_panel_update_equals_direct_inverse(panel, baseline):
    updated = baseline.append(panel[2]).inverse()
    direct = np.linalg.inv(baseline.toarray() + panel[2] @ panel[2].T)
    assert_allclose(updated.toarray(), direct, atol=1e-11)


@pytest.mark.parametrize(
    ("added", "mean", "largest"), [(False, 0.0048, 0.0522), (True, 0.0059, 0.0615)]
)
def test_panel_partial_correlations(panel, baseline, added, mean, largest):
    covariance = baseline.append(panel[2]) if added else baseline
    sizes = np.abs(partial_correlations(covariance))
    assert sizes.mean() == pytest.approx(mean, abs=5e-5)
    assert sizes.max() == pytest.approx(largest, abs=5e-5)
    assert not (sizes > 0.15).any()


# ----------------------------------------------------------------- three genes
@pytest.fixture
def chain():
    """Return the covariance of A -> B -> C with slopes and noise variances 1."""
    effects = np.array([[1.0, 0, 0], [1, 1, 0], [1, 1, 1]])
    half = effects @ effects.T - 0.1 * np.eye(3)
    return DiagonalPlusLowRank(np.full(3, 0.1), np.linalg.cholesky(half))


def test_chain_covariance_links_all_pairs(chain):
    assert_allclose(chain.toarray(), [[1, 1, 1], [1, 2, 2], [1, 2, 3]], atol=1e-14)


def test_chain_partial_correlation_links_neighbours_only(chain):
    a_b, a_c, b_c = partial_correlations(chain)
    assert a_b == pytest.approx(0.5)
    assert b_c == pytest.approx(0.5**0.5)
    assert a_c == pytest.approx(0.0, abs=1e-14)
