"""Which images an epoch shows, and how often: batch size, class balancing, and the shares of classes that come of it."""

from typing import cast

import torch
from torch import Tensor
from torch.utils.data import RandomSampler, Sampler, WeightedRandomSampler

from modeling_fer.data.columns import FaceColumns
from modeling_fer.training.recipe import Recipe


def fitting_batch(recipe: Recipe, images: int, processes: int) -> int:
    """The recipe's batch size, or a smaller one that gives an epoch its `least_steps`: two images or more, for batch normalization."""
    return max(2, min(recipe.batch_size, images // (recipe.least_steps * processes)))


def sampling_weights(recipe: Recipe, columns: FaceColumns) -> Tensor:
    """How often each image is drawn beside the others, (n,), float64, as `class_balancing` says."""
    targets = columns.targets.double()
    return targets @ targets.mean(dim=0).clamp(min=1e-6).pow(-recipe.class_balancing)


def training_shares(recipe: Recipe, columns: FaceColumns) -> list[float]:
    """How frequent each class is among the labels of an epoch, with the sampling's balance; they sum to 1."""
    weights = sampling_weights(recipe, columns)
    return positive_shares((columns.targets.double() * weights.unsqueeze(1)).sum(dim=0))


def auxiliary_shares(recipe: Recipe, columns: FaceColumns) -> list[float]:
    """The same of the second label set, which the columns must have."""
    labels, weights = cast(Tensor, columns.auxiliary_labels), sampling_weights(recipe, columns)
    return positive_shares(torch.bincount(labels, weights, minlength=len(columns.auxiliary_names)))


def positive_shares(counts: Tensor) -> list[float]:
    """Counts as shares that sum to 1. A class that never occurs gets a small one, as logarithms are taken of them."""
    shares = (counts / counts.sum()).clamp(min=1e-4)
    return (shares / shares.sum()).tolist()


def build_sampler(recipe: Recipe, columns: FaceColumns, generator: torch.Generator) -> Sampler[int]:
    """Draws the images of an epoch, balancing the classes as the recipe says."""
    if recipe.class_balancing == 0:
        return RandomSampler(columns, generator=generator)
    weights = sampling_weights(recipe, columns)
    return WeightedRandomSampler(weights, len(columns), generator=generator)  # type: ignore[arg-type]
