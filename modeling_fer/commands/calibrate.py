"""`fer calibrate`: what is fitted to a trained network on validation images before others use it: temperature, prior, and the
thresholds of its sets of expressions and of the answer "uncertain".
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from modeling_fer.checkpoints import find_checkpoint
from modeling_fer.data import load_splits
from modeling_fer.data.columns import FaceColumns
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.building import auxiliary_shares, recipe_columns, training_shares
from modeling_fer.training.calibration import fit_temperature, join_outputs, join_scores, shared_places
from modeling_fer.training.conformal import fit_doubt
from modeling_fer.training.evaluation import ExpressionMetrics, predict_logits
from modeling_fer.training.json_files import keep_result
from modeling_fer.training.recipe import read_recipe

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
        auxiliary_logits: (n, auxiliary classes), by its second output layer; None where it has one.
        auxiliary_shares: how frequent the classes of its second label set were; None where it has none.
    """

    model: FerForImageClassification
    processor: FerImageProcessor
    validation: FaceColumns
    logits: Tensor
    auxiliary_logits: Tensor | None
    auxiliary_shares: list[float] | None


def open_run(folder: Path, data: str) -> Trained:
    """Reads a checkpoint, the recipe beside it and the data that it was trained on.

    Args:
        folder: a run folder, or a checkpoint in one.
        data: folder or repository of the prepared data set.

    Raises:
        OSError, ValueError: they cannot be read, or do not fit each other.
    """
    checkpoint = Path(find_checkpoint(folder))
    recipe_file = checkpoint.parent / "recipe.yaml"
    if not recipe_file.is_file():
        raise ValueError(f"{recipe_file} does not exist; give a run folder that fer train wrote, or a checkpoint in one.")
    recipe = read_recipe(recipe_file)
    splits = load_splits(data, recipe.target, recipe.label_votes)
    train, validation = (recipe_columns(recipe, splits[split]) for split in ("train", "validation"))
    model = FerForImageClassification.from_pretrained(checkpoint, temperature=1.0, prior_strength=0.0)
    names = list(model.config.id2label.values())
    if names != validation.label_names:
        raise ValueError(
            f"{folder} has the classes {', '.join(names)}, but {data} has {', '.join(validation.label_names)}; give the data set "
            "that it was trained on."
        )
    model.config.label_shares = training_shares(recipe, train)
    shares = auxiliary_shares(recipe, train) if model.config.auxiliary_labels else None
    processor = FerImageProcessor.from_pretrained(checkpoint)
    return Trained(model, processor, validation, *predict_logits(model, processor, validation), shares)


def join(trained: Trained, auxiliary_share: float) -> FerForImageClassification:
    """The network with its two output layers joined; itself where there is one.

    Raises:
        ValueError: a share is asked for of a network with one output layer.
    """
    model = deepcopy(trained.model)
    if trained.auxiliary_shares is not None:
        join_outputs(model, auxiliary_share, trained.auxiliary_shares)
    elif auxiliary_share:
        raise ValueError("The network has no second label set; leave --auxiliary-share out.")
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
    """What the joined network scores on validation with each of `PRIORS`, at its own temperature: by its labels (`votes`), and where it
    has a second label set by that (`labels`).
    """
    joined, logits, validation = join(trained, auxiliary_share), join_logits(trained, auxiliary_share), trained.validation
    joined.config.temperature = fit_temperature(logits, validation.targets)
    scores: dict[float, Scores] = {}
    for prior in PRIORS:
        adjusted = joined.adjust_logits(logits, prior)
        scores[prior] = {"votes": measure(adjusted, validation.labels)}
        if trained.auxiliary_shares is not None and validation.auxiliary_labels is not None:
            scores[prior]["labels"] = measure(adjusted[:, shared_places(trained.model)], validation.auxiliary_labels)
    return scores


def best_prior(scores: dict[float, Scores]) -> float:
    """The prior with the highest sum of accuracy and UAR."""
    return max(scores, key=lambda prior: scores[prior]["votes"]["accuracy"] + scores[prior]["votes"]["uar"])


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
        OSError, ValueError: it cannot be written, or a share is asked for of a network with one output layer.
    """
    model, logits, validation = join(trained, auxiliary_share), join_logits(trained, auxiliary_share), trained.validation
    config = model.config
    config.temperature = round(fit_temperature(logits, validation.targets), 4)
    config.prior_strength = best_prior(score_priors(trained, auxiliary_share)) if prior is None else prior
    fit_doubt(config, model.adjust_logits(logits).softmax(dim=1).numpy(), validation.labels.numpy())
    model.save_pretrained(output)
    trained.processor.save_pretrained(output)
    below = "never" if config.uncertain_below is None else f"below {config.uncertain_below:.2f}"
    typer.echo(f"{output}: temperature {config.temperature:g}, prior {config.prior_strength:g}, uncertain {below}")
    if len(validation) < FEW:
        typer.echo(f"These were fitted on {len(validation)} validation images, so they are rough; {FEW} or more are better.")
