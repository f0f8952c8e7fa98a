"""Loaders of the tables in ``data/``, in the manner of :mod:`sklearn.datasets`."""

from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

_DATA = resources.files("sklearn_grn.datasets") / "data"


def _read_table(file_name: str) -> pd.DataFrame:
    """Read a table whose first column holds the labels of the samples."""
    with (_DATA / file_name).open("rb") as file:
        return pd.read_csv(
            file,
            compression="gzip" if file_name.endswith(".gz") else None,
            index_col="sample",
            dtype={"sample": str},  # 01005 keeps its zero
            keep_default_na=False,  # NA is a gene, only an empty field is missing
            na_values=[""],
        )


def load_leukemia(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the expression of 1,300 genes in acute lymphoblastic leukaemia.

    Microarrays of 128 patients [1]_: log2 expression of the genes that vary most
    between them, in decreasing order of variance, so that ``data[:, :100]`` holds
    the hundred most variable ones. The leukaemia arose from B-cells in 95 patients
    and from T-cells in 33.

    =================   ================
    Classes                            2
    Samples per class    95 (B) , 33 (T)
    Samples total                    128
    Dimensionality                 1,300
    Features            real, log2 scale
    =================   ================

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch object.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame with genes as columns and samples as
        index, and `target` is a pandas Series.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (128, 1300)
            Log2 expression, samples in rows, float64.
        target : {ndarray, Series} of shape (128,)
            Lineage of the leukaemia: 0 for B-cells, 1 for T-cells.
        feature_names : list of str
            Gene symbols.
        target_names : ndarray of str
            Names of the lineages.
        sample_names : list of str
            Labels of the patients.
        samples : DataFrame of shape (128, 4)
            What is known of each patient: `sex`, `age` in years, `BT` (lineage and
            stage, for instance "B2") and `mol.biol` (molecular subtype, for instance
            "BCR/ABL"). Sex and age are missing for some.
        frame : DataFrame of shape (128, 1301)
            `data` and `target` side by side, None unless `as_frame=True`.
        DESCR : str
            Origin of the table, how it was cut, and its licence.

    (data, target) : tuple if ``return_X_y`` is True
        The two alone, as pandas objects if `as_frame=True`.

    Notes
    -----
    The table is distributed under the Artistic License 2.0; see `DESCR`.

    References
    ----------
    .. [1] Chiaretti, S. et al. (2004). Gene expression profile of adult T-cell acute
       lymphocytic leukemia identifies distinct subsets of patients with different
       response to therapy and survival. Blood, 103(7), 2771-2778.

    Examples
    --------
    >>> from sklearn_grn.datasets import load_leukemia
    >>> leukemia = load_leukemia()
    >>> leukemia.data.shape
    (128, 1300)
    >>> leukemia.feature_names[:3]
    ['DDX3Y', 'CCN2', 'IGLL1']
    >>> leukemia.samples["BT"].str[0].value_counts().to_dict()
    {'B': 95, 'T': 33}
    """
    table = _read_table("leukemia_expression.csv.gz")
    samples = _read_table("leukemia_samples.csv")
    lineage = samples["BT"].str.startswith("T").astype(np.int64).rename("target")

    data = table if as_frame else np.array(table, order="C")
    target = lineage if as_frame else np.array(lineage)
    if return_X_y:
        return data, target

    return Bunch(
        data=data,
        target=target,
        frame=pd.concat([table, lineage], axis="columns") if as_frame else None,
        target_names=np.array(["B", "T"]),
        feature_names=table.columns.tolist(),
        sample_names=table.index.tolist(),
        samples=samples,
        DESCR=(_DATA / "README.md").read_text(encoding="utf-8"),
    )
