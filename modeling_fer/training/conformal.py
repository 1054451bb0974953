"""Fits what `modeling_fer.doubt_fer` goes by: thresholds of conformal sets, and the probability under which an answer is uncertain.

Everything is fitted on images that the network was not trained on, and measured on others.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from modeling_fer.configuration_fer import FerConfig

COVERAGES = (0.8, 0.9, 0.95)
"""How often sets are to hold the right expression."""
CERTAIN_ACCURACY = 0.9
"""How often answers that are not uncertain are to be right."""


SUREST = 0.9999
"""The highest probability under which an answer may be called uncertain: none is higher than 1, which would say so always."""


def needed_images(coverage: float) -> int:
    """How many images of a class a threshold takes; with fewer the class is in every set.

    >>> needed_images(0.9)
    9
    """
    return next(images for images in itertools.count(1) if threshold_rank(images, coverage) <= images)


def threshold_rank(images: int, coverage: float) -> int:
    """Which of the images of a class gives the threshold, the likeliest being the first; more than there are if they are too few."""
    # The image beside those that are still to come counts as one of them.
    return int(np.ceil((images + 1) * coverage))


def fit_thresholds(probabilities: np.ndarray, labels: np.ndarray, coverage: float) -> np.ndarray:
    """Thresholds by split conformal prediction in each class (Vovk 2012): of faces that show an expression, as many as `coverage` says
    have it in their set, whatever the expression is.

    Args:
        probabilities: (n, classes), of images that were not trained on.
        labels: (n,), class indices.
        coverage: in (0, 1).

    Returns:
        (classes,), the least probability that puts a class into a set. It is 0, so that the class is in every set, where fewer than
        coverage / (1 - coverage) images of a class promise nothing.
    """
    thresholds = np.zeros(probabilities.shape[1])
    for label in range(len(thresholds)):
        likeliest_first = -np.sort(-probabilities[labels == label, label])
        rank = threshold_rank(len(likeliest_first), coverage)
        if rank <= len(likeliest_first):
            thresholds[label] = likeliest_first[rank - 1]
    return thresholds


def fit_uncertain_below(probabilities: np.ndarray, labels: np.ndarray, accuracy: float = CERTAIN_ACCURACY) -> float | None:
    """The least confidence such that answers of at least that confidence are as often right as `accuracy` says.

    Args:
        probabilities: (n, classes), of images that were not trained on.
        labels: (n,), class indices.
        accuracy: in (0, 1).

    Returns:
        A number in [0, 1]; None where no confidence is enough.
    """
    confidence = probabilities.max(axis=1)
    surest_first = np.argsort(-confidence, kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[surest_first]
    confidence = confidence[surest_first]
    # Answers of equal confidence are on one side of any bound.
    last_of_equals = np.append(confidence[:-1] > confidence[1:], True)
    enough = np.flatnonzero(last_of_equals & (np.cumsum(right) / np.arange(1, len(right) + 1) >= accuracy))
    return float(confidence[enough[-1]]) if len(enough) else None


def fit_doubt(config: FerConfig, probabilities: np.ndarray, labels: np.ndarray, coverages: Sequence[float] = COVERAGES) -> None:
    """Writes thresholds and the confidence under which answers are uncertain into a configuration.

    Args:
        config: gets `conformal_thresholds` and `uncertain_below`.
        probabilities: (n, classes), by the configuration's temperature and prior.
        labels: (n,), class indices.
        coverages: how often sets are to hold the right expression.
    """
    fitted = {f"{coverage:g}": fit_thresholds(probabilities, labels, coverage) for coverage in coverages}
    # Rounded down: a set may hold more than was promised, not less.
    config.conformal_thresholds = {name: (np.floor(values * 1e6) / 1e6).tolist() for name, values in fitted.items()}
    below = fit_uncertain_below(probabilities, labels)
    # Rounded down, as 0.99999 would become 1.
    config.uncertain_below = None if below is None else min(math.floor(below * 1e4) / 1e4, SUREST)
