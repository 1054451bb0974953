"""How often answers are right beside how sure the network is (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ReliabilityBins:
    """Images in bins of equal confidence.

    Attributes:
        confidence: (bins,), the mean probability of the answer in each bin, in [0, 1].
        accuracy: (bins,), the share of right answers in each bin, in [0, 1].
        share: (bins,), the share of all images that is in each bin; they sum to 1. Bins without an image are left out.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    share: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error, in [0, 1]; 0 is perfect."""
        return float(np.sum(self.share * np.abs(self.confidence - self.accuracy)))


def reliability_bins(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = 15, equal_mass: bool = False
) -> ReliabilityBins:
    """Sorts images by how sure the network is of its answer.

    Args:
        probabilities: (n, classes), float.
        labels: (n,), class indices.
        bins: how many.
        equal_mass: whether the bins hold equally many images (Nixon et al. 2019), rather than being equally wide.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    if equal_mass:
        place = np.empty(len(labels), dtype=int)
        place[np.argsort(confidence, kind="stable")] = np.arange(len(labels)) * bins // len(labels)
    else:
        place = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    filled = counts > 0
    sums = (np.bincount(place, values, minlength=bins)[filled] for values in (confidence, right))
    mean_confidence, accuracy = (total / counts[filled] for total in sums)
    return ReliabilityBins(mean_confidence, accuracy, counts[filled] / len(labels))
