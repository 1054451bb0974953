"""What a network is to the way from photos to faces, whatever engine runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .doubt_fer import Doubt


@dataclass(frozen=True)
class NetworkAnswer:
    """What a network says of some crops.

    Attributes:
        probabilities: (batch, classes), float32, each row summing to 1.
        relevance_maps: (batch, 1, height, width), float32; None for a baseline CNN.
    """

    probabilities: np.ndarray
    relevance_maps: np.ndarray | None


class Network(Protocol):
    """Anything that reads expressions from crops of faces."""

    @property
    def labels(self) -> Sequence[str]:
        """The expressions, in the order of the classes."""
        ...

    @property
    def label_shares(self) -> Sequence[float] | None:
        """How frequent each class was in training, where that is known."""
        ...

    @property
    def prior_strength(self) -> float:
        """How far answers leave that frequency behind where nothing else is asked for, in [0, 1]."""
        ...

    @property
    def doubt(self) -> Doubt:
        """How far answers at `prior_strength` are to be trusted."""
        ...

    def __call__(self, pixel_values: np.ndarray, prior_strength: float | None = None) -> NetworkAnswer:
        """
        Args:
            pixel_values: (batch, channels, height, width), float32.
            prior_strength: in [0, 1], checked already; the network's own where it is None.
        """
        ...
