"""What tables that are sparse, or lie in a file, allocate for all their answers."""

import numpy as np
import pytest
import sklearn
from scipy import sparse

from sklearn_grn._implicit_table import implicit_table


def everything(table):
    table = table.scaled(np.full(table.n_features, 2.0))
    table.fourth_moments()
    table.squared_product()
    table.fourth_lengths()
    table.leading_axes(5)


@pytest.mark.parametrize("shape", [(4000, 3000), (3000, 4000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_tables_are_never_dense(allocation_peak, shape, dtype):
    X = sparse.random_array(shape, density=0.02, format="csr", dtype=dtype, rng=0)
    with sklearn.config_context(working_memory=16), allocation_peak() as peak:
        everything(implicit_table(X, False))
    # Values in float64, a twin by gene, the memory allowed; axes and their start.
    stored = X.nnz * (8 + 12)
    assert peak() < stored + 16 * 2**20 + 60 * 8 * sum(shape)
    assert peak() < 0.4 * 8 * X.shape[0] * X.shape[1]


@pytest.mark.parametrize("shape", [(3000, 700), (700, 3000)])
def test_tables_in_files_stay_there(allocation_peak, tmp_path, shape):
    np.save(tmp_path / "table.npy", np.random.default_rng(0).normal(size=shape))
    X = np.load(tmp_path / "table.npy", mmap_mode="r")
    with sklearn.config_context(working_memory=4), allocation_peak() as peak:
        everything(implicit_table(X, False))
    assert peak() < 4 * 2**20 + 60 * 8 * sum(shape)
