"""Methods that rank ordered pairs of genes, each as people would call it."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import GraphicalLassoCV
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sklearn_grn import (
    FactorPrecisionEstimator,
    NonparanormalTransformer,
    RegulatoryEdgeSelector,
)

# A table and the numbers of its regulators, or None -> a score for each ordered pair.
Method = Callable[[NDArray, Any], NDArray]


def regulatory_score(table: NDArray, regulators: Any, **parameters: Any) -> NDArray:
    selector = RegulatoryEdgeSelector(regulators, threshold=0, **parameters)
    return selector.fit(table).network_.toarray()


def pearson(table: NDArray, regulators: Any) -> NDArray:
    return symmetric(np.corrcoef(table.T))


def shrunken(table: NDArray, regulators: Any, **parameters: Any) -> NDArray:
    fitted = FactorPrecisionEstimator(**parameters).fit(table)
    return symmetric(fitted.partial_correlation_.toarray())


def shrunken_ranks(table: NDArray, regulators: Any) -> NDArray:
    scores = NonparanormalTransformer().fit_transform(table)
    return shrunken(scores, regulators, shrinkage=0.8)


def graphical_lasso(table: NDArray, regulators: Any) -> NDArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        fitted = GraphicalLassoCV().fit(StandardScaler().fit_transform(table))
    spread = np.sqrt(fitted.precision_.diagonal())
    return symmetric(fitted.precision_ / spread / spread[:, None])


def genie3(
    table: NDArray, regulators: Any, trees: Callable[..., Any], n_trees: int
) -> NDArray:
    """Importance of each regulator in trees that predict a gene from the regulators."""
    standard = StandardScaler().fit_transform(table)
    sources = np.arange(table.shape[1]) if regulators is None else regulators
    score = np.zeros((table.shape[1], table.shape[1]))
    for target in range(table.shape[1]):
        others = sources[sources != target]
        forest = trees(n_trees, max_features="sqrt", random_state=0)
        forest.fit(standard[:, others], standard[:, target])
        score[others, target] = forest.feature_importances_
    return score


def portia(table: NDArray, regulators: Any) -> NDArray:
    """Call the package portia-grn, where it is installed."""
    from portia import Experiment, GeneExpressionDataset, run

    data = GeneExpressionDataset()
    for number, sample in enumerate(table):
        data.add(Experiment(number, sample.copy()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(run(data, tf_idx=regulators, verbose=False))


def symmetric(matrix: NDArray) -> NDArray:
    """Return sizes, exactly alike in both directions: rounding must not break ties."""
    sizes = np.abs(matrix)
    return np.maximum(sizes, sizes.T)


def methods(n_trees: int) -> dict[str, Method]:
    """Return all methods that can be called here."""
    called: dict[str, Method] = {
        "score": regulatory_score,
        "score, .85": partial(regulatory_score, shrinkage=0.85, hub_exponent=0.3),
        "Pearson": pearson,
        "GeneNet": shrunken,
        "ranks, .8": shrunken_ranks,
        "GENIE3": partial(genie3, trees=RandomForestRegressor, n_trees=n_trees),
        "extra trees": partial(genie3, trees=ExtraTreesRegressor, n_trees=n_trees),
    }
    if importlib.util.find_spec("portia") is not None:
        called["PORTIA"] = portia
    return called | {"lasso": graphical_lasso}  # the slowest comes last
