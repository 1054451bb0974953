"""A recipe: everything that a training run depends on, read from one YAML file."""

import dataclasses
import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from modeling_fer.configuration_fer import FerConfig
from modeling_fer.data.landmarks import LANDMARK_POINTS
from modeling_fer.data.targets import TARGETS
from modeling_fer.training.augmentation import AugmentationConfig
from modeling_fer.training.settings import check_range, fit, fit_fields

OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("decay", "cosine")
MIXED_PRECISION = ("auto", "no", "bf16", "fp16")
SELECTIONS = ("best", "loss", "last")


@dataclass(frozen=True)
class Preprocessing:
    """What `FerImageProcessor` is told beside size and channels.

    Attributes:
        contrast_percentiles: low and high percentile in [0, 100] that validation and use stretch the contrast between.
        image_mean, image_std: normalization of pixels in [0, 1].
        face_detector, face_margin, face_offset, face_alignment: how faces are to be found and cut so that they look like the training
            images; as in the initial checkpoint where null, or by the defaults of `FerImageProcessor`.
    """

    contrast_percentiles: list[float] | None = None
    image_mean: list[float] = field(default_factory=lambda: [0.5])
    image_std: list[float] = field(default_factory=lambda: [0.5])
    face_detector: str | None = None
    face_margin: float | None = None
    face_offset: float | None = None
    face_alignment: bool | None = None

    def __post_init__(self) -> None:
        fit_fields(self)
        check_range(self, ["contrast_percentiles"], low=0, high=100)
        check_range(self, ["image_std"], above=0)
        percentiles = self.contrast_percentiles
        if percentiles is not None and not (len(percentiles) == 2 and percentiles[0] < percentiles[1]):
            raise ValueError(f"contrast_percentiles is {percentiles}, but must be a low and a high percentile.")


