"""How far two networks differ on the same crops."""

from dataclasses import dataclass

import numpy as np

from modeling_fer.network_fer import Network, NetworkAnswer


@dataclass(frozen=True)
class Difference:
    """How far answers differ from the expected ones.

    Attributes:
        probabilities: the largest difference of a probability.
        relevance_maps: the largest difference of a value of a relevance map, as a share of the map's peak where that is over 1; 0
            where there is no map.
        agreement: share of the crops whose likeliest expression is the same.
        accuracy: share of the crops that are named rightly, as expected and as found; None where that is not known.
    """

    probabilities: float
    relevance_maps: float
    agreement: float
    accuracy: tuple[float, float] | None = None

    @property
    def largest(self) -> float:
        """The larger of the two differences; NaN where an answer is none."""
        return float(np.max([self.probabilities, self.relevance_maps]))


def compare(expected: NetworkAnswer, found: NetworkAnswer, classes: np.ndarray | None = None) -> Difference:
    """How far answers to the same crops differ.

    Args:
        expected, found: the answers.
        classes: (crops,), the right class of each, or -1; None where it is not known.
    """
    maps = 0.0
    if expected.relevance_maps is not None and found.relevance_maps is not None:
        peak = max(1.0, float(np.abs(expected.relevance_maps).max()))
        maps = float(np.abs(expected.relevance_maps - found.relevance_maps).max()) / peak
    likeliest = [answer.probabilities.argmax(axis=1) for answer in (expected, found)]
    accuracy = None
    if classes is not None:
        before, after = ((place == classes)[classes >= 0].mean() for place in likeliest)
        accuracy = float(before), float(after)
    largest = float(np.abs(expected.probabilities - found.probabilities).max())
    return Difference(largest, maps, float((likeliest[0] == likeliest[1]).mean()), accuracy)


def answer_in_batches(network: Network, pixel_values: np.ndarray, batch_size: int) -> NetworkAnswer:
    """What a network says of many crops.

    Args:
        network: the network.
        pixel_values: (crops, channels, height, width), float32.
        batch_size: crops at once.
    """
    answers = [network(pixel_values[start : start + batch_size]) for start in range(0, len(pixel_values), batch_size)]
    maps = [answer.relevance_maps for answer in answers if answer.relevance_maps is not None]
    return NetworkAnswer(np.concatenate([answer.probabilities for answer in answers]), np.concatenate(maps) if maps else None)
