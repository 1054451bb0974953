"""What the user can mend, as a message on the page."""

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr


@contextmanager
def explained() -> Iterator[None]:
    """Shows what the user can mend as a message on the page."""
    try:
        yield
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from error
