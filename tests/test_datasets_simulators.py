"""Simulated tables have the truth that comes with them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.csgraph import connected_components

from sklearn_grn.datasets import make_pathway_expression, make_sparse_network

STRUCTURES = ["random", "hubs", "chain", "blocks", "scale_free"]

each_structure = pytest.mark.parametrize("structure", STRUCTURES)


def degrees(network):
    return np.diff(network.indptr)


# ----------------------------------------------------------- sparse graphical models
@each_structure
def test_network_is_symmetric_with_an_empty_diagonal(structure):
    network = make_sparse_network(2, 60, structure=structure, random_state=0).network
    assert network.format == "csr"
    assert_array_equal(network.toarray(), network.toarray().T)
    assert not network.diagonal().any()
    assert (network.data != 0).all()


@each_structure
@pytest.mark.parametrize("strength", [0.3, 0.9, 0.99])
def test_eigenvalues_lie_within_the_strength(structure, strength):
    simulated = make_sparse_network(
        2, 60, structure=structure, strength=strength, random_state=0
    )
    eigenvalues = np.linalg.eigvalsh(np.eye(60) - simulated.network.toarray())
    assert eigenvalues.min() >= 1 - strength - 1e-12
    assert eigenvalues.max() <= 1 + strength + 1e-12


def test_strength_is_reached_by_a_tree():
    simulated = make_sparse_network(2, 60, structure="chain", random_state=0)
    eigenvalues = np.linalg.eigvalsh(np.eye(60) - simulated.network.toarray())
    assert eigenvalues.min() == pytest.approx(0.1)


@each_structure
def test_samples_have_the_covariance_of_the_network(structure):
    n_genes, n_samples = 25, 40_000
    simulated = make_sparse_network(
        n_samples, n_genes, structure=structure, n_hubs=3, random_state=1
    )
    precision = np.eye(n_genes) - simulated.network.toarray()
    white = simulated.data @ np.linalg.cholesky(precision)
    covariance = white.T @ white / n_samples
    assert_allclose(covariance, np.eye(n_genes), atol=5 * n_samples**-0.5)


@each_structure
def test_network_does_not_depend_on_the_number_of_samples(structure):
    few = make_sparse_network(3, 50, structure=structure, random_state=4)
    many = make_sparse_network(30, 50, structure=structure, random_state=4)
    assert_array_equal(few.network.toarray(), many.network.toarray())


def test_same_seed_same_samples_and_another_seed_others():
    first, again, other = (
        make_sparse_network(5, 40, random_state=seed).data for seed in (7, 7, 8)
    )
    assert_array_equal(first, again)
    assert not np.isclose(first, other).any()


def test_random_network_has_the_degree_on_average():
    network = make_sparse_network(2, 301, degree=3.0, random_state=0).network
    assert network.nnz == 2 * round(301 * 3 / 2)


def test_random_network_of_the_largest_degree_links_all():
    network = make_sparse_network(2, 30, degree=29, random_state=0).network
    assert_array_equal(network.toarray() != 0, ~np.eye(30, dtype=bool))


def test_random_network_of_degree_0_is_empty_and_its_genes_are_independent():
    simulated = make_sparse_network(20_000, 10, degree=0, random_state=0)
    assert simulated.network.nnz == 0
    assert_allclose(np.cov(simulated.data.T), np.eye(10), atol=0.04)


def test_links_of_a_random_network_are_spread_evenly():
    networks = (
        make_sparse_network(2, 12, random_state=seed).network for seed in range(300)
    )
    counts = sum((network.toarray() != 0).astype(int) for network in networks)
    pairs = counts[np.triu_indices(12, 1)]  # each of 66 is drawn 300 * 12 / 66 times
    assert 30 < pairs.min() < pairs.max() < 85


def test_hubs_share_the_other_genes():
    simulated = make_sparse_network(2, 50, structure="hubs", n_hubs=4, random_state=0)
    links = simulated.network.toarray() != 0
    assert not links[:4, :4].any()
    assert not links[4:, 4:].any()
    assert_array_equal(links[4:].sum(axis=1), 1)
    assert sorted(links[:4].sum(axis=1)) == [11, 11, 12, 12]


def test_chain_links_neighbours():
    links = make_sparse_network(2, 9, structure="chain", random_state=0).network != 0
    distance = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    assert_array_equal(links.toarray(), distance == 1)


def test_blocks_are_complete_and_the_last_one_takes_the_rest():
    simulated = make_sparse_network(
        2, 11, structure="blocks", block_size=4, random_state=0
    )
    block = np.arange(11) // 4
    same = np.equal.outer(block, block) & ~np.eye(11, dtype=bool)
    assert_array_equal(simulated.network.toarray() != 0, same)


@pytest.mark.parametrize(("degree", "per_gene"), [(0.5, 1), (2, 1), (4, 2), (6, 3)])
def test_scale_free_network_grows_by_the_same_number_of_links(degree, per_gene):
    network = make_sparse_network(
        2, 80, structure="scale_free", degree=degree, random_state=0
    ).network
    first = per_gene * (per_gene - 1) // 2  # what the first genes find before them
    assert network.nnz == 2 * (first + per_gene * (80 - per_gene))
    assert connected_components(network, directed=False)[0] == 1


def test_scale_free_network_has_hubs():
    scale_free, random = (
        make_sparse_network(2, 2000, structure=structure, random_state=0).network
        for structure in ("scale_free", "random")
    )
    assert degrees(scale_free).max() > 3 * degrees(random).max()


@pytest.mark.parametrize("positive", [0, 0.25, 1])
def test_share_of_positive_links(positive):
    network = make_sparse_network(2, 3000, positive=positive, random_state=0).network
    assert (network.data > 0).mean() == pytest.approx(positive, abs=0.03)


def test_20_000_genes_take_no_square_of_memory(allocation_peak):
    with allocation_peak() as peak:
        simulated = make_sparse_network(10, 20_000, structure="hubs", n_hubs=900)
    assert simulated.data.shape == (10, 20_000)
    assert peak() < 0.02 * 20_000**2 * 8


def test_sparse_network_as_frame():
    simulated = make_sparse_network(4, 12, as_frame=True, random_state=0)
    plain = make_sparse_network(4, 12, random_state=0)
    assert simulated.data.columns.tolist() == simulated.feature_names
    assert_array_equal(simulated.data, plain.data)
    assert isinstance(plain.data, np.ndarray)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"structure": "star"}, "structure='star' is none of random, hubs"),
        ({"strength": 1.0}, "strength=1.0 is not between 0 and 1"),
        ({"strength": 0.0}, "strength=0.0 is not between 0 and 1"),
        ({"positive": 1.5}, "positive=1.5 is not between 0 and 1"),
        ({"degree": 20.5}, "degree=20.5 is not between 0 and 19"),
        ({"degree": -1}, "degree=-1 is not between"),
        ({"structure": "scale_free", "degree": 40}, "degree=40 is not between"),
        ({"structure": "hubs", "n_hubs": 0}, "n_hubs=0 is not between 1 and 20"),
        ({"structure": "blocks", "block_size": 21}, "block_size=21 is not between"),
    ],
)
def test_sparse_network_refuses_what_cannot_be(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_sparse_network(5, 20, **parameters)


# ---------------------------------------------------------------- pathways as factors
@pytest.fixture(scope="module")
def tumour():
    return make_pathway_expression(random_state=123)


def test_textbook_loadings_are_the_draws_of_the_legacy_generator(tumour):
    np.random.seed(123)  # noqa: NPY002 - the published numbers come from this generator
    draw = np.random.uniform
    stress = draw(0.2, 0.5, 100)
    immune = np.r_[draw(0.5, 0.8, 30), draw(0.4, 0.7, 20), draw(0, 0.2, 50)]
    proliferation = draw(0.5, 0.9, 40)
    growth = np.r_[draw(0, 0.2, 60), proliferation]
    assert_array_equal(tumour.loadings, np.column_stack([stress, immune, growth]))


def test_textbook_means_of_the_groups(tumour):
    means = tumour.loadings.groupby(tumour.groups, sort=False).mean()
    assert means.index.tolist() == ["Immune", "Cytokine", "Metabolic", "Proliferation"]
    published = [
        [0.35, 0.66, 0.09],
        [0.35, 0.56, 0.09],
        [0.36, 0.10, 0.12],
        [0.35, 0.10, 0.70],
    ]
    assert_array_equal(means.round(2), published)


def test_tumour_has_the_groups_of_the_textbook(tumour):
    at = {"Immune": 30, "Cytokine": 50, "Metabolic": 60, "Proliferation": 100}
    last = np.flatnonzero(tumour.groups.ne(tumour.groups.shift(-1))) + 1
    assert dict(zip(tumour.groups.unique(), last.tolist(), strict=True)) == at
    assert tumour.feature_names == tumour.loadings.index.tolist()
    assert len(set(tumour.feature_names)) == 100


def test_covariance_is_that_of_the_loadings(tumour):
    X = tumour.loadings.to_numpy()
    assert_allclose(tumour.covariance.toarray(), X @ X.T + 0.5 * np.eye(100))


def test_what_pathways_do_not_explain_is_noise():
    made = make_pathway_expression(50_000, noise_variance=0.3, random_state=0)
    rest = made.data - made.activities.to_numpy() @ made.loadings.to_numpy().T
    assert_allclose(rest.var(axis=0), 0.3, rtol=0.04)
    assert_allclose(made.activities.cov(), np.eye(3), atol=0.03)


def test_loadings_do_not_depend_on_the_number_of_samples(tumour):
    more = make_pathway_expression(7, random_state=123)
    assert_array_equal(more.loadings, tumour.loadings)


def test_groups_that_a_pathway_does_not_name_have_loadings_0():
    made = make_pathway_expression(
        5,
        group_sizes={"A": 2, "B": 3},
        loading_ranges={"up": {"B": (1, 2)}, "down": {"A": (-2, -1), "B": (3, 3)}},
        random_state=0,
    )
    assert made.loadings.index.tolist() == ["A_0", "A_1", "B_0", "B_1", "B_2"]
    assert_array_equal(made.loadings["up"].gt(0), [0, 0, 1, 1, 1])
    assert made.loadings["down"][:2].between(-2, -1).all()
    assert_array_equal(made.loadings["down"][2:], 3)


def test_pathway_expression_as_frame(tumour):
    framed = make_pathway_expression(as_frame=True, random_state=123)
    assert isinstance(framed.data, pd.DataFrame)
    assert framed.data.columns.tolist() == framed.feature_names
    assert_array_equal(framed.data, tumour.data)


def test_group_that_is_not_there_is_named():
    with pytest.raises(
        ValueError, match="'up' names the group 'C', which is none of A"
    ):
        make_pathway_expression(
            5, group_sizes={"A": 2}, loading_ranges={"up": {"C": (0, 1)}}
        )


@pytest.mark.parametrize("variance", [0, -1.0, np.nan])
def test_noise_must_have_a_variance(variance):
    with pytest.raises(ValueError, match="is not positive"):
        make_pathway_expression(5, noise_variance=variance)
