"""Faces in a photo: found by a detector, turned upright, cut out as squares that look like the training crops.

It travels with every checkpoint, because crops made otherwise than the training crops give wrong answers without a warning.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from .configuration_fer import FerConfig

SEARCH_SIZE = 640
"""Photos are searched at this longest side, in pixels, unless they are smaller."""


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


class FaceDetector(Protocol):
    """Anything that finds faces: `detector(photo)`."""

    def __call__(self, image: Image.Image) -> list[Face]:
        """
        Args:
            image: a photo, mode RGB or L.

        Returns:
            Its faces, in pixels of the photo, largest first; an empty list where there is none.
        """
        ...


class MtcnnDetector:
    """The paper's detector: MTCNN (Zhang et al. 2016) as packaged, with its weights, in facenet-pytorch.

    Args:
        device: where it runs.
        min_score: faces that MTCNN is less sure of are left out, in [0, 1].
        min_face: least height or width of a face, as a share of the photo's longest side; in a photo that is searched at its own
            size never less than 20 pixels, which is as small as MTCNN sees.
        search_size: longest side, in pixels, that larger photos are reduced to for the search.

    Raises:
        ImportError: facenet-pytorch is not installed.
    """

    def __init__(
        self,
        device: str | torch.device = "cpu",
        min_score: float = 0.9,
        min_face: float = 0.03,
        search_size: int = SEARCH_SIZE,
    ):
        try:
            from facenet_pytorch import MTCNN
        except ImportError as error:
            raise ImportError(
                "Finding faces needs facenet-pytorch; install it (pip install 'facenet-pytorch<2.6'), give the pipeline another "
                "detector, or pass boxes."
            ) from error
        self.min_score, self.min_face, self.search_size = min_score, min_face, search_size
        self.mtcnn = MTCNN(keep_all=True, device=device)

    def __call__(self, image: Image.Image) -> list[Face]:
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[Image.Image]) -> list[list[Face]]:
        """The faces of several photos of one size at once, which keeps an accelerator busier than one by one.

        Args:
            images: photos, mode RGB or L, all of the same width and height.

        Returns:
            For each photo its faces, largest first.
        """
        width, height = images[0].size
        scale = min(1.0, self.search_size / max(width, height))
        searched = [image.convert("RGB") for image in images]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if scale < 1:
            searched = [image.resize(size, Image.Resampling.BILINEAR) for image in searched]
        # A copy shares the networks but not the setting, so that threads may search photos of different sizes with one detector.
        mtcnn = copy(self.mtcnn)
        mtcnn.min_face_size = max(20, self.min_face * max(size))
        if min(size) < mtcnn.min_face_size:
            return [[] for _ in images]
        boxes, scores, points = mtcnn.detect(searched, landmarks=True)
        ratio = np.array((width, height)) / np.array(size)
        return [self._faces(*found, ratio) for found in zip(boxes, scores, points, strict=True)]

    def _faces(self, boxes: np.ndarray | None, scores: np.ndarray, points: np.ndarray, ratio: np.ndarray) -> list[Face]:
        if boxes is None:
            return []
        faces = [
            Face(
                tuple((np.reshape(box, (2, 2)) * ratio).ravel().tolist()), float(score), np.asarray(point * ratio, dtype=float)
            )
            for box, score, point in zip(boxes, scores, points, strict=True)
            if score >= self.min_score
        ]
        return sorted(faces, key=lambda face: face_size(face.box), reverse=True)


def face_size(box: tuple[float, float, float, float]) -> float:
    """The longer side of a box in pixels."""
    return max(box[2] - box[0], box[3] - box[1])


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
    def from_config(cls, config: FerConfig) -> "FaceCropper":
        """Cuts faces as the training crops of a checkpoint were cut."""
        return cls(config.image_size, config.face_margin, config.face_offset, config.face_alignment)

    def square(self, face: Face) -> tuple[np.ndarray, float, float]:
        """The square of the photo that a face is cut from: its centre (x, y) and side in pixels, its angle in radians."""
        left, top, right, bottom = face.box
        size = face_size(face.box)
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
        return upright * size / side + size / 2 - 0.5

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
