"""The checks of scikit-learn, all of them, and the habits that they do not check."""

import inspect
from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.covariance import LedoitWolf
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import sklearn_grn
from sklearn_grn import (
    EdgeFeatures,
    FactorPrecisionEstimator,
    FactorPrecisionEstimatorCV,
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
    NonparanormalTransformer,
    PathwayActivities,
    RegulatoryEdgeSelector,
)

# The tables of the checks are small and mostly noise, where it is right to warn.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{words}:UserWarning")
    for words in (
        ".*Heywood cases",
        ".*no edge (is significant|was selected)",
        "No features were selected",
        ".*samples are few",
        ".*of the genes have heavy tails",
        ".*almost equal to another one",
        ".*neighbouring samples",
        ".*unconnected genes correlate",
        ".*values are the lowest of their gene",
        ".*the median gene has a count",
        ".*the best threshold is the smallest",
        ".*the best shrinkage is the smallest",
        "X (has|does not have valid) feature names",
    )
]

COVARIANCES = [
    FactorPrecisionEstimator(),
    FactorPrecisionEstimator(2),
    FactorPrecisionEstimator(shrinkage=0.3, assume_centered=True),
    FactorPrecisionEstimator(shrinkage=1.0),
    FactorPrecisionEstimator(3, shrinkage="ledoit_wolf"),
    FactorPrecisionEstimator(shrinkage="oas"),
    FactorPrecisionEstimator(1, method="factor_analysis"),
]
CHOSEN = [
    FactorPrecisionEstimatorCV(),
    FactorPrecisionEstimatorCV([0.1, 0.5, 1.0], cv=3, assume_centered=True),
]
SELECTORS = [
    NetworkEdgeSelector(),
    NetworkEdgeSelector(significance="genenet"),
    NetworkEdgeSelector(significance="t", fdr=0.2),
    NetworkEdgeSelector(threshold=0),
    NetworkEdgeSelector(FactorPrecisionEstimator(2), threshold=0.1, max_edges=3),
    NetworkEdgeSelector(LedoitWolf(), threshold=0.01),
    NetworkEdgeSelector(
        make_pipeline(StandardScaler(), FactorPrecisionEstimator()), threshold=0
    ),
    NetworkEdgeSelectorCV(),
    NetworkEdgeSelectorCV(LedoitWolf(), thresholds=[0, 0.1], cv=3),
]
FEATURES = [EdgeFeatures(), EdgeFeatures(NetworkEdgeSelector(threshold=0))]


class TwoPathways(FactorPrecisionEstimator):
    """Add two pathways to any table: the checks use tables of every width."""

    def fit(self, X, y=None):
        super().fit(X)
        size = self.n_features_in_
        loadings = np.column_stack([np.ones(size), np.arange(size) % 3 - 0.5])
        return self.partial_fit_pathways(loadings, ["all", "some"])


REGULATORS = [
    RegulatoryEdgeSelector(),
    RegulatoryEdgeSelector(threshold=0),
    RegulatoryEdgeSelector([0], max_edges=1),
    RegulatoryEdgeSelector(max_edges=3, shrinkage=0.8, hub_exponent=1.0),
]
RANKS = [NonparanormalTransformer(), NonparanormalTransformer(winsorize=True)]
ACTIVITIES = [
    PathwayActivities(TwoPathways()),
    PathwayActivities(TwoPathways(2, shrinkage="oas")),
    PathwayActivities(TwoPathways(shrinkage=1.0)),
]
TRANSFORMERS = SELECTORS + FEATURES + REGULATORS + RANKS + ACTIVITIES
ESTIMATORS = COVARIANCES + CHOSEN + TRANSFORMERS
on_estimators = pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# scikit-learn runs these on its own estimators but not in `check_estimator`.
FURTHER_CHECKS = [
    "check_dataframe_column_names_consistency",
    "check_estimators_partial_fit_n_features",
    "check_inplace_ensure_writeable",
    "check_param_validation",
]


