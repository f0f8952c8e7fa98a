"""What the selectors of edges have in common: everything but the choice."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import Bunch, get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_grn._anndata import as_table
from sklearn_grn._edge_search import Edges, edges_above, strongest_edges
from sklearn_grn._edge_tables import change_table, edge_table, joined, network_of
from sklearn_grn._inner_estimator import (
    Symmetric,
    as_pairs,
    as_samples,
    as_seen_by_last_step,
    check_same_genes,
    find_covariance,
    gene_names,
    last_step,
    partial_correlations,
    takes_a_covariance,
    with_last_step,
)
from sklearn_grn._pair_tiles import PairTiles
from sklearn_grn._precision import FactorPrecisionEstimator
from sklearn_grn._pseudo_likelihood import (
    Conditionals,
    Neighbours,
    fit_conditionals,
    model_conditionals,
)
from sklearn_grn._warn import warn_caller

_N_SUGGESTED = 100  # edges that the threshold suggested for an empty network keeps


class Choice(NamedTuple):
    """Edges that were chosen, strongest first, and what follows from how.

    Attributes
    ----------
    edges : Edges
    left_out : float
        The largest |partial correlation| of all other pairs.
    columns : dict of str to ndarray
        Further columns of the table of edges.
    report : dict or None
        What a test saw.
    attributes : dict of str to value
        Further fitted attributes.
    """

    edges: Edges
    left_out: float
    columns: dict[str, NDArray]
    report: dict[str, Any] | None = None
    attributes: Mapping[str, Any] = MappingProxyType({})


def _can_take_pathways(selector: Any) -> bool:
    """Whether the estimator inside can be updated; asked before `fit`, too."""
    estimator = getattr(selector, "estimator_", selector.estimator)
    if estimator is None:
        return True
    return hasattr(last_step(estimator), "partial_fit_pathways")


class EdgeSelector(MetaEstimatorMixin, SelectorMixin, BaseEstimator):
    """What the selectors of edges have in common: everything but the choice."""

    estimator: Any

    # -------------------------------------------------------------------- fitting
    def _fit_inside(self, X: Any, y: Any, fit_params: dict[str, Any]) -> None:
        """Fit the estimator inside to the table as it is, so that it sees the names."""
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        validate_data(self, X, skip_check_array=True)
        inner = self.estimator
        inner = FactorPrecisionEstimator() if inner is None else clone(inner)
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **fit_params)
            fit_params = routed.estimator.fit
        self.estimator_ = inner.fit(X, y, **fit_params)
        check_same_genes(self.estimator_, getattr(self, "feature_names_in_", None))

    def _learn(
        self,
        X: Any,
        y: Any,
        fit_params: dict[str, Any],
        choose: Callable[[Symmetric, NDArray | None], Choice],
    ) -> Self:
        """Do all that `fit` does; where an error is raised, nothing has changed.

        `choose` finds the edges, from the partial correlations and from the samples
        as the estimator inside has seen them. It changes nothing.
        """
        fresh, X = copy.copy(self), as_table(X)
        fresh._fit_inside(X, y, fit_params)
        samples = fresh._samples(X)
        if samples is not None and len(samples) < 2:
            raise ValueError("n_samples=1 is too few: a network needs two samples")
        links = fresh._links()
        fresh._store(choose(links, samples), samples)
        if len(fresh.edges_) == 0:
            _warn_of_no_edge(as_pairs(links))
        # One assignment: an interrupt or another thread sees all of it or nothing.
        self.__dict__ = fresh.__dict__
        return self

    def _samples(self, X: Any) -> NDArray | None:
        """Return samples as the precision sees them, None where it has seen none."""
        if takes_a_covariance(last_step(self.estimator_)):
            return None
        return as_samples(as_seen_by_last_step(self.estimator_, X))

    def _links(self) -> Symmetric:
        return partial_correlations(last_step(self.estimator_), self.n_features_in_)

    def _store(self, choice: Choice, samples: NDArray | None) -> None:
        self._store_network(choice.edges, choice.columns, **choice.attributes)
        self.threshold_ = choice.left_out
        self._chosen = choice.edges  # as pathways come and go, `_edges` moves on
        if choice.report is not None:
            self.significance_ = Bunch(**choice.report)
        self._conditionals = None
        if samples is not None:
            neighbours = Neighbours.of(choice.edges, self.n_features_in_)
            covariance = find_covariance(last_step(self.estimator_))
            self._conditionals = fit_conditionals(samples, neighbours, covariance)

    def _store_network(
        self, edges: Edges, columns: dict[str, Any], **more: Any
    ) -> None:
        self.__dict__.update(
            edges_=edge_table(edges, gene_names(self), columns),
            network_=network_of(edges, self._links()),
            _edges=edges,
            **more,
        )

    # --------------------------------------------------------------------- using
    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        return np.diff(self.network_.indptr) > 0

    def transform(self, X: Any) -> Any:
        """Keep the genes that have an edge.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Expression.

        Returns
        -------
        array-like of shape (n_samples, n_linked_genes)
        """
        return super().transform(as_table(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean pseudo-log-likelihood of samples in the network.

        Each gene is predicted from its neighbours. Slopes and variances are those of
        the samples of `fit`: least squares on the neighbours, and the fitted covariance
        where a gene has more than n_samples / 3 of them or pathways have come since.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Expression.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        float
            Higher is better, so that a grid search can choose a threshold by it. Behind
            steps of a pipeline it is that of the table which they hand on.
        """
        held = copy.copy(self)  # one state throughout, whatever another thread does
        check_is_fitted(held)
        X = as_table(X)
        validate_data(held, X, reset=False, skip_check_array=True)
        samples = held._samples(X)
        if samples is None:
            raise ValueError(
                "the network was found from a covariance, so there are no samples to "
                "estimate slopes from. Fit the selector to samples to score it"
            )
        conditionals = held._conditionals or held._from_model()
        return conditionals.score(samples)

    def _from_model(self) -> Conditionals:
        last = last_step(self.estimator_)
        neighbours = Neighbours.of(self._edges, self.n_features_in_)
        return model_conditionals(last.location_, neighbours, find_covariance(last))

    # ------------------------------------------------------------------ pathways
    @available_if(_can_take_pathways)
    def partial_fit_pathways(
        self,
        X: Any,
        pathway_names: Iterable[str] | str | None = None,
        activity_variance: ArrayLike | None = None,
    ) -> Self:
        """Add pathways to the estimator inside and follow the network.

        The cut stays where it is. p- and q-values are dropped: what changes is due to
        the pathways and not to samples. `edge_changes_` lists what moved most.

        Parameters
        ----------
        X : DataFrame, array-like or sparse of shape (n_features, n_pathways), or Series
            Loadings, as for `FactorPrecisionEstimator.partial_fit_pathways`; behind
            steps of a pipeline in the units of the table which they hand on.
        pathway_names : iterable of str, default=None
            Names of the pathways.
        activity_variance : float or array-like of shape (n_pathways,), default=None
            Variance of each pathway's activity. None means 1.

        Returns
        -------
        Self
            The selector itself. The update happens wholly or not at all, and an
            estimator that was fitted before and frozen stays as it was.

        Raises
        ------
        NotFittedError
            If the selector is not fitted.
        ValueError
            If the loadings do not fit the genes.
        """
        return self._update(
            lambda last: last.partial_fit_pathways(X, pathway_names, activity_variance)
        )

    @available_if(_can_take_pathways)
    def remove_pathways(self, names: Iterable[str] | str) -> Self:
        """Take pathways back, and follow the network as `partial_fit_pathways` does.

        Parameters
        ----------
        names : str or iterable of str
            Names of pathways that were added.

        Returns
        -------
        Self
            The selector itself.

        Raises
        ------
        NotFittedError
            If the selector is not fitted.
        ValueError
            If a name is not there.
        """
        return self._update(lambda last: last.remove_pathways(names))

    def _update(self, change: Callable[[Any], Any]) -> Self:
        fresh = copy.copy(self)
        check_is_fitted(fresh)
        before = last_step(fresh.estimator_)
        after = change(copy.copy(before))
        links = [last.partial_correlation_ for last in (before, after)]
        edges = fresh._still_edges(as_pairs(links[1]))
        fresh._store_network(
            edges,
            {},
            estimator_=with_last_step(fresh.estimator_, after),
            edge_changes_=change_table(links[0], links[1], gene_names(fresh)),
            _conditionals=None,
        )
        fresh.__dict__.pop("significance_", None)
        # One assignment: an interrupt or another thread sees all of it or nothing.
        self.__dict__ = fresh.__dict__
        return self

    def _still_edges(self, pairs: PairTiles) -> Edges:
        """Return the network at the cut that was chosen.

        A test need not cut at one |rho|. So a pair is an edge if it exceeds whatever
        was left out, or if it was an edge and is no weaker than the weakest was.
        """
        above = edges_above(pairs, self.threshold_)
        weakest = np.abs(self._chosen.values).min(initial=np.inf)
        values = pairs.measure(*self._chosen[:2])
        sizes = np.abs(values)
        kept = (sizes >= weakest) & (sizes <= self.threshold_)
        return joined(above, self._chosen._replace(values=values).take(kept))

    # ---------------------------------------------------------------- conventions
    def get_metadata_routing(self) -> MetadataRouter:
        """Say how metadata reach the estimator inside.

        Returns
        -------
        MetadataRouter
        """
        inner = FactorPrecisionEstimator() if self.estimator is None else self.estimator
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(estimator=inner, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        """Take what the estimator inside takes."""
        tags = super().__sklearn_tags__()
        inner = FactorPrecisionEstimator() if self.estimator is None else self.estimator
        inner_tags = get_tags(inner).input_tags
        tags.input_tags.sparse = inner_tags.sparse
        tags.input_tags.allow_nan = inner_tags.allow_nan
        return tags


def _warn_of_no_edge(pairs: PairTiles) -> None:
    largest = strongest_edges(pairs, 0)[1]
    edges, suggested = strongest_edges(pairs, _N_SUGGESTED)
    text = "no edge was selected. "
    if largest == 0:
        text += "All partial correlations are 0: use less shrinkage, or more samples"
    else:
        between = _between(suggested, np.abs(edges.values).min(initial=largest))
        text += (
            f"The largest |partial correlation| is {largest:.3g}; "
            f"threshold={between} keeps {len(edges.values)} edges"
        )
    warn_caller(text)


def _between(low: float, high: float) -> str:
    """Write a number from `low` on and below `high`, as short as it can be."""
    for digits in range(1, 17):
        text = f"{low:.{digits}g}"
        if low <= float(text) < high:
            return text
    return repr(low)
