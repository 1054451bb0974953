"""The settings below the tabs: the prior, and another model."""

from typing import Any

import gradio as gr
from reading import load_reader
from views import status

from modeling_fer.checkpoints import list_bundled


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


def choose_model(repository: str, used: str) -> tuple[str, str, Any]:
    """Loads another model, with its own prior; where that fails, the one of before stays."""
    repository = repository.strip()
    try:
        reader = load_reader(repository)
    except ValueError as error:
        return used, status(str(error)), gr.skip()
    message = f"{repository or 'The model of this page'} is in use: {', '.join(reader.labels)}."
    return repository, status(message), gr.Slider(value=reader.prior, interactive=reader.knows_prior)


def build_model_choice(repository: gr.State, prior: gr.Slider) -> None:
    """Another checkpoint of this kind, by its name, and the prior."""
    with gr.Accordion("Settings: balance of expressions, another model", open=False):
        prior.render()
        name = gr.Textbox(
            label="Another model",
            placeholder="user/name",
            info=f"One that modeling-fer trained: a repository of the Hub, or {' or '.join(list_bundled())}. "
            "Empty: the model of this page.",
        )
        button = gr.Button("Load")
        message = gr.HTML()
    gr.on([button.click, name.submit], choose_model, [name, repository], [repository, message, prior], api_visibility="private")
