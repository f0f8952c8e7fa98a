"""The same by other means, on tables both can take."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
from accuracy_methods import portia
from dense_anchors import textbook_covariance, textbook_shrinkage, textbook_woodbury
from growth import draw_loadings
from sklearn.covariance import GraphicalLassoCV, LedoitWolf
from sklearn.decomposition import FactorAnalysis
from speed import corpcor_seconds, simulate

from sklearn_grn import FactorPrecisionEstimator


class _OfGenes:
    params = ([100, 1_000],)
    param_names = ("genes",)


class Fits(_OfGenes):
    """Beside `precision.Fit` and `precision.FitFactorAnalysis`."""

    def setup(self, n_genes: int) -> None:
        self.table = simulate(100, n_genes)

    def time_dense_shrinkage(self, n_genes: int) -> None:
        textbook_shrinkage(self.table)

    def time_ledoit_wolf(self, n_genes: int) -> None:
        LedoitWolf().fit(self.table)

    def time_factor_analysis(self, n_genes: int) -> None:
        FactorAnalysis(5).fit(self.table)


class Updates(_OfGenes):
    """Beside `precision.Update`."""

    def setup(self, n_genes: int) -> None:
        base = FactorPrecisionEstimator(10).fit(simulate(200, n_genes))
        self.pathways = draw_loadings(n_genes, 5)
        self.precision = base.precision_.toarray()
        self.covariance = textbook_covariance(base, self.pathways)

    def time_inverse(self, n_genes: int) -> None:
        np.linalg.inv(self.covariance)

    def time_woodbury(self, n_genes: int) -> None:
        textbook_woodbury(self.precision, self.pathways)


class GraphicalLasso:
    """Beside `edges.CrossValidation`; for few genes."""

    params = ([20, 50],)
    param_names = ("genes",)

    def setup(self, n_genes: int) -> None:
        self.table = simulate(100, n_genes)
        warnings.simplefilter("ignore")  # it converges slowly

    def time_fit(self, n_genes: int) -> None:
        GraphicalLassoCV().fit(self.table)


class Corpcor(_OfGenes):
    """In a process of R, which measures itself; beside `precision.Fit`."""

    def setup(self, n_genes: int) -> None:
        self.taken = corpcor_seconds(n_genes)
        if isinstance(self.taken, str):
            raise NotImplementedError(f"corpcor is {self.taken}")

    def track_seconds(self, n_genes: int) -> float:
        return float(self.taken[0])


class Portia:
    """A ranking of regulators and targets; where portia-grn is installed."""

    params = ([50, 100],)
    param_names = ("genes",)

    def setup(self, n_genes: int) -> None:
        if importlib.util.find_spec("portia") is None:
            raise NotImplementedError("portia-grn is not installed")
        self.table = simulate(100, n_genes)

    def time_rank(self, n_genes: int) -> None:
        portia(self.table, None)
