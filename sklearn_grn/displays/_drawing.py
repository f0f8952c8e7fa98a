"""What all displays share: axes to draw in, and colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Vermillion, blue and green of Okabe & Ito (2008), Color Universal Design, which
# colour-blind people tell apart; and two greys.
POSITIVE, NEGATIVE, THIRD = "#D55E00", "#0072B2", "#009E73"
DARK, PALE = "#333333", "#999999"

# Ends of the colour scale in CIELAB. In a straight line to white, equal steps of a
# value are equal steps of colour (CIE 1976), and both ends are as dark as each other.
_LAB = {-1: (34.0, 8.0, -42.0), 0: (98.0, 0.0, 0.0), 1: (34.0, 40.0, 43.0)}
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
_TO_RGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)


def pyplot() -> Any:
    """Return `matplotlib.pyplot`.

    Raises
    ------
    ImportError
        If matplotlib is not installed; it names the extra that brings it.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "displays need matplotlib, which is not installed. "
            'Run: pip install "sklearn-grn[plot]"'
        ) from error
    return plt


# ------------------------------------------------------------------------------- axes
def single_axes(ax: Any, figsize: tuple[float, float]) -> Any:
    """Return the axes that were given, or those of a new figure.

    Parameters
    ----------
    ax : Axes or None
    figsize : tuple of float
        Of the new figure, in inches.

    Returns
    -------
    Axes
    """
    plt = pyplot()
    if ax is not None:
        return ax
    return plt.subplots(figsize=figsize, layout="constrained")[1]


def panels(
    ax: Any,
    n_panels: int,
    n_columns: int,
    figsize: tuple[float, float],
    layout: str = "constrained",
) -> NDArray:
    """Return axes side by side, in rows.

    Parameters
    ----------
    ax : Axes, array-like of Axes, or None
        Axes whose room is divided; or one for each panel; or None, for a new figure.
    n_panels, n_columns : int
    figsize : tuple of float
        Of the new figure, in inches.
    layout : str, default="constrained"
        Of the new figure; "compressed" for pictures whose sides are as given.

    Returns
    -------
    ndarray of shape (n_panels,), of Axes

    Raises
    ------
    ValueError
        If there are not as many axes as panels, or axes that were placed by hand are
        to be divided.
    """
    plt = pyplot()
    if ax is not None and not hasattr(ax, "get_subplotspec"):
        return _one_for_each(ax, n_panels)
    n_rows = -(-n_panels // n_columns)
    if ax is None:
        figure = plt.figure(figsize=figsize, layout=layout)
        grid = figure.add_gridspec(n_rows, n_columns)
    else:
        figure, place = ax.figure, ax.get_subplotspec()
        if place is None:
            raise ValueError(
                "these axes were placed by hand, and cannot be divided into "
                f"{n_panels} panels. Pass axes of a grid, or {n_panels} axes"
            )
        ax.set_axis_off()
        grid = place.subgridspec(n_rows, n_columns)
    places = [divmod(number, n_columns) for number in range(n_panels)]
    return np.array([figure.add_subplot(grid[at]) for at in places], dtype=object)


def _one_for_each(ax: Any, n_panels: int) -> NDArray:
    axes = np.asarray(ax, dtype=object).ravel()
    if axes.size != n_panels:
        raise ValueError(
            f"{axes.size} axes were given for {n_panels} panels. Pass as many, or one "
            "whose room is divided"
        )
    return axes


def lay_out(axes: Any) -> None:
    """Let the layout of the figure settle, so that sizes can be measured."""
    axes.figure.figure.draw_without_rendering()


def points_per_unit(axes: Any) -> NDArray[np.float64]:
    """Return the length of a unit of x and of y, in points.

    Parameters
    ----------
    axes : Axes
        Of linear scales, in a figure that has been laid out.

    Returns
    -------
    ndarray of shape (2,)
    """
    ends = axes.transData.transform([(0.0, 0.0), (1.0, 1.0)])
    return np.abs(ends[1] - ends[0]) * 72 / axes.figure.figure.dpi


def despined(axes: Any) -> None:
    """Take away the frame at the top and on the right."""
    axes.spines[["top", "right"]].set_visible(False)


# ---------------------------------------------------------------------------- colours
def diverging_colours(n_colours: int = 257) -> NDArray[np.float64]:
    """Return colours from blue over white to vermillion, perceptually even.

    Parameters
    ----------
    n_colours : int, default=257
        Odd, so that the middle one is that of 0.

    Returns
    -------
    ndarray of shape (n_colours, 3)
        sRGB.
    """
    at = np.linspace(-1, 1, n_colours)
    lab = np.column_stack(
        [
            np.interp(at, (-1, 0, 1), column)
            for column in zip(*_LAB.values(), strict=True)
        ]
    )
    return _rgb_of_lab(lab)


def colour_map(*, signed: bool) -> Any:
    """Return those colours as a colour map, or those of what is not negative."""
    from matplotlib.colors import ListedColormap

    colours = diverging_colours(513)
    return ListedColormap(colours if signed else colours[256:], name="sklearn_grn")


def _rgb_of_lab(lab: NDArray) -> NDArray[np.float64]:
    """Convert CIELAB to sRGB [IEC 61966-2-1]."""
    middle = (lab[:, 0] + 16) / 116
    roots = np.column_stack(
        [middle + lab[:, 1] / 500, middle, middle - lab[:, 2] / 200]
    )
    bounded = roots > 6 / 29
    xyz = _WHITE * np.where(bounded, roots**3, (roots - 4 / 29) * 3 * (6 / 29) ** 2)
    linear = np.clip(xyz @ _TO_RGB.T, 0.0, 1.0)
    curved = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.where(linear > 0.0031308, curved, 12.92 * linear)
