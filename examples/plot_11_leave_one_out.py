"""
Which edges hang on one sample?
===============================

A strong edge may be there because two genes go together in all samples, or because both
are far out in one. The number is the same. This lesson leaves each of 128 leukaemias
out of the network in turn, and looks at what becomes of the hundred strongest edges.
"""

# %%
# All models without one sample
# -----------------------------
# Without a sample the covariance loses one term of a sum, so no model is fitted again.

import time

import matplotlib.pyplot as plt
import numpy as np

from sklearn_grn import FactorPrecisionEstimator, leave_one_out
from sklearn_grn.datasets import load_leukemia

expression = load_leukemia(as_frame=True).data
estimator = FactorPrecisionEstimator().fit(expression)
start = time.perf_counter()
without = leave_one_out(estimator, expression, edges=100)
print(f"128 models of 1,300 genes in {time.perf_counter() - start:.2f} s")
print(without)

# %%
# A score without cross-validation comes with them. Samples that a model has seen say
# little about how good it is, since there are ten times as many genes.

print(f"samples that were left out: {without.score:,.0f}")
print(f"samples that were seen:     {estimator.score(expression):,.0f}")

# %%
# What each edge loses
# --------------------
# For each edge, the sample without which it is weakest, and how much of it is left.

edges = without.edges
sizes = np.abs(without.partial_correlation)
edges["left"] = sizes.min(axis=0) / edges["partial_correlation"].abs()
edges["sample"] = expression.index[sizes.argmin(axis=0)]
weakest = edges.sort_values("left")
shown = ["source", "target", "partial_correlation", "standard_error", "left", "sample"]
print(weakest[shown].head(8).round(3).to_string(index=False))
print(f"{(edges['left'] > 0.8).sum()} of 100 edges keep four fifths without any sample")

# %%
# A sample behind an edge
# -----------------------
# On the left, what is left of each edge without the sample it needs most. Beside it two
# edges of the same size. A partial correlation is about what all other genes leave
# unexplained of the two, so that is what is drawn, with the sample that matters most:
# one edge hangs on it, the other is made by all.

lone = weakest.iloc[0]
alike = edges[edges["left"] > 0.9]
distance = (alike["partial_correlation"] - lone["partial_correlation"]).abs()
steady = alike.loc[distance.idxmin()]
precision = estimator.precision_
unexplained = (expression - estimator.location_) @ precision / precision.diagonal()
unexplained.columns = expression.columns

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
axes[0].scatter(edges["partial_correlation"].abs(), edges["left"], s=14, c="#999999")
axes[0].set_xlabel("|partial correlation|")
axes[0].set_ylabel("share left without\nthe sample it needs most")
axes[0].set_ylim(0, 1.05)
for axis, edge, colour in [(axes[1], lone, "#D55E00"), (axes[2], steady, "#0072B2")]:
    size = abs(edge["partial_correlation"])
    axes[0].scatter(size, edge["left"], s=40, c=colour)
    ends = unexplained[[edge["source"], edge["target"]]]
    axis.scatter(*ends.to_numpy().T, s=14, c="#999999")
    axis.scatter(*ends.loc[edge["sample"]], s=40, c=colour)
    axis.set_title(f"{size:.3f}, {edge['left']:.0%} of it left")
    axis.set_xlabel(f"{edge['source']}, unexplained")
    axis.set_ylabel(f"{edge['target']}, unexplained")
for axis in axes:
    axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The answer
# ----------
# Few do. Nine of ten keep four fifths of their size whatever sample is left out. A
# handful loses about half with one sample, and size does not tell which: the edge of
# ENPP2 and LDB3 is as strong as links of immunoglobulins that no sample moves. The
# jackknife standard error tells. It is 0.060 for this edge of 0.094.
#
# Shrinkage is held at what all samples gave it. True fits without a sample say the same
# of these edges, to two digits, and take fifty times as long.
