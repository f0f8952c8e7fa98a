"""Gene regulatory networks inside scikit-learn, read off a precision matrix."""

from sklearn_grn._diagonal_low_rank import DiagonalPlusLowRank
from sklearn_grn._precision import FactorPrecisionEstimator

__all__ = ["DiagonalPlusLowRank", "FactorPrecisionEstimator"]
