"""The bridge to AnnData, the annotated tables of scverse.

Tables are recognised by their attributes, so that nothing here needs the package
anndata, but to read its files.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from sklearn_grn._array_interface import _free_memory
from sklearn_grn._edge_search import strongest_edges
from sklearn_grn._gene_names import find


def expression_table(data: Any, *, layer: str | None = None) -> pd.DataFrame:
    """Return the expression in an AnnData as a table with the names of its genes.

    Estimators take an AnnData as it is, and read its `X`. This is for a layer, and for
    everything else that takes a table.

    Parameters
    ----------
    data : AnnData, str or path
        Annotated table, or a file of it (.h5ad), for which the package anndata must be
        installed.
    layer : str, default=None
        Which of its layers; None takes `X`.

    Returns
    -------
    DataFrame of shape (n_samples, n_genes)
        With `obs_names` as index and `var_names` as columns, of the type of the values.

    Raises
    ------
    ImportError
        If a file is asked for and anndata is not installed; it names the extra.
    ValueError
        If there is no such layer.
    MemoryError
        If a sparse layer would take more than half of the free memory.

    See Also
    --------
    write_anndata : Write results into it.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from sklearn_grn.pathways import expression_table
    >>> data = SimpleNamespace(  # stands for an AnnData
    ...     X=[[0.0, 1.5]], layers={}, obs_names=["cell"], var_names=["CD3D", "LCK"]
    ... )
    >>> expression_table(data)
          CD3D  LCK
    cell   0.0  1.5
    """
    if isinstance(data, (str, os.PathLike)):
        data = _import_anndata().read_h5ad(data)
    if not is_annotated(data):
        raise ValueError(
            f"{type(data).__name__} is no AnnData: it needs X, obs_names and var_names"
        )
    values = data.X if layer is None else _layer(data, layer)
    if values is None:
        raise ValueError(
            f"the AnnData has no X; name a layer, one of {list(data.layers)}"
        )
    return pd.DataFrame(
        dense_table(values),
        index=pd.Index(data.obs_names),
        columns=pd.Index(data.var_names),
    )


def as_table(X: Any) -> Any:
    """Return what an AnnData holds, and anything else as it is.

    Parameters
    ----------
    X : AnnData or anything

    Returns
    -------
    DataFrame, or `X` itself
    """
    return expression_table(X) if is_annotated(X) else X


def is_annotated(X: Any) -> bool:
    """Tell whether an object is an AnnData, by its attributes.

    Parameters
    ----------
    X : anything

    Returns
    -------
    bool
    """
    return all(hasattr(X, name) for name in ("X", "layers", "obs_names", "var_names"))


def write_anndata(
    data: Any,
    model: Any,
    *,
    layer: str | None = None,
    n_edges: int = 10_000,
    key_added: str = "grn",
) -> None:
    """Write a fitted model into an AnnData, each part where scverse looks for it.

    Parameters
    ----------
    data : AnnData
        With the genes of the model, in any order. It is changed.
    model : FactorPrecisionEstimator, or anything with a `network_`
        Fitted. Of a selector, with its `estimator_`, the network is the one that it
        selected.
    layer : str, default=None
        Layer that the activities are computed from; None takes `X`.
    n_edges : int, default=10000
        How many of the strongest edges the network has, where the model has selected
        none.
    key_added : str, default="grn"
        The key of all that is written.

    Raises
    ------
    ValueError
        If the genes are not those of the model, or it knows no gene names.

    See Also
    --------
    expression_table : The way in.

    Notes
    -----
    ======  =====================================================================
    slot    what is written to it
    ======  =====================================================================
    `varm`  loadings of the pathways, genes x pathways, a table
    `varp`  partial correlations along the edges, genes x genes, symmetric, sparse
    `obsm`  posterior means of the activities, samples x pathways, a table
    `uns`   parameters: those of the estimator that are numbers or text, names,
            variances and posterior standard deviations of the pathways, and
            intensities of shrinkage
    ======  =====================================================================

    Without pathways `varm` and `obsm` are left alone.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import pandas as pd
    >>> from sklearn_grn import FactorPrecisionEstimator
    >>> from sklearn_grn.pathways import write_anndata
    >>> table = pd.DataFrame([[0.0, 1], [1, 1], [1, 0]], columns=["CD3D", "LCK"])
    >>> data = SimpleNamespace(  # stands for an AnnData
    ...     X=table, layers={}, obs_names=table.index, var_names=table.columns,
    ...     varm={}, varp={}, obsm={}, uns={},
    ... )
    >>> estimator = FactorPrecisionEstimator().fit(data)
    >>> estimator = estimator.partial_fit_pathways([[1.0], [1.0]], "TCR")
    >>> write_anndata(data, estimator)
    >>> data.varm["grn"]["TCR"].to_dict()
    {'CD3D': 1.0, 'LCK': 1.0}
    """
    estimator = getattr(model, "estimator_", model)
    order = _order(data, estimator)
    selected = getattr(model, "network_", None)
    network = _net(estimator, n_edges) if selected is None else selected
    if len(_pathway_names(estimator)):
        genes, names = pd.Index(data.var_names), list(estimator.pathway_names_)
        loadings = estimator.pathway_loadings_[order]
        table = expression_table(data, layer=layer)
        activities = estimator.activities(table[estimator.feature_names_in_])
        data.varm[key_added] = pd.DataFrame(loadings, genes, names)
        data.obsm[key_added] = pd.DataFrame(activities, table.index, names)
    data.varp[key_added] = sparse.csr_matrix(network)[order][:, order]
    data.uns[key_added] = _parameters(estimator)


def _import_anndata() -> ModuleType:
    try:
        return import_module("anndata")
    except ImportError as error:
        raise ImportError(
            "reading a file of an AnnData needs the package anndata: "
            'pip install "sklearn-grn[anndata]"'
        ) from error


def _layer(data: Any, layer: str) -> Any:
    if layer not in data.layers:
        raise ValueError(f"no layer is named {layer!r}; there are {list(data.layers)}")
    return data.layers[layer]


def dense_table(values: Any) -> NDArray:
    """Return a table as an array.

    Parameters
    ----------
    values : array-like or sparse of shape (n_samples, n_genes)

    Returns
    -------
    ndarray of shape (n_samples, n_genes)

    Raises
    ------
    MemoryError
        If a sparse one would take more than half of the free memory.
    """
    if not sparse.issparse(values):
        return np.asarray(values)
    n_bytes = values.shape[0] * values.shape[1] * values.dtype.itemsize
    if n_bytes > _free_memory() / 2:
        raise MemoryError(
            f"a table of shape {values.shape} takes {n_bytes / 2**30:.3g} GiB, more "
            "than half of the memory that is free. Choose genes or samples first, for "
            "instance data[:, data.var['highly_variable']], or use a "
            "FactorPrecisionEstimator by itself, which takes sparse tables as they are"
        )
    return values.toarray(order="C")


def _order(data: Any, estimator: Any) -> Any:
    """Return where in the model each gene of the AnnData is."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        raise ValueError(
            "the model knows no gene names; fit it on the AnnData, or on a table of it"
        )
    order = find(data.var_names, names, "AnnData", "model")
    if (order < 0).any() or len(order) != len(names):
        raise ValueError(
            f"the AnnData has {len(order)} genes and the model {len(names)}, of which "
            f"{np.count_nonzero(order >= 0)} are in both. Write to the part that was "
            "fitted, data[:, estimator.feature_names_in_].copy()"
        )
    return order


