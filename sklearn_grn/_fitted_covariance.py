"""What can be asked of a covariance that was fitted: its matrices, and of samples."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_grn._anndata import as_table, is_annotated
from sklearn_grn._capacitance import Capacitance
from sklearn_grn._diagonal_low_rank import DiagonalPlusLowRank
from sklearn_grn._likelihood import explain, log_density, squared_mahalanobis
from sklearn_grn._loadings import Pathways, is_plain_table
from sklearn_grn._sample_batch import row_parts
from sklearn_grn._spectrum import squared_distance

FLOATS = [np.float64, np.float32]


class FittedCovariance(BaseEstimator):
    """Questions to a fitted covariance; nothing here changes it.

    Each is answered from one state throughout, whatever another thread does meanwhile.
    """

    covariance_: DiagonalPlusLowRank
    precision_: DiagonalPlusLowRank
    location_: NDArray
    activity_variance_: NDArray
    n_components_: int
    n_features_in_: int
    n_samples_seen_: int
    _state: Capacitance
    _pathways: Pathways

    @property
    def pathway_loadings_(self) -> NDArray:
        """Loadings of the pathways, as given, shape (n_features, n_pathways)."""
        check_is_fitted(self)
        return self._pathways.loadings.lying().T

    @property
    def condition_number_(self) -> float:
        """Largest eigenvalue of the covariance over its smallest."""
        check_is_fitted(self)
        return self.covariance_.condition_number()

    def get_covariance(self) -> DiagonalPlusLowRank:
        """Return the covariance.

        Returns
        -------
        DiagonalPlusLowRank of shape (n_features, n_features)
        """
        check_is_fitted(self)
        return self.covariance_

    def get_precision(self) -> DiagonalPlusLowRank:
        """Return the precision, the inverse of the covariance.

        Returns
        -------
        DiagonalPlusLowRank of shape (n_features, n_features)
        """
        check_is_fitted(self)
        return self.precision_

    # -------------------------------------------------------------------- samples
    def activities(self, X: Any) -> NDArray:
        """Return the posterior mean of each pathway's activity in each sample.

        Parameters
        ----------
        X : array-like or sparse of shape (n_samples, n_features)
            Expression.

        Returns
        -------
        ndarray of shape (n_samples, n_pathways)
            E[activity | x]; the prior mean is 0 and the prior variance
            `activity_variance_`.
        """
        held = copy.copy(self)
        factors = held._evaluated(_factors, X)
        return factors[:, held.n_components_ :] * np.sqrt(held.activity_variance_)

    def mahalanobis(self, X: Any) -> NDArray:
        """Return the squared Mahalanobis distance of each sample from the mean.

        It is the distance in the factors plus the distance of the residual, a sum of
        squares, and so never negative.

        Parameters
        ----------
        X : array-like or sparse of shape (n_samples, n_features)
            Expression.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._evaluated(squared_mahalanobis, X)

    def score_samples(self, X: Any) -> NDArray:
        """Return the Gaussian log-likelihood of each sample.

        Parameters
        ----------
        X : array-like or sparse of shape (n_samples, n_features)
            Expression.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._evaluated(log_density, X)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean Gaussian log-likelihood of samples.

        Parameters
        ----------
        X : array-like or sparse of shape (n_samples, n_features)
            Expression.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        float
            Higher is better, so that a grid search can choose parameters by it.
        """
        return float(self.score_samples(X).mean())

    def error_norm(
        self,
        comp_cov: Any,
        norm: str = "frobenius",
        scaling: bool = True,
        squared: bool = True,
    ) -> float:
        """Return the distance between this covariance and another.

        As in the classes of `sklearn.covariance`, without a second dense matrix.

        Parameters
        ----------
        comp_cov : array-like or DiagonalPlusLowRank of shape (n_features, n_features)
            The covariance to compare with.
        norm : {"frobenius", "spectral"}, default="frobenius"
            Root of the sum of squared differences, or the largest eigenvalue of the
            difference in absolute value.
        scaling : bool, default=True
            Whether the squared norm is divided by n_features.
        squared : bool, default=True
            Whether the squared norm is returned.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the shapes differ or `norm` is not one of the two.
        """
        check_is_fitted(self)
        covariance = self.covariance_
        distance = squared_distance(covariance, comp_cov, norm)
        distance /= len(covariance) if scaling else 1
        return distance if squared else float(np.sqrt(distance))

    def _evaluated(
        self, function: Callable[[Capacitance, NDArray], NDArray], X: Any
    ) -> NDArray:
        """Return what a function says of centred samples, some rows at a time."""
        held = copy.copy(self)  # its __dict__ is read once
        check_is_fitted(held)
        X = read_samples(held, X, reset=False)
        location, state = held.location_.astype(X.dtype), held._state
        found = [function(state, rows - location) for rows in row_parts(X)]
        return np.concatenate(found)


def read_samples(
    estimator: FittedCovariance,
    X: Any,
    *,
    reset: bool,
    ensure_min_samples: int = 1,
    accept_sparse: bool = True,
) -> Any:
    """Check samples as scikit-learn does; those of an AnnData stay sparse.

    Parameters
    ----------
    estimator : estimator
        Its names and number of genes are set, or compared.
    X : array-like, sparse or AnnData of shape (n_samples, n_features)
    reset : bool
        Whether they are set.
    ensure_min_samples : int, default=1
    accept_sparse : bool, default=True

    Returns
    -------
    ndarray, csr or csc of shape (n_samples, n_features)
        float32 or float64.
    """
    if is_plain_table(X) and X.shape[0] >= ensure_min_samples:
        # What scikit-learn checks holds; in small tables it takes longer than the rest.
        if reset:
            estimator.__dict__.pop("feature_names_in_", None)
            estimator.n_features_in_ = X.shape[1]
            return X
        if X.shape[1] == estimator.n_features_in_ and not hasattr(
            estimator, "feature_names_in_"
        ):
            return X
    options: Any = {
        "dtype": FLOATS,
        "accept_sparse": ("csr", "csc") if accept_sparse else False,
        "ensure_min_samples": ensure_min_samples,
    }
    if accept_sparse and is_annotated(X) and sparse.issparse(X.X):
        names = pd.DataFrame(columns=pd.Index(X.var_names), index=range(0))
        validate_data(estimator, names, reset=reset, skip_check_array=True)
        return check_array(X.X, estimator=estimator, input_name="X", **options)
    return validate_data(estimator, as_table(X), reset=reset, **options)


def _factors(state: Capacitance, centred: NDArray) -> NDArray:
    return explain(state, centred)[0]
