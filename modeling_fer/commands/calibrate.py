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
from modeling_fer.configuration_fer import FerConfig
from modeling_fer.data import load_splits
from modeling_fer.data.columns import FaceColumns, read_labels
from modeling_fer.data.json_files import keep_result
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.building import recipe_columns
from modeling_fer.training.calibration import fit_temperature, join_outputs, join_scores, shared_places
from modeling_fer.training.conformal import fit_doubt
from modeling_fer.training.evaluation import ExpressionMetrics, predict_logits
from modeling_fer.training.recipe import read_recipe
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


def open_run(folder: Path, data: str, auxiliary_share: float = 0.0) -> Trained:
    """Reads a checkpoint, the recipe beside it and the data that it was trained on.

    Args:
        folder: a run folder, or a checkpoint in one.
        data: folder or repository of the prepared data set.
        auxiliary_share: how much a second label set is to count, in [0, 1].

    Raises:
        OSError, ValueError: they cannot be read, or do not fit each other, or the network's output layers cannot be joined.
    """
    checkpoint = Path(find_checkpoint(folder))
    recipe_file = checkpoint.parent / "recipe.yaml"
    if not recipe_file.is_file():
        raise ValueError(f"{recipe_file} does not exist; give a run folder that fer train wrote, or a checkpoint in one.")
    recipe = read_recipe(recipe_file)
    model = FerForImageClassification.from_pretrained(checkpoint, temperature=1.0, prior_strength=0.0)
    check_join(str(checkpoint), model.config, auxiliary_share)
    splits = load_splits(data, recipe.target, recipe.label_votes)
    names, own = list(model.config.id2label.values()), splits["train"].features["label"].names
    if names != own:
        raise ValueError(
            f"{folder} has the classes {', '.join(names)}, but {data} has {', '.join(own)}; give the data set that it was trained on."
        )
    train, validation = read_labels(splits["train"]), recipe_columns(recipe, splits["validation"])
    model.config.label_shares = training_shares(recipe, train)
    shares = auxiliary_shares(recipe, train) if model.config.auxiliary_labels else None
    processor = FerImageProcessor.from_pretrained(checkpoint)
    label_set = "labels" if recipe.target == "label" else "votes"
    return Trained(model, processor, validation, *predict_logits(model, processor, validation), label_set, shares)


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
    below = "never" if config.uncertain_below is None else f"below {config.uncertain_below:.2f}"
    typer.echo(f"{output}: temperature {config.temperature:g}, prior {config.prior_strength:g}, uncertain {below}")
    if len(validation) < FEW:
        typer.echo(f"These were fitted on {len(validation)} validation images, so they are rough; {FEW} or more are better.")
