"""MTCNN finds faces by a cascade of three networks: Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", IEEE Signal Processing Letters 2016.

The first network proposes windows at several scales of the picture, the second refines them, the third gives the boxes, scores and
five points. Numbers and roundings are those of facenet-pytorch, whose weights it runs, so that it finds the same faces.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain, islice, product
from pathlib import Path
from typing import Any

import numpy as np

from .areas_fer import Picture
from .onnx_runtime_fer import import_onnxruntime
from .suppression_fer import suppress

NETWORKS = ("pnet.onnx", "rnet.onnx", "onet.onnx")
"""The files that a folder of weights holds."""

WINDOW, STRIDE = 12, 2
"""Size of the first network's windows and the distance between them, in pixels of the scaled picture."""

REFINED, FINAL = 24, 48
"""Height and width in pixels of what the second and the third network see."""

THRESHOLDS = (0.6, 0.7, 0.7)
"""How sure each network must be of a face, as in the paper's code."""

LOGIT = math.log(THRESHOLDS[0] / (1 - THRESHOLDS[0]))
"""The same as a logit, for the first."""

TILE, CROPS = 64, {REFINED: 16, FINAL: 4}
"""Rows and columns of windows that the first network sees at once, and crops that the others do, by their size: what a network computes
of so many stays in a processor's cache."""


def no_points() -> np.ndarray:
    """What candidates have before the third network gives them points."""
    return np.empty((0, 5, 2))


@dataclass(frozen=True)
class Candidates:
    """Boxes that may hold faces.

    Attributes:
        boxes: (n, 4), left, top, right, bottom in pixels of the picture, float32.
        scores: (n,), in [0, 1], float32.
        offsets: (n, 4), how the network would move each edge, as a share of the box's size, float32.
        points: (n, 5, 2), (x, y) in pixels of the picture: eyes, nose, corners of the mouth; none before the third network.
    """

    boxes: np.ndarray
    scores: np.ndarray
    offsets: np.ndarray
    points: np.ndarray = field(default_factory=no_points)

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, rows: np.ndarray) -> "Candidates":
        """Some of them, in the order given."""
        points = self.points[rows] if len(self.points) else self.points
        return Candidates(self.boxes[rows], self.scores[rows], self.offsets[rows], points)


