"""
Do twenty thousand genes fit on a laptop?
=========================================

All genes of a human make 200 million pairs. Their covariance takes 3.2 GB as a dense
matrix, its inverse as much again and minutes to compute, anew whenever a pathway comes.
This lesson does without both: it fits such a table, finds the strongest edges among all
pairs exactly, and adds five pathways, with a clock and a count of the memory beside it.
"""

# %%
# Two hundred samples of twenty thousand genes
# --------------------------------------------
# They are simulated, so that the true edges are known: ten thousand of them, at random.
# Many genes have none.

import time
import tracemalloc

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_grn import FactorPrecisionEstimator, NetworkEdgeSelector
from sklearn_grn.datasets import make_sparse_network

n_samples, n_genes = 200, 20_000
simulated = make_sparse_network(n_samples, n_genes, degree=1.0, random_state=0)
samples = simulated.data.astype(np.float32)

# %%
# A clock, and a count of the memory
# ----------------------------------

steps = {}


def timed(name, run):
    """Run something; note the seconds it took, and the memory that it held at most."""
    tracemalloc.start()
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    steps[name] = seconds, tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return result


# %%
# Fit, find, update
# -----------------
# The selector fits the estimator inside it and looks through all pairs for the thousand
# strongest. Then five pathways of two hundred genes each become known. What an update
# takes by itself is shown for the estimator alone.

rng = np.random.default_rng(1)
pathways = np.zeros((n_genes, 5), dtype=np.float32)
for column in pathways.T:
    column[rng.choice(n_genes, 200, replace=False)] = rng.uniform(0.3, 0.6, 200)

estimator = FactorPrecisionEstimator()
timed("fit", lambda: estimator.fit(samples))
timed("add five pathways", lambda: estimator.partial_fit_pathways(pathways))
selector = NetworkEdgeSelector(threshold=0, max_edges=1000)
timed("fit, and find the 1,000 strongest edges", lambda: selector.fit(samples))
edges = selector.edges_
timed(
    "add the pathways, find edges and largest changes",
    lambda: selector.partial_fit_pathways(pathways),
)
report = pd.DataFrame(steps, index=["seconds", "megabytes"]).T
print(report.round(2).to_string())

# %%
# Were they the true edges?
# -------------------------
# Two hundred samples are few for 200 million pairs, and yet the top of the list is
# right. A gene with few links is held by each of them strongly.

numbers = edges[["source", "target"]].map(lambda name: int(name[1:])).to_numpy()
is_edge = np.array([simulated.network[i, j] != 0 for i, j in numbers])
for first in (100, 300, 1000):
    print(f"of the first {first:5,} edges {is_edge[:first].mean():.0%} are true")

# %%
# The figure
# ----------
# On the left is the time of each step, on the right the memory it took beside the
# table, and what a single dense matrix of all pairs would take.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 3.2), layout="constrained", sharey=True
)
places = np.arange(len(report))
drawn = left.barh(places, report["seconds"], color="#0072B2")
left.bar_label(drawn, fmt="{:.2g} s", padding=3)
left.set(xlabel="seconds", xscale="log", xlim=(1e-3, 60))
left.set_yticks(places, report.index)
left.invert_yaxis()
drawn = right.barh(places, report["megabytes"], color="#0072B2")
right.bar_label(drawn, fmt="{:.3g} MB", padding=3)
right.axvline(n_genes**2 * 8 / 1e6, color="#D55E00", linestyle="--")
right.annotate(
    "one dense matrix",
    (n_genes**2 * 8 / 1e6, 1.0),
    xycoords=("data", "axes fraction"),
    xytext=(-4, -4),
    textcoords="offset points",
    ha="right",
    va="top",
    rotation=90,
    color="#D55E00",
)
right.set(xlabel="megabytes at the peak", xscale="log", xlim=(1, 1e4))
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
plt.show()
