"""
What does the matrix inversion lemma save?
==========================================

When pathways X come, the covariance becomes :math:`\\Sigma + X X^\\top`, and the
network is in its inverse. There are three ways to it: invert again; update the old
inverse by the lemma; or hold the inverse in factors and append to them. This lesson
checks that they give the same numbers, times them, and looks at what three pathways do
to a network of five hundred genes.
"""

# %%
# Five hundred genes, three pathways
# ----------------------------------

import copy
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import linalg
from sklearn.frozen import FrozenEstimator
from threadpoolctl import threadpool_limits

from sklearn_grn import (
    FactorPrecisionEstimator,
    NetworkEdgeSelector,
    network_statistics,
)
from sklearn_grn.datasets import make_pathway_expression, make_sparse_network
from sklearn_grn.displays import EdgeChangeDisplay, PartialCorrelationDisplay
from sklearn_grn.linalg import woodbury_update

sizes = {"Immune": 150, "Cytokine": 100, "Metabolic": 50, "Proliferation": 200}
tumour = make_pathway_expression(100, group_sizes=sizes, random_state=123)
genes = tumour.feature_names

# %%
# The samples are of the tissue at rest, where genes are linked to few others and the
# pathways are silent. These come as prior knowledge.

at_rest = make_sparse_network(100, 500, random_state=0).data
at_rest = pd.DataFrame(at_rest, columns=genes)
before = FactorPrecisionEstimator().fit(at_rest)
after = copy.copy(before).partial_fit_pathways(tumour.loadings)

# %%
# The same numbers
# ----------------

X = tumour.loadings.to_numpy()
direct = linalg.inv(before.covariance_.toarray() + X @ X.T)
woodbury = woodbury_update(before.precision_.toarray(), X)
for name, precision in {"Woodbury": woodbury, "in factors": after.precision_}.items():
    off = np.abs(precision - direct).max() / np.abs(direct).max()
    print(f"{name:10}  largest relative difference from the inverse: {off:.0e}")

# %%
# Time against the number of genes
# --------------------------------
# The update alone is timed, on one thread: the best of three runs of each, or of one
# where that takes a second. The factors hold 99 directions, all that 100 samples span.

rng = np.random.default_rng(0)


def best_time(run, *arguments):
    """Return the shortest of three runs, in seconds."""
    times = []
    while len(times) < 3 and sum(times) < 1:
        start = time.perf_counter()
        run(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


def times_of(n_genes):
    """Time the three ways to the precision after three pathways."""
    samples = rng.standard_normal((100, n_genes))
    loadings = rng.uniform(0, 0.8, (n_genes, 3))
    fitted = FactorPrecisionEstimator().fit(samples)
    covariance = fitted.covariance_.toarray() + loadings @ loadings.T
    precision = fitted.precision_.toarray()
    return {
        "invert again": best_time(linalg.inv, covariance),
        "Woodbury": best_time(woodbury_update, precision, loadings),
        "in factors": best_time(
            lambda: copy.copy(fitted).partial_fit_pathways(loadings)
        ),
    }


numbers = [50, 100, 200, 500, 1000, 2000, 5000]
with threadpool_limits(1):
    seconds = pd.DataFrame({n_genes: times_of(n_genes) for n_genes in numbers}).T
milliseconds = (1000 * seconds).round(2)
print(milliseconds.rename_axis("genes").to_string())

# %%
# Where the time goes
# -------------------
# One reads that the lemma costs :math:`O(D^3)` for D pathways, as only a D x D matrix
# is inverted. That is true of this matrix and not of the update:
#
# .. math::
#
#     (\Sigma + X X^\top)^{-1} = P - P X \, (I + X^\top P X)^{-1} \, X^\top P .
#
# A dense P is read once for :math:`P X`, which takes :math:`O(p^2 D)`, and each of its
# :math:`p^2` entries changes, by a sum of D products. Nobody can write :math:`p^2`
# numbers in fewer than :math:`p^2` steps. So the lemma saves a factor of p / D beside
# the :math:`O(p^3)` of an inverse, which is a great deal; the rest is moving memory.
#
# In factors the :math:`p^2` entries are never written. P is a diagonal less a tall
# matrix of k columns, :math:`P X` costs :math:`O(p k D)`, and the update appends D
# columns to the k. That grows with p and no longer with its square; an entry is
# computed when somebody asks for it. With few genes, the checks of names and shapes
# take longer than all this, and inverting again is the quickest.
#
# The network before and after
# ----------------------------
# Count as edges what exceeds the five hundred strongest pairs of before.

network = NetworkEdgeSelector(FrozenEstimator(before), threshold=0, max_edges=500)
cut = network.fit(at_rest).threshold_
statistics = {}
for name, fitted in {"before": before, "after": after}.items():
    found = network_statistics(fitted, threshold=cut)
    keys = ["n_edges", "density", "mean_partial_correlation", "n_components"]
    statistics[name] = {key: found[key] for key in keys}
print(pd.DataFrame(statistics).to_string(float_format="%.4g"))

# %%
# The figure
# ----------
# Above: time, and how many times faster than inverting again. Below: the partial
# correlations of all 124,750 pairs before and after, and the twenty that changed most.

figure, axes = plt.subplots(2, 2, figsize=(12, 9), layout="constrained")
(curves, bars), (distribution, changes) = axes
colours = {"invert again": "#333333", "Woodbury": "#0072B2", "in factors": "#D55E00"}
for (name, values), marker in zip(seconds.items(), "so^", strict=True):
    curves.loglog(values, marker=marker, color=colours[name], label=name)
curves.set(xlabel="genes", ylabel="seconds", title="Time to the new precision")
curves.set_xticks(numbers, numbers, minor=False)
curves.minorticks_off()
curves.legend(frameon=False)

speedup = seconds.rdiv(seconds["invert again"], axis=0)
places = np.arange(len(numbers))
for offset, name in [(-0.2, "Woodbury"), (0.2, "in factors")]:
    drawn = bars.bar(
        places + offset, speedup[name], 0.36, color=colours[name], label=name
    )
    labels = [
        f"{value:,.0f}" if value > 10 else f"{value:.1f}" for value in speedup[name]
    ]
    bars.bar_label(drawn, labels, fontsize=7)
bars.axhline(1, color="#999999", linestyle="--")
bars.set(yscale="log", xlabel="genes", title="Times faster than inverting again")
bars.set_xticks(places, numbers)
bars.margins(y=0.12)
bars.legend(frameon=False, loc="upper left")

PartialCorrelationDisplay.from_estimator(
    after, before, threshold=cut, ax=distribution, title="All pairs"
)
EdgeChangeDisplay.from_estimator(
    after, before, ax=changes, title="The twenty largest changes"
)
plt.show()
