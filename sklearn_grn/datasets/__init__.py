"""Small real tables that ship with the package."""

from sklearn_grn.datasets._loaders import load_leukemia, load_progeny

__all__ = ["load_leukemia", "load_progeny"]
