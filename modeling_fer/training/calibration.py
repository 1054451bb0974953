"""What a trained checkpoint's answers are adjusted to before it is released: two output layers joined, a temperature, a prior."""

import math
from collections.abc import Sequence
from typing import cast

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from modeling_fer.modeling_fer import FerForImageClassification

TEMPERATURES = (0.2, 5.0)
"""The lowest and the highest temperature that a network is given."""


def join_scores(scores: Tensor, auxiliary: Tensor, places: Sequence[int], auxiliary_share: float) -> Tensor:
    """The weighted mean of two label sets' scores, which is the weighted geometric mean of their distributions.

    Scores of two label sets are compared among the classes that both have: each set is first shifted so that its mean over these is 0.
    A class of the first set alone keeps its score beside that mean.

    Args:
        scores: (classes, ...), of the first label set; logits, logarithms of shares, or weights of an output layer.
        auxiliary: (auxiliary classes, ...), of the second.
        places: for each class of the second label set the place of the same class in the first.
        auxiliary_share: how much the second label set counts, in [0, 1].

    Returns:
        (classes, ...).
    """
    places = list(places)
    joined = scores - scores[places].mean(dim=0, keepdim=True)
    second = auxiliary - auxiliary.mean(dim=0, keepdim=True)
    joined[places] = (1 - auxiliary_share) * joined[places] + auxiliary_share * second
    return joined


def shared_places(model: FerForImageClassification) -> list[int]:
    """For each class of a model's second label set the place of the same class in the first.

    Raises:
        ValueError: the model has no second label set, or it has a class that the first lacks.
    """
    names = list(model.config.id2label.values())
    auxiliary = model.config.auxiliary_labels
    if not auxiliary or any(name not in names for name in auxiliary):
        raise ValueError(f"The model's second label set is {auxiliary}, but must be some of its classes {', '.join(names)}.")
    return [names.index(name) for name in auxiliary]


@torch.no_grad()
def join_outputs(model: FerForImageClassification, auxiliary_share: float, auxiliary_label_shares: Sequence[float]) -> None:
    """Makes a model's output layer the join of its own and the auxiliary one, and its label_shares those of both; its configuration
    then has the auxiliary_share.

    The join of two linear layers is one: it costs nothing in use. The auxiliary output layer stays beside it.

    Args:
        model: with a second label set, and with label_shares.
        auxiliary_share: how much the second label set counts, in [0, 1].
        auxiliary_label_shares: how frequent its classes were in training.

    Raises:
        ValueError: as for `shared_places`.
    """
    places = shared_places(model)
    first, second = model.classifier.output, cast(nn.Linear, model.classifier.auxiliary_output)
    first.weight.copy_(join_scores(first.weight, second.weight, places, auxiliary_share))
    first.bias.copy_(join_scores(first.bias, second.bias, places, auxiliary_share))
    logs, auxiliary_logs = (
        torch.tensor(shares).double().log() for shares in (model.config.label_shares, auxiliary_label_shares)
    )
    model.config.auxiliary_share = auxiliary_share
    model.config.label_shares = join_scores(logs, auxiliary_logs, places, auxiliary_share).softmax(dim=0).tolist()


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature at which the labels are likeliest (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).

    Args:
        logits: (n, classes), before any temperature.
        labels: (n,) class indices, or (n, classes) distributions.

    Returns:
        A number in `TEMPERATURES`: answers that are all right, or no better than a guess, would be likeliest at zero or without end.
    """
    logits = logits.double()
    if labels.is_floating_point():
        labels = labels.double()

    def loss(log_temperature: float) -> float:
        return torch.nn.functional.cross_entropy(logits / math.exp(log_temperature), labels).item()

    found = minimize_scalar(loss, bounds=[math.log(bound) for bound in TEMPERATURES], method="bounded", options={"xatol": 1e-6})
    return math.exp(found.x)
