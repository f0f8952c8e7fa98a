"""How well a network predicts each gene from its neighbours.

The score of a network is a pseudo-likelihood (Besag 1975): the product over genes of
the density of each given its neighbours. Slopes are estimated anew on the neighbours:
those of the full model are shared out over thousands of genes, and what a threshold
leaves of them predicts worse than no network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_grn._capacitance import Capacitance
from sklearn_grn._diagonal_low_rank import DiagonalPlusLowRank, covariance_state
from sklearn_grn._edge_search import Edges

# Beyond a third as many neighbours as samples the fitted covariance predicts a gene,
# and no longer least squares: a slope would have fewer than three samples.
_SAMPLES_PER_SLOPE = 3

# A residual variance is at least this share of the gene's variance, as a Heywood case
# is stopped: the likelihood of a gene that a copy of it predicts has no upper bound.
_LEAST_SHARE = 1e-6

_COLLINEAR = 1e-10  # share of a squared length that a neighbour adds to those before
_BATCH = 2**19  # bytes of samples that are regressed at a time, within the cache


class Neighbours(NamedTuple):
    """The neighbours of each gene, strongest edge first, as in a csr array.

    Attributes
    ----------
    starts : ndarray of shape (n_genes + 1,)
        Those of gene i are at starts[i] to starts[i + 1].
    genes : ndarray of shape (2 * n_edges,)
    ranks : ndarray of shape (2 * n_edges,)
        Number of the edge, in the order of strength; rising for each gene.
    """

    starts: NDArray[np.intp]
    genes: NDArray[np.intp]
    ranks: NDArray[np.intp]

    @classmethod
    def of(cls, edges: Edges, n_genes: int) -> Neighbours:
        """List the neighbours that edges, strongest first, make."""
        ends = np.concatenate([edges.sources, edges.targets])
        others = np.concatenate([edges.targets, edges.sources])
        ranks = np.tile(np.arange(len(edges.sources)), 2)
        order = np.lexsort((ranks, ends))
        starts = np.searchsorted(ends[order], np.arange(n_genes + 1))
        return cls(starts, others[order], ranks[order])

    @property
    def degrees(self) -> NDArray[np.intp]:
        """Number of neighbours of each gene."""
        return np.diff(self.starts)

    def degrees_within(self, n_edges: NDArray) -> NDArray[np.intp]:
        """Return degrees when only the first edges count, (n_genes, n_networks)."""
        n_genes, n_all = len(self.starts) - 1, max(1, len(self.genes))
        gene = np.repeat(np.arange(n_genes), self.degrees)
        place = gene * n_all + self.ranks  # rises along the list
        wanted = np.arange(n_genes)[:, None] * n_all + np.minimum(n_edges, n_all)
        return np.searchsorted(place, wanted) - self.starts[:-1, None]


class Conditionals(NamedTuple):
    """Each gene given its neighbours.

    Attributes
    ----------
    location : ndarray of shape (n_genes,)
        Mean of each gene.
    slopes : csr_array of shape (n_genes, n_genes)
        Row i predicts gene i from its neighbours, all less their means.
    variance : ndarray of shape (n_genes,)
        Of what is left.
    """

    location: NDArray[np.float64]
    slopes: sparse.csr_array
    variance: NDArray[np.float64]

    def score(self, samples: NDArray) -> float:
        """Return the mean over samples of the pseudo-log-likelihood.

        Parameters
        ----------
        samples : ndarray of shape (n_samples, n_genes)

        Returns
        -------
        float
        """
        residual = (samples - self.location).T
        residual = residual - self.slopes @ residual
        squares = np.einsum("ij,ij->i", residual, residual) / samples.shape[0]
        return -0.5 * float(_deviance(squares, self.variance).sum())


def fit_conditionals(
    samples: NDArray, neighbours: Neighbours, covariance: DiagonalPlusLowRank | NDArray
) -> Conditionals:
    """Regress each gene on its neighbours.

    By least squares; where a gene has more than n_samples / 3 neighbours, by the fitted
    covariance.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_genes)
        Those that the covariance was fitted to.
    neighbours : Neighbours
    covariance : DiagonalPlusLowRank or ndarray of shape (n_genes, n_genes)

    Returns
    -------
    Conditionals
    """
    location, genes, spread = _centred(samples, covariance)
    slopes, variance = np.zeros(len(neighbours.genes)), spread.copy()
    degrees, most = neighbours.degrees, len(samples) // _SAMPLES_PER_SLOPE
    for some, places in _batches(neighbours, degrees, most, len(samples)):
        found = _Regression(genes, neighbours.genes, some, places)
        filled = places >= 0
        slopes[places[filled]] = found.slopes()[filled]
        last = degrees[some][:, None]
        variance[some] = found.variance(last, spread[some])[:, 0]
    for gene in np.flatnonzero(degrees > most).tolist():
        its = slice(*neighbours.starts[gene : gene + 2])
        slopes[its], variance[gene] = _given(covariance, gene, neighbours.genes[its])
    return Conditionals(location, _rows(neighbours, slopes), variance)


def model_conditionals(
    location: NDArray,
    neighbours: Neighbours,
    covariance: DiagonalPlusLowRank | NDArray,
) -> Conditionals:
    """Return each gene given its neighbours in the fitted covariance alone.

    Parameters
    ----------
    location : ndarray of shape (n_genes,)
    neighbours : Neighbours
    covariance : DiagonalPlusLowRank or ndarray of shape (n_genes, n_genes)

    Returns
    -------
    Conditionals
    """
    slopes = np.zeros(len(neighbours.genes))
    variance = covariance.diagonal().astype(np.float64)
    for gene in np.flatnonzero(neighbours.degrees).tolist():
        its = slice(*neighbours.starts[gene : gene + 2])
        slopes[its], variance[gene] = _given(covariance, gene, neighbours.genes[its])
    return Conditionals(location, _rows(neighbours, slopes), variance)


def score_nested(
    samples: NDArray,
    held_out: NDArray,
    edges: Edges,
    n_edges: NDArray,
    covariance: DiagonalPlusLowRank | NDArray,
) -> NDArray[np.float64]:
    """Score nested networks, made of the first edges of one list, on held-out samples.

    The regression of a gene on its first d neighbours is a part of that on all of them
    (Gram-Schmidt), so one pass scores all networks.

    Parameters
    ----------
    samples, held_out : ndarray of shape (n_samples, n_genes)
        Those that the covariance was fitted to, and others.
    edges : Edges
        Strongest first.
    n_edges : ndarray of shape (n_networks,)
        How many of them each network has.
    covariance : DiagonalPlusLowRank or ndarray of shape (n_genes, n_genes)

    Returns
    -------
    ndarray of shape (n_networks,)
        As `fit_conditionals` and `Conditionals.score` give for each network alone.
    """
    location, genes, spread = _centred(samples, covariance)
    others = np.ascontiguousarray((held_out - location).T)
    neighbours = Neighbours.of(edges, len(genes))
    degrees, most = (
        neighbours.degrees_within(n_edges),
        len(samples) // _SAMPLES_PER_SLOPE,
    )
    # A gene enters with the largest of its networks that least squares takes.
    usable = np.where(degrees <= most, degrees, 0).max(axis=1, initial=0)
    alone = np.einsum("ij,ij->i", others, others) / others.shape[1]
    total = _deviance(alone, spread) @ (degrees == 0)
    for some, places in _batches(neighbours, usable, most, len(samples)):
        found = _Regression(genes, neighbours.genes, some, places, others)
        wanted = np.where(degrees[some] <= most, degrees[some], 0)
        squares = found.held_out_squares(others[some], wanted)
        variance = found.variance(wanted, spread[some])
        total += (_deviance(squares, variance) * (wanted > 0)).sum(axis=0)
    for gene, network in zip(*np.nonzero(degrees > most), strict=True):
        its = neighbours.genes[neighbours.starts[gene] :][: degrees[gene, network]]
        slopes, left = _given(covariance, gene, its)
        square = np.square(others[gene] - slopes @ others[its]).mean()
        total[network] += _deviance(square, left)
    return -0.5 * total


# ------------------------------------------------------------------------ regressions
class _Regression:
    """Least squares of several genes, each on the same number of neighbours.

    Neighbours are made orthonormal one after another (Gram-Schmidt, modified: Golub &
    Van Loan 2013, Matrix Computations, 5.2.8), for all genes at once. So the first d
    vectors are those of the first d neighbours. A neighbour that those before it
    determine gets a vector of zeros, and so does an empty place.

    Parameters
    ----------
    samples : ndarray of shape (n_genes, n_samples)
        Centred.
    neighbours : ndarray of shape (n_listed,)
        Genes, as listed in `Neighbours`.
    some : ndarray of shape (n_some,)
        The genes to predict.
    places : ndarray of shape (n_some, n_neighbours)
        Where their neighbours are listed, -1 for none.
    others : ndarray of shape (n_genes, n_others) or None
        Further samples. They are combined in the same way, but have no say in it.
    """

    def __init__(
        self,
        samples: NDArray,
        neighbours: NDArray,
        some: NDArray,
        places: NDArray,
        others: NDArray | None = None,
    ) -> None:
        listed, n_samples = neighbours[places], samples.shape[1]
        if others is None:  # then it is noted how the neighbours were combined
            shape = (*places.shape, places.shape[1])
            along = np.broadcast_to(np.eye(places.shape[1]), shape)
        else:
            along = others[listed]
        vectors = np.concatenate([samples[listed], along], axis=2)
        vectors[places < 0] = 0.0
        _orthonormalise(vectors, n_samples)
        self._target, self._along = samples[some], vectors[..., n_samples:]
        basis = vectors[..., :n_samples]
        self._weights = np.einsum("gdn,gn->gd", basis, self._target)

    def slopes(self) -> NDArray[np.float64]:
        """Return a slope for each neighbour, 0 for one that adds nothing."""
        return np.einsum("gdk,gd->gk", self._along, self._weights)

    def variance(self, wanted: NDArray, spread: NDArray) -> NDArray[np.float64]:
        """Return what the first neighbours leave, (n_some, n_networks).

        Each number of neighbours in `wanted` costs as many degrees of freedom.
        """
        squares = np.einsum("gn,gn->g", self._target, self._target)
        explained = _cumulative(np.square(self._weights))
        left = squares[:, None] - np.take_along_axis(explained, wanted, axis=1)
        freedom = self._target.shape[1] - 1 - wanted
        return np.maximum(left / freedom, _LEAST_SHARE * spread[:, None])

    def held_out_squares(self, target: NDArray, wanted: NDArray) -> NDArray:
        """Return mean squared errors of the further samples, (n_some, n_networks)."""
        steps = self._along * -self._weights[..., None]
        errors = np.concatenate([target[:, None], steps], axis=1)
        np.cumsum(errors, axis=1, out=errors)
        squares = np.einsum("gdn,gdn->gd", errors, errors) / errors.shape[2]
        return np.take_along_axis(squares, wanted, axis=1)


def _orthonormalise(vectors: NDArray, n_samples: int) -> None:
    """Make vectors orthonormal in their first entries, in place; others go along.

    Parameters
    ----------
    vectors : ndarray of shape (n_some, n_vectors, n_samples + n_others)
    n_samples : int
    """
    seen = vectors[..., :n_samples]
    lengths = np.einsum("gdn,gdn->gd", seen, seen)
    for at in range(vectors.shape[1]):
        vector = seen[:, at]
        left = np.einsum("gn,gn->g", vector, vector)
        adds = left > _COLLINEAR * lengths[:, at]
        vectors[:, at] *= (adds / np.sqrt(np.where(adds, left, 1.0)))[:, None]
        shares = np.einsum("gkn,gn->gk", seen[:, at + 1 :], vector)
        vectors[:, at + 1 :] -= shares[..., None] * vectors[:, None, at]


def _centred(
    samples: NDArray, covariance: DiagonalPlusLowRank | NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Return means, centred genes x samples, and the variance of each gene.

    A gene that does not vary has the variance of the model.
    """
    location = samples.mean(axis=0, dtype=np.float64)
    genes = np.ascontiguousarray((samples - location).T)
    spread = np.einsum("ij,ij->i", genes, genes) / max(1, len(samples) - 1)
    model = covariance.diagonal()
    return location, genes, np.where(spread > _LEAST_SHARE * model, spread, model)


