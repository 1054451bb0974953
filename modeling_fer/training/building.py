"""What a recipe describes, built: configuration, processor, data, first weights, optimizer, schedule and sampler."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from datasets import Dataset, IterableDataset
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import RandomSampler, Sampler, WeightedRandomSampler

from modeling_fer.checkpoints import find_checkpoint
from modeling_fer.configuration_fer import UNMEASURED, FerConfig
from modeling_fer.data.columns import FaceColumns, decode_columns
from modeling_fer.data.landmarks import LANDMARK_POINTS
from modeling_fer.data.source import usual_name
from modeling_fer.data.stream import FaceStream
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.recipe import Recipe


def default_device() -> str:
    """The kind of device that a run takes where it may: `cuda`, `mps`, ..., or `cpu`."""
    found = torch.accelerator.current_accelerator(check_available=True)
    return "cpu" if found is None else found.type


def choose_precision(setting: str, device: str) -> str:
    """`auto` becomes bf16 where the device itself computes in bfloat16, else no.

    Args:
        setting: of a recipe, `auto`, `no`, `fp16` or `bf16`.
        device: the kind of device, as `torch.device` names it.

    Raises:
        ValueError: fp16 on the CPU, which does not train in it.
    """
    if setting == "fp16" and device == "cpu":
        raise ValueError("mixed_precision is fp16, in which a CPU does not train; give auto, bf16 or no.")
    if setting != "auto":
        return setting
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if device == "cpu" and torch.cpu._is_avx512_bf16_supported() else "no"


def share_batch_statistics(model: FerForImageClassification) -> nn.Module:
    """A model whose batch normalization takes mean and variance over the batches of all processes. timm's own way keeps the activations
    that its normalization layers hold."""
    shared: nn.Module
    if model.config.backbone is None:
        shared = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    else:
        from timm.layers.norm_act import convert_sync_batchnorm

        shared = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return shared


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


def build_optimizer(recipe: Recipe, model: FerForImageClassification) -> torch.optim.Optimizer:
    """Weight decay is for weights: biases and normalization layers have none. Stages of the representation learn the slower the
    earlier they are, as `stage_decay` says.

    Raises:
        ValueError: there are no such stages, as in a timm backbone.
    """
    if recipe.stage_decay != 1 and model.config.backbone is not None:
        raise ValueError(
            f"stage_decay is {recipe.stage_decay:g}, but a timm backbone has no stages of ours; set stage_decay to 1."
        )
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        rate = recipe.learning_rate * recipe.stage_decay ** stages_after(name, model)
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        group = groups.setdefault((rate, decay), {"params": [], "lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
    optimizers: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return optimizers[recipe.optimizer](list(groups.values()), lr=recipe.learning_rate)


def stages_after(name: str, model: FerForImageClassification) -> int:
    """How many stages of the representation come after the one that a parameter belongs to, and with it; 0 for those of no stage."""
    blocks = model.fer.representation.blocks
    prefix = "fer.representation.blocks."
    if not name.startswith(prefix) or not isinstance(blocks, nn.Sequential):
        return 0
    return len(blocks) - int(name.removeprefix(prefix).split(".")[0])


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


def fitting_batch(recipe: Recipe, images: int, processes: int) -> int:
    """The recipe's batch size, or a smaller one that gives an epoch its `least_steps`: two images or more, for batch normalization."""
    return max(2, min(recipe.batch_size, images // (recipe.least_steps * processes)))


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """The exponential moving average, for `AveragedModel`. Its decay begins low, as TensorFlow's does: a short run would keep its start
    otherwise.

    Args:
        decay: that many steps lead to, in [0, 1).
    """

    def update(averages: Any, weights: Any, steps: Any) -> None:
        count = int(steps)
        get_ema_multi_avg_fn(min(decay, (1 + count) / (10 + count)))(averages, weights, steps)

    return update


def sampling_weights(recipe: Recipe, columns: FaceColumns) -> Tensor:
    """How often each image is drawn beside the others, (n,), float64, as `class_balancing` says."""
    targets = columns.targets.double()
    return targets @ targets.mean(dim=0).clamp(min=1e-6).pow(-recipe.class_balancing)


def training_shares(recipe: Recipe, columns: FaceColumns) -> list[float]:
    """How frequent each class is among the labels of an epoch, with the sampling's balance; they sum to 1."""
    weights = sampling_weights(recipe, columns)
    return positive_shares((columns.targets.double() * weights.unsqueeze(1)).sum(dim=0))


def auxiliary_shares(recipe: Recipe, columns: FaceColumns) -> list[float]:
    """The same of the second label set, which the columns must have."""
    labels, weights = cast(Tensor, columns.auxiliary_labels), sampling_weights(recipe, columns)
    return positive_shares(torch.bincount(labels, weights, minlength=len(columns.auxiliary_names)))


def positive_shares(counts: Tensor) -> list[float]:
    """Counts as shares that sum to 1. A class that never occurs gets a small one, as logarithms are taken of them."""
    shares = (counts / counts.sum()).clamp(min=1e-4)
    return (shares / shares.sum()).tolist()


def build_sampler(recipe: Recipe, columns: FaceColumns, generator: torch.Generator) -> Sampler[int]:
    """Draws the images of an epoch, balancing the classes as the recipe says."""
    if recipe.class_balancing == 0:
        return RandomSampler(columns, generator=generator)
    weights = sampling_weights(recipe, columns)
    return WeightedRandomSampler(weights, len(columns), generator=generator)  # type: ignore[arg-type]
