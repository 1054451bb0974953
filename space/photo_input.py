"""The component that takes a photo."""

import gradio as gr
from gradio.data_classes import ImageData


class PhotoInput(gr.Image):
    """A photo that is handed on as the uploaded file, so that `limits` sees it before any decoder does.

    Gradio writes a stub beside this file when it is imported (photo_input.pyi), as it does for each component of one's own.
    """

    is_template = True

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of the file on the server."""
        return None if payload is None else payload.path
