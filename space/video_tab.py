"""The tab for a video: each face's expressions over time."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from gpu import on_gpu
from limits import MAX_VIDEO_MEGABYTES, MAX_VIDEO_SECONDS, check_video
from messages import explained
from reading import load_reader, read_video
from views import SCROLL_ON_PHONES, color_lines, count_tracks, legend, status, timeline, track_title

from modeling_fer.answers_fer import Faces
from modeling_fer.inference.tracking import summarize_tracks

WELCOME = f"Choose a video of up to {MAX_VIDEO_MEGABYTES} MB, then press the button."


@dataclass(frozen=True)
class VideoResult:
    """What is kept of a video until the page is closed; its files go with it."""

    frames: list[tuple[float, Faces]]
    folder: tempfile.TemporaryDirectory[str]


@on_gpu
def read_frames(
    path: str, fps: float, repository: str, prior: float, folder: Path, progress: gr.Progress
) -> tuple[list[tuple[float, Faces]], str]:
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
        return no_video("No video is chosen yet; choose one below.")
    folder = tempfile.TemporaryDirectory(prefix="fer-")
    try:
        frames, missing = read_frames(path, fps, repository, prior, Path(folder.name), progress)
    except gr.Error as error:
        return no_video(error.message)
    tracks = summarize_tracks(frames)
    choices = [(track_title(one), one.track) for one in tracks]
    titles = gr.Radio(choices=choices, value=tracks[0].track if tracks else None, visible=bool(tracks))
    plot = timeline(frames, tracks[0].track) if tracks else None
    colors = color_lines(load_reader(repository).labels)
    annotated, table = (str(Path(folder.name) / name) for name in ("annotated.mp4", "faces.csv"))
    return (
        status(f"{count_tracks(tracks, frames)} {missing}".strip()),
        gr.Video(annotated, visible=True),
        titles,
        gr.LinePlot(plot, color_map=colors, visible=bool(tracks)),
        legend(colors) if tracks else "",
        gr.DownloadButton(value=table, visible=True),
        VideoResult(frames, folder),
    )


def no_video(message: str) -> tuple[Any, ...]:
    """A message, and nothing else, in the order of the outputs of the video tab."""
    hidden = gr.Radio(choices=[], visible=False), gr.LinePlot(visible=False), "", gr.DownloadButton(visible=False)
    return status(message), gr.Video(None, visible=False), *hidden, None


def forget_video(path: str | None) -> tuple[Any, ...]:
    """What is to be done next, in the place of the answers of before, which another video or model gave."""
    return no_video(WELCOME if path is None else "Press the button to read the video.")


def show_track(result: VideoResult | None, track: int) -> pd.DataFrame | None:
    """The course of one face's probabilities."""
    return None if result is None else timeline(result.frames, track)


def build_video_tab(repository: gr.State, prior: gr.Slider) -> None:
    """A video by file; each face's expressions over time."""
    result = gr.State(None)
    message = gr.HTML(status(WELCOME), elem_id="video-status")
    with gr.Row():
        with gr.Column():
            video = gr.Video(
                label=f"Video, up to {MAX_VIDEO_SECONDS} s", sources=["upload"], height=360, elem_id="video",
            )  # fmt: skip
            fps = gr.Slider(1, 15, 10, step=1, label="Frames a second to look at")
            start = gr.Button("Read the video", variant="primary")
        with gr.Column():
            annotated = gr.Video(
                label="Faces followed", interactive=False, height=360, visible=False, buttons=["download"], elem_id="annotated",
            )  # fmt: skip
            table = gr.DownloadButton("Download all figures (CSV)", visible=False)
    titles = gr.Radio(label="Face followed", visible=False)
    plot = gr.LinePlot(
        x="seconds",
        y="probability",
        color="expression",
        colors_in_legend=[],
        y_lim=[0, 1],
        label="Expressions over time",
        height=380,
        visible=False,
        elem_id="plot",
    )
    lines = gr.HTML()
    # By the browser itself, as it tells that before the server can.
    start.click(None, None, message, js=f"() => {json.dumps(status('The video is being read.'))}")
    outputs = [message, annotated, titles, plot, lines, table, result]
    reading = start.click(
        show_video,
        [video, fps, repository, prior],
        outputs,
        concurrency_limit=1,
        # Over the sentence above, the progress could not be read.
        show_progress_on=video,
        api_visibility="private",
    )
    reading.then(None, js=SCROLL_ON_PHONES)
    gr.on(
        [video.clear, repository.change],
        forget_video,
        video,
        outputs,
        cancels=reading,
        show_progress="hidden",
        api_visibility="private",
    )
    titles.input(show_track, [result, titles], plot, api_visibility="private")
