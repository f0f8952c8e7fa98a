"""AnnData is taken wherever a table is, and results go where scverse looks for them.

Most tests use a stand-in that has the attributes of an AnnData and nothing else; those
at the end need the package.
"""

import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.covariance import ShrunkCovariance
from sklearn.pipeline import make_pipeline

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    PathwayActivities,
    RegulatoryEdgeSelector,
)
from sklearn_grn.pathways import (
    expression_table,
    fit_activity_variance,
    network_changes,
    pathway_loadings,
    write_anndata,
)

GENES = [f"g{i}" for i in range(20)]
CELLS = [f"cell{i}" for i in range(15)]
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(15, 20)) * (RNG.random((15, 20)) < 0.5)
TABLE = pd.DataFrame(VALUES, CELLS, GENES)
LOADINGS = pd.DataFrame(RNG.normal(size=(20, 2)), GENES, ["alpha", "beta"])


class StandIn:
    """What of an AnnData is used."""

    def __init__(self, X, genes=GENES):
        self.X = X
        self.obs_names, self.var_names = pd.Index(CELLS), pd.Index(genes)
        self.layers = {"doubled": None if X is None else 2 * X}
        self.varm, self.varp, self.obsm, self.uns = {}, {}, {}, {}


@pytest.fixture(
    params=[np.asarray, sparse.csr_matrix, sparse.csr_array, sparse.csc_array]
)
def data(request):
    return StandIn(request.param(VALUES))


@pytest.fixture
def estimator():
    return FactorPrecisionEstimator().fit(TABLE).partial_fit_pathways(LOADINGS)


# ------------------------------------------------------------------------- the way in
def test_table_has_the_names_of_cells_and_genes(data):
    assert_frame_equal(expression_table(data), TABLE)


def test_layer_is_taken_on_request(data):
    assert_frame_equal(expression_table(data, layer="doubled"), 2 * TABLE)


def test_type_of_the_values_is_kept():
    table = expression_table(StandIn(VALUES.astype(np.float32)))
    assert (table.dtypes == np.float32).all()


def test_estimator_takes_it_as_a_table(data):
    ours = FactorPrecisionEstimator().fit(data)
    theirs = FactorPrecisionEstimator().fit(TABLE)
    assert ours.feature_names_in_.tolist() == GENES
    assert_allclose(ours.precision_, theirs.precision_, atol=1e-13)
    assert_allclose(ours.score_samples(data), theirs.score_samples(TABLE), atol=1e-13)
    assert_allclose(ours.mahalanobis(data), theirs.mahalanobis(TABLE), rtol=1e-12)


def test_transformer_takes_it_as_a_table(data):
    scores = PathwayActivities(pathways=LOADINGS).fit(data)
    assert scores.feature_names_in_.tolist() == GENES
    assert_array_equal(scores.transform(data), scores.transform(TABLE))


def test_pathway_functions_take_it_as_a_table(data, estimator):
    net = {"source": ["a"] * 5, "target": GENES[:5]}
    assert pathway_loadings(net, data).index.tolist() == GENES
    found = fit_activity_variance(estimator, data)
    pd.testing.assert_series_equal(found, fit_activity_variance(estimator, TABLE))


def test_genes_in_another_order_are_refused_as_in_a_table(estimator):
    mixed = StandIn(VALUES[:, ::-1], GENES[::-1])
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.score(mixed)


def test_layer_that_is_not_there_is_refused_with_those_that_are(data):
    with pytest.raises(ValueError, match=r"no layer is named 'raw'.*\['doubled'\]"):
        expression_table(data, layer="raw")


def test_no_values_point_to_the_layers():
    with pytest.raises(ValueError, match=r"no X; name a layer, one of \['doubled'\]"):
        FactorPrecisionEstimator().fit(StandIn(None))


def test_a_table_is_no_annotated_one():
    with pytest.raises(ValueError, match="DataFrame is no AnnData"):
        expression_table(TABLE)


