"""A symmetric matrix held as a diagonal plus a low-rank product."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import linalg, sparse
from scipy.sparse.linalg import aslinearoperator
from sklearn import get_config
from sklearn.utils import check_array

from sklearn_grn._array_interface import ArrayInterface
from sklearn_grn._capacitance import Capacitance, append, factorise
from sklearn_grn._column_blocks import ColumnBlocks
from sklearn_grn._spectrum import (
    DENSE_EIGENVALUES,
    extreme_eigenvalue,
    smallest_eigenvalue,
)

# A diagonal entry below this share of its diagonal part is what two parts left over.
_CANCELLED = 1e-4

_NEAR = 1e-4  # a diagonal part below this: a row of length 1, but for rounding


class DiagonalPlusLowRank(ArrayInterface):
    r"""A symmetric matrix :math:`\mathrm{diag}(d) \pm S F F' S`, never built.

    It takes the room of its factor, and behaves as a read-only NumPy array: it can be
    indexed (only what is asked for is computed), multiplied from both sides, passed to
    NumPy functions, to pandas and to matplotlib. Whatever needs the dense array builds
    it, unless that would take more than half of the free memory.

    Parameters
    ----------
    diagonal : array-like of shape (n,)
        The vector d. It is not the diagonal of the matrix: see `diagonal`.
    factor : array-like of shape (n, rank)
        The matrix F. The rank may be 0.
    sign : {1, -1}, default=1
        Sign of the low-rank part.
    scale : array-like of shape (n,), default=None
        The row scale S; None means 1.

    Attributes
    ----------
    shape : tuple of (n, n)
    dtype : dtype
        Data type of the factor, float64 or float32.
    rank : int
        Number of columns of the factor.

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, or `sign` is not 1 or -1.

    See Also
    --------
    FactorPrecisionEstimator : Its three matrices are of this class.

    Notes
    -----
    A covariance diag(psi) + L L', its inverse and the partial correlations all have
    this form; the last two share one factor and differ in the row scale alone.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_grn import DiagonalPlusLowRank
    >>> covariance = DiagonalPlusLowRank([0.1, 0.2, 0.3], [[1.0], [1.0], [0.0]])
    >>> covariance
    <DiagonalPlusLowRank 3 x 3 of float64, rank 1>
    >>> covariance.inverse().diagonal().round(4)
    array([3.75  , 3.4375, 3.3333])
    """

    __slots__ = (
        "_bound",
        "_capacitance",
        "_computed",
        "_diagonal",
        "_factor",
        "_scale",
        "_sign",
        "_true",
    )

    def __init__(
        self,
        diagonal: ArrayLike,
        factor: ArrayLike,
        *,
        sign: int = 1,
        scale: ArrayLike | None = None,
    ) -> None:
        floats = {"dtype": [np.float64, np.float32], "ensure_min_features": 0}
        columns = check_array(factor, input_name="factor", **floats)
        size = len(columns)
        self._factor = ColumnBlocks(np.array(columns.T, order="C"))
        self._diagonal = _vector(diagonal, size, "diagonal")
        self._scale = None if scale is None else _vector(scale, size, "scale")
        if sign not in (1, -1):
            raise ValueError(f"sign is {sign!r}; it must be 1 or -1")
        self._sign = int(sign)
        self._true: NDArray | None = None
        self._bound: float | None = None
        self._capacitance: Capacitance | None = None
        self._computed: dict[str, Any] = {}

    @classmethod
    def _from_parts(
        cls,
        factor: ColumnBlocks,
        diagonal: NDArray,
        sign: int,
        scale: NDArray | None,
        true: NDArray | None,
        bound: float | None,
        capacitance: Capacitance | None = None,
    ) -> DiagonalPlusLowRank:
        """Wrap arrays as they are.

        `true` is the diagonal of the matrix where it is known, `bound` a limit that no
        entry off it can pass, `capacitance` what inverts it.
        """
        self = cls.__new__(cls)
        self._factor, self._diagonal, self._sign = factor, diagonal, sign
        self._scale, self._true, self._bound = scale, true, bound
        self._capacitance, self._computed = capacitance, {}
        return self

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Leave out what is computed again, so that use does not change a hash."""
        slots = {name: getattr(self, name) for name in self.__slots__}
        return None, slots | {"_computed": {}}

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """Rows and columns."""
        return len(self._diagonal), len(self._diagonal)

    @property
    def dtype(self) -> np.dtype:  # type: ignore[override]
        """Data type of the entries."""
        return self._factor.dtype

    @property
    def rank(self) -> int:
        """Number of columns of the factor."""
        return self._factor.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that the structured matrix holds."""
        blocks = sum(block.nbytes for block in self._factor.blocks)
        vectors = (self._diagonal, self._scale, self._true)
        return blocks + sum(v.nbytes for v in vectors if v is not None)

    # --------------------------------------------------------------- its entries
    def diagonal(self) -> NDArray:
        """Return the diagonal of the matrix.

        That of a precision or of partial correlations is kept as it was found, without
        subtracting.

        Returns
        -------
        ndarray of shape (n,)
        """
        if self._true is not None:
            return self._true.astype(self.dtype)
        squares = np.zeros(len(self._diagonal))
        for column in self._factor.columns():
            squares += np.square(column, dtype=np.float64)
        if self._scale is not None:
            squares *= self._scale**2
        return (self._diagonal + self._sign * squares).astype(self.dtype)

    def toarray(self) -> NDArray:
        """Return the dense array, whatever memory that takes.

        Returns
        -------
        ndarray of shape (n, n)
            Exactly symmetric.
        """
        every = np.arange(len(self._diagonal))
        return self._block(every, every)

    def row_factor(self, rows: Any = slice(None)) -> NDArray:
        """Return rows of S F, whose inner products are the entries off the diagonal.

        Parameters
        ----------
        rows : slice or array of int, default=slice(None)
            Which rows.

        Returns
        -------
        ndarray of shape (n_rows, rank)
            Inner products of rows, times the sign, are the entries off the diagonal.
        """
        factor = self._factor.rows(rows)
        if self._scale is None:
            return factor
        return factor * self._scale[rows, None].astype(self.dtype, copy=False)

    def _block(self, rows: NDArray, columns: NDArray) -> NDArray:
        left = self.row_factor(rows)
        # The product of an array and its own transpose is exactly symmetric (syrk).
        square = rows is columns or np.array_equal(rows, columns)
        block = left @ (left if square else self.row_factor(columns)).T
        self._finish(block)
        if square and (np.diff(rows) > 0).all():
            at = to = np.arange(len(rows))
        else:
            at, to = np.nonzero(rows[:, None] == columns)
        if len(at):
            block[at, to] = self.diagonal()[rows[at]]
        return block

    def _entries(self, rows: NDArray, columns: NDArray) -> NDArray:
        values = np.empty(len(rows), dtype=self.dtype)
        budget = get_config()["working_memory"] * 2**20
        n_batch = max(1, int(budget // (3 * max(1, self.rank) * self.dtype.itemsize)))
        for start in range(0, len(rows), n_batch):
            batch = slice(start, start + n_batch)
            left, right = self.row_factor(rows[batch]), self.row_factor(columns[batch])
            values[batch] = np.einsum("ij,ij->i", left, right)
        self._finish(values)
        same = rows == columns
        if same.any():
            values[same] = self.diagonal()[rows[same]]
        return values

    def _finish(self, products: NDArray) -> None:
        """Turn inner products of rows into entries off the diagonal, in place."""
        if self._sign < 0:
            np.subtract(0, products, out=products)  # 0 - 0 is 0, where -0 is -0
        # Rounding must not carry |rho| past 1. The squared length of a row is 1 less
        # its diagonal part: where all of these are positive, nothing comes near.
        if self._bound is not None and self._diagonal.min(initial=1.0) < _NEAR:
            np.clip(products, -self._bound, self._bound, out=products)

    # -------------------------------------------------------------- its products
    def _product(self, right: Any) -> NDArray:
        # Widened first: a float32 operand must not narrow float64 arithmetic.
        right = right.astype(np.result_type(self.dtype, right.dtype), copy=False)
        cancelled = self._cancelled_rows()
        if len(cancelled) == 0:
            return self._sum_of_parts(right)
        # Rows whose diagonal and low-rank parts cancel are computed entry by entry.
        right = right.toarray() if sparse.issparse(right) else right
        others = right.copy()
        others[cancelled] = 0
        rows = self._block(cancelled, np.arange(self.shape[0]))
        product = self._sum_of_parts(others) + rows.T @ right[cancelled]
        product[cancelled] = rows @ right
        return product

    def _cancelled_rows(self) -> NDArray:
        if self._true is None:
            return np.empty(0, dtype=np.intp)
        return np.flatnonzero(self._true < _CANCELLED * np.abs(self._diagonal))

    def _sum_of_parts(self, right: Any) -> NDArray:
        scaled = right if self._scale is None else _scale_rows(self._scale, right)
        low_rank = self._factor.combine(self._factor.project(scaled)).T
        if self._scale is not None:
            low_rank = _scale_rows(self._scale, low_rank)
        diagonal = _scale_rows(self._diagonal, right)
        if sparse.issparse(diagonal):
            diagonal = diagonal.toarray()
        return diagonal + low_rank if self._sign > 0 else diagonal - low_rank

    def matvec(self, vector: ArrayLike) -> NDArray:
        """Return ``P @ vector``; with `shape` and `dtype` this makes a LinearOperator.

        Parameters
        ----------
        vector : array-like of shape (n,) or (n, 1)

        Returns
        -------
        ndarray of the shape of `vector`
        """
        return self @ vector

    rmatvec = matmat = rmatmat = matvec

    # ---------------------------------------------------------- what follows from it
    def inverse(self) -> DiagonalPlusLowRank:
        """Return the inverse, a diagonal and a low-rank product again.

        Returns
        -------
        DiagonalPlusLowRank
            Of the opposite sign.

        Raises
        ------
        ValueError
            If the matrix is not positive definite.
        """
        covariance, precision, _ = structured_views(self._state())
        return precision if self._sign > 0 else covariance

    def logdet(self) -> float:
        """Return the logarithm of the determinant.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the matrix is not positive definite.
        """
        state = self._state()
        return self._sign * (float(np.log(state.noise_variance).sum()) + state.log_det)

    def append(self, columns: ArrayLike) -> DiagonalPlusLowRank:
        """Return ``P + columns @ columns.T``; what is there is shared, not copied.

        Parameters
        ----------
        columns : array-like of shape (n, n_columns)
            The new columns of the factor.

        Returns
        -------
        DiagonalPlusLowRank

        Raises
        ------
        ValueError
            If the matrix is not positive definite, is an inverse (append to the
            covariance instead), or if the number of rows is not n.
        """
        state = covariance_state(self)
        floats = {"dtype": self.dtype, "ensure_min_features": 0}
        fresh = check_array(columns, input_name="columns", **floats)
        if len(fresh) != self.shape[0]:
            raise ValueError(
                f"columns have {len(fresh)} rows, the matrix has {self.shape[0]}"
            )
        return structured_views(append(state, np.array(fresh.T, order="C")))[0]

    def condition_number(self) -> float:
        """Return the largest eigenvalue over the smallest.

        Dense for a few hundred genes; beyond that the largest by the Lanczos method and
        the smallest by bisection, to seven digits. It is computed once.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the matrix is not positive definite.
        """
        if "condition" not in self._computed:
            state = self._state()
            covariance, precision, _ = structured_views(state)
            if len(state.scale) <= DENSE_EIGENVALUES:
                # Each as a largest eigenvalue: the smallest would lose its digits.
                values = [
                    np.linalg.eigvalsh(matrix.toarray())[-1]
                    for matrix in (covariance, precision)
                ]
                self._computed["condition"] = float(values[0] * values[1])
            else:
                largest = extreme_eigenvalue(aslinearoperator(covariance), "LA")
                smallest = smallest_eigenvalue(state.noise_variance, state.loadings)
                self._computed["condition"] = largest / smallest
        return self._computed["condition"]

    def _state(self) -> Capacitance:
        """Return what inverts the covariance: this matrix, or its inverse."""
        if self._bound is not None:
            raise ValueError(
                "a matrix of partial correlations is not positive definite in general; "
                "use the precision matrix"
            )
        if self._capacitance is not None:
            return self._capacitance
        if "state" not in self._computed:
            covariance = _as_covariance if self._sign > 0 else _invert_difference
            scaled = ColumnBlocks(np.ascontiguousarray(self.row_factor().T))
            pieces = covariance(self._diagonal, scaled)
            self._computed["state"] = factorise(*pieces)
        return self._computed["state"]

    # --------------------------------------------------------------------- looks
    def astype(self, dtype: DTypeLike, copy: bool = True) -> Any:
        """Return the matrix in another data type, structured for floats.

        Parameters
        ----------
        dtype : data-type
        copy : bool, default=True
            Has no effect: the matrix is read-only.

        Returns
        -------
        DiagonalPlusLowRank or ndarray
        """
        if np.dtype(dtype) not in (np.float32, np.float64):
            return np.asarray(self).astype(dtype)
        if np.dtype(dtype) == self.dtype:
            return self
        blocks = (block.astype(dtype) for block in self._factor.blocks)
        vectors = (self._diagonal, self._sign, self._scale, self._true, self._bound)
        return self._from_parts(ColumnBlocks(*blocks), *vectors)

    def __repr__(self) -> str:
        """Return one line: shape, data type and rank."""
        size = self.shape[0]
        return (
            f"<DiagonalPlusLowRank {size} x {size} of {self.dtype}, rank {self.rank}>"
        )

    def __str__(self) -> str:
        """Return the corners of the matrix, as NumPy prints a large array."""
        size = self.shape[0]
        if size <= 6:
            return str(self.toarray())
        shown = [0, 1, 2, 3, size - 3, size - 2, size - 1]
        corners = self[np.ix_(shown, shown)]
        return np.array2string(corners, threshold=0, edgeitems=3)


def covariance_state(matrix: DiagonalPlusLowRank) -> Capacitance:
    """Return what inverts a covariance.

    Raises
    ------
    ValueError
        If the matrix is not positive definite, or is an inverse.
    """
    if matrix._sign < 0:
        raise ValueError(
            "a covariance is wanted, and this matrix is the inverse of one, "
            "diag(d) - FF'. Pass its .inverse()"
        )
    return matrix._state()


def structured_views(
    state: Capacitance,
) -> tuple[DiagonalPlusLowRank, DiagonalPlusLowRank, DiagonalPlusLowRank]:
    """Return covariance, precision and partial correlations of one state.

    The last two share one factor. With r = 1 - h their true diagonals are r / psi and
    1, and the partial correlation of two genes is the inner product of their rows of
    diag(r)^-1/2 Q.

    Parameters
    ----------
    state : Capacitance

    Returns
    -------
    tuple of three DiagonalPlusLowRank
    """
    make = DiagonalPlusLowRank._from_parts
    noise, scale, basis = state.noise_variance, state.scale, state.basis
    free, weight = 1.0 / state.residual, scale * scale
    covariance = make(state.loadings, noise, 1, None, None, None, state)
    precision = make(basis, weight, -1, scale, state.residual * weight, None, state)
    correlation = make(basis, 2.0 - free, 1, np.sqrt(free), np.ones(len(scale)), 1.0)
    return covariance, precision, correlation


def _as_covariance(
    diagonal: NDArray, factor: ColumnBlocks
) -> tuple[NDArray, ColumnBlocks]:
    """Check that diag(d) + F F' is positive definite because d is positive."""
    if diagonal.min() <= 0:
        raise ValueError(
            f"the diagonal part has an entry of {diagonal.min():.3g}; all must be "
            "positive for an inverse or a determinant"
        )
    return diagonal, factor


