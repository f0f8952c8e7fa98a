"""
How many samples does a network need?
=====================================

Patients arrive one after the other. This lesson adds leukaemias to the model one at a
time with `partial_fit`, and watches the shrinkage, the held-out likelihood and the
hundred strongest edges settle.
"""

# %%
# One patient at a time
# ---------------------
# The last 28 of 128 samples are kept back to score the others. The order is shuffled
# first.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_grn import FactorPrecisionEstimator, NetworkEdgeSelector
from sklearn_grn.datasets import load_leukemia

expression = load_leukemia(as_frame=True).data
expression = expression.sample(frac=1, random_state=0)
arriving, held_out = expression[:100], expression[100:]

stream = FactorPrecisionEstimator().partial_fit(arriving[:10])
seen, shrinkage, score = [], [], []
for number in range(10, 100):
    stream.partial_fit(arriving[number : number + 1])
    seen.append(stream.n_samples_seen_)
    shrinkage.append(stream.shrinkage_)
    score.append(stream.score(held_out))
print(f"intensity {shrinkage[0]:.2f} at first, {shrinkage[-1]:.2f} at the end")

# %%
# The end is that of one fit
# --------------------------
# Means, variances and both intensities are exact, not running approximations.

whole = FactorPrecisionEstimator().fit(arriving)
print(f"intensity of one fit: {whole.shrinkage_:.12f}")
print(f"of 91 batches:        {stream.shrinkage_:.12f}")

# %%
# When are the strongest edges the same?
# --------------------------------------
# The hundred strongest of 844,350 pairs, compared with those of all hundred samples.


def strongest(table):
    selector = NetworkEdgeSelector(threshold=0, max_edges=100).fit(table)
    return set(selector.edges_[["source", "target"]].itertuples(index=False))


final = strongest(arriving)
sizes = np.arange(20, 101, 10)
shared = [len(strongest(arriving[:size]) & final) for size in sizes]
for size, number in zip(sizes, shared, strict=True):
    print(f"{size:4d} samples: {number:3d} of the final 100 edges")

# %%

_, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
axes[0].plot(seen, shrinkage, color="#0072B2")
axes[0].set(title="Shrinkage", ylabel="intensity", ylim=(0, None))
axes[1].plot(seen, score, color="#0072B2")
axes[1].set(title="28 held-out samples", ylabel="mean log-likelihood")
axes[2].plot(sizes, shared, "o-", color="#0072B2")
axes[2].set(title="100 strongest edges", ylabel="shared with the end", ylim=(0, 103))
for ax in axes:
    ax.set_xlabel("samples")
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
