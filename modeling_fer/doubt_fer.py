"""How far an answer is to be trusted: sets that hold the right expression as often as promised, and answers too unsure to give.

A set holds every expression whose probability is at least its own threshold (least ambiguous sets: Sadinle, Lei and Wasserman, JASA
2019; a threshold for each class: Vovk, "Conditional validity of inductive conformal predictors", ACML 2012). The thresholds are fitted
on images that the network was not trained on, and travel with the checkpoint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .prior_fer import shift_prior


def choose_thresholds(thresholds: Mapping[str, Sequence[float]] | None, coverage: float) -> np.ndarray:
    """The thresholds of a checkpoint for one coverage.

    Args:
        thresholds: `conformal_thresholds` of its configuration.
        coverage: how often sets are to hold the right expression, in (0, 1).

    Returns:
        (classes,), float64.

    Raises:
        ValueError: the checkpoint has no thresholds, or none for this coverage.
    """
    if not thresholds:
        raise ValueError("The checkpoint has no thresholds for sets of expressions; fer calibrate fits them.")
    for name, values in thresholds.items():
        if abs(float(name) - coverage) < 1e-9:
            return np.asarray(values, dtype=np.float64)
    raise ValueError(
        f"The sets are to hold the right expression with a probability of {coverage:g}, but the checkpoint's thresholds are for "
        f"{', '.join(thresholds)}; take one of these."
    )


def expression_sets(probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Which expressions are in the set of each face.

    Args:
        probabilities: (n, classes), by the checkpoint's own prior, each row summing to 1.
        thresholds: (classes,), from `choose_thresholds`.

    Returns:
        (n, classes), bool. The likeliest expression is always in the set, so that none is empty.
    """
    members: np.ndarray = (probabilities >= thresholds) | (probabilities == probabilities.max(axis=1, keepdims=True))
    return members


def are_uncertain(probabilities: np.ndarray, uncertain_below: float | None) -> np.ndarray:
    """Which faces are to be answered with "uncertain".

    Args:
        probabilities: (n, classes), by the checkpoint's own prior.
        uncertain_below: of the configuration; nothing is uncertain where it is None.

    Returns:
        (n,), bool.
    """
    doubted: np.ndarray = probabilities.max(axis=1) < (0.0 if uncertain_below is None else uncertain_below)
    return doubted


@dataclass(frozen=True)
class Doubt:
    """What a checkpoint knows of how far its answers are to be trusted.

    Attributes:
        labels: the expressions, in the order of the classes.
        uncertain_below, conformal_thresholds, label_shares: of the configuration.
        prior_strength: that the thresholds were fitted at.
        answered_at: the prior strength of the answers that are asked about.
    """

    labels: tuple[str, ...]
    uncertain_below: float | None = None
    conformal_thresholds: Mapping[str, Sequence[float]] | None = None
    label_shares: Sequence[float] | None = None
    prior_strength: float = 0.0
    answered_at: float = 0.0

    def is_uncertain(self, scores: Mapping[str, float]) -> bool:
        """Whether an answer is too unsure to be given.

        Args:
            scores: the probability of each expression; they sum to 1.
        """
        return bool(are_uncertain(self._as_fitted(scores), self.uncertain_below)[0])

    def expression_set(self, scores: Mapping[str, float], coverage: float) -> list[str]:
        """The expressions that hold the right one with a probability of `coverage`, the likeliest first.

        Args:
            scores: the probability of each expression; they sum to 1.
            coverage: in (0, 1), one that the checkpoint has thresholds for.

        Raises:
            ValueError: as for `choose_thresholds`.
        """
        thresholds = choose_thresholds(self.conformal_thresholds, coverage)
        members = expression_sets(self._as_fitted(scores), thresholds)[0]
        inside = {label for label, member in zip(self.labels, members, strict=True) if member}
        return sorted(inside, key=lambda label: -scores[label])

    def _as_fitted(self, scores: Mapping[str, float]) -> np.ndarray:
        """(1, classes), at the prior that the thresholds were fitted at."""
        probabilities = np.array([[scores[label] for label in self.labels]])
        change = self.prior_strength - self.answered_at
        if not change or self.label_shares is None:
            return probabilities
        return shift_prior(probabilities, self.label_shares, change)


__all__ = ["Doubt", "are_uncertain", "choose_thresholds", "expression_sets"]
