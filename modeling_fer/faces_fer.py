"""Faces in a photo: found by a detector, turned upright, cut out as squares that look like the training crops.

It travels with every checkpoint, because crops made otherwise than the training crops give wrong answers without a warning.
"""

import os
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from .detector_files_fer import PACKAGED
from .mtcnn_fer import FINAL, NETWORKS, Mtcnn

SEARCH_SIZE = 2000
"""Photos are searched at this longest side, in pixels, unless they are smaller or smaller faces are asked for: MTCNN then finds faces
of 40 pixels in photos of 4,000."""

MOST_THREADS = 4
"""More cores than this make a search hardly faster."""


@dataclass(frozen=True)
class Face:
    """A face in a photo.

    Args:
        box: (left, top, right, bottom) in pixels of the photo; may reach beyond it.
        score: how sure the detector is, in [0, 1].
        points: (5, 2), (x, y) in pixels of the photo: the eye at the picture's left, the eye at its right, nose, left and right
            corner of the mouth; None where they are not known, and the face is then taken to be upright.
    """

    box: tuple[float, float, float, float]
    score: float = 1.0
    points: np.ndarray | None = None

    @property
    def size(self) -> float:
        """The longer side of the box in pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def centre(self) -> np.ndarray:
        """The middle of the box, (x, y) in pixels."""
        return np.array([self.box[0] + self.box[2], self.box[1] + self.box[3]]) / 2

    def moved(self, x: float, y: float) -> "Face":
        """The same face so many pixels further to the right and down."""
        left, top, right, bottom = self.box
        points = None if self.points is None else self.points + (x, y)
        return replace(self, box=(left + x, top + y, right + x, bottom + y), points=points)

    def scaled(self, factor: float) -> "Face":
        """The same face in a photo of `factor` times the width and height."""
        left, top, right, bottom = (edge * factor for edge in self.box)
        return Face((left, top, right, bottom), self.score, None if self.points is None else self.points * factor)


class FaceDetector(Protocol):
    """Anything that finds faces: `detector(photo)`. Threads may share it where there are workers, as there are for videos."""

    def __call__(self, image: Image.Image) -> list[Face]:
        """
        Args:
            image: a photo, mode RGB or L.

        Returns:
            Its faces, in pixels of the photo, largest first; an empty list where there is none.

        Raises:
            ImportError: what the detector needs is not installed.
        """
        ...


class MtcnnDetector:
    """The paper's detector, MTCNN (Zhang et al. 2016): see `mtcnn_fer`. It runs on the processor, by onnxruntime.

    Args:
        device: where detectors run that have a choice.
        min_score: faces that MTCNN is less sure of are left out, in [0, 1].
        min_face: faces whose longer side is less are left out: in pixels of the photo where it is 1 or more, else as a share of
            the photo's longest side. MTCNN looks for faces from about 20 pixels on in the picture that it searches, and finds few
            smaller ones.
        search_size: longest side, in pixels, that larger photos are reduced to for the search. Where it is not given it is
            `SEARCH_SIZE`, or more where `min_face` in pixels needs more.
        threads: processor cores that one search may use; up to `MOST_THREADS` of those that the process has if not given.
            They are fewer where several photos or frames are searched at once, so that all searches together have one thread a core.
        folder: holds the detector's `files`; the package's own if not given.

    Raises:
        ValueError: a setting is impossible.
    """

    files = (*NETWORKS, "LICENSE", "README.md")
    smallest = 20
    plenty = 2 * FINAL
    """Pixels of a face that are more than MTCNN looks at: where only larger faces are asked for, photos are reduced further."""

    def __init__(
        self,
        device: Any = "cpu",
        min_score: float = 0.9,
        min_face: float = 0.0,
        search_size: int | None = None,
        threads: int | None = None,
        folder: Path = PACKAGED / "mtcnn",
    ):
        if not min_face >= 0:
            raise ValueError(f"min_face is {min_face}, but must be at least 0.")
        if search_size is not None and search_size < self.smallest:
            raise ValueError(f"search_size is {search_size}, but must be at least {self.smallest} pixels.")
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}, but must be at least 1.")
        self.min_score, self.min_face, self.search_size = min_score, min_face, search_size
        self.mtcnn = Mtcnn(folder, threads or min(MOST_THREADS, usable_cores()))

    def sharing(self, searches: int) -> "MtcnnDetector":
        """The same detector for so many searches at once, which share the cores."""
        detector = copy(self)
        detector.mtcnn = Mtcnn(self.mtcnn.folder, min(self.mtcnn.threads, max(1, usable_cores() // searches)))
        return detector

    @property
    def enough(self) -> int | None:
        """Longest side, in pixels, of a photo that loses nothing in the search; None where the whole one may be needed."""
        return None if self.min_face >= 1 else self.search_size or SEARCH_SIZE

    def __call__(self, image: Image.Image) -> list[Face]:
        width, height = image.size
        least = self.least(max(width, height))
        scale = self._scale(max(width, height), least)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        # Reducing before the conversion keeps large photos from being copied.
        image = _reduced(image, size)
        pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
        found = self.mtcnn(pixels, max(float(self.smallest), least * scale))
        ratio = np.array((width, height)) / np.array(size)
        faces = [
            Face(tuple((box.reshape(2, 2) * ratio).ravel().tolist()), float(score), points * ratio)
            for box, score, points in zip(found.boxes, found.scores, found.points, strict=True)
            if score >= self.min_score
        ]
        # The networks move the edges of what they find, so that faces come out smaller than the windows that they were found in.
        return sorted((face for face in faces if face.size >= least), key=lambda face: face.size, reverse=True)

    def least(self, longest: int) -> float:
        """The least longer side of a face, in pixels of a photo of this longest side; 0 where faces of any size are asked for."""
        return self.min_face if self.min_face >= 1 else self.min_face * longest

    def _scale(self, longest: int, least: float) -> float:
        """How much a photo is reduced for the search of faces that have so many of its pixels at least."""
        if self.search_size is not None:
            scale = self.search_size / longest
        else:
            scale = max(SEARCH_SIZE / longest, self.smallest / self.min_face if self.min_face >= 1 else 0.0)
        return min(1.0, scale, self.plenty / least if least else 1.0)


def _reduced(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A photo at the size it is searched at, by whole factors first, which is faster."""
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)


