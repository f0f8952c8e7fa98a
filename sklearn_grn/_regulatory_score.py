"""The score of a regulator for a target.

It needs three passes over the links of all regulators with all genes: for what is usual
at each target, for how much of a target's surplus there is to share, and for the shares
that each regulator gets. No pass keeps a link; the last one notes the largest of each
regulator in each block of genes, so that a search knows where to look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_grn._block_links import BlockLinks
from sklearn_grn._regulatory_features import (
    mean_squared_correlation,
    regulatory_features,
)

# A variance this small, as a share of the mean square, is what rounding left of none.
_ROUNDING = 1e-9


class Constants(NamedTuple):
    """The constants of the score.

    How the result moves when each is halved or doubled is in `docs/accuracy.md`.

    Attributes
    ----------
    shrinkage : float
        Intensity of the partial correlations. For ranking edges much more than an
        analytic intensity is right: it removes the strongest programmes that genes
        share and adds little noise.
    square_weight : float
        Length of a square where that of a level is 1. A saturating response shows as
        a link of the regulator's square with the level of the target, gating by another
        regulator as one of its level with the square of the target. At full length the
        noise of the squares would weigh as much as the levels.
    clip : float
        Robust standard deviations at which values are clipped, so that a knocked-out
        sample counts, and a broken one does not count without limit.
    cut : float
        Links of more than so many backgrounds of their target vote. Links are not
        negative, so that even those of independent genes exceed it in one pair of
        three, by little.
    power : float
        Power of what exceeds the cut, so that little counts little: 2 lets one strong
        link outweigh many that hardly exceed it.
    prior_share : float
        A target's vote is shared among its candidates and an absent one that has this
        many times the mean vote of a gene: whatever hardly exceeds the cut does not get
        a whole vote for being alone.
    hub_floor : float
        Hub weight of a regulator without a vote, where the mean vote is 1. It keeps
        their targets in the ranking.
    confounding : float
        Mean squared correlation at which the hub weights count half. Without
        confounders it is below 0.015, in compendia of real samples from 0.06 to 0.11.
    confounding_power : float
        How sharply they cease to count.
    fewest : int
        With fewer regulators the backgrounds are taken over all genes: a few true
        links among few regulators would make their own background.
    """

    shrinkage: float = 0.95
    square_weight: float = 0.5
    clip: float = 6.0
    cut: float = 2.5
    power: float = 2.0
    prior_share: float = 0.5
    hub_floor: float = 0.1
    confounding: float = 0.03
    confounding_power: float = 2.0
    fewest: int = 40


@dataclass(frozen=True, eq=False)  # arrays have no truth value: identity is equality
class RegulatoryScore:
    """What the score of any pair follows from.

    Attributes
    ----------
    links : BlockLinks
        Of the genes that vary; all arrays below are in its order.
    genes : ndarray of shape (n_varying,)
        Numbers in the table of the genes at each position.
    background : ndarray of shape (n_varying,)
        t, infinite where all regulators are linked with a gene equally.
    hub_weight : ndarray of shape (n_regulators,)
        h.
    exponent : float
        a.
    mean_squared_correlation : float
        m, which the exponent was read from.
    largest : ndarray of shape (n_regulators, n_blocks)
        The largest link of each regulator with a block of genes, in backgrounds.
    """

    links: BlockLinks
    genes: NDArray[np.intp]
    background: NDArray[np.float64]
    hub_weight: NDArray[np.float64]
    exponent: float
    mean_squared_correlation: float
    largest: NDArray[np.float64]

    @property
    def factor(self) -> NDArray[np.float64]:
        """By what the links of each regulator are multiplied: h^a."""
        return self.hub_weight**self.exponent


def regulatory_score(
    X: NDArray,
    is_regulator: NDArray[np.bool_],
    constants: Constants | None = None,
    exponent: float | None = None,
) -> RegulatoryScore:
    """Compute what the scores of all pairs follow from.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Finite; at least two samples.
    is_regulator : ndarray of shape (n_features,), bool
        Which genes may be sources.
    constants : Constants, default=None
        None takes those of the class.
    exponent : float, default=None
        a; None reads it from the table.

    Returns
    -------
    RegulatoryScore

    Raises
    ------
    ValueError
        If no gene varies, or no regulator does.
    """
    given = constants or Constants()
    levels, squares, genes = regulatory_features(
        X, clip=given.clip, square_weight=given.square_weight
    )
    if not is_regulator[genes].any():
        raise ValueError(
            f"none of the {np.count_nonzero(is_regulator)} regulators varies over the "
            f"{len(X)} samples. Name others"
        )
    links = BlockLinks(levels, squares, is_regulator[genes], given.shrinkage)
    common = mean_squared_correlation(levels)
    if exponent is None:
        exponent = hub_exponent(common, given)
    background = backgrounds(links)
    if links.n_regulators < given.fewest:
        background = _backgrounds_of_all(levels, squares, given)[links.order]
    votes, largest = share_votes(links, background, given)
    weights = hub_weights(votes, given.hub_floor)
    ordered = genes[links.order]
    return RegulatoryScore(
        links, ordered, background, weights, exponent, common, largest
    )


def backgrounds(links: BlockLinks) -> NDArray[np.float64]:
    """Return the standard deviation over regulators of the links of each gene.

    A regulator has no link with itself, which counts as 0.

    Parameters
    ----------
    links : BlockLinks

    Returns
    -------
    ndarray of shape (n_genes,)
        Infinite where it is 0: where all are linked equally none stands out.
    """
    sums, squares = np.zeros((2, links.n_genes))
    for _, targets, tile in links.tiles():
        sums[targets] += tile.sum(axis=0)
        squares[targets] += np.einsum("ij,ij->j", tile, tile)
    mean = sums / links.n_regulators
    squares /= links.n_regulators
    variance = squares - mean**2
    return np.where(
        variance > _ROUNDING * squares, np.sqrt(np.maximum(0.0, variance)), np.inf
    )


def _backgrounds_of_all(
    levels: NDArray, squares: NDArray, constants: Constants
) -> NDArray[np.float64]:
    """Return what is usual at each gene, as if all genes were regulators."""
    everyone = np.ones(len(levels), dtype=bool)
    return backgrounds(BlockLinks(levels, squares, everyone, constants.shrinkage))


def share_votes(
    links: BlockLinks, background: NDArray, constants: Constants
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the votes of each regulator, and its largest link with each block.

    Parameters
    ----------
    links : BlockLinks
    background : ndarray of shape (n_genes,)
    constants : Constants

    Returns
    -------
    votes : ndarray of shape (n_regulators,)
        Each gene with a link above background has at most one vote, which is shared
        among its candidates.
    largest : ndarray of shape (n_regulators, n_blocks)
        In backgrounds of the target.
    """
    surplus = np.zeros(links.n_genes)
    for _, targets, tile in links.tiles():
        surplus[targets] += _surplus(tile / background[targets], constants).sum(axis=0)
    whole = surplus + constants.prior_share * surplus.mean()
    whole[whole == 0] = 1.0
    votes = np.zeros(links.n_regulators)
    blocks = links.target_blocks()
    number = {block.start: number for number, block in enumerate(blocks)}
    largest = np.zeros((links.n_regulators, len(blocks)))
    for sources, targets, tile in links.tiles():
        relative = tile / background[targets]
        largest[sources, number[targets.start]] = relative.max(axis=1)
        votes[sources] += _surplus(relative, constants) @ (1.0 / whole[targets])
    return votes, largest


def hub_weights(votes: NDArray, floor: float) -> NDArray[np.float64]:
    """Return the soft number of targets of each regulator, relative to the mean.

    Parameters
    ----------
    votes : ndarray of shape (n_regulators,)
    floor : float
        What is added.

    Returns
    -------
    ndarray of shape (n_regulators,)
        Equal where nobody has a vote.
    """
    mean = votes.mean()
    return (votes / mean if mean > 0 else np.ones(len(votes))) + floor


def hub_exponent(common: float, constants: Constants) -> float:
    """Return a, from 1 where genes share no programme down to 0.

    Where they do, a regulator with many strong links is one that is exposed to the
    programmes, which says nothing of its targets.

    Parameters
    ----------
    common : float
        Mean squared correlation.
    constants : Constants

    Returns
    -------
    float
    """
    ratio = common / constants.confounding
    return 1.0 / (1.0 + ratio**constants.confounding_power)


def _surplus(relative: NDArray, constants: Constants) -> NDArray[np.float64]:
    """Return what exceeds the cut, to a power."""
    surplus = relative - constants.cut
    np.maximum(surplus, 0.0, out=surplus)
    return surplus**constants.power