def test_sparse_values_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("sklearn_grn._anndata._free_memory", lambda: 1000.0)
    with pytest.raises(MemoryError, match=r"shape \(15, 20\).*Choose genes or samples"):
        NetworkEdgeSelector().fit(StandIn(sparse.csr_array(VALUES)))


def test_an_estimator_takes_sparse_values_as_they_are(monkeypatch):
    monkeypatch.setattr("sklearn_grn._anndata._free_memory", lambda: 1000.0)
    data = StandIn(sparse.csr_array(VALUES))
    estimator = FactorPrecisionEstimator().fit(data)
    assert_allclose(
        estimator.score(data), FactorPrecisionEstimator().fit(VALUES).score(VALUES)
    )
    assert estimator.feature_names_in_.tolist() == list(data.var_names)


def test_without_the_package_a_file_is_refused_and_the_extra_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(ImportError, match=r'pip install "sklearn-grn\[anndata\]"'):
        expression_table("cells.h5ad")


# ------------------------------------------------------------------------ the way back
def test_loadings_go_to_varm(data, estimator):
    write_anndata(data, estimator)
    assert_frame_equal(data.varm["grn"], LOADINGS)


def test_activities_go_to_obsm(data, estimator):
    write_anndata(data, estimator)
    activities = estimator.activities(TABLE)
    expected = pd.DataFrame(activities, CELLS, ["alpha", "beta"])
    assert_frame_equal(data.obsm["grn"], expected)


def test_activities_are_those_of_the_layer(data, estimator):
    write_anndata(data, estimator, layer="doubled")
    assert_allclose(data.obsm["grn"], estimator.activities(2 * TABLE))


def test_network_goes_to_varp(data, estimator):
    write_anndata(data, estimator)
    network = data.varp["grn"]
    assert network.format == "csr"
    expected = estimator.partial_correlation_.toarray()
    np.fill_diagonal(expected, 0.0)
    assert_allclose(network.toarray(), expected, atol=1e-14)


def test_network_has_the_strongest_edges(data, estimator):
    write_anndata(data, estimator, n_edges=7)
    network = data.varp["grn"].toarray()
    sizes = np.abs(np.triu(estimator.partial_correlation_, 1))
    assert_array_equal(network, network.T)
    assert np.count_nonzero(network) == 14
    cut = np.sort(sizes, axis=None)[-7]
    assert_array_equal(np.triu(network) != 0, sizes >= cut)


def test_parameters_go_to_uns(data):
    estimator = FactorPrecisionEstimator(shrinkage=0.4).fit(TABLE)
    estimator.partial_fit_pathways(LOADINGS, activity_variance=[1.0, 2.0])
    write_anndata(data, estimator)
    written = data.uns["grn"]
    assert written["params"]["shrinkage"] == 0.4
    assert written["params"]["method"] == "shrinkage"
    assert written["shrinkage"] == estimator.shrinkage_
    assert written["pathway_names"].tolist() == ["alpha", "beta"]
    assert_array_equal(written["activity_variance"], [1.0, 2.0])
    assert_array_equal(written["activity_std"], estimator.activity_std_)


def test_one_key_renames_all(data, estimator):
    write_anndata(data, estimator, key_added="hallmarks")
    for slot in (data.varm, data.varp, data.obsm, data.uns):
        assert list(slot) == ["hallmarks"]


def test_without_pathways_there_are_no_loadings_and_no_activities(data):
    write_anndata(data, FactorPrecisionEstimator().fit(TABLE))
    assert not data.varm
    assert not data.obsm
    assert "activity_std" not in data.uns["grn"]
    assert data.varp["grn"].nnz == 20 * 19