@dataclass(frozen=True)
class Recipe:
    """One experiment. The defaults are the paper's (section IV-A) where it says something.

    Attributes:
        model: fields of `FerConfig`; those of the initial checkpoint where there is one and nothing else is said.
        target: what is learned of a data set: `label`; `votes` (soft labels); `majority` (the expression with more than half of the
            votes; images without one are left out); `joint` (soft labels in which the label counts as `label_votes` more votes); or
            `both` (the votes, and by an auxiliary output layer the label).
        label_votes: see there.
        landmark_points: `inner` (eyebrows, nose, eyes, mouth) or `all` of the 68.
        initial_checkpoint: folder, bundled name or repository of the weights to start from; fresh ones if null.
        teachers: folders, bundled names or repositories of checkpoints whose mean answer the network learns from beside the labels.
        teacher_weight: share of the teachers' answer in what is learned, in [0, 1]; the labels have the rest.
        epochs, batch_size, seed: as they say; the batch size is that of one process.
        least_steps: batches of an epoch at least; a data set in memory that is too small for them is read in smaller batches.
        gradient_accumulation: batches whose gradients are averaged before the weights change.
        streaming: read a prepared data set while training on it, where it fits neither memory nor disk; `fer train` alone can.
        optimizer: `adam`, whose weight decay is an l2 penalty, or `adamw`, whose weight decay is decoupled.
        learning_rate, weight_decay: of that optimizer.
        stage_decay: the learning rate of each stage of the representation as a share of that of the stage after it.
        schedule: `decay` multiplies the learning rate by `learning_rate_decay` each epoch; `cosine` brings it to zero at the end.
        warmup_epochs: epochs in which the learning rate rises from zero.
        ema_decay: decay a step of the exponential moving average of the weights that is validated and saved, less in the first steps;
            none if null.
        gradient_clipping: largest norm of the gradient; none if null.
        class_balancing: images are drawn with a probability proportional to (share of their class among all labels)^-class_balancing,
            averaged over the classes of a soft label; 0 draws each image once an epoch, 1 draws hard classes equally often.
        mixed_precision: `auto` takes bfloat16 where the processor computes in it.
        selection: `best` keeps the epoch with the highest validation score, of equal ones that with the lowest validation loss; `loss`
            that with the lowest validation loss; `last` keeps the last one, for data sets whose validation images are so few that they
            choose badly. Cross-validation then trains on them too; with a search in each fold, which chooses by them, it is refused.
        early_stopping: epochs without a better one, by the selection, after which training stops; never if null.
        augmentation, preprocessing: see there.
    """

    model: dict[str, Any] = field(default_factory=dict)
    target: str = "label"
    label_votes: float = 2.0
    landmark_points: str = "inner"
    initial_checkpoint: str | None = None
    teachers: list[str] = field(default_factory=list)
    teacher_weight: float = 0.5
    epochs: int = 100
    batch_size: int = 50
    least_steps: int = 1
    gradient_accumulation: int = 1
    streaming: bool = False
    seed: int = 0
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    stage_decay: float = 1.0
    schedule: str = "decay"
    learning_rate_decay: float = 0.99
    warmup_epochs: float = 0.0
    ema_decay: float | None = None
    gradient_clipping: float | None = None
    class_balancing: float = 0.0
    mixed_precision: str = "auto"
    selection: str = "best"
    early_stopping: int | None = None
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def __post_init__(self) -> None:
        fit_fields(self)
        object.__setattr__(self, "model", fit_model(self.model))
        for name, choices in (
            ("target", TARGETS),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("mixed_precision", MIXED_PRECISION),
            ("landmark_points", tuple(LANDMARK_POINTS)),
            ("selection", SELECTIONS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(choices)}.")
        check_range(self, ["teacher_weight"], low=0, high=1)
        check_range(self, ["label_votes", "weight_decay", "warmup_epochs", "class_balancing"], low=0)
        check_range(self, ["epochs", "batch_size", "least_steps", "gradient_accumulation", "early_stopping"], above=0)
        check_range(self, ["learning_rate", "learning_rate_decay", "stage_decay", "gradient_clipping"], above=0)
        check_range(self, ["ema_decay"], low=0, below=1)
        if self.selection == "last" and self.early_stopping is not None:
            raise ValueError("selection is 'last', which trains for all epochs; leave early_stopping out, or take 'best'.")
        if self.streaming and self.class_balancing:
            raise ValueError(
                f"class_balancing is {self.class_balancing:g}, but a streamed data set is read in its own order; "
                "set class_balancing to 0."
            )
        check_range(self, ["seed"], low=0, below=10**9)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain values, as `read_recipe` reads them."""
        return dataclasses.asdict(self)


def write_recipe(recipe: Recipe, path: str | Path) -> None:
    """Writes a recipe that `read_recipe` reads back."""
    plain = json.loads(json.dumps(recipe.to_dict()))
    Path(path).write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")


def fit_model(model: dict[str, Any]) -> dict[str, Any]:
    """The settings of the network in the types of `FerConfig`, and id2label, the names of the classes.

    Raises:
        ValueError: a setting is unknown or of another type.
    """
    kinds = {**FerConfig.__annotations__, "id2label": dict[Any, str]}
    check_known(model, list(kinds), "model")
    return {name: fit(value, kinds[name], f"model.{name}") for name, value in model.items()}


def check_known(given: Iterable[str], known: Sequence[str], where: str) -> None:
    """Refuses names of settings that there are not, naming the nearest.

    Raises:
        ValueError: one is unknown.
    """
    for key in given:
        if key not in known:
            nearest = difflib.get_close_matches(str(key), known, n=1, cutoff=0)[0]
            raise ValueError(f"{where} has no setting {key!r}; the nearest is {nearest!r}.")


T = TypeVar("T")
NESTED = {"augmentation": AugmentationConfig, "preprocessing": Preprocessing}


def _build(cls: type[T], values: Any, where: str) -> T:
    """A dataclass of settings from what YAML says of them; the sentences of errors begin with `where`."""
    if not isinstance(values, dict):
        raise ValueError(f"{where} holds {values!r}, but must hold settings: names, each with its value.")
    check_known(values, [field.name for field in dataclasses.fields(cls)], where)  # type: ignore[arg-type]
    nested = NESTED if cls is Recipe else {}
    built = {
        key: _build(nested[key], value or {}, f"{where}: {key}") if key in nested else value for key, value in values.items()
    }
    if cls is Recipe and built.get("model", {}) is None:
        built["model"] = {}
    try:
        return cls(**built)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


RECIPES = Path(__file__).parents[1] / "recipes"


def find_recipe(name: str | Path) -> Path:
    """The file of a recipe: the one given, or the bundled one of that name.

    Raises:
        FileNotFoundError: there is neither.
    """
    bundled = RECIPES / f"{name}.yaml"
    if Path(name).is_file():
        return Path(name)
    if Path(name).name == str(name) and bundled.is_file():
        return bundled
    names = ", ".join(sorted(file.stem for file in RECIPES.glob("*.yaml")))
    raise FileNotFoundError(f"{name} is neither a file nor a bundled recipe; these are {names}.")


def read_recipe(name: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Reads a recipe.

    Args:
        name: a YAML file with the fields of `Recipe`, or the name of a bundled one.
        overrides: values for some of them instead of the file's, e.g. `{"epochs": 1, "model.dropout": 0.3}`.

    Raises:
        FileNotFoundError: there is no such recipe.
        ValueError: a setting is unknown (the sentence names it and the nearest known one) or has an impossible value.
    """
    path = find_recipe(name)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds {type(values).__name__} values, but a recipe is settings: names, each with its value.")
    for key, value in (overrides or {}).items():
        values = override_setting(values, key, value)
    return _build(Recipe, values, str(path))


def override_setting(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Settings with one of them replaced; `model.dropout` names a setting within another.

    Raises:
        ValueError: the setting that it is within is a plain value.
    """
    outer, _, inner = key.partition(".")
    if not inner:
        return {**values, outer: value}
    within = values.get(outer) or {}
    if not isinstance(within, dict):
        raise ValueError(f"{outer} is {within!r}, which has no setting {inner!r} within it.")
    return {**values, outer: override_setting(within, inner, value)}


def read_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings given as `KEY=VALUE`, the values in YAML.

    Raises:
        ValueError: one of them has no `=`, or a value that is not YAML.
    """
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"{pair!r} is not a setting; give KEY=VALUE, e.g. epochs=5.")
        try:
            settings[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ValueError(f"The value of {pair!r} is not YAML: {' '.join(str(error).split())}.") from error
    return settings


def check_in_memory(recipe: Recipe) -> None:
    """Refuses a recipe that streams its data set where that is split into folds, or learned from again and again.

    Raises:
        ValueError: it does.
    """
    if recipe.streaming:
        raise ValueError(
            "streaming is true, but searches and cross-validation hold the data set in memory; set it to false (--set "
            "streaming=false), or train on the stream by fer train."
        )


def check_same_recipe(recipe: Recipe, folder: Path, longer: bool = False) -> None:
    """Refuses to go on with another recipe than the one that a folder was started with.

    Args:
        recipe: what is to go on.
        folder: holds the recipe.yaml of what was started.
        longer: more epochs are allowed.

    Raises:
        ValueError: they differ; the sentence names the first setting that does.
    """
    written = read_recipe(folder / "recipe.yaml").to_dict()
    for key, value in recipe.to_dict().items():
        if written[key] != value and not (longer and key == "epochs" and value > written[key]):
            raise ValueError(
                f"{folder} was started with {key} = {written[key]}, but the recipe now says {value}; "
                "resume with the same recipe or start another run."
            )
