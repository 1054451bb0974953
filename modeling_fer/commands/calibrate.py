"""`fer calibrate`: what is fitted to a trained network on validation images before others use it: temperature, prior, and the
thresholds of its sets of expressions and of the answer "uncertain".
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import typer
from datasets import Dataset
from rich.console import Console
from rich.table import Table
from torch import Tensor

from modeling_fer.checkpoints import find_checkpoint
from modeling_fer.configuration_fer import EXPRESSIONS, FerConfig
from modeling_fer.data import load_splits
from modeling_fer.data.columns import FaceColumns, decode_columns, read_labels
from modeling_fer.data.json_files import keep_result
from modeling_fer.data.landmarks import LANDMARK_POINTS
from modeling_fer.data.prepared import load_prepared
from modeling_fer.data.targets import choose_target, read_votes
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.inference.loading import Checkpoint, load_checkpoint
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.building import recipe_columns
from modeling_fer.training.calibration import TEMPERATURES, fit_temperature, join_outputs, join_scores, shared_places
from modeling_fer.training.conformal import COVERAGES, fit_doubt, needed_images
from modeling_fer.training.evaluation import ExpressionMetrics, predict_logits
from modeling_fer.training.recipe import Recipe, read_recipe
from modeling_fer.training.sampling import auxiliary_shares, training_shares

AUXILIARY_SHARES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)
PRIORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
FEW = 300
"""Images under which thresholds are rough."""

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Trained:
    """A network as it was trained.

    Attributes:
        model: with a temperature of 1, a prior of 0, and the label shares of its training.
        processor: of its images.
        validation: what it is fitted on.
        logits: (n, classes), what it says of these images.
        auxiliary_logits: (n, auxiliary classes), by its second output layer; None where the network has one output layer.
        label_set: what its labels are called in tables: `labels`, or `votes` where the votes of annotators make them.
        auxiliary_shares: how frequent the classes of its second label set were; None where it has none.
    """

    model: FerForImageClassification
    processor: FerImageProcessor
    validation: FaceColumns
    logits: Tensor
    auxiliary_logits: Tensor | None
    label_set: str
    auxiliary_shares: list[float] | None


def open_run(source: str | Path, data: str, auxiliary_share: float = 0.0) -> Trained:
    """Reads a checkpoint, the recipe beside it where there is one, and the data.

    Args:
        source: a run folder, or a folder, bundled name or repository of a checkpoint.
        data: folder or repository of the prepared data set.
        auxiliary_share: how much a second label set is to count, in [0, 1].

    Raises:
        OSError, ValueError: they cannot be read, or do not fit each other, or the network's output layers cannot be joined.
    """
    checkpoint = load_checkpoint(source)
    config = checkpoint.model.config
    check_join(str(source), config, auxiliary_share)
    config.temperature, config.prior_strength = 1.0, 0.0
    run = Path(find_checkpoint(source)).parent
    if (run / "recipe.yaml").is_file():
        return open_recipe(run, checkpoint, data)
    if auxiliary_share:
        raise ValueError(
            f"{run / 'recipe.yaml'} does not exist, which says how {source} learned its second label set; leave --auxiliary-share out."
        )
    return open_foreign(checkpoint, data)


def open_recipe(run: Path, checkpoint: Checkpoint, data: str) -> Trained:
    """A network that `fer train` wrote, on the validation images that its recipe holds out of the data; says where it was trained on
    other data.

    Args:
        run: its folder, with recipe.yaml.
        checkpoint: what is fitted.
        data: folder or repository of the prepared data set.

    Raises:
        OSError, ValueError: recipe or data cannot be read, or the data have other classes.
    """
    recipe, (model, processor) = read_recipe(run / "recipe.yaml"), (checkpoint.model, checkpoint.image_processor)
    splits = load_splits(data, recipe.target, recipe.label_votes)
    names, own = list(model.config.id2label.values()), splits["train"].features["label"].names
    if names != own:
        raise ValueError(
            f"{run} has the classes {', '.join(names)}, but {data} has {', '.join(own)}; give the data set that it was trained on."
        )
    train, validation = read_labels(splits["train"]), recipe_columns(recipe, splits["validation"])
    label_shares = training_shares(recipe, train)
    if not same_shares(model.config.label_shares, label_shares):
        typer.echo(
            f"{run} was trained on other images or labels; the held-out part of {data} may hold images that it learned.",
            err=True,
        )
    model.config.label_shares = label_shares
    shares = auxiliary_shares(recipe, train) if model.config.auxiliary_labels else None
    label_set = "labels" if recipe.target == "label" else "votes"
    return Trained(model, processor, validation, *predict_logits(model, processor, validation), label_set, shares)


def same_shares(known: Sequence[float] | None, now: Sequence[float]) -> bool:
    """Whether the classes are as frequent as they were in training; true where that is not known."""
    return known is None or np.allclose(known, now, atol=1e-6)


def open_foreign(checkpoint: Checkpoint, data: str) -> Trained:
    """A network that something else than `fer train` wrote, as the Trainer of transformers does. Its first output layer is fitted to
    the votes where the data set has any and the network all their classes, else to the label.

    Args:
        checkpoint: what is fitted; it keeps the label shares that it has, and gets those of the split train where it has none.
        data: folder or repository of the prepared data set.

    Raises:
        OSError, ValueError: the data cannot be read, or have classes that the network lacks.
    """
    model, processor = checkpoint.model, checkpoint.image_processor
    splits, names = load_prepared(data), list(model.config.id2label.values())
    target = choose_label_set(splits["validation"], names)
    train, validation = (choose_target(splits[name], target) for name in ("train", "validation"))
    own = validation.features["label"].names
    if unknown := [name for name in own if name not in names]:
        raise ValueError(f"The network has no class {unknown[0]!r} of {data}; it has {', '.join(names)}.")
    if model.config.label_shares is None:
        model.config.label_shares = training_shares(Recipe(), take_classes(read_labels(train), names))
    decoded = decode_columns(validation.select_columns(label_columns(validation)), processor, LANDMARK_POINTS["all"])
    columns = take_classes(decoded, names)
    label_set = "labels" if target == "label" else "votes"
    return Trained(model, processor, columns, predict_logits(model, processor, columns)[0], None, label_set, None)


def choose_label_set(validation: Dataset, names: Sequence[str]) -> str:
    """`votes` where images have any and a network has all their classes, else `label`; see `choose_target`."""
    has_votes = "votes" in validation.column_names and bool(read_votes(validation).any())
    return "votes" if has_votes and set(EXPRESSIONS) <= set(names) else "label"


def label_columns(dataset: Dataset) -> list[str]:
    """The columns that a network is fitted on."""
    return [name for name in ("image", "label", "distribution") if name in dataset.column_names]


def take_classes(columns: FaceColumns, names: list[str]) -> FaceColumns:
    """The columns with a network's classes.

    Args:
        columns: their classes are among `names`.
        names: of the network's classes.
    """
    places = torch.tensor([names.index(name) for name in columns.label_names])
    targets = torch.zeros(len(columns), len(names)).index_copy(1, places, columns.targets)
    return replace(columns, targets=targets, labels=places[columns.labels], label_names=names)


def check_join(checkpoint: str, config: FerConfig, auxiliary_share: float) -> None:
    """Whether a network's output layers can be joined.

    Args:
        checkpoint: its name, for the sentence.
        config: its configuration.
        auxiliary_share: how much a second label set is to count, in [0, 1].

    Raises:
        ValueError: they are joined already, or a share is asked for of a network with one output layer.
    """
    if config.auxiliary_share:
        raise ValueError(
            f"{checkpoint} is joined already, its second label set counting {config.auxiliary_share:g}; give the checkpoint that it "
            "was made from."
        )
    if auxiliary_share and not config.auxiliary_labels:
        raise ValueError(f"{checkpoint} has no second label set; leave --auxiliary-share out.")


def join(trained: Trained, auxiliary_share: float) -> FerForImageClassification:
    """The network with its two output layers joined; itself where there is one."""
    model = deepcopy(trained.model)
    if trained.auxiliary_shares is not None:
        join_outputs(model, auxiliary_share, trained.auxiliary_shares)
    return model


def join_logits(trained: Trained, auxiliary_share: float) -> Tensor:
    """What the joined network says of the validation images, up to a number for each image: (n, classes)."""
    if trained.auxiliary_logits is None:
        return trained.logits
    return join_scores(trained.logits.T, trained.auxiliary_logits.T, shared_places(trained.model), auxiliary_share).T


def measure(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy, UAR and calibration error."""
    metrics = ExpressionMetrics().compute(predictions=logits.softmax(dim=1).numpy(), references=labels.numpy())
    return {name: metrics[name] for name in ("accuracy", "uar", "calibration_error")}


