"""Simulated regulators act on their targets, and on nothing else."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_grn.datasets import make_regulatory_network


@pytest.fixture(scope="module")
def simulated():
    return make_regulatory_network(400, 60, n_knockouts=20, random_state=0)


def test_only_regulators_have_targets_and_each_other_gene_is_one(simulated):
    links = simulated.network.toarray()
    assert_array_equal(simulated.regulators, np.arange(10))
    assert not links[10:].any()
    assert (np.abs(links).sum(axis=0)[1:] >= 1).all()
    assert not np.tril(links).any()  # no feedback


def test_targets_have_as_many_regulators_as_said():
    network = make_regulatory_network(2, 2000, degree=3.0, random_state=0).network
    counts = np.abs(network.toarray()).sum(axis=0)[10:]
    assert counts.mean() == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("activating", [0, 0.4, 1])
def test_share_of_links_that_activate(activating):
    signs = make_regulatory_network(
        2, 2000, activating=activating, random_state=0
    ).network.data
    assert set(np.unique(signs)) <= {-1, 1}
    assert (signs > 0).mean() == pytest.approx(activating, abs=0.03)


def test_some_regulators_have_many_more_targets_than_others():
    network = make_regulatory_network(2, 2000, degree=1, random_state=0).network
    targets = np.sort(np.abs(network.toarray()).sum(axis=1)[:10])
    assert targets[-1] > 5 * targets[0]


def test_level_is_what_acts_on_it_times_the_response():
    made = make_regulatory_network(300, 40, activating=1, noise=0.5, random_state=3)
    links = made.network.tocsc()
    gene = next(gene for gene in range(10, 40) if np.diff(links.indptr)[gene] == 1)
    regulator = links.indices[links.indptr[gene]]
    response = _fitted_response(made.data[:, regulator], made.data[:, gene])
    shocks = np.log(made.data[:, gene] / response)
    assert shocks.std() == pytest.approx(0.5, abs=0.05)


def _fitted_response(regulator, gene):
    """Return c x^2 / (K^2 + x^2) with c and K fitted to the logarithms."""
    thresholds = np.exp(np.linspace(-2, 2, 400))
    responses = regulator**2 / (thresholds[:, None] ** 2 + regulator**2)
    rests = np.log(gene) - np.log(responses)
    best = rests.std(axis=1).argmin()
    return responses[best] * np.exp(rests[best].mean())


def test_activated_rise_and_repressed_fall(simulated):
    log_levels = np.log(simulated.data[20:])
    links = simulated.network.tocsc()
    alone = [gene for gene in range(10, 60) if np.diff(links.indptr)[gene] == 1]
    at = links.indptr[alone]
    slopes = [
        np.corrcoef(log_levels[:, regulator], log_levels[:, gene])[0, 1]
        for regulator, gene in zip(links.indices[at], alone, strict=True)
    ]
    assert len(alone) > 10
    assert_array_equal(np.sign(slopes), links.data[at])


def test_knocked_out_regulators_are_absent_in_turn(simulated):
    assert_array_equal(simulated.knockouts[:20], np.tile(np.arange(10), 2))
    assert_array_equal(simulated.knockouts[20:], -1)
    expected = np.zeros((400, 60), dtype=bool)
    expected[np.arange(20), simulated.knockouts[:20]] = True
    # What needs an absent activator is absent too.
    assert_array_equal(simulated.data[expected], 0)
    assert (simulated.data[20:] > 0).all()


def test_target_of_an_absent_activator_is_absent_and_others_do_not_change():
    whole, lacking = (
        make_regulatory_network(60, 40, n_knockouts=n, activating=1, random_state=1)
        for n in (0, 1)
    )
    absent = lacking.data[0] == 0
    network = whole.network.toarray() != 0
    reached = np.zeros(40, dtype=bool)
    reached[0] = True
    for _ in range(10):
        reached |= reached @ network
    assert_array_equal(absent, reached)
    assert_array_equal(lacking.data[0, ~reached], whole.data[0, ~reached])
    assert_array_equal(lacking.data[1:], whole.data[1:])


def test_levels_are_about_1_in_the_middle():
    levels = make_regulatory_network(81, 60, random_state=0).data
    assert_allclose(np.median(levels, axis=0), 1)


def test_network_does_not_depend_on_the_number_of_samples(simulated):
    few = make_regulatory_network(3, 60, random_state=0)
    assert_array_equal(few.network.toarray(), simulated.network.toarray())


def test_regulatory_network_as_frame():
    framed = make_regulatory_network(5, 20, as_frame=True, random_state=0)
    plain = make_regulatory_network(5, 20, random_state=0)
    assert framed.data.columns.tolist() == framed.feature_names
    assert_array_equal(framed.data, plain.data)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_regulators": 0}, "n_regulators=0 is not between 1 and 20"),
        ({"n_regulators": 21}, "n_regulators=21 is not between 1 and 20"),
        ({"degree": 11.0}, "degree=11.0 is not between 1 and 10"),
        ({"activating": 1.1}, "activating=1.1 is not between 0 and 1"),
        ({"noise": -0.1}, "noise=-0.1 is not between 0 and inf"),
        ({"n_knockouts": 6}, "n_knockouts=6 is not between 0 and 5"),
    ],
)
def test_what_cannot_be_is_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_regulatory_network(5, 20, **parameters)


def test_long_chains_of_regulators_stay_finite():
    simulated = make_regulatory_network(200, 1000, n_regulators=200, random_state=0)
    assert np.isfinite(simulated.data).all()
    assert (simulated.data >= 0).all()