def _net(estimator: Any, n_edges: int) -> sparse.csr_array:
    """Return the strongest partial correlations, symmetric, 0 elsewhere."""
    rows = estimator.partial_correlation_.row_factor()
    (sources, targets, values), _ = strongest_edges(rows, n_edges)
    pairs = np.concatenate([sources, targets]), np.concatenate([targets, sources])
    shape = len(rows), len(rows)
    return sparse.coo_array((np.tile(values, 2), pairs), shape=shape).tocsr()


def _pathway_names(estimator: Any) -> Any:
    """Return the names of the pathways, none of a model that takes none."""
    return getattr(estimator, "pathway_names_", ())


def _parameters(estimator: Any) -> dict[str, Any]:
    """Return what a file of an AnnData can hold: numbers, text and arrays of them."""
    plain = (bool, int, float, str)
    given = estimator.get_params(deep=False).items()
    params = {name: value for name, value in given if isinstance(value, plain)}
    parameters: dict[str, Any] = {"params": params}
    for name in ("n_components", "shrinkage", "variance_shrinkage", "n_samples_seen"):
        if hasattr(estimator, f"{name}_"):
            parameters[name] = getattr(estimator, f"{name}_")
    if len(_pathway_names(estimator)):
        parameters["pathway_names"] = np.array(estimator.pathway_names_, dtype=str)
        parameters["activity_variance"] = estimator.activity_variance_.copy()
        parameters["activity_std"] = estimator.activity_std_.copy()
    return parameters
