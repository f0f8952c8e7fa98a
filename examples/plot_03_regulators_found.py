"""
Which regulators does the ranking find?
=======================================

`RegulatoryEdgeSelector` ranks edges from regulators to targets. It tests nothing, so
the question is how far down the list one may read. Here the truth is known: thirty
genes regulate three hundred, and the selector is told of ninety that might.
"""

# %%
# A population with known regulators
# ----------------------------------
# Responses saturate, some regulators repress, and in twenty samples one of them was
# knocked out. A few have many targets, most have few.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_grn import FactorPrecisionEstimator, RegulatoryEdgeSelector
from sklearn_grn.datasets import make_regulatory_network

simulated = make_regulatory_network(
    150,
    300,
    n_regulators=30,
    degree=1.3,
    noise=0.6,
    n_knockouts=20,
    as_frame=True,
    random_state=0,
)
expression = simulated.data
genes = expression.columns
true = simulated.network.toarray() != 0
print(f"{true.sum()} links; targets per regulator: {np.sort(true.sum(axis=1))[-30:]}")

# %%
# A list of candidates
# --------------------
# What one has in practice is the list of all transcription factors of a species, most
# of which do nothing in the samples at hand. So sixty genes that regulate nothing are
# in the list as well.

candidates = list(genes[:90])
selector = RegulatoryEdgeSelector(candidates, max_edges=400).fit(expression)
print(selector.edges_.head(5).round(3).to_string(index=False))

# %%
# How much genes have in common decides how far hubs are trusted: here
# :math:`m` is well above what independent genes would give, so the exponent is small.

print(f"m = {selector.mean_squared_correlation_:.3f}, a = {selector.hub_exponent_:.2f}")

# %%
# How deep to read
# ----------------
# The share of true edges among the first edges, for the ranking with the list, without
# it, and for two rankings that know no direction: each pair then counts twice, once for
# each way, and only candidates may be sources here too.


def precision(score, sources):
    """Return the share of true edges among the first 1, 2, ... edges."""
    pairs = np.argwhere(score * np.isin(np.arange(300), sources)[:, None] > 0)
    order = np.argsort(-score[tuple(pairs.T)], kind="stable")[:400]
    return np.cumsum(true[tuple(pairs[order].T)]) / np.arange(1, len(order) + 1)


def off_diagonal(matrix):
    """Return sizes, 0 for a gene with itself."""
    return np.abs(np.asarray(matrix)) * (1 - np.eye(300))


everyone, listed = np.arange(300), np.arange(90)
free = RegulatoryEdgeSelector(max_edges=400).fit(expression)
partial = FactorPrecisionEstimator().fit(expression).partial_correlation_
curves = {
    "score, 90 candidates": precision(selector.network_.toarray(), listed),
    "score, all genes": precision(free.network_.toarray(), everyone),
    "correlation, 90 candidates": precision(off_diagonal(expression.corr()), listed),
    "partial correlation, 90 candidates": precision(off_diagonal(partial), listed),
}
for name, shares in curves.items():
    print(f"{name:35}  first 50: {shares[49]:.2f}   first 200: {shares[199]:.2f}")

# %%
# The figure
# ----------
# On the right, the soft number of targets of each candidate beside the true one.

colours = ["#0072B2", "#56B4E9", "#D55E00", "#009E73"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for colour, (name, shares) in zip(colours, curves.items(), strict=True):
    left.plot(np.arange(10, len(shares) + 1), shares[9:], color=colour, label=name)
left.set(
    title="How deep to read",
    xlabel="edges from the top of the list",
    ylabel="share that is true",
    ylim=(0, 1.02),
)
left.legend(frameon=False, loc="upper right")

n_targets = true[:90].sum(axis=1)
regulates = n_targets > 0
right.plot(
    n_targets[regulates],
    selector.hub_weight_[regulates],
    "o",
    color="#0072B2",
    label="regulators",
)
right.plot(
    n_targets[~regulates],
    selector.hub_weight_[~regulates],
    "o",
    color="#999999",
    alpha=0.6,
    label="other candidates",
)
right.set(
    title="Which candidates are hubs",
    xlabel="true number of targets",
    ylabel="hub weight",
)
right.legend(frameon=False, loc="upper left")
plt.show()

# %%
# The answer
# ----------
order = np.argsort(-selector.hub_weight_)
print("ten largest hub weights:", ", ".join(selector.regulators_[order[:10]]))
print(f"of these, {np.count_nonzero(order[:10] < 30)} are regulators")
