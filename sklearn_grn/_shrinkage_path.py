"""Held-out likelihood at every intensity of shrinkage, from one factorisation.

With the correlations R = Z'Z / dof of training samples and their shrunken variances V,
neither of which depends on the intensity t,

    Sigma(t) = V^1/2 [t I + (1 - t) R] V^1/2

has the same axes at every t, once V is divided out: those of R. Along them held-out
samples have as many coordinates as there are samples, and an intensity costs next to
nothing.

What of a held-out sample lies outside the training samples has coordinates of its own,
where ||y||^2 less the squares inside would cancel if little is outside. They come from
a Cholesky factor of the products of all samples, and where that would lose digits from
Householder reflections of the samples themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import gen_batches

from sklearn_grn._shrinkage import shrinkage_model

_BATCH = 1024  # genes or samples a time, so that a batch stays in the cache

# A pivot below this share of what it started from has lost four of sixteen digits.
_TRUSTED = 1e-4


@dataclass(frozen=True, eq=False)
class _Tables:
    """Training samples, held-out samples and pathways, and what was found of the first.

    Attributes
    ----------
    training : ndarray or sparse of shape (n_training, n_features)
    held_out : ndarray or sparse of shape (n_held_out, n_features)
    pathways : ndarray of shape (n_pathways, n_features)
    location : ndarray of shape (n_features,)
        In the type of the samples.
    deviation : ndarray of shape (n_features,)
        V^1/2.
    """

    training: Any
    held_out: Any
    pathways: NDArray
    location: NDArray
    deviation: NDArray

    def whitened(self, samples: Any, genes: NDArray[np.intp]) -> NDArray:
        """Return some genes of samples, centred and with V divided out, float64."""
        part = samples[:, genes]
        part = part.toarray() if sparse.issparse(part) else part
        return (part - self.location[genes]) / self.deviation[genes]

    def trained(self, genes: NDArray[np.intp]) -> NDArray:
        """Return Z / dof^1/2: genes of length 1, of shape (n_training, n_genes)."""
        whitened = self.whitened(self.training, genes)
        return whitened / np.sqrt(np.einsum("ij,ij->j", whitened, whitened))

    def others(self, genes: NDArray[np.intp]) -> NDArray:
        """Return held-out samples, then pathways, with V divided out."""
        pathways = self.pathways[:, genes] / self.deviation[genes]
        return np.concatenate([self.whitened(self.held_out, genes), pathways])


@dataclass(frozen=True, eq=False)
class _Coordinates:
    """Held-out samples and pathways along the axes of R.

    Attributes
    ----------
    eigenvalues : ndarray of shape (n_coordinates,)
        Of R: first those of the axes that training samples reach, then 0 for the others
        that held-out samples or pathways reach, then 1 for genes that do not vary.
    n_reached : int
        Axes that training samples reach.
    n_beyond : int
        Axes that they do not reach, whether or not held-out samples do.
    samples : ndarray of shape (n_coordinates, n_held_out)
    pathways : ndarray of shape (n_coordinates, n_pathways)
    constant : float
        Log-determinant of 2 pi V.
    """

    eigenvalues: NDArray
    n_reached: int
    n_beyond: int
    samples: NDArray
    pathways: NDArray
    constant: float


def held_out_scores(
    training: Any,
    held_out: Any,
    shrinkages: NDArray,
    pathways: NDArray | None = None,
    assume_centered: bool = False,
) -> NDArray:
    """Return the mean log-density of held-out samples at each intensity.

    It is ``FactorPrecisionEstimator(shrinkage=t).fit(training).score(held_out)`` for
    each t, in O(n_features n^2) for n samples and pathways in all, and in O(n^2) for
    each further intensity.

    Parameters
    ----------
    training : ndarray or sparse of shape (n_training, n_features)
        float32 or float64, finite; at least two samples.
    held_out : ndarray or sparse of shape (n_held_out, n_features)
        Of the same type.
    shrinkages : ndarray of shape (n_shrinkages,)
        Intensities from 0 to 1.
    pathways : ndarray of shape (n_pathways, n_features) or None
        X' in units of expression, of the same type: Sigma(t) + X X' is scored.
    assume_centered : bool
        Whether the mean is known to be 0.

    Returns
    -------
    ndarray of shape (n_shrinkages,), float64

    Raises
    ------
    ValueError
        If no gene varies, if variances leave the range of floats, or if an intensity is
        0 and the covariance would be singular.

    References
    ----------
    .. [1] Schafer & Strimmer (2005), Stat. Appl. Genet. Mol. Biol. 4, 32.
    .. [2] Golub & Van Loan (2013), Matrix Computations, 4th ed., 5.2 and 8.6.
    """
    n_training, n_features = training.shape
    wide = n_training <= n_features
    if wide and not np.all(shrinkages):
        raise ValueError(
            f"shrinkage 0 with {n_training} training samples of {n_features} genes: "
            "the sample covariance is singular. Leave 0 out"
        )
    model = shrinkage_model(training, None, assume_centered, shrinkage=1.0)
    if sparse.issparse(training):
        layout = "csc" if wide else "csr"  # genes are taken, or samples
        training, held_out = training.asformat(layout), held_out.asformat(layout)
    if pathways is None:
        pathways = np.empty((0, n_features), dtype=training.dtype)
    diagonal: Any = model.covariance  # as it is at intensity 1
    tables = _Tables(
        training,
        held_out,
        pathways,
        model.location.astype(training.dtype),
        np.sqrt(diagonal.noise_variance),
    )
    coordinates = _turn(tables, model.varies)
    return np.array([_mean_log_density(coordinates, float(t)) for t in shrinkages])


# --------------------------------------------------------------------- to the axes of R
def _turn(tables: _Tables, varies: NDArray[np.bool_]) -> _Coordinates:
    """Turn held-out samples and pathways to the axes of R."""
    n_training, n_features = tables.training.shape
    find = _by_reflections if n_training <= n_features else _by_eigenvectors
    eigenvalues, reached, beyond = find(tables, np.flatnonzero(varies))
    # All the variance of a constant gene is its own, as if its axis had eigenvalue 1.
    constant, size = np.flatnonzero(~varies), reached.shape[1]
    own = _triangle(map(tables.others, _parts(constant, size)), size)
    rows = np.concatenate([reached, beyond, own])
    n_held_out = tables.held_out.shape[0]
    return _Coordinates(
        np.concatenate([eigenvalues, np.zeros(len(beyond)), np.ones(len(own))]),
        len(reached),
        int(varies.sum()) - len(reached),
        rows[:, :n_held_out],
        rows[:, n_held_out:],
        float(np.log(2 * np.pi * np.square(tables.deviation)).sum()),
    )


def _by_reflections(
    tables: _Tables, genes: NDArray[np.intp]
) -> tuple[NDArray, NDArray, NDArray]:
    """Return eigenvalues of R, coordinates along their axes, and those beyond.

    With Z' / dof^1/2 = Q_1 T and the others Y = Q_1 C + Q_2 B, together one
    QR factorisation, R = Q_1 T T' Q_1': the axes of R are Q_1 times those of T T'.
    """
    n_training = tables.training.shape[0]
    size = n_training + tables.held_out.shape[0] + len(tables.pathways)

    def blocks() -> Iterator[NDArray]:
        for part in _parts(genes, size):
            yield np.concatenate([tables.trained(part), tables.others(part)])

    triangle = None
    if len(genes) > size and tables.location.any():
        triangle = _triangle_by_products(blocks(), size, n_training)
    if triangle is None:
        triangle = _triangle(blocks(), size)
    n_training -= size - triangle.shape[1]
    reached, beyond = np.split(triangle, [min(n_training, len(genes))])
    axes, lengths, _ = np.linalg.svd(reached[:, :n_training], full_matrices=False)
    return np.square(lengths), axes.T @ reached[:, n_training:], beyond[:, n_training:]


def _triangle_by_products(
    blocks: Iterable[NDArray], size: int, n_training: int
) -> NDArray | None:
    """Return the triangle by a Cholesky factor, or None where it would lose digits.

    Centred samples add up to 0. They are reflected so that their mean is the last of
    them (Golub & Van Loan 2013, 5.1), and that is left out: one column less.
    """
    products = np.zeros((size, size))
    for block in blocks:
        products += block @ block.T
    mirror = np.zeros(size)
    mirror[:n_training] = n_training**-0.5
    mirror[n_training - 1] += 1.0
    mirror *= np.sqrt(2.0 / (mirror @ mirror))
    products -= np.outer(mirror, mirror @ products)
    products -= np.outer(products @ mirror, mirror)
    products = np.delete(np.delete(products, n_training - 1, 0), n_training - 1, 1)
    try:
        triangle = np.linalg.cholesky(products).T
    except np.linalg.LinAlgError:
        return None
    sure = triangle.diagonal() ** 2 >= _TRUSTED * products.diagonal()
    return np.triu(triangle) if sure.all() else None


def _by_eigenvectors(
    tables: _Tables, genes: NDArray[np.intp]
) -> tuple[NDArray, NDArray, NDArray]:
    """Return the same where there are more samples than genes: nothing is beyond."""
    moments = np.zeros((len(genes), len(genes)))
    for batch in gen_batches(tables.training.shape[0], _BATCH):
        whitened = tables.whitened(tables.training[batch], genes)
        moments += whitened.T @ whitened
    lengths = np.sqrt(moments.diagonal())
    eigenvalues, axes = np.linalg.eigh(moments / lengths / lengths[:, None])
    coordinates = axes.T @ tables.others(genes).T
    return np.maximum(eigenvalues, 0.0), coordinates, coordinates[:0]


def _parts(genes: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    """Yield genes in parts that outweigh the triangle that goes along with each."""
    step = max(_BATCH, 4 * size)
    return (genes[start : start + step] for start in range(0, len(genes), step))


def _triangle(blocks: Iterable[NDArray], size: int) -> NDArray:
    """Return the triangle of the QR factorisation of genes x `size` columns.

    Each block of genes, lying as (size, n_genes), is reflected together with the
    triangle of those before it, so that the whole is never in memory.
    """
    triangle = np.empty((0, size))
    for block in blocks:
        rows = np.concatenate([triangle, block.T])
        triangle = np.asarray(np.linalg.qr(rows, mode="r"))  # for the type checker
    return triangle


# ---------------------------------------------------------------- at one intensity
def _mean_log_density(coordinates: _Coordinates, intensity: float) -> float:
    """Return the mean Gaussian log-density, as `_likelihood.log_density` defines it."""
    variances = intensity + (1.0 - intensity) * coordinates.eigenvalues
    reached = variances[: coordinates.n_reached]
    if intensity == 0.0:
        _check_definite(reached)
    log_det = np.log(reached).sum()
    if coordinates.n_beyond:
        log_det += coordinates.n_beyond * np.log(intensity)
    scale = 1.0 / np.sqrt(variances)[:, None]
    distances, added = _distances(
        coordinates.samples * scale, coordinates.pathways * scale
    )
    constant = coordinates.constant + log_det + added
    return -0.5 * float(constant + distances.mean())


def _distances(samples: NDArray, pathways: NDArray) -> tuple[NDArray, float]:
    """Return y'(I + AA')^-1 y of each column y, and log det (I + AA').

    The first is min ||f||^2 + ||y - A f||^2: sums of squares, and never negative.
    """
    capacitance = np.eye(pathways.shape[1]) + pathways.T @ pathways
    factors = np.linalg.solve(capacitance, pathways.T @ samples)
    residual = samples - pathways @ factors
    distances = np.square(factors).sum(axis=0) + np.square(residual).sum(axis=0)
    return distances, float(np.linalg.slogdet(capacitance).logabsdet)


def _check_definite(variances: NDArray) -> None:
    """Refuse what is singular to working precision, as `factorise_dense` does."""
    with np.errstate(divide="ignore"):
        trace = (1.0 / variances).sum()
    if not trace * 10 * np.finfo(np.float64).eps < 1.0:
        raise ValueError(
            "shrinkage 0: the smallest eigenvalue of the correlations of the training "
            f"samples is {variances.min():.3g}. Leave 0 out"
        )
