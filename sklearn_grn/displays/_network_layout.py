"""Where the genes of a network are drawn: linked ones near, parts apart.

Each connected part is laid out so that distances in the picture are those in the
network (Kamada & Kawai 1989), by networkx where it is installed and otherwise by the
majorization of Gansner, Koren & North (2005). Then parts are set down one by one, the
largest first, each as near to the middle as it fits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse, spatial
from scipy.sparse.csgraph import connected_components, shortest_path

LAYOUTS = ("auto", "networkx", "builtin")

_APART = 1.0  # between two parts, in lengths of an edge
_GRID = 0.35  # of the places that are tried for a part
_FEW_POINTS = 50  # of which all distances are computed in less time than a tree takes
_GOLDEN_ANGLE = np.pi * (3 - 5**0.5)
_N_STEPS = 150  # of the majorization
_MOST_BY_NETWORKX = 300  # genes of a part; its optimiser takes minutes for thousands


def network_layout(
    network: sparse.csr_array, layout: str = "auto", aspect: float = 1.3
) -> NDArray[np.float64]:
    """Return a place for each gene.

    Parameters
    ----------
    network : csr_array of shape (n_genes, n_genes)
        Symmetric; entries that are not 0 are links.
    layout : {"auto", "networkx", "builtin"}, default="auto"
        Who lays out each part; "auto" is networkx where it is installed.
    aspect : float, default=1.3
        Width of the picture by its height.

    Returns
    -------
    ndarray of shape (n_genes, 2)
        In lengths of an edge. The same network gives the same places.

    Raises
    ------
    ValueError
        If the layout is not known.
    ImportError
        If networkx is asked for and not installed.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r} must be one of {LAYOUTS}")
    networkx = _networkx(layout)
    n_parts, labels = connected_components(network, directed=False)
    members = [np.flatnonzero(labels == part) for part in range(n_parts)]
    members.sort(key=lambda genes: (-len(genes), genes[0]))
    places = np.zeros((network.shape[0], 2))
    taken = _Room(network.shape[0], aspect)
    for genes in members:
        part = network[genes][:, genes]
        inside = _one_part(part, networkx)
        places[genes] = inside + taken.room_for(inside, part)
    return places


def _networkx(layout: str) -> Any:
    """Return networkx, or None where the layout is built in."""
    if layout == "builtin":
        return None
    try:
        import networkx
    except ImportError as error:
        if layout == "auto":
            return None
        raise ImportError(
            "networkx is not installed. Run: pip install networkx, or take "
            "layout='builtin'"
        ) from error
    return networkx


# --------------------------------------------------------------------------- one part
def _one_part(part: sparse.csr_array, networkx: Any) -> NDArray[np.float64]:
    """Lay out genes that are all connected, centred, with edges of length 1."""
    n_genes = part.shape[0]
    if n_genes <= 2:
        return np.array([[-0.5, 0.0], [0.5, 0.0]])[:n_genes] * (n_genes - 1)
    distances = shortest_path(
        (abs(part) > 0).toarray(), unweighted=True, directed=False
    )
    if networkx is None or n_genes > _MOST_BY_NETWORKX:
        places = _stress_majorization(distances)
    else:
        places = _kamada_kawai(part, distances, networkx)
    return _lying(places, part)


def _kamada_kawai(
    part: sparse.csr_array, distances: NDArray, networkx: Any
) -> NDArray[np.float64]:
    graph = networkx.from_scipy_sparse_array(part)
    lengths = {i: dict(enumerate(row)) for i, row in enumerate(distances)}
    start = dict(enumerate(_start(distances)))
    found = networkx.kamada_kawai_layout(graph, dist=lengths, pos=start, weight=None)
    return np.array([found[number] for number in range(part.shape[0])])


def _start(distances: NDArray) -> NDArray[np.float64]:
    """Scale distances to two dimensions [Torgerson 1952], no two genes in one place."""
    squares = np.square(distances)
    means = squares.mean(axis=0)
    products = (means[:, None] + means - squares - squares.mean()) / 2
    n_genes = len(distances)
    # All of them: where many are equal, as in a star, solvers for a few may find none.
    sizes, axes = (part[..., -2:] for part in np.linalg.eigh(products))
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    angles = _GOLDEN_ANGLE * np.arange(n_genes)
    spiral = 0.3 * np.column_stack([np.cos(angles), np.sin(angles)])
    return axes * signs * np.sqrt(np.maximum(sizes, 0)) + spiral


