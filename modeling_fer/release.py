"""From a run to a folder that is laid out as a Hub repository."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification


def write_release(checkpoint: str | Path, model_card: str | Path, folder: str | Path) -> None:
    """Writes config.json, model.safetensors, preprocessor_config.json, the code that travels, and the model card as README.md.

    Args:
        checkpoint: what to release, e.g. `best` of a run folder; may be `folder` itself, whose code and card are then renewed.
        model_card: a Markdown file.
        folder: where the release is written; it is made, or its files replaced.

    Raises:
        OSError: `checkpoint` holds no weights or no configuration.
    """
    model = FerForImageClassification.from_pretrained(checkpoint)
    processor = FerImageProcessor.from_pretrained(checkpoint)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    shutil.copyfile(model_card, Path(folder) / "README.md")


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