def score_priors(trained: Trained, auxiliary_share: float) -> dict[float, Scores]:
    """What the joined network scores on validation with each of `PRIORS`, at its own temperature: by its labels, under the name of
    their `label_set`, and then where it has a second label set by that (`labels`).
    """
    joined, logits, validation = join(trained, auxiliary_share), join_logits(trained, auxiliary_share), trained.validation
    joined.config.temperature = fit_temperature(logits, validation.targets)
    scores: dict[float, Scores] = {}
    for prior in PRIORS:
        adjusted = joined.adjust_logits(logits, prior)
        scores[prior] = {trained.label_set: measure(adjusted, validation.labels)}
        if trained.auxiliary_shares is not None and validation.auxiliary_labels is not None:
            scores[prior]["labels"] = measure(adjusted[:, shared_places(trained.model)], validation.auxiliary_labels)
    return scores


def best_prior(scores: dict[float, Scores]) -> float:
    """The prior with the highest sum of accuracy and UAR, by the first label set."""

    def sum_of(prior: float) -> float:
        first = next(iter(scores[prior].values()))
        return first["accuracy"] + first["uar"]

    return max(scores, key=sum_of)


def show_choices(trained: Trained, kept: Path | None) -> None:
    """Prints what priors, and shares of a second label set, score on validation.

    Args:
        trained: the network.
        kept: JSON file that gets the same numbers, by share and prior, and those of the second output layer alone.
    """
    console = Console()
    one_set = trained.auxiliary_shares is None
    for share in AUXILIARY_SHARES[:1] if one_set else AUXILIARY_SHARES:
        scores = score_priors(trained, share)
        columns = [column for name in scores[0.0] for column in (name, "UAR", "ECE")]
        table = Table("prior", *columns, title=None if one_set else f"second label set counts {share:g}")
        for prior, by in scores.items():
            cells = [(f"{one['accuracy']:.2%}", f"{one['uar']:.2%}", f"{one['calibration_error']:.3f}") for one in by.values()]
            table.add_row(f"{prior:g}", *(cell for row in cells for cell in row))
        console.print(table)
        typer.echo(f"The sum of accuracy and UAR is highest at a prior of {best_prior(scores):g}.")
        if kept is not None:
            keep_result(kept, f"{share:g}", {f"{prior:g}": by for prior, by in scores.items()})
    if trained.auxiliary_logits is not None and trained.validation.auxiliary_labels is not None:
        second = measure(trained.auxiliary_logits, trained.validation.auxiliary_labels)
        typer.echo(f"The second output layer alone: {second['accuracy']:.2%} by its own labels, UAR {second['uar']:.2%}.")
        if kept is not None:
            keep_result(kept, "second layer", second)