def _stress_majorization(distances: NDArray) -> NDArray[np.float64]:
    """Minimise sum_ij d_ij^-2 (||x_i - x_j|| - d_ij)^2, which no step makes larger."""
    n_genes = len(distances)
    apart = distances + np.eye(n_genes)
    weights = apart**-2 * (1 - np.eye(n_genes))
    laplacian = np.diag(weights.sum(axis=0)) - weights
    # Of a connected part it is singular along the vector of ones alone, and the places
    # are centred: so one may add anything along it.
    factor = linalg.cho_factor(laplacian + 1 / n_genes)
    places = _start(distances)
    for _ in range(_N_STEPS):
        lengths = spatial.distance.cdist(places, places)
        pull = weights * distances / np.maximum(lengths, 1e-9)
        right = pull.sum(axis=1)[:, None] * places - pull @ places
        places = linalg.cho_solve(factor, right)
    return places


def _lying(places: NDArray, part: sparse.csr_array) -> NDArray[np.float64]:
    """Make the edges of a part 1 long, turn its long side to lie, and centre it.

    Where many genes are linked with many, neighbours come nearer than edges are long.
    Such a part is drawn larger, so that there is room for names.
    """
    rows, columns = sparse.triu(part, 1).nonzero()
    edges = linalg.norm(places[rows] - places[columns], axis=1)
    apart = spatial.distance.cdist(places, places)
    np.fill_diagonal(apart, np.inf)
    places = places / min(edges.mean(), np.median(apart.min(axis=0)))
    directions = linalg.svd(places - places.mean(axis=0), full_matrices=False)[2]
    directions *= np.sign(directions[[0, 1], np.abs(directions).argmax(axis=1)])[
        :, None
    ]
    turned = places @ directions.T
    return turned - (turned.max(axis=0) + turned.min(axis=0)) / 2


# -------------------------------------------------------------------------- all parts
class _Room:
    """Places on a grid, nearest to the middle first, and how much room each has."""

    def __init__(self, n_genes: int, aspect: float) -> None:
        reach = _GRID * np.ceil((4 + 2.5 * n_genes**0.5) / _GRID)
        steps = np.arange(-reach, reach + _GRID / 2, _GRID)
        grid = np.stack(np.meshgrid(steps * aspect**0.5, steps / aspect**0.5), axis=-1)
        grid = grid.reshape(-1, 2)
        # Rounded, so that places as far as each other come in the order of the grid.
        far = np.round(np.square(grid / [aspect**0.5, aspect**-0.5]).sum(axis=1), 6)
        self.grid = grid[np.argsort(far, kind="stable")]
        self.room = np.full(len(grid), np.inf)

    def room_for(self, inside: NDArray, part: sparse.csr_array) -> NDArray[np.float64]:
        """Return the first place that is free for a part, and take it."""
        needed = linalg.norm(inside, axis=1).max() + _APART
        fits = self.room >= needed
        at = int(np.argmax(fits)) if fits.any() else int(np.argmax(self.room))
        ink = _ink(inside, part) + self.grid[at]
        np.minimum(self.room, _nearest(self.grid, ink), out=self.room)
        return self.grid[at]


def _nearest(places: NDArray, ink: NDArray) -> NDArray[np.float64]:
    """Return the distance of each place from the nearest ink."""
    if len(ink) > _FEW_POINTS:
        return spatial.KDTree(ink).query(places)[0]
    return spatial.distance.cdist(places, ink).min(axis=1)


def _ink(inside: NDArray, part: sparse.csr_array) -> NDArray[np.float64]:
    """Return the genes of a part, and points along its edges."""
    rows, columns = sparse.triu(part, 1).nonzero()
    along = np.linspace(0.25, 0.75, 3)[:, None, None]
    between = inside[rows] * along + inside[columns] * (1 - along)
    return np.vstack([inside, between.reshape(-1, 2)])
