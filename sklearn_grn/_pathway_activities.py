"""The activities of pathways as a step of a pipeline."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_grn._anndata import as_table
from sklearn_grn._precision import FactorPrecisionEstimator


class PathwayActivities(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Turn expression into activities of pathways, one named column for each.

    The activity of a pathway in a sample is its posterior mean,

    .. math:: E[a \mid x] = \mathrm{diag}(\varphi)\, X^\top \Sigma^{-1} (x - \mu),

    in the model of `FactorPrecisionEstimator`. So what genes share for other reasons,
    which the components of the model know, is not taken for the activity of a pathway,
    and a gene that is in several of them is not counted twice.

    Parameters
    ----------
    estimator : FactorPrecisionEstimator, default=None
        A clone of it is fitted; None takes one with default parameters. A
        `FrozenEstimator` of a fitted one is taken as it is.
    pathways : DataFrame or array-like of shape (n_features, n_pathways), default=None
        Loadings in units of expression, added to the fitted estimator as by
        `partial_fit_pathways`. None where the estimator has its own.

    Attributes
    ----------
    estimator_ : FactorPrecisionEstimator
        The fitted estimator.
    pathway_names_ : ndarray of shape (n_pathways,), object
        Names of the columns that `transform` returns.
    activity_std_ : ndarray of shape (n_pathways,)
        Posterior standard deviation of each activity. It is the same in every sample,
        at most the square root of the prior variance, and close to it where the genes
        say little of a pathway.
    n_features_in_ : int
        Number of genes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the genes, where `fit` saw a table whose column names are all strings.

    See Also
    --------
    FactorPrecisionEstimator.activities : The same as a method.
    sklearn_grn.pathways.fit_activity_variance : The prior variances from samples.

    Notes
    -----
    Ordinary activity scores are slopes of linear models in which the genes of a sample
    are the observations, and the weights of pathways the variables: one pathway at a
    time (univariate), or all at once (multivariate). The posterior mean is the
    multivariate slope if genes have independent noise of one variance and the prior
    variances are large. It differs where genes are correlated for other reasons, where
    their noise differs, and where the prior shrinks what the data hardly determine.

    With ``FactorPrecisionEstimator(shrinkage=1.0)`` genes are independent but for the
    pathways, and the activities are close to those scores. With components of the same
    samples, much of what the pathways would explain is explained already: the activity
    is what remains for the pathway alone.

    References
    ----------
    .. [1] Bartholomew, D. J., Knott, M. & Moustaki, I. (2011). Latent Variable Models
       and Factor Analysis, 3rd ed., Wiley, section 2.7.

    Examples
    --------
    >>> from sklearn_grn import PathwayActivities
    >>> from sklearn_grn.datasets import load_leukemia
    >>> from sklearn_grn.pathways import pathway_loadings, scale_loadings
    >>> expression = load_leukemia(as_frame=True).data
    >>> net = {"source": ["TCR"] * 3, "target": ["CD3D", "LCK", "ZAP70"]}
    >>> loadings = pathway_loadings(net, expression, min_targets=3)
    >>> loadings = scale_loadings(loadings, expression.var())
    >>> scores = PathwayActivities(pathways=loadings).set_output(transform="pandas")
    >>> scores.fit_transform(expression).shape
    (128, 1)
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "activities"]), None],
        "pathways": ["array-like", "sparse matrix", None],
    }
    _doc_link_module = "sklearn_grn"

    def __init__(self, estimator: Any = None, *, pathways: Any = None) -> None:
        self.estimator = estimator
        self.pathways = pathways

    # The inner estimator validates its own parameters.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> PathwayActivities:
        """Fit the estimator and add the pathways.

        Parameters
        ----------
        X : array-like or AnnData of shape (n_samples, n_features)
            Expression table, samples x genes, log-transformed.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        PathwayActivities
            The fitted transformer. Where an error is raised it is what it was before.

        Raises
        ------
        ValueError
            If there is no pathway, or as the estimator does.
        """
        fresh = copy.copy(self)
        estimator = fresh._fitted_copy(fresh._validate(X, ensure_min_samples=2))
        if self.pathways is not None:
            estimator.partial_fit_pathways(self.pathways)
        if not len(estimator.pathway_names_):
            raise ValueError(
                "there are no pathways, so there is no activity. Pass pathways=..., or "
                "an estimator with pathways"
            )
        fresh.estimator_ = estimator
        fresh.pathway_names_ = estimator.pathway_names_
        fresh.activity_std_ = estimator.activity_std_
        # One assignment: an interrupt or another thread sees all of it or nothing.
        self.__dict__ = fresh.__dict__
        return self

    def transform(self, X: Any) -> NDArray:
        """Return the posterior mean of each pathway's activity in each sample.

        Parameters
        ----------
        X : array-like or AnnData of shape (n_samples, n_features)
            Expression.

        Returns
        -------
        ndarray of shape (n_samples, n_pathways)
            In units in which the loadings are: a sample with activity a moves a gene
            by a times its loading.
        """
        held = copy.copy(self)  # one state throughout, whatever another thread does
        check_is_fitted(held)
        X = held._validate(X, reset=False)
        dtype = held.estimator_.components_.dtype
        return held.estimator_.activities(X).astype(dtype, copy=False)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray:
        """Return the names of the pathways.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the genes, checked and not used.

        Returns
        -------
        ndarray of shape (n_pathways,), object
        """
        super().get_feature_names_out(input_features)
        return np.array(self.pathway_names_, dtype=object)

    def _validate(self, X: Any, **options: Any) -> Any:
        """Return a checked table, with the names of the genes for the estimator."""
        X = validate_data(self, as_table(X), dtype=[np.float64, np.float32], **options)
        names = getattr(self, "feature_names_in_", None)
        return X if names is None else pd.DataFrame(X, columns=names, copy=False)

    def _fitted_copy(self, X: Any) -> Any:
        if isinstance(self.estimator, FrozenEstimator):
            # Shares its columns, and does not see the pathways that are added here.
            return copy.copy(self.estimator.estimator)
        if self.estimator is None:
            return FactorPrecisionEstimator().fit(X)
        return clone(self.estimator).fit(X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
