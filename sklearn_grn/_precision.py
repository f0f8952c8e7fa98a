"""The precision matrix of gene expression, held in factors."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_grn._capacitance import Capacitance, append, remove
from sklearn_grn._centred_table import TooFewSamplesError
from sklearn_grn._covariance_models import (
    CovarianceModel,
    factorise_model,
    precomputed_model,
    structured_model,
    warn_of,
)
from sklearn_grn._diagonal_low_rank import (
    DiagonalPlusLowRank,
    covariance_state,
    structured_views,
)
from sklearn_grn._factor_analysis import factor_analysis_model
from sklearn_grn._fitted_covariance import FLOATS, FittedCovariance, read_samples
from sklearn_grn._loadings import Pathways, posterior_deviation, read_pathways
from sklearn_grn._sample_stream import (
    Kept,
    Stream,
    begin_stream,
    continue_stream,
)
from sklearn_grn._shrinkage import shrinkage_model, stream_model
from sklearn_grn._trust import warn_of_rounding


def _can_stream(estimator: FactorPrecisionEstimator) -> bool:
    if not estimator._streams():
        raise AttributeError(
            "partial_fit needs method='shrinkage'; fit all samples together instead"
        )
    return True


class FactorPrecisionEstimator(FittedCovariance):
    r"""Precision matrix and partial correlations of gene expression, held in factors.

    The level of a gene is a sum of shared programmes and its own noise, so

    .. math:: \Sigma = \mathrm{diag}(\psi) + L L^\top

    and neither the covariance nor its inverse is ever built: memory is that of the
    table, and twenty thousand genes take a fraction of a second. When pathways
    :math:`X` become known, the covariance becomes :math:`\Sigma + X X^\top` and the
    precision follows by the matrix inversion lemma [3]_, in
    O(n_features x rank x n_pathways).

    Parameters
    ----------
    n_components : int or "auto", default=None
        Number of leading axes of the scaled samples to keep; what they miss goes to the
        noise variance, so that every gene keeps its variance. None keeps all that the
        samples span. More than there are is as good as None. For factor analysis the
        number of factors, where "auto" and None choose it by held-out likelihood.
    method : {"shrinkage", "factor_analysis", "precomputed"}, default="shrinkage"
        How Sigma is found. "shrinkage": sample covariance, shrunken. "factor_analysis":
        maximum likelihood [4]_. "precomputed": `fit` takes a covariance, dense or a
        DiagonalPlusLowRank, in place of samples; it cannot be cross-validated.
    shrinkage : {"auto", "ledoit_wolf", "oas"} or float, default="auto"
        How far sample correlations are shrunk. "auto" takes the analytic intensities of
        [1]_ and [2]_, as R's corpcor does: correlations towards 0, variances towards
        their median. A float from 0 to 1 fixes the first of the two (at 0 correlations
        are those of the samples, and variances are still shrunk). "ledoit_wolf" and
        "oas" are the estimators of these names in `sklearn.covariance`.
    pathways : DataFrame or array-like of shape (n_features, n_pathways), default=None
        Loadings that `fit` adds after the samples, as `partial_fit_pathways` would, so
        that a grid search can try a collection of pathways on and off.
    assume_centered : bool, default=False
        If True the mean of every gene is taken to be 0.
    tol : float, default=1e-12
        Factor analysis stops when its log-likelihood changes by less than this,
        relative to itself.
    max_iter : int, default=500
        Largest number of iterations of factor analysis.

    Attributes
    ----------
    covariance_ : DiagonalPlusLowRank of shape (n_features, n_features)
        Estimated covariance; it behaves as a read-only array.
    precision_ : DiagonalPlusLowRank of shape (n_features, n_features)
        Its inverse.
    partial_correlation_ : DiagonalPlusLowRank of shape (n_features, n_features)
        Correlation of each two genes given all others; the diagonal is 1.
    location_ : ndarray of shape (n_features,)
        Mean of each gene.
    components_ : ndarray of shape (n_components_, n_features)
        Loadings found in the samples, a component a row. By default these are the
        centred samples themselves, scaled: do not share them where you may not share
        the samples.
    n_components_ : int
        Number of components used.
    noise_variance_ : ndarray of shape (n_features,)
        psi.
    shrinkage_ : float
        Intensity of the shrinkage of correlations (of the covariance for "ledoit_wolf"
        and "oas"). ``shrinkage=est.shrinkage_`` reproduces an "auto" fit. With
        ``method="shrinkage"``.
    variance_shrinkage_ : float
        Intensity of the shrinkage of variances. With ``method="shrinkage"``.
    loglike_ : list of float
        Log-likelihood of the samples after each iteration. With
        ``method="factor_analysis"``.
    n_iter_ : int
        Number of iterations. With ``method="factor_analysis"``.
    pathway_names_ : ndarray of shape (n_pathways,), object
        Names of the pathways that were added, in the order of their arrival.
    pathway_loadings_ : ndarray of shape (n_features, n_pathways)
        Their loadings, as given.
    activity_variance_ : ndarray of shape (n_pathways,)
        Variance of each pathway's activity.
    activity_std_ : ndarray of shape (n_pathways,)
        Posterior standard deviation of each pathway's activity in a sample, whatever
        the sample.
    condition_number_ : float
        Largest eigenvalue of the covariance over its smallest, computed when first
        asked for.
    n_samples_seen_ : int
        Number of samples. Not with ``method="precomputed"``.
    n_features_in_ : int
        Number of genes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the genes, where `fit` saw a table whose column names are all strings.

    See Also
    --------
    sklearn.covariance.LedoitWolf : Dense relative, for few genes.
    DiagonalPlusLowRank : The class of the three matrices.

    Notes
    -----
    Partial correlations do not depend on the units of a gene. Behind a scaler the
    loadings of pathways are in the units of the scaled table.

    A gene that does not vary stays in the table, without any link to others, and is
    named in a warning.

    References
    ----------
    .. [1] Schafer, J. & Strimmer, K. (2005). A shrinkage approach to large-scale
       covariance matrix estimation. Stat. Appl. Genet. Mol. Biol. 4, 32.
    .. [2] Opgen-Rhein, R. & Strimmer, K. (2007). Accurate ranking of differentially
       expressed genes. Stat. Appl. Genet. Mol. Biol. 6, 9.
    .. [3] Woodbury, M. A. (1950). Inverting modified matrices. Memorandum Report 42,
       Statistical Research Group, Princeton.
    .. [4] Joreskog, K. G. (1967). Some contributions to maximum likelihood factor
       analysis. Psychometrika 32, 443-482.

    Examples
    --------
    >>> from sklearn_grn import FactorPrecisionEstimator
    >>> from sklearn_grn.datasets import load_leukemia
    >>> expression = load_leukemia(as_frame=True).data
    >>> estimator = FactorPrecisionEstimator().fit(expression)
    >>> estimator.precision_
    <DiagonalPlusLowRank 1300 x 1300 of float64, rank 127>
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
            None,
        ],
        "method": [StrOptions({"shrinkage", "factor_analysis", "precomputed"})],
        "shrinkage": [
            StrOptions({"auto", "ledoit_wolf", "oas"}),
            Interval(Real, 0, 1, closed="both"),
        ],
        "pathways": ["array-like", "sparse matrix", None],
        "assume_centered": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }
    _doc_link_module = "sklearn_grn"

    def __init__(
        self,
        n_components: int | str | None = None,
        *,
        method: str = "shrinkage",
        shrinkage: str | float = "auto",
        pathways: Any = None,
        assume_centered: bool = False,
        tol: float = 1e-12,
        max_iter: int = 500,
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.shrinkage = shrinkage
        self.pathways = pathways
        self.assume_centered = assume_centered
        self.tol = tol
        self.max_iter = max_iter

    # ------------------------------------------------------------------- learning
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> FactorPrecisionEstimator:
        """Estimate covariance and precision from samples.

        Parameters
        ----------
        X : array-like or sparse of shape (n_samples, n_features)
            Expression table, samples x genes, log-transformed. float32 stays float32.
            Sparse tables, and those that lie in a file (`numpy.memmap`), are centred
            only in thought. Here and in the other methods an AnnData is taken by its
            `X`.
            With ``method="precomputed"`` a covariance, (n_features, n_features).
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        FactorPrecisionEstimator
            The fitted estimator. Where an error is raised it is what it was before.

        Raises
        ------
        ValueError
            If values are missing, there are fewer than two samples, no gene varies,
            `shrinkage` is 0 and there are no more samples than genes, or a covariance
            is not square, symmetric and positive definite.

        Warns
        -----
        UserWarning
            Names the genes that do not vary, and Heywood cases of factor analysis. Says
            by how much partial correlations may be off, where rounding of the input
            leaves fewer than six digits (three in float32).
        ConvergenceWarning
            If factor analysis stopped at `max_iter`.
        """
        fresh = copy.copy(self)  # its state is taken up at the end, in one assignment
        for name in [name for name in vars(fresh) if name.endswith("_")]:
            delattr(fresh, name)
        model = fresh._estimate(X)
        fresh._store_model(model, model.kept, None)
        self.__dict__ = fresh.__dict__
        return self

    @available_if(_can_stream)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> FactorPrecisionEstimator:
        """Add a batch of samples to those that were seen before.

        Means, variances, intensities and factor become those of one `fit` to all
        samples, up to rounding; pathways that were added stay. Where `n_components`
        cuts components off, means and variances do, and the components are those of
        incremental PCA [1]_: the sum of squares they explain is at most what the best
        ones would, and falls short by no more than what each batch left out.

        While there are up to three times as many samples as genes they are kept, and a
        batch costs as much as a fit. From then on moments of pairs of genes are kept,
        three arrays of shape (n_features, n_features), and a batch costs
        O(n_batch x n_features^2 + n_features^3). Where `n_components` cuts, it costs
        O((n_batch + n_components)^2 x n_features).

        Parameters
        ----------
        X : array-like or sparse of shape (n_samples, n_features)
            Expression; one sample is enough. Where the first samples do not give a
            covariance (a single one; no more samples than genes and `shrinkage` 0) they
            wait for others, and the estimator is not fitted yet.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        FactorPrecisionEstimator
            The estimator itself. The update happens wholly or not at all.

        Raises
        ------
        ValueError
            As `fit`.

        References
        ----------
        .. [1] Ross et al. (2008). Incremental learning for robust visual tracking. Int.
           J. Comput. Vis. 77, 125-141, section 2.2.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_grn import FactorPrecisionEstimator
        >>> samples = np.random.default_rng(0).normal(size=(20, 4))
        >>> stream = FactorPrecisionEstimator()
        >>> for batch in np.split(samples, 5):
        ...     _ = stream.partial_fit(batch)
        >>> whole = FactorPrecisionEstimator().fit(samples)
        >>> bool(np.allclose(stream.precision_, whole.precision_))
        True
        """
        fresh = copy.copy(self)
        number = self._number_of_components()
        stream = fresh._join(X)
        try:
            model, kept = stream_model(stream, number, self.shrinkage)
            fresh._store_model(model, kept, getattr(fresh, "_pathways", None))
        except TooFewSamplesError:
            if hasattr(fresh, "_state"):
                raise
            fresh._kept = stream  # they wait for others
        self.__dict__ = fresh.__dict__
        return self

    def _streams(self) -> bool:
        return self.method == "shrinkage"

    def _join(self, X: Any) -> Stream:
        first = not hasattr(self, "n_samples_seen_")
        X = read_samples(self, X, reset=first)
        self.n_samples_seen_ = X.shape[0] + (0 if first else self.n_samples_seen_)
        if first:
            start = begin_stream(X.shape[1], self.assume_centered, X.dtype)
            return continue_stream(start, None, X)
        kept = getattr(self, "_kept", None)  # who shares a model may have deleted it
        return continue_stream(kept, getattr(self, "components_", None), X)

    def _estimate(self, X: Any) -> CovarianceModel:
        number = self._number_of_components()
        if self.method == "precomputed":
            if isinstance(X, DiagonalPlusLowRank):
                self.n_features_in_ = X.shape[0]
                return structured_model(covariance_state(X), number)
            return precomputed_model(validate_data(self, X, dtype=FLOATS), number)
        by_shrinkage = self.method == "shrinkage"
        X = read_samples(
            self, X, reset=True, ensure_min_samples=2, accept_sparse=by_shrinkage
        )
        self.n_samples_seen_ = X.shape[0]
        if by_shrinkage:
            return shrinkage_model(X, number, self.assume_centered, self.shrinkage)
        return factor_analysis_model(
            X, number, self.assume_centered, tol=self.tol, max_iter=self.max_iter
        )

    def _number_of_components(self) -> Any:
        if self.n_components == "auto" and self.method != "factor_analysis":
            raise ValueError(
                f"n_components='auto' needs method='factor_analysis', and method is "
                f"{self.method!r}. Give a number, or None to keep all components"
            )
        return self.n_components

    # No parameter enters here, so none is validated again: it would take as long as the
    # update of a small network.
    def partial_fit_pathways(
        self,
        X: Any,
        pathway_names: Iterable[str] | str | None = None,
        activity_variance: ArrayLike | None = None,
    ) -> FactorPrecisionEstimator:
        """Add pathways: the covariance becomes Sigma + X diag(phi) X'.

        Nothing is inverted again. The precision grows by one column for each pathway
        [1]_, which for one pathway is the Sherman-Morrison formula.

        Parameters
        ----------
        X : DataFrame, array-like or sparse of shape (n_features, n_pathways), or Series
            Loadings in units of expression: by how much a gene moves when the activity
            of the pathway moves by one. A pandas table is aligned by gene name: genes
            it lacks load 0, genes the model does not know are counted in a warning.
        pathway_names : iterable of str, default=None
            Names of the pathways. None takes those of the columns, or "pathway0", ...
        activity_variance : float or array-like of shape (n_pathways,), default=None
            phi, the variance of each pathway's activity. None means 1.

        Returns
        -------
        FactorPrecisionEstimator
            The estimator itself. The update happens wholly or not at all.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the loadings have the wrong orientation or length or are not finite,
            share no gene with the fitted table, or a name is present already.

        Warns
        -----
        UserWarning
            Counts the genes of the loadings that the model does not know. Says by how
            much partial correlations may be off, as `fit` does.

        References
        ----------
        .. [1] Woodbury (1950); Golub & Van Loan (2013), Matrix Computations, 2.1.4.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_grn import FactorPrecisionEstimator
        >>> samples = np.random.default_rng(0).normal(size=(20, 4))
        >>> estimator = FactorPrecisionEstimator().fit(samples)
        >>> _ = estimator.partial_fit_pathways([[2.0], [2.0], [0], [0]], "p53")
        >>> float(estimator.partial_correlation_[0, 1].round(1))
        0.8
        """
        check_is_fitted(self)
        self._add_pathways(X, pathway_names, activity_variance)
        return self

    def remove_pathways(self, names: Iterable[str] | str) -> FactorPrecisionEstimator:
        """Take pathways back, as if they had never been added.

        Nothing is subtracted: the pathways added last are cut off, which gives back
        the very state before them, and others cost one small factorisation.

        Parameters
        ----------
        names : str or iterable of str
            Names as in `pathway_names_`.

        Returns
        -------
        FactorPrecisionEstimator
            The estimator itself. The removal happens wholly or not at all.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If a name is not there.
        """
        check_is_fitted(self)
        wanted = [names] if isinstance(names, str) else [str(name) for name in names]
        unknown = [name for name in wanted if name not in set(self.pathway_names_)]
        if unknown:
            raise ValueError(
                f"no pathway is named {unknown}; there are "
                f"{self.pathway_names_.tolist()}"
            )
        keep = np.array([name not in set(wanted) for name in self.pathway_names_], bool)
        every = np.concatenate([np.ones(self.n_components_, dtype=bool), keep])
        state = remove(self._state, every)
        self._store_state(state, self._pathways.select(keep), before=self._state)
        return self

    def _add_pathways(self, X: Any, names: Any, activity_variance: Any) -> None:
        present, genes = self._pathways, getattr(self, "feature_names_in_", None)
        fresh = read_pathways(
            X, names, activity_variance, gene_names=genes, present=present
        )
        state = append(self._state, fresh.scaled())
        self._store_state(state, present.append(fresh), before=self._state)

    def _store_model(
        self, model: CovarianceModel, kept: Kept | None, pathways: Pathways | None
    ) -> None:
        """Take up what the samples say, and the pathways that are to stay."""
        warn_of(model, getattr(self, "feature_names_in_", None))
        state = factorise_model(model.covariance)
        self.location_ = model.location
        self.components_ = state.loadings.lying()
        self.n_components_ = state.rank
        self.noise_variance_ = state.noise_variance
        for name, value in model.attributes.items():
            setattr(self, name, value)
        self._kept = kept
        if pathways is not None:
            self._store_state(append(state, pathways.scaled()), pathways)
            return
        none = Pathways.none(self.n_features_in_, self.components_.dtype)
        self._store_state(state, none)
        if self.pathways is not None:
            self._add_pathways(self.pathways, None, None)

    def __sklearn_tags__(self) -> Any:
        """Say that the method decides whether tables may be sparse."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.method == "shrinkage"
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there is a covariance: one sample of a stream gives none."""
        return hasattr(self, "_state")

    def _store_state(
        self, state: Capacitance, pathways: Pathways, before: Capacitance | None = None
    ) -> None:
        genes = getattr(self, "feature_names_in_", None)
        warn_of_rounding(state, genes, pathways.names, before)
        covariance, precision, partial_correlation = structured_views(state)
        learnt = {
            "covariance_": covariance,
            "precision_": precision,
            "partial_correlation_": partial_correlation,
            "pathway_names_": pathways.names,
            "activity_variance_": pathways.activity_variance,
            "activity_std_": posterior_deviation(
                state.root, pathways.activity_variance
            ),
            "_pathways": pathways,
            "_state": state,
        }
        # One assignment: an interrupt or another thread sees all of it or nothing, and
        # whoever has read the old dictionary keeps one state.
        self.__dict__ = {**self.__dict__, **learnt}