@on_estimators
@pytest.mark.parametrize("check", FURTHER_CHECKS)
def test_further_scikit_learn_checks(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


TRANSFORMER_CHECKS = [
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
@pytest.mark.parametrize("check", TRANSFORMER_CHECKS)
def test_further_scikit_learn_checks_of_transformers(transformer, check):
    getattr(estimator_checks, check)(type(transformer).__name__, transformer)


@pytest.mark.parametrize("estimator", COVARIANCES, ids=str)
@pytest.mark.parametrize("name", ["transform", "set_output", "get_feature_names_out"])
def test_no_method_of_a_transformer(estimator, name):
    assert not hasattr(estimator, name)


def fit_copy(estimator):
    X = np.random.default_rng(0).normal(size=(9, 5))
    X[:, 1] += 2 * X[:, 0]
    return clone(estimator).fit(X)


@on_estimators
def test_what_fit_sets_ends_with_an_underscore_or_begins_with_one(estimator):
    learnt = set(vars(fit_copy(estimator))) - set(vars(estimator))
    assert learnt
    assert all(name.startswith("_") or name.endswith("_") for name in learnt)


@on_estimators
def test_fit_leaves_the_parameters_as_they_were(estimator):
    fitted = fit_copy(estimator)
    assert str(fitted.get_params()) == str(estimator.get_params())


# ------------------------------------------------------------------------ docstrings
CLASSES = [
    item
    for name in sklearn_grn.__all__
    if inspect.isclass(item := getattr(sklearn_grn, name))
    and not issubclass(item, tuple)
]
on_classes = pytest.mark.parametrize("public_class", CLASSES)


def sections(item):
    """Headings of a numpydoc docstring, in their order."""
    lines = inspect.cleandoc(item.__doc__).splitlines()
    return [
        heading
        for heading, line in pairwise(lines)
        if line and set(line) == {"-"} and len(line) == len(heading)
    ]


def entries(item, section):
    """Names that a section of a docstring lists."""
    lines = inspect.cleandoc(item.__doc__).splitlines()
    start = lines.index(section) + 2
    listed = []
    for line, following in zip(lines[start:], [*lines[start + 1 :], ""], strict=True):
        if following and set(following) == {"-"}:
            break
        if line and not line.startswith(" "):
            listed += line.split(" : ")[0].replace("*", "").split(", ")
    return listed


def public_methods(public_class):
    """Methods that the class itself defines."""
    return [
        item
        for name, item in vars(public_class).items()
        if inspect.isfunction(item) and not name.startswith("_")
    ]


@on_classes
def test_class_docstrings_have_their_sections_in_order(public_class):
    wanted = ["Parameters", "Attributes", "See Also", "Notes", "Examples"]
    if issubclass(public_class, BaseEstimator):
        wanted.insert(-1, "References")
    found = [name for name in sections(public_class) if name in wanted]
    assert found == wanted


@on_classes
def test_class_docstrings_list_the_parameters(public_class):
    parameters = list(inspect.signature(public_class).parameters)
    assert entries(public_class, "Parameters") == parameters


@on_classes
def test_method_docstrings_list_the_parameters(public_class):
    for method in public_methods(public_class):
        parameters = list(inspect.signature(method).parameters)[1:]
        listed = entries(method, "Parameters") if parameters else []
        assert listed == parameters, method.__name__


@on_classes
def test_method_docstrings_say_what_is_returned(public_class):
    for method in public_methods(public_class):
        if method.__doc__ and not method.__doc__.startswith("Return ``P.toarray"):
            assert "Returns" in sections(method), method.__name__


def learnt_by(estimator):
    names = dir(fit_copy(estimator))
    return {name for name in names if name.endswith("_") and not name.startswith("_")}


@on_estimators
def test_the_docstring_lists_what_fit_sets(estimator):
    assert learnt_by(estimator) <= set(entries(type(estimator), "Attributes"))


@pytest.mark.parametrize(
    "family",
    [
        COVARIANCES,
        CHOSEN,
        SELECTORS[:-2],
        SELECTORS[-2:],
        FEATURES,
        REGULATORS,
        RANKS,
        ACTIVITIES,
    ],
)
def test_the_docstring_lists_nothing_that_fit_never_sets(family):
    learnt = set.union(*map(learnt_by, family))
    listed = set(entries(type(family[0]), "Attributes"))
    # Names come with a table, changes with an update.
    assert listed - learnt <= {"feature_names_in_", "edge_changes_"}
