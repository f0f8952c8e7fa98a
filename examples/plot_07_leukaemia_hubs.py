"""
Which genes are the hubs of a leukaemia network?
================================================

A hub is a gene with many links. Which genes are hubs depends on where the network is
cut, and on what is known of pathways: genes that follow the same pathway are linked
through it. This lesson draws the network of 128 leukaemias, and asks which of its hubs
stay hubs when the cut moves and when the fourteen pathways of PROGENy are added.
"""

# %%
# A cut by cross-validation
# -------------------------
# The first candidate for a cut is the network that predicts best. The table is sorted
# by lineage, so the folds are shuffled.

import copy
import warnings

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.model_selection import KFold

from sklearn_grn import (
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
    compare_networks,
    network_statistics,
)
from sklearn_grn.datasets import load_leukemia, load_progeny
from sklearn_grn.displays import NetworkDisplay, ThresholdDisplay
from sklearn_grn.pathways import pathway_loadings, scale_loadings

expression = load_leukemia(as_frame=True).data
folds = KFold(5, shuffle=True, random_state=0)
predictive = NetworkEdgeSelectorCV(cv=folds).fit(expression)
ThresholdDisplay.from_estimator(predictive)
plt.show()

# %%
# The score is flat at its top: networks of a thousand edges predict nearly as well as
# the best. The false discovery rate in the last panel is that of GeneNet's null. It
# takes for a link whatever a few genes have in common and most have not, also when it
# is a hidden cause.
#
# A cut by a test
# ---------------
# The leave-pair-out test is stricter. It warns that the leukaemias are of several
# kinds, which moves many genes together: what it finds here is a ranking and no list
# with a rate.

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    certified = NetworkEdgeSelector(fdr=0.05).fit(expression)
print(f"{len(predictive.edges_):,} edges predict best")
print(f"{len(certified.edges_):,} are certified")

# %%
# The network
# -----------
# Three hundred edges can still be read as a picture. Wide edges are strong, vermillion
# ones positive, and blue ones negative.

strongest = NetworkEdgeSelector(threshold=0, max_edges=300).fit(expression)
NetworkDisplay.from_estimator(strongest)
plt.show()

# %%
# The parts have names. Haemoglobins and other genes of red blood cells (HBA1, HBD,
# ALAS2, SELENBP1) are one, genes on the sex chromosomes another, where XIST goes
# against the genes of the Y chromosome; genes that answer to interferon (IFI44, MX1,
# ISG15) are a third, histones a fourth. The haemoglobins tell how much of the sample
# was blood and the sex chromosomes who the patient was: strong links, and none of
# leukaemia.
#
# Hubs, and where the cut is
# --------------------------

networks = {"certified": certified, "300 edges": strongest, "predicts best": predictive}
found = {name: network_statistics(network) for name, network in networks.items()}
hubs = pd.DataFrame({name: each.hubs["gene"] for name, each in found.items()})
print(hubs.to_string())

# %%
# With pathways
# -------------
# PROGENy's loadings are scaled so that each pathway adds a tenth of the variance of its
# genes, on average.

net = load_progeny().data
net = net[net["target"].isin(expression.columns)]
loadings = scale_loadings(pathway_loadings(net, expression), expression.var())
informed = copy.copy(strongest).partial_fit_pathways(loadings)
changes = compare_networks(strongest, informed)
print(
    f"{len(changes.kept)} of 300 edges stay above the cut, {len(changes.lost)} fall "
    f"below it, {len(changes.gained)} are new"
)
before, after = (network_statistics(each).degrees for each in (strongest, informed))
degrees = pd.DataFrame({"before": before, "with pathways": after})
print(degrees.sort_values("with pathways", ascending=False).head(10).to_string())

# %%
# The answer
# ----------
# It depends on the cut more than one would like. Among the three hundred strongest
# edges the hubs are genes of red blood cells, histones and genes that answer to
# interferon. One of these, SELENBP1, is a hub of the certified network as well, and
# none of the network that predicts best. The pathways add hubs of their own: genes with
# large weights, linked to the other genes of the same pathway. Such a link says that
# the pathway was claimed, not that the samples showed it, and `compare_networks` tells
# which is which. A hub is worth reporting with its cut.
