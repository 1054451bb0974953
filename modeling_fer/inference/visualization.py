"""Pictures of what the pipeline found: boxes, expressions, probability bars, and relevance maps over the faces."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from modeling_fer.answers_fer import Crop, Faces, ReadFace
from modeling_fer.inference.fonts import choose_font, shorten
from modeling_fer.inference.labels import ACCENT, PAPER, place_labels

LONGEST_SIDE = 1600
ROW_HEIGHT = 220
MARGIN = 16
INK, TRACK = "#1d2733", "#e7eaee"
MAX_OPACITY = 0.65

LEAST_ROWS, MOST_COLUMNS = 6, 3
"""Beside a photo stand as many rows as it is high, but six beside a low one, and in no more columns than three."""

BARS_START, LATEST_START = 95, 295
"""Pixels from where a name begins to its bar: those that common names need, and the most that longer ones get."""


def color_map(relevance_map: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A relevance map as a coloured, partly transparent layer: clear where it is zero, red to yellow towards its peak.

    Args:
        relevance_map: mode L, as the pipeline gives it.
        size: width and height of the layer in pixels.

    Returns:
        An image of mode RGBA.
    """
    relevance = relevance_map.resize(size, Image.Resampling.BICUBIC)
    layer = ImageOps.colorize(relevance, black="#5b0f8b", mid="#ef4444", white="#fde047").convert("RGBA")
    layer.putalpha(relevance.point([round(level * MAX_OPACITY) for level in range(256)]))
    return layer