def usable_cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


DETECTORS: dict[str, Any] = {"mtcnn": MtcnnDetector}
"""The detectors that a checkpoint may name in its preprocessor_config.json. A new one is a line here and a class like
`MtcnnDetector`: it takes device, min_face, search_size and threads, and where it has `files`, the folder that holds them. Those lie in
detectors/ and its name in the package, and in detectors/ of a checkpoint."""

DEFAULT_DETECTOR = "mtcnn"


def make_detector(
    name: str = DEFAULT_DETECTOR,
    device: Any = "cpu",
    min_face: float | None = None,
    search_size: int | None = None,
    threads: int | None = None,
    folder: Path | None = None,
) -> FaceDetector:
    """The detector of a name.

    Args:
        name: one of `DETECTORS`.
        device: where it runs, if it has a choice.
        min_face: faces whose longer side is less are left out: in pixels of the photo where it is 1 or more, else as a share of
            its longest side; the detector's own where it is None.
        search_size: longest side, in pixels, that larger photos are searched at; the detector's own where it is None.
        threads: processor cores that one search may use; the detector's own choice where it is None.
        folder: holds the detector's files; the package's own where it is None.

    Raises:
        ValueError: there is no detector of this name, or a setting is impossible.
    """
    if name not in DETECTORS:
        raise ValueError(f"The detector {name!r} is not known; choose one of {', '.join(map(repr, DETECTORS))}.")
    given = {"min_face": min_face, "search_size": search_size, "threads": threads, "folder": folder}
    detector: FaceDetector = DETECTORS[name](device, **{key: value for key, value in given.items() if value is not None})
    return detector


