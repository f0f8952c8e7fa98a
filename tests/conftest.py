"""Fixtures and settings that all tests share."""

import os
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

os.environ["MPLBACKEND"] = "Agg"  # figures need no screen

# The same examples in every run, and no deadline: shared machines are slow at times.
hypothesis.settings.register_profile(
    "sklearn_grn", deadline=None, derandomize=True, max_examples=50
)
hypothesis.settings.load_profile("sklearn_grn")


@pytest.fixture(scope="session")
def reference_data():
    """Folder of the reference tables that may not ship with the package."""
    folder = os.environ.get("SKLEARN_GRN_REFERENCE_DATA")
    if not folder:
        pytest.skip("SKLEARN_GRN_REFERENCE_DATA names no folder of reference tables")
    if not Path(folder).is_dir():
        pytest.skip(f"SKLEARN_GRN_REFERENCE_DATA names no folder: {folder}")
    return Path(folder)


@contextmanager
def _allocation_peak():
    tracemalloc.start()
    at_start, _ = tracemalloc.get_traced_memory()
    at_end = None

    def peak():
        _, at_peak = at_end or tracemalloc.get_traced_memory()
        return at_peak - at_start

    try:
        yield peak
    finally:
        at_end = tracemalloc.get_traced_memory()
        tracemalloc.stop()


@pytest.fixture
def allocation_peak():
    """Context manager that measures what the block allocates at its peak.

    ``with allocation_peak() as peak: ...``; then ``peak()`` is the largest number of
    bytes, of those newly allocated in the block, that were held at the same time.
    NumPy reports its arrays to `tracemalloc`; memory that was there before the block
    does not count. Blocks do not nest.
    """
    return _allocation_peak
