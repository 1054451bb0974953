"""Of boxes that overlap much, only the surest is kept."""

import numpy as np

BLOCK = 128
"""Boxes that are compared with all others at once."""


def suppress(boxes: np.ndarray, scores: np.ndarray, threshold: float, of_smaller: bool = False) -> np.ndarray:
    """Greedy non-maximum suppression: of boxes that overlap much only the surest is kept.

    Args:
        boxes: (n, 4), left, top, right, bottom.
        scores: (n,).
        threshold: boxes that overlap more are suppressed.
        of_smaller: the overlap is the share of the smaller box, with the last pixel in the box, instead of intersection over union.

    Returns:
        Which are kept, the surest first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[np.ndarray] = []
    while len(order):
        block, rest = order[:BLOCK], order[BLOCK:]
        overlap = overlaps(boxes[block], boxes[order], of_smaller) > threshold
        alive = np.ones(len(order), bool)
        for number in range(len(block)):
            if alive[number]:
                alive[number + 1 :] &= ~overlap[number, number + 1 :]
        kept.append(block[alive[: len(block)]])
        order = rest[alive[len(block) :]]
    return np.concatenate(kept) if kept else order


def overlaps(first: np.ndarray, second: np.ndarray, of_smaller: bool) -> np.ndarray:
    """How much boxes overlap: (n, m), in [0, 1]."""
    extra = float(of_smaller)
    areas = [(boxes[:, 2] - boxes[:, 0] + extra) * (boxes[:, 3] - boxes[:, 1] + extra) for boxes in (first, second)]
    common = np.ones((len(first), len(second)), np.float32)
    for low, high in ((0, 2), (1, 3)):
        length = np.minimum.outer(first[:, high], second[:, high])
        length -= np.maximum.outer(first[:, low], second[:, low])
        common *= np.maximum(length + extra, 0)
    if of_smaller:
        return np.asarray(common / np.minimum.outer(areas[0], areas[1]))
    return np.asarray(common / (np.add.outer(areas[0], areas[1]) - common))