class Mtcnn:
    """The cascade. Threads may share one, and a process may fork after its use.

    Args:
        folder: holds the three `NETWORKS`.
        threads: processor cores that a search may use.
    """

    def __init__(self, folder: Path, threads: int = 1):
        self.folder, self.threads = Path(folder), threads

    def __call__(self, pixels: np.ndarray, min_face: float = 20.0, factor: float = 0.709) -> Candidates:
        """
        Args:
            pixels: (height, width, 3), uint8, RGB.
            min_face: least height and width in pixels of a face, at least 12.
            factor: ratio of one scale to the one before, in (0, 1).

        Returns:
            The faces, the surest first.

        Raises:
            ImportError: onnxruntime is not installed.
        """
        height, width = pixels.shape[:2]
        scales = list(pyramid(min(height, width), min_face, factor))
        if not scales:
            return nothing()
        picture = Picture(pixels, WINDOW)
        networks = load_networks(self.folder, os.getpid())
        if self.threads == 1:
            return search(networks, picture, scales, map)
        # Threads of a call's own, unlike those of a session, leave nothing behind that a fork would wait for.
        with ThreadPoolExecutor(self.threads - 1) as pool:
            return search(networks, picture, scales, partial(share_out, pool, self.threads - 1))


Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Does something with each of several things and gives the results in order: `map`, or `share_out`."""


def share_out(pool: ThreadPoolExecutor, helpers: int, work: Callable[[Any], Any], things: Iterable[Any]) -> Iterable[Any]:
    """What `map` gives, by this thread and helpers of a pool. Each takes the next thing when it is done with one, without a word to the
    others: to wake a thread for each takes longer than much of the work.
    """
    waiting = list(things)
    results: list[Any] = [None] * len(waiting)
    numbers = iter(range(len(waiting)))

    def take() -> None:
        try:
            for number in numbers:
                results[number] = work(waiting[number])
        finally:
            # Nothing is left, unless this one failed; the others then need not go on.
            deque(numbers, maxlen=0)

    helping = [pool.submit(take) for _ in range(min(helpers, len(waiting) - 1))]
    take()
    for one in helping:
        one.result()
    return results


def search(networks: Sequence[Any], picture: Picture, scales: Sequence[float], each: Each) -> Candidates:
    """The cascade of the three networks."""
    proposals, refinement, output = networks
    found = propose(proposals, picture, scales, each)
    found = refine(refinement, picture, found, each)
    return finish(output, picture, found, each)


def nothing() -> Candidates:
    """No candidates."""
    return Candidates(np.empty((0, 4)), np.empty(0), np.empty((0, 4)))


@cache
def load_networks(folder: Path, process: int) -> tuple[Any, Any, Any]:
    """The sessions of the three networks, made once in each process, and each of one thread: callers bring their own.

    Raises:
        ImportError: onnxruntime is not installed.
    """
    onnxruntime = import_onnxruntime(
        "Finding faces needs onnxruntime; install it (pip install onnxruntime), give the pipeline another detector, or pass boxes."
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # A plan of memory is made for sizes that come again, and these differ from call to call.
    options.enable_mem_pattern = False
    proposals, refinement, output = (
        onnxruntime.InferenceSession(folder / name, options, providers=["CPUExecutionProvider"]) for name in NETWORKS
    )
    return proposals, refinement, output


def pyramid(shorter: int, min_face: float, factor: float) -> Iterator[float]:
    """The scales at which the first network's window is as large as a face, from the smallest face to the picture's shorter side."""
    scale = WINDOW / min_face
    least = shorter * scale
    while least >= WINDOW:
        yield scale
        scale *= factor
        least *= factor


@dataclass(frozen=True)
class Level:
    """The picture at one scale.

    Attributes:
        scale: the scale.
        shape: height and width in pixels.
    """

    scale: float
    shape: tuple[int, int]

    def tiles(self) -> list["Tile"]:
        """Parts of it whose windows are together those of the whole."""
        down, across = (range(0, (side - WINDOW + 1) // STRIDE + 1, TILE) for side in self.shape)
        return [Tile(self.shape, row, column) for row, column in product(down, across)]

    def candidates(self, windows: np.ndarray) -> Candidates:
        """The windows that `look_for_windows` gives, in pixels of the picture."""
        corner = STRIDE * windows[:, 1::-1]
        boxes = np.floor(np.concatenate([corner + 1, corner + WINDOW], axis=1) / np.float32(self.scale))
        return Candidates(boxes, 1 / (1 + np.exp(-windows[:, 2])), windows[:, 3:])


@dataclass(frozen=True)
class Tile:
    """A part of a scaled picture, as large as the first network sees at once.

    Attributes:
        shape: height and width in pixels of the whole scaled picture.
        row, column: numbers of its first row and column of windows.
    """

    shape: tuple[int, int]
    row: int
    column: int

    def cut(self, picture: Picture) -> np.ndarray:
        """Its pixels: (1, 3, rows, columns), float32, in [0, 255]."""
        row, column = self.row * STRIDE, self.column * STRIDE
        most = (TILE - 1) * STRIDE + WINDOW
        pixels = np.empty((1, 3, min(self.shape[0] - row, most), min(self.shape[1] - column, most)), np.float32)
        picture.average((0, 0, picture.width, picture.height), self.shape, pixels[0], row, column)
        return pixels


def propose(network: Any, picture: Picture, scales: Sequence[float], each: Each) -> Candidates:
    """The first network's windows at all scales that may hold a face, moved as it says."""
    levels = [Level(scale, (int(picture.height * scale + 1), int(picture.width * scale + 1))) for scale in scales]
    pieces = [level.tiles() for level in levels]
    seen = iter(each(lambda tile: look_for_windows(network, picture, tile), chain(*pieces)))
    found = [
        level.candidates(np.concatenate(list(islice(seen, len(some))))) for level, some in zip(levels, pieces, strict=True)
    ]
    joined = join([some.take(suppress(some.boxes, some.scores, 0.5)) for some in found])
    return squared(moved(joined.take(suppress(joined.boxes, joined.scores, 0.7)), closed=False))


