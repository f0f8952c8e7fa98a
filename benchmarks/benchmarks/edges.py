"""The search for edges, their choice by held-out likelihood, and their tests."""

from __future__ import annotations

import warnings

from growth import N_EDGES, search
from network import sparse_table

from sklearn_grn import (
    NetworkEdgeSelector,
    NetworkEdgeSelectorCV,
    RegulatoryEdgeSelector,
)


class Search:
    """All pairs looked through, the strongest kept."""

    params = ([500, 2_000, 8_000], [50, 200])
    param_names = ("genes", "rank")

    def setup(self, n_genes: int, rank: int) -> None:
        self.call = search(n_genes, rank)

    def time_strongest(self, n_genes: int, rank: int) -> None:
        self.call()

    def peakmem_strongest(self, n_genes: int, rank: int) -> None:
        self.call()


class _Select:
    """A selector on tables of sparse networks."""

    params = ([100, 1_000],)
    param_names = ("genes",)

    def setup(self, n_genes: int) -> None:
        self.table = sparse_table(100, n_genes)
        warnings.simplefilter("ignore")  # of tables that do not suit a test


class Select(_Select):
    """From a table to its strongest edges."""

    def time_fit(self, n_genes: int) -> None:
        NetworkEdgeSelector(threshold=0, max_edges=N_EDGES).fit(self.table)

    def peakmem_fit(self, n_genes: int) -> None:
        NetworkEdgeSelector(threshold=0, max_edges=N_EDGES).fit(self.table)


class Rank(_Select):
    """Ordered pairs, regulator to target; beside `peers.Portia`."""

    params = ([50, 100, 1_000],)

    def time_fit(self, n_genes: int) -> None:
        RegulatoryEdgeSelector().fit(self.table)


class CrossValidation(_Select):
    """The threshold with the best held-out likelihood."""

    def time_fit(self, n_genes: int) -> None:
        NetworkEdgeSelectorCV().fit(self.table)


class Significance(_Select):
    """The two tests that know no more samples than genes."""

    def time_leave_pair_out(self, n_genes: int) -> None:
        NetworkEdgeSelector().fit(self.table)

    def time_genenet(self, n_genes: int) -> None:
        NetworkEdgeSelector(significance="genenet").fit(self.table)

    def track_edges(self, n_genes: int) -> int:
        return len(NetworkEdgeSelector().fit(self.table).edges_)
