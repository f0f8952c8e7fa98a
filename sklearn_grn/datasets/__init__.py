"""Small real tables that ship with the package, and simulated ones."""

from sklearn_grn.datasets._loaders import load_leukemia, load_pbmc, load_progeny
from sklearn_grn.datasets._regulatory_simulator import make_regulatory_network
from sklearn_grn.datasets._simulators import (
    make_pathway_expression,
    make_sparse_network,
)

__all__ = [
    "load_leukemia",
    "load_pbmc",
    "load_progeny",
    "make_pathway_expression",
    "make_regulatory_network",
    "make_sparse_network",
]
