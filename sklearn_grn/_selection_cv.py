"""The network whose threshold is chosen by held-out likelihood."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import _fit_context, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.parallel import Parallel, delayed

from sklearn_grn._anndata import as_table
from sklearn_grn._edge_search import Edges, edges_above, strongest_edges
from sklearn_grn._edge_selector import Choice, EdgeSelector
from sklearn_grn._edge_tables import clipped
from sklearn_grn._inner_estimator import (
    Symmetric,
    as_pairs,
    as_samples,
    as_seen_by_last_step,
    find_covariance,
    last_step,
    partial_correlations,
)
from sklearn_grn._pair_tiles import PairTiles
from sklearn_grn._precision import FactorPrecisionEstimator
from sklearn_grn._pseudo_likelihood import score_nested
from sklearn_grn._warn import warn_caller

# The densest network of a grid has this many samples for each neighbour of a gene, on
# average: beyond, held-out likelihood falls, and rises again only where genes have so
# many neighbours that the fitted covariance predicts them and not the network.
_SAMPLES_PER_NEIGHBOUR = 20
_SPARSEST = 50  # genes for each edge of the sparsest network


class NetworkEdgeSelectorCV(EdgeSelector):
    r"""Select the edges of a gene network above a threshold found by cross-validation.

    The estimator inside is fitted once for each fold, however many thresholds there
    are, and one pass scores all networks: the regression of a gene on its strongest
    neighbours is a part of that on more of them.

    Parameters
    ----------
    estimator : estimator, default=None
        As in `NetworkEdgeSelector`.
    thresholds : int or array-like of shape (n_thresholds,), default=50
        Thresholds of \|partial correlation\|, the same in all folds. Or how many of
        them, at the most, to choose from the network of all samples: no edge, and from
        one edge for each 50 genes to as many as leave 20 samples for each neighbour of
        a gene, in equal steps of the logarithm. Folds then compare networks of these
        sizes, since partial correlations are smaller where there are fewer samples.
    cv : int, cross-validation generator or iterable, default=None
        How samples are split, as in `sklearn.model_selection`; None means 5 folds, in
        the order of the table. Where that is sorted (by class, by batch), shuffle:
        ``cv=KFold(5, shuffle=True, random_state=0)``.
    n_jobs : int, default=None
        Number of joblib workers, one for each fold.

    Attributes
    ----------
    best_threshold_ : float
        The threshold with the largest mean score; the largest of them where they tie.
    best_score_ : float
        Its mean score.
    best_index_ : int
        Its place in `cv_results_`.
    cv_results_ : dict of ndarray
        `threshold` in increasing order, `n_edges` of the network of all samples,
        `mean_n_edges` over the folds, `split0_test_score`, ..., `mean_test_score`,
        `std_test_score` and `rank_test_score`. Scores are mean pseudo-log-likelihoods
        of the held-out samples, as from `NetworkEdgeSelector.score`.
    n_splits_ : int
        Number of folds.
    edges_ : DataFrame
        `source`, `target` and `partial_correlation` of the edges above
        `best_threshold_`, found in all samples, strongest first.
    network_ : csr_array of shape (n_features_in_, n_features_in_)
        The partial correlations of the edges: symmetric, the diagonal is 0.
    threshold_ : float
        `best_threshold_`.
    edge_changes_ : DataFrame
        As in `NetworkEdgeSelector`, after pathways came or went.
    estimator_ : estimator
        The estimator, fitted to all samples.
    n_features_in_ : int
        Number of genes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the genes, where `fit` saw a table whose column names are all strings.

    See Also
    --------
    NetworkEdgeSelector : The same for a threshold that is given, or by significance.
    sklearn.covariance.GraphicalLassoCV : Chooses a penalty, for few genes.

    Notes
    -----
    The score asks how well neighbours predict a gene. That favours more edges than a
    test would certify: of two genes that follow a third, unmeasured one each helps to
    predict the other.

    The best network is the best of the grid. Far denser ones, in which genes have more
    than n_samples / 3 neighbours and the fitted covariance predicts them, may score
    higher again: as the full model does, and as little of a network. They also take
    longer to score.

    References
    ----------
    .. [1] Besag, J. (1975). Statistical analysis of non-lattice data. The Statistician
       24, 179-195.

    Examples
    --------
    >>> from sklearn_grn import NetworkEdgeSelectorCV
    >>> from sklearn_grn.datasets import load_leukemia
    >>> expression = load_leukemia(as_frame=True).data.iloc[:, :200]
    >>> selector = NetworkEdgeSelectorCV(cv=3).fit(expression)
    >>> 0 < selector.best_index_ < 49
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods("fit"), None],
        "thresholds": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }
    _doc_link_module = "sklearn_grn"

    def __init__(
        self,
        estimator: Any = None,
        *,
        thresholds: Any = 50,
        cv: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.thresholds = thresholds
        self.cv = cv
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, groups: Any = None) -> NetworkEdgeSelectorCV:
        """Choose the threshold, and select the edges of the network of all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Expression table, samples x genes, as the estimator inside takes it.
        y : array-like of shape (n_samples,), default=None
            Handed on to the estimator inside, and to the splitter.
        groups : array-like of shape (n_samples,), default=None
            Handed on to the splitter: samples of one group (of one patient, say) stay
            together, if `cv` is one that does so.

        Returns
        -------
        NetworkEdgeSelectorCV
            The fitted selector. Where an error is raised it is what it was before.

        Raises
        ------
        ValueError
            If a threshold is negative or not finite, or the estimator inside is frozen
            or takes a covariance in place of samples.

        Warns
        -----
        UserWarning
            If no edge is selected, or if the best threshold is the smallest of several.
        """

        def choose(links: Symmetric, samples: NDArray | None) -> Choice:
            if isinstance(self.estimator, FrozenEstimator):
                raise ValueError(
                    "a FrozenEstimator has seen the samples of all folds. Pass the "
                    "estimator itself, or use NetworkEdgeSelector"
                )
            if samples is None:
                raise ValueError(
                    "a covariance cannot be split into samples: cross-validation needs "
                    "an estimator that is fitted to samples. Use NetworkEdgeSelector"
                )
            table, classes, labels = indexable(as_table(X), y, groups)
            folds = list(check_cv(self.cv).split(table, classes, labels))
            return self._cross_validate(table, classes, folds, as_pairs(links))

        return self._learn(X, y, {}, choose)

    def _cross_validate(
        self, X: Any, y: Any, folds: list[tuple], pairs: PairTiles
    ) -> Choice:
        if isinstance(self.thresholds, Integral):
            n_samples = sum(map(len, folds[0]))
            grid, edges = _sizes_grid(pairs, n_samples, int(self.thresholds))
        else:
            grid = _Grid(_checked(self.thresholds))
            edges = edges_above(pairs, grid.thresholds[0])
        score = delayed(_score_fold)
        inner = FactorPrecisionEstimator() if self.estimator is None else self.estimator
        tasks = (score(inner, X, y, *fold, grid) for fold in folds)
        scores, n_edges = zip(*Parallel(n_jobs=self.n_jobs)(tasks), strict=True)
        kept = _numbers_above(edges.values, grid.thresholds)
        results = _results(grid.thresholds, kept, np.array(n_edges), np.array(scores))
        report = _report(results, len(scores))
        best = edges.take(slice(kept[report["best_index_"]]))
        return Choice(clipped(best), report["best_threshold_"], {}, attributes=report)


