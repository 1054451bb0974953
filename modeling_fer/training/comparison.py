"""Whether two methods differ that were cross-validated on the same folds.

Accuracy and UAR have intervals by a paired bootstrap over people: the images of one person are not independent, so people are drawn
with all their images (the cluster bootstrap, Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8; the
percentile interval, Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). Beside them stand the two tests that
papers report: McNemar's over images, and the corrected resampled t-test over folds.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from modeling_fer.training.paired_answers import PairedAnswers

METRICS = ("accuracy", "uar")
DRAWS = 10_000
LEVEL = 0.95
"""How often intervals are to hold the true value."""

DRAWN_AT_ONCE = 2_000_000
"""Numbers that a part of the drawings holds: 16 MB."""


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
