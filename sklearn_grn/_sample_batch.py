"""A further batch of samples, dense or sparse, as it joins those seen before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.utils import gen_batches

Batch: TypeAlias = Any  # ndarray or sparse of shape (n_samples, n_features)

_LEAST_ROWS = 256  # a product of fewer rows would be held up by its own overhead


def merged_mean(
    location: NDArray, n_samples: int, batch: Batch, assume_centered: bool
) -> NDArray:
    """Return the mean of all samples from that of earlier ones, float64.

    Parameters
    ----------
    location : ndarray of shape (n_features,)
        Mean of the earlier samples.
    n_samples : int
        Their number.
    batch : ndarray or sparse of shape (n_further, n_features)
    assume_centered : bool
        Whether the mean is known to be 0.

    Returns
    -------
    ndarray of shape (n_features,)
    """
    if assume_centered:
        return location
    n_further = batch.shape[0]
    fresh = np.asarray(batch.mean(axis=0, dtype=np.float64)).ravel()
    # A weighted step from the old mean: equal means stay what they are, to the bit.
    return location + (fresh - location) * (n_further / (n_samples + n_further))


def row_parts(batch: Batch, n_rows: int | None = None) -> Iterator[NDArray]:
    """Yield the rows of a table, some at a time, dense.

    Parameters
    ----------
    batch : ndarray or sparse of shape (n_samples, n_features)
    n_rows : int, default=None
        How many at a time; None fills a quarter of scikit-learn's working memory.

    Yields
    ------
    ndarray of shape (n_rows, n_features)
    """
    if n_rows is None:
        room = get_config()["working_memory"] * 2**20 // 4
        n_rows = max(_LEAST_ROWS, int(room // (8 * batch.shape[1])))
    if sparse.issparse(batch) and n_rows < batch.shape[0]:
        batch = batch.tocsr()
    for rows in gen_batches(batch.shape[0], n_rows):
        yield dense(batch[rows])


def centred_parts(batch: Batch, location: NDArray) -> Iterator[NDArray[np.float64]]:
    """Yield the rows of a table less the mean, as `row_parts` does, float64."""
    for rows in row_parts(batch):
        yield rows.astype(np.float64) - location


def dense(rows: Batch) -> NDArray:
    """Return rows as an array."""
    return rows.toarray() if sparse.issparse(rows) else rows
