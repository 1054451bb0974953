"""What the page shows of a face: its crop under the relevance map, its probabilities, and their course through a video."""

import base64
import html
import io
from dataclasses import dataclass
from typing import Any

import pandas as pd
from PIL import Image

from modeling_fer.tables import Faces
from modeling_fer.video import TrackSummary
from modeling_fer.visualization import color_map, cut_crop

CROP_SIZE = 288


@dataclass(frozen=True)
class FaceView:
    """One face of a photo, ready to be shown.

    Attributes:
        title: `Face 1: happiness`.
        figure: HTML of the crop with the relevance map over it.
        scores: the probability of every expression.
    """

    title: str
    figure: str
    scores: dict[str, float]


def view_faces(photo: Image.Image, faces: Faces) -> list[FaceView]:
    """Makes the faces of a photo ready to be shown.

    Args:
        photo: what the pipeline was given.
        faces: what it returned.
    """
    return [view_face(photo, face, number) for number, face in enumerate(faces, start=1)]


def view_face(photo: Image.Image, face: dict[str, Any], number: int) -> FaceView:
    """Makes one face ready to be shown."""
    best = face["expressions"][0]
    crop = cut_crop(photo, face, 1.0, CROP_SIZE)
    layers = [picture(crop, "JPEG", f"Face {number} as the network sees it, read as {best['label']}")]
    if face["relevance_map"] is not None:
        layer = color_map(face["relevance_map"], crop.size)
        layers.append(picture(layer, "PNG", "Relevance map: brighter where more was read", 'class="fer-map"'))
    return FaceView(f"Face {number}: {best['label']}", f'<div class="fer-face">{"".join(layers)}</div>', scores_of(face))


def scores_of(face: dict[str, Any]) -> dict[str, float]:
    """The probability of every expression by its name."""
    return {one["label"]: one["score"] for one in face["expressions"]}


def picture(image: Image.Image, form: str, alt: str, attributes: str = "") -> str:
    """HTML of a picture that carries its own data, so that no file is left on the server."""
    return f'<img src="{data_url(image, form)}" alt="{html.escape(alt, quote=True)}" {attributes}>'


def data_url(image: Image.Image, form: str) -> str:
    """A picture as the text of an address: `data:image/png;base64,...`."""
    buffer = io.BytesIO()
    image.save(buffer, form, quality=85)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def portable(face: dict[str, Any]) -> dict[str, Any]:
    """A face as JSON holds it: its relevance map as a PNG in a data URL."""
    relevance_map = face["relevance_map"]
    return face | {"relevance_map": None if relevance_map is None else data_url(relevance_map, "PNG")}


def status(sentence: str) -> str:
    """HTML of a sentence that screen readers say when it changes."""
    return f'<p role="status" class="fer-status">{html.escape(sentence)}</p>'


def count_faces(faces: Faces) -> str:
    """A sentence on what was found in a photo."""
    if not faces:
        return "No face was found. Faces need to be seen from the front, and to be at least 20 pixels high."
    if len(faces) == 1:
        return "One face was found."
    return f"{len(faces)} faces were found, largest first; choose one below."


def count_tracks(tracks: list[TrackSummary], frames: list[tuple[float, Faces]]) -> str:
    """A sentence on what was found in a video."""
    if not tracks:
        return "No face was found in this video. Faces need to be seen from the front, and to be at least 20 pixels high."
    followed = "1 face was" if len(tracks) == 1 else f"{len(tracks)} faces were"
    return f"{followed} followed through {len(frames)} frames."


def track_title(summary: TrackSummary) -> str:
    """`Track 0: happiness, 0.2 to 9.8 s`; the number stands at the box in the video and in the table too."""
    return f"Track {summary.track}: {summary.expressions[0]['label']}, {summary.first:.1f} to {summary.last:.1f} s"


def timeline(frames: list[tuple[float, Faces]], track: int) -> pd.DataFrame:
    """The probabilities of one face through a video.

    Args:
        frames: time and faces of each frame.
        track: number of the face.

    Returns:
        A row for each frame and expression, with `seconds`, `expression` and `probability`.
    """
    rows = [
        (time, one["label"], one["score"])
        for time, faces in frames
        for face in faces
        if face["track"] == track
        for one in face["expressions"]
    ]
    return pd.DataFrame(rows, columns=["seconds", "expression", "probability"])
