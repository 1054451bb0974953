"""The page: tabs for a photo, a camera and a video, and one for what the answers mean. `python app.py` serves it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    # On the Hub's ZeroGPU machines; it has to come before torch.
    from spaces import GPU as on_gpu  # noqa: N811
except ImportError:

    def on_gpu(function: Callable[..., Any]) -> Callable[..., Any]:
        """Elsewhere a function runs where it stands."""
        return function


import gradio as gr
import pandas as pd
import pillow_heif
import torch
from limits import MAX_PHOTO_MEGABYTES, MAX_VIDEO_MEGABYTES, MAX_VIDEO_SECONDS, check_video, note_animation, open_photo
from photo_input import PhotoInput
from PIL import Image
from reading import LiveSession, load_reader, read_video
from views import (
    FaceView,
    count_faces,
    count_tracks,
    name_answer,
    picture,
    status,
    tabulate_faces,
    timeline,
    track_title,
    verdict,
    view_faces,
)

from modeling_fer.answers_fer import Faces
from modeling_fer.inference.tracking import summarize_tracks
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
LIVE_SECONDS = 120
SET_OPACITY = "value => { document.documentElement.style.setProperty('--fer-map-opacity', value / 100) }"

pillow_heif.register_heif_opener()
# Requests run beside each other, so each takes one core.
torch.set_num_threads(1)


@contextmanager
def explained() -> Iterator[None]:
    """Shows what the user can mend as a message on the page."""
    try:
        yield
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from error


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


def show_frame(
    frame: Image.Image | None, session: LiveSession | None, repository: str, prior: float
) -> tuple[str, Any, Any, LiveSession]:
    """A frame of the camera with its faces, and the answer and the probabilities of the largest."""
    session = session or LiveSession()
    if frame is None:
        return "", "", gr.Label(visible=False), session
    faces = session.read(load_reader(repository), frame, prior)
    names = "; ".join(name_answer(face) for face in faces) or "no face"
    shown = picture(draw_faces(frame, faces), "JPEG", f"The camera's picture: {names}", 'class="fer-live"')
    if not session.is_due():
        return shown, gr.skip(), gr.skip(), session
    if not faces:
        return shown, "", gr.Label(visible=False), session
    return shown, verdict(faces[0]), gr.Label(faces[0].scores, visible=True), session


@dataclass(frozen=True)
class VideoResult:
    """What is kept of a video until the page is closed; its files go with it."""

    frames: list[tuple[float, Faces]]
    folder: tempfile.TemporaryDirectory[str]


@on_gpu
def read_frames(
    path: str, fps: float, repository: str, prior: float, folder: Path, progress: gr.Progress
) -> list[tuple[float, Faces]]:
    """Reads a video while the page shows how far it is."""
    with explained():
        seconds = check_video(path)

        def advance(time: float) -> None:
            progress(min(time / seconds, 1.0), "Reading frames")

        return read_video(load_reader(repository), path, fps, folder, advance, prior)


def show_video(
    path: str | None,
    fps: float,
    repository: str,
    prior: float,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> tuple[Any, ...]:
    """What is found in a video, in the order of the outputs of the video tab."""
    if path is None:
        return no_video("No video is chosen yet; choose one above.")
    folder = tempfile.TemporaryDirectory(prefix="fer-")
    try:
        frames = read_frames(path, fps, repository, prior, Path(folder.name), progress)
    except gr.Error as error:
        return no_video(error.message)
    tracks = summarize_tracks(frames)
    choices = [(track_title(one), one.track) for one in tracks]
    titles = gr.Radio(choices=choices, value=tracks[0].track if tracks else None, visible=bool(tracks))
    plot = timeline(frames, tracks[0].track) if tracks else None
    annotated, table = (str(Path(folder.name) / name) for name in ("annotated.mp4", "faces.csv"))
    return (
        status(count_tracks(tracks, frames)),
        gr.Video(annotated, visible=True),
        titles,
        gr.LinePlot(plot, visible=bool(tracks)),
        gr.DownloadButton(value=table, visible=True),
        VideoResult(frames, folder),
    )


def no_video(message: str) -> tuple[Any, ...]:
    """A message, and nothing else, in the order of the outputs of the video tab."""
    hidden = gr.Radio(choices=[], visible=False), gr.LinePlot(visible=False), gr.DownloadButton(visible=False)
    return status(message), gr.Video(None, visible=False), *hidden, None


def show_track(result: VideoResult | None, track: int) -> pd.DataFrame | None:
    """The course of one face's probabilities."""
    return None if result is None else timeline(result.frames, track)


def choose_model(repository: str, used: str) -> tuple[str, str, Any]:
    """Loads another model, with its own prior; where that fails, the one of before stays."""
    repository = repository.strip()
    try:
        reader = load_reader(repository)
    except ValueError as error:
        return used, status(str(error)), gr.skip()
    message = f"{repository or 'The model of this page'} is in use: {', '.join(reader.labels)}."
    return repository, status(message), gr.Slider(value=reader.prior, interactive=reader.knows_prior)


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


