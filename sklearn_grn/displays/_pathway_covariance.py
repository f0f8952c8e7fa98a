"""What each pathway adds to a covariance, as a sum of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sklearn_grn._explained_covariance import baseline_covariance, pathway_covariance
from sklearn_grn._inner_estimator import gene_names
from sklearn_grn.displays._drawing import colour_map, lay_out, panels
from sklearn_grn.displays._gene_axes import (
    GeneNames,
    name_genes,
    write_values,
)

_MOST_GENES = 2000  # of a picture; it has no more pixels
_SIDE = 3.0  # of a panel, in inches
_MOST_COLUMNS = 4


class PathwayCovarianceDisplay:
    """A covariance as the sum of what pathways contribute, one panel for each.

    The panels share one scale of colours, in which white is 0. Numbers are written into
    the cells where they fit, names of genes on the axes where they fit, and otherwise
    the names of their groups.

    It is recommended to use :meth:`from_estimator` or :meth:`from_loadings`. All
    parameters are stored as attributes.

    Parameters
    ----------
    terms : ndarray of shape (n_terms, n_genes, n_genes)
        What is summed.
    total : ndarray of shape (n_genes, n_genes)
        The sum.
    term_names : list of str
        Titles of the panels.
    total_name : str, default="total"
        Title of the last panel.
    feature_names : array-like of shape (n_genes,), default=None
        Names of the genes; x0, x1, ... if None.
    groups : array-like of shape (n_genes,), default=None
        The group of each gene. Neighbours of one group are framed.

    Attributes
    ----------
    ax_ : ndarray of shape (n_terms + 1,), of Axes
        The panels.
    figure_ : Figure
        Figure with the panels.
    images_ : list of AxesImage
        The matrices.
    values_ : list of list of Text
        The numbers in the cells of each panel; empty lists where they do not fit.
    operators_ : list of Text
        The signs between the panels.
    colorbar_ : Colorbar
        The scale.

    See Also
    --------
    sklearn_grn.pathways.explain_pair : The same for two genes, in numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_grn.displays import PathwayCovarianceDisplay
    >>> genes = ["BAX", "CDKN1A", "FAS"]
    >>> loadings = {"p53": [0.8, 0.9, 0.7], "stress": [0.1, 0, 0.4]}
    >>> loadings = pd.DataFrame(loadings, index=genes)
    >>> display = PathwayCovarianceDisplay.from_loadings(loadings)
    >>> display.total.round(2)
    array([[0.65, 0.72, 0.6 ],
           [0.72, 0.81, 0.63],
           [0.6 , 0.63, 0.65]])
    """

    def __init__(
        self,
        terms: NDArray,
        total: NDArray,
        term_names: list[str],
        total_name: str = "total",
        *,
        feature_names: Any = None,
        groups: Any = None,
    ) -> None:
        self.terms = terms
        self.total = total
        self.term_names = term_names
        self.total_name = total_name
        self.feature_names = feature_names
        self.groups = groups

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        genes: Iterable[Any] | None = None,
        groups: Any = None,
        pathways_only: bool = False,
        ax: Any = None,
        **kwargs: Any,
    ) -> PathwayCovarianceDisplay:
        """Draw what the pathways of a model add to its covariance.

        Parameters
        ----------
        estimator : FactorPrecisionEstimator
            Fitted.
        genes : iterable, default=None
            Names or positions of the genes to draw, in this order. None means all.
        groups : Series, dict, or array-like of shape (n_features,), default=None
            The group of each gene, by name or in the order of the model. Genes are
            sorted by group, in the order in which groups first appear.
        pathways_only : bool, default=False
            Whether to leave out the baseline, and sum up the pathways.
        ax : Axes or array-like of Axes, default=None
            Axes of a grid whose room is divided, or one for each panel. None makes a
            new figure.
        **kwargs : dict
            Handed on to :meth:`plot`.

        Returns
        -------
        PathwayCovarianceDisplay
            With the panels drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If a gene is not in the model, if there is nothing to sum up, or if there
            are more genes than a picture can show.
        """
        check_is_fitted(estimator)
        names = gene_names(estimator)
        at = _positions(names, genes, groups)
        pathways = estimator.pathway_names_.tolist()
        parts = [pathway_covariance(estimator, name) for name in pathways]
        titles = [_titled(name, number + 1) for number, name in enumerate(pathways)]
        if not pathways_only:
            parts, titles = (
                [baseline_covariance(estimator), *parts],
                ["baseline", *titles],
            )
        if not parts:
            raise ValueError("the model has no pathway. Add some, or draw the baseline")
        terms = np.array([part[np.ix_(at, at)] for part in parts])
        display = cls(
            terms,
            terms.sum(axis=0),
            titles,
            r"pathways, $X X^\top$" if pathways_only else r"covariance $\Sigma$",
            feature_names=names[at],
            groups=_of_genes(groups, names, at),
        )
        return display.plot(ax, **kwargs)

    @classmethod
    def from_loadings(
        cls,
        X: Any,
        *,
        baseline: ArrayLike | None = None,
        groups: Any = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> PathwayCovarianceDisplay:
        """Draw the outer products of loadings, and their sum.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_features, n_pathways)
            Loadings; names of genes and pathways are read off a table.
        baseline : array-like of shape (n_features, n_features), default=None
            A covariance to add them to.
        groups : Series, dict, or array-like of shape (n_features,), default=None
            As in :meth:`from_estimator`.
        ax : Axes or array-like of Axes, default=None
            As in :meth:`from_estimator`.
        **kwargs : dict
            Handed on to :meth:`plot`.

        Returns
        -------
        PathwayCovarianceDisplay
            With the panels drawn.

        Raises
        ------
        ValueError
            If the loadings are not a table of finite numbers, if a shape does not fit,
            or if there are more genes than a picture can show.
        """
        values = check_array(X, dtype=np.float64)
        table = X if isinstance(X, pd.DataFrame) else _named(values)
        names = np.asarray(table.index, dtype=object)
        at = _positions(names, None, groups)
        terms = np.einsum("ik,jk->kij", values[at], values[at])
        titles = [_titled(str(name), k + 1) for k, name in enumerate(table.columns)]
        total_name = r"pathways, $X X^\top$"
        if baseline is not None:
            first = _square(baseline, len(names))[np.ix_(at, at)]
            terms, titles = np.concatenate([[first], terms]), ["baseline", *titles]
            total_name = r"covariance $\Sigma + X X^\top$"
        of_genes = _of_genes(groups, names, at)
        display = cls(
            terms,
            terms.sum(axis=0),
            titles,
            total_name,
            feature_names=names[at],
            groups=of_genes,
        )
        return display.plot(ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        n_columns: int | None = None,
        vmax: float | None = None,
        write: bool = True,
    ) -> PathwayCovarianceDisplay:
        """Draw the panels.

        What fits is measured in the figure as it is now: give it its size before.

        Parameters
        ----------
        ax : Axes or array-like of Axes, default=None
            As in :meth:`from_estimator`.
        n_columns : int, default=None
            Panels in a row; None means all, up to four.
        vmax : float, default=None
            The size of the values that are darkest. None takes the largest.
        write : bool, default=True
            Whether to write numbers into cells where they fit.

        Returns
        -------
        PathwayCovarianceDisplay
            The display itself.
        """
        matrices = [*self.terms, self.total]
        n_columns = n_columns or min(_MOST_COLUMNS, len(matrices))
        n_rows = -(-len(matrices) // n_columns)
        size = _SIDE * n_columns + 1.0, _SIDE * n_rows + 0.6
        self.ax_ = panels(ax, len(matrices), n_columns, size, "compressed")
        self.figure_ = self.ax_[0].figure
        scale = vmax or max(np.abs(matrix).max() for matrix in matrices) or 1.0
        self._draw_images(matrices, scale)
        self._draw_operators()
        self._write_names(n_columns)
        self.values_ = [
            write_values(axes, matrix, scale) if write else []
            for axes, matrix in zip(self.ax_, matrices, strict=True)
        ]
        return self

    def _draw_images(self, matrices: list[NDArray], scale: float) -> None:
        signed = any(matrix.min() < 0 for matrix in matrices)
        limits = {"vmin": -scale if signed else 0.0, "vmax": scale}
        titles = [*self.term_names, self.total_name]
        self.images_ = []
        for axes, matrix, title in zip(self.ax_, matrices, titles, strict=True):
            image = axes.imshow(
                matrix,
                cmap=colour_map(signed=signed),
                interpolation="nearest",
                **limits,
            )
            axes.set_title(title, fontsize=10)
            self.images_.append(image)
        beyond = max(np.abs(matrix).max() for matrix in matrices) > scale
        extend = ("both" if signed else "max") if beyond else "neither"
        self.colorbar_ = self.figure_.colorbar(
            self.images_[0],
            ax=list(self.ax_),
            label="covariance",
            shrink=0.8,
            extend=extend,
        )

    def _draw_operators(self) -> None:
        """Write a plus or the equals sign behind each panel but the last."""
        signs = ["+"] * (len(self.ax_) - 2) + ["="]
        self.operators_ = [
            axes.annotate(
                sign,
                (1.0, 0.5),
                xycoords="axes fraction",
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=16,
                annotation_clip=False,
            )
            for axes, sign in zip(self.ax_[:-1], signs, strict=True)
        ]

    def _write_names(self, n_columns: int) -> None:
        genes = self.feature_names
        if genes is None:
            genes = [f"x{number}" for number in range(len(self.total))]
        names = GeneNames.of(genes, self.groups)
        name_genes(self.ax_, np.arange(len(self.ax_)) % n_columns == 0, names)
        lay_out(self.ax_[0])


# -------------------------------------------------------------------- genes and groups
def _positions(names: NDArray, genes: Any, groups: Any) -> NDArray[np.intp]:
    """Return the positions of the genes to draw, those of a group together."""
    at = np.arange(len(names)) if genes is None else _found(names, list(genes))
    if len(at) > _MOST_GENES:
        raise ValueError(
            f"{len(at):,} genes are more than the {_MOST_GENES:,} that a picture can "
            "show. Choose some by `genes`"
        )
    of_genes = _of_genes(groups, names, at)
    if of_genes is None:
        return at
    numbers = pd.factorize(of_genes)[0]
    return at[np.argsort(numbers, kind="stable")]


def _found(names: NDArray, genes: list[Any]) -> NDArray[np.intp]:
    if all(isinstance(gene, (int, np.integer)) for gene in genes):
        at = np.array(genes, dtype=np.intp)
        missing = [gene for gene in genes if not 0 <= gene < len(names)]
    else:
        at = pd.Index(names).get_indexer(genes)
        missing = [gene for gene, where in zip(genes, at, strict=True) if where < 0]
    if missing or not genes:
        raise ValueError(
            f"no gene {missing[:3]} in the model, whose first genes are "
            f"{names[:3].tolist()}. Choose genes by their names or positions"
        )
    return at


def _of_genes(groups: Any, names: NDArray, at: NDArray) -> NDArray | None:
    """Return the group of each gene that is drawn."""
    if groups is None:
        return None
    if isinstance(groups, (pd.Series, Mapping)):
        known = dict(groups)
        return np.array([known.get(name, "other") for name in names[at]], dtype=object)
    groups = np.asarray(groups, dtype=object)
    if groups.shape != names.shape:
        raise ValueError(
            f"groups have the shape {groups.shape}, and there are {len(names)} genes. "
            "Pass one for each gene of the model, or a Series with names"
        )
    return groups[at]


def _named(values: NDArray) -> pd.DataFrame:
    n_genes, n_pathways = values.shape
    genes = [f"x{number}" for number in range(n_genes)]
    return pd.DataFrame(values, genes, [f"pathway{k}" for k in range(n_pathways)])


def _square(baseline: Any, n_genes: int) -> NDArray[np.float64]:
    matrix = np.asarray(baseline, dtype=np.float64)
    if matrix.shape != (n_genes, n_genes):
        raise ValueError(
            f"the baseline has the shape {matrix.shape}, and the loadings are of "
            f"{n_genes} genes"
        )
    return matrix


def _titled(name: str, number: int) -> str:
    """Return the name of a pathway over its product, whatever signs it has in it."""
    escaped = name.replace("$", r"\$")
    return rf"{escaped}" + "\n" + rf"$x_{{{number}}} x_{{{number}}}^\top$"
