"""The selector of regulatory edges, as people use it."""

import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_grn import RegulatoryEdgeSelector
from sklearn_grn.datasets import make_regulatory_network

SIMULATED = make_regulatory_network(120, 60, n_regulators=8, random_state=0)
NAMES = np.array([f"GENE{number}" for number in range(60)], dtype=object)
TABLE = pd.DataFrame(SIMULATED.data, columns=NAMES)


@pytest.fixture(scope="module")
def fitted():
    return RegulatoryEdgeSelector(max_edges=50).fit(TABLE)


# ----------------------------------------------------------------------- the results
def test_edges_come_strongest_first(fitted):
    columns = ["source", "target", "score", "partial_correlation"]
    assert list(fitted.edges_.columns) == columns
    assert len(fitted.edges_) == 50
    assert fitted.edges_["score"].is_monotonic_decreasing


def test_network_holds_scores_from_source_to_target(fitted):
    edges, genes = fitted.edges_, list(NAMES)
    expected = np.zeros((60, 60))
    rows, columns = (list(map(genes.index, edges[end])) for end in ("source", "target"))
    expected[rows, columns] = edges["score"]
    assert_array_equal(fitted.network_.toarray(), expected)


def truth_of(edges):
    """Return 1, -1 or 0 for each edge: activation, repression, or none."""
    numbers = {name: number for number, name in enumerate(NAMES)}
    ends = ([numbers[name] for name in edges[end]] for end in ("source", "target"))
    return SIMULATED.network.toarray()[tuple(ends)]


@pytest.fixture(scope="module")
def ranked():
    return RegulatoryEdgeSelector(NAMES[:8], max_edges=50).fit(TABLE)


def test_the_first_edges_are_those_of_the_simulation(ranked):
    assert np.mean(truth_of(ranked.edges_[:20]) != 0) >= 0.85
    assert np.mean(truth_of(ranked.edges_) != 0) >= 0.7


def test_the_sign_tells_activation_from_repression(ranked):
    signs = truth_of(ranked.edges_)
    agree = np.sign(ranked.edges_["partial_correlation"]) == signs
    assert agree[signs != 0].mean() > 0.9


def test_as_many_edges_as_genes_where_nothing_is_said():
    assert len(RegulatoryEdgeSelector().fit(TABLE).edges_) == 60


def test_the_threshold_reproduces_the_network(fitted):
    again = RegulatoryEdgeSelector(threshold=fitted.threshold_).fit(TABLE)
    pd.testing.assert_frame_equal(again.edges_, fitted.edges_)


def test_max_edges_and_threshold_both_count(fitted):
    threshold = fitted.edges_["score"][10]
    few = RegulatoryEdgeSelector(max_edges=5, threshold=threshold).fit(TABLE)
    fewer = RegulatoryEdgeSelector(max_edges=50, threshold=threshold).fit(TABLE)
    assert (len(few.edges_), len(fewer.edges_)) == (5, 10)
    assert fewer.threshold_ == threshold


def test_a_threshold_of_0_keeps_all_pairs():
    assert len(RegulatoryEdgeSelector(threshold=0).fit(TABLE).edges_) == 60 * 59


def test_edges_do_not_depend_on_the_order_of_genes(fitted):
    turned = RegulatoryEdgeSelector(max_edges=50).fit(TABLE[NAMES[::-1]])
    pd.testing.assert_frame_equal(turned.edges_, fitted.edges_, rtol=1e-11)


def test_hub_weights_grow_with_the_number_of_targets():
    simulated = make_regulatory_network(200, 300, degree=1, noise=0.8, random_state=0)
    selector = RegulatoryEdgeSelector(simulated.regulators).fit(simulated.data)
    n_targets = np.diff(simulated.network.indptr)[:10]
    assert np.corrcoef(selector.hub_weight_, n_targets)[0, 1] > 0.9


def test_hub_weights_are_in_the_order_of_regulators(fitted):
    assert_array_equal(fitted.regulators_, NAMES)
    assert_allclose(fitted.hub_weight_.mean(), 1.1)
    turned = RegulatoryEdgeSelector().fit(TABLE[NAMES[::-1]])
    assert_array_equal(turned.regulators_, NAMES[::-1])
    assert_allclose(turned.hub_weight_, fitted.hub_weight_[::-1], rtol=1e-10)


def test_the_exponent_follows_from_the_mean_squared_correlation(fitted):
    m = fitted.mean_squared_correlation_
    assert fitted.hub_exponent_ == 1 / (1 + (m / 0.03) ** 2)


def test_a_given_exponent_is_used():
    flat = RegulatoryEdgeSelector(hub_exponent=0, threshold=0).fit(TABLE)
    hubs = RegulatoryEdgeSelector(hub_exponent=1, threshold=0).fit(TABLE)
    assert (flat.hub_exponent_, hubs.hub_exponent_) == (0, 1)
    expected = flat.network_.toarray() * hubs.hub_weight_[:, None]
    assert_allclose(hubs.network_.toarray(), expected, rtol=1e-12)


def test_float32_gives_almost_the_same():
    edges = RegulatoryEdgeSelector(threshold=0).fit(TABLE).network_
    single = RegulatoryEdgeSelector(threshold=0).fit(TABLE.astype(np.float32)).network_
    assert_allclose(single.toarray(), edges.toarray(), rtol=1e-3)


# -------------------------------------------------------------------- using it
def test_support_is_the_genes_at_either_end(fitted):
    ends = set(fitted.edges_["source"]) | set(fitted.edges_["target"])
    assert set(NAMES[fitted.get_support()]) == ends
    assert set(fitted.get_feature_names_out()) == ends


