"""Pictures of networks and of what changes them, in scikit-learn's Display manner.

A display holds data that are computed already; `plot` draws them and keeps what was
drawn, and `from_estimator` does both. They need matplotlib, which is imported when
something is drawn: ``pip install "sklearn-grn[plot]"``.
"""

from sklearn_grn.displays._edge_change import EdgeChangeDisplay
from sklearn_grn.displays._network import NetworkDisplay
from sklearn_grn.displays._partial_correlation import PartialCorrelationDisplay
from sklearn_grn.displays._pathway_covariance import PathwayCovarianceDisplay
from sklearn_grn.displays._threshold import ThresholdDisplay

__all__ = [
    "EdgeChangeDisplay",
    "NetworkDisplay",
    "PartialCorrelationDisplay",
    "PathwayCovarianceDisplay",
    "ThresholdDisplay",
]