def finish_checkpoint(trained: Trained, auxiliary_share: float, prior: float | None, output: Path) -> None:
    """Writes the finished checkpoint.

    Args:
        trained: the network.
        auxiliary_share: how much the second label set counts, in [0, 1].
        prior: its prior_strength, in [0, 1]; that of `best_prior` if None.
        output: folder to write.

    Raises:
        OSError, ValueError: it cannot be written.
    """
    model, logits, validation = join(trained, auxiliary_share), join_logits(trained, auxiliary_share), trained.validation
    config = model.config
    config.temperature = round(fit_temperature(logits, validation.targets), 4)
    config.prior_strength = best_prior(score_priors(trained, auxiliary_share)) if prior is None else prior
    fit_doubt(config, model.adjust_logits(logits).softmax(dim=1).numpy(), validation.labels.numpy())
    model.save_pretrained(output)
    trained.processor.save_pretrained(output)
    below = "never" if config.uncertain_below is None else f"below {config.uncertain_below:.4f}"
    typer.echo(f"{output}: temperature {config.temperature:g}, prior {config.prior_strength:g}, uncertain {below}")
    for note in explain_fit(config, validation.labels):
        typer.echo(note)


def explain_fit(config: FerConfig, labels: Tensor) -> list[str]:
    """Sentences on what the images were too few, or too easy, to fit.

    Args:
        config: of the finished checkpoint.
        labels: (n,), class indices of the validation images.
    """
    notes = []
    if len(labels) < FEW:
        notes.append(f"These were fitted on {len(labels)} validation images, so they are rough; {FEW} or more are better.")
    if config.temperature == TEMPERATURES[0]:
        notes.append(
            "The temperature is the lowest allowed: these images are too few or too easy to say how sure answers should be."
        )
    if config.temperature == TEMPERATURES[1]:
        notes.append("The temperature is the highest allowed: on these images the network does no better than a guess.")
    needed = [needed_images(coverage) for coverage in COVERAGES]
    counts = zip(config.id2label.values(), labels.bincount(minlength=len(config.id2label)).tolist(), strict=True)
    if few := [f"{name} ({images})" for name, images in counts if images < needed[-1]]:
        notes.append(
            f"Sets of {', '.join(f'{coverage:.0%}' for coverage in COVERAGES)} take {', '.join(map(str, needed))} validation images "
            f"of a class; with fewer it is in every set, which says nothing: {', '.join(few)}."
        )
    return notes
