"""Pictures of what the pipeline found: boxes, expressions, probability bars, and relevance maps over the faces."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from modeling_fer.answers_fer import Crop, Faces, ReadFace

LONGEST_SIDE = 1600
ROW_HEIGHT = 220
MARGIN = 16
INK, PAPER, ACCENT, TRACK = "#1d2733", "#ffffff", "#c2410c", "#e7eaee"
MAX_OPACITY = 0.65


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
    crop under its map, and bars of the likeliest expressions.

    Args:
        image: the upright photo, or a smaller copy of it, see `reduce_photo`.
        faces: what was read in it; may be empty.
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
    return _beside(photo, [_face_row(clean, face, scale, bars, number) for number, face in enumerate(faces, start=1)])


def draw_faces(image: Image.Image, faces: Faces, full_width: int | None = None) -> Image.Image:
    """A photo with boxes, names and relevance maps on its faces.

    Args:
        image, faces, full_width: as for `draw_overlay`.

    Returns:
        An image of mode RGB, reduced to at most 1600 pixels.
    """
    photo = reduce_photo(image)
    scale = photo.width / (full_width or image.width)
    for face in faces:
        _paste_map(photo, face, scale)
    for number, face in enumerate(faces, start=1):
        _draw_box(photo, face, scale, _name(face, number, len(faces)))
    return photo


def _name(face: ReadFace, number: int, count: int) -> str:
    """What stands at a box: the number of the face's track in a video, of the face where a photo has several, and its
    expression, after "uncertain" where it is.
    """
    expression = f"{'uncertain: ' if face.uncertain else ''}{face.expression} {face.probability:.0%}"
    if face.track is not None:
        return f"{face.track} {expression}"
    return expression if count == 1 or face.scores_of_frame else f"{number} {expression}"


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


def _draw_box(photo: Image.Image, face: ReadFace, scale: float, text: str) -> None:
    draw = ImageDraw.Draw(photo)
    left, top, right, bottom = (edge * scale for edge in face.box)
    width = max(2, round(min(photo.size) / 250))
    draw.rectangle((left, top, right, bottom), outline=ACCENT, width=width)
    font = ImageFont.load_default(max(12, round(min(photo.size) / 32)))
    _, _, text_right, text_bottom = draw.textbbox((0, 0), text, font=font)
    height = text_bottom + 6
    x = min(max(left, 0), max(photo.width - text_right - 8, 0))
    y = top - height if top >= height else max(top, 0)
    draw.rectangle((x, y, x + text_right + 8, y + height), fill=ACCENT)
    draw.text((x + 4, y + 2), text, fill=PAPER, font=font)


def _face_row(photo: Image.Image, face: ReadFace, scale: float, bars: int, number: int) -> Image.Image:
    side = ROW_HEIGHT - 2 * MARGIN
    row = Image.new("RGB", (3 * MARGIN + 2 * side + 330, ROW_HEIGHT), PAPER)
    crop = cut_crop(photo, face, scale, side)
    row.paste(crop, (MARGIN, MARGIN))
    if face.relevance_map is not None:
        layer = color_map(face.relevance_map, crop.size)
        row.paste(Image.composite(layer.convert("RGB"), crop, layer.getchannel("A")), (2 * MARGIN + side, MARGIN))
    title = f"face {number}, uncertain" if face.uncertain else f"face {number}"
    _draw_bars(row, list(face.scores.items())[:bars], 3 * MARGIN + 2 * side, title)
    return row


def _draw_bars(row: Image.Image, scores: list[tuple[str, float]], left: int, title: str) -> None:
    draw = ImageDraw.Draw(row)
    font = ImageFont.load_default(16)
    draw.text((left, MARGIN - 4), title, fill=INK, font=font)
    step = (ROW_HEIGHT - 2 * MARGIN - 20) / max(len(scores), 1)
    for index, (label, score) in enumerate(scores):
        y = MARGIN + 22 + index * step
        bar = (left + 95, y + 2, left + 255, y + min(step - 6, 20))
        draw.text((left, y), label, fill=INK, font=font)
        draw.rectangle(bar, fill=TRACK)
        draw.rectangle((*bar[:2], bar[0] + score * (bar[2] - bar[0]), bar[3]), fill=ACCENT)
        draw.text((left + 262, y), f"{score:.1%}", fill=INK, font=font)


def _beside(photo: Image.Image, rows: list[Image.Image]) -> Image.Image:
    height = max(photo.height, ROW_HEIGHT * len(rows))
    canvas = Image.new("RGB", (photo.width + rows[0].width, height), PAPER)
    canvas.paste(photo, (0, 0))
    for index, row in enumerate(rows):
        canvas.paste(row, (photo.width, index * ROW_HEIGHT))
    return canvas
