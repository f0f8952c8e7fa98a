"""How each sample speaks for each edge, as a table for a classifier."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_grn._anndata import as_table
from sklearn_grn._inner_estimator import (
    as_samples,
    as_seen_by_last_step,
    check_same_genes,
    find_precision,
    last_step,
)
from sklearn_grn._selection import NetworkEdgeSelector

_FLOATS = [np.float64, np.float32]


class EdgeFeatures(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Turn samples into one column for each edge of a network.

    The column of the edge of genes i and j is :math:`-r_i r_j`, with the standardised
    residuals :math:`r_i = (P (x - \mu))_i / \sqrt{P_{ii}}`: by how much each gene is
    off from what all others predict. Two residuals correlate as minus the partial
    correlation, so over samples that follow the precision :math:`P` the mean of a
    column is the partial correlation of its edge [1]_.

    Parameters
    ----------
    selector : estimator, default=None
        Finds the edges: a NetworkEdgeSelector (None stands for one) or
        NetworkEdgeSelectorCV. `fit` fits a clone of it; a FrozenEstimator around a
        fitted one keeps its network.

    Attributes
    ----------
    selector_ : estimator
        The fitted selector.
    location_ : ndarray of shape (n_features_in_,)
        Mean of each gene, as the precision sees it.
    n_features_in_ : int
        Number of genes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the genes, where `fit` saw a table whose column names are all strings.

    See Also
    --------
    NetworkEdgeSelector : Its `transform` keeps the genes that have an edge.

    Notes
    -----
    Samples with another covariance :math:`C` have the mean of
    :math:`-(P C P)_{ij} / \sqrt{P_{ii} P_{jj}}`, which is about twice the partial
    correlation in the model less that in the samples. So in a class of samples in which
    an edge is *stronger* than in the model its column is *lower*.

    No genes x genes array is made: :math:`P` is multiplied with the samples.

    References
    ----------
    .. [1] Lauritzen, S. L. (1996). Graphical Models. Oxford University Press, section
       5.1.3, for residuals and partial correlations.

    Examples
    --------
    >>> from sklearn_grn import EdgeFeatures, NetworkEdgeSelector
    >>> from sklearn_grn.datasets import load_leukemia
    >>> expression = load_leukemia(as_frame=True).data
    >>> selector = NetworkEdgeSelector(threshold=0, max_edges=50)
    >>> features = EdgeFeatures(selector).set_output(transform="pandas")
    >>> features.fit_transform(expression).shape
    (128, 50)
    >>> features.get_feature_names_out()[0]
    'PSPH--PSPHP1'
    """

    _parameter_constraints: ClassVar[dict] = {"selector": [HasMethods("fit"), None]}
    _doc_link_module = "sklearn_grn"

    def __init__(self, selector: Any = None) -> None:
        self.selector = selector

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> EdgeFeatures:
        """Find the edges.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Expression table, samples x genes.
        y : array-like of shape (n_samples,), default=None
            Handed on to the selector.

        Returns
        -------
        EdgeFeatures
            The fitted transformer. Where an error is raised it is what it was before.

        Raises
        ------
        ValueError
            If the selector cannot be fitted.
        """
        inner = NetworkEdgeSelector() if self.selector is None else clone(self.selector)
        fresh, X = copy.copy(self), as_table(X)
        validate_data(fresh, X, dtype=_FLOATS, ensure_min_samples=2)
        fresh.selector_ = inner.fit(X, y)
        check_same_genes(fresh.selector_, getattr(fresh, "feature_names_in_", None))
        samples = fresh._samples(X)
        given = getattr(fresh._last, "location_", None)
        fresh.location_ = samples.mean(axis=0) if given is None else np.asarray(given)
        # One assignment: an interrupt or another thread sees all of it or nothing.
        self.__dict__ = fresh.__dict__
        return self

    def transform(self, X: Any) -> NDArray:
        """Return one column for each edge, strongest edge first.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Expression.

        Returns
        -------
        ndarray of shape (n_samples, n_edges)
            Of the data type of `X`.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        """
        held = copy.copy(self)  # one state throughout, whatever another thread does
        check_is_fitted(held)
        held.selector_ = copy.copy(held.selector_)
        X = as_table(X)
        validate_data(held, X, reset=False, dtype=_FLOATS)
        samples = held._samples(X)
        precision = find_precision(held._last)
        residual = (samples - held.location_.astype(samples.dtype)) @ precision
        residual = residual / np.sqrt(precision.diagonal())
        sources, targets = held._ends
        return -(residual[:, sources] * residual[:, targets]).astype(samples.dtype)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray:
        """Return the names of the edges, as in "TP53--MDM2".

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the genes. None takes those that `fit` saw, or x0, x1, ...

        Returns
        -------
        ndarray of shape (n_edges,), object
        """
        genes = super().get_feature_names_out(input_features)
        pairs = zip(*(genes[ends] for ends in self._ends), strict=True)
        return np.array([f"{source}--{target}" for source, target in pairs], object)

    def _samples(self, X: Any) -> NDArray:
        return as_samples(as_seen_by_last_step(self.selector_.estimator_, X))

    @property
    def _last(self) -> Any:
        return last_step(self.selector_.estimator_)

    @property
    def _ends(self) -> tuple[NDArray, NDArray]:
        """Numbers of the genes at both ends of each edge."""
        return self.selector_._edges[:2]
