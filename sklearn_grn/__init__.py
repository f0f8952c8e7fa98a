"""Gene regulatory networks inside scikit-learn, read off a precision matrix."""

from sklearn_grn._diagonal_low_rank import DiagonalPlusLowRank
from sklearn_grn._edge_features import EdgeFeatures
from sklearn_grn._leave_one_out import LeaveOneOut, leave_one_out
from sklearn_grn._network_comparison import compare_networks, network_statistics
from sklearn_grn._nonparanormal import NonparanormalTransformer
from sklearn_grn._pathway_activities import PathwayActivities
from sklearn_grn._precision import FactorPrecisionEstimator
from sklearn_grn._precision_cv import FactorPrecisionEstimatorCV
from sklearn_grn._regulators import RegulatoryEdgeSelector
from sklearn_grn._selection import NetworkEdgeSelector
from sklearn_grn._selection_cv import NetworkEdgeSelectorCV
from sklearn_grn._significance import SignificanceTest, test_edges

__all__ = [
    "DiagonalPlusLowRank",
    "EdgeFeatures",
    "FactorPrecisionEstimator",
    "FactorPrecisionEstimatorCV",
    "LeaveOneOut",
    "NetworkEdgeSelector",
    "NetworkEdgeSelectorCV",
    "NonparanormalTransformer",
    "PathwayActivities",
    "RegulatoryEdgeSelector",
    "SignificanceTest",
    "compare_networks",
    "leave_one_out",
    "network_statistics",
    "test_edges",
]
