"""
Do pathways added one by one equal those fitted at once?
========================================================

A pathway that becomes known adds a product :math:`x x^\\top` to the covariance of the
genes. By the matrix inversion lemma the precision then gains one column, and nothing is
inverted again. If that is exact, it cannot matter whether three pathways come one by
one, in which order, or all at once. This lesson tries it, against the inverse of the
dense matrix.
"""

# %%
# A population with a known network
# ---------------------------------
# At rest, sixty genes form six modules of ten. Within a module each gene is linked to
# the next one, and that is the whole network: every other partial correlation is 0.
# So we write down the precision matrix, and its inverse is the covariance.

import copy

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_grn import FactorPrecisionEstimator

n_genes, n_samples = 60, 50
genes = [f"g{i:02d}" for i in range(n_genes)]

at_rest = np.eye(n_genes)
for i in range(n_genes - 1):
    if i % 10 != 9:  # the last gene of a module is not linked to the next module
        at_rest[i, i + 1] = at_rest[i + 1, i] = -0.45

# %%
# We observe fifty samples of it, fewer than there are genes.

rng = np.random.default_rng(0)
population = np.linalg.inv(at_rest)
samples = rng.multivariate_normal(np.zeros(n_genes), population, size=n_samples)
expression = pd.DataFrame(samples, columns=genes)

# %%
# Three pathways become known
# ---------------------------
# Later we learn of three pathways that were silent in these samples. Each joins three
# genes of one module with three of another: when its activity moves by one, each of its
# genes moves by two.

members = {
    "alpha": ["g01", "g04", "g07", "g51", "g54", "g57"],
    "beta": ["g11", "g14", "g17", "g31", "g34", "g37"],
    "gamma": ["g21", "g24", "g27", "g41", "g44", "g47"],
}
pathways = pd.DataFrame(0.0, index=genes, columns=list(members))
for name, joined in members.items():
    pathways.loc[joined, name] = 2.0

# %%
# Add them one by one, and all at once
# ------------------------------------
# ``copy.copy`` of a fitted estimator shares its columns, which are never written again.
# Each copy goes its own way.

fitted = FactorPrecisionEstimator().fit(expression)

one_by_one = [copy.copy(fitted)]
for name in pathways:
    one_by_one.append(copy.copy(one_by_one[-1]).partial_fit_pathways(pathways[name]))

backwards = [copy.copy(fitted)]
for name in pathways.columns[::-1]:
    backwards.append(copy.copy(backwards[-1]).partial_fit_pathways(pathways[name]))

at_once = copy.copy(fitted).partial_fit_pathways(pathways)
within_fit = FactorPrecisionEstimator(pathways=pathways).fit(expression)

# %%
# Compare each with the inverse of its dense covariance matrix. The distance is the
# largest difference of two entries, relative to the largest entry.


def distance(estimator):
    """Return how far the precision is from the inverse of the dense covariance."""
    loadings = pathways[estimator.pathway_names_].to_numpy()
    dense = fitted.covariance_.toarray() + loadings @ loadings.T
    inverse = np.linalg.inv(dense)
    return np.abs(estimator.precision_ - inverse).max() / np.abs(inverse).max()


distances = pd.DataFrame(
    {
        "one by one": [distance(estimator) for estimator in one_by_one],
        "in reverse order": [distance(estimator) for estimator in backwards],
    }
)
ends = {"all at once": distance(at_once), "within fit": distance(within_fit)}
print(distances.to_string(float_format="%.1e"))
print({name: f"{end:.1e}" for name, end in ends.items()})

# %%
# Yes: they agree up to rounding, in whichever way the pathways came.
#
# The network before and after
# ----------------------------
# In the first two panels the known network of the population is above the diagonal,
# the estimate below it. Before, the chains of the six modules run along the diagonal.
# The estimate sees them, paler, for it is shrunken, and fifty samples leave some noise.
# After, each pathway has linked its six genes, within their modules and across. Those
# links show in the estimate as they do in the population. The third panel is the answer
# to the question: the distance from the dense inverse stays at rounding error.


def partial_correlation(covariance):
    """Return the partial correlations of a dense covariance matrix."""
    precision = np.linalg.inv(covariance)
    scale = np.sqrt(precision.diagonal())
    return -precision / np.outer(scale, scale)


def above_and_below(covariance, estimator):
    """Return population above the diagonal, estimate below, nothing on it."""
    below = np.tril(estimator.partial_correlation_, -1)
    panel = np.triu(partial_correlation(covariance), 1) + below
    np.fill_diagonal(panel, np.nan)
    return panel


claimed = population + pathways.to_numpy() @ pathways.to_numpy().T
figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(12, 4.4), layout="constrained", width_ratios=[1, 1, 0.95]
)
panels = {
    "Before": above_and_below(population, fitted),
    "After three pathways": above_and_below(claimed, one_by_one[-1]),
}
for axis, (title, panel) in zip((left, middle), panels.items(), strict=True):
    image = axis.imshow(panel, cmap="PuOr_r", vmin=-0.4, vmax=0.4)
    axis.set(title=title, xticks=range(0, 60, 10), yticks=range(0, 60, 10))
    axis.set_xlabel("gene")
left.set_ylabel("gene")
figure.colorbar(
    image, ax=[left, middle], label="partial correlation", shrink=0.8, extend="both"
)

steps, last = distances.index, distances.index[-1]
right.axhline(np.finfo(float).eps, color="0.6", linestyle="--", zorder=0)
right.text(0.0, 2.5e-16, "spacing of float64 numbers at 1", color="0.35")
# Colours of Okabe and Ito, which colour-blind people tell apart; and every way of
# adding has a marker of its own.
looks = [("o-", "#0072B2"), ("s--", "#E69F00")]
for (way, values), (style, color) in zip(distances.items(), looks, strict=True):
    right.semilogy(steps, values, style, color=color, label=way)
for (way, value), marker in zip(ends.items(), ["D", "x"], strict=True):
    right.semilogy(last, value, marker, color="black", ms=9, mfc="none", label=way)
right.set(
    title="Distance from the dense inverse",
    xlabel="pathways added",
    ylabel="relative difference",
    xticks=steps,
    ylim=(1e-17, 1e-13),
)
right.legend(frameon=False)
plt.show()

# %%
# Take them back
# --------------
# Pathways that are removed leave nothing behind: the precision is that of the first
# fit, bit for bit.

one_by_one[-1].remove_pathways(["alpha", "beta", "gamma"])
print(np.array_equal(one_by_one[-1].precision_, fitted.precision_))
