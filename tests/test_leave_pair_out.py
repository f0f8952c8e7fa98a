"""The test of edges against its prototype, and against loops over all pairs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.linear_model import Lasso

from sklearn_grn import _leave_pair_out, _triangle_veto
from sklearn_grn._leave_pair_out import leave_pair_out


# ------------------------------------------------------------------- the naive answer
def standardise(X):
    X = X - X.mean(axis=0)
    return X / X.std(axis=0)


def naive_test(X, veto):
    """r, p and q of all pairs, as matrices, and the scale: no factors removed."""
    n, p = X.shape
    Z = standardise(X)
    Z = standardise(Z / np.sqrt(np.square(Z).mean(axis=1, keepdims=True)))
    B = np.zeros((p, p))
    for i, others in enumerate(~np.eye(p, dtype=bool)):
        lasso = Lasso(1.3 * np.sqrt(np.log(p) / n), fit_intercept=False, tol=1e-13)
        B[i, others] = lasso.fit(Z[:, others], Z[:, i]).coef_
    E = Z - Z @ B.T

    def residuals(i, j):
        return E[:, i] + B[i, j] * Z[:, j], E[:, j] + B[j, i] * Z[:, i]

    def score(left, right, dof):
        r = np.corrcoef(left, right)[0, 1]
        t = abs(r) * np.sqrt(dof / (1 - r**2))
        return r, stats.norm.isf(stats.t.sf(t, dof))

    pairs = np.transpose(np.triu_indices(p, 1))
    r, z = np.transpose([score(*residuals(i, j), n - 2) for i, j in pairs])
    scale = max(1.0, np.median(z) / stats.norm.ppf(0.75))
    z = z / scale
    if veto:
        sizes = np.zeros((p, p))
        likely = stats.false_discovery_control(2 * stats.norm.sf(z)) <= 0.25
        for at in likely.nonzero()[0]:
            sizes[tuple(pairs[at])] = sizes[tuple(pairs[at][::-1])] = abs(r[at])
        for at in likely.nonzero()[0]:
            i, j = pairs[at]
            weaker = np.minimum(sizes[i], sizes[j])
            if abs(r[at]) < 1.1 * weaker.max():
                third = Z[:, weaker.argmax()]
                left, right = (e - third * (e @ third) / n for e in residuals(i, j))
                z[at] = min(z[at], score(left, right, n - 3)[1] / scale)
    p_values = 2 * stats.norm.sf(z)
    q_values = stats.false_discovery_control(p_values)
    return scale, *(as_matrix(*pairs.T, v, p) for v in (r, p_values, q_values))


def as_matrix(sources, targets, values, n_genes, rest=np.nan):
    matrix = np.full((n_genes, n_genes), rest)
    matrix[sources, targets] = values
    return matrix


def network(n_samples, n_genes, seed=0, n_hubs=1):
    """Each gene depends on one of the genes before it; hubs on many."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_genes))
    for gene in range(n_hubs, n_genes):
        parent = gene % n_hubs if gene % 2 else rng.integers(gene)
        X[:, gene] = 0.7 * X[:, parent] + 0.7 * X[:, gene]
    return X


def found_pairs(test):
    return set(zip(test.sources.tolist(), test.targets.tolist(), strict=True))


