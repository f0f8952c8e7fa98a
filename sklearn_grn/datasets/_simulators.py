"""Simulated tables with a known truth, in the manner of :mod:`sklearn.datasets`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.random import sample_without_replacement

from sklearn_grn._diagonal_low_rank import DiagonalPlusLowRank

Pairs = tuple[NDArray, NDArray]  # sources and targets, each pair of genes once
Ranges = Mapping[str, Mapping[str, tuple[float, float]]]  # pathway -> group -> range

_STRUCTURES = ("random", "hubs", "chain", "blocks", "scale_free")
_TUMOUR_GROUPS = {"Immune": 30, "Cytokine": 20, "Metabolic": 10, "Proliferation": 40}
_LOW = (0.0, 0.2)
_TUMOUR_LOADINGS: Ranges = {
    "Chemotherapy stress": dict.fromkeys(_TUMOUR_GROUPS, (0.2, 0.5)),
    "Immune activation": {
        "Immune": (0.5, 0.8),
        "Cytokine": (0.4, 0.7),
        "Metabolic": _LOW,
        "Proliferation": _LOW,
    },
    "Growth factor": {
        "Proliferation": (0.5, 0.9),
        "Immune": _LOW,
        "Cytokine": _LOW,
        "Metabolic": _LOW,
    },
}


# ----------------------------------------------------------- sparse graphical models
def make_sparse_network(
    n_samples: int = 100,
    n_genes: int = 200,
    *,
    structure: str = "random",
    degree: float = 2.0,
    n_hubs: int = 10,
    block_size: int = 10,
    strength: float = 0.9,
    positive: float = 0.5,
    as_frame: bool = False,
    random_state: int | RandomState | None = None,
) -> Any:
    r"""Draw samples of a sparse Gaussian graphical model.

    Two genes are linked where their partial correlation is not 0, and the truth is
    returned: :math:`\Sigma^{-1} = I - R`, with R the partial correlations of the
    links. So each gene has variance 1 when all others are given.

    Parameters
    ----------
    n_samples : int, default=100
        Number of samples.

    n_genes : int, default=200
        Number of genes.

    structure : {"random", "hubs", "chain", "blocks", "scale_free"}, default="random"
        Which genes are linked.

        - "random": any two, with `degree` links per gene on average.
        - "hubs": each gene with one of the first `n_hubs` genes, in turn.
        - "chain": each gene with the next one.
        - "blocks": all genes of a block, `block_size` genes in a row.
        - "scale_free": each further gene with ``round(degree / 2)`` earlier ones, and
          at least one, with a probability proportional to the number of links that
          these have [1]_.

    degree : float, default=2.0
        Average number of links per gene of "random" and "scale_free".

    n_hubs : int, default=10
        Number of hubs of "hubs".

    block_size : int, default=10
        Number of genes in a block of "blocks".

    strength : float, default=0.9
        How near to singular the model is: the eigenvalues of :math:`I - R` lie between
        ``1 - strength`` and ``1 + strength``. Between 0 and 1.

    positive : float, default=0.5
        Share of links, on average, whose partial correlation is positive.

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
            The samples, of mean 0.
        network : csr_array of shape (n_genes, n_genes)
            R: symmetric, its diagonal 0, and all that is stored is a link.
        feature_names : list of str
            Names of the genes.

    Raises
    ------
    ValueError
        If a size does not fit the number of genes, or another parameter is not one of
        the values above.

    Notes
    -----
    Links get weights w from 0.5 to 1 with a sign, and partial correlations
    :math:`R_{ij} = s w_{ij} / \sqrt{d_i d_j}` with s the strength and d the row sums
    of :math:`|w|`. The rows of :math:`D^{-1} |W|` sum to 1, and :math:`|R|` is similar
    to s times it; so no eigenvalue of R exceeds s, and the model is positive definite
    whatever the network. A gene with many links has weak ones, as it must.

    Samples come by solving :math:`(I - R) x = y` with y of covariance :math:`I - R`,
    which is a sum of one term for each link [2]_: nothing of size genes x genes is
    made, and 20,000 genes take seconds where the network falls apart or is nearly a
    tree.

    References
    ----------
    .. [1] Barabasi, A.-L. & Albert, R. (1999). Emergence of scaling in random networks.
       Science, 286(5439), 509-512.
    .. [2] Papandreou, G. & Yuille, A. (2010). Gaussian sampling by local perturbations.
       Advances in Neural Information Processing Systems, 23.

    Examples
    --------
    >>> from sklearn_grn.datasets import make_sparse_network
    >>> simulated = make_sparse_network(50, 300, structure="hubs", random_state=0)
    >>> simulated.data.shape
    (50, 300)
    >>> simulated.network.nnz // 2  # links
    290
    """
    rng = check_random_state(random_state)
    _check_sizes(n_genes, structure, degree, n_hubs, block_size, strength, positive)
    pairs = _linked_pairs(n_genes, structure, degree, n_hubs, block_size, rng)
    weights = rng.uniform(0.5, 1.0, len(pairs[0]))
    weights[rng.uniform(size=len(weights)) >= positive] *= -1
    network, parts = _graphical_model(n_genes, pairs, weights, strength)
    samples = _draw_samples(n_samples, network, parts, rng)
    names = [f"gene{number}" for number in range(n_genes)]
    data = pd.DataFrame(samples, columns=names) if as_frame else samples
    return Bunch(data=data, network=network, feature_names=names)


def _check_sizes(
    n_genes: int,
    structure: str,
    degree: float,
    n_hubs: int,
    block_size: int,
    strength: float,
    positive: float,
) -> None:
    """Raise an error that names the first parameter that cannot be."""
    if structure not in _STRUCTURES:
        raise ValueError(f"structure={structure!r} is none of {', '.join(_STRUCTURES)}")
    if not 0 < strength < 1:
        raise ValueError(f"strength={strength} is not between 0 and 1")
    if not 0 <= positive <= 1:
        raise ValueError(f"positive={positive} is not between 0 and 1")
    limits = {
        "random": ("degree", degree, 0, n_genes - 1),
        "scale_free": ("degree", degree, 0, n_genes - 1),
        "hubs": ("n_hubs", n_hubs, 1, n_genes),
        "blocks": ("block_size", block_size, 1, n_genes),
    }
    if structure in limits:
        name, value, least, most = limits[structure]
        if not least <= value <= most:
            raise ValueError(
                f"{name}={value} is not between {least} and {most}, which {n_genes} "
                "genes allow"
            )


def _linked_pairs(
    n_genes: int,
    structure: str,
    degree: float,
    n_hubs: int,
    block_size: int,
    rng: RandomState,
) -> Pairs:
    if structure == "random":
        return _random_pairs(n_genes, degree, rng)
    if structure == "hubs":
        others = np.arange(n_hubs, n_genes)
        return others % n_hubs, others
    if structure == "chain":
        return np.arange(n_genes - 1), np.arange(1, n_genes)
    if structure == "blocks":
        return _block_pairs(n_genes, block_size)
    return _scale_free_pairs(n_genes, max(1, round(degree / 2)), rng)


def _random_pairs(n_genes: int, degree: float, rng: RandomState) -> Pairs:
    n_pairs = n_genes * (n_genes - 1) // 2
    n_links = min(round(degree * n_genes / 2), n_pairs)
    numbers = sample_without_replacement(n_pairs, n_links, random_state=rng)
    # Pairs (i, j), i < j, numbered by j: those before j are j (j - 1) / 2.
    targets = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) // 2).astype(np.intp)
    return numbers - targets * (targets - 1) // 2, targets


def _block_pairs(n_genes: int, block_size: int) -> Pairs:
    """Pair all genes of a block; what is left at the end is a smaller block."""
    sources, targets = np.triu_indices(block_size, 1)
    starts = np.arange(0, n_genes, block_size)[:, None]
    pairs = (starts + sources).ravel(), (starts + targets).ravel()
    return pairs[0][pairs[1] < n_genes], pairs[1][pairs[1] < n_genes]


def _scale_free_pairs(n_genes: int, n_links: int, rng: RandomState) -> Pairs:
    """Link each gene with `n_links` earlier ones, popular ones preferred."""
    ends: list[int] = []  # both genes of each link: a draw prefers those with many
    for gene in range(1, n_genes):
        if gene <= n_links:
            partners = set(range(gene))
        else:
            partners = set()
            while len(partners) < n_links:
                partners.add(ends[rng.randint(len(ends))])
        ends += [end for partner in sorted(partners) for end in (partner, gene)]
    return np.array(ends[::2], dtype=np.intp), np.array(ends[1::2], dtype=np.intp)


def _graphical_model(
    n_genes: int, pairs: Pairs, weights: NDArray, strength: float
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return R and a matrix B, a row for each link and gene, with B'B = I - R.

    A link takes its share of the diagonal at both of its genes, and the two entries in
    its row of B differ in sign where the partial correlation is positive. What the
    links leave of the diagonal is the row of the gene.
    """
    both = np.concatenate(pairs), np.concatenate(pairs[::-1])
    sums = np.bincount(both[0], np.tile(np.abs(weights), 2), minlength=n_genes)
    shares = np.sqrt(strength * np.abs(weights) / np.stack([sums[i] for i in pairs]))
    shares[1] *= -np.sign(weights)
    values = np.tile(-shares[0] * shares[1], 2)
    network = sparse.csr_array((values, both), shape=(n_genes, n_genes))

    rows = np.tile(np.arange(len(weights)), 2), np.concatenate(pairs)
    links = sparse.csr_array((shares.ravel(), rows), shape=(len(weights), n_genes))
    rest = sparse.diags_array(np.sqrt(1.0 - strength * (sums > 0)))
    return network, sparse.vstack([links, rest], format="csr")


