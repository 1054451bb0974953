"""`fer evaluate`: what a checkpoint scores on one data set, or on the whole suite."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from datasets import disable_progress_bars
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from modeling_fer.checkpoints import DEFAULT_CHECKPOINT
from modeling_fer.commands.cross_validate import Folds, start_folds
from modeling_fer.data import load_labelled
from modeling_fer.data.recut import recut_faces
from modeling_fer.faces_fer import FaceCropper, make_detector
from modeling_fer.inference.loading import load_checkpoint
from modeling_fer.training.cross_validation import cross_validate, folds_scores
from modeling_fer.training.figures import draw_confusion
from modeling_fer.training.measurement import Measurement, Result, write_results
from modeling_fer.training.recipe import read_overrides
from modeling_fer.training.suite import measure, plan_suite

COLUMNS = ("accuracy", "uar", "macro_f1", "calibration_error")

FOLDS = 10
"""Folds by subject in which a checkpoint is fine-tuned on CK+48, as in the paper."""


def evaluate_suite(model: str | None, data: Path, added: Sequence[str], output: Path | None, fine_tuned: Path | None) -> None:
    """Measures a checkpoint on FER+, FER-2013, CK+48 and the data sets that a user adds; prints one table, also of what was measured
    before something went wrong.

    Args:
        model: folder, name or repository of a checkpoint; the default one where it is None.
        data: holds the folders fer2013 and ckplus48.
        added: folders or repositories of prepared data sets.
        output: JSON file that the results are written to, each as soon as it is there.
        fine_tuned: folder for runs in which the checkpoint is fine-tuned on CK+48, too, where it is not None; an interrupted one goes
            on.

    Raises:
        OSError, ValueError: checkpoint or data cannot be read, or do not fit each other.
    """
    disable_progress_bars()
    checkpoint = load_checkpoint(model)
    planned = plan_suite(checkpoint, data, added)
    started = None if fine_tuned is None else start_fine_tuning(model or DEFAULT_CHECKPOINT, data / "ckplus48", fine_tuned)
    results: list[Result] = []

    def keep(result: Result) -> None:
        results.append(result)
        if output is not None:
            write_results(results, output)

    try:
        with Progress(console=Console(stderr=True)) as progress:
            for measurement, dataset in progress.track(planned, description="measuring"):
                keep(measure(checkpoint, measurement, dataset))
        if started is not None and fine_tuned is not None:
            summary = cross_validate(started.recipe, started.columns, started.folds, fine_tuned)
            keep(Result(Measurement("ckplus48", "train", folds=FOLDS), folds_scores(summary)))
    finally:
        if results:
            show_results(results)


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
) -> None:
    """Measures a checkpoint on one data set; prints its table.

    Args:
        model: as for `evaluate_suite`.
        data: folder or repository of a prepared data set.
        measurement: what is measured; its prior_strength is the checkpoint's where it is negative, and 0 for the second output layer,
            which has no prior.
        target: which of its label sets, see `choose_target`.
        renamed: the model's names for some classes of the data set, `OLD=NEW` each.
        output: as for `evaluate_suite`.
        confusion: picture of the confusion matrix to write.

    Raises:
        OSError, ValueError: as for `evaluate_suite`.
    """
    disable_progress_bars()
    checkpoint = load_checkpoint(model)
    dataset = load_labelled(data, measurement.split, target)
    if measurement.prior_strength < 0:
        own = 0.0 if measurement.auxiliary else float(checkpoint.model.config.prior_strength)
        measurement = replace(measurement, prior_strength=own)
    if measurement.recut:
        processor = checkpoint.image_processor
        dataset = recut_faces(dataset, make_detector(processor.face_detector), FaceCropper.from_processor(processor))
    result = measure(checkpoint, measurement, dataset, {old: str(new) for old, new in read_overrides(renamed).items()})
    show_results([result])
    if output is not None:
        write_results([result], output)
    if confusion is not None:
        draw_confusion(np.array(result.scores["confusion"]), result.scores["classes"]).save(confusion)


def show_results(results: Sequence[Result]) -> None:
    """Prints a row for each result, and a second table with the recall of each class: "-" where it has no image, nothing where the
    class is not among those measured.
    """
    # ECE is the expected calibration error.
    table = Table("data", "split", "images", "accuracy", "UAR", "macro-F1", "ECE")
    classes = list(dict.fromkeys(name for result in results for name in result.scores["classes"]))
    recalls = Table("recall", *classes)
    for result in results:
        scores = result.scores
        numbers = (f"{scores[name]:.1%}" if name != "calibration_error" else f"{scores[name]:.3f}" for name in COLUMNS)
        one = result.measurement
        table.add_row(one.title, one.split, f"{scores['images']:,}", *numbers)
        shown = dict.fromkeys(scores["classes"], "-") | {name: f"{value:.1%}" for name, value in scores["recall"].items()}
        recalls.add_row(one.title, *(shown.get(name, "") for name in classes))
    console = Console()
    console.print(table, recalls)
