"""How frequent the expressions are taken to be (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021)."""

from collections.abc import Sequence
from numbers import Real

import numpy as np


def check_prior(strength: float, label_shares: Sequence[float] | None) -> None:
    """Whether a prior strength can be used.

    Args:
        strength: 0 answers as trained, 1 as if all classes were equally frequent.
        label_shares: how frequent each class was in training, where that is known.

    Raises:
        ValueError: the strength is not in [0, 1], or it is not 0 and the shares are not known.
    """
    if not (isinstance(strength, Real) and 0 <= strength <= 1):
        raise ValueError(f"The prior strength is {strength!r}, but must be a number of at least 0 and at most 1.")
    if strength and label_shares is None:
        raise ValueError(f"The prior strength is {strength}, but the checkpoint has no label_shares; leave it at 0.")


def shift_prior(probabilities: np.ndarray, label_shares: Sequence[float], by: float) -> np.ndarray:
    """Probabilities at another prior strength.

    Args:
        probabilities: (batch, classes), each row summing to 1.
        label_shares: how frequent each class was in training, each greater than 0.
        by: the strength wanted less the strength that the probabilities have.

    Returns:
        (batch, classes), float32, each row summing to 1.
    """
    shifted: np.ndarray = probabilities * np.asarray(label_shares, np.float64) ** -by
    shifted = shifted / shifted.sum(axis=1, keepdims=True)
    return shifted.astype(np.float32)
