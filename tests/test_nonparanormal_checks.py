"""The checks of scikit-learn on the transformer of ranks, all of them."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_grn import NonparanormalTransformer

ESTIMATORS = [NonparanormalTransformer(), NonparanormalTransformer(winsorize=True)]


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
    getattr(estimator_checks, check)("NonparanormalTransformer", estimator)
