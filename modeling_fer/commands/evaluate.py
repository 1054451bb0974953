"""`fer evaluate`: what a checkpoint scores on one data set, or on the whole suite."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, disable_progress_bars
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from modeling_fer.checkpoints import DEFAULT_CHECKPOINT
from modeling_fer.commands.cross_validate import Folds, start_folds
from modeling_fer.data import load_labelled
from modeling_fer.data.columns import read_labels
from modeling_fer.data.recut import recut_faces
from modeling_fer.faces_fer import FaceCropper, make_detector
from modeling_fer.inference.loading import Checkpoint, load_checkpoint
from modeling_fer.training.answers import Answerer, score_answers, write_answers
from modeling_fer.training.cross_validation import cross_validate, folds_scores
from modeling_fer.training.evaluation import answer_names, foreign_images, rename_columns
from modeling_fer.training.figures import draw_confusion
from modeling_fer.training.measurement import (
    DATASET_NAMES,
    Measurement,
    Result,
    digest_checkpoint,
    find_foreign,
    read_results,
    write_results,
)
from modeling_fer.training.recipe import read_overrides
from modeling_fer.training.suite import check_measurement, measure, plan_suite

COLUMNS = ("accuracy", "uar", "macro_f1", "calibration_error")

ABREAST = 8
"""Columns of recalls that a screen of 80 letters has room for."""

UNFOLDED = 1000
"""Letters of a line that no screen shows; tables take as many as they need."""

FOLDS = 10
"""Folds by subject in which a checkpoint is fine-tuned on CK+48, as in the paper."""


@dataclass(frozen=True)
class Suite:
    """Measurements that can begin.

    Attributes:
        checkpoint: what is measured.
        planned: the measurements, each with its data set.
        folds: those that the checkpoint is fine-tuned in besides, where it is.
    """

    checkpoint: Checkpoint
    planned: list[tuple[Measurement, Dataset]]
    folds: Folds | None


def start_suite(
    model: str | None, data: Path, added: Sequence[str], output: Path | None = None, fine_tuned: Path | None = None
) -> Suite:
    """Opens a checkpoint, and FER+, FER-2013, CK+48 and the data sets that a user adds.

    Args:
        model: folder, name or repository of a checkpoint; the default one where it is None.
        data: holds the folders fer2013 and ckplus48.
        added: folders or repositories of prepared data sets.
        output: JSON file that the results are to be written to.
        fine_tuned: folder for runs in which the checkpoint is fine-tuned on CK+48, too, where it is not None; an interrupted one goes
            on.

    Raises:
        OSError, ValueError: checkpoint, data or the results that `output` has cannot be read, or these are of another checkpoint.
    """
    disable_progress_bars()
    checkpoint = load_checkpoint(model)
    check_results(output, checkpoint)
    planned = plan_suite(checkpoint, data, added)
    folds = None if fine_tuned is None else start_fine_tuning(model or DEFAULT_CHECKPOINT, data / "ckplus48", fine_tuned)
    return Suite(checkpoint, planned, folds)


def measure_suite(suite: Suite, output: Path | None, fine_tuned: Path | None) -> None:
    """Runs the measurements; prints one table, also of what was measured before something went wrong.

    Args:
        suite: from `start_suite`.
        output: JSON file that the results are written to, each as soon as it is there.
        fine_tuned: as for `start_suite`.

    Raises:
        FloatingPointError: the loss of a fold is not finite.
        OSError: something cannot be written.
        ValueError: checkpoint and data do not fit each other.
    """
    results: list[Result] = []
    notes: list[str] = []
    answerer, digest = Answerer(suite.checkpoint), digest_checkpoint(suite.checkpoint)

    def keep(measurement: Measurement, scores: dict[str, Any]) -> None:
        results.append(Result(measurement, scores, digest))
        if output is not None:
            write_results(results, output)

    try:
        with Progress(console=Console(stderr=True)) as progress:
            for measurement, dataset in progress.track(suite.planned, description="measuring"):
                foreign = count_foreign(suite.checkpoint, measurement, dataset)
                # The suite's own measurements keep their names, by which results are looked up.
                own = measurement.dataset in DATASET_NAMES
                measurement = measurement if own else leave_out(measurement, foreign)
                keep(measurement, score_answers(measure(answerer, measurement, dataset)))
                told = [*explain_foreign(foreign), *explain_limits(suite.checkpoint, results[-1])]
                notes += [f"{len(results)}: {note}" for note in told]
        if suite.folds is not None and fine_tuned is not None:
            summary = cross_validate(suite.folds.recipe, suite.folds.columns, suite.folds.folds, fine_tuned)
            keep(Measurement("ckplus48", "train", folds=FOLDS), folds_scores(summary))
    finally:
        if results:
            show_results(results, notes)


def start_fine_tuning(model: str, data: Path, folder: Path) -> Folds:
    """Folds in which a checkpoint is fine-tuned on CK+48."""
    return start_folds("ckplus48_finetune", str(data), folder, FOLDS, [f"initial_checkpoint={model}"])


def evaluate_one(
    model: str | None,
    data: str,
    measurement: Measurement,
    target: str,
    renamed: Sequence[str],
    output: Path | None,
    confusion: Path | None,
    table: Path | None = None,
) -> None:
    """Measures a checkpoint on one data set; prints its table.

    Args:
        model: as for `start_suite`.
        data: folder or repository of a prepared data set.
        measurement: what is measured; its prior_strength is the checkpoint's where it is negative, and 0 for the second output layer,
            which has no prior.
        target: which of its label sets, see `choose_target`.
        renamed: the model's names for some classes of the data set, `OLD=NEW` each.
        output: JSON file that the result is written to.
        confusion: picture of the confusion matrix to write.
        table: csv file for the answer to each image, see `write_answers`.

    Raises:
        OSError, ValueError: checkpoint or data cannot be read, or do not fit each other, or nothing can be written to `output`,
            `confusion` or `table`; what can be told before the measurement is.
    """
    disable_progress_bars()
    checkpoint = load_checkpoint(model)
    check_results(output, checkpoint)
    if confusion is not None:
        prepare_picture(confusion)
    if table is not None:
        prepare_table(table)
    dataset = load_labelled(data, measurement.split, target)
    if measurement.prior_strength < 0:
        own = 0.0 if measurement.auxiliary else float(checkpoint.model.config.prior_strength)
        measurement = replace(measurement, prior_strength=own)
    new_names = {old: str(new) for old, new in read_overrides(renamed).items()}
    check_measurement(checkpoint, measurement, dataset, new_names)
    foreign = count_foreign(checkpoint, measurement, dataset, new_names)
    measurement = leave_out(measurement, foreign)
    if measurement.recut:
        processor = checkpoint.image_processor
        dataset = recut_faces(dataset, make_detector(processor.face_detector), FaceCropper.from_processor(processor))
    answers = measure(Answerer(checkpoint), measurement, dataset, new_names)
    result = Result(measurement, score_answers(answers), digest_checkpoint(checkpoint))
    show_results([result], [*explain_foreign(foreign), *explain_limits(checkpoint, result)])
    if output is not None:
        write_results([result], output)
    if table is not None:
        write_answers(answers, dataset, table)
    if confusion is not None:
        draw_confusion(np.array(result.scores["confusion"]), result.scores["classes"]).save(confusion)


def count_foreign(
    checkpoint: Checkpoint, measurement: Measurement, dataset: Dataset, renamed: Mapping[str, str] | None = None
) -> dict[str, int]:
    """The images of classes that the measured output layer lacks, which nobody asked to leave out; see `foreign_images`.

    Args:
        checkpoint, measurement, dataset, renamed: as for `check_measurement`.
    """
    names = answer_names(checkpoint.model.config, measurement.auxiliary)
    return foreign_images(rename_columns(read_labels(dataset), names, renamed or {}), names, measurement.without)


def leave_out(measurement: Measurement, classes: Sequence[str] | Mapping[str, int]) -> Measurement:
    """The measurement without the images of some more classes."""
    return replace(measurement, without=[*measurement.without, *classes])


def explain_foreign(foreign: Mapping[str, int]) -> list[str]:
    """A sentence for each class that the model lacks."""
    return [
        f"{name} ({images} image{'s'[: images > 1]}) is no class of the model; its images are left out."
        for name, images in foreign.items()
    ]


def explain_limits(checkpoint: Checkpoint, result: Result) -> list[str]:
    """A sentence on answers that could be none of some classes of the model, which makes them right more often; none where there are no
    such answers.
    """
    names, classes = answer_names(checkpoint.model.config, result.measurement.auxiliary), result.scores["classes"]
    if len(classes) == len(names):
        return []
    return [
        f"The answers are limited to the {len(classes)} classes that are measured; among all {len(names)} of the model "
        f"{result.scores['accuracy_all_classes']:.1%} are right."
    ]


def check_results(output: Path | None, checkpoint: Checkpoint) -> None:
    """Refuses a file that holds something else than results of a checkpoint, to which others could not be added.

    Raises:
        ValueError: it does.
    """
    if output is None or not output.exists():
        return
    foreign = find_foreign(read_results(output), digest_checkpoint(checkpoint))
    if foreign is not None:
        raise ValueError(
            f"{output} has results of another checkpoint, or of this one before it was calibrated ({foreign.measurement.name}); give "
            "another --output, or remove the file."
        )


def prepare_picture(file: Path) -> None:
    """Makes the folder of a picture that is to be written, see `prepare_file`."""
    formats = Image.registered_extensions()
    prepare_file(file, "a picture", [suffix for suffix in formats if formats[suffix] in Image.SAVE], ".png")


def prepare_table(file: Path) -> None:
    """Makes the folder of a csv table that is to be written, see `prepare_file`."""
    prepare_file(file, "a table", [".csv"], ".csv")


def prepare_file(file: Path, what: str, suffixes: Sequence[str], usual: str) -> None:
    """Makes the folder of a file that is to be written.

    Args:
        file: its path.
        what: it will be, in a sentence.
        suffixes: that such files have, in lower case.
        usual: the one to ask for.

    Raises:
        OSError: it cannot be made.
        ValueError: the file is named otherwise.
    """
    if file.suffix.lower() not in suffixes:
        raise ValueError(f"{file} does not end as {what} does; give a name that ends in {usual}.")
    file.parent.mkdir(parents=True, exist_ok=True)


def show_results(results: Sequence[Result], notes: Sequence[str] = ()) -> None:
    """Prints a row for each result, numbered where there are several, and the recalls by class in a column for each. Long names are
    folded on a narrow screen, and written whole where no screen is.

    Args:
        results: at least one.
        notes: sentences on the rows, a line each.
    """
    console = Console(markup=False)
    if not console.is_terminal:
        console.width = UNFOLDED
    console.print(tabulate_scores(results))
    for note in notes:
        console.print(note, highlight=False)
    if len(results) == 1:
        console.print(tabulate_recalls(results, ["class", "recall, %"]))
        return
    for start in range(0, len(results), ABREAST):
        abreast = results[start : start + ABREAST]
        console.print(tabulate_recalls(abreast, ["recall, %", *(str(start + place + 1) for place in range(len(abreast)))]))


def tabulate_scores(results: Sequence[Result]) -> Table:
    """A row for each result, with its number where there are several."""
    # ECE is the expected calibration error.
    numbered = len(results) > 1
    headers = ["data", "split", "images", "accuracy", "UAR", "macro-F1", "ECE"]
    table = Table(*(Column(name, overflow="fold") for name in ([""] if numbered else []) + headers))
    for number, result in enumerate(results, start=1):
        scores, one = result.scores, result.measurement
        cells = (f"{scores[name]:.1%}" if name != "calibration_error" else f"{scores[name]:.3f}" for name in COLUMNS)
        table.add_row(*([str(number)] if numbered else []), one.title, one.split, f"{scores['images']:,}", *cells)
    return table


def tabulate_recalls(results: Sequence[Result], headers: Sequence[str]) -> Table:
    """A row for each class: its recall in percent, "-" where it has no image, nothing where it is not among those measured.

    Args:
        results: a column each.
        headers: of the classes, and of each result.
    """
    table = Table(*(Column(name, overflow="fold", justify="right" if place else "left") for place, name in enumerate(headers)))
    for name in dict.fromkeys(name for result in results for name in result.scores["classes"]):
        table.add_row(name, *(show_recall(result, name) for result in results))
    return table


def show_recall(result: Result, name: str) -> str:
    """A cell of `tabulate_recalls`."""
    if name in result.scores["recall"]:
        return f"{result.scores['recall'][name]:.1%}".rstrip("%")
    return "-" if name in result.scores["classes"] else ""
