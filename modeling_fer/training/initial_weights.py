"""The weights that a run starts from, and the networks that it learns from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from modeling_fer.checkpoints import find_checkpoint
from modeling_fer.configuration_fer import UNMEASURED, FerConfig
from modeling_fer.data.source import usual_name
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.recipe import Recipe


def checkpoint_settings(checkpoint: str) -> dict[str, Any]:
    """The settings that a network takes over from the checkpoint it starts from: all but the classes and what was measured of them.

    Raises:
        ValueError: there is no such checkpoint.
    """
    config = load_checkpoint_config(checkpoint)
    own = set(FerConfig.__annotations__) - {"auxiliary_labels", *UNMEASURED}
    return {name: getattr(config, name) for name in own}


def load_checkpoint_config(checkpoint: str) -> FerConfig:
    """The configuration of a checkpoint that a recipe names.

    Raises:
        ValueError: there is no such checkpoint.
    """
    try:
        config: FerConfig = FerConfig.from_pretrained(find_checkpoint(checkpoint))
        return config
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"The checkpoint {checkpoint} that the recipe names cannot be loaded: {reason}") from error


def initial_model(recipe: Recipe, config: FerConfig) -> FerForImageClassification:
    """A fresh network, or the weights that the recipe starts from."""
    if recipe.initial_checkpoint is None:
        return FerForImageClassification(config)
    return load_for_classes(recipe.initial_checkpoint, config)


def load_teachers(recipe: Recipe, config: FerConfig) -> list[FerForImageClassification]:
    """The networks that the recipe's network learns from, in evaluation mode.

    Raises:
        ValueError: a teacher takes other images or names other classes than the network.
    """
    return [load_teacher(name, config) for name in recipe.teachers]


def load_teacher(name: str, config: FerConfig) -> FerForImageClassification:
    """One of them: a checkpoint that answers what a network of `config` answers."""
    own = load_checkpoint_config(name)
    for field in ("id2label", "auxiliary_labels", "image_size", "num_channels"):
        theirs, ours = getattr(own, field), getattr(config, field)
        if theirs != ours:
            raise ValueError(f"The teacher {name} has {field} {theirs}, but the network that learns from it {ours}.")
    # What it learned is asked for, not what its answers were adjusted to afterwards.
    own.temperature, own.prior_strength = 1.0, 0.0
    loaded = FerForImageClassification.from_pretrained(find_checkpoint(name), config=own)
    teacher: FerForImageClassification = loaded.eval().requires_grad_(False)
    return teacher


def load_for_classes(checkpoint: str | Path, config: FerConfig) -> FerForImageClassification:
    """A checkpoint with the classes of another configuration. Its output layers keep the rows of the classes that both name, happy and
    happiness being one, and their other rows start fresh; all other weights are the checkpoint's.

    Raises:
        ValueError: the rest of the two networks differs; the sentence names the first weights that do.
    """
    source = FerForImageClassification.from_pretrained(find_checkpoint(checkpoint))
    model = FerForImageClassification(config)
    theirs, own = shared_weights(source), shared_weights(model)
    for name in [*own, *theirs]:
        shapes = [str(tuple(weights[name].shape)) if name in weights else "none" for weights in (theirs, own)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"The network does not fit the checkpoint {checkpoint}: {name} has the shape {shapes[0]} there and {shapes[1]} here. "
                "Leave out the model's settings that differ, or start without initial_checkpoint."
            )
    model.load_state_dict(theirs, strict=False)
    old, new = list(source.config.id2label.values()), list(config.id2label.values())
    copy_rows(source.classifier.output, old, model.classifier.output, new)
    if source.classifier.auxiliary_output is not None and model.classifier.auxiliary_output is not None:
        old, new = (list(one.auxiliary_labels or ()) for one in (source.config, config))
        copy_rows(source.classifier.auxiliary_output, old, model.classifier.auxiliary_output, new)
    return model


def shared_weights(model: FerForImageClassification) -> dict[str, Tensor]:
    """All weights but those of the output layers, by name."""
    outputs = ("classifier.output.", "classifier.auxiliary_output.")
    return {name: weights for name, weights in model.state_dict().items() if not name.startswith(outputs)}


@torch.no_grad()
def copy_rows(source: nn.Linear, old: Sequence[str], target: nn.Linear, new: Sequence[str]) -> None:
    """Gives an output layer the rows that another has for the same classes.

    Raises:
        ValueError: the layers do not come from as many units.
    """
    if source.in_features != target.in_features:
        raise ValueError(
            f"The output layer comes from {source.in_features} units in the checkpoint and {target.in_features} here; leave out "
            "hidden_sizes, or start without initial_checkpoint."
        )
    places = {usual_name(name): place for place, name in enumerate(old)}
    for row, name in enumerate(new):
        if (place := places.get(usual_name(name))) is not None:
            target.weight[row] = source.weight[place]
            target.bias[row] = source.bias[place]
