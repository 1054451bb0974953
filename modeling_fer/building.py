"""What a recipe describes, built: configuration, processor, data, first weights, optimizer, schedule and sampler."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from datasets import Dataset, IterableDataset
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from torch.utils.data import RandomSampler, Sampler, WeightedRandomSampler

from modeling_fer.configuration_fer import FerConfig
from modeling_fer.data.columns import FaceColumns, decode_columns
from modeling_fer.data.stream import FaceStream
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.landmarks import LANDMARK_POINTS
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.recipe import Recipe


def choose_precision(setting: str) -> str:
    """`auto` becomes bf16 where the processor or accelerator computes in bfloat16, else no."""
    if setting != "auto":
        return setting
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "no"


def build_config(recipe: Recipe, label_names: list[str]) -> FerConfig:
    """The model's configuration with the data set's classes.

    Raises:
        ValueError: the recipe's model has an impossible value, or classes other than the data set's.
    """
    named = recipe.model.get("id2label")
    if named is not None and list(named.values()) != label_names:
        raise ValueError(f"The recipe's id2label names {list(named.values())}, but the data set has {label_names}.")
    try:
        return FerConfig(**{**recipe.model, "id2label": dict(enumerate(label_names))})
    except StrictDataclassError as error:
        raise ValueError(f"The recipe's model is impossible: {error.__cause__ or error}") from error


def build_processor(recipe: Recipe, config: FerConfig) -> FerImageProcessor:
    """The image processor that belongs to the model."""
    return FerImageProcessor(
        size={"height": config.image_size, "width": config.image_size},
        num_channels=config.num_channels,
        contrast_percentiles=recipe.preprocessing.contrast_percentiles,
        image_mean=recipe.preprocessing.image_mean,
        image_std=recipe.preprocessing.image_std,
    )


def recipe_columns(recipe: Recipe, dataset: Dataset) -> FaceColumns:
    """A data set decoded at the size, in the channels and with the landmarks that a recipe trains on.

    Raises:
        ValueError: the recipe's regularization needs landmarks or heatmaps, and the data set has none.
    """
    config = build_config(recipe, dataset.features["label"].names)
    check_targets(config, dataset.column_names)
    return decode_columns(dataset, build_processor(recipe, config), LANDMARK_POINTS[recipe.landmark_points])


def recipe_stream(recipe: Recipe, dataset: IterableDataset) -> FaceStream:
    """A streamed data set, decoded as `recipe_columns` does while it is read.

    Raises:
        ValueError: as for `recipe_columns`, or the data set does not say how many images it has.
    """
    config = build_config(recipe, dataset.features["label"].names)
    check_targets(config, list(dataset.features))
    return FaceStream(dataset, build_processor(recipe, config), LANDMARK_POINTS[recipe.landmark_points])


def check_targets(config: FerConfig, column_names: Sequence[str]) -> None:
    """Whether a data set's columns have what the regularization pulls the relevance map towards."""
    if config.regularization in ("fully", "hybrid") and not {"landmarks", "heatmap"} & set(column_names):
        raise ValueError(
            f"The regularization {config.regularization!r} needs a column landmarks or heatmap, but the data set has "
            f"{', '.join(column_names)}; prepare it with scripts/prepare_dataset.py, or choose 'weakly' or 'none'."
        )


def initial_model(recipe: Recipe, config: FerConfig) -> FerForImageClassification:
    """A fresh network, or the weights that the recipe starts from."""
    if recipe.initial_checkpoint is None:
        return FerForImageClassification(config)
    return load_for_classes(recipe.initial_checkpoint, config)


def load_for_classes(checkpoint: str | Path, config: FerConfig) -> FerForImageClassification:
    """A checkpoint with the classes of another configuration: the output layer keeps the rows of those that both name, and its
    other rows start anew.
    """
    source = FerForImageClassification.from_pretrained(checkpoint)
    names, old_names = list(config.id2label.values()), list(source.config.id2label.values())
    if names == old_names:
        return FerForImageClassification.from_pretrained(checkpoint, config=config)
    model = FerForImageClassification.from_pretrained(checkpoint, config=config, ignore_mismatched_sizes=True)
    fresh = FerForImageClassification(config).classifier.output
    with torch.no_grad():
        for row, name in enumerate(names):
            old, place = (source.classifier.output, old_names.index(name)) if name in old_names else (fresh, row)
            model.classifier.output.weight[row] = old.weight[place]
            model.classifier.output.bias[row] = old.bias[place]
    return model


def build_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """Weight decay is for weights: biases and normalization layers have none."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return optimizer(groups, lr=recipe.learning_rate)


def learning_rate_factor(recipe: Recipe, steps_an_epoch: int) -> Callable[[int], float]:
    """The share of the learning rate at each step."""
    warmup = recipe.warmup_epochs * steps_an_epoch
    total = recipe.epochs * steps_an_epoch

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if recipe.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))
        return recipe.learning_rate_decay ** (step // steps_an_epoch)

    return factor


def build_sampler(recipe: Recipe, columns: FaceColumns, generator: torch.Generator) -> Sampler:
    """Draws the images of an epoch, balancing the classes as the recipe says."""
    if recipe.class_balancing == 0:
        return RandomSampler(columns, generator=generator)
    shares = columns.targets.double().mean(dim=0).clamp(min=1e-6)
    weights = columns.targets.double() @ shares.pow(-recipe.class_balancing)
    return WeightedRandomSampler(weights, len(columns), generator=generator)  # type: ignore[arg-type]
