"""Fits, updates, removals and scores of the estimator."""

from __future__ import annotations

import copy

from growth import draw_loadings, updated
from speed import simulate

from sklearn_grn import FactorPrecisionEstimator

GENES = [100, 1_000, 20_000]


class Fit:
    """From a table to the three matrices."""

    params = (GENES, [50, 200])
    param_names = ("genes", "samples")

    def setup(self, n_genes: int, n_samples: int) -> None:
        self.table = simulate(n_samples, n_genes)

    def time_fit(self, n_genes: int, n_samples: int) -> None:
        FactorPrecisionEstimator().fit(self.table)

    def time_fit_ten_components(self, n_genes: int, n_samples: int) -> None:
        FactorPrecisionEstimator(10).fit(self.table)

    def peakmem_fit(self, n_genes: int, n_samples: int) -> None:
        FactorPrecisionEstimator().fit(self.table)


class FitFactorAnalysis:
    """The one fit that iterates."""

    params = ([100, 1_000],)
    param_names = ("genes",)

    def setup(self, n_genes: int) -> None:
        self.table = simulate(100, n_genes)
        self.estimator = FactorPrecisionEstimator(5, method="factor_analysis")

    def time_fit(self, n_genes: int) -> None:
        self.estimator.fit(self.table)

    def track_iterations(self, n_genes: int) -> int:
        return self.estimator.fit(self.table).n_iter_


class Update:
    """Pathways that come and go, each time from the same state."""

    params = (GENES, [10, 199], [1, 5])
    param_names = ("genes", "rank", "pathways")

    def setup(self, n_genes: int, rank: int, n_pathways: int) -> None:
        table = simulate(200, n_genes)
        self.base = FactorPrecisionEstimator(rank).fit(table)
        self.pathways = draw_loadings(n_genes, n_pathways)
        self.grown = updated(self.base, self.pathways)
        self.first, self.last = self.grown.pathway_names_[[0, -1]]

    def time_partial_fit_pathways(self, *sizes: int) -> None:
        updated(self.base, self.pathways)

    def time_remove_first(self, *sizes: int) -> None:
        copy.copy(self.grown).remove_pathways(self.first)

    def time_remove_last(self, *sizes: int) -> None:
        copy.copy(self.grown).remove_pathways(self.last)

    def peakmem_partial_fit_pathways(self, *sizes: int) -> None:
        updated(self.base, self.pathways)


class UpdatesInARow:
    """Pathways one by one, beside one fit with all of them."""

    params = ([1_000, 20_000],)
    param_names = ("genes",)
    number = 1
    n_updates = 100

    def setup(self, n_genes: int) -> None:
        self.base = FactorPrecisionEstimator(10).fit(simulate(20, n_genes))
        self.columns = draw_loadings(n_genes, self.n_updates)

    def one_by_one(self) -> FactorPrecisionEstimator:
        grown = copy.copy(self.base)
        for column in self.columns.T:
            grown.partial_fit_pathways(column)
        return grown

    def time_one_by_one(self, n_genes: int) -> None:
        self.one_by_one()

    def track_error(self, n_genes: int) -> float:
        grown, fresh = self.one_by_one(), updated(self.base, self.columns)
        return float(abs(grown.precision_[:100] - fresh.precision_[:100]).max())


class Score:
    """What a fitted model says of new samples."""

    params = (GENES,)
    param_names = ("genes",)

    def setup(self, n_genes: int) -> None:
        self.estimator = FactorPrecisionEstimator().fit(simulate(100, n_genes))
        self.fresh = simulate(20, n_genes, seed=3)

    def time_score(self, n_genes: int) -> None:
        self.estimator.score(self.fresh)

    def time_mahalanobis(self, n_genes: int) -> None:
        self.estimator.mahalanobis(self.fresh)

    def time_logdet(self, n_genes: int) -> None:
        self.estimator.covariance_.logdet()