def test_transform_keeps_these_genes(fitted):
    kept = fitted.transform(TABLE)
    assert_array_equal(kept, SIMULATED.data[:, fitted.get_support()])


def test_it_stands_in_a_pipeline(fitted):
    scaler = StandardScaler(with_mean=False)  # the tiniest levels would become equal
    pipeline = make_pipeline(scaler, RegulatoryEdgeSelector(max_edges=50))
    edges = pipeline.fit(SIMULATED.data)[-1].edges_
    assert_allclose(edges["score"], fitted.edges_["score"], rtol=1e-9)


def test_anndata_is_a_table(fitted):
    data = SimpleNamespace(
        X=SIMULATED.data, layers={}, obs_names=range(120), var_names=NAMES
    )
    selector = RegulatoryEdgeSelector(max_edges=50).fit(data)
    pd.testing.assert_frame_equal(selector.edges_, fitted.edges_)
    assert_array_equal(selector.transform(data), fitted.transform(TABLE))


def test_a_copy_from_a_file_is_the_same(fitted):
    copy = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(copy.edges_, fitted.edges_)


def test_no_table_is_kept(fitted):
    arrays = [item for item in vars(fitted).values() if isinstance(item, np.ndarray)]
    assert max(array.size for array in arrays) <= 60


# --------------------------------------------------------------------- regulators
def as_file(folder, text):
    path = folder / "regulators.txt"
    path.write_bytes(text.encode("utf-8-sig"))
    return path


FORMS = {
    "names": lambda folder: ["GENE5", "GENE2", "GENE30"],
    "repeated names": lambda folder: ["GENE2", "GENE5", "GENE2", "GENE30"],
    "Series": lambda folder: pd.Series(["GENE5", "GENE2", "GENE30"]),
    "set": lambda folder: {"GENE5", "GENE2", "GENE30"},
    "numbers": lambda folder: [30, 2, 5],
    "mask": lambda folder: np.isin(np.arange(60), [2, 5, 30]),
    "file": lambda folder: as_file(folder, "GENE5\n\n GENE2 \r\nGENE30"),
    "name of a file": lambda folder: str(as_file(folder, "GENE5\nGENE2\nGENE30\n")),
}


@pytest.mark.parametrize("form", FORMS)
def test_regulators_in_every_form(tmp_path, form):
    selector = RegulatoryEdgeSelector(FORMS[form](tmp_path), threshold=0).fit(TABLE)
    assert list(selector.regulators_) == ["GENE2", "GENE5", "GENE30"]
    assert set(selector.edges_["source"]) == {"GENE2", "GENE5", "GENE30"}
    assert len(selector.edges_) == 3 * 59
    assert len(selector.hub_weight_) == 3


def test_names_of_a_table_without_names():
    selector = RegulatoryEdgeSelector(["x3", "x1"]).fit(SIMULATED.data)
    assert list(selector.regulators_) == ["x1", "x3"]


def test_unknown_names_are_counted_in_one_warning():
    selector = RegulatoryEdgeSelector(["GENE1", "SOX2", "MYC"])
    with pytest.warns(UserWarning, match="^2 of the 3 regulators are not in the table"):
        selector.fit(TABLE)
    assert list(selector.regulators_) == ["GENE1"]


@pytest.mark.parametrize(
    ("regulators", "message"),
    [
        (["gene1", "gene2", "gene3"], "would match without regard to case"),
        ([], r"shape \(0,\); it must be a list of at least one"),
        ([[1, 2]], "must be a list of at least one name"),
        ([5, 60], "regulator 60 is not between 0 and 59"),
        ([-1], "regulator -1 is not between 0 and 59"),
        ([True, False], "the mask of regulators has 2 entries, 1 of them true; the"),
        ([False] * 60, "has 60 entries, 0 of them true"),
        ("GENE1", r"names no file. A single regulator is written as a list: .*\['GENE"),
    ],
)
def test_regulators_that_cannot_be(regulators, message):
    with pytest.raises(ValueError, match=message):
        RegulatoryEdgeSelector(regulators).fit(TABLE)


def test_a_constant_regulator_has_no_edge():
    table = TABLE.assign(GENE1=2.0)
    selector = RegulatoryEdgeSelector(["GENE1", "GENE2"], threshold=0).fit(table)
    assert set(selector.edges_["source"]) == {"GENE2"}
    assert list(selector.regulators_) == ["GENE1", "GENE2"]
    assert selector.hub_weight_[0] == 0.1


# ------------------------------------------------------------ what fails, what warns
def test_a_fit_that_fails_leaves_the_object_as_it_was():
    selector = RegulatoryEdgeSelector([1, 2]).fit(TABLE)
    before = dict(vars(selector))
    selector.set_params(regulators=["SOX2"])
    with pytest.raises(ValueError, match="no gene of the list of regulators"):
        selector.fit(SIMULATED.data[:, :30])
    assert vars(selector) == before | {"regulators": ["SOX2"]}


def test_an_empty_network_is_warned_of():
    largest = RegulatoryEdgeSelector().fit(TABLE).edges_["score"][0]
    words = f"no edge was selected. The largest score is {largest:.3g}; lower the"
    with pytest.warns(UserWarning, match=words):
        selector = RegulatoryEdgeSelector(threshold=1e6).fit(TABLE)
    assert len(selector.edges_) == 0
    assert selector.network_.shape == (60, 60)


def test_a_table_in_which_nothing_varies_is_refused():
    with pytest.raises(ValueError, match="none of the 3 genes varies"):
        RegulatoryEdgeSelector().fit(np.ones((5, 3)))