class _Grid(NamedTuple):
    """Thresholds in increasing order, or the numbers of edges that stand for them."""

    thresholds: NDArray[np.float64]
    sizes: NDArray[np.intp] | None = None

    def networks(self, pairs: PairTiles) -> tuple[Edges, NDArray[np.intp]]:
        """Return the densest network, and how many of its edges each network has."""
        if self.sizes is None:
            edges = edges_above(pairs, self.thresholds[0])
            return edges, _numbers_above(edges.values, self.thresholds)
        edges, _ = strongest_edges(pairs, int(self.sizes[0]))
        return edges, np.minimum(self.sizes, len(edges.values))


def _results(
    thresholds: NDArray, kept: NDArray, n_edges: NDArray, scores: NDArray
) -> dict[str, NDArray]:
    """Return `cv_results_`."""
    mean = scores.mean(axis=0)
    splits = {f"split{k}_test_score": row for k, row in enumerate(scores)}
    return {
        "threshold": thresholds,
        "n_edges": kept,
        "mean_n_edges": n_edges.mean(axis=0),
        **splits,
        "mean_test_score": mean,
        "std_test_score": scores.std(axis=0),
        "rank_test_score": rankdata(-mean, method="min").astype(np.int32),
    }


def _report(results: dict[str, NDArray], n_splits: int) -> dict[str, Any]:
    """Return the attributes that tell of the folds and of the best threshold."""
    mean = results["mean_test_score"]
    best = len(mean) - 1 - int(np.argmax(mean[::-1]))
    threshold = float(results["threshold"][best])
    if best == 0 < len(mean) - 1:
        warn_caller(
            f"the best threshold is the smallest, {threshold:.3g}; denser networks "
            "may be better. Give smaller thresholds"
        )
    return {
        "cv_results_": results,
        "n_splits_": n_splits,
        "best_index_": best,
        "best_threshold_": threshold,
        "best_score_": float(mean[best]),
    }


