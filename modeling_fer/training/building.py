"""What a recipe describes, built: configuration, image processor and data."""

from collections.abc import Sequence
from typing import Any

from datasets import Dataset, IterableDataset
from huggingface_hub.errors import StrictDataclassError

from modeling_fer.checkpoints import find_checkpoint
from modeling_fer.configuration_fer import FerConfig
from modeling_fer.data.columns import FaceColumns, decode_columns
from modeling_fer.data.landmarks import LANDMARK_POINTS
from modeling_fer.data.stream import FaceStream
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.training.initial_weights import checkpoint_settings
from modeling_fer.training.recipe import Recipe


def build_config(recipe: Recipe, label_names: list[str], auxiliary_names: Sequence[str] = ()) -> FerConfig:
    """The model's configuration with the data set's classes, and those of its second label set where the recipe learns it.

    Raises:
        ValueError: the recipe's model has an impossible value, or classes other than the data set's.
    """
    named = recipe.model.get("id2label")
    if named is not None and list(named.values()) != label_names:
        raise ValueError(f"The recipe's id2label names {list(named.values())}, but the data set has {label_names}.")
    started = checkpoint_settings(recipe.initial_checkpoint) if recipe.initial_checkpoint is not None else {}
    try:
        classes = {"id2label": dict(enumerate(label_names)), "auxiliary_labels": list(auxiliary_names) or None}
        return FerConfig(**{**started, **recipe.model, **classes})
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise ValueError(f"The recipe's model is impossible: {error.__cause__ or error}") from error


def build_processor(recipe: Recipe, config: FerConfig) -> FerImageProcessor:
    """The image processor that belongs to the model."""
    return FerImageProcessor(
        size={"height": config.image_size, "width": config.image_size},
        num_channels=config.num_channels,
        contrast_percentiles=recipe.preprocessing.contrast_percentiles,
        image_mean=recipe.preprocessing.image_mean,
        image_std=recipe.preprocessing.image_std,
        **face_settings(recipe),
    )


def face_settings(recipe: Recipe) -> dict[str, Any]:
    """How faces are found and cut: as the recipe says, else as for the checkpoint that it starts from."""
    names = ("face_detector", "face_margin", "face_offset", "face_alignment")
    said = {name: getattr(recipe.preprocessing, name) for name in names}
    if recipe.initial_checkpoint is not None:
        started = FerImageProcessor.from_pretrained(find_checkpoint(recipe.initial_checkpoint))
        said = {name: getattr(started, name) if value is None else value for name, value in said.items()}
    return {name: value for name, value in said.items() if value is not None}


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
            f"{', '.join(column_names)}; prepare it with fer prepare, or choose 'weakly' or 'none'."
        )


def check_landmarks(config: FerConfig, train: FaceColumns | FaceStream) -> None:
    """Whether any image has what the regularization pulls the relevance map towards.

    Raises:
        ValueError: none has.
    """
    if config.regularization in ("fully", "hybrid") and not train.any_landmarks():
        raise ValueError(
            f"The regularization {config.regularization!r} needs landmarks, but no image for training has any that were found on a "
            "face. Prepare the data set with other --landmarks (see fer prepare --help), or choose 'weakly' or 'none'."
        )
