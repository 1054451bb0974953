"""The tab for a photo: its faces, and where each was read."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gpu import on_gpu
from limits import MAX_PHOTO_MEGABYTES, note_animation, note_unseen, open_photo
from messages import explained
from photo_input import PhotoInput
from PIL import Image
from reading import load_reader
from views import SCROLL_ON_PHONES, FaceView, count_faces, status, table_of_faces, view_faces, write_table

from modeling_fer.answers_fer import Faces
from modeling_fer.inference.visualization import draw_faces, draw_overlay

HERE = Path(__file__).parent
EXAMPLES = {
    "Eileen Collins, NASA": "astronaut.jpg",
    "Grace Hopper, US Navy": "hopper.jpg",
    "Mona Lisa, Leonardo da Vinci": "mona_lisa.jpg",
    "All three": "faces.jpg",
}
"""What each is called on the page, and its file in examples/."""

WELCOME = "Choose a photo, or click an example."
SET_OPACITY = "value => { document.documentElement.style.setProperty('--fer-map-opacity', value / 100) }"


@on_gpu
def find_faces(photo: Image.Image, repository: str, prior: float | None = None) -> Faces:
    """The faces of a photo; `prior` as for the pipeline."""
    return load_reader(repository).read_photo(photo, prior)


def predict(path: str | None) -> list[dict[str, Any]]:
    """The faces of a photo, largest first: box in pixels, score, expressions with their scores, relevance map as a PNG in a data URL,
    and where the crop lies.
    """
    if path is None:
        raise gr.Error("No photo was given; pass handle_file('photo.jpg').", print_exception=False)
    with explained():
        photo = open_photo(path)
    return [face.to_json() for face in find_faces(photo, "")]


@dataclass(frozen=True)
class PhotoResult:
    """What is kept of a photo until the next one.

    Attributes:
        path: of the photo.
        views: what is shown of its faces.
        folder: of the files to be downloaded.
    """

    path: str
    views: list[FaceView]
    folder: tempfile.TemporaryDirectory[str]


def show_photo(path: str | None, repository: str, prior: float, before: PhotoResult | None, chosen: int) -> tuple[Any, ...]:
    """What is found in a photo, in the order of the outputs of the photo tab.

    Args:
        path: of the photo; None where there is none.
        repository: of the model.
        prior: as for the pipeline.
        before: what was shown last.
        chosen: which of its faces; it stays chosen where the same photo is read again.
    """
    if path is None:
        return no_photo(WELCOME)
    try:
        photo = open_photo(path)
        faces = find_faces(photo, repository, prior)
    except ValueError as error:
        return no_photo(str(error))
    notes = [count_faces(faces), note_animation(path), note_unseen(path)]
    message = " ".join(filter(None, notes))
    boxes = gr.Image(draw_faces(photo, faces), visible=True)
    if not faces:
        return status(message), boxes, *no_faces()
    result = PhotoResult(path, view_faces(photo, faces), tempfile.TemporaryDirectory(prefix="fer-"))
    titles = [(view.title, number) for number, view in enumerate(result.views)]
    number = stay_chosen(result, before, chosen)
    shared = Path(result.folder.name) / f"{Path(path).stem}-expressions.jpg"
    draw_overlay(photo, faces).save(shared, quality=90)
    table = shared.with_suffix(".csv")
    write_table(table, Path(path).name, faces, load_reader(repository).labels)
    return (
        status(message),
        boxes,
        gr.DownloadButton(value=str(shared), visible=True),
        result,
        gr.Radio(choices=titles, value=number, visible=len(titles) > 1),
        gr.Column(visible=True),
        *show_face(result, number),
        table_of_faces(faces),
        gr.DownloadButton(value=str(table), visible=True),
    )


def stay_chosen(result: PhotoResult, before: PhotoResult | None, chosen: int) -> int:
    """The face to show: the one that was chosen, if the photo is that of before, else the first."""
    same = before is not None and before.path == result.path
    return chosen if same and chosen < len(result.views) else 0


def no_photo(message: str) -> tuple[Any, ...]:
    """A message, and nothing else, in the order of the outputs of the photo tab."""
    return status(message), gr.Image(None, visible=False), *no_faces()


def no_faces() -> tuple[Any, ...]:
    """Nothing, in the order of the outputs of the photo tab that follow the picture."""
    hidden = gr.DownloadButton(value=None, visible=False), None, gr.Radio(choices=[], visible=False), gr.Column(visible=False)
    return *hidden, "", "", None, 0, "", gr.DownloadButton(value=None, visible=False)


def show_face(result: PhotoResult, number: int) -> tuple[str, str, dict[str, float], int]:
    """One face of the photo: the crop under its map, the answer, and its probabilities; and which it is."""
    view = result.views[number]
    return view.figure, view.verdict, view.scores, number


def build_photo_tab(repository: gr.State, prior: gr.Slider) -> None:
    """A photo by file, camera or clipboard; its faces, and where each was read."""
    message = gr.HTML(status(WELCOME), elem_id="photo-status", elem_classes="tells-camera")
    with gr.Row():
        with gr.Column():
            photo = PhotoInput(
                type="filepath",
                label=f"Photo, up to {MAX_PHOTO_MEGABYTES} MB",
                sources=["upload", "webcam", "clipboard"],
                height=360,
                elem_id="photo",
            )
            files = [[str(HERE / "examples" / name)] for name in EXAMPLES.values()]
            gr.Examples(files, photo, label="Examples, public domain", example_labels=list(EXAMPLES))
        with gr.Column():
            boxes = gr.Image(
                label="Faces found",
                format="jpeg",
                interactive=False,
                height=360,
                visible=False,
                # Sharing works on Spaces alone, and the button below downloads more than the one here would.
                buttons=["fullscreen"],
                alt_text="The photo with a box round each face",
                elem_id="boxes",
            )
            share = gr.DownloadButton("Download this result as a picture", visible=False, elem_id="share")
    result, chosen = gr.State(None), gr.State(0)
    titles = gr.Radio(label="Face", visible=False, elem_id="faces")
    with gr.Column(visible=False) as found:
        with gr.Row(elem_id="reading"):
            with gr.Column():
                figure = gr.HTML(elem_id="face")
                opacity = gr.Slider(0, 100, 100, step=5, label="Strength of the map (%)", elem_id="opacity")
            with gr.Column():
                answered = gr.HTML(elem_id="answer")
                scores = gr.Label(label="Expressions", show_heading=False, elem_id="scores")
        table = gr.HTML(elem_id="table")
        sheet = gr.DownloadButton("Download the table (CSV)", visible=False, elem_id="sheet")
    answer = gr.JSON(visible=False)
    reading: dict[str, Any] = {
        "fn": show_photo,
        "inputs": [photo, repository, prior, result, chosen],
        "outputs": [message, boxes, share, result, titles, found, figure, answered, scores, chosen, table, sheet],
        "concurrency_limit": 2,
        "concurrency_id": "photo",
        # A slider that is drawn along asks often, and only the last answer counts.
        "trigger_mode": "always_last",
        "show_progress_on": photo,
        "api_visibility": "private",
    }
    photo.change(**reading).then(None, js=SCROLL_ON_PHONES)
    gr.on([prior.change, repository.change], **reading, show_progress="minimal")
    titles.input(show_face, [result, titles], [figure, answered, scores, chosen], api_visibility="private")
    opacity.change(None, opacity, js=SET_OPACITY)
    gr.Button(visible=False).click(predict, photo, answer, concurrency_limit=2, concurrency_id="photo", api_name="predict")
