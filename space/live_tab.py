"""The tab for a camera, read while it runs."""

from typing import Any

import gradio as gr
from PIL import Image
from reading import LiveSession, load_reader
from views import name_answer, picture, verdict

from modeling_fer.inference.visualization import draw_faces

LIVE_SECONDS = 120


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
