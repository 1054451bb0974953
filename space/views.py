"""What the page shows of a face: its crop under the relevance map, its probabilities, and their course through a video."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from modeling_fer.answers_fer import Answer, Faces, ReadFace, data_url
from modeling_fer.inference.tables import face_columns, face_rows, open_rows
from modeling_fer.inference.tracking import TrackSummary
from modeling_fer.inference.visualization import color_map, cut_crop

CROP_SIZE = 288
POSSIBLE = "Rare expressions count as possible sooner, so that each is missed in about one of ten faces that show it."
COVERAGE = 0.9
"""How often the sets of expressions that are shown hold the right one."""

COLORS = ["#7c8594", "#ab7500", "#0d9a8c", "#2f7fe0", "#e23b30", "#3f962f", "#9062dd", "#dd3f9e"]
"""Of the lines of a timeline: each has a contrast of 3 to 1 at least, on the page's white and on its dark gray."""


@dataclass(frozen=True)
class FaceView:
    """One face of a photo, ready to be shown.

    Attributes:
        title: `Face 1: happiness`, or `Face 1: fear, uncertain`.
        figure: HTML of the crop with the relevance map over it.
        verdict: HTML of the answer, see `verdict`.
        scores: the probability of every expression.
    """

    title: str
    figure: str
    verdict: str
    scores: dict[str, float]


def view_faces(photo: Image.Image, faces: Faces) -> list[FaceView]:
    """Makes the faces of a photo ready to be shown.

    Args:
        photo: what the pipeline was given.
        faces: what it returned.
    """
    return [view_face(photo, face, number) for number, face in enumerate(faces, start=1)]


def view_face(photo: Image.Image, face: ReadFace, number: int) -> FaceView:
    """Makes one face ready to be shown."""
    crop = cut_crop(photo, face, 1.0, CROP_SIZE)
    layers = [picture(crop, "JPEG", f"Face {number} as the network sees it, read as {face.expression}")]
    if face.relevance_map is not None:
        layer = color_map(face.relevance_map, crop.size)
        layers.append(picture(layer, "PNG", "Relevance map: brighter where more was read", 'class="fer-map"'))
    figure = f'<div class="fer-face">{"".join(layers)}</div>'
    return FaceView(f"Face {number}: {name_answer(face)}", figure, verdict(face), face.scores)


def name_answer(answer: Answer) -> str:
    """`happiness`, or `fear, uncertain`."""
    return answer.expression + (", uncertain" if answer.uncertain else "")


def verdict(face: ReadFace) -> str:
    """HTML of the answer in large letters, and below it how far to trust it, as far as the checkpoint knows."""
    doubts = []
    if face.uncertain:
        doubts.append(f"No expression is likely enough to be the answer. The likeliest is {face.expression}.")
    if members := known_set(face):
        doubts.append(f"Possible: {', '.join(members)}. {POSSIBLE}")
    large = "uncertain" if face.uncertain else face.expression
    return f'<p class="fer-verdict">{html.escape(large)}</p><p>{html.escape(" ".join(doubts))}</p>'


def known_set(face: ReadFace) -> list[str]:
    """The set of expressions of a face; empty where the checkpoint has no thresholds for it."""
    try:
        return face.expression_set(COVERAGE)
    except ValueError:
        return []


def tabulate_faces(faces: Faces) -> pd.DataFrame:
    """A row for each face of a photo."""
    rows = [
        {
            "face": number,
            "expression": face.expression,
            "probability": f"{face.probability:.1%}",
            "uncertain": {True: "yes", False: "no", None: "unknown"}[face.uncertain],
            "possible": ", ".join(known_set(face)),
            "box": " ".join(map(str, face.box)),
        }
        for number, face in enumerate(faces, start=1)
    ]
    return pd.DataFrame(rows)


def table_of_faces(faces: Faces) -> str:
    """HTML of a table with a row for each face of a photo."""
    table = tabulate_faces(faces).to_html(index=False, border=0, classes="fer-table")
    return f"<h2>All faces</h2>{table}"


def write_table(path: Path, name: str, faces: Faces, labels: Sequence[str]) -> None:
    """Writes the faces of a photo as `fer predict --output faces.csv --sets 0.9` does, or without sets where the checkpoint has none.

    Args:
        path: file to write.
        name: of the photo.
        faces: what was found in it, at least one.
        labels: all expressions, in the order of their columns.
    """
    sets = COVERAGE if known_set(faces[0]) else None
    with open_rows(path, face_columns(labels, timed=False, sets=sets is not None)) as rows:
        rows.write(face_rows(name, faces, sets=sets))


def picture(image: Image.Image, form: str, alt: str, attributes: str = "") -> str:
    """HTML of a picture that carries its own data, so that no file is left on the server."""
    return f'<img src="{data_url(image, form)}" alt="{html.escape(alt, quote=True)}" {attributes}>'


def status(sentence: str) -> str:
    """HTML of a sentence that screen readers say when it changes."""
    return f'<p role="status" class="fer-status">{html.escape(sentence)}</p>'


SCROLL_ON_PHONES = """() => {
    const place = [...document.querySelectorAll('.fer-status')].find(one => one.offsetParent);
    if (matchMedia('(max-width: 640px)').matches) place?.scrollIntoView();
}"""
"""On a phone, goes to the first sentence that is seen: that of the tab, which the answer follows."""


def count_seen(faces: Faces) -> str:
    """A sentence on what is seen before a camera."""
    if not faces:
        return "No face is seen."
    return "One face is seen." if len(faces) == 1 else f"{len(faces)} faces are seen; the answer is that of the largest."


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
    """`Track 0: fear, uncertain, 0.2 to 9.8 s`; the number stands at the box in the video and in the table too."""
    return f"Track {summary.track}: {name_answer(summary)}, {summary.first:.1f} to {summary.last:.1f} s"


def timeline(frames: list[tuple[float, Faces]], track: int) -> pd.DataFrame:
    """The probabilities of one face through a video.

    Args:
        frames: time and faces of each frame.
        track: number of the face.

    Returns:
        A row for each frame and expression, with `seconds`, `expression` and `probability`.
    """
    rows = [
        (time, label, score)
        for time, faces in frames
        for face in faces
        if face.track == track
        for label, score in face.scores.items()
    ]
    return pd.DataFrame(rows, columns=["seconds", "expression", "probability"])


def color_lines(labels: Sequence[str]) -> dict[str, str]:
    """The colour of each expression's line."""
    return {label: COLORS[index % len(COLORS)] for index, label in enumerate(labels)}


def legend(colors: dict[str, str]) -> str:
    """HTML that says which line is which; the plot's own legend is cut off where the page is narrow."""
    lines = [f'<li><span style="background: {color}"></span>{html.escape(label)}</li>' for label, color in colors.items()]
    return f'<ul class="fer-legend">{"".join(lines)}</ul>'
