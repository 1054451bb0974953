"""The page: tabs for a photo, a camera and a video, and one for what the answers mean. `python app.py` serves it."""

# Before torch, which the other modules import.
import gpu  # noqa: F401, I001

from pathlib import Path

import gradio as gr
import pillow_heif
import torch
from limits import MAX_VIDEO_MEGABYTES, open_photo
from live_tab import WATCH_CAMERA, build_live_tab
from photo_tab import EXAMPLES, build_photo_tab, find_faces
from settings import build_model_choice, prior_slider
from theme import make_theme
from video_tab import build_video_tab

HERE = Path(__file__).parent

pillow_heif.register_heif_opener()
# Requests run beside each other, so each takes one core.
torch.set_num_threads(1)


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
        page.load(None, js=WATCH_CAMERA)
    page.queue(max_size=64)
    return page


def main() -> None:
    """Serves the page."""
    build().launch(
        theme=make_theme(),
        css_paths=HERE / "style.css",
        max_file_size=f"{2 * MAX_VIDEO_MEGABYTES}mb",
        # Gradio's own settings would be mistaken for those of the page.
        footer_links=["api", "gradio"],
    )


if __name__ == "__main__":
    main()
