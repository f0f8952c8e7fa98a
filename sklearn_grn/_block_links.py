"""Links between genes of two features each, a tile at a time.

The link of genes i and j is the Frobenius norm of the 2 x 2 block of partial
correlations between their features, T_ij. It has no direction; a direction comes from
what each gene is compared with (`_regulatory_score.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._capacitance import factorise, factorise_dense
from sklearn_grn._column_blocks import ColumnBlocks

BLOCK = 256  # genes; the four products of a tile, of half a megabyte each, stay cached


class Tile(NamedTuple):
    """Links of some regulators with some genes.

    Attributes
    ----------
    sources, targets : slice
        Positions of the regulators, and of the genes.
    links : ndarray of shape (n_sources, n_targets)
        T; 0 for a gene with itself. Not to be written to.
    """

    sources: slice
    targets: slice
    links: NDArray[np.float64]


class BlockLinks:
    """Links of regulators with genes, none of which is held.

    Parameters
    ----------
    levels, squares : ndarray of shape (n_genes, n_samples)
        The two features, of mean 0.
    is_regulator : ndarray of shape (n_genes,), bool
        Which genes may be sources.
    shrinkage : float
        Intensity, between 0 and 1.

    Attributes
    ----------
    order : ndarray of shape (n_genes,)
        Number of the gene at each position; regulators come first.
    n_regulators : int
    """

    def __init__(
        self,
        levels: NDArray,
        squares: NDArray,
        is_regulator: NDArray[np.bool_],
        shrinkage: float,
    ) -> None:
        self.order = np.argsort(~is_regulator, kind="stable")
        self.n_regulators = int(np.count_nonzero(is_regulator))
        rows = partial_correlation_rows(
            np.concatenate([levels[self.order], squares[self.order]]), shrinkage
        )
        self._levels, self._squares = np.split(np.ascontiguousarray(rows), 2)

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.order)

    def target_blocks(self) -> list[slice]:
        """Return the blocks of targets, those of the regulators first."""
        return self._source_blocks() + _blocks(self.n_regulators, self.n_genes)

    def tiles(self) -> Iterator[Tile]:
        """Yield the tiles of all regulators and genes, each once.

        T is symmetric: where both sides are regulators, a tile serves twice.
        """
        sources = self._source_blocks()
        for i, source in enumerate(sources):
            for j, target in enumerate(self.target_blocks()[i:], start=i):
                links = self._tile(source, target)
                yield Tile(source, target, links)
                if i < j < len(sources):
                    yield Tile(target, source, links.T)

    def rows(
        self, sources: NDArray, targets: slice
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the links of any regulators with a block of genes.

        Parameters
        ----------
        sources : ndarray of shape (n_sources,)
            Their positions.
        targets : slice

        Returns
        -------
        links : ndarray of shape (n_sources, n_targets)
        partial_correlations : ndarray of shape (n_sources, n_targets)
            Those of the levels.
        """
        products = self._products(sources, targets)
        levels = products[: len(sources), : products.shape[1] // 2].copy()
        links = _block_norms(products)
        inside = np.flatnonzero((sources >= targets.start) & (sources < targets.stop))
        links[inside, sources[inside] - targets.start] = 0.0
        return links, levels

    def _source_blocks(self) -> list[slice]:
        return _blocks(0, self.n_regulators)

    def _tile(self, sources: slice, targets: slice) -> NDArray[np.float64]:
        links = _block_norms(self._products(sources, targets))
        if sources == targets:
            np.fill_diagonal(links, 0.0)
        return links

    def _products(
        self, sources: NDArray | slice, targets: slice
    ) -> NDArray[np.float64]:
        """Return partial correlations, in quadrants of levels and squares."""
        left = np.concatenate([self._levels[sources], self._squares[sources]])
        right = np.concatenate([self._levels[targets], self._squares[targets]])
        return left @ right.T


def _block_norms(products: NDArray) -> NDArray[np.float64]:
    """Return the root of the sum of squares over the four quadrants, in place."""
    np.square(products, out=products)
    above, below = np.split(products, 2)
    above += below
    left, right = np.split(above, 2, axis=1)
    total = left + right
    return np.sqrt(total, out=total)


def partial_correlation_rows(features: NDArray, shrinkage: float) -> NDArray:
    r"""Return rows whose inner products are the partial correlations of features.

    Parameters
    ----------
    features : ndarray of shape (n_features, n_samples)
        F, of mean 0.
    shrinkage : float
        :math:`\lambda`: the covariance is :math:`\lambda / (1 - \lambda) I + F F^\top`.

    Returns
    -------
    ndarray of shape (n_features, min(n_features, n_samples))
    """
    n_features, n_samples = features.shape
    noise = np.full(n_features, shrinkage / (1.0 - shrinkage))
    if n_features <= n_samples:
        covariance = features @ features.T
        covariance.flat[:: n_features + 1] += noise
        least = noise[0] / covariance.diagonal().max()  # of the correlation matrix
        state = factorise_dense(covariance, least)
    else:
        state = factorise(noise, ColumnBlocks(np.ascontiguousarray(features.T)))
    return state.basis.lying().T / np.sqrt(state.residual)[:, None]


def _blocks(start: int, stop: int) -> list[slice]:
    return [slice(at, min(at + BLOCK, stop)) for at in range(start, stop, BLOCK)]
