"""Whether two methods differ that were cross-validated on the same folds.

Accuracy and UAR have intervals by a paired bootstrap over people: the images of one person are not independent, so people are drawn
with all their images (the cluster bootstrap, Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8; the
percentile interval, Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). Beside them stand the two tests that
papers report: McNemar's over images, and the corrected resampled t-test over folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset
from scipy import stats

from modeling_fer.data import load_labelled
from modeling_fer.data.columns import read_labels
from modeling_fer.data.digests import find_difference
from modeling_fer.data.json_files import read_kept
from modeling_fer.data.prepared import known_subjects
from modeling_fer.data.splits import Fold
from modeling_fer.training.cross_validation import describe_folds, draw_folds, read_fold
from modeling_fer.training.recipe import Recipe, read_recipe

METRICS = ("accuracy", "uar")
DRAWS = 10_000
LEVEL = 0.95
"""How often intervals are to hold the true value."""

DRAWN_AT_ONCE = 2_000_000
"""Numbers that a part of the drawings holds: 16 MB."""


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


@dataclass(frozen=True)
class Estimate:
    """A share in [0, 1], or a difference of two in [-1, 1], and the ends of its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedScores:
    """One metric of both methods, and their difference, b minus a."""

    a: Estimate
    b: Estimate
    difference: Estimate


@dataclass(frozen=True)
class McNemarTest:
    """McNemar's exact test.

    Attributes:
        only_a: images that only the first method is right about.
        only_b: images that only the second one is right about.
        p: two-sided, in [0, 1].
    """

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True)
class FoldsTest:
    """The corrected resampled t-test of one metric.

    Attributes:
        a: the first method's score in each fold.
        b: the second one's.
        difference: the mean over folds of b minus a, with an interval by the same test.
        t: the statistic; None where all folds differ by the same amount.
        degrees: of freedom.
        p: two-sided, in [0, 1].
    """

    a: list[float]
    b: list[float]
    difference: Estimate
    t: float | None
    degrees: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """Two methods beside each other.

    Attributes:
        images: how many were tested.
        people: how many are on them; None where the data set does not say so.
        draws, seed: of the bootstrap.
        scores: by metric, over all images, with intervals by the bootstrap.
        mcnemar: over images.
        folds: by metric, fold by fold.
    """

    images: int
    people: int | None
    draws: int
    seed: int
    scores: dict[str, PairedScores]
    mcnemar: McNemarTest
    folds: dict[str, FoldsTest]


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


def compare_answers(answers: PairedAnswers, draws: int = DRAWS, seed: int = 0) -> Comparison:
    """Compares two methods.

    Args:
        answers: of both.
        draws: of the bootstrap.
        seed: the same seed draws the same people.
    """
    _, people = np.unique(answers.subjects or np.arange(len(answers.labels)), return_inverse=True)
    by_people, by_fold = count_right(answers, people), count_right(answers, answers.folds - 1)
    scores = score_counts(by_people.sum(axis=1))
    drawn = draw_scores(by_people, draws, seed)
    fold_scores = score_counts(by_fold)
    return Comparison(
        images=len(answers.labels),
        people=None if answers.subjects is None else by_people.shape[1],
        draws=draws,
        seed=seed,
        scores={name: pair_scores(scores[place], drawn[place]) for place, name in enumerate(METRICS)},
        mcnemar=mcnemar_test(answers.a == answers.labels, answers.b == answers.labels),
        folds={name: corrected_t_test(*fold_scores[place]) for place, name in enumerate(METRICS)},
    )


def count_right(answers: PairedAnswers, groups: np.ndarray) -> np.ndarray:
    """Counts images by group and class.

    Args:
        answers: of both methods.
        groups: (n,), integers from 0, e.g. who is on each image.

    Returns:
        (3, groups, classes), float64: how many there are, how many the first method is right about, and how many the second one.
    """
    counts = np.zeros((3, groups.max() + 1, len(answers.label_names)))
    np.add.at(counts[0], (groups, answers.labels), 1)
    np.add.at(counts[1], (groups, answers.labels), answers.a == answers.labels)
    np.add.at(counts[2], (groups, answers.labels), answers.b == answers.labels)
    return counts


def score_counts(counts: np.ndarray) -> np.ndarray:
    """Accuracy, and UAR among the classes that have an image.

    Args:
        counts: (3, ..., classes), from `count_right`, or sums of such.

    Returns:
        (2 metrics, 2 methods, ...), in [0, 1].
    """
    images, right = counts[0], counts[1:]
    accuracy = right.sum(axis=-1) / images.sum(axis=-1)
    # No image of a class that has none is right either: its recall counts as 0, and not among the classes.
    uar = (right / np.maximum(images, 1)).sum(axis=-1) / (images > 0).sum(axis=-1)
    return np.stack([accuracy, uar])


def draw_scores(counts: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """The scores of people who are drawn with replacement, each with all their images; both methods are scored on the same people.

    Args:
        counts: (3, people, classes), from `count_right`.
        draws: how often as many people are drawn as there are.
        seed: the same seed draws the same people.

    Returns:
        (2 metrics, 2 methods, draws), in [0, 1].
    """
    rng, people = np.random.default_rng(seed), counts.shape[1]
    at_once = max(1, DRAWN_AT_ONCE // people)
    scores = []
    for start in range(0, draws, at_once):
        often = rng.multinomial(people, np.full(people, 1 / people), size=min(at_once, draws - start))
        scores.append(score_counts(often @ counts))
    return np.concatenate(scores, axis=-1)


def pair_scores(scores: np.ndarray, drawn: np.ndarray) -> PairedScores:
    """One metric with percentile intervals.

    Args:
        scores: (2,), of both methods over all images.
        drawn: (2, draws), of both methods, from `draw_scores`.
    """
    rows = [(scores[0], drawn[0]), (scores[1], drawn[1]), (scores[1] - scores[0], drawn[1] - drawn[0])]
    ends = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    return PairedScores(*(Estimate(float(value), *np.quantile(values, ends).tolist()) for value, values in rows))


def mcnemar_test(right_a: np.ndarray, right_b: np.ndarray) -> McNemarTest:
    """McNemar's exact test (Psychometrika 12, 1947): were both methods equally good, an image that one of them alone is right about
    would be either's with a chance of a half. It takes images as independent.

    Args:
        right_a, right_b: (n,), bool, whether each method is right about an image.
    """
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    either = only_a + only_b
    p = float(stats.binomtest(only_a, either, 0.5).pvalue) if either else 1.0
    return McNemarTest(only_a, only_b, p)


def corrected_t_test(a: np.ndarray, b: np.ndarray) -> FoldsTest:
    """The corrected resampled t-test (Nadeau and Bengio, Machine Learning 52, 2003): folds share training images, so that the variance
    of the mean difference is not 1/k of that of the k differences, but 1/k plus the test images per training image, 1/(k - 1).

    Args:
        a, b: (k,), scores of both methods in the same folds.
    """
    differences, folds = b - a, len(a)
    mean = float(differences.mean())
    deviation = float(np.sqrt((1 / folds + 1 / (folds - 1)) * differences.var(ddof=1)))
    margin = float(stats.t.ppf((1 + LEVEL) / 2, folds - 1)) * deviation
    # Where all differences are equal, they have no deviation to be measured by.
    t = mean / deviation if deviation else None
    p = float(mean == 0) if t is None else float(2 * stats.t.sf(abs(t), folds - 1))
    return FoldsTest(a.tolist(), b.tolist(), Estimate(mean, mean - margin, mean + margin), t, folds - 1, p)


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
