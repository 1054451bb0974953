"""The tab for a photo: its faces, and where each was read."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gpu import on_gpu
from limits import MAX_PHOTO_MEGABYTES, note_animation, open_photo
from messages import explained
from photo_input import PhotoInput
from PIL import Image
from reading import load_reader
from views import FaceView, count_faces, status, tabulate_faces, view_faces

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
    """What is kept of a photo until the next one: what is shown of its faces, and the folder of the picture to be shared."""

    views: list[FaceView]
    folder: tempfile.TemporaryDirectory[str]


def show_photo(path: str | None, repository: str, prior: float) -> tuple[Any, ...]:
    """What is found in a photo, in the order of the outputs of the photo tab."""
    if path is None:
        return no_photo(WELCOME)
    try:
        photo = open_photo(path)
        faces = find_faces(photo, repository, prior)
    except ValueError as error:
        return no_photo(str(error))
    message = f"{count_faces(faces)} {note_animation(path)}".strip()
    boxes = gr.Image(draw_faces(photo, faces), visible=True)
    if not faces:
        return status(message), boxes, *no_faces()
    result = PhotoResult(view_faces(photo, faces), tempfile.TemporaryDirectory(prefix="fer-"))
    titles = [(view.title, number) for number, view in enumerate(result.views)]
    shared = Path(result.folder.name) / f"{Path(path).stem}-expressions.jpg"
    draw_overlay(photo, faces).save(shared, quality=90)
    return (
        status(message),
        boxes,
        gr.DownloadButton(value=str(shared), visible=True),
        result,
        gr.Radio(choices=titles, value=0, visible=len(titles) > 1),
        gr.Column(visible=True),
        *show_face(result, 0),
        tabulate_faces(faces),
    )


def no_photo(message: str) -> tuple[Any, ...]:
    """A message, and nothing else, in the order of the outputs of the photo tab."""
    return status(message), gr.Image(None, visible=False), *no_faces()


def no_faces() -> tuple[Any, ...]:
    """Nothing, in the order of the outputs of the photo tab that follow the picture."""
    hidden = gr.DownloadButton(value=None, visible=False), None, gr.Radio(choices=[], visible=False), gr.Column(visible=False)
    return *hidden, "", "", None, None


def show_face(result: PhotoResult, number: int) -> tuple[str, str, dict[str, float]]:
    """One face of the photo: the crop under its map, the answer, and its probabilities."""
    view = result.views[number]
    return view.figure, view.verdict, view.scores


def build_photo_tab(repository: gr.State, prior: gr.Slider) -> None:
    """A photo by file, camera or clipboard; its faces, and where each was read."""
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
            message = gr.HTML(status(WELCOME))
            boxes = gr.Image(
                label="Faces found",
                format="jpeg",
                interactive=False,
                height=360,
                visible=False,
                alt_text="The photo with a box round each face",
            )
            share = gr.DownloadButton("Download this result as a picture", visible=False, elem_id="share")
    result = gr.State(None)
    titles = gr.Radio(label="Face", visible=False, elem_id="faces")
    with gr.Column(visible=False) as found:
        with gr.Row(elem_id="reading"):
            with gr.Column():
                figure = gr.HTML(elem_id="face")
                opacity = gr.Slider(0, 100, 100, step=5, label="Strength of the map (%)", elem_id="opacity")
            with gr.Column():
                answered = gr.HTML(elem_id="answer")
                scores = gr.Label(label="Expressions", show_heading=False, elem_id="scores")
        table = gr.Dataframe(label="All faces", interactive=False, buttons=["copy"], elem_id="table")
    answer = gr.JSON(visible=False)
    outputs = [message, boxes, share, result, titles, found, figure, answered, scores, table]
    gr.on(
        [photo.change, prior.release],
        show_photo,
        [photo, repository, prior],
        outputs,
        concurrency_limit=2,
        concurrency_id="photo",
        api_visibility="private",
    )
    titles.input(show_face, [result, titles], [figure, answered, scores], api_visibility="private")
    opacity.change(None, opacity, js=SET_OPACITY)
    gr.Button(visible=False).click(predict, photo, answer, concurrency_limit=2, concurrency_id="photo", api_name="predict")
