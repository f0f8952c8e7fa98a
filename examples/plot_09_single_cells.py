"""
Do two types of blood cell have the same network?
=================================================

Single cells come as AnnData objects, and estimators take these as they are. Cells of
two types are compared here: each type gets a network of its own, of the same number of
edges, and the question is how many of them the two share.
"""

# %%
# Seven hundred blood cells
# -------------------------
# The table ships with the package: 765 genes, log-normalised, two thirds zeros.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_grn import NetworkEdgeSelector, compare_networks
from sklearn_grn.datasets import load_pbmc
from sklearn_grn.displays import NetworkDisplay
from sklearn_grn.pathways import expression_table, write_anndata

cells = load_pbmc(as_frame=True)
types = cells.target_names[cells.target]
print({name: int((types == name).sum()) for name in ("CD14+ Monocyte", "CD19+ B")})

# %%
# A gene that is seen in few cells has few numbers to correlate. Keep the genes that are
# seen in more than a fifth of the cells of both types.

wanted = ["CD14+ Monocyte", "CD19+ B"]
present = cells.data > cells.data.min()
seen = [present[types == name].mean() > 0.2 for name in wanted]
genes = cells.data.columns[seen[0] & seen[1]]
tables = {name: cells.data.loc[types == name, genes] for name in wanted}
print(f"{len(genes)} genes")

# %%
# Two networks
# ------------

networks = {
    name: NetworkEdgeSelector(threshold=0, max_edges=100).fit(table)
    for name, table in tables.items()
}
monocytes, b_cells = networks.values()
compared = compare_networks(monocytes, b_cells)
print(f"{len(compared.kept)} of 100 edges are in both")
print(compared.kept.head(8).round(3).to_string())

# %%
# How many would two halves of one type share?
# --------------------------------------------
# Networks of few cells differ by chance, too. So split each type in two, and compare
# its halves with each other and with those of the other type, all of one size.

rng = np.random.default_rng(0)


def halves(table, size=47):
    """Return the networks of two random parts of a table."""
    order = rng.permutation(len(table))
    parts = order[:size], order[size : 2 * size]
    return [
        NetworkEdgeSelector(threshold=0, max_edges=100).fit(table.iloc[part])
        for part in parts
    ]


within, between = [], []
for _ in range(10):
    pairs = [halves(table) for table in tables.values()]
    within += [len(compare_networks(*pair).kept) for pair in pairs]
    between += [len(compare_networks(a, b).kept) for a, b in zip(*pairs, strict=True)]
print(f"edges in common, of 100: {np.mean(within):.1f} within a type, ", end="")
print(f"{np.mean(between):.1f} between types")

# %%
# The figure
# ----------

figure, axes = plt.subplots(1, 2, figsize=(14, 6.5), layout="constrained")
for ax, (name, network) in zip(axes, networks.items(), strict=True):
    NetworkDisplay.from_estimator(network, ax=ax, title=name, n_labels=50)
plt.show()

# %%
# The answer
# ----------
# No: two halves of one type share several times as many edges as halves of two types.
# But even halves of one type share few, for fifty cells with two thirds zeros say
# little about a single edge. What the types agree on is what most of such tables show:
# genes of MHC class II (HLA-DRB1 and its like) and S100 proteins.

# %%
# From and into AnnData
# ---------------------
# An AnnData object goes into `fit` as the tables did, and `write_anndata` puts the
# network into its ``varp``, where scanpy finds it. This part runs where the package
# anndata is installed.

try:
    import anndata
except ImportError:
    print("anndata is not installed: pip install 'sklearn-grn[anndata]'")
else:
    adata = anndata.AnnData(tables["CD19+ B"])
    selector = NetworkEdgeSelector(threshold=0, max_edges=100).fit(adata)
    print("same edges as from the table:", selector.edges_.equals(b_cells.edges_))
    write_anndata(adata, selector)
    print(adata)
    print(expression_table(adata).shape)
