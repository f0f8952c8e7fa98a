"""
Where should a network be cut?
==============================

A table of 1,300 genes has 844,350 partial correlations, and none is exactly 0. Which of
them are edges depends on what they are for. Three answers to the question are compared
on leukaemia samples: edges that a test certifies, edges that R's GeneNet calls
significant, and edges that help to predict.
"""

# %%
# A table, and all its partial correlations
# -----------------------------------------
# The strongest pairs are found among all of them, exactly and in a moment.

import time
import warnings

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.model_selection import KFold

from sklearn_grn import NetworkEdgeSelector, NetworkEdgeSelectorCV
from sklearn_grn.datasets import load_leukemia

expression = load_leukemia(as_frame=True).data
start = time.perf_counter()
strongest = NetworkEdgeSelector(threshold=0, max_edges=2000).fit(expression)
print(f"2,000 of 844,350 pairs found in {time.perf_counter() - start:.1f} s")
strongest.edges_.head().round(3)

# %%
# Edges that predict
# ------------------
# Cross-validation asks how well genes are predicted by their neighbours in samples that
# were left out. Sorted tables are the rule (this one has B cells first), so folds are
# shuffled.

folds = KFold(5, shuffle=True, random_state=0)
predictive = NetworkEdgeSelectorCV(cv=folds).fit(expression)
scores = pd.DataFrame(predictive.cv_results_)
print(f"{len(predictive.edges_)} edges predict best")

# %%
# Edges that are significant
# --------------------------
# The leave-pair-out test is made to hold its false discovery rate; GeneNet's test is
# not, and accepts many more. The first warns here that the samples are not what it
# assumes: leukaemias are of several kinds, which moves all genes together. What it
# finds is then a ranking, and no list with a rate.

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    certified = NetworkEdgeSelector(fdr=0.05).fit(expression)
genenet = NetworkEdgeSelector(fdr=0.05, significance="genenet").fit(expression)
print(f"{len(certified.edges_)} certified, {len(genenet.edges_)} by GeneNet's test")
for warning in said:
    print(warning.message)

# %%
# What the three have to do with each other
# -----------------------------------------
# Few edges can be certified from 128 samples. Many more help to predict, among them
# links between genes that follow something which was not measured. GeneNet's list goes
# on where further edges no longer improve the prediction.

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(scores["n_edges"], scores["mean_test_score"], color="#0072B2", lw=2)
axes.set_xscale("log")
axes.set_xlabel("edges in the network")
axes.set_ylabel("held-out pseudo-log-likelihood\nof a sample")
for selector, name, side, colour in [
    (certified, "certified", "left", "#009E73"),
    (predictive, "predicts best", "right", "#0072B2"),
    (genenet, "GeneNet", "left", "#D55E00"),
]:
    axes.axvline(len(selector.edges_), color=colour, ls="--", lw=1.2)
    axes.annotate(
        f"{name}\n{len(selector.edges_):,}",
        (len(selector.edges_), 0.04),
        xycoords=("data", "axes fraction"),
        xytext=(4 if side == "left" else -4, 0),
        textcoords="offset points",
        ha=side,
        color=colour,
    )
axes.set_xlim(right=2e4)
axes.margins(y=0.15)
axes.spines[["top", "right"]].set_visible(False)
plt.show()