def _batches(
    neighbours: Neighbours, degrees: NDArray, most: int, n_samples: int
) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield genes of like degree, and the places of their first neighbours."""
    widths = _width(degrees)
    for width in np.unique(widths[(degrees > 0) & (degrees <= most)]):
        genes = np.flatnonzero((widths == width) & (degrees <= most))
        n_batch = max(1, _BATCH // (8 * n_samples * int(width)))
        for start in range(0, len(genes), n_batch):
            some = genes[start : start + n_batch]
            places = neighbours.starts[some][:, None] + np.arange(width)
            places[np.arange(width) >= degrees[some][:, None]] = -1
            yield some, places


def _width(degrees: NDArray) -> NDArray:
    """Round degrees up, to a few different ones: by a quarter at the most."""
    step = 2 ** np.maximum(np.floor(np.log2(np.maximum(degrees, 1))) - 2, 0)
    return (np.ceil(degrees / step) * step).astype(np.intp)


def _cumulative(terms: NDArray) -> NDArray:
    """Return sums of the first 0, 1, 2, ... terms along the last axis."""
    sums = np.zeros((*terms.shape[:-1], terms.shape[-1] + 1))
    np.cumsum(terms, axis=-1, out=sums[..., 1:])
    return sums


def _deviance(squares: Any, variance: Any) -> Any:
    """Return -2 times the mean log-density of errors with these mean squares."""
    return np.log(2 * np.pi * variance) + squares / variance


def _rows(neighbours: Neighbours, slopes: NDArray) -> sparse.csr_array:
    n_genes = len(neighbours.starts) - 1
    parts = slopes, neighbours.genes, neighbours.starts
    return sparse.csr_array(parts, shape=(n_genes, n_genes))


# ---------------------------------------------------------- from the fitted covariance
def _given(
    covariance: DiagonalPlusLowRank | NDArray, gene: int, others: NDArray
) -> tuple[NDArray, float]:
    """Return slopes on some other genes and the variance that is left."""
    if isinstance(covariance, DiagonalPlusLowRank):
        return _given_factors(covariance_state(covariance), gene, others)
    inner, beside = covariance[np.ix_(others, others)], covariance[others, gene]
    slopes = np.linalg.lstsq(inner, beside)[0]  # singular, of few samples
    left, variance = covariance[gene, gene] - slopes @ beside, covariance[gene, gene]
    return slopes, max(float(left), _LEAST_SHARE * float(variance))


def _given_factors(
    state: Capacitance, gene: int, others: NDArray
) -> tuple[NDArray, float]:
    """Do it through the factors, by whichever is the smaller system.

    E[f | x_S] = A_S'(I + A_S A_S')^-1 z_S = (I + A_S'A_S)^-1 A_S'z_S.
    """
    rows = state.loadings.rows(np.append(others, gene)).astype(np.float64)
    whitened, own = rows[:-1] * state.scale[others, None], rows[-1]
    if len(others) <= state.rank:
        inner = np.eye(len(others)) + whitened @ whitened.T
        beside = whitened @ own
        seen = np.linalg.solve(inner, beside)
        left = max(0.0, own @ own - beside @ seen)
    else:
        inner = np.eye(state.rank) + whitened.T @ whitened
        factors = np.linalg.solve(inner, own)
        seen, left = whitened @ factors, own @ factors
    noise = float(state.noise_variance[gene])
    least = _LEAST_SHARE * (noise + float(own @ own))
    return seen * state.scale[others], max(noise + float(left), least)
