"""What two methods answer to the same images, that were cross-validated on the same folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset

from modeling_fer.data import load_labelled
from modeling_fer.data.columns import read_labels
from modeling_fer.data.digests import find_difference
from modeling_fer.data.json_files import read_kept
from modeling_fer.data.prepared import known_subjects
from modeling_fer.data.splits import Fold
from modeling_fer.training.cross_validation import describe_folds, draw_folds, read_fold
from modeling_fer.training.recipe import Recipe, read_recipe


@dataclass(frozen=True)
class FinishedRun:
    """A cross-validation that is done.

    Attributes:
        folder: its folder.
        recipe: what was trained.
        label_names: names of the classes.
        folds: of each fold what result.json holds, in it `labels` and `answers` of its test images.
        drawn: what the folds were drawn from, see `describe_folds`; empty in a folder of an earlier version.
    """

    folder: Path
    recipe: Recipe
    label_names: list[str]
    folds: list[dict[str, Any]]
    drawn: dict[str, Any]


@dataclass(frozen=True)
class PairedAnswers:
    """What two methods answer to the same images, in the order of the data set.

    Attributes:
        labels: (n,), int64, class indices.
        a: (n,), int64, answers of the first method.
        b: (n,), int64, answers of the second one.
        folds: (n,), int64, the fold that an image was tested in, from 1.
        subjects: who is on each image; None where the data set does not say so.
        label_names: names of the classes.
    """

    labels: np.ndarray
    a: np.ndarray
    b: np.ndarray
    folds: np.ndarray
    subjects: list[str] | None
    label_names: list[str]


def read_run(folder: Path) -> FinishedRun:
    """Reads what a cross-validation left.

    Raises:
        FileNotFoundError: the folder holds none that is done.
        ValueError: its recipe cannot be read.
    """
    summary = read_kept(folder / "results.json")
    results = [read_fold(folder / f"fold-{number}") for number, _ in enumerate(summary.get("folds", ()), start=1)]
    found = [result for result in results if result is not None]
    if not found or len(found) < len(results):
        raise FileNotFoundError(f"{folder} holds no finished cross-validation; run fer cross-validate with --output {folder}.")
    return FinishedRun(
        folder, read_recipe(folder / "recipe.yaml"), summary["label_names"], found, read_kept(folder / "folds.json")
    )


def pair_answers(a: FinishedRun, b: FinishedRun, data: str) -> PairedAnswers:
    """Finds the image that each answer belongs to. Folds are drawn again, as results hold no positions, and each fold's test images
    come in the order of the data set.

    Args:
        a, b: the runs.
        data: folder or repository of the prepared data set that both ran on.

    Raises:
        FileNotFoundError: there is no such data set.
        ValueError: the runs have other folds, images or labels than each other or than the data set.
    """
    check_same_draw(a, b)
    dataset = load_labelled(data, "train", a.recipe.target, a.recipe.label_votes)
    subjects = known_subjects(dataset)
    # Without people each image stands for itself, as in the bootstrap.
    groups = [str(number) for number in range(len(dataset))] if subjects is None else subjects
    for run in (a, b):
        # Runs that choose their epochs otherwise may hold out other images, but test the same.
        folds = draw_folds(run.recipe, dataset["label"], groups, len(run.folds))
        check_tested(run, dataset, folds, data)
    places = np.concatenate([fold.test for fold in folds])
    numbers = np.repeat(np.arange(1, len(folds) + 1), [len(fold.test) for fold in folds])
    order = np.argsort(places)
    of_a, of_b = (np.concatenate([fold["answers"] for fold in run.folds])[order] for run in (a, b))
    return PairedAnswers(np.asarray(dataset["label"]), of_a, of_b, numbers[order], subjects, a.label_names)


def check_same_draw(a: FinishedRun, b: FinishedRun) -> None:
    """Refuses runs whose folds cannot be the same.

    Raises:
        ValueError: they were drawn with two seeds, or are not as many.
    """
    for what, of_a, of_b in (("seed", a.recipe.seed, b.recipe.seed), ("number of folds", len(a.folds), len(b.folds))):
        if of_a != of_b:
            raise ValueError(
                f"{a.folder} and {b.folder} have other folds: the {what} is {of_a} in one and {of_b} in the other; compare runs that "
                "were started with the same --folds and seed."
            )


def check_tested(run: FinishedRun, dataset: Dataset, folds: Sequence[Fold], data: str) -> None:
    """Refuses a run that was tested on something else than these folds. Its pixels may be others, as crops and sizes belong to a
    method.

    Raises:
        ValueError: its classes, images, labels or people are others.
    """
    drawn = describe_folds(read_labels(dataset), folds)
    del drawn["content"]
    labels = np.asarray(dataset["label"])
    tested = [fold["labels"] for fold in run.folds]
    expected = [labels[fold.test].tolist() for fold in folds]
    if run.label_names != dataset.features["label"].names:
        what = "classes"
    elif tested != expected or find_difference(drawn, run.drawn) is not None:
        what = "images, labels or people in its folds"
    else:
        return
    raise ValueError(
        f"{run.folder} has other {what} than {data}; compare runs on the same data and folds, and give these data by --data."
    )


def same_content(a: FinishedRun, b: FinishedRun) -> bool | None:
    """Whether two runs were given the same pixels, landmarks and targets; None where an earlier version did not write that down."""
    contents = [run.drawn.get("content") for run in (a, b)]
    return None if None in contents else contents[0] == contents[1]


def write_answers(answers: PairedAnswers, file: Path) -> None:
    """Writes a csv table for other software, a row for each image: `image`, its number among the images of the split train that are
    labelled, from 0; `subject`, empty where the data set does not say so; `fold`; and the names of `label`, `answer_a` and
    `answer_b`.
    """
    names = np.array(answers.label_names)
    table = {
        "image": np.arange(len(answers.labels)),
        "subject": answers.subjects,
        "fold": answers.folds,
        "label": names[answers.labels],
        "answer_a": names[answers.a],
        "answer_b": names[answers.b],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(table).to_csv(file, index=False)
