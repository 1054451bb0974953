"""The average of the weights of several networks."""

from collections.abc import Sequence

import torch

from modeling_fer.modeling_fer import FerForImageClassification


@torch.no_grad()
def average_weights(models: Sequence[FerForImageClassification], weights: Sequence[float]) -> FerForImageClassification:
    """The weighted average of networks of one architecture (Wortsman et al., "Model soups", ICML 2022).

    Args:
        models: the networks; the last one takes the average and is returned.
        weights: how much each counts, at least 0; they need not sum to 1.

    Raises:
        ValueError: there are not as many weights as networks, all are zero, or the networks differ in shape.
    """
    if len(weights) != len(models) or min(weights) < 0 or sum(weights) == 0:
        raise ValueError(f"{len(models)} checkpoints need as many weights of at least 0, one of them positive, not {weights}.")
    states = [model.state_dict() for model in models]
    for key, value in states[-1].items():
        shapes = {tuple(state[key].shape) if key in state else None for state in states}
        if len(shapes) > 1:
            raise ValueError(f"The checkpoints differ in {key}; only networks of one architecture can be averaged.")
        if value.is_floating_point():
            value.copy_(sum(weight * state[key] for weight, state in zip(weights, states, strict=True)) / sum(weights))
    return models[-1]
