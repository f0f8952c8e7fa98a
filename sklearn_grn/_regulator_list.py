"""Which genes of a table may be regulators, in whatever form people hold the list."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._gene_names import find, some
from sklearn_grn._text_lines import text_lines
from sklearn_grn._warn import warn_caller


def regulator_mask(regulators: Any, genes: NDArray) -> NDArray[np.bool_]:
    """Return which genes may be regulators.

    Parameters
    ----------
    regulators : array-like, str, path or None
        Names, numbers or a mask of genes, or the name of a file with a name a line.
        None for all genes.
    genes : ndarray of shape (n_genes,)
        Names of the genes.

    Returns
    -------
    ndarray of shape (n_genes,), bool

    Raises
    ------
    ValueError
        If no regulator is in the table, a number is out of range, or a mask has another
        length.

    Warns
    -----
    UserWarning
        If some names are not in the table.
    """
    if regulators is None:
        return np.ones(len(genes), dtype=bool)
    listed = _as_array(regulators)
    if listed.ndim != 1 or listed.size == 0:
        raise ValueError(
            f"regulators has the shape {listed.shape}; it must be a list of at least "
            "one name or number, or a mask"
        )
    if listed.dtype.kind == "b":
        return _from_mask(listed, len(genes))
    if listed.dtype.kind in "iu":
        return _from_numbers(listed, len(genes))
    return _from_names(listed, genes)


def _as_array(regulators: Any) -> NDArray:
    if isinstance(regulators, (str, os.PathLike)):
        return np.array(_read_list(Path(regulators)), dtype=object)
    if isinstance(regulators, (set, frozenset)):
        regulators = sorted(regulators)
    return np.asarray(regulators)


def _read_list(path: Path) -> list[str]:
    if not path.is_file():
        raise ValueError(
            f"regulators={str(path)!r} names no file. A single regulator is written "
            f"as a list: regulators=[{str(path)!r}]"
        )
    return [line.strip() for _, line in text_lines(path)]


def _from_mask(mask: NDArray, n_genes: int) -> NDArray[np.bool_]:
    if len(mask) != n_genes or not mask.any():
        raise ValueError(
            f"the mask of regulators has {len(mask)} entries, {np.count_nonzero(mask)} "
            f"of them true; the table has {n_genes} genes, and one must be a regulator"
        )
    return mask


def _from_numbers(numbers: NDArray, n_genes: int) -> NDArray[np.bool_]:
    outside = numbers[(numbers < 0) | (numbers >= n_genes)]
    if len(outside):
        raise ValueError(
            f"regulator {outside[0]} is not between 0 and {n_genes - 1}, the numbers "
            "of the genes"
        )
    mask = np.zeros(n_genes, dtype=bool)
    mask[numbers] = True
    return mask


def _from_names(names: NDArray, genes: NDArray) -> NDArray[np.bool_]:
    names = np.array(list(dict.fromkeys(names)), dtype=object)  # lists repeat names
    rows = find(names, genes, "list of regulators", "table")
    unknown = names[rows < 0]
    if len(unknown):
        warn_caller(
            f"{len(unknown)} of the {len(names)} regulators are not in the table: "
            f"{some(unknown)}"
        )
    mask = np.zeros(len(genes), dtype=bool)
    mask[rows[rows >= 0]] = True
    return mask