def _draw_samples(
    n_samples: int, network: sparse.csr_array, parts: sparse.csr_array, rng: RandomState
) -> NDArray:
    """Return samples of precision I - R, which is B'B."""
    precision = sparse.csc_array(sparse.eye_array(len(network.indptr) - 1) - network)
    # Positive definite, so that no pivot has to be looked for.
    factor = splu(
        precision,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    noise = rng.standard_normal((n_samples, parts.shape[0])) @ parts
    return np.ascontiguousarray(factor.solve(noise.T).T)


# ---------------------------------------------------------------- pathways as factors
def make_pathway_expression(
    n_samples: int = 100,
    *,
    group_sizes: Mapping[str, int] | None = None,
    loading_ranges: Ranges | None = None,
    noise_variance: float = 0.5,
    as_frame: bool = False,
    random_state: int | RandomState | None = None,
) -> Any:
    """Draw expression of groups of genes that respond to pathways.

    A factor model: :math:`x = X f + e` with loadings X (genes x pathways), independent
    standard normal activities f, and noise e of equal variance. As it stands it is the
    tumour of the textbook: 100 genes that respond to chemotherapy stress, immune
    activation and a growth factor.

    Parameters
    ----------
    n_samples : int, default=100
        Number of samples.

    group_sizes : dict of str to int, default=None
        Number of genes in each functional group. None stands for Immune 30, Cytokine
        20, Metabolic 10 and Proliferation 40.

    loading_ranges : dict of str to dict, default=None
        For each pathway, for each group that responds to it, the range (low, high) from
        which the loadings of its genes are drawn, in the order they are written in.
        Groups that are not named have loadings 0. None stands for the three pathways
        of the textbook, and needs its groups.

    noise_variance : float, default=0.5
        Variance of what no pathway explains.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame with genes as columns.

    random_state : int, RandomState instance or None, default=None
        Determines the loadings, then the activities, then the noise. The loadings of
        the textbook come with 123.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (n_samples, n_genes)
            The samples, of mean 0.
        loadings : DataFrame of shape (n_genes, n_pathways)
            X, genes in rows, pathways in columns.
        activities : DataFrame of shape (n_samples, n_pathways)
            f of each sample.
        covariance : DiagonalPlusLowRank of shape (n_genes, n_genes)
            The covariance of the model; its inverse holds the true network.
        groups : Series of shape (n_genes,)
            The group of each gene.
        feature_names : list of str
            Names of the genes.

    Raises
    ------
    ValueError
        If a pathway names a group that is not there, or the noise variance is not
        positive.

    Examples
    --------
    >>> from sklearn_grn.datasets import make_pathway_expression
    >>> tumour = make_pathway_expression(random_state=123)
    >>> tumour.data.shape
    (100, 100)
    >>> means = tumour.loadings.groupby(tumour.groups, sort=False).mean().round(2)
    >>> means.loc["Immune"].to_dict()
    {'Chemotherapy stress': 0.35, 'Immune activation': 0.66, 'Growth factor': 0.09}
    """
    if not noise_variance > 0:
        raise ValueError(f"noise_variance={noise_variance} is not positive")
    rng = check_random_state(random_state)
    sizes = _TUMOUR_GROUPS if group_sizes is None else group_sizes
    ranges = _TUMOUR_LOADINGS if loading_ranges is None else loading_ranges
    groups = np.repeat(list(sizes), list(sizes.values()))
    names = [f"{group}_{at}" for group, size in sizes.items() for at in range(size)]
    loadings = np.zeros((len(names), len(ranges)))
    for column, pathway in zip(loadings.T, ranges, strict=True):
        _draw_loadings(column, pathway, ranges[pathway], groups, rng)
    activities = rng.standard_normal((n_samples, len(ranges)))
    noise = rng.standard_normal((n_samples, len(names))) * noise_variance**0.5
    samples = activities @ loadings.T + noise
    return Bunch(
        data=pd.DataFrame(samples, columns=names) if as_frame else samples,
        loadings=pd.DataFrame(loadings, index=names, columns=list(ranges)),
        activities=pd.DataFrame(activities, columns=list(ranges)),
        covariance=DiagonalPlusLowRank(np.full(len(names), noise_variance), loadings),
        groups=pd.Series(groups, index=names, name="group"),
        feature_names=names,
    )


def _draw_loadings(
    column: NDArray,
    pathway: str,
    ranges: Mapping[str, tuple[float, float]],
    groups: NDArray,
    rng: RandomState,
) -> None:
    """Fill the loadings of a pathway, a group at a time."""
    for group, (low, high) in ranges.items():
        members = np.flatnonzero(groups == group)
        if not len(members):
            raise ValueError(
                f"Pathway {pathway!r} names the group {group!r}, which is none of "
                f"{', '.join(dict.fromkeys(groups))}"
            )
        column[members] = rng.uniform(low, high, len(members))