def _invert_difference(
    diagonal: NDArray, factor: ColumnBlocks
) -> tuple[NDArray, ColumnBlocks]:
    """Return psi and L with diag(psi) + L L' = (diag(d) - F F')^-1."""
    _as_covariance(diagonal, factor)
    basis = factor.lying() / np.sqrt(diagonal)
    remaining = np.eye(len(basis)) - basis @ basis.T
    smallest = linalg.eigvalsh(remaining)[0] if len(basis) else 1.0
    if smallest <= 0:
        raise ValueError(
            "the matrix is not positive definite: the low-rank part exceeds the "
            f"diagonal (smallest relative eigenvalue {smallest:.3g})"
        )
    triangle = linalg.cholesky(remaining, lower=True)
    whitened = linalg.solve_triangular(triangle, basis, lower=True)
    loadings = (whitened / np.sqrt(diagonal)).astype(factor.dtype, copy=False)
    return 1.0 / diagonal, ColumnBlocks(loadings)


def _scale_rows(scale: NDArray, right: Any) -> Any:
    if sparse.issparse(right):
        return sparse.diags_array(scale) @ right
    dtype = np.result_type(right.dtype, np.float32)
    scale = scale.astype(dtype, copy=False)
    return right * (scale if right.ndim == 1 else scale[:, None])


def _vector(values: ArrayLike, size: int, name: str) -> NDArray:
    vector = np.array(values, dtype=np.float64)
    if vector.shape != (size,) or not np.isfinite(vector).all():
        raise ValueError(
            f"{name} has shape {vector.shape} and must be {size} finite numbers, one "
            "for each row of the factor"
        )
    return vector
