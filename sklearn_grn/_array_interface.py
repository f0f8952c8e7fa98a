"""What makes a matrix that is never built behave as a NumPy array.

The protocols are those that survive scikit-learn, pandas, matplotlib and joblib
together: `__array__`, `__array_ufunc__`, `__getitem__`, the operators, and no
`__array_function__` on purpose, so that NumPy's functions fall back on `__array__`.
"""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.utils import gen_batches

_READ_ONLY = "a structured matrix is read-only; write into a copy, use P.toarray()"
_ALWAYS_BUILT = 2**20  # bytes; below this asking the system is dearer than building


def _as_array_method(name: str) -> Callable:
    """Make the ndarray method `name`, computed on the dense array."""

    def method(self: ArrayInterface, *args: Any, **kwargs: Any) -> Any:
        return getattr(np.asarray(self), name)(*args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"Return ``P.toarray().{name}(...)``; see `numpy.ndarray.{name}`."
    return method


class ArrayInterface(NDArrayOperatorsMixin):
    """Array behaviour of a symmetric matrix that knows its blocks and its products.

    A subclass provides `shape`, `dtype`, `toarray`, `diagonal`, and three primitives:
    `_block` (rows times columns), `_entries` (single entries) and `_product` (the
    matrix times a dense or sparse matrix).
    """

    # Above DataFrame (4000) and Series (3000), so that `df - P` asks P first.
    __pandas_priority__ = 5000
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
    ndim = 2
    dtype: np.dtype
    shape: tuple[int, int]

    @abstractmethod
    def toarray(self) -> NDArray:
        """Return the dense array."""

    @abstractmethod
    def diagonal(self) -> NDArray:
        """Return the diagonal."""

    @abstractmethod
    def _block(self, rows: NDArray, columns: NDArray) -> NDArray: ...

    @abstractmethod
    def _entries(self, rows: NDArray, columns: NDArray) -> NDArray: ...

    @abstractmethod
    def _product(self, right: Any) -> NDArray: ...

    # ------------------------------------------------------------- conversions
    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray:
        """Return the dense array, unless it would not fit in half the free memory."""
        if copy is False:
            raise ValueError(
                "a structured matrix holds no dense array to share; "
                "use copy=None or P.toarray()"
            )
        _refuse_to_build(self.shape, self.dtype)
        return np.asarray(self.toarray(), dtype=dtype)

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        """Apply a ufunc to the dense array; products stay structured."""
        written = (*(out or ()), *(inputs[:1] if method == "at" else ()))
        if any(isinstance(target, ArrayInterface) for target in written):
            raise TypeError(_READ_ONLY)
        if ufunc is np.matmul and method == "__call__" and not out and not kwargs:
            return self._matmul(*inputs)
        arrays = [_as_dense(operand) for operand in inputs]
        if out:
            kwargs["out"] = out
        return getattr(ufunc, method)(*arrays, **kwargs)

    def _matmul(self, left: Any, right: Any) -> Any:
        if left is self:
            return self._times(right)
        if np.ndim(left) > 2:
            return np.matmul(left, np.asarray(self))
        # The matrix is symmetric, so a product from the left is one from the right.
        return self._times(np.asarray(left).T).T

    def _times(self, right: Any) -> NDArray:
        if not sparse.issparse(right):
            right = np.asarray(right)
            if right.ndim not in (1, 2):
                return np.matmul(np.asarray(self), right)
        if right.shape[0] != self.shape[1]:
            raise ValueError(
                f"matmul: shapes {self.shape} and {right.shape} do not match"
            )
        return self._product(right)

    # ---------------------------------------------------------------- indexing
    def __getitem__(self, key: Any) -> Any:
        """Index as a NumPy array; only the entries asked for are computed."""
        # The key is applied to the row and column numbers, which cost nothing as
        # broadcast views, so every kind of index means what it means to NumPy.
        numbers = np.arange(self.shape[0])
        rows = np.broadcast_to(numbers[:, None], self.shape)[key]
        columns = np.broadcast_to(numbers, self.shape)[key]
        shape, is_array = np.shape(rows), isinstance(rows, np.ndarray)
        _refuse_to_build(shape, self.dtype)
        rows, columns = np.squeeze(rows), np.squeeze(columns)
        for grid in (rows.shape, (1, rows.size), (rows.size, 1)):
            if len(grid) == 2 and _is_grid(rows.reshape(grid), columns.reshape(grid)):
                at, to = rows.reshape(grid)[:, 0], columns.reshape(grid)[0]
                block = self._block(at, to).reshape(shape)
                return block if is_array else block[()]
        return self._entries(rows.ravel(), columns.ravel()).reshape(shape)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        """Refuse: the matrix is read-only."""
        raise TypeError(_READ_ONLY)

    @property
    def flat(self) -> NoReturn:
        """Refuse: `np.fill_diagonal` and its like write through it."""
        raise AttributeError(_READ_ONLY)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray]:
        """Yield the rows, a block of them at a time."""
        for _, block in self._row_blocks():
            yield from block

    def __bool__(self) -> bool:
        """Return the truth value of a 1 x 1 matrix; of others it is ambiguous."""
        return bool(self[:2, :2])

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.shape[0] * self.shape[1]

    @property
    def T(self) -> ArrayInterface:
        """The matrix itself: it is symmetric."""
        return self

    def transpose(self, *axes: Any) -> ArrayInterface:
        """Return the matrix itself: it is symmetric."""
        return self

    # -------------------------------------------------------------- reductions
    def _row_blocks(self) -> Iterator[tuple[slice, NDArray]]:
        n_rows, every = self.shape[0], np.arange(self.shape[1])
        budget = get_config()["working_memory"] * 2**20
        n_block = max(1, int(budget // (n_rows * self.dtype.itemsize)))
        for rows in gen_batches(n_rows, n_block):
            yield rows, self._block(every[rows], every)

    def _reduce(self, name: str, axis: Any, kwargs: dict[str, Any]) -> Any:
        # Rows and columns are alike, so a reduction along either goes block by block.
        given = kwargs.items()
        kwargs = {key: x for key, x in given if x is not None and x is not False}
        if axis not in (None, 0, 1, -1, -2) or kwargs:
            return getattr(np.asarray(self), name)(axis=axis, **kwargs)
        parts = [getattr(block, name)(axis=1) for _, block in self._row_blocks()]
        reduced = np.concatenate(parts)
        return getattr(reduced, name)() if axis is None else reduced

    def sum(
        self, axis: Any = None, dtype: DTypeLike | None = None, **kwargs: Any
    ) -> Any:
        """Return the sum over an axis or over all; see `numpy.ndarray.sum`."""
        return self._reduce("sum", axis, {"dtype": dtype, **kwargs})

    def mean(
        self, axis: Any = None, dtype: DTypeLike | None = None, **kwargs: Any
    ) -> Any:
        """Return the mean over an axis or over all; see `numpy.ndarray.mean`."""
        return self._reduce("mean", axis, {"dtype": dtype, **kwargs})

    def max(self, axis: Any = None, **kwargs: Any) -> Any:
        """Return the largest entry, or those of an axis; see `numpy.ndarray.max`."""
        return self._reduce("max", axis, kwargs)

    def min(self, axis: Any = None, **kwargs: Any) -> Any:
        """Return the smallest entry, or those of an axis; see `numpy.ndarray.min`."""
        return self._reduce("min", axis, kwargs)

    def trace(self) -> Any:
        """Return the sum of the diagonal."""
        return self.diagonal().sum()

    def dot(self, right: ArrayLike) -> Any:
        """Return ``P @ right``."""
        return self @ right

    def copy(self) -> ArrayInterface:
        """Return the matrix itself, which nothing can change."""
        return self

    all = _as_array_method("all")
    any = _as_array_method("any")
    argmax = _as_array_method("argmax")
    argmin = _as_array_method("argmin")
    argsort = _as_array_method("argsort")
    clip = _as_array_method("clip")
    cumsum = _as_array_method("cumsum")
    flatten = _as_array_method("flatten")
    nonzero = _as_array_method("nonzero")
    prod = _as_array_method("prod")
    ravel = _as_array_method("ravel")
    reshape = _as_array_method("reshape")
    round = _as_array_method("round")
    squeeze = _as_array_method("squeeze")
    std = _as_array_method("std")
    take = _as_array_method("take")
    tolist = _as_array_method("tolist")
    var = _as_array_method("var")


def _as_dense(operand: Any) -> Any:
    if sparse.issparse(operand):  # NumPy would take it for a scalar
        return operand.toarray()
    return np.asarray(operand) if isinstance(operand, ArrayInterface) else operand


def _is_grid(rows: NDArray, columns: NDArray) -> bool:
    """Whether an index asks for some rows crossed with some columns."""
    if rows.size == 0:
        return False
    return bool(
        (rows.strides[1] == 0 or (rows == rows[:, :1]).all())
        and (columns.strides[0] == 0 or (columns == columns[:1]).all())
    )


def _refuse_to_build(shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raise where a dense array would take more than half of the free memory."""
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes <= _ALWAYS_BUILT or n_bytes <= _free_memory() / 2:
        return
    raise MemoryError(
        f"a dense array of shape {shape} takes {n_bytes / 2**30:.3g} GiB, more than "
        f"half of the {_free_memory() / 2**30:.3g} GiB of memory that are free. "
        "Index the part you need, multiply with @, or call P.toarray() if you must"
    )


def _free_memory() -> float:
    """Bytes of memory that are available, infinite where the system does not tell."""
    try:
        with open("/proc/meminfo") as lines:
            fields = dict(line.split(":", 1) for line in lines)
        return float(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        pass
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return float("inf")
