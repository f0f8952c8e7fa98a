"""The checks of scikit-learn on the transformer of activities, all of them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_grn import FactorPrecisionEstimator, PathwayActivities


class TwoPathways(FactorPrecisionEstimator):
    """Add two pathways to any table: the checks use tables of every width."""

    def fit(self, X, y=None):
        super().fit(X)
        size = self.n_features_in_
        loadings = np.column_stack([np.ones(size), np.arange(size) % 3 - 0.5])
        return self.partial_fit_pathways(loadings, ["all", "some"])


ESTIMATORS = [
    PathwayActivities(TwoPathways()),
    PathwayActivities(TwoPathways(2, shrinkage="oas")),
    PathwayActivities(TwoPathways(shrinkage=1.0)),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# scikit-learn runs these on its own estimators but not in `check_estimator`.
FURTHER_CHECKS = [
    "check_dataframe_column_names_consistency",
    "check_estimators_partial_fit_n_features",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


# Some fit on a table with names and transform one without, where a warning is right.
@pytest.mark.filterwarnings(
    "ignore:X (has|does not have valid) feature names:UserWarning"
)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
@pytest.mark.parametrize("check", FURTHER_CHECKS)
def test_further_scikit_learn_checks(estimator, check):
    getattr(estimator_checks, check)("PathwayActivities", estimator)


@pytest.mark.parametrize(
    ("library", "table"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_output_is_a_table_with_a_column_for_each_pathway(library, table):
    X = np.random.default_rng(0).normal(size=(9, 5))
    scores = PathwayActivities(TwoPathways()).set_output(transform=library)
    activities = scores.fit_transform(X)
    assert isinstance(activities, table)
    assert list(activities.columns) == ["all", "some"]
    assert np.array_equal(activities.to_numpy(), scores.estimator_.activities(X))
