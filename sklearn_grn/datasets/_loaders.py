"""Loaders of the tables in ``data/``, in the manner of :mod:`sklearn.datasets`."""

from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

_DATA = resources.files("sklearn_grn.datasets") / "data"


def _read_csv(file_name: str, **options: Any) -> pd.DataFrame:
    """Read a table; names like NA, MARCH1 and 1-Dec stay what they are."""
    with (_DATA / file_name).open("rb") as file:
        return pd.read_csv(
            file,
            compression="gzip" if file_name.endswith(".gz") else None,
            keep_default_na=False,  # NA is a gene, only an empty field is missing
            na_values=[""],
            **options,
        )


def _read_table(file_name: str) -> pd.DataFrame:
    """Read a table whose first column holds the labels of the samples."""
    # As text, so that 01005 keeps its zero.
    return _read_csv(file_name, index_col="sample", dtype={"sample": str})


def _read_net(file_name: str) -> pd.DataFrame:
    """Read a table with columns source and target, both names."""
    return _read_csv(file_name, dtype={"source": str, "target": str})


def _describe(title: str) -> str:
    """Return the section of the description whose title begins with a word."""
    text = (_DATA / "README.md").read_text(encoding="utf-8")
    _, *sections = text.split("\n## ")
    return next(section for section in sections if section.startswith(title))


def _bunch(
    table: pd.DataFrame,
    labels: pd.Series,
    target_names: np.ndarray,
    samples: pd.DataFrame,
    description: str,
    *,
    return_X_y: bool,
    as_frame: bool,
) -> Any:
    """Return a table of samples and their classes in the form that is asked for."""
    data = table if as_frame else np.array(table, order="C")
    target = labels if as_frame else np.array(labels)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=pd.concat([table, labels], axis="columns") if as_frame else None,
        target_names=target_names,
        feature_names=table.columns.tolist(),
        sample_names=table.index.tolist(),
        samples=samples,
        DESCR=description,
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

    return _bunch(
        table,
        lineage,
        np.array(["B", "T"]),
        samples,
        _describe("Expression"),
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def load_progeny() -> Any:
    """Load PROGENy: 14 signalling pathways and the genes that respond to them.

    The genes whose expression changes when a pathway is perturbed, found in many
    experiments on human cells [1]_ [2]_: the 500 of smallest p-value for each pathway,
    with signed weights. They respond to the pathway and are rarely members of it.

    =================   =====
    Pathways               14
    Genes per pathway     500
    Genes               5,782
    =================   =====

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : DataFrame of shape (7000, 4)
            A row for each pathway (`source`) and gene (`target`, a symbol), with the
            `weight`, positive if expression rises with the activity of the pathway,
            and its `p_value`. Genes of a pathway come in the order of their p-value:
            ``data.groupby("source").head(100)`` holds the hundred surest of each.
        pathway_names : list of str
            Names of the pathways, in the order of the table.
        DESCR : str
            Origin of the table, how it was cut, and its licence.

    See Also
    --------
    sklearn_grn.pathways.pathway_loadings : Lay the table out as genes x pathways.
    sklearn_grn.pathways.scale_loadings : Give the weights units of expression.

    Notes
    -----
    The table is distributed under the Apache License 2.0; see `DESCR`.

    References
    ----------
    .. [1] Schubert, M. et al. (2018). Perturbation-response genes reveal signaling
       footprints in cancer gene expression. Nature Communications, 9, 20.
    .. [2] Holland, C. H., Szalai, B. & Saez-Rodriguez, J. (2020). Transfer of
       regulatory knowledge from human to mouse for functional genomics analysis.
       Biochimica et Biophysica Acta, Gene Regulatory Mechanisms, 1863(6), 194431.

    Examples
    --------
    >>> from sklearn_grn.datasets import load_progeny
    >>> progeny = load_progeny()
    >>> progeny.pathway_names[:3]
    ['Androgen', 'EGFR', 'Estrogen']
    >>> progeny.data.loc[0, ["source", "target"]].tolist()
    ['Androgen', 'TMPRSS2']
    """
    net = _read_net("progeny_human_top500.csv.gz")
    return Bunch(
        data=net,
        pathway_names=net["source"].unique().tolist(),
        DESCR=_describe("PROGENy"),
    )


def load_pbmc(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the expression of 765 genes in single cells of the blood.

    Peripheral blood mononuclear cells of a healthy donor, sequenced one by one [1]_:
    log-normalised expression. Two thirds of the entries are 0, as in most tables of
    single cells.

    =================   ================
    Classes                         10
    Samples per class         8 to 240
    Samples total                  700
    Dimensionality                 765
    Features            real, at least 0
    =================   ================

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch object.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame with genes as columns and cells as index,
        and `target` is a pandas Series.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (700, 765)
            Log-normalised expression, cells in rows, float64.
        target : {ndarray, Series} of shape (700,)
            Type of the cell, the position of its name in `target_names`.
        feature_names : list of str
            Gene symbols.
        target_names : ndarray of str
            Types of cells in alphabetical order.
        sample_names : list of str
            Barcodes of the cells.
        samples : DataFrame of shape (700, 5)
            What is known of each cell: `bulk_label` (its type), `louvain` (its
            cluster), `n_genes`, `n_counts` and `percent_mito`.
        frame : DataFrame of shape (700, 766)
            `data` and `target` side by side, None unless `as_frame=True`.
        DESCR : str
            Origin of the table, how it was cut, and its licence.

    (data, target) : tuple if ``return_X_y`` is True
        The two alone, as pandas objects if `as_frame=True`.

    Notes
    -----
    The table is distributed under CC-BY-4.0 and the BSD 3-Clause License; see `DESCR`.

    References
    ----------
    .. [1] Zheng, G. X. Y. et al. (2017). Massively parallel digital transcriptional
       profiling of single cells. Nature Communications, 8, 14049.

    Examples
    --------
    >>> from sklearn_grn.datasets import load_pbmc
    >>> cells = load_pbmc(as_frame=True)
    >>> cells.data.shape
    (700, 765)
    >>> round(float((cells.data == 0).to_numpy().mean()), 2)
    0.67
    >>> str(cells.target_names[cells.target.iloc[0]])
    'CD14+ Monocyte'
    """
    table = _read_table("pbmc_expression.csv.gz").astype(np.float64)
    samples = _read_table("pbmc_cells.csv")
    target_names, codes = np.unique(
        samples["bulk_label"].to_list(), return_inverse=True
    )
    target = pd.Series(codes, index=samples.index, name="target", dtype=np.int64)
    return _bunch(
        table,
        target,
        target_names,
        samples,
        _describe("Cells"),
        return_X_y=return_X_y,
        as_frame=as_frame,
    )
