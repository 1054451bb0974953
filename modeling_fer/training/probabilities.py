"""What a network's probabilities are worth: calibration, distance to a crowd's votes, coverage of sets, the answer "uncertain"."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import entropy, spearmanr

from modeling_fer.configuration_fer import FerConfig
from modeling_fer.doubt_fer import are_uncertain, choose_thresholds, expression_sets
from modeling_fer.training.reliability import reliability_bins

SMALLEST = 1e-6
"""What a probability of zero counts as where its logarithm is taken."""


def measure_probabilities(
    config: FerConfig, probabilities: np.ndarray, labels: np.ndarray, votes: np.ndarray | None
) -> dict[str, Any]:
    """Everything that this module measures.

    Args:
        config: of the checkpoint, with thresholds.
        probabilities: (n, classes), by the configuration's own prior.
        labels: (n,), class indices.
        votes: (n, classes), the share of each class among the votes; None where there are none.

    Returns:
        `calibration`, `crowd` (with votes), `sets` by coverage, `uncertain`; see the functions below.

    Raises:
        ValueError: the configuration has no thresholds.
    """
    names = list(config.id2label.values())
    coverages = [float(name) for name in config.conformal_thresholds or {}]
    if not coverages:
        choose_thresholds(None, 0.9)
    return {
        "calibration": measure_calibration(probabilities, labels),
        **({"crowd": measure_crowd(probabilities, votes)} if votes is not None else {}),
        "sets": {
            f"{coverage:g}": measure_sets(
                probabilities, labels, choose_thresholds(config.conformal_thresholds, coverage), names
            )
            for coverage in coverages
        },
        "uncertain": measure_uncertain(probabilities, labels, config.uncertain_below),
    }


def measure_calibration(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Expected calibration error by 15 bins of equal width and of equal mass, and the bins of equal mass themselves."""
    wide, full = (reliability_bins(probabilities, labels, equal_mass=equal_mass) for equal_mass in (False, True))
    return {
        "equal_width": wide.error,
        "equal_mass": full.error,
        "confidence": full.confidence.tolist(),
        "accuracy": full.accuracy.tolist(),
    }


def measure_crowd(probabilities: np.ndarray, votes: np.ndarray) -> dict[str, float]:
    """How far the probabilities are from the votes of a crowd.

    Returns:
        Means over images in nats: `kullback_leibler` from votes to probabilities, `jensen_shannon`, the entropies `entropy` and
        `entropy_of_votes`; and `entropy_correlation`, Spearman's rank correlation of both entropies over images, in [-1, 1]: whether
        the network doubts where people disagree.
    """
    answers = np.clip(probabilities, SMALLEST, 1)
    answers = answers / answers.sum(axis=1, keepdims=True)
    middle = (answers + votes) / 2
    doubt, disagreement = entropy(answers, axis=1), entropy(votes, axis=1)
    return {
        "kullback_leibler": float(entropy(votes, answers, axis=1).mean()),
        "jensen_shannon": float((entropy(votes, middle, axis=1) + entropy(answers, middle, axis=1)).mean() / 2),
        "entropy": float(doubt.mean()),
        "entropy_of_votes": float(disagreement.mean()),
        "entropy_correlation": float(spearmanr(doubt, disagreement).statistic),
    }


def measure_sets(probabilities: np.ndarray, labels: np.ndarray, thresholds: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """How often sets hold the right expression, and how large they are.

    Returns:
        `coverage`, the share of images whose set holds their label; `coverage_by_class`, by name, of the classes that are there;
        `size`, the mean number of expressions in a set; and `single`, the share of sets with one.
    """
    sets = expression_sets(probabilities, thresholds)
    covered = sets[np.arange(len(labels)), labels]
    sizes = sets.sum(axis=1)
    by_class = {name: float(covered[labels == place].mean()) for place, name in enumerate(names) if (labels == place).any()}
    return {
        "coverage": float(covered.mean()),
        "coverage_by_class": by_class,
        "size": float(sizes.mean()),
        "single": float((sizes == 1).mean()),
    }


def measure_uncertain(probabilities: np.ndarray, labels: np.ndarray, uncertain_below: float | None) -> dict[str, float | None]:
    """What the answer "uncertain" gives and costs.

    Returns:
        `below`, the threshold; `uncertain`, the share of images that it leaves without an answer; `accuracy` of all answers,
        `accuracy_of_certain` of those that are given, and `accuracy_of_uncertain` of those that are not.
    """
    uncertain = are_uncertain(probabilities, uncertain_below)
    right = probabilities.argmax(axis=1) == labels
    return {
        "below": uncertain_below,
        "uncertain": float(uncertain.mean()),
        "accuracy": float(right.mean()),
        "accuracy_of_certain": float(right[~uncertain].mean()) if not uncertain.all() else None,
        "accuracy_of_uncertain": float(right[uncertain].mean()) if uncertain.any() else None,
    }
