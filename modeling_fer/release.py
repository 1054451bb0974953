"""From a run to a folder that is laid out as a Hub repository."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modeling_fer.card import render_card
from modeling_fer.configuration_fer import FerConfig
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification


def write_release(checkpoint: str | Path, card: str, folder: str | Path, picture: str | Path | None = None) -> None:
    """Writes config.json, model.safetensors, preprocessor_config.json, the code that travels, and the model card as README.md.

    Args:
        checkpoint: what to release, e.g. `best` of a run folder; may be `folder` itself, whose code and card are then renewed.
        card: Markdown with a header, see `modeling_fer.card`.
        folder: where the release is written; it is made, or its files replaced.
        picture: a photo that may be shown, which becomes example.jpg for the card and the Hub's widget.

    Raises:
        OSError: `checkpoint` holds no weights or no configuration.
    """
    model = FerForImageClassification.from_pretrained(checkpoint)
    processor = FerImageProcessor.from_pretrained(checkpoint)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    (Path(folder) / "README.md").write_text(card)
    if picture is not None:
        shutil.copyfile(picture, Path(folder) / "example.jpg")


def release_run(
    run: str | Path, name: str, folder: str | Path, results: Sequence[dict[str, Any]] = (), picture: str | Path | None = None
) -> None:
    """Writes the release of a run folder's best epoch, or of a checkpoint, with the card of the run.

    Args:
        run: a run folder, or a checkpoint.
        name: of the model, e.g. `user/name`.
        folder: where the release is written.
        results: from `modeling_fer.card.read_results`.
        picture: as for `write_release`.

    Raises:
        FileNotFoundError: there is no checkpoint.
    """
    run = Path(run)
    checkpoint = run / "best" if (run / "best").is_dir() else run
    if not (checkpoint / "config.json").is_file():
        raise FileNotFoundError(f"{run} holds no checkpoint; give a run folder with best/, or the folder of a checkpoint.")
    recipe = run / "recipe.yaml" if checkpoint != run else run.parent / "recipe.yaml"
    config = FerConfig.from_pretrained(checkpoint)
    card = render_card(name, config, results, recipe.read_text() if recipe.is_file() else "")
    write_release(checkpoint, card, folder, picture)


def release_space(space: str | Path, folder: str | Path) -> None:
    """Writes the folder of a Space: the page, and this package beside it, so that the Space needs nothing that is not on PyPI.

    Args:
        space: folder of the page.
        folder: where the release is written; what it held before is lost.

    Raises:
        FileNotFoundError: there is no page.
    """
    if not (Path(space) / "app.py").is_file():
        raise FileNotFoundError(f"{space} holds no page; give the folder that app.py lies in.")
    left_out = shutil.ignore_patterns("__pycache__", "*.pyi")
    if Path(folder).is_dir():
        shutil.rmtree(folder)
    shutil.copytree(space, folder, ignore=left_out)
    shutil.copytree(Path(__file__).parent, Path(folder) / "modeling_fer", ignore=left_out)


def adjustment(shares: Tensor, strength: float) -> Tensor:
    """What logit adjustment after training (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021) adds to the logits.

    Args:
        shares: (classes,), how frequent each class is among the training labels, summing to 1.
        strength: τ of that paper; 0 changes nothing, 1 takes the classes to be equally frequent.

    Returns:
        (classes,), the larger the rarer the class.
    """
    return -strength * shares.clamp(min=1e-6).log()


@torch.no_grad()
def adjust_logits(model: FerForImageClassification, shares: Tensor, strength: float) -> None:
    """Adds `adjustment` to the bias of the output layer: the model then names rare classes more often, at no cost in use."""
    model.classifier.output.bias.add_(adjustment(shares, strength))


@torch.no_grad()
def average_weights(models: Sequence[FerForImageClassification], weights: Sequence[float]) -> FerForImageClassification:
    """The weighted average of networks of one architecture (Wortsman et al., "Model soups", ICML 2022).

    Args:
        models: the networks; the last one takes the average and is returned.
        weights: how much each counts, at least 0; they need not sum to 1.

    Raises:
        ValueError: there are not as many weights as networks, all are zero, or the networks differ in shape.
    """
    if len(weights) != len(models) or min(weights) < 0 or sum(weights) == 0:
        raise ValueError(f"{len(models)} checkpoints need as many weights of at least 0, one of them positive, not {weights}.")
    states = [model.state_dict() for model in models]
    for key, value in states[-1].items():
        shapes = {tuple(state[key].shape) if key in state else None for state in states}
        if len(shapes) > 1:
            raise ValueError(f"The checkpoints differ in {key}; only networks of one architecture can be averaged.")
        if value.is_floating_point():
            value.copy_(sum(weight * state[key] for weight, state in zip(weights, states, strict=True)) / sum(weights))
    return models[-1]
