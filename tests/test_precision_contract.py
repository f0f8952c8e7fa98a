"""FactorPrecisionEstimator among its peers: refits, refusals, copies, searches."""

import gc
import pickle
import weakref
from contextlib import contextmanager
from functools import cache

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import check_is_fitted

from sklearn_grn import FactorPrecisionEstimator, _precision

MATRICES = ["covariance_", "precision_", "partial_correlation_"]
GENES = [f"gene{i}" for i in range(8)]
RNG = np.random.default_rng(0)
SAMPLES = RNG.normal(size=(24, 8)) @ RNG.normal(size=(8, 8)) + 1.0
FRAME = pd.DataFrame(SAMPLES, columns=GENES)
LOADINGS = pd.DataFrame(RNG.normal(size=(8, 2)), index=GENES, columns=["p53", "NFkB"])
# More genes than samples, and the other way round.
TABLES = {"wide": SAMPLES[:5], "tall": SAMPLES}
on_tables = pytest.mark.parametrize("table", TABLES)


@pytest.fixture(params=["unchanged", "with pathways"])
def fitted(request):
    estimator = FactorPrecisionEstimator().fit(FRAME)
    if request.param == "with pathways":
        estimator.partial_fit_pathways(LOADINGS)
    return estimator


def assert_same(estimator, other):
    for matrix in MATRICES:
        computed, expected = getattr(estimator, matrix), getattr(other, matrix)
        assert_array_equal(computed.toarray(), expected.toarray())


@contextmanager
def left_as_it_was(estimator, error, message=None):
    before = joblib.hash(estimator)
    with pytest.raises(error, match=message):
        yield
    assert joblib.hash(estimator) == before


# ------------------------------------------------------------------------- fitting
@on_tables
def test_fit_twice_is_fit_once(table):
    once = FactorPrecisionEstimator().fit(TABLES[table])
    twice = FactorPrecisionEstimator().fit(SAMPLES[::-2, :3] + 7).fit(TABLES[table])
    assert joblib.hash(once) == joblib.hash(twice)


def test_fit_forgets_pathways_that_were_added():
    estimator = FactorPrecisionEstimator().fit(FRAME).partial_fit_pathways(LOADINGS)
    estimator.fit(FRAME)
    assert joblib.hash(estimator) == joblib.hash(FactorPrecisionEstimator().fit(FRAME))


def test_fit_forgets_what_another_method_found():
    estimator = FactorPrecisionEstimator(1, method="factor_analysis").fit(FRAME)
    assert hasattr(estimator, "loglike_")
    estimator.set_params(method="shrinkage").fit(FRAME)
    assert set(vars(estimator)) == set(vars(FactorPrecisionEstimator().fit(FRAME)))


def test_fit_keeps_the_pathways_of_the_parameter():
    estimator = FactorPrecisionEstimator(pathways=LOADINGS).fit(FRAME)
    estimator.remove_pathways("p53").partial_fit_pathways(LOADINGS["p53"], "again")
    assert_array_equal(estimator.fit(FRAME).pathway_names_, ["p53", "NFkB"])
    assert_same(estimator, FactorPrecisionEstimator(pathways=LOADINGS).fit(FRAME))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pd", "pl"])
def test_names_and_number_of_genes(make):
    estimator = FactorPrecisionEstimator().fit(make(dict(FRAME)))
    assert_array_equal(estimator.feature_names_in_, GENES)
    assert estimator.n_features_in_ == 8
    assert estimator.n_samples_seen_ == 24


def test_no_names_without_names():
    estimator = FactorPrecisionEstimator().fit(FRAME).fit(SAMPLES)
    assert not hasattr(estimator, "feature_names_in_")
    assert estimator.n_features_in_ == 8


