"""`woodbury_update` against the textbook formula on dense matrices.

Run ``python benchmarks/linalg.py``. Ours and theirs take turns; the table has the
median of the paired ratios ours / textbook, and its range. Below 1 ours is faster, with
all its checks and an exactly symmetric result.
"""

import itertools
import time

import numpy as np

from sklearn_grn.linalg import woodbury_update

SIZES = (50, 100, 200, 500, 1000, 2000)
COLUMNS = (1, 5, 20)


def textbook(precision, X):
    product = precision @ X
    small = np.eye(X.shape[1]) + X.T @ product
    return precision - product @ np.linalg.inv(small) @ product.T


def seconds(function, *arguments, calls, **options):
    start = time.perf_counter()
    for _ in range(calls):
        function(*arguments, **options)
    return (time.perf_counter() - start) / calls


def ratios(size, n_columns, repeats=15):
    rng = np.random.default_rng(0)
    precision = np.linalg.inv(np.eye(size) + np.full((size, size), 0.1))
    precision = 0.5 * (precision + precision.T)
    X = 0.1 * rng.normal(size=(size, n_columns))
    calls = max(1, 2_000_000 // size**2)
    pairs = [
        (
            seconds(woodbury_update, precision, X, calls=calls),
            seconds(textbook, precision, X, calls=calls),
        )
        for _ in range(repeats + 1)
    ][1:]
    return np.array([ours / theirs for ours, theirs in pairs]), pairs


def main():
    print("| genes | columns | ours / textbook | textbook |\n|--:|--:|--:|--:|")
    for size, n_columns in itertools.product(SIZES, COLUMNS):
        ratio, pairs = ratios(size, n_columns)
        theirs = np.median([pair[1] for pair in pairs])
        spread = f"{np.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})"
        print(
            f"| {size} | {n_columns} | {spread} | {1e6 * theirs:.0f} µs |", flush=True
        )


if __name__ == "__main__":
    main()