def test_genes_in_another_order_are_put_right(estimator):
    mixed = StandIn(VALUES[:, ::-1], GENES[::-1])
    write_anndata(mixed, estimator)
    assert_frame_equal(mixed.varm["grn"], LOADINGS[::-1])
    assert_allclose(mixed.obsm["grn"], estimator.activities(TABLE))
    expected = estimator.partial_correlation_.toarray()[::-1, ::-1]
    np.fill_diagonal(expected, 0.0)
    assert_allclose(mixed.varp["grn"].toarray(), expected, atol=1e-14)


def test_network_of_a_selector_is_the_one_that_it_selected(data, estimator):
    class Selector:
        estimator_ = estimator
        network_ = sparse.csr_array(([0.5, 0.5], ([0, 3], [3, 0])), shape=(20, 20))

    write_anndata(data, Selector())
    assert_array_equal(data.varp["grn"].toarray(), Selector.network_.toarray())
    assert_frame_equal(data.varm["grn"], LOADINGS)


def test_transformer_is_written_with_its_estimator(data):
    scores = PathwayActivities(pathways=LOADINGS).fit(TABLE)
    write_anndata(data, scores)
    assert_array_equal(data.obsm["grn"], scores.transform(TABLE))


def test_other_genes_are_refused(estimator):
    few = StandIn(VALUES[:, :5], GENES[:5])
    with pytest.raises(ValueError, match="has 5 genes and the model 20, of which 5"):
        write_anndata(few, estimator)
    assert not few.varp


def test_model_without_names_is_refused(data):
    with pytest.raises(ValueError, match="the model knows no gene names"):
        write_anndata(data, FactorPrecisionEstimator().fit(VALUES))


@pytest.mark.parametrize(
    "selector",
    [
        NetworkEdgeSelector(threshold=0, max_edges=9),
        NetworkEdgeSelector(
            make_pipeline(ShrunkCovariance(shrinkage=0.5)), threshold=0.01
        ),
        RegulatoryEdgeSelector(max_edges=9),
    ],
)
def test_a_selector_that_knows_no_pathway_writes_its_network(data, selector):
    selector = clone(selector).fit(TABLE)
    write_anndata(data, selector)
    assert_array_equal(data.varp["grn"].toarray(), selector.network_.toarray())
    assert "grn" in data.uns
    assert not data.varm


# ------------------------------------------------------------------ the package itself
@pytest.fixture
def annotated():
    anndata = pytest.importorskip("anndata", reason="the package anndata is not there")
    data = anndata.AnnData(sparse.csr_matrix(VALUES))
    data.obs_names, data.var_names = CELLS, GENES
    data.layers["doubled"] = 2 * data.X
    return data


def test_anndata_is_taken_as_a_table(annotated):
    assert_frame_equal(expression_table(annotated), TABLE)
    estimator = FactorPrecisionEstimator().fit(annotated)
    assert estimator.feature_names_in_.tolist() == GENES
    net = {"source": ["a"] * 5, "target": GENES[:5]}
    changes = network_changes(estimator, pathway_loadings(net, annotated))
    assert changes.index.tolist() == ["a"]


def test_what_is_written_survives_a_file(annotated, estimator, tmp_path):
    write_anndata(annotated, estimator, layer="doubled")
    annotated.write_h5ad(tmp_path / "cells.h5ad")
    again = pytest.importorskip("anndata").read_h5ad(tmp_path / "cells.h5ad")
    assert_frame_equal(again.varm["grn"], LOADINGS, check_names=False)
    assert_allclose(again.obsm["grn"], annotated.obsm["grn"])
    assert_allclose(again.varp["grn"].toarray(), annotated.varp["grn"].toarray())
    assert list(again.uns["grn"]["pathway_names"]) == ["alpha", "beta"]
    assert again.uns["grn"]["params"]["method"] == "shrinkage"


def test_file_is_read_by_name(annotated, tmp_path):
    annotated.write_h5ad(tmp_path / "cells.h5ad")
    table = expression_table(tmp_path / "cells.h5ad", layer="doubled")
    assert_allclose(table, 2 * TABLE)
    assert table.columns.tolist() == GENES
