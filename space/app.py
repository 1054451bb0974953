"""The page: tabs for a photo, a camera and a video, and one for what the answers mean. `python app.py` serves it."""

try:
    # On the Hub's ZeroGPU machines; it has to come before torch.
    from spaces import GPU as on_gpu  # noqa: N811
except ImportError:

    def on_gpu(function):
        """Elsewhere a function runs where it stands."""
        return function


import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
import pillow_heif
import torch
from limits import MAX_PHOTO_MEGABYTES, MAX_VIDEO_MEGABYTES, MAX_VIDEO_SECONDS, check_video, note_animation, open_photo
from photo_input import PhotoInput
from PIL import Image
from reading import LiveSession, load_reader, read_video
from views import FaceView, count_faces, count_tracks, picture, portable, scores_of, status, timeline, track_title, view_faces

from modeling_fer.tables import Faces
from modeling_fer.video import summarize_tracks
from modeling_fer.visualization import draw_faces

HERE = Path(__file__).parent
EXAMPLE = str(HERE / "examples" / "astronaut.jpg")
WELCOME = "Choose a photo, or click the example."
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
def find_faces(photo: Image.Image, repository: str) -> Faces:
    """The faces of a photo."""
    return load_reader(repository).photo(photo)


def predict(path: str | None) -> list[dict[str, Any]]:
    """The faces of a photo, largest first: box in pixels, score, expressions with their scores, relevance map as a PNG in a data URL,
    and where the crop lies.
    """
    if path is None:
        raise gr.Error("No photo was given; pass handle_file('photo.jpg').", print_exception=False)
    with explained():
        photo = open_photo(path)
    return [portable(face) for face in find_faces(photo, "")]


def show_photo(path: str | None, repository: str) -> tuple[Any, ...]:
    """What is found in a photo, in the order of the outputs of the photo tab."""
    if path is None:
        return no_photo(WELCOME)
    try:
        photo = open_photo(path)
        faces = find_faces(photo, repository)
    except ValueError as error:
        return no_photo(str(error))
    views = view_faces(photo, faces)
    titles = gr.Radio(choices=[(view.title, number) for number, view in enumerate(views)], value=0, visible=len(views) > 1)
    message = f"{count_faces(faces)} {note_animation(path)}".strip()
    return status(message), draw_faces(photo, faces), views, titles, gr.Row(visible=bool(views)), *show_face(views, 0)


def no_photo(message: str) -> tuple[Any, ...]:
    """A message, and nothing else, in the order of the outputs of the photo tab."""
    return status(message), None, [], gr.Radio(choices=[], visible=False), gr.Row(visible="hidden"), "", None


def show_face(views: list[FaceView], number: int) -> tuple[str, dict[str, float] | None]:
    """One face of the photo: the crop under its map, and its probabilities."""
    return (views[number].figure, views[number].scores) if views else ("", None)


def show_frame(frame: Image.Image | None, session: LiveSession | None, repository: str) -> tuple[str, Any, LiveSession]:
    """A frame of the camera with its faces, and the probabilities of the largest."""
    session = session or LiveSession()
    if frame is None:
        return "", None, session
    faces = session.read(load_reader(repository), frame)
    names = ", ".join(face["expressions"][0]["label"] for face in faces) or "no face"
    shown = picture(draw_faces(frame, faces), "JPEG", f"The camera's picture: {names}", 'class="fer-live"')
    if not session.is_due():
        return shown, gr.skip(), session
    return shown, scores_of(faces[0]) if faces else None, session


@dataclass(frozen=True)
class VideoResult:
    """What is kept of a video until the page is closed; its files go with it."""

    frames: list[tuple[float, Faces]]
    folder: tempfile.TemporaryDirectory


@on_gpu
def read_frames(path: str, fps: float, repository: str, folder: Path, progress: gr.Progress) -> list[tuple[float, Faces]]:
    """Reads a video while the page shows how far it is."""
    with explained():
        seconds = check_video(path)
        return read_video(
            load_reader(repository), path, fps, folder, lambda time: progress(min(time / seconds, 1.0), "Reading frames")
        )


