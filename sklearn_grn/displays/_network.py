"""The network itself, drawn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from sklearn_grn.displays._drawing import (
    DARK,
    NEGATIVE,
    PALE,
    POSITIVE,
    lay_out,
    single_axes,
)
from sklearn_grn.displays._label_placement import place_beside
from sklearn_grn.displays._network_layout import network_layout

_N_LABELS = 60
_ASPECT = 1.3  # width of a new figure by its height
_WIDTHS = 0.6, 4.0  # of edges, in points
_SIZES = 18.0, 260.0  # areas of genes, in points^2


class _Graph(NamedTuple):
    """Genes of some edges, with numbers in place of names."""

    genes: NDArray
    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    degrees: NDArray[np.intp]

    @classmethod
    def of(cls, edges: pd.DataFrame) -> _Graph:
        """Return the graph, its genes in the order of their appearance."""
        ends = np.concatenate([edges["source"], edges["target"]])
        numbers, genes = pd.factorize(ends)
        sources, targets = np.split(numbers, 2)
        degrees = np.bincount(numbers, minlength=len(genes))
        return cls(np.asarray(genes), sources, targets, degrees)

    def matrix(self) -> sparse.csr_array:
        """Return the number of links between each two genes."""
        rows = np.concatenate([self.sources, self.targets])
        columns = np.concatenate([self.targets, self.sources])
        shape = len(self.genes), len(self.genes)
        links = np.ones(len(rows), dtype=np.float64)
        return sparse.coo_array((links, (rows, columns)), shape=shape).tocsr()


class NetworkDisplay:
    """A network, drawn.

    Vermillion edges are positive partial correlations, blue ones negative, and wider
    ones stronger. A gene is larger the more edges it has; the hubs are labelled, and
    all genes where there are few. Parts that no edge connects are set apart.

    It is recommended to use :meth:`from_estimator` or :meth:`from_edges`. All
    parameters are stored as attributes.

    Parameters
    ----------
    edges : DataFrame
        `source`, `target` and `partial_correlation` of each edge.
    positions : DataFrame of shape (n_genes, 2)
        `x` and `y` of each gene that has an edge, in lengths of an edge; the index is
        the names of the genes.

    Attributes
    ----------
    ax_ : Axes
        Axes with the network.
    figure_ : Figure
        Figure with the axes.
    edges_ : LineCollection
        The edges, in their order.
    genes_ : PathCollection
        The genes, in the order of `positions`.
    labels_ : list of Text
        Names of genes, most edges first.
    legend_ : Legend
        What colours and widths mean.

    See Also
    --------
    sklearn_grn.network_statistics : The hubs and the parts in numbers.

    References
    ----------
    .. [1] Kamada, T. & Kawai, S. (1989). An algorithm for drawing general undirected
       graphs. Information Processing Letters 31, 7-15.
    .. [2] Gansner, E., Koren, Y. & North, S. (2005). Graph drawing by stress
       majorization. Graph Drawing 2004, LNCS 3383, 239-250.

    Examples
    --------
    >>> from sklearn_grn import NetworkEdgeSelector
    >>> from sklearn_grn.datasets import load_leukemia
    >>> from sklearn_grn.displays import NetworkDisplay
    >>> expression = load_leukemia(as_frame=True).data
    >>> selector = NetworkEdgeSelector(threshold=0, max_edges=60).fit(expression)
    >>> display = NetworkDisplay.from_estimator(selector)
    >>> len(display.edges_.get_linewidths())
    60
    """

    def __init__(self, edges: pd.DataFrame, positions: pd.DataFrame) -> None:
        self.edges = edges
        self.positions = positions

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        max_edges: int = 300,
        layout: str = "auto",
        ax: Any = None,
        **kwargs: Any,
    ) -> NetworkDisplay:
        """Draw the network of a selector.

        Parameters
        ----------
        estimator : NetworkEdgeSelector, NetworkEdgeSelectorCV or RegulatoryEdgeSelector
            Fitted.
        max_edges : int, default=300
            Draw no more than this many of the strongest edges.
        layout : {"auto", "networkx", "builtin"}, default="auto"
            Who finds the positions: networkx where it is installed, or what is built
            in. Both are deterministic.
        ax : Axes, default=None
            Axes to draw in. None makes a new figure.
        **kwargs : dict
            Handed on to :meth:`plot`.

        Returns
        -------
        NetworkDisplay
            With the network drawn.

        Raises
        ------
        NotFittedError
            If the selector is not fitted.
        ValueError
            If the network has no edge.
        """
        check_is_fitted(estimator)
        edges = estimator.edges_.head(max_edges)
        return cls.from_edges(edges, layout=layout, ax=ax, **kwargs)

    @classmethod
    def from_edges(
        cls, edges: pd.DataFrame, *, layout: str = "auto", ax: Any = None, **kwargs: Any
    ) -> NetworkDisplay:
        """Draw the network of a table of edges.

        Parameters
        ----------
        edges : DataFrame
            `source` and `target`, and a column `partial_correlation`, or else the
            weight in the third column.
        layout : {"auto", "networkx", "builtin"}, default="auto"
            As in :meth:`from_estimator`.
        ax : Axes, default=None
            Axes to draw in. None makes a new figure.
        **kwargs : dict
            Handed on to :meth:`plot`.

        Returns
        -------
        NetworkDisplay
            With the network drawn.

        Raises
        ------
        ValueError
            If there is no edge.
        """
        if len(edges) == 0:
            raise ValueError(
                "the network has no edge to draw. Take a smaller threshold, or "
                "threshold=0 and max_edges=100"
            )
        if "partial_correlation" not in edges:
            edges = edges.rename(columns={edges.columns[2]: "partial_correlation"})
        graph = _Graph.of(edges)
        places = network_layout(graph.matrix(), layout, _aspect(ax))
        positions = pd.DataFrame(places, index=graph.genes, columns=["x", "y"])
        return cls(edges, positions).plot(ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        n_labels: int = _N_LABELS,
        label_size: float = 8.0,
        title: str | None = None,
    ) -> NetworkDisplay:
        """Draw the network.

        Labels are set where they overlap no other in the figure as it is now: give it
        its size before.

        Parameters
        ----------
        ax : Axes, default=None
            Axes to draw in. None makes a new figure.
        n_labels : int, default=60
            How many of the genes with most edges to label. Labels that find no free
            place are left out.
        label_size : float, default=8
            In points.
        title : str, default=None
            Title of the axes; None counts genes and edges.

        Returns
        -------
        NetworkDisplay
            The display itself.
        """
        graph = self._graph()
        side = float(np.clip(2.2 + 0.55 * len(graph.genes) ** 0.5, 5.0, 10.0))
        self.ax_ = single_axes(ax, (_ASPECT * side, side))
        self.figure_ = self.ax_.figure
        self._draw_edges(graph)
        self._draw_genes(graph)
        self._draw_legend()
        counted = f"{len(graph.genes)} genes, {len(self.edges)} edges"
        self.ax_.set_title(counted if title is None else title)
        self._label(graph, n_labels, label_size)
        return self

    def _graph(self) -> _Graph:
        """Give the genes the numbers of their positions."""
        numbers = {gene: at for at, gene in enumerate(self.positions.index)}
        sources, targets = (
            np.array([numbers[gene] for gene in self.edges[end]], dtype=np.intp)
            for end in ("source", "target")
        )
        ends = np.concatenate([sources, targets])
        degrees = np.bincount(ends, minlength=len(numbers))
        return _Graph(np.array(self.positions.index), sources, targets, degrees)

    def _weights(self) -> NDArray[np.float64]:
        return self.edges["partial_correlation"].to_numpy(dtype=np.float64)

    def _width(self, sizes: Any) -> Any:
        """Return widths, in proportion to sizes, in points."""
        largest = np.abs(self._weights()).max() or 1.0
        return np.maximum(_WIDTHS[0], _WIDTHS[1] * np.asarray(sizes) / largest)

    def _draw_edges(self, graph: _Graph) -> None:
        from matplotlib.collections import LineCollection

        weights, places = self._weights(), self.positions[["x", "y"]].to_numpy()
        self.edges_ = LineCollection(
            list(np.stack([places[graph.sources], places[graph.targets]], axis=1)),
            linewidths=self._width(np.abs(weights)),
            colors=np.where(weights > 0, POSITIVE, NEGATIVE),
            alpha=0.75,
            capstyle="round",
            zorder=1,
        )
        self.ax_.add_collection(self.edges_)

    def _draw_genes(self, graph: _Graph) -> None:
        share = graph.degrees / max(8, graph.degrees.max())
        self.genes_ = self.ax_.scatter(
            self.positions["x"],
            self.positions["y"],
            s=_SIZES[0] + (_SIZES[1] - _SIZES[0]) * share**1.5,
            color="#E8E8E8",
            edgecolors=DARK,
            linewidths=0.8,
            zorder=2,
        )
        self.ax_.set(aspect="equal", xticks=[], yticks=[])
        self.ax_.margins(0.07)
        self.ax_.spines[:].set_visible(False)

    def _draw_legend(self) -> None:
        from matplotlib.lines import Line2D

        weights = self._weights()
        named = [
            ("positive", POSITIVE, weights > 0),
            ("negative", NEGATIVE, weights < 0),
        ]
        handles = [
            Line2D([], [], color=colour, lw=2.5, label=name)
            for name, colour, there in named
            if there.any()
        ]
        sizes = dict.fromkeys(f"{np.quantile(abs(weights), at):.2g}" for at in (0, 1))
        handles += [
            Line2D([], [], color=PALE, lw=float(self._width(float(size))), label=size)
            for size in sizes
        ]
        self.legend_ = self.ax_.legend(
            handles=handles,
            title="partial correlation",
            ncols=len(handles),
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            frameon=False,
        )

    def _label(self, graph: _Graph, n_labels: int, size: float) -> None:
        from matplotlib.patheffects import withStroke

        places = self.positions[["x", "y"]].to_numpy()
        strengths = np.bincount(graph.sources, abs(self._weights()), len(places))
        strengths += np.bincount(graph.targets, abs(self._weights()), len(places))
        first = np.lexsort((-strengths, -graph.degrees))[:n_labels]
        halo = [withStroke(linewidth=2.0, foreground="white")]
        texts = [
            self.ax_.text(*places[gene], graph.genes[gene], fontsize=size, zorder=3)
            for gene in first
        ]
        for text in texts:
            text.set(path_effects=halo, in_layout=False, parse_math=False)
        lay_out(self.ax_)
        to_pixels = self.ax_.transData.transform
        ends = np.array(self.edges_.get_segments())
        radii = np.sqrt(self.genes_.get_sizes()[first] / np.pi)
        radii = radii * self.figure_.figure.dpi / 72
        ink = np.vstack([to_pixels(places), to_pixels(_along(ends))])
        frame = self.ax_.get_window_extent()
        points = to_pixels(places[first])
        self.labels_ = place_beside(texts, points, radii, ink, frame)


def _aspect(ax: Any) -> float:
    """Return the width of axes by their height; those of a new figure are 1.3."""
    if ax is None:
        return _ASPECT
    lay_out(ax)
    frame = ax.get_window_extent()
    return float(np.clip(frame.width / frame.height, 0.3, 3.0))


def _along(segments: NDArray) -> NDArray[np.float64]:
    """Return points along edges."""
    at = np.linspace(0.1, 0.9, 9)[:, None, None]
    return (segments[:, 0] * at + segments[:, 1] * (1 - at)).reshape(-1, 2)