# ------------------------------------------------------------------ equal to all pairs
@pytest.mark.parametrize("veto", [True, False])
@pytest.mark.parametrize(("n_samples", "n_genes"), [(60, 25), (30, 45)])
def test_all_pairs_as_computed_one_by_one(veto, n_samples, n_genes):
    X = network(n_samples, n_genes)
    scale, *expected = naive_test(X, veto)
    test = leave_pair_out(X, alpha=1.0, veto=veto, n_factors=0)
    assert test.null_scale == pytest.approx(scale, rel=1e-6)
    assert test.n_pairs == len(test.sources)
    for name, matrix in zip(["statistic", "pvalue", "qvalue"], expected, strict=True):
        ours = as_matrix(test.sources, test.targets, getattr(test, name), n_genes)
        assert_allclose(ours, matrix, rtol=1e-4, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("network_of", ["random", "hubs", "factors"])
@pytest.mark.parametrize("veto", [True, False])
def test_prototype(reference_data, network_of, veto, monkeypatch):
    # The prototype looked at all links that have a common neighbour.
    monkeypatch.setattr(_triangle_veto, "_STRONGER", np.inf)
    path = reference_data / "reference" / f"leave_pair_out_{network_of}.npz"
    with np.load(path) as stored:
        stored = dict(stored)
    pairs = stored["i"].astype(int), stored["j"].astype(int)
    test = leave_pair_out(stored["X"], alpha=1.0, veto=veto)
    assert test.n_factors == stored["n_factors"]
    assert test.null_scale == pytest.approx(stored["null_scale"], rel=1e-5)
    r = as_matrix(test.sources, test.targets, test.statistic, 120)[pairs]
    # The prototype's lasso stopped at a tolerance of its own.
    assert_allclose(r, stored["r"], atol=1e-4)
    q = as_matrix(test.sources, test.targets, test.qvalue, 120)[pairs]
    expected = stored["q" if veto else "q_without_veto"]
    assert_allclose(q[expected < 0.24], expected[expected < 0.24], atol=1e-3)


# -------------------------------------------------------------- the pairs that are held
@pytest.fixture(scope="module")
def all_of_400():
    """A table with more pairs than the scan holds unasked, and a test of all pairs."""
    X = network(60, 400)
    return X, leave_pair_out(X, alpha=1.0)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2, 0.25, 0.5])
def test_a_smaller_alpha_finds_the_same_edges(all_of_400, alpha):
    X, everything = all_of_400
    test = leave_pair_out(X, alpha=alpha)
    kept = everything.qvalue <= alpha
    assert_array_equal(test.sources, everything.sources[kept])
    assert_array_equal(test.targets, everything.targets[kept])
    assert_allclose(test.qvalue, everything.qvalue[kept], rtol=1e-2)


def test_all_pairs_are_found_if_asked_for(all_of_400):
    _, everything = all_of_400
    assert len(everything.sources) == everything.n_pairs == 79_800


@pytest.mark.parametrize("held", [0, 1, 3])
@pytest.mark.parametrize("alpha", [0.05, 0.5])
def test_pairs_are_scanned_again_if_too_few_are_held(held, alpha, monkeypatch):
    rng = np.random.default_rng(0)
    X = network(60, 400) + rng.normal(size=(60, 3)) @ rng.normal(size=(3, 400))
    # Factors, and no scale: many more pairs are significant than predict each other.
    monkeypatch.setattr(_leave_pair_out, "null_scale", lambda scan, dof: 1.0)
    monkeypatch.setattr(_leave_pair_out, "_HELD", 100)
    expected = leave_pair_out(X, alpha=alpha, n_factors=0, veto=False)
    monkeypatch.setattr(_leave_pair_out, "_HELD", held)
    test = leave_pair_out(X, alpha=alpha, n_factors=0, veto=False)
    assert len(test.sources) > 4000
    assert_array_equal(test.sources, expected.sources)
    assert_array_equal(test.targets, expected.targets)
    assert_allclose(test.qvalue, expected.qvalue, rtol=1e-10)


def test_most_significant_first(all_of_400):
    _, everything = all_of_400
    assert (np.diff(everything.pvalue) >= 0).all()
    assert (np.diff(everything.qvalue) >= 0).all()


# ------------------------------------------------------------------------- what it does
def test_veto_removes_links_among_spokes():
    X = network(60, 300, n_hubs=10)
    found, kept = (leave_pair_out(X, veto=veto) for veto in (False, True))
    assert found_pairs(kept) < found_pairs(found)
    assert kept.n_vetoed == len(found.sources) - len(kept.sources)


def test_veto_never_lowers_a_q_value(all_of_400):
    X, vetoed = all_of_400
    free = leave_pair_out(X, alpha=1.0, veto=False)
    q, before = (
        as_matrix(t.sources, t.targets, t.qvalue, 400, rest=1.0) for t in (vetoed, free)
    )
    assert (q >= before * (1 - 1e-9)).all()


def test_unrelated_genes_have_no_edges():
    found = [
        len(leave_pair_out(np.random.default_rng(seed).normal(size=(50, 40))).sources)
        for seed in range(40)
    ]
    assert np.count_nonzero(found) <= 5  # 2 expected; more than 5 once in 70 times