def show_video(path: str | None, fps: float, repository: str, progress: gr.Progress = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
    """What is found in a video, in the order of the outputs of the video tab."""
    if path is None:
        return no_video("No video is chosen yet; choose one above.")
    folder = tempfile.TemporaryDirectory(prefix="fer-")
    try:
        frames = read_frames(path, fps, repository, Path(folder.name), progress)
    except gr.Error as error:
        return no_video(error.message)
    tracks = summarize_tracks(frames)
    choices = [(track_title(one), one.track) for one in tracks]
    titles = gr.Radio(choices=choices, value=tracks[0].track if tracks else None, visible=bool(tracks))
    plot = timeline(frames, tracks[0].track) if tracks else None
    annotated, table = (str(Path(folder.name) / name) for name in ("annotated.mp4", "faces.csv"))
    download = gr.DownloadButton(value=table, interactive=True)
    return status(count_tracks(tracks, frames)), annotated, titles, plot, download, VideoResult(frames, folder)


def no_video(message: str) -> tuple[Any, ...]:
    """A message, and nothing else, in the order of the outputs of the video tab."""
    return status(message), None, gr.Radio(choices=[], visible=False), None, gr.DownloadButton(interactive=False), None


def show_track(result: VideoResult | None, track: int) -> pd.DataFrame | None:
    """The course of one face's probabilities."""
    return None if result is None else timeline(result.frames, track)


def choose_model(repository: str, used: str) -> tuple[str, str]:
    """Loads another model; where that fails, the one of before stays."""
    repository = repository.strip()
    try:
        labels = load_reader(repository).labels
    except ValueError as error:
        return used, status(str(error))
    return repository, status(f"{repository or 'The model of this page'} is in use: {', '.join(labels)}.")


def build_photo_tab(repository: gr.State) -> None:
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
            gr.Examples([[EXAMPLE]], photo, label="Example, public domain", example_labels=["Eileen Collins, NASA"])
        with gr.Column():
            message = gr.HTML(status(WELCOME))
            boxes = gr.Image(
                label="Faces found",
                format="jpeg",
                interactive=False,
                height=360,
                alt_text="The photo with a box round each face",
            )
    views = gr.State([])
    titles = gr.Radio(label="Face", visible=False, elem_id="faces")
    with gr.Row(visible="hidden") as row:
        with gr.Column():
            figure = gr.HTML(elem_id="face")
            opacity = gr.Slider(
                0, 100, 100, step=5, label="How strongly the relevance map is shown, in percent", elem_id="opacity"
            )
        scores = gr.Label(label="Expressions", elem_id="scores")
    answer = gr.JSON(visible=False)
    outputs = [message, boxes, views, titles, row, figure, scores]
    photo.change(
        show_photo, [photo, repository], outputs, concurrency_limit=2, concurrency_id="photo", api_visibility="private"
    )
    titles.input(show_face, [views, titles], [figure, scores], api_visibility="private")
    opacity.change(None, opacity, js=SET_OPACITY)
    gr.Button(visible=False).click(predict, photo, answer, concurrency_limit=2, concurrency_id="photo", api_name="predict")


def build_live_tab(repository: gr.State) -> None:
    """A camera, read while it runs."""
    session = gr.State(None)
    with gr.Row():
        camera = gr.Image(
            label="Camera", sources="webcam", streaming=True, type="pil", height=360, elem_id="camera",
            webcam_options=gr.WebcamOptions(constraints={"video": {"width": 640, "height": 480}}),
        )  # fmt: skip
        with gr.Column():
            shown = gr.HTML(elem_id="live")
            scores = gr.Label(label="Largest face", elem_id="live-scores")
    gr.Markdown(
        f"Pictures are read and forgotten. The camera stops after {LIVE_SECONDS // 60} minutes; start it again to go on."
    )
    camera.stream(
        show_frame,
        [camera, session, repository],
        [shown, scores, session],
        stream_every=0.05,
        time_limit=LIVE_SECONDS,
        concurrency_limit=3,
        show_progress="hidden",
        api_visibility="private",
    )


def build_video_tab(repository: gr.State) -> None:
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
            annotated = gr.Video(label="Faces followed", interactive=False, height=360, elem_id="annotated")
            table = gr.DownloadButton("Download all figures (CSV)", interactive=False)
    titles = gr.Radio(label="Face followed", visible=False)
    plot = gr.LinePlot(
        x="seconds",
        y="probability",
        color="expression",
        y_lim=[0, 1],
        label="Expressions over time",
        height=380,
        elem_id="plot",
    )
    start.click(
        show_video,
        [video, fps, repository],
        [message, annotated, titles, plot, table, result],
        concurrency_limit=1,
        api_visibility="private",
    )
    titles.input(show_track, [result, titles], plot, api_visibility="private")


def build_model_choice(repository: gr.State) -> None:
    """Another checkpoint of this kind, by its name on the Hub."""
    with gr.Accordion("Use another model", open=False):
        name = gr.Textbox(
            label="Repository on the Hub",
            placeholder="user/name",
            info="A model that modeling-fer trained. Empty: the model of this page.",
        )
        button = gr.Button("Load")
        message = gr.HTML()
    gr.on([button.click, name.submit], choose_model, [name, repository], [repository, message], api_visibility="private")


def build() -> gr.Blocks:
    """The whole page, with a model that has read one photo: the first time takes longest."""
    find_faces(open_photo(EXAMPLE), "")
    with gr.Blocks(title="Facial expressions, and where they were read", delete_cache=(600, 3600)) as page:
        gr.Markdown((HERE / "texts" / "title.md").read_text())
        repository = gr.State("")
        with gr.Tab("Photo"):
            build_photo_tab(repository)
        with gr.Tab("Live"):
            build_live_tab(repository)
        with gr.Tab("Video"):
            build_video_tab(repository)
        with gr.Tab("About"):
            gr.Markdown((HERE / "texts" / "about.md").read_text())
        build_model_choice(repository)
    return page.queue(max_size=64)


def main() -> None:
    """Serves the page."""
    theme = gr.themes.Soft(primary_hue="orange", secondary_hue="orange", neutral_hue="slate").set(
        # The theme's orange on pale orange is hard to read.
        block_label_text_color="*neutral_800",
        block_title_text_color="*neutral_800",
        block_label_text_color_dark="*neutral_100",
        block_title_text_color_dark="*neutral_100",
    )
    build().launch(theme=theme, css_paths=HERE / "style.css", max_file_size=f"{2 * MAX_VIDEO_MEGABYTES}mb")


if __name__ == "__main__":
    main()
