"""The checks of scikit-learn on the selector of regulatory edges, all of them."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_grn import RegulatoryEdgeSelector

# The tables of the checks are small, some have one gene, and ties leave edges out.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{words}:UserWarning")
    for words in (
        "no edge was selected",
        "No features were selected",
        # Some fit on a table with names and transform one without.
        "X (has|does not have valid) feature names",
    )
]

ESTIMATORS = [
    RegulatoryEdgeSelector(),
    RegulatoryEdgeSelector(threshold=0),
    RegulatoryEdgeSelector([0], max_edges=1),
    RegulatoryEdgeSelector(max_edges=3, shrinkage=0.8, hub_exponent=1.0),
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


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
@pytest.mark.parametrize("check", FURTHER_CHECKS)
def test_further_scikit_learn_checks(estimator, check):
    getattr(estimator_checks, check)("RegulatoryEdgeSelector", estimator)