def test_degrees_of_freedom_and_sizes():
    X = network(50, 30)
    confounders = np.random.default_rng(1).normal(size=(50, 3))
    test = leave_pair_out(X, confounders=confounders, n_factors=2)
    assert test.degrees_of_freedom == 50 - 2 - 3 - 2
    assert (test.n_samples, test.n_factors, test.n_pairs) == (50, 2, 435)


def test_known_batches_are_no_edges():
    rng = np.random.default_rng(0)
    batch = np.eye(3)[np.arange(60) % 3]
    X = rng.normal(size=(60, 40)) + 3 * batch @ rng.normal(size=(3, 40))
    assert len(leave_pair_out(X, confounders=batch).sources) == 0
    assert leave_pair_out(X, n_factors=0).null_scale > 2


def test_hidden_factors_are_removed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 120))
    X[:, 1::3] += X[:, ::3]
    factors = 0.7 * rng.normal(size=(100, 3)) @ rng.normal(size=(3, 120))
    test = leave_pair_out(X + factors)
    assert test.n_factors == 3
    assert test.null_scale < 1.1
    assert (test.targets - test.sources == 1).mean() > 0.8


def test_hubs_are_no_hidden_factors():
    assert leave_pair_out(network(100, 120, n_hubs=6)).n_factors == 0


def test_samples_that_scatter_more_make_no_edges():
    X = np.random.default_rng(0).normal(size=(60, 100))
    X[:4] *= 8
    assert len(leave_pair_out(X).sources) <= 2


def test_constant_genes_are_not_tested():
    X = network(60, 25)
    expected = leave_pair_out(X, alpha=0.25)
    test = leave_pair_out(np.insert(X, 10, 7.0, axis=1), alpha=0.25)
    numbers = np.delete(np.arange(26), 10)
    assert test.n_pairs == expected.n_pairs
    assert_array_equal(test.sources, numbers[expected.sources])
    assert_array_equal(test.targets, numbers[expected.targets])


def test_equal_genes_are_an_edge():
    X = np.random.default_rng(0).normal(size=(60, 100))
    X[:, 42] = X[:, 7]
    test = leave_pair_out(X)
    assert (test.sources[0], test.targets[0], test.qvalue[0]) == (7, 42, 0.0)


def test_workers_change_nothing(all_of_400):
    X, everything = all_of_400
    together = leave_pair_out(X, alpha=1.0, n_jobs=2)
    for ours, theirs in zip(
        *(vars(test).values() for test in (everything, together)), strict=True
    ):
        assert_array_equal(ours, theirs)


def test_order_of_genes_does_not_matter(all_of_400):
    X, everything = all_of_400
    order = np.random.default_rng(1).permutation(400)
    test = leave_pair_out(X[:, order], alpha=1.0)
    i, j = order[test.sources], order[test.targets]
    found = np.minimum(i, j), np.maximum(i, j), test.qvalue
    expected = everything.sources, everything.targets, everything.qvalue
    ours, theirs = (as_matrix(*t, 400, rest=0.0) for t in (found, expected))
    assert_allclose(ours, theirs, atol=1e-5)  # the scan counts in float32


def test_no_genes_by_genes_array(allocation_peak):
    X = np.random.default_rng(0).normal(size=(20, 5000))
    with allocation_peak() as peak:
        leave_pair_out(X)
    assert peak() < 0.5 * 5000**2 * 8


# -------------------------------------------------------------------- small and refused
def test_a_single_gene_has_no_edges():
    test = leave_pair_out(np.random.default_rng(0).normal(size=(20, 1)))
    assert (test.n_pairs, len(test.sources), test.null_scale) == (0, 0, 1.0)


def test_few_samples_are_refused():
    with pytest.raises(ValueError, match=r"3 samples less 0 factors .* 1 degrees"):
        leave_pair_out(np.random.default_rng(0).normal(size=(3, 10)))


def test_too_many_confounders_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"confounders of rank 7 leave 1 degrees"):
        leave_pair_out(rng.normal(size=(10, 20)), confounders=rng.normal(size=(10, 7)))


def test_as_many_factors_as_genes_are_refused():
    X = np.random.default_rng(0).normal(size=(30, 5))
    with pytest.raises(ValueError, match="5 factors explain all of 5 genes"):
        leave_pair_out(X, n_factors=5)
