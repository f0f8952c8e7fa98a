"""
Why does a pathway add an outer product to the covariance?
==========================================================

A pathway that becomes known enters the covariance of the genes as :math:`x x^\\top`,
and several as :math:`X X^\\top`. One could think of other ways: write a number into the
covariance of each pair of its genes, say. This lesson shows where the product comes
from, and what it saves one from.
"""

# %%
# One pathway, four genes
# -----------------------
# Say that the level of a gene moves by its loading when the activity of the pathway
# moves by one. The activity f has variance 1. Then two genes move together by the
# product of their loadings, and all pairs at once make the outer product.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_grn.datasets import make_pathway_expression
from sklearn_grn.displays import PathwayCovarianceDisplay

loadings = pd.DataFrame(
    {"p53": [0.9, 0.8, 0.7, 0.0], "growth factor": [-0.4, 0.0, -0.2, 0.8]},
    index=["CDKN1A", "BAX", "FAS", "MYC"],
)
display = PathwayCovarianceDisplay.from_loadings(loadings, baseline=0.5 * np.eye(4))
plt.show()

# %%
# In the first panel is what genes do on their own. p53 moves three of them in the same
# direction, the growth factor moves two against MYC. The last panel is their sum, and
# two pathways may well cancel in a pair.
#
# Samples agree with the sum
# --------------------------
# This is the factor model: :math:`x = X f + e`, so that the covariance of x is
# :math:`\Psi + X X^\top`. Draw many samples of it, and look at their covariance.

rng = np.random.default_rng(0)
X = loadings.to_numpy()
activities = rng.standard_normal((200_000, 2))
noise = rng.standard_normal((200_000, 4)) * 0.5**0.5
samples = activities @ X.T + noise
off = np.abs(np.cov(samples.T) - display.total).max()
print(f"largest difference from the covariance of 200,000 samples: {off:.3f}")

# %%
# It is a covariance in any case
# ------------------------------
# No combination of genes may have a negative variance: no eigenvalue may be negative.
# An outer product cannot make one so, for it adds :math:`(a^\top x)^2` to the variance
# of a combination a. Whatever pathways come, the least eigenvalue does not fall.

before = np.linalg.eigvalsh(0.5 * np.eye(4))
after = np.linalg.eigvalsh(display.total)
print("eigenvalues before:", before.round(2), " after:", after.round(2))

# %%
# Numbers that are written into pairs have no such promise. Here CDKN1A is to go with
# BAX and with FAS, and BAX and FAS are forgotten: there is a combination of genes with
# a negative variance, and no samples have this covariance.

written = 0.5 * np.eye(4)
for i, j in [(0, 1), (0, 2)]:
    written[i, j] = written[j, i] = 0.45
print("eigenvalues of what was written:", np.linalg.eigvalsh(written).round(2))

# %%
# And it is small
# ---------------
# A hundred genes of a tumour answer to chemotherapy stress, immune activation and a
# growth factor. Their 5,050 variances and covariances are made of 300 loadings: the sum
# of three outer products has rank three.

tumour = make_pathway_expression(as_frame=True, random_state=123)
products = tumour.loadings.to_numpy() @ tumour.loadings.to_numpy().T
print("rank:", np.linalg.matrix_rank(products))

# %%
# The stress moves all genes a little, the immune activation two groups, the growth
# factor one. In the sum the groups are blocks, and what lies between them is the stress
# that they share.

PathwayCovarianceDisplay.from_loadings(
    tumour.loadings, baseline=0.5 * np.eye(100), groups=tumour.groups, n_columns=5
)
plt.show()

# %%
# The answer
# ----------
# The product is what a common cause does to all pairs at once. It keeps the covariance
# a covariance, and it is as small as the list of its genes: that is why the precision
# can follow by one column for each pathway, as the next lesson shows.