def build_live_tab(repository: gr.State, prior: gr.Slider) -> None:
    """A camera, read while it runs."""
    session = gr.State(None)
    with gr.Row():
        camera = gr.Image(
            label="Camera", sources="webcam", streaming=True, type="pil", height=360, elem_id="camera",
            webcam_options=gr.WebcamOptions(constraints={"video": {"width": 640, "height": 480}}),
        )  # fmt: skip
        with gr.Column():
            shown = gr.HTML(elem_id="live")
            answered = gr.HTML(elem_id="live-answer")
            scores = gr.Label(label="Largest face", show_heading=False, visible=False, elem_id="live-scores")
    gr.Markdown(
        f"Pictures are read and forgotten. The camera stops after {LIVE_SECONDS // 60} minutes; start it again to go on."
    )
    camera.stream(
        show_frame,
        [camera, session, repository, prior],
        [shown, answered, scores, session],
        stream_every=0.05,
        time_limit=LIVE_SECONDS,
        concurrency_limit=3,
        show_progress="hidden",
        api_visibility="private",
    )


def build_video_tab(repository: gr.State, prior: gr.Slider) -> None:
    """A video by file; each face's expressions over time."""
    result = gr.State(None)
    with gr.Row():
        with gr.Column():
            video = gr.Video(
                label=f"Video, up to {MAX_VIDEO_SECONDS} seconds and {MAX_VIDEO_MEGABYTES} MB", sources=["upload"], height=360,
                elem_id="video",
            )  # fmt: skip
            fps = gr.Slider(1, 15, 10, step=1, label="Frames a second to look at")
            start = gr.Button("Read the video", variant="primary")
        with gr.Column():
            message = gr.HTML(status("Choose a video, then press the button."))
            annotated = gr.Video(label="Faces followed", interactive=False, height=360, visible=False, elem_id="annotated")
            table = gr.DownloadButton("Download all figures (CSV)", visible=False)
    titles = gr.Radio(label="Face followed", visible=False)
    plot = gr.LinePlot(
        x="seconds",
        y="probability",
        color="expression",
        y_lim=[0, 1],
        label="Expressions over time",
        height=380,
        visible=False,
        elem_id="plot",
    )
    start.click(
        show_video,
        [video, fps, repository, prior],
        [message, annotated, titles, plot, table, result],
        concurrency_limit=1,
        api_visibility="private",
    )
    titles.input(show_track, [result, titles], plot, api_visibility="private")


def prior_slider() -> gr.Slider:
    """How far answers leave behind how frequent each expression was in training."""
    return gr.Slider(
        0,
        1,
        load_reader("").prior,
        step=0.05,
        label="Balance of expressions",
        info="0: as frequent as in the training pictures, mostly neutral and happy. 1: all equally likely.",
        elem_id="prior",
        render=False,
    )


def build_model_choice(repository: gr.State, prior: gr.Slider) -> None:
    """Another checkpoint of this kind, by its name on the Hub, and the prior."""
    with gr.Accordion("Settings: balance of expressions, another model", open=False):
        prior.render()
        name = gr.Textbox(
            label="Repository on the Hub",
            placeholder="user/name",
            info="A model that modeling-fer trained. Empty: the model of this page.",
        )
        button = gr.Button("Load")
        message = gr.HTML()
    gr.on([button.click, name.submit], choose_model, [name, repository], [repository, message, prior], api_visibility="private")


def build() -> gr.Blocks:
    """The whole page, with a model that has read one photo: the first time takes longest."""
    find_faces(open_photo(str(HERE / "examples" / EXAMPLES["All three"])), "")
    page = gr.Blocks(title="Facial expressions, and where they were read", delete_cache=(600, 3600))
    with page:
        gr.Markdown((HERE / "texts" / "title.md").read_text())
        repository, prior = gr.State(""), prior_slider()
        with gr.Tab("Photo"):
            build_photo_tab(repository, prior)
        with gr.Tab("Live"):
            build_live_tab(repository, prior)
        with gr.Tab("Video"):
            build_video_tab(repository, prior)
        with gr.Tab("About"):
            gr.Markdown((HERE / "texts" / "about.md").read_text())
        build_model_choice(repository, prior)
    page.queue(max_size=64)
    return page


def make_theme() -> gr.themes.Base:
    """Colours whose contrast is at least 4.5 to 1, light and dark, and fonts that no browser has to wait for."""
    fonts, mono = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    theme = gr.themes.Soft(primary_hue="orange", secondary_hue="orange", neutral_hue="slate", font=fonts, font_mono=mono)
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_800",
        block_label_text_color_dark="*neutral_100",
        block_label_background_fill_dark="*neutral_700",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        block_title_background_fill_dark="*neutral_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )


def main() -> None:
    """Serves the page."""
    build().launch(theme=make_theme(), css_paths=HERE / "style.css", max_file_size=f"{2 * MAX_VIDEO_MEGABYTES}mb")


if __name__ == "__main__":
    main()
