"""The regulatory score on simulated networks of others, DREAM4 and SynTReN.

The constants of the score were chosen on these tables: what is tested here is that the
score is the one that was measured, not that it is as good elsewhere.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score, roc_auc_score

from sklearn_grn import RegulatoryEdgeSelector

EXPRESSION = {
    "dream4_size100_1": "dream4/size100_1/multifactorial.tsv.gz",
    "dream4_size100_2": "dream4/size100_2/multifactorial.tsv.gz",
    "syntren300": "syntren300/expression.tsv.gz",
}
GOLD = {
    "dream4_size100_1": "dream4/size100_1/gold_multifactorial.tsv.gz",
    "dream4_size100_2": "dream4/size100_2/gold_multifactorial.tsv.gz",
    "syntren300": "syntren300/gold.tsv.gz",
}


def load(folder, name):
    """Return the table, and which of all ordered pairs are regulatory."""
    table = pd.read_csv(folder / EXPRESSION[name], sep="\t")
    if not pd.api.types.is_numeric_dtype(table.iloc[:, 0]):
        table = table.iloc[:, 1:]
    gold = pd.read_csv(folder / GOLD[name], sep="\t", dtype={"source": str})
    true = np.zeros((table.shape[1], table.shape[1]), dtype=bool)
    gold = gold[gold["weight"] != 0]
    rows, columns = (table.columns.get_indexer(gold[end]) for end in gold.columns[:2])
    true[rows, columns] = True
    return table, true


@pytest.fixture(scope="module", params=sorted(EXPRESSION))
def case(request, reference_data):
    table, true = load(reference_data, request.param)
    score = RegulatoryEdgeSelector(threshold=0).fit(table).network_.toarray()
    pairs = ~np.eye(len(true), dtype=bool)
    return request.param, score, true[pairs], score[pairs]


def test_scores_are_those_of_the_prototype(case, reference_data):
    name, score, *_ = case
    with np.load(reference_data / "reference" / "regulatory_score_R.npz") as stored:
        key = next(key for key in stored if key.startswith(name))
        expected = stored[key]
    assert_allclose(score[: len(expected)], expected, rtol=1e-6, atol=1e-6)


def test_area_under_precision_and_recall(case):
    name, _, true, score = case
    wanted = {"dream4_size100_1": 0.21, "dream4_size100_2": 0.33, "syntren300": 0.08}
    assert average_precision_score(true, score) >= wanted[name]


def test_area_under_the_receiver_operating_curve(case):
    name, _, true, score = case
    wanted = {"dream4_size100_1": 0.78, "dream4_size100_2": 0.84, "syntren300": 0.94}
    assert roc_auc_score(true, score) >= wanted[name]
