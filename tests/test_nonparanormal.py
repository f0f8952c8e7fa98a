"""Normal scores of ranks, against ranks by SciPy."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtri
from scipy.stats import rankdata

from sklearn_grn import NonparanormalTransformer
from sklearn_grn._nonparanormal import normal_scores

RNG = np.random.default_rng(0)
CONTINUOUS = RNG.normal(size=(30, 4))
COUNTS = RNG.poisson(2, size=(30, 4)).astype(float)
tables = pytest.mark.parametrize("table", [CONTINUOUS, COUNTS], ids=["values", "ties"])


def naive_scores(table):
    return ndtri(rankdata(table, axis=0) / (len(table) + 1))


@tables
def test_scores_are_those_of_averaged_ranks(table):
    scores = NonparanormalTransformer().fit_transform(table)
    assert_allclose(scores, naive_scores(table), atol=1e-14)


@tables
def test_scores_without_fitting_are_the_same(table):
    assert_array_equal(
        normal_scores(np.ascontiguousarray(table.T)).T,
        NonparanormalTransformer().fit_transform(table),
    )


@pytest.mark.parametrize(
    ("value", "rank"),
    [(-9.0, 0.5), (1.0, 1.0), (1.5, 1.5), (2.0, 2.5), (2.5, 3.5), (9.0, 4.5)],
)
def test_new_values_go_through_the_training_distribution(value, rank):
    fitted = NonparanormalTransformer().fit([[3.0], [2.0], [1.0], [2.0]])
    assert_allclose(fitted.transform([[value]]), [[ndtri(rank / 5)]])


def test_a_monotone_scale_does_not_matter():
    plain, bent = (
        NonparanormalTransformer().fit_transform(table)
        for table in (CONTINUOUS, np.exp(3 * CONTINUOUS))
    )
    assert_array_equal(plain, bent)


def test_winsorising_truncates_as_in_the_paper():
    n = len(CONTINUOUS)
    least = 1 / (4 * n ** (1 / 4) * np.sqrt(np.pi * np.log(n)))
    shares = np.clip(rankdata(CONTINUOUS, axis=0) / (n + 1), least, 1 - least)
    scores = NonparanormalTransformer(winsorize=True).fit_transform(CONTINUOUS)
    assert_allclose(scores, ndtri(shares), atol=1e-14)


def test_of_a_hundred_samples_two_on_either_side_are_winsorised():
    values = np.arange(100.0)[:, None]
    scores = NonparanormalTransformer(winsorize=True).fit_transform(values)[:, 0]
    assert np.count_nonzero(scores == scores.max()) == 2
    assert np.count_nonzero(scores == scores.min()) == 2


def test_a_constant_gene_gets_zeros():
    table = np.column_stack([CONTINUOUS[:, 0], np.full(30, 7.3)])
    scores = NonparanormalTransformer().fit_transform(table)
    assert_allclose(scores[:, 1], 0, atol=1e-15)


def test_turning_a_gene_turns_its_scores():
    scores = NonparanormalTransformer().fit_transform(COUNTS)
    turned = NonparanormalTransformer().fit_transform(-COUNTS)
    assert_allclose(turned, -scores, atol=1e-14)


def test_float32_stays():
    table = CONTINUOUS.astype(np.float32)
    scores = NonparanormalTransformer().fit_transform(table)
    assert scores.dtype == np.float32
    assert_allclose(scores, naive_scores(table), rtol=1e-6)


def test_quantiles_are_the_sorted_values():
    fitted = NonparanormalTransformer().fit(CONTINUOUS)
    assert_array_equal(fitted.quantiles_, np.sort(CONTINUOUS, axis=0))


def test_tables_keep_their_names():
    table = pd.DataFrame(CONTINUOUS, columns=list("abcd"))
    transformer = NonparanormalTransformer().set_output(transform="pandas")
    scores = transformer.fit_transform(table)
    assert list(scores.columns) == list("abcd")
    assert_allclose(scores, naive_scores(CONTINUOUS), atol=1e-14)


def test_anndata_is_a_table():
    data = SimpleNamespace(
        X=CONTINUOUS, layers={}, obs_names=range(30), var_names=list("abcd")
    )
    fitted = NonparanormalTransformer().fit(data)
    assert list(fitted.feature_names_in_) == list("abcd")
    assert_allclose(fitted.transform(data), naive_scores(CONTINUOUS), atol=1e-14)
