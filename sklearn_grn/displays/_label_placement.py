"""Labels that do not overlap, measured as they are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Where a label is tried, as steps from the left (0) to the right (1) of it and from
# below to above: right, left, above, below, and the corners.
_SIDES = ((0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1), (0, 0), (1, 0), (0, 1), (1, 1))
_GAP = 2.0  # pixels around a label


def keep_apart(texts: list[Any], importance: NDArray) -> list[Any]:
    """Hide texts that overlap more important ones; return those that stay.

    Parameters
    ----------
    texts : list of Text
        In a figure that has been laid out.
    importance : ndarray of shape (n_texts,)

    Returns
    -------
    list of Text
        In their order.
    """
    boxes = np.array([_box(text) for text in texts]).reshape(-1, 4)
    kept: list[int] = []
    for at in np.argsort(-np.asarray(importance), kind="stable"):
        clear = not _overlapping(boxes[at], boxes[kept]).any()
        texts[at].set_visible(clear)
        if clear:
            kept.append(int(at))
    return [texts[at] for at in sorted(kept)]


def place_beside(
    texts: list[Any], points: NDArray, radii: NDArray, ink: NDArray, frame: Any
) -> list[Any]:
    """Move texts beside their points, where they overlap no other and hide least.

    Parameters
    ----------
    texts : list of Text
        Most important first. Their positions are those of the points.
    points : ndarray of shape (n_texts, 2)
        In pixels.
    radii : ndarray of shape (n_texts,)
        Of what is drawn at the points, in pixels.
    ink : ndarray of shape (n_ink, 2)
        Points that are better not hidden, in pixels.
    frame : Bbox
        What no text may leave, in pixels.

    Returns
    -------
    list of Text
        Those that found a place; the others are removed.
    """
    boxes = np.empty((0, 4))
    kept: list[Any] = []
    for text, point, radius in zip(texts, points, radii, strict=True):
        left, low, right, high = _box(text)
        size = np.array([right - left, high - low])
        tried = [
            (np.count_nonzero(_inside(ink, box)), number, box, corner)
            for number, (corner, box) in enumerate(_beside(point, radius, size))
            if _within(box, frame) and not _overlapping(box, boxes).any()
        ]
        if not tried:
            text.remove()
            continue
        _, _, box, corner = min(tried, key=lambda candidate: candidate[:2])
        _move(text, corner)
        boxes = np.vstack([boxes, box])
        kept.append(text)
    return kept


def _beside(
    point: NDArray, radius: float, size: NDArray
) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield lower left corners of a text around a point, and its boxes there."""
    for side in np.array(_SIDES):
        outwards = 0.5 - side
        outwards = outwards / np.linalg.norm(outwards)
        corner = point + outwards * (radius + _GAP) - side * size
        yield corner, np.concatenate([corner - _GAP / 2, corner + size + _GAP / 2])


def _move(text: Any, corner: NDArray) -> None:
    """Put the lower left corner of a text somewhere, in data that follow a zoom."""
    text.set(ha="left", va="bottom")
    left, low, _, _ = _box(text)
    to_data = text.axes.transData.inverted()
    at = text.axes.transData.transform(text.get_position())
    text.set_position(to_data.transform(at + corner - [left, low]))


def _box(text: Any) -> NDArray[np.float64]:
    """Return left, lower, right and upper end of a text, in pixels."""
    return text.get_window_extent().extents


def _overlapping(box: NDArray, others: NDArray) -> NDArray[np.bool_]:
    low, high = others[:, :2] < box[2:], others[:, 2:] > box[:2]
    return np.all(low & high, axis=1)


def _inside(points: NDArray, box: NDArray) -> NDArray[np.bool_]:
    return np.all((points > box[:2]) & (points < box[2:]), axis=1)


def _within(box: NDArray, frame: Any) -> bool:
    return bool((box[:2] >= frame.min).all() and (box[2:] <= frame.max).all())
