"""Parts of a picture at any size, by averaging areas."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

BAND = 600
"""Columns, times the pixels of a row that they are averages of, at once: a product so small that BLAS takes one thread for it, as a
search has threads of its own."""


class Picture:
    """A picture whose parts can be shrunk, or enlarged, by averaging areas as PyTorch's adaptive average pooling does.

    Args:
        pixels: (height, width, 3), uint8.
        least: rows that the whole, and every part of it, gets at least.
    """

    def __init__(self, pixels: np.ndarray, least: int):
        self.height, self.width = pixels.shape[:2]
        # Sums over rows from the top give the sum over any rows by one difference, which is right even where the sums run over. Of
        # 2 bytes they take half the time to read, and do for 257 rows of 255. A window has at most two rows more than its share of the
        # height, as it begins and ends within rows.
        kind = np.uint16 if self.height <= 255 * least else np.uint32
        self.sums = np.zeros((self.height + 1, 3, self.width), kind)
        self.sums[1:] = pixels.transpose(0, 2, 1)
        for above, row in zip(self.sums, self.sums[1:], strict=False):
            row += above

    def cut(self, boxes: np.ndarray, size: int) -> np.ndarray:
        """Parts of the picture: (n, 3, size, size), float32, in [0, 255].

        Args:
            boxes: (n, 4), integers, within the picture and not empty.
            size: height and width in pixels of the result.
        """
        parts = np.empty((len(boxes), 3, size, size), np.float32)
        for part, box in zip(parts, boxes.tolist(), strict=True):
            self.average(box, (size, size), part)
        return parts

    def average(self, box: Sequence[int], shape: tuple[int, int], result: np.ndarray, row: int = 0, column: int = 0) -> None:
        """Shrinks, or enlarges, one part of the picture.

        Args:
            box: the part.
            shape: height and width in pixels that it gets.
            result: (3, rows, columns), float32: filled with values in [0, 255], all of them or those from `row` and `column` on.
            row, column: where the wanted rows and columns begin.
        """
        left, top, right, bottom = box
        _, rows, columns = result.shape
        first, last, shares = windows(bottom - top, shape[0], row, rows)
        shared = bands(right - left, shape[1], column, columns)
        begin, end = left + shared[0].begin, left + shared[-1].end
        sums = self.sums[top + last, :, begin:end]
        sums -= self.sums[top + first, :, begin:end]
        sums = sums.reshape(-1, end - begin).astype(np.float32)
        averages = np.empty((len(sums), columns), np.float32)
        for band in shared:
            np.matmul(sums[:, band.begin + left - begin : band.end + left - begin], band.shares, out=averages[:, band.columns])
        np.multiply(averages.reshape(rows, 3, columns).transpose(1, 0, 2), shares, out=result)


@lru_cache(maxsize=1024)
def windows(length: int, count: int, start: int, some: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some of `count` windows that cover `length` pixels: where they begin and end, and (some, 1), the share of each of their pixels in
    the mean, float32."""
    index = np.arange(start, start + some)
    first, last = index * length // count, -(-(index + 1) * length // count)
    return first, last, (1 / (last - first)).astype(np.float32)[:, None]


@dataclass(frozen=True)
class Band:
    """Columns that are averaged at once.

    Attributes:
        columns: which of the result.
        begin, end: the pixels that they need.
        shares: (pixels, columns), the share of each pixel in each column, float32.
    """

    columns: slice
    begin: int
    end: int
    shares: np.ndarray


@lru_cache(maxsize=1024)
def bands(length: int, count: int, start: int, some: int) -> list[Band]:
    """The same windows as columns, some at a time."""
    first, last, shares = windows(length, count, start, some)
    step = max(1, math.isqrt(BAND * count // length))
    found = []
    for place in range(0, some, step):
        columns = slice(place, min(place + step, some))
        begin, end = int(first[columns][0]), int(last[columns][-1])
        pixel = np.arange(begin, end)[:, None]
        inside = (pixel >= first[columns]) & (pixel < last[columns])
        found.append(Band(columns, begin, end, inside * shares[columns, 0]))
    return found
