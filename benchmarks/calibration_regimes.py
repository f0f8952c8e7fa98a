"""The tables on which tests of edges are tried: what is linked, what is in the way.

A regime is a sparse Gaussian network and what happens to its samples before anyone
sees them: hidden factors, batches, heavy tails, counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy import stats
from scipy.signal import lfilter
from scipy.sparse import csr_array

from sklearn_grn.datasets import make_sparse_network

Change = Callable[[NDArray, RandomState], NDArray]


@dataclass(frozen=True)
class Regime:
    """How tables of one kind are drawn.

    `changes` happen one after another to samples of genes of variance 1.
    """

    name: str
    group: str
    n_genes: int
    n_samples: int
    network: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.name}, {self.n_genes} x {self.n_samples}"

    def draw(self, seed: int) -> tuple[NDArray, csr_array]:
        """Return a table (n_samples, n_genes) and the true links."""
        rng = RandomState(seed)
        simulated = make_sparse_network(
            self.n_samples, self.n_genes, **self.network, random_state=rng
        )
        table = simulated.data / simulated.data.std(axis=0)
        for change in self.changes:
            table = change(table, rng)
        return table, simulated.network


# ----------------------------------------------------------- what happens to samples
def add_factors(
    samples: NDArray, rng: RandomState, n_factors: int, share: float
) -> NDArray:
    """Let hidden factors carry this share of the variance, on average over genes."""
    loadings = rng.standard_normal((n_factors, samples.shape[1]))
    factors = rng.standard_normal((len(samples), n_factors))
    hidden = factors @ loadings / n_factors**0.5
    return (1.0 - share) ** 0.5 * samples + share**0.5 * hidden


def add_batches(
    samples: NDArray, rng: RandomState, n_batches: int, size: float
) -> NDArray:
    """Shift each gene by an amount of its own in each batch of samples."""
    batch = np.arange(len(samples)) % n_batches
    return samples + size * rng.standard_normal((n_batches, samples.shape[1]))[batch]


def stretch_samples(samples: NDArray, rng: RandomState, df: float) -> NDArray:
    """Make the table an elliptical t: each sample has a scale of its own."""
    return samples * np.sqrt(df / rng.chisquare(df, len(samples)))[:, None]


def stretch_margins(samples: NDArray, rng: RandomState, df: float) -> NDArray:
    """Give each gene a t distribution; its ranks stay."""
    return stats.t.ppf(stats.norm.cdf(samples), df)


def skew_margins(samples: NDArray, rng: RandomState, sigma: float) -> NDArray:
    """Give each gene a log-normal distribution; its ranks stay."""
    return np.exp(sigma * samples)


def add_outlying_samples(
    samples: NDArray, rng: RandomState, share: float, size: float
) -> NDArray:
    """Multiply a share of the samples."""
    outlying = rng.permutation(len(samples)) < round(share * len(samples))
    return np.where(outlying[:, None], size, 1.0) * samples


def autocorrelate(samples: NDArray, rng: RandomState, coefficient: float) -> NDArray:
    """Let each sample remember the one before; the covariance of genes stays."""
    shocks = (1.0 - coefficient**2) ** 0.5 * samples
    shocks[0] = samples[0]
    return lfilter([1.0], [1.0, -coefficient], shocks, axis=0)


def replicate(
    samples: NDArray, rng: RandomState, n_replicates: int, noise: float
) -> NDArray:
    """Measure each of fewer samples several times, with noise of its own."""
    source = np.arange(len(samples)) // n_replicates
    return samples[source] + noise * rng.standard_normal(samples.shape)


def add_noise(samples: NDArray, rng: RandomState, share: float) -> NDArray:
    """Let errors of measurement carry this share of the variance."""
    noise = rng.standard_normal(samples.shape)
    return (1.0 - share) ** 0.5 * samples + share**0.5 * noise


def count(
    samples: NDArray, rng: RandomState, median_mean: float, dispersion: float = 0.0
) -> NDArray:
    """Count molecules: Poisson, or negative binomial, around exp(0.7 samples).

    The means of the genes are log-normal about `median_mean`, a factor e either way.
    """
    means = median_mean * np.exp(rng.standard_normal(samples.shape[1]))
    expected = means * np.exp(0.7 * samples - 0.7**2 / 2)
    if dispersion:
        expected *= rng.gamma(1.0 / dispersion, dispersion, samples.shape)
    return rng.poisson(expected).astype(np.float64)


def log_transform(samples: NDArray, rng: RandomState) -> NDArray:
    return np.log1p(samples)


def rank_normal(samples: NDArray, rng: RandomState) -> NDArray:
    """Replace values by normal scores of their ranks, ties by their average rank."""
    ranks = stats.rankdata(samples, axis=0)
    return stats.norm.ppf((ranks - 0.5) / len(samples))


# ------------------------------------------------------------------------ the regimes
RANDOM = {"structure": "random", "degree": 2.0}
HUBS = {"structure": "hubs", "n_hubs": 10, "strength": 0.95}
CHAIN = {"structure": "chain"}
BLOCKS = {"structure": "blocks", "block_size": 10, "positive": 1.0}
SCALE_FREE = {"structure": "scale_free", "degree": 2.0}
T_MARGINS = partial(stretch_margins, df=3)
MANY_COUNTS, FEW_COUNTS = partial(count, median_mean=29), partial(count, median_mean=4)


def _regime(
    group: str,
    name: str,
    n_genes: int,
    n_samples: int,
    network: Mapping[str, Any] = RANDOM,
    *changes: Change,
) -> Regime:
    return Regime(name, group, n_genes, n_samples, network, changes)


def _known() -> list[Regime]:
    """Return regimes like those on which constants of the test were chosen."""
    regime = partial(_regime, "Known regimes")
    return [
        regime("random, degree 2", 200, 50),
        regime("random, degree 2", 200, 100),
        regime("random, degree 2", 200, 400),
        regime("random, degree 2", 500, 100),
        regime("random, degree 4", 500, 200, {**RANDOM, "degree": 4.0}),
        regime("random, degree 2", 1000, 100),
        regime("ten hubs", 300, 100, HUBS),
        regime("ten hubs", 300, 300, HUBS),
        regime("chain", 300, 100, CHAIN),
        regime("3 factors, .5", 300, 100, RANDOM, _factors(3, 0.5)),
        regime("elliptical t5", 300, 300, RANDOM, partial(stretch_samples, df=5)),
        regime("blocks of 10", 300, 300, BLOCKS),
    ]


def _networks() -> list[Regime]:
    """Return networks of other shapes and sizes, normally distributed."""
    regime = partial(_regime, "Other networks")
    return [
        regime("no edges", 300, 50, {"degree": 0}),
        regime("no edges", 300, 100, {"degree": 0}),
        regime("random, degree 3", 400, 150, {**RANDOM, "degree": 3.0}),
        regime("three hubs", 300, 150, {**HUBS, "n_hubs": 3}),
        regime("twenty hubs", 300, 60, {**HUBS, "n_hubs": 20}),
        regime("chain", 500, 60, CHAIN),
        regime("chain", 100, 300, CHAIN),
        regime("blocks of 5", 300, 100, {**BLOCKS, "block_size": 5}),
        regime("blocks of 10", 100, 300, BLOCKS),
        regime("blocks of 15", 300, 150, {**BLOCKS, "block_size": 15}),
        regime("blocks of 10, signs mixed", 300, 300, {**BLOCKS, "positive": 0.5}),
        regime("scale-free", 250, 60, SCALE_FREE),
        regime("scale-free", 600, 200, SCALE_FREE),
        regime("scale-free, degree 4", 400, 200, {**SCALE_FREE, "degree": 4.0}),
        regime("random, degree 2", 300, 20),
        regime("random, degree 2", 300, 30),
        regime("random, degree 2", 100, 1000),
        regime("random, degree 2", 300, 1000),
        regime("few genes", 8, 50, {**RANDOM, "degree": 1.5}),
        regime("few genes", 12, 100, {**RANDOM, "degree": 1.5}),
    ]


def _hidden() -> list[Regime]:
    """Return tables in which something unseen moves many genes."""
    regime = partial(_regime, "Hidden causes")
    batches = partial(add_batches, n_batches=4, size=0.7)
    return [
        regime("1 factor, .3", 300, 150, RANDOM, _factors(1, 0.3)),
        regime("5 factors, .8", 300, 100, RANDOM, _factors(5, 0.8)),
        regime("hubs, 2 factors, .5", 300, 200, HUBS, _factors(2, 0.5)),
        regime("scale-free, 2 factors, .5", 400, 200, SCALE_FREE, _factors(2, 0.5)),
        regime("four batches", 300, 120, RANDOM, batches),
    ]


def _distributions() -> list[Regime]:
    """Return tables that are not normally distributed, and what repairs them."""
    regime = partial(_regime, "Distributions")
    outliers = partial(add_outlying_samples, share=0.02, size=6)
    skew = partial(skew_margins, sigma=1.0)
    overdispersed = partial(count, median_mean=29, dispersion=0.2)
    shape = 300, 150, RANDOM
    return [
        regime("elliptical t3", *shape, partial(stretch_samples, df=3)),
        regime("2% samples x 6", *shape, outliers),
        regime("t3 margins", *shape, T_MARGINS),
        regime("t3 margins, ranks", *shape, T_MARGINS, rank_normal),
        regime("log-normal margins", *shape, skew),
        regime("counts of 29, raw", *shape, MANY_COUNTS),
        regime("counts of 29, log", *shape, MANY_COUNTS, log_transform),
        regime("counts of 29, ranks", *shape, MANY_COUNTS, rank_normal),
        regime("overdispersed counts, log", *shape, overdispersed, log_transform),
        regime("counts of 4, log", *shape, FEW_COUNTS, log_transform),
        regime("counts of 4, ranks", *shape, FEW_COUNTS, rank_normal),
        regime("20% measurement error", *shape, partial(add_noise, share=0.2)),
    ]


def _dependent() -> list[Regime]:
    """Return tables whose samples are not independent."""
    regime = partial(_regime, "Dependent samples")
    remembers = partial(autocorrelate, coefficient=0.6)
    threefold = partial(replicate, n_replicates=3, noise=0.3)
    return [
        regime("autocorrelation .6", 300, 150, RANDOM, remembers),
        regime("three replicates", 300, 150, RANDOM, threefold),
    ]


def _factors(n_factors: int, share: float) -> Change:
    return partial(add_factors, n_factors=n_factors, share=share)


REGIMES = [*_known(), *_networks(), *_hidden(), *_distributions(), *_dependent()]
