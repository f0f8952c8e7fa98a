"""The network: which pairs of genes have an edge."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sklearn_grn._classical_significance import classical_test
from sklearn_grn._edge_search import (
    Edges,
    edges_above,
    largest_of_others,
    strongest_edges,
)
from sklearn_grn._edge_selector import Choice, EdgeSelector
from sklearn_grn._edge_tables import clipped
from sklearn_grn._genenet_significance import genenet_test
from sklearn_grn._inner_estimator import Symmetric, as_pairs, n_linked
from sklearn_grn._pair_tiles import PairTiles
from sklearn_grn._significance import TESTS, as_confounders, leave_pair_out_test
from sklearn_grn._tested_pairs import TestedPairs


class NetworkEdgeSelector(EdgeSelector):
    r"""Select the edges of a gene network, and the genes that have one.

    The network is read off the precision of an estimator: two genes are linked if their
    partial correlation is significant, or exceeds a threshold, or is among the
    strongest. All edges are found, exactly, without a genes x genes array.

    Parameters
    ----------
    estimator : estimator, default=None
        Anything with `precision_` or `get_precision()`: FactorPrecisionEstimator (None
        stands for one), a class of `sklearn.covariance`, a Pipeline that ends in one
        and keeps the genes one to one, a FrozenEstimator. `fit` fits a clone of it. A
        search over its parameters needs one: ``NetworkEdgeSelector(
        FactorPrecisionEstimator())`` has `estimator__shrinkage`.
    threshold : "fdr" or float, default="fdr"
        "fdr" keeps the edges that are significant at the false discovery rate `fdr`. A
        number keeps those with \|partial correlation\| > threshold, and tests nothing.
    fdr : float, default=0.05
        False discovery rate.
    significance : {"leave_pair_out", "genenet", "t"}, default="leave_pair_out"
        The test that decides; the weight of an edge is its partial correlation in any
        case. "leave_pair_out" holds its level [1]_: see `test_edges`. "genenet" fits a
        null to all partial correlations, as R's GeneNet [2]_ does with fdrtool [3]_.
        "t" is the classical t test, for more samples than genes.
    significance_params : dict, default=None
        For "leave_pair_out": `n_factors` and `veto`, as in `test_edges`. The other
        tests have no options.
    max_edges : int, default=None
        Keep the strongest of what is left, and at most as many. Where edges tie at the
        cut, all of them are left out. ``threshold=0, max_edges=m`` keeps the m
        strongest of all.
    n_jobs : int, default=None
        Number of joblib workers that look for edges. None means 1, unless in a
        `joblib.parallel_config` context. One worker uses all cores for its products
        already.

    Attributes
    ----------
    edges_ : DataFrame
        `source`, `target` and `partial_correlation` of each edge, strongest first; and
        `pvalue`, `qvalue` where they were tested, and `local_fdr` by GeneNet's test.
        Genes are x0, x1, ... where `fit` saw no names, as behind a scaler without
        ``set_output(transform="pandas")``.
    network_ : csr_array of shape (n_features_in_, n_features_in_)
        The partial correlations of the edges: symmetric, the diagonal is 0.
    threshold_ : float
        The largest \|partial correlation\| that is left out, or the `threshold` where
        that decides. Where the choice is a cut there, as it is but for tests of another
        statistic, ``threshold=selector.threshold_`` gives the same network.
    significance_ : Bunch
        What the test saw: its name, `n_samples`, `n_pairs`, and the parameters of its
        null. Where edges were tested.
    edge_changes_ : DataFrame
        The pairs whose partial correlation moved most when pathways came or went:
        `source`, `target`, `before`, `after`, `change` and `change_of_size`, that of
        \|partial correlation\|. After `partial_fit_pathways` or `remove_pathways`.
    estimator_ : estimator
        The fitted estimator.
    n_features_in_ : int
        Number of genes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the genes, where `fit` saw a table whose column names are all strings.

    See Also
    --------
    NetworkEdgeSelectorCV : Chooses the threshold by held-out likelihood.
    EdgeFeatures : One column for each edge.
    sklearn.feature_selection.SelectFromModel : The manner of this class.

    Notes
    -----
    Partial correlations shrink as genes outnumber samples, so a threshold does not
    carry over from one table to another. `fdr` and `max_edges` do.

    With fewer than 1,000 pairs of genes no null can be fitted. Then "genenet" falls
    back on the t test, where there are enough samples.

    References
    ----------
    .. [1] Liu, W. (2013). Gaussian graphical model estimation with false discovery
       rate control. Annals of Statistics 41, 2948-2978.
    .. [2] Schafer, J. & Strimmer, K. (2005). An empirical Bayes approach to inferring
       large-scale gene association networks. Bioinformatics 21, 754-764.
    .. [3] Strimmer, K. (2008). A unified approach to false discovery rate estimation.
       BMC Bioinformatics 9, 303.

    Examples
    --------
    >>> from sklearn_grn import NetworkEdgeSelector
    >>> from sklearn_grn.datasets import load_leukemia
    >>> expression = load_leukemia(as_frame=True).data
    >>> selector = NetworkEdgeSelector(threshold=0, max_edges=500).fit(expression)
    >>> selector.edges_.head(3).round(3)
        source   target  partial_correlation
    0   ...
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods("fit"), None],
        "threshold": [StrOptions({"fdr"}), Interval(Real, 0, None, closed="left")],
        "fdr": [Interval(Real, 0, 1, closed="neither")],
        "significance": [StrOptions(set(TESTS))],
        "significance_params": [dict, None],
        "max_edges": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Integral, None],
    }
    _doc_link_module = "sklearn_grn"

    def __init__(
        self,
        estimator: Any = None,
        *,
        threshold: str | float = "fdr",
        fdr: float = 0.05,
        significance: str = "leave_pair_out",
        significance_params: dict[str, Any] | None = None,
        max_edges: int | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.threshold = threshold
        self.fdr = fdr
        self.significance = significance
        self.significance_params = significance_params
        self.max_edges = max_edges
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any = None, *, confounders: Any = None, **fit_params: Any
    ) -> NetworkEdgeSelector:
        """Fit the estimator inside, and select the edges of its network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Expression table, samples x genes, as the estimator inside takes it.
        y : array-like of shape (n_samples,), default=None
            Handed on to the estimator inside.
        confounders : array-like of shape (n_samples, n_confounders), default=None
            Known batches and covariates, as for `test_edges`. The test regresses them
            out of the genes; the estimator inside does not see them.
        **fit_params : dict
            Handed on to the `fit` of the estimator inside.

        Returns
        -------
        NetworkEdgeSelector
            The fitted selector. Where an error is raised it is what it was before.

        Raises
        ------
        TypeError
            If the estimator inside has no precision.
        ValueError
            If the precision is not that of the genes, if more edges are asked for than
            fit in half of the free memory, or if there are confounders and no test
            that would see them.

        Warns
        -----
        UserWarning
            If no edge is selected; it names the largest partial correlation and a
            threshold that would keep a hundred edges.
        """

        def choose(links: Symmetric, samples: NDArray | None) -> Choice:
            pairs = as_pairs(links)
            tests_samples = self.threshold == "fdr" and self.significance != "genenet"
            if confounders is not None and not tests_samples:
                raise ValueError(
                    "confounders are for a test of samples: threshold='fdr' with "
                    "significance='leave_pair_out' or 't'. For others regress them out "
                    "of the table first"
                )
            if self.threshold != "fdr":
                return self._above(pairs)
            known = (
                None if samples is None else as_confounders(confounders, len(samples))
            )
            return self._significant(pairs, self._test(links, pairs, samples, known))

        return self._learn(X, y, fit_params, choose)

    def _above(self, pairs: PairTiles) -> Choice:
        threshold: Any = self.threshold
        if self.max_edges is None:
            edges = edges_above(pairs, threshold, n_jobs=self.n_jobs)
            return Choice(clipped(edges), float(threshold), {})
        edges, left_out = strongest_edges(pairs, self.max_edges, n_jobs=self.n_jobs)
        edges = edges.take(np.abs(edges.values) > threshold)
        return Choice(clipped(edges), max(left_out, float(threshold)), {})

    def _test(
        self,
        links: Symmetric,
        pairs: PairTiles,
        samples: NDArray | None,
        confounders: NDArray | None,
    ) -> TestedPairs:
        options = self.significance_params or {}
        if self.significance == "genenet":
            genes = n_linked(links)
            return genenet_test(pairs, genes, self.fdr, samples, n_jobs=self.n_jobs)
        if samples is None:
            raise ValueError(
                f"significance={self.significance!r} tests samples, and the estimator "
                "was fitted to a covariance. Use 'genenet', a threshold or max_edges"
            )
        if self.significance == "t":
            return classical_test(samples, self.fdr, confounders)
        return leave_pair_out_test(
            samples, self.fdr, confounders, n_jobs=self.n_jobs, **options
        )

    def _significant(self, pairs: PairTiles, tested: TestedPairs) -> Choice:
        """Weigh significant pairs by their partial correlation, strongest first."""
        edges = Edges(tested.sources, tested.targets, pairs.measure(*tested[:2]))
        order, left_out = edges.order(), tested.left_out
        if left_out is None:
            left_out = largest_of_others(pairs, edges, n_jobs=self.n_jobs)
        if self.max_edges is not None:
            sizes = np.abs(edges.values[order])
            weaker = sizes[self.max_edges :].max(initial=0.0)
            order, left_out = order[sizes > weaker], max(left_out, float(weaker))
        columns = {name: values[order] for name, values in tested.table.items()}
        return Choice(clipped(edges.take(order)), left_out, columns, tested.report)
