"""Pictures of what was found, by their pixels."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from modeling_fer.answers_fer import Crop, ReadFace
from modeling_fer.doubt_fer import Doubt
from modeling_fer.inference.labels import ACCENT
from modeling_fer.inference.visualization import TRACK, draw_faces, draw_overlay

SCORES = {"anger": 0.55, "fear": 0.45}
PHOTO = Image.new("RGB", (400, 300), "gray")


@pytest.fixture
def face() -> ReadFace:
    return ReadFace((50, 100, 150, 220), 0.99, SCORES, Crop(100, 160, 120), doubt=Doubt(tuple(SCORES), uncertain_below=0.5))


def unsure(face: ReadFace) -> ReadFace:
    """The same face with a threshold that its scores stay under."""
    return replace(face, doubt=Doubt(tuple(SCORES), uncertain_below=0.6))


def coloured(picture: Image.Image, name: str) -> np.ndarray:
    """(height, width), bool: where a picture has a colour."""
    colour = Image.new("RGB", (1, 1), name).getpixel((0, 0))
    return (np.asarray(picture) == colour).all(axis=2)


def accented(picture: Image.Image) -> np.ndarray:
    """(height, width), bool: where a picture has the colour of boxes, names and bars."""
    return coloured(picture, ACCENT)


def crowd(face: ReadFace, columns: int, rows: int) -> list[ReadFace]:
    """Faces of 60 x 80 pixels in a grid, 120 x 150 pixels from each other."""
    corners = [(120 * column + 30, 150 * row + 50) for row in range(rows) for column in range(columns)]
    return [replace(face, box=(x, y, x + 60, y + 80), crop=Crop(x + 30, y + 40, 80)) for x, y in corners]


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


def test_few_faces_stand_in_one_column(face):
    assert draw_overlay(PHOTO, [face] * 6).size == (400 + 754, 6 * 220)


@pytest.mark.parametrize(("count", "columns"), [(7, 2), (13, 3), (18, 3)])
def test_more_faces_stand_in_columns(face, count, columns):
    assert draw_overlay(PHOTO, [face] * count).size == (400 + columns * 754, -(-count // columns) * 220)


def test_the_picture_of_a_crowd_is_limited_and_tells_what_it_leaves_out(face):
    picture = draw_overlay(Image.new("RGB", (1200, 1500), "gray"), crowd(face, 10, 10))
    assert picture.size == (1200 + 3 * 754, 1500)
    below = np.asarray(picture)[6 * 220 :, 1200:]
    assert (below < 128).any(), "nothing tells that faces are left out"
    assert (below[:, : 2 * 754] == 255).all()


def test_labels_in_a_crowd_cover_no_other_face_and_not_each_other(face):
    faces = crowd(unsure(face), 10, 10)
    drawn = accented(draw_faces(Image.new("RGB", (1300, 1500), "gray"), faces))
    for one in faces:
        left, top, right, bottom = one.box
        assert not drawn[top + 5 : bottom - 5, left + 5 : right - 5].any(), "a face is covered"
        assert drawn[top - 10, left + 2], "a face has no label"
        assert not drawn[top - 20 : top - 5, left - 25 : left - 5].any(), "the label before is too wide"


def test_a_name_with_room_stands_in_full_and_as_large_as_suits_its_face(face):
    heights = []
    for width in (40, 120, 240):
        one = replace(face, box=(300, 400, 300 + width, 400 + width))
        above = accented(draw_faces(Image.new("RGB", (1000, 1000), "gray"), [one, replace(one, box=(0, 900, 9, 909))]))[:400]
        heights.append(above.any(axis=1).sum())
        assert above.any(axis=0).sum() > 3 * heights[-1], "only a number stands there"
    assert heights[0] < heights[1] < heights[2] < 50


def test_no_label_leaves_the_photo_or_hides_a_tiny_face(face):
    drawn = accented(draw_faces(Image.new("RGB", (60, 60), "gray"), [replace(face, box=(20, 15, 40, 43))]))
    assert drawn[15, 20:40].all() and not drawn[20:40, 25:36].any() and drawn[:, :20].sum() == 0


@pytest.mark.parametrize("bars", [20, 24, 80])
def test_bars_of_many_expressions_stay_apart(face, bars):
    scores = {f"expression {number}": 1 / bars for number in range(bars)}
    picture = draw_overlay(PHOTO, [replace(face, scores=scores, doubt=None)], bars=bars)
    column = coloured(picture, TRACK)[:, 400:][:, -100]
    assert np.count_nonzero(np.diff(column.astype(int)) == 1) == bars


@pytest.mark.parametrize("name", ["anger", "nicht so ganz froh und heiter", "long" * 40], ids=["short", "long", "cut"])
def test_bars_begin_behind_the_longest_name(face, name):
    faces = [replace(face, scores={one: 0.6, "fear": 0.4}, doubt=None) for one in (name, "anger")]
    picture = draw_overlay(PHOTO, faces)
    bars = coloured(picture, TRACK)
    first = np.flatnonzero(bars.any(axis=0))[0]
    starts = [np.flatnonzero(row)[0] for row in accented(picture)[:, 400:] if row.any()]
    assert len(set(starts)) == 1, "the bars begin at different places"
    assert first > starts[0] + 400
    before = np.asarray(picture)[:, starts[0] + 400 - 10 : starts[0] + 400]
    assert (before == 255).all(), "a name runs up to its bar"
    assert picture.width <= 400 + 954
