"""What stands at the faces of a photo, and where there is room for it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from modeling_fer.answers_fer import Faces, ReadFace
from modeling_fer.inference.fonts import choose_font

PAPER, ACCENT = "#ffffff", "#c2410c"
SMALLEST_TEXT = 12
"""Pixels."""

Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""


@dataclass(frozen=True)
class Label:
    """What stands at a box, and where.

    Attributes:
        text, font: what, and how it is written.
        area: the rectangle that it covers.
    """

    text: str
    font: ImageFont.FreeTypeFont
    area: Rectangle

    def draw(self, photo: Image.Image) -> None:
        """Writes it on a photo."""
        draw = ImageDraw.Draw(photo)
        draw.rectangle(self.area, fill=ACCENT)
        draw.text((self.area[0] + 4, self.area[1] + 3), self.text, fill=PAPER, font=self.font)


def place_labels(size: tuple[int, int], faces: Faces, boxes: np.ndarray) -> list[Label]:
    """The labels of the faces that have room for one, the first faces having the first choice.

    Args:
        size: width and height of the photo in pixels.
        faces: what was read.
        boxes: (faces, 4), float: theirs, in pixels of the photo.
    """
    labels: list[Label] = []
    for index in range(len(faces)):
        labels += _place_label(size, faces, index, boxes, labels)
    return labels


def _place_label(size: tuple[int, int], faces: Faces, index: int, boxes: np.ndarray, placed: list[Label]) -> list[Label]:
    """The label of a face: its name where that has room, else its number; none where that has no room either.

    Args:
        size: width and height of the photo in pixels.
        faces, index: all faces, and which of them.
        boxes: (faces, 4), float: theirs, in pixels of the photo.
        placed: labels of the faces before.
    """
    face, box, others = faces[index], boxes[index], np.delete(boxes, index, axis=0)
    taken = np.array([label.area for label in placed]).reshape(-1, 4)
    pixels = _text_size(size, box)
    # The place above a face is that face's own, however long the name of its neighbour.
    others[:, 1] -= 2 * pixels
    font = choose_font("".join(face.scores), pixels)
    for text in filter(None, (_name(face, index + 1, len(faces)), _number(face, index + 1))):
        for area in _areas(text, font, box, size):
            if _inside(area, (0, 0, *size)) and not _meets(area, taken) and (_inside(area, box) or not _meets(area, others)):
                return [Label(text, font, area)]
    return []


def _name(face: ReadFace, number: int, count: int) -> str:
    """What stands at a box: the number of the face's track in a video, of the face where a photo has several, and its
    expression, after "uncertain" where it is.
    """
    expression = f"{'uncertain: ' if face.uncertain else ''}{face.expression} {face.probability:.0%}"
    if face.track is not None:
        return f"{face.track} {expression}"
    return expression if count == 1 or face.scores_of_frame else f"{number} {expression}"


def _number(face: ReadFace, number: int) -> str:
    """What stands at a box that has no room for a name. A face of a video that is no track's has no number."""
    if face.track is not None:
        return str(face.track)
    return "" if face.scores_of_frame else str(number)


def _text_size(size: tuple[int, int], box: np.ndarray) -> int:
    """Pixels of the text at a box: as large as suits the face, but no larger than suits the photo."""
    return max(SMALLEST_TEXT, min(round(min(size) / 32), round(float(box[2] - box[0]) / 6)))


def _areas(text: str, font: ImageFont.FreeTypeFont, box: np.ndarray, size: tuple[int, int]) -> list[Rectangle]:
    """Where a label may be, the best first: above its box, or below that where the photo ends above; inside at the top."""
    left, top, _, bottom = box.tolist()
    width, height = font.getlength(text) + 8, sum(font.getmetrics()) + 6
    x = min(max(left, 0), max(size[0] - width, 0))
    starts = [top - height if top >= height else bottom]
    # The text of a tiny face would hide it.
    starts += [max(top, 0)] if height < (bottom - top) / 2 else []
    return [(x, y, x + width, y + height) for y in starts]


def _inside(area: Rectangle, other: Rectangle | np.ndarray) -> bool:
    return bool(area[0] >= other[0] and area[1] >= other[1] and area[2] <= other[2] and area[3] <= other[3])


def _meets(area: Rectangle, others: np.ndarray) -> bool:
    """Whether a rectangle covers a part of one of (n, 4) others."""
    low, high = np.maximum(area[:2], others[:, :2]), np.minimum(area[2:], others[:, 2:])
    return bool((low < high).all(axis=1).any())
