"""Pictures of what was found, by their pixels."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from modeling_fer.answers_fer import Crop, ReadFace
from modeling_fer.doubt_fer import Doubt
from modeling_fer.inference.visualization import ACCENT, draw_faces, draw_overlay

SCORES = {"anger": 0.55, "fear": 0.45}
PHOTO = Image.new("RGB", (400, 300), "gray")


@pytest.fixture
def face() -> ReadFace:
    return ReadFace((50, 100, 150, 220), 0.99, SCORES, Crop(100, 160, 120), doubt=Doubt(tuple(SCORES), uncertain_below=0.5))


def unsure(face: ReadFace) -> ReadFace:
    """The same face with a threshold that its scores stay under."""
    return replace(face, doubt=Doubt(tuple(SCORES), uncertain_below=0.6))


def accented(picture: Image.Image) -> np.ndarray:
    """(height, width), bool: where a picture has the colour of boxes, names and bars."""
    colour = Image.new("RGB", (1, 1), ACCENT).getpixel((0, 0))
    return (np.asarray(picture) == colour).all(axis=2)


@pytest.mark.parametrize("track", [None, 3], ids=["photo", "video"])
def test_the_name_at_a_box_tells_doubt(face, track):
    widths = []
    for one in (face, unsure(face)):
        rows = accented(draw_faces(PHOTO, [replace(one, track=track)]))[:100]
        assert rows.any(), "the name does not stand above the box"
        widths.append(np.flatnonzero(rows.any(axis=0)).max() - 50)
    # "uncertain: " is about as long as the name of an expression.
    assert widths[1] > 1.5 * widths[0]


def test_the_rows_beside_a_photo_tell_doubt(face):
    sure, doubted = (np.asarray(draw_overlay(PHOTO, [one])) for one in (face, unsure(face)))
    beside = [(picture[:40, 400:] < 128).all(axis=2).sum() for picture in (sure, doubted)]
    assert sure.shape == doubted.shape and beside[1] > 1.5 * beside[0]


def test_a_photo_without_faces_is_only_a_photo():
    assert draw_overlay(PHOTO, []).tobytes() == PHOTO.tobytes()
