"""The tab for a camera, read while it runs."""

from dataclasses import replace
from typing import Any

import gradio as gr
from PIL import Image
from reading import LiveSession, load_reader
from views import count_seen, name_answer, picture, status, verdict

from modeling_fer.answers_fer import Faces
from modeling_fer.inference.visualization import draw_faces

LIVE_SECONDS = 120
WELCOME = (
    "Allow the camera, then press Record. Pictures are read and forgotten. "
    f"The camera stops after {LIVE_SECONDS // 60} minutes; press Record again to go on."
)
WATCH_CAMERA = """() => {
    const reasons = {
        NotAllowedError: "The camera could not be opened; allow it in the browser's address bar.",
        NotFoundError: "No camera was found; connect one.",
    };
    const tell = sentence => document.querySelectorAll('.tells-camera [role=status]').forEach(place => {
        if (place.offsetParent) place.textContent = sentence;
    });
    const devices = navigator.mediaDevices;
    if (!devices) {
        document.addEventListener('click', event => {
            if (event.target.closest('#camera')) tell('Browsers open cameras only for pages of https or of this machine.');
        });
        return;
    }
    const open = devices.getUserMedia.bind(devices);
    devices.getUserMedia = wanted => open(wanted).catch(error => {
        tell(reasons[error.name] ?? 'The camera could not be opened; close other programs that use it.');
        throw error;
    });
}"""
"""Says on the page why a camera does not open; Gradio says nothing of it."""


def show_frame(
    frame: Image.Image | None, session: LiveSession | None, repository: str, prior: float
) -> tuple[Any, str, Any, Any, LiveSession]:
    """A frame of the camera with its faces, what is seen, and the answer and the probabilities of the largest face."""
    session = session or LiveSession()
    if frame is None:
        return status(WELCOME), "", "", gr.Label(visible=False), session
    faces = session.read(load_reader(repository), frame, prior)
    names = "; ".join(name_answer(face) for face in faces) or "no face"
    shown = picture(draw_faces(frame, without_number(faces)), "JPEG", f"The camera's picture: {names}", 'class="fer-live"')
    if not session.is_due():
        return gr.skip(), shown, gr.skip(), gr.skip(), session
    seen = status(count_seen(faces))
    if not faces:
        return seen, shown, "", gr.Label(visible=False), session
    return seen, shown, verdict(faces[0]), gr.Label(faces[0].scores, visible=True), session


def without_number(faces: Faces) -> Faces:
    """The faces as they are drawn: one that is alone needs no number, which would only be that of its track."""
    return [replace(faces[0], track=None)] if len(faces) == 1 else faces


def build_live_tab(repository: gr.State, prior: gr.Slider) -> None:
    """A camera, read while it runs."""
    session = gr.State(None)
    message = gr.HTML(status(WELCOME), elem_id="live-status", elem_classes="tells-camera")
    with gr.Row():
        camera = gr.Image(
            label="Camera", sources="webcam", streaming=True, type="pil", height=360, elem_id="camera",
            webcam_options=gr.WebcamOptions(constraints={"video": {"width": 640, "height": 480}}),
        )  # fmt: skip
        with gr.Column():
            shown = gr.HTML(elem_id="live")
            answered = gr.HTML(elem_id="live-answer")
            scores = gr.Label(label="Largest face", show_heading=False, visible=False, elem_id="live-scores")
    camera.stream(
        show_frame,
        [camera, session, repository, prior],
        [message, shown, answered, scores, session],
        stream_every=0.05,
        time_limit=LIVE_SECONDS,
        concurrency_limit=3,
        show_progress="hidden",
        api_visibility="private",
    )