def _checked(thresholds: Any) -> NDArray[np.float64]:
    try:
        grid = np.unique(np.asarray(thresholds, dtype=np.float64))
    except (TypeError, ValueError):
        grid = np.empty(0)
    if grid.size == 0 or not 0 <= grid[0] <= grid[-1] < np.inf:
        raise ValueError(
            f"thresholds={thresholds!r} must be numbers from 0 up, at least one of them"
        )
    return grid


def _sizes_grid(pairs: PairTiles, n_samples: int, number: int) -> tuple[_Grid, Edges]:
    """Return networks of the strongest edges, and the densest of them."""
    n_genes = len(pairs.order)
    most = n_genes * n_samples // (2 * _SAMPLES_PER_NEIGHBOUR)
    edges, left_out = strongest_edges(pairs, max(1, most))
    n_all = len(edges.values)
    least = max(1, n_genes // _SPARSEST)
    # Without any edge, too: that predicts noise best.
    wanted = np.append(0, np.geomspace(least, max(least, n_all), max(1, number - 1)))
    # Just as many edges as there are before the next one exceed the size of that.
    next_ones = np.append(np.abs(edges.values), left_out)
    thresholds = np.unique(next_ones[np.minimum(wanted.astype(int), n_all)])
    return _Grid(thresholds, _numbers_above(edges.values, thresholds)), edges


def _score_fold(
    estimator: Any, X: Any, y: Any, train: NDArray, test: NDArray, grid: _Grid
) -> tuple[NDArray, NDArray]:
    """Fit the estimator to a part of the samples, and score networks on the others."""
    y = None if y is None else _safe_indexing(y, train)
    tables = _safe_indexing(X, train), _safe_indexing(X, test)
    fitted = clone(estimator).fit(tables[0], y)
    last = last_step(fitted)
    seen, new = (as_samples(as_seen_by_last_step(fitted, table)) for table in tables)
    edges, n_edges = grid.networks(as_pairs(partial_correlations(last, seen.shape[1])))
    return score_nested(seen, new, edges, n_edges, find_covariance(last)), n_edges


def _numbers_above(values: NDArray, thresholds: NDArray) -> NDArray[np.intp]:
    """Return how many values, strongest first, exceed each threshold."""
    return np.searchsorted(-np.abs(values), -thresholds, side="left")