BAD_TABLES = {
    "NaN": (np.where(SAMPLES > 3, np.nan, SAMPLES), "contains NaN"),
    "infinity": (np.where(SAMPLES > 3, np.inf, SAMPLES), "contains infinity"),
    "one sample": (SAMPLES[:1], "minimum of 2 is required"),
    "no samples": (SAMPLES[:0], r"0 sample\(s\)"),
    "no genes": (SAMPLES[:, :0], r"0 feature\(s\)"),
    "text": (np.full((24, 8), "high"), "could not convert string"),
    "one dimension": (SAMPLES[:, 0], "Expected 2D array"),
    "constant": (np.full((24, 8), 0.1), "none of the 8 genes varies"),
    "frame with NaN": (FRAME.where(FRAME < 3), "contains NaN"),
}


@pytest.mark.parametrize(("table", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_leaves_the_estimator_as_it_was(fitted, table, message):
    with left_as_it_was(fitted, ValueError, message):
        fitted.fit(table)


@pytest.mark.parametrize(("table", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_leaves_nothing_behind(table, message):
    estimator = FactorPrecisionEstimator()
    with left_as_it_was(estimator, ValueError, message):
        estimator.fit(table)
    assert vars(estimator) == vars(FactorPrecisionEstimator())


@pytest.mark.parametrize(
    "parameter",
    [
        {"shrinkage": 1.5},
        {"shrinkage": -0.1},
        {"shrinkage": "much"},
        {"shrinkage": None},
        {"n_components": 0},
        {"n_components": 2.0},
        {"pathways": 3},
        {"pathways": "p53"},
        {"assume_centered": None},
    ],
    ids=str,
)
def test_a_bad_parameter_is_named_and_leaves_the_estimator_as_it_was(fitted, parameter):
    fitted.set_params(**parameter)
    (name,) = parameter
    with left_as_it_was(fitted, InvalidParameterError, f"The '{name}' parameter of"):
        fitted.fit(FRAME)


@pytest.mark.parametrize(
    "parameter",
    [{"shrinkage": 0}, {"pathways": LOADINGS.to_numpy()[:3]}, {"pathways": [[np.nan]]}],
    ids=["shrinkage", "length", "NaN"],
)
def test_a_parameter_that_does_not_fit_the_table_leaves_it_as_it_was(fitted, parameter):
    fitted.set_params(**parameter)
    with left_as_it_was(fitted, ValueError, "."):
        fitted.fit(FRAME[:6])


# ------------------------------------------------------------------------ interrupts
def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["structured_views", "append"])
def test_an_interrupted_update_leaves_the_estimator_as_it_was(
    fitted, where, monkeypatch
):
    monkeypatch.setattr(_precision, where, interrupt)
    with left_as_it_was(fitted, KeyboardInterrupt):
        fitted.partial_fit_pathways(LOADINGS.to_numpy(), ["hypoxia", "PI3K"])


@pytest.mark.parametrize("where", ["structured_views", "remove"])
def test_an_interrupted_removal_leaves_the_estimator_as_it_was(where, monkeypatch):
    estimator = FactorPrecisionEstimator(pathways=LOADINGS).fit(FRAME)
    monkeypatch.setattr(_precision, where, interrupt)
    with left_as_it_was(estimator, KeyboardInterrupt):
        estimator.remove_pathways("p53")


@pytest.mark.parametrize("where", ["structured_views", "append"])
def test_an_interrupted_fit_leaves_the_estimator_as_it_was(fitted, where, monkeypatch):
    fitted.set_params(pathways=LOADINGS)
    monkeypatch.setattr(_precision, where, interrupt)
    with left_as_it_was(fitted, KeyboardInterrupt):
        fitted.fit(FRAME[:6].iloc[:, ::-1])


@pytest.mark.parametrize("where", ["structured_views", "append"])
def test_an_interrupted_first_fit_is_no_fit(where, monkeypatch):
    estimator = FactorPrecisionEstimator(pathways=LOADINGS)
    monkeypatch.setattr(_precision, where, interrupt)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(FRAME)
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)


# ------------------------------------------------------------------- what it holds
@on_tables
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("parameters", [{}, {"assume_centered": True}], ids=str)
def test_the_table_is_not_kept_alive(table, dtype, order, parameters):
    samples = np.array(TABLES[table], dtype=dtype, order=order)
    reference = weakref.ref(samples)
    estimator = FactorPrecisionEstimator(**parameters).fit(samples)
    estimator.score(samples)
    del samples
    gc.collect()
    assert reference() is None


@on_tables
def test_no_attribute_is_called_like_the_table(table):
    estimator = FactorPrecisionEstimator(pathways=LOADINGS.to_numpy())
    names = vars(estimator.fit(TABLES[table]))
    assert not [name for name in names if name.lstrip("_").startswith("X")]


def test_a_pickle_holds_loadings_and_basis_and_some_vectors():
    samples = np.random.default_rng(0).normal(size=(20, 1000))
    estimator = FactorPrecisionEstimator().fit(samples)
    assert len(pickle.dumps(estimator)) < 2.5 * samples.nbytes + 10 * 1000 * 8


@pytest.fixture(scope="module")
def wide():
    """Fitted on 2,000 genes: a dense matrix would take 32 MB."""
    samples = np.random.default_rng(0).normal(size=(12, 2000))
    loadings = np.random.default_rng(1).normal(size=(2000, 2))
    return FactorPrecisionEstimator(pathways=loadings).fit(samples)


LOOKS = {
    "repr": repr,
    "str": str,
    "HTML": lambda estimator: estimator._repr_html_(),
    "bundle": lambda estimator: estimator._repr_mimebundle_(),
    "repr of matrices": lambda e: [repr(getattr(e, matrix)) for matrix in MATRICES],
    "str of matrices": lambda e: [str(getattr(e, matrix)) for matrix in MATRICES],
    "every attribute": lambda e: [getattr(e, name) for name in dir(e)],
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_allocates_nothing_quadratic(wide, look, allocation_peak):
    with allocation_peak() as peak:
        LOOKS[look](wide)
    assert peak() < 0.25 * 2000**2 * 8


def test_the_repr_is_that_of_scikit_learn():
    assert (
        repr(FactorPrecisionEstimator(3)) == "FactorPrecisionEstimator(n_components=3)"
    )


def test_the_html_repr_names_the_estimator(fitted):
    assert "FactorPrecisionEstimator" in fitted._repr_html_()


# ------------------------------------------------------------- copies of all kinds
def test_a_pickle_comes_back_as_it_was(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    assert_same(again, fitted)
    assert_array_equal(again.pathway_names_, fitted.pathway_names_)
    assert again.score(FRAME) == fitted.score(FRAME)


def test_a_pickle_can_go_on(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    for estimator in (again, fitted):
        estimator.partial_fit_pathways(LOADINGS["p53"], "again")
        estimator.remove_pathways("again").partial_fit_pathways(LOADINGS["p53"], "more")
    assert_same(again, fitted)


def test_the_hash_of_equal_fits_is_equal():
    first, second = (FactorPrecisionEstimator().fit(FRAME) for _ in range(2))
    first.partial_fit_pathways(LOADINGS)
    second.partial_fit_pathways(LOADINGS.copy())
    assert joblib.hash(first) == joblib.hash(second)


USES = {
    "score": lambda estimator: estimator.score(FRAME),
    "activities": lambda estimator: estimator.activities(FRAME),
    "error_norm": lambda estimator: estimator.error_norm(np.eye(8), norm="spectral"),
    "repr": repr,
    "toarray": lambda estimator: estimator.precision_.toarray(),
    "inverse": lambda estimator: estimator.precision_.inverse().logdet(),
}
CACHED = {
    "condition_number_": lambda estimator: estimator.condition_number_,
    "HTML": lambda estimator: estimator._repr_html_(),
}


@pytest.mark.parametrize("use", USES)
def test_use_leaves_the_hash(fitted, use):
    before = joblib.hash(fitted)
    USES[use](fitted)
    assert joblib.hash(fitted) == before


@pytest.mark.parametrize("use", CACHED)
def test_looking_at_the_condition_number_leaves_the_hash(fitted, use):
    before = joblib.hash(fitted)
    CACHED[use](fitted)
    assert joblib.hash(fitted) == before


def test_a_pickle_without_pathways_has_the_same_hash():
    estimator = FactorPrecisionEstimator().fit(FRAME)
    assert joblib.hash(pickle.loads(pickle.dumps(estimator))) == joblib.hash(estimator)


def test_a_clone_has_the_parameters_and_nothing_else(fitted):
    fitted.set_params(n_components=3, shrinkage="oas", pathways=LOADINGS)
    cloned = clone(fitted)
    assert set(vars(cloned)) == set(cloned.get_params())
    assert cloned.n_components == 3
    assert cloned.shrinkage == "oas"
    pd.testing.assert_frame_equal(cloned.pathways, LOADINGS)


# ------------------------------------------------------------ searches, pipelines
CONTAINERS = {
    "numpy": (SAMPLES, LOADINGS.to_numpy()),
    "pandas": (FRAME, LOADINGS),
    "pandas and array": (FRAME, LOADINGS.to_numpy()),
    "polars": (pl.from_pandas(FRAME), LOADINGS),
    "polars and polars": (pl.from_pandas(FRAME), pl.from_pandas(LOADINGS)),
}


@cache
def search(container):
    samples, loadings = CONTAINERS[container]
    grid = {
        "pathways": [None, loadings],
        "shrinkage": ["auto", 0.5],
        "n_components": [None, 2],
    }
    return GridSearchCV(FactorPrecisionEstimator(), grid, cv=3).fit(samples)


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_grid_search_tries_pathways_shrinkage_and_components(container):
    scores = search(container).cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert len(set(scores)) == 8


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("candidate", [0, 7])
def test_a_grid_search_scores_as_cross_validation_does(container, candidate):
    results, (samples, _) = search(container).cv_results_, CONTAINERS[container]
    estimator = FactorPrecisionEstimator(**results["params"][candidate])
    expected = cross_val_score(estimator, samples, cv=3).mean()
    assert_allclose(results["mean_test_score"][candidate], expected, rtol=1e-12)


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_best_of_a_search_is_fitted_with_its_pathways(container):
    found, (samples, _) = search(container), CONTAINERS[container]
    with_pathways = found.best_params_["pathways"] is not None
    assert len(found.best_estimator_.pathway_names_) == (2 if with_pathways else 0)
    assert found.score(samples) == found.best_estimator_.score(samples)


def test_behind_a_scaler_that_keeps_the_names_loadings_align_by_name():
    scaler = StandardScaler().set_output(transform="pandas")
    shuffled = LOADINGS.iloc[::-1]
    pipeline = make_pipeline(scaler, FactorPrecisionEstimator(pathways=shuffled))
    scaled = (SAMPLES - SAMPLES.mean(axis=0)) / SAMPLES.std(axis=0)
    expected = FactorPrecisionEstimator(pathways=LOADINGS.to_numpy()).fit(scaled)
    assert_allclose(
        pipeline.fit(FRAME).score(FRAME), expected.score(scaled), rtol=1e-12
    )


def test_behind_a_scaler_that_drops_the_names_loadings_with_names_are_refused():
    pipeline = make_pipeline(
        StandardScaler(), FactorPrecisionEstimator(pathways=LOADINGS)
    )
    with pytest.raises(ValueError, match=r'set_output\(transform="pandas"\)'):
        pipeline.fit(FRAME)


@pytest.mark.parametrize("last", [StandardScaler(), FactorPrecisionEstimator()])
def test_in_front_of_another_step_it_is_refused(last):
    pipeline = make_pipeline(FactorPrecisionEstimator(), last)
    with pytest.raises(TypeError, match="should be transformers"):
        pipeline.fit(FRAME)
