"""The two axes of a genes x genes picture: names, groups, and numbers in cells."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn.displays._drawing import DARK, lay_out, points_per_unit
from sklearn_grn.displays._label_placement import keep_apart

_LEAST_SIZE, _MOST_SIZE = 5.0, 9.0  # of letters, in points
_LINE_HEIGHT = 1.15  # of a letter
_GAP = 6.0  # points between names of genes and of groups


class GeneNames(NamedTuple):
    """Genes in the order in which they are drawn, and the groups they are in.

    Attributes
    ----------
    genes : ndarray of shape (n_genes,), of str
    groups : ndarray of shape (n_groups,), of str
        Names of the groups; none where there are no groups.
    bounds : ndarray of shape (n_groups + 1,)
        Group k is of the genes from bounds[k] on and below bounds[k + 1].
    """

    genes: NDArray
    groups: NDArray
    bounds: NDArray[np.intp]

    @classmethod
    def of(cls, genes: Any, groups: Any = None) -> GeneNames:
        """Find where one group ends and the next begins."""
        genes = np.array([str(gene) for gene in genes], dtype=object)
        if groups is None:
            return cls(genes, genes[:0], np.array([0]))
        groups = np.array([str(group) for group in groups], dtype=object)
        first = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
        return cls(genes, groups[first], np.append(first, len(genes)))

    def centres(self) -> NDArray[np.float64]:
        """Return where the name of each group belongs."""
        return (self.bounds[1:] + self.bounds[:-1] - 1) / 2


def name_genes(panels: NDArray, on_left: NDArray, names: GeneNames) -> None:
    """Write names of genes beside pictures where they fit, and those of groups.

    Parameters
    ----------
    panels : ndarray of shape (n_panels,), of Axes
        With pictures of n_genes x n_genes cells, all of one size.
    on_left : ndarray of shape (n_panels,), bool
        Which of them bear names on the left, too, and not below alone.
    names : GeneNames
    """
    for axes, left in zip(panels, on_left, strict=True):
        axes.tick_params(length=0, labelleft=bool(left))
        for bound in names.bounds[1:-1] - 0.5:
            axes.axhline(bound, color=DARK, linewidth=0.7)
            axes.axvline(bound, color=DARK, linewidth=0.7)
    sides = [axes.xaxis for axes in panels]
    sides += [axes.yaxis for axes in panels[on_left]]
    every = np.arange(len(names.genes))
    if _fit(panels[0], sides, every, names.genes):
        _beyond_genes(panels[0].figure, sides, names)
    elif len(names.groups):
        _write(sides, names.centres(), names.groups, _MOST_SIZE)
        lay_out(panels[0])
        for side in sides:
            keep_apart(side.get_ticklabels(), np.diff(names.bounds))
    else:
        step = int(np.ceil(len(every) / _n_names(panels[0])))
        _write(sides, every[::step], names.genes[::step], _LEAST_SIZE + 2)


def write_values(axes: Any, matrix: NDArray, scale: float) -> list[Any]:
    """Write numbers into cells, if they fit.

    Parameters
    ----------
    axes : Axes
        With a picture of the matrix, in a figure that has been laid out.
    matrix : ndarray of shape (n_genes, n_genes)
    scale : float
        The value of the darkest colour.

    Returns
    -------
    list of Text
        Row by row; empty where they do not fit.
    """
    width, height = points_per_unit(axes)
    n_letters = max(len(_number(value)) for value in (matrix.min(), matrix.max()))
    # A digit is about 0.64 of its size wide in the font of matplotlib.
    size = min(_MOST_SIZE, 0.9 * width / (0.64 * n_letters), 0.6 * height)
    if size < _LEAST_SIZE:
        return []
    return [
        axes.text(
            column,
            row,
            _number(value),
            ha="center",
            va="center",
            fontsize=size,
            color="white" if abs(value) > 0.6 * scale else "black",
        )
        for (row, column), value in np.ndenumerate(matrix)
    ]


def _number(value: float) -> str:
    text = f"{value:.2f}" if abs(value) < 100 else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")


def _fit(axes: Any, sides: list[Any], places: NDArray, names: NDArray) -> bool:
    """Write names of all genes if each can have a line of its own; say whether.

    Names take room from the picture, so what fits is found in two steps.
    """
    for _ in range(2):
        lay_out(axes)
        size = min(_MOST_SIZE, points_per_unit(axes).min() / _LINE_HEIGHT)
        if size < _LEAST_SIZE:
            _write(sides, places[:0], names[:0], _LEAST_SIZE)
            return False
        _write(sides, places, names, size)
    lay_out(axes)
    return True


def _n_names(axes: Any) -> int:
    """Return how many names fit beside the picture, with some room between them."""
    n_genes = axes.images[0].get_array().shape[0]
    room = points_per_unit(axes).min() * n_genes
    return max(1, int(0.75 * room / (_LINE_HEIGHT * (_LEAST_SIZE + 2))))


def _write(sides: list[Any], places: NDArray, names: NDArray, size: float) -> None:
    for side in sides:
        side.set_ticks(places, names, fontsize=size, parse_math=False)
        if side.axis_name == "x":
            side.set_tick_params(labelrotation=90)


def _beyond_genes(figure: Any, sides: list[Any], names: GeneNames) -> None:
    """Write names of groups beyond those of genes."""
    for side in sides if len(names.groups) else []:
        along_x = side.axis_name == "x"
        extents = [label.get_window_extent() for label in side.get_ticklabels()]
        far = max(box.height if along_x else box.width for box in extents)
        axes = side.axes
        second = axes.secondary_xaxis(0) if along_x else axes.secondary_yaxis(0)
        second.tick_params(length=0, pad=far * 72 / figure.figure.dpi + _GAP)
        second.spines[:].set_visible(False)
        beyond = second.xaxis if along_x else second.yaxis
        beyond.set_ticks(
            names.centres(), names.groups, fontsize=_MOST_SIZE, parse_math=False
        )
        lay_out(axes)
        keep_apart(beyond.get_ticklabels(), np.diff(names.bounds))
