"""Simulated tables of genes that regulate each other, with known directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy import sparse, special
from sklearn.utils import Bunch, check_random_state

_HILL = 2.0  # exponent of the response: two molecules of the regulator act together
_HIGHEST = 50.0  # natural logarithm of a level, beyond which nothing is measured


def make_regulatory_network(
    n_samples: int = 100,
    n_genes: int = 100,
    *,
    n_regulators: int = 10,
    degree: float = 2.0,
    activating: float = 0.7,
    noise: float = 0.3,
    n_knockouts: int = 0,
    as_frame: bool = False,
    random_state: int | RandomState | None = None,
) -> Any:
    r"""Draw expression levels of genes that a few regulators turn on and off.

    The first genes are the regulators. Each gene is regulated by some of them, a
    regulator by earlier ones only, so that there is no feedback. Responses saturate, a
    gene needs all of its regulators, and regulators can be knocked out.

    Parameters
    ----------
    n_samples : int, default=100
        Number of samples.

    n_genes : int, default=100
        Number of genes, regulators included.

    n_regulators : int, default=10
        Number of regulators.

    degree : float, default=2.0
        Average number of regulators of a gene that is none itself. Each has one at
        least.

    activating : float, default=0.7
        Share of links, on average, that activate. The others repress.

    noise : float, default=0.3
        Standard deviation of the logarithm of what acts on a level beside its
        regulators.

    n_knockouts : int, default=0
        Number of samples, the first ones, in which one regulator is absent, in turn.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame with genes as columns.

    random_state : int, RandomState instance or None, default=None
        Determines the network, then the samples. For the same int the network is the
        same for any number of samples.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (n_samples, n_genes)
            Levels, not negative, about 1 in the middle; 0 where knocked out.
        network : csr_array of shape (n_genes, n_genes)
            1 where the gene of the row activates that of the column, -1 where it
            represses it.
        regulators : ndarray of shape (n_regulators,)
            Columns of the regulators.
        knockouts : ndarray of shape (n_samples,)
            Column of the gene that is absent from a sample, -1 for none.
        feature_names : list of str
            Names of the genes.

    Raises
    ------
    ValueError
        If a number or a share is out of range.

    Notes
    -----
    The level of gene j is :math:`c_j \, e^{\sigma z_j} \prod_i h_{ij}(x_i)` over its
    regulators i, with z standard normal, :math:`h(x) = x^2 / (K^2 + x^2)` for an
    activator and :math:`1 - h` for a repressor. K is log-normal about 1, and
    :math:`c_j` makes the median 1 as long as nothing is knocked out. Some regulators
    are more popular than others: the k-th one of a random order is chosen with a
    probability proportional to 1/k.

    Examples
    --------
    >>> from sklearn_grn.datasets import make_regulatory_network
    >>> simulated = make_regulatory_network(60, 50, n_knockouts=10, random_state=0)
    >>> simulated.data.shape
    (60, 50)
    >>> bool(simulated.network[10:].nnz)  # targets regulate nothing
    False
    """
    for name, value, least, most in (
        ("n_regulators", n_regulators, 1, n_genes),
        ("degree", degree, 1, n_regulators),
        ("activating", activating, 0, 1),
        ("noise", noise, 0, np.inf),
        ("n_knockouts", n_knockouts, 0, n_samples),
    ):
        if not least <= value <= most:
            raise ValueError(f"{name}={value} is not between {least} and {most}")
    rng = check_random_state(random_state)
    network = _draw_links(n_genes, n_regulators, degree, activating, rng)
    thresholds = np.exp(0.5 * rng.standard_normal(network.nnz))
    knockouts = np.full(n_samples, -1)
    knockouts[:n_knockouts] = np.arange(n_knockouts) % n_regulators
    shocks = np.exp(noise * rng.standard_normal((n_samples, n_genes)))
    levels = _respond(network, thresholds, shocks, knockouts)
    names = [f"gene{number}" for number in range(n_genes)]
    return Bunch(
        data=pd.DataFrame(levels, columns=names) if as_frame else levels,
        network=sparse.csr_array(network),
        regulators=np.arange(n_regulators),
        knockouts=knockouts,
        feature_names=names,
    )


def _draw_links(
    n_genes: int, n_regulators: int, degree: float, activating: float, rng: RandomState
) -> sparse.csc_array:
    """Return the signs of the links, a column for each gene."""
    popularity = 1.0 / (1 + rng.permutation(n_regulators))
    columns = []
    for gene in range(n_genes):
        choice = popularity[: min(gene, n_regulators)]  # earlier ones: no feedback
        n_more = rng.binomial(n_regulators - 1, (degree - 1) / max(1, n_regulators - 1))
        n_links = min(1 + n_more, len(choice))
        columns.append(
            rng.choice(len(choice), n_links, replace=False, p=choice / choice.sum())
            if n_links
            else np.empty(0, dtype=np.intp)
        )
    starts = np.cumsum([0, *map(len, columns)])
    signs = np.where(rng.uniform(size=starts[-1]) < activating, 1.0, -1.0)
    shape = (n_genes, n_genes)
    return sparse.csc_array((signs, np.concatenate(columns), starts), shape=shape)


def _respond(
    network: sparse.csc_array, thresholds: NDArray, shocks: NDArray, knockouts: NDArray
) -> NDArray:
    """Return the levels of all genes, each after those that regulate it.

    Intact samples come first, all of them, and give the medians; so a knock-out changes
    no other sample.
    """
    n_samples = len(shocks)
    # As logarithms: along a chain of repressors levels leave the range of floats.
    levels = np.log(np.vstack([shocks, shocks]))
    for gene in range(levels.shape[1]):
        for link in range(network.indptr[gene], network.indptr[gene + 1]):
            excess = levels[:, network.indices[link]] - np.log(thresholds[link])
            levels[:, gene] += special.log_expit(network.data[link] * _HILL * excess)
        levels[:, gene] -= _log_median(levels[:n_samples, gene])
        levels[n_samples:][knockouts == gene, gene] = -np.inf
    return np.exp(np.clip(levels[n_samples:], -np.inf, _HIGHEST))


def _log_median(logarithms: NDArray) -> float:
    """Return the logarithm of the median of numbers, of which logarithms are given."""
    middle = np.median(logarithms)
    numbers = np.exp(np.minimum(logarithms - middle, _HIGHEST))
    return float(middle + np.log(np.median(numbers)))
