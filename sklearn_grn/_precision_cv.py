"""The precision matrix whose shrinkage is chosen by held-out likelihood."""

from __future__ import annotations

import warnings
from copy import copy
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.model_selection import check_cv
from sklearn.utils import indexable
from sklearn.utils._param_validation import Interval
from sklearn.utils.parallel import Parallel, delayed

from sklearn_grn._fitted_covariance import read_samples
from sklearn_grn._loadings import Pathways, read_pathways
from sklearn_grn._precision import FactorPrecisionEstimator
from sklearn_grn._shrinkage_path import held_out_scores
from sklearn_grn._warn import warn_caller


class FactorPrecisionEstimatorCV(FactorPrecisionEstimator):
    r"""Precision matrix whose shrinkage is chosen by cross-validation.

    A `FactorPrecisionEstimator` with the intensity at which held-out samples are most
    likely, in place of the analytic one. The covariance has the same axes at every
    intensity, so that a grid of them takes little more than one fit for each fold.

    Parameters
    ----------
    shrinkages : int or array-like of shape (n_shrinkages,), default=20
        Intensities from 0 to 1 by which correlations are shrunk towards 0, as
        `shrinkage` of `FactorPrecisionEstimator`. Or how many of them to try: the
        squares of equal steps, (k / n)^2 for k = 1, ..., n, which are dense where
        intensities are small and end with 1, where no gene is linked to another. 0 is
        refused if a fold trains on no more samples than there are genes.
    cv : int, cross-validation generator or iterable, default=None
        How samples are split, as in `sklearn.model_selection`; None means 5 folds, in
        the order of the table. Where that is sorted (by class, by batch), shuffle:
        ``cv=KFold(5, shuffle=True, random_state=0)``.
    pathways : DataFrame or array-like of shape (n_features, n_pathways), default=None
        As in `FactorPrecisionEstimator`. They are part of what is scored, so that the
        intensity is the best for what they leave to explain.
    assume_centered : bool, default=False
        If True the mean of every gene is taken to be 0.
    n_jobs : int, default=None
        Number of joblib workers, one for each fold.

    Attributes
    ----------
    shrinkage_ : float
        The intensity with the largest mean score; where they tie up to rounding, the
        largest of them.
    cv_results_ : dict of ndarray
        `shrinkages` in increasing order, `split0_test_score`, ..., `mean_test_score`
        and `std_test_score`. Scores are mean log-likelihoods of the held-out samples,
        as from `score`.
    covariance_ : DiagonalPlusLowRank of shape (n_features, n_features)
        Estimated covariance, of all samples; it behaves as a read-only array.
    precision_ : DiagonalPlusLowRank of shape (n_features, n_features)
        Its inverse.
    partial_correlation_ : DiagonalPlusLowRank of shape (n_features, n_features)
        Correlation of each two genes given all others; the diagonal is 1.
    location_ : ndarray of shape (n_features,)
        Mean of each gene.
    components_ : ndarray of shape (n_components_, n_features)
        Loadings found in the samples, a component a row: the centred samples
        themselves, scaled. Do not share them where you may not share the samples.
    n_components_ : int
        Number of components.
    noise_variance_ : ndarray of shape (n_features,)
        psi.
    variance_shrinkage_ : float
        Intensity of the shrinkage of variances, which is the analytic one.
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
        Number of samples.
    n_features_in_ : int
        Number of genes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the genes, where `fit` saw a table whose column names are all strings.

    See Also
    --------
    FactorPrecisionEstimator : The same at an intensity that is given, or analytic.
    NetworkEdgeSelectorCV : Chooses the number of edges by held-out likelihood.
    sklearn.covariance.GraphicalLassoCV : Chooses a penalty, for few genes.

    Notes
    -----
    The analytic intensity aims at the squared error of the correlations, and takes
    samples to be independent. Held-out likelihood asks how well the precision predicts;
    with `groups` also where samples of one patient are alike.

    Only the intensity of correlations is chosen. Variances are shrunk by the analytic
    one, of the training samples in each fold.

    References
    ----------
    .. [1] Schafer, J. & Strimmer, K. (2005). A shrinkage approach to large-scale
       covariance matrix estimation. Stat. Appl. Genet. Mol. Biol. 4, 32.
    .. [2] Friedman, J. H. (1989). Regularized discriminant analysis. J. Am. Stat.
       Assoc. 84, 165-175.

    Examples
    --------
    >>> from sklearn_grn import FactorPrecisionEstimatorCV
    >>> from sklearn_grn.datasets import load_leukemia
    >>> expression = load_leukemia(as_frame=True).data
    >>> estimator = FactorPrecisionEstimatorCV().fit(expression)
    >>> 0 < estimator.shrinkage_ < 1
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "shrinkages": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "cv": ["cv_object"],
        "pathways": ["array-like", "sparse matrix", None],
        "assume_centered": ["boolean"],
        "n_jobs": [Integral, None],
    }

    method = "shrinkage"  # no parameter: a path of intensities is known for this one

    def __init__(
        self,
        shrinkages: Any = 20,
        *,
        cv: Any = None,
        pathways: Any = None,
        assume_centered: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.shrinkages = shrinkages
        self.cv = cv
        self.pathways = pathways
        self.assume_centered = assume_centered
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> FactorPrecisionEstimatorCV:
        """Choose the intensity, and estimate covariance and precision with it.

        Parameters
        ----------
        X : array-like or sparse of shape (n_samples, n_features)
            Expression table, samples x genes, log-transformed, as
            `FactorPrecisionEstimator` takes it.
        y : array-like of shape (n_samples,), default=None
            Handed on to the splitter.
        groups : array-like of shape (n_samples,), default=None
            Handed on to the splitter: samples of one group (of one patient, say) stay
            together, if `cv` is one that does so.

        Returns
        -------
        FactorPrecisionEstimatorCV
            The fitted estimator. Where an error is raised it is what it was before.

        Raises
        ------
        ValueError
            If an intensity is not a number from 0 to 1, values are missing, there are
            too few samples for the folds, no gene varies in one of them, or an
            intensity is 0 and a fold has no more samples to train on than genes.

        Warns
        -----
        UserWarning
            If the best intensity is the smallest of several. Names the genes that do
            not vary.
        """
        grid = _checked(self.shrinkages)
        results = _results(grid, self._cross_validate(X, y, groups, grid))
        best = _last_of_the_largest(results["mean_test_score"])
        estimator = FactorPrecisionEstimator(
            shrinkage=float(grid[best]),
            pathways=self.pathways,
            assume_centered=self.assume_centered,
        ).fit(X)
        if 0 == best < len(grid) - 1 and grid[0] > 0:
            warn_caller(
                f"the best shrinkage is the smallest, {grid[0]:.3g}; less may be "
                "better. Give smaller shrinkages"
            )
        return self._take(estimator, results)

    def _cross_validate(self, X: Any, y: Any, groups: Any, grid: NDArray) -> NDArray:
        """Return scores of all intensities in all folds; nothing is stored."""
        unfitted = copy(self)
        table = read_samples(unfitted, X, reset=True, ensure_min_samples=2)
        names = getattr(unfitted, "feature_names_in_", None)
        pathways = _lying_pathways(self.pathways, table, names)
        table, y, groups = indexable(table, y, groups)  # sparse tables by rows
        tasks = (
            delayed(_score_fold)(table, *fold, grid, pathways, self.assume_centered)
            for fold in check_cv(self.cv).split(table, y, groups)
        )
        return np.array(Parallel(n_jobs=self.n_jobs)(tasks))

    def _take(
        self, estimator: FactorPrecisionEstimator, results: dict[str, NDArray]
    ) -> FactorPrecisionEstimatorCV:
        """Become what another estimator has learnt."""
        parameters = estimator.get_params(deep=False)
        kept = {name: own for name, own in vars(self).items() if not name.endswith("_")}
        learnt = {
            name: found
            for name, found in vars(estimator).items()
            if name not in parameters
        }
        self.__dict__ = {**kept, **learnt, "cv_results_": results}
        return self

    def _streams(self) -> bool:
        """Whether samples may arrive in parts; folds need all of them."""
        return False


def _checked(shrinkages: Any) -> NDArray[np.float64]:
    """Return intensities in increasing order, each once."""
    if isinstance(shrinkages, Integral):
        return np.square(np.arange(1, int(shrinkages) + 1) / int(shrinkages))
    try:
        grid = np.unique(np.asarray(shrinkages, dtype=np.float64))
    except (TypeError, ValueError):
        grid = np.empty(0)
    if grid.size == 0 or not 0 <= grid[0] <= grid[-1] <= 1:
        raise ValueError(
            f"shrinkages={shrinkages!r} must be numbers from 0 to 1, at least one"
        )
    return grid


def _lying_pathways(pathways: Any, table: Any, names: NDArray | None) -> NDArray | None:
    """Return pathways as `fit` will add them, shape (n_pathways, n_features)."""
    if pathways is None:
        return None
    present = Pathways.none(table.shape[1], table.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit to all samples says it once
        read = read_pathways(pathways, None, None, gene_names=names, present=present)
    return read.scaled()


def _score_fold(
    X: Any,
    train: NDArray,
    test: NDArray,
    grid: NDArray,
    pathways: NDArray | None,
    assume_centered: bool,
) -> NDArray:
    training, held_out = X[train], X[test]
    n_training, n_held_out = training.shape[0], held_out.shape[0]
    if n_training < 2 or n_held_out == 0:
        raise ValueError(
            f"a fold has {n_training} training samples and {n_held_out} held-out ones; "
            "two and one are needed. Choose other folds, or bring more samples"
        )
    return held_out_scores(training, held_out, grid, pathways, assume_centered)


def _results(grid: NDArray, scores: NDArray) -> dict[str, NDArray]:
    """Return `cv_results_`."""
    splits = {f"split{k}_test_score": row for k, row in enumerate(scores)}
    return {
        "shrinkages": grid,
        **splits,
        "mean_test_score": scores.mean(axis=0),
        "std_test_score": scores.std(axis=0),
    }


def _last_of_the_largest(means: NDArray) -> int:
    """Return the place of the largest, the last one of those that equal it."""
    rounding = 1e-12 * np.abs(means).max()
    return int(np.flatnonzero(means >= means.max() - rounding)[-1])
