"""A recipe: everything that a training run depends on, read from one YAML file."""

import dataclasses
import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from modeling_fer.augmentation import AugmentationConfig

DATASETS = ("prepared", "ferplus", "ferplus_joint", "fer2013", "ckplus48")
OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("decay", "cosine")
MIXED_PRECISION = ("auto", "no", "bf16", "fp16")
LANDMARK_POINTS = ("inner", "all")


@dataclass(frozen=True)
class Preprocessing:
    """What `FerImageProcessor` is told beside size and channels.

    Attributes:
        contrast_percentiles: low and high percentile in [0, 100] that validation and use stretch the contrast between.
        image_mean, image_std: normalization of pixels in [0, 1].
    """

    contrast_percentiles: list[float] | None = None
    image_mean: list[float] = field(default_factory=lambda: [0.5])
    image_std: list[float] = field(default_factory=lambda: [0.5])


@dataclass(frozen=True)
class Recipe:
    """One experiment. The defaults are the paper's (section IV-A) where it says something.

    Attributes:
        model: fields of `FerConfig`.
        dataset: `prepared` (what scripts/prepare_dataset.py wrote, a folder or a repository), `ferplus` (8 classes, soft labels),
            `ferplus_joint` (the same with FER-2013's labels as further votes), `fer2013` (7 classes), or `ckplus48`
            (7 classes; it has no splits and is for cross-validation).
        landmark_points: `inner` (eyebrows, nose, eyes, mouth) or `all` of the 68.
        initial_checkpoint: folder or repository of the weights to start from; fresh ones if null.
        epochs, batch_size, seed: as they say; the batch size is that of one process.
        gradient_accumulation: batches whose gradients are averaged before the weights change.
        streaming: read a prepared data set while training on it, where it fits neither memory nor disk.
        optimizer: `adam`, whose weight decay is an l2 penalty, or `adamw`, whose weight decay is decoupled.
        learning_rate, weight_decay: of that optimizer.
        schedule: `decay` multiplies the learning rate by `learning_rate_decay` each epoch; `cosine` brings it to zero at the end.
        warmup_epochs: epochs in which the learning rate rises from zero.
        ema_decay: decay a step of the exponential moving average of the weights that is validated and saved; none if null.
        gradient_clipping: largest norm of the gradient; none if null.
        class_balancing: images are drawn with a probability proportional to (share of their class among all labels)^-class_balancing,
            averaged over the classes of a soft label; 0 draws each image once an epoch, 1 draws hard classes equally often.
        mixed_precision: `auto` takes bfloat16 where the processor computes in it.
        early_stopping: epochs without a better validation metric after which training stops; never if null.
        augmentation, preprocessing: see there.
    """

    model: dict[str, Any] = field(default_factory=dict)
    dataset: str = "ferplus"
    landmark_points: str = "inner"
    initial_checkpoint: str | None = None
    epochs: int = 100
    batch_size: int = 50
    gradient_accumulation: int = 1
    streaming: bool = False
    seed: int = 0
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: str = "decay"
    learning_rate_decay: float = 0.99
    warmup_epochs: float = 0.0
    ema_decay: float | None = None
    gradient_clipping: float | None = None
    class_balancing: float = 0.0
    mixed_precision: str = "auto"
    early_stopping: int | None = None
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def __post_init__(self):
        for name, choices in (
            ("dataset", DATASETS),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("mixed_precision", MIXED_PRECISION),
            ("landmark_points", LANDMARK_POINTS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(choices)}.")
        for name in ("epochs", "batch_size", "gradient_accumulation", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be greater than 0.")

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain values, as `read_recipe` reads them."""
        return dataclasses.asdict(self)


def write_recipe(recipe: Recipe, path: str | Path) -> None:
    """Writes a recipe that `read_recipe` reads back."""
    plain = json.loads(json.dumps(recipe.to_dict()))
    Path(path).write_text(yaml.safe_dump(plain, sort_keys=False))


T = TypeVar("T")


def _build(cls: type[T], values: dict[str, Any], where: str) -> T:
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = [key for key in values if key not in fields]
    if unknown:
        nearest = difflib.get_close_matches(unknown[0], fields, n=1, cutoff=0)[0]
        raise ValueError(f"{where} has no setting {unknown[0]!r}; the nearest is {nearest!r}.")
    nested = {"augmentation": AugmentationConfig, "preprocessing": Preprocessing} if cls is Recipe else {}
    built = {key: _build(nested[key], value, f"{where}: {key}") if key in nested else value for key, value in values.items()}
    return cls(**{key: tuple(v) if isinstance(v, list) and cls is AugmentationConfig else v for key, v in built.items()})


def read_recipe(path: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Reads a recipe.

    Args:
        path: a YAML file with the fields of `Recipe`.
        overrides: values for some of them instead of the file's, e.g. `{"epochs": 1, "model.dropout": 0.3}`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a setting is unknown (the sentence names it and the nearest known one) or has an impossible value.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist; scripts/recipes/ holds the recipes.")
    values = yaml.safe_load(Path(path).read_text()) or {}
    for key, value in (overrides or {}).items():
        values = override_setting(values, key, value)
    return _build(Recipe, values, str(path))


def override_setting(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Settings with one of them replaced; `model.dropout` names a setting within another."""
    outer, _, inner = key.partition(".")
    return {**values, outer: override_setting(values.get(outer) or {}, inner, value) if inner else value}


def read_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings given as `KEY=VALUE`, the values in YAML.

    Raises:
        ValueError: one of them has no `=`.
    """
    for pair in pairs:
        if "=" not in pair:
            raise ValueError(f"{pair!r} is no setting; give KEY=VALUE, e.g. epochs=5.")
    return {key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in pairs)}


def check_same_recipe(recipe: Recipe, folder: Path) -> None:
    """Refuses to go on with another recipe than the one that a folder was started with.

    Raises:
        ValueError: they differ; the sentence names the first setting that does.
    """
    written = read_recipe(folder / "recipe.yaml").to_dict()
    for key, value in recipe.to_dict().items():
        if written[key] != value:
            raise ValueError(
                f"{folder} was started with {key} = {written[key]}, but the recipe now says {value}; "
                "resume with the same recipe or start another run."
            )