def look_for_windows(network: Any, picture: Picture, tile: Tile) -> np.ndarray:
    """The windows of a tile that may hold a face: (n, 7), float32: the numbers of its row and column, the face's logit, and how it
    would move each edge."""
    (windows,) = network.run(None, {"pixels": tile.cut(picture)})[0]
    row, column = np.divmod(np.flatnonzero(windows[0] >= LOGIT), windows.shape[2])
    return np.vstack([row + tile.row, column + tile.column, windows[:, row, column]], dtype=np.float32, casting="same_kind").T


def refine(network: Any, picture: Picture, found: Candidates, each: Each) -> Candidates:
    """Those that the second network takes for faces, moved as it says."""
    found = inside(picture, found)
    if not len(found):
        return found
    scores, offsets = look(network, picture, found, REFINED, each)
    found = Candidates(found.boxes, scores, offsets).take(scores > THRESHOLDS[1])
    return squared(moved(found.take(suppress(found.boxes, found.scores, 0.7))))


def finish(network: Any, picture: Picture, found: Candidates, each: Each) -> Candidates:
    """Those that the third network takes for faces, with their points."""
    found = inside(picture, found)
    if not len(found):
        return nothing()
    scores, offsets, shares = look(network, picture, found, FINAL, each)
    corners, sizes = found.boxes[:, None, :2], found.boxes[:, None, 2:] - found.boxes[:, None, :2] + 1
    points = corners + sizes * shares.reshape(-1, 2, 5).transpose(0, 2, 1) - 1
    found = moved(Candidates(found.boxes, scores, offsets, points).take(scores > THRESHOLDS[2]))
    return found.take(suppress(found.boxes, found.scores, 0.7, of_smaller=True))


def look(network: Any, picture: Picture, found: Candidates, size: int, each: Each) -> list[np.ndarray]:
    """What a network says of each candidate, one array for each of its outputs."""
    boxes = visible(picture, found)
    some = [boxes[start : start + CROPS[size]] for start in range(0, len(boxes), CROPS[size])]
    outputs = each(lambda boxes: network.run(None, {"pixels": picture.cut(boxes, size)}), some)
    return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def inside(picture: Picture, found: Candidates) -> Candidates:
    """The candidates that lie in the picture at least in part."""
    boxes = visible(picture, found)
    return found.take(np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1)))


def visible(picture: Picture, found: Candidates) -> np.ndarray:
    """The part of each box that lies in the picture: (n, 4), integers, the last pixel left out."""
    # Pixels are counted from 1 here, as in the authors' code, where the last one belongs to the box.
    corners = np.maximum(found.boxes[:, :2].astype(int), 1) - 1
    ends = np.minimum(found.boxes[:, 2:].astype(int), (picture.width, picture.height))
    return np.concatenate([corners, ends], axis=1)


def join(parts: Sequence[Candidates]) -> Candidates:
    """The candidates of all scales."""
    return Candidates(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.offsets for part in parts]),
    )


def moved(found: Candidates, closed: bool = True) -> Candidates:
    """The candidates with their edges moved as the network says.

    Args:
        found: the candidates.
        closed: the last pixel belongs to a box, which is then one wider than the difference of its edges.
    """
    size = found.boxes[:, 2:] - found.boxes[:, :2] + float(closed)
    boxes = found.boxes + found.offsets * np.concatenate([size, size], axis=1)
    return Candidates(boxes, found.scores, found.offsets, found.points)


def squared(found: Candidates) -> Candidates:
    """The candidates with their boxes made square, about the same centre, with the longer side."""
    size = found.boxes[:, 2:] - found.boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    corner = found.boxes[:, :2] + size * 0.5 - side * 0.5
    return Candidates(np.concatenate([corner, corner + side], axis=1), found.scores, found.offsets)