def draw_overlay(image: Image.Image, faces: Faces, bars: int = 5, full_width: int | None = None) -> Image.Image:
    """A photo with its faces: on the photo the boxes, names and relevance maps; beside it a row for each face with the crop, the
    crop under its map, and bars of the likeliest expressions. Of many faces only the first have a row.

    Args:
        image: the upright photo, or a smaller copy of it, see `reduce_photo`.
        faces: what was read in it, largest first; may be empty.
        bars: how many expressions to draw for each face.
        full_width: width in pixels of the photo whose pixels the faces' boxes are in; that of the image where it is None.

    Returns:
        An image of mode RGB; its photo is reduced to at most 1600 pixels.
    """
    clean = reduce_photo(image)
    scale = clean.width / (full_width or image.width)
    photo = draw_faces(image, faces, full_width)
    if not faces:
        return photo
    rows_a_column = max(LEAST_ROWS, photo.height // ROW_HEIGHT)
    shown = faces[: MOST_COLUMNS * rows_a_column]
    names = _Names.of(shown, bars)
    rows = [_face_row(clean, face, scale, names, number) for number, face in enumerate(shown, start=1)]
    panel = _in_columns(rows, math.ceil(len(rows) / rows_a_column))
    return _beside(photo, panel if len(shown) == len(faces) else _with_note(panel, len(faces) - len(shown)))


def draw_faces(image: Image.Image, faces: Faces, full_width: int | None = None) -> Image.Image:
    """A photo with boxes, names and relevance maps on its faces. Where a name has no room, only the face's number stands.

    Args:
        image, faces, full_width: as for `draw_overlay`.

    Returns:
        An image of mode RGB, reduced to at most 1600 pixels.
    """
    photo = reduce_photo(image)
    scale = photo.width / (full_width or image.width)
    for face in faces:
        _paste_map(photo, face, scale)
    boxes = np.array([face.box for face in faces], float).reshape(-1, 4) * scale
    for box in boxes:
        _draw_box(photo, box)
    for label in place_labels(photo.size, faces, boxes):
        label.draw(photo)
    return photo


def reduce_photo(image: Image.Image) -> Image.Image:
    """A copy of a photo, mode RGB, at most `LONGEST_SIDE` pixels long."""
    scale = min(1.0, LONGEST_SIDE / max(image.size))
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        return image.resize(size, Image.Resampling.BICUBIC).convert("RGB")
    photo = image.convert("RGB")
    return photo if photo is not image else photo.copy()


def cut_crop(photo: Image.Image, face: ReadFace, scale: float, size: int) -> Image.Image:
    """The crop of a face as the network saw it, cut from a photo that was scaled by `scale`, at size x size pixels."""
    matrix = _crop_to_photo(face.crop, scale, size)
    return photo.transform((size, size), Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BICUBIC)


def _crop_to_photo(crop: Crop, scale: float, size: int) -> np.ndarray:
    """(2, 3): from pixels of the crop to pixels of the scaled photo."""
    angle, step = np.radians(crop.angle), crop.size * scale / size
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * step
    centre = np.array([crop.x, crop.y]) * scale
    return np.column_stack([linear, centre - linear @ np.full(2, size / 2)])


def _paste_map(photo: Image.Image, face: ReadFace, scale: float) -> None:
    if face.relevance_map is None:
        return
    size = max(1, round(face.crop.size * scale))
    layer = color_map(face.relevance_map, (size, size))
    forward = np.vstack([_crop_to_photo(face.crop, scale, size), [0, 0, 1]])
    corners = forward[:2] @ [[0, size, size, 0], [0, 0, size, size], [1, 1, 1, 1]]
    # Only the part of the photo that the crop covers, which is small in most photos.
    low = np.clip(np.floor(corners.min(1)), 0, photo.size).astype(int)
    high = np.clip(np.ceil(corners.max(1)), 0, photo.size).astype(int)
    if (high <= low).any():
        return
    backward = np.linalg.inv(forward)[:2]
    backward[:, 2] += backward[:, :2] @ low
    region = (int(high[0] - low[0]), int(high[1] - low[1]))
    placed = layer.transform(region, Image.Transform.AFFINE, tuple(backward.ravel()), Image.Resampling.BILINEAR)
    photo.paste(placed.convert("RGB"), (int(low[0]), int(low[1])), placed.getchannel("A"))


def _draw_box(photo: Image.Image, box: np.ndarray) -> None:
    left, top, right, bottom = box.tolist()
    width = max(2, min(round(min(photo.size) / 250), round((right - left) / 25)))
    ImageDraw.Draw(photo).rectangle((left, top, right, bottom), outline=ACCENT, width=width)


@dataclass(frozen=True)
class _Names:
    """How the names of expressions stand before their bars.

    Attributes:
        font: what they are written in.
        bars: how many each face has.
        start: pixels from where a name begins to its bar.
    """

    font: ImageFont.FreeTypeFont
    bars: int
    start: int

    @classmethod
    def of(cls, faces: Faces, bars: int) -> "_Names":
        """Room for the longest name of all faces, so that their bars begin below each other."""
        names = {name for face in faces for name in list(face.scores)[:bars]}
        font = choose_font("".join(sorted(names)), 16)
        longest = max((font.getlength(name) for name in names), default=0)
        return cls(font, bars, min(max(BARS_START, round(longest) + 14), LATEST_START))


def _face_row(photo: Image.Image, face: ReadFace, scale: float, names: _Names, number: int) -> Image.Image:
    side = ROW_HEIGHT - 2 * MARGIN
    row = Image.new("RGB", (3 * MARGIN + 2 * side + names.start + 235, ROW_HEIGHT), PAPER)
    crop = cut_crop(photo, face, scale, side)
    row.paste(crop, (MARGIN, MARGIN))
    if face.relevance_map is not None:
        layer = color_map(face.relevance_map, crop.size)
        row.paste(Image.composite(layer.convert("RGB"), crop, layer.getchannel("A")), (2 * MARGIN + side, MARGIN))
    title = f"face {number}, uncertain" if face.uncertain else f"face {number}"
    _draw_bars(row, face, 3 * MARGIN + 2 * side, names, title)
    return row


def _draw_bars(row: Image.Image, face: ReadFace, left: int, names: _Names, title: str) -> None:
    draw = ImageDraw.Draw(row)
    font = ImageFont.load_default(16)
    draw.text((left, MARGIN - 4), title, fill=INK, font=font)
    scores = list(face.scores.items())[: names.bars]
    step = (ROW_HEIGHT - 2 * MARGIN - 20) / max(len(scores), 1)
    for index, (label, score) in enumerate(scores):
        y = MARGIN + 22 + index * step
        start = left + names.start
        # Many bars leave less than the gap between them; each is a line then.
        bar = (start, y + 2, start + 160, y + max(2, min(step - 6, 20)))
        draw.text((left, y), shorten(label, names.font, names.start - 14), fill=INK, font=names.font)
        draw.rectangle(bar, fill=TRACK)
        draw.rectangle((*bar[:2], bar[0] + score * (bar[2] - bar[0]), bar[3]), fill=ACCENT)
        draw.text((start + 167, y), f"{score:.1%}", fill=INK, font=font)


def _in_columns(rows: list[Image.Image], columns: int) -> Image.Image:
    """Rows below each other, in columns of about equal height."""
    height = math.ceil(len(rows) / columns)
    panel = Image.new("RGB", (columns * rows[0].width, height * ROW_HEIGHT), PAPER)
    for index, row in enumerate(rows):
        panel.paste(row, (index // height * row.width, index % height * ROW_HEIGHT))
    return panel


def _with_note(panel: Image.Image, count: int) -> Image.Image:
    """A panel that says below its last column how many faces are left out."""
    noted = ImageOps.expand(panel, (0, 0, 0, 2 * MARGIN), PAPER)
    text = f"and {count} more face{'' if count == 1 else 's'}"
    place = (panel.width - MARGIN, panel.height)
    ImageDraw.Draw(noted).text(place, text, fill=INK, font=ImageFont.load_default(16), anchor="ra")
    return noted


def _beside(photo: Image.Image, panel: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", (photo.width + panel.width, max(photo.height, panel.height)), PAPER)
    canvas.paste(photo, (0, 0))
    canvas.paste(panel, (photo.width, 0))
    return canvas
