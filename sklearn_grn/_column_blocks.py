"""Tall matrices that grow by columns and are never written again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ColumnBlocks:
    """A tall matrix, kept in blocks of columns.

    Appending shares what is there and copies nothing large, so two models grown from
    one base hold its columns once and can never see each other's. Columns that come one
    by one are written into room behind the last block. A new block gets as much room as
    all blocks but the first hold, which keeps the number of blocks logarithmic.

    Parameters
    ----------
    *blocks : ndarray of shape (n_columns_of_the_block, n_rows)
        Each block *lies*: a column of the matrix is a contiguous row of its block.
    """

    __slots__ = ("_room", "blocks")

    def __init__(self, *blocks: NDArray) -> None:
        self.blocks = blocks
        # The memory in which the last block lies, if there is room behind it. Who takes
        # it out of the list may write there, and nobody else: `pop` is atomic.
        self._room: list[NDArray] = []

    def __reduce__(self) -> tuple[type[ColumnBlocks], tuple[NDArray, ...]]:
        """Copy and pickle the columns without the room behind them."""
        return type(self), self.blocks

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
        *kept, last = self.blocks
        memory, size = self._take_room(len(block)), len(last)
        if memory is None:
            kept, memory, size = self._new_block(block)
        end = size + len(block)
        memory[size:end] = block
        grown = ColumnBlocks(*kept, memory[:end])
        if end < len(memory):
            grown._room.append(memory)
        return grown

    def _take_room(self, n_columns: int) -> NDArray | None:
        """Return the memory of the last block if it has room, to one caller only."""
        try:
            memory = self._room.pop()
        except IndexError:
            return None
        return memory if len(self.blocks[-1]) + n_columns <= len(memory) else None

    def _new_block(self, block: NDArray) -> tuple[list[NDArray], NDArray, int]:
        """Return the blocks that stay, memory for a new one, and what it holds."""
        kept: list[NDArray] = list(self.blocks)
        behind = sum(len(part) for part in kept[1:])
        narrow: list[NDArray] = []  # merged with the new one, so that few are left
        while len(kept) > 1 and len(kept[-1]) <= len(block):
            narrow.insert(0, kept.pop())
        size = sum(len(part) for part in narrow)
        capacity = max(size + len(block), behind)
        memory = np.empty((capacity, block.shape[1]), dtype=self.dtype)
        if narrow:
            np.concatenate(narrow, out=memory[:size])
        return kept, memory, size

    def first(self, n_columns: int) -> ColumnBlocks:
        """Return the first ``n_columns`` columns, as views where that holds no more."""
        head = self.blocks[0]
        kept, left = [compact(head[:n_columns])], n_columns - len(head)
        for block in self.blocks[1:]:
            if left > 0:
                kept.append(compact(block[:left]))
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
            compact(block) if part.all() else block[part]
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


def compact(view: NDArray) -> NDArray:
    """Return an array itself, or a copy if it is less than half of what it holds.

    A view keeps alive all of the memory that it was cut from.
    """
    memory = view
    while isinstance(memory.base, np.ndarray):
        memory = memory.base
    return view.copy() if memory.nbytes > 2 * view.nbytes > 0 else view
