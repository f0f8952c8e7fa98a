"""Tall matrices that grow by columns and are never written again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ColumnBlocks:
    """A tall matrix, kept in the blocks of columns in which it arrived.

    Appending shares what is there and copies nothing large, so two models grown from
    one base hold its columns once and can never see each other's. The last blocks are
    merged until each is twice as wide as the next (as a binary counter carries), which
    keeps their number logarithmic and the copying amortised.
    The first block, usually by far the widest, is never merged.

    Parameters
    ----------
    *blocks : ndarray of shape (n_columns_of_the_block, n_rows)
        Each block *lies*: a column of the matrix is a contiguous row of its block.
    """

    __slots__ = ("blocks",)

    def __init__(self, *blocks: NDArray) -> None:
        self.blocks = blocks

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the tall matrix."""
        return self.blocks[0].shape[1], sum(len(block) for block in self.blocks)

    @property
    def dtype(self) -> np.dtype:
        """Data type of the columns."""
        return self.blocks[0].dtype

    def append(self, block: NDArray) -> ColumnBlocks:
        """Return the matrix with the columns of ``block`` behind its own."""
        if len(block) == 0:
            return self
        kept = list(self.blocks)
        while len(kept) > 1 and len(kept[-1]) < 2 * len(block):
            block = np.concatenate([kept.pop(), block])
        return ColumnBlocks(*kept, block)

    def first(self, n_columns: int) -> ColumnBlocks:
        """Return the first ``n_columns`` columns, as views."""
        kept, left = [self.blocks[0][:n_columns]], n_columns - len(self.blocks[0])
        for block in self.blocks[1:]:
            if left > 0:
                kept.append(block[:left])
            left -= len(block)
        return ColumnBlocks(*kept)

    def last_lying(self, n_columns: int) -> NDArray:
        """Return the last ``n_columns`` columns as (n_columns, n_rows)."""
        kept: list[NDArray] = []
        for block in reversed(self.blocks):
            kept.insert(0, block[max(0, len(block) - n_columns) :])
            n_columns = max(0, n_columns - len(block))
        return kept[0] if len(kept) == 1 else np.concatenate(kept)

    def select(self, keep: NDArray[np.bool_]) -> ColumnBlocks:
        """Return the columns where ``keep`` is true; untouched blocks are shared."""
        parts = np.split(keep, np.cumsum([len(block) for block in self.blocks])[:-1])
        chosen = [
            block if part.all() else block[part]
            for block, part in zip(self.blocks, parts, strict=True)
        ]
        return ColumnBlocks(chosen[0], *(block for block in chosen[1:] if len(block)))

    def lying(self) -> NDArray:
        """Return all columns as one array of shape (n_columns, n_rows)."""
        if len(self.blocks) == 1:
            return self.blocks[0]
        return np.concatenate(self.blocks)

    def rows(self, index: NDArray | slice) -> NDArray:
        """Return some rows as an array of shape (n_selected, n_columns)."""
        return np.concatenate([block[:, index] for block in self.blocks]).T

    def project(self, right: Any) -> NDArray:
        """Return F' Y for Y of shape (n_rows,) or (n_rows, m), dense or sparse."""
        if len(self.blocks) == 1:
            return self.blocks[0] @ right
        return np.concatenate([block @ right for block in self.blocks])

    def combine(self, coefficients: NDArray) -> NDArray:
        """Return (F C)' for C of shape (n_columns,) or (n_columns, m): it lies."""
        start = len(self.blocks[0])
        total = coefficients[:start].T @ self.blocks[0]
        for block in self.blocks[1:]:
            total += coefficients[start : start + len(block)].T @ block
            start += len(block)
        return total

    def columns(self) -> Iterator[NDArray]:
        """Yield the columns one by one, in their order of arrival."""
        for block in self.blocks:
            yield from block