@dataclass(frozen=True)
class FaceCropper:
    """Cuts faces out of photos as squares.

    Args:
        size: height and width in pixels of what the network sees; crops are returned at up to twice that.
        margin: share of the box's longer side that is added to it.
        offset: share of the box's longer side by which the centre of the crop lies below (above, if negative) the box's.
        align: turn the photo so that the eyes are level.
    """

    size: int
    margin: float = 0.0
    offset: float = 0.0
    align: bool = True

    @classmethod
    def from_processor(cls, processor: Any) -> "FaceCropper":
        """Cuts faces as the training crops of a checkpoint were cut, which its image processor knows."""
        size = max(processor.size["height"], processor.size["width"])
        return cls(size, processor.face_margin, processor.face_offset, processor.face_alignment)

    def square(self, face: Face) -> tuple[np.ndarray, float, float]:
        """The square of the photo that a face is cut from: its centre (x, y) and side in pixels, its angle in radians."""
        left, top, right, bottom = face.box
        size = face.size
        angle = 0.0
        if self.align and face.points is not None:
            across = face.points[1] - face.points[0]
            angle = float(np.arctan2(across[1], across[0]))
        down = np.array([-np.sin(angle), np.cos(angle)])
        centre = np.array([left + right, top + bottom]) / 2 + self.offset * size * down
        return centre, size * (1 + self.margin), angle

    def map_points(self, points: np.ndarray, face: Face, size: int) -> np.ndarray:
        """Where points of a photo lie in the crop of a face.

        Args:
            points: (n, 2), (x, y) in pixels of the photo, the centre of the first pixel being (0, 0).
            face: the face that is cut out.
            size: height and width in pixels that the crop is resized to.

        Returns:
            (n, 2), (x, y) in pixels of the resized crop; may lie outside it.
        """
        centre, side, angle = self.square(face)
        cos, sin = np.cos(angle), np.sin(angle)
        upright = (points + 0.5 - centre) @ np.array([[cos, -sin], [sin, cos]])
        moved: np.ndarray = upright * size / side + size / 2 - 0.5
        return moved

    def __call__(self, image: Image.Image, face: Face) -> Image.Image:
        """
        Args:
            image: the photo.
            face: one of its faces.

        Returns:
            A square crop of the photo's mode; parts outside the photo mirror it, as in training.
        """
        centre, side, angle = self.square(face)
        region, corner = _cut(image, centre, side * (abs(np.cos(angle)) + abs(np.sin(angle))) / 2 + 2)
        # Reducing by whole factors first keeps large faces from aliasing in the rotation.
        factor = max(1, int(side // (2 * self.size)))
        if factor > 1:
            region = region.reduce(factor)
        out = max(1, round(side / factor))
        step = side / factor / out
        cos, sin = np.cos(angle) * step, np.sin(angle) * step
        middle = (centre - corner) / factor
        x = middle[0] - (cos - sin) * out / 2
        y = middle[1] - (sin + cos) * out / 2
        return region.transform((out, out), Image.Transform.AFFINE, (cos, -sin, x, sin, cos, y), Image.Resampling.BILINEAR)


def _cut(image: Image.Image, centre: np.ndarray, reach: float) -> tuple[Image.Image, np.ndarray]:
    """The part of a photo within `reach` of a point, mirrored beyond its borders, and where its corner lies."""
    low = np.floor(centre - reach).astype(int)
    high = np.ceil(centre + reach).astype(int)
    inside_low, inside_high = np.maximum(low, 0), np.minimum(high, image.size)
    if (inside_high <= inside_low).any():
        raise ValueError(f"A face lies wholly outside its picture of {image.width}x{image.height} pixels.")
    part = image.crop((*inside_low.tolist(), *inside_high.tolist()))
    before, after = inside_low - low, high - inside_high
    if (before > 0).any() or (after > 0).any():
        borders = [(int(before[1]), int(after[1])), (int(before[0]), int(after[0]))]
        pixels = np.asarray(part)
        part = Image.fromarray(np.pad(pixels, borders + [(0, 0)] * (pixels.ndim - 2), mode="symmetric"))
    return part, low
