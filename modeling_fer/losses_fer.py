"""The objective of Ferreira et al., "Physiological Inspired Deep Neural Networks for Emotion Recognition",
IEEE Access 6, 2018 (doi 10.1109/ACCESS.2018.2870063).

The paper sums its losses over the images of a batch; here every one is a mean over images, so that its weight does
not depend on the batch size. Within an image, means over pixels are the paper's own.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def check_labels(labels: Tensor, classes: int) -> Tensor:
    """Labels as the loss takes them.

    Args:
        labels: (batch,), class indices, whole numbers of any kind; or (batch, classes), how much of each class.
        classes: how many there are.

    Returns:
        The same, class indices as int64 and distributions as floats.

    Raises:
        ValueError: they are something else.
    """
    forms = f"class indices (batch,) or distributions (batch, {classes})"
    if not isinstance(labels, Tensor) or labels.ndim not in (1, 2):
        shape = f"of the shape {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise ValueError(f"labels must be a tensor of {forms}, but here they are {shape}.")
    if labels.ndim == 2:
        if labels.shape[1] != classes:
            raise ValueError(f"labels are distributions over {labels.shape[1]} classes, but this model has {classes}.")
        return labels if labels.is_floating_point() else labels.float()
    if labels.is_floating_point():
        raise ValueError(f"labels of the shape {tuple(labels.shape)} are not whole numbers; they must be {forms}.")
    # Reading the values would make an accelerator wait; there, PyTorch's own assertion catches it.
    on_cpu = labels.device.type == "cpu" and not torch.compiler.is_compiling()
    if on_cpu and len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"labels reach from {labels.min()} to {labels.max()}, but this model has the classes 0 to {classes - 1}."
        )
    return labels.long()


def classification_loss(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Categorical cross-entropy (eq. 3).

    Args:
        logits: (batch, classes), float.
        labels: (batch,) class indices, or (batch, classes) distributions, each row summing to 1.
        label_smoothing: share of each target that is spread evenly over the classes, in [0, 1).

    Returns:
        A scalar, the mean over the batch.
    """
    if labels.is_floating_point():
        labels = labels.to(logits.dtype)
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def landmark_map_loss(relevance_map: Tensor, heatmaps: Tensor, heatmap_mask: Tensor | None = None) -> Tensor:
    """Mean squared error between the relevance map and the heatmap of the landmarks (eq. 4).

    Args:
        relevance_map: (batch, 1, height, width), float.
        heatmaps: (batch, 1, height, width), float in [0, 1].
        heatmap_mask: (batch,), true for the images that have landmarks; all of them where it is None. Numbers instead of truth values
            are weights that the images are averaged with as they are, for batches that are a part of a larger one.

    Returns:
        A scalar, the mean over the images that have landmarks; zero (with a gradient of zero) where none has.
    """
    per_image = (relevance_map - heatmaps.to(relevance_map.dtype)).square().mean(dim=(1, 2, 3))
    if heatmap_mask is None:
        return per_image.mean()
    if heatmap_mask.is_floating_point():
        return (per_image * heatmap_mask).mean()
    mask = heatmap_mask.to(per_image.dtype)
    return (per_image * mask).sum() / mask.sum().clamp(min=1)


def sparsity_loss(relevance_map: Tensor) -> Tensor:
    """Mean absolute value of the relevance map (eq. 6).

    Args:
        relevance_map: (batch, 1, height, width), float.

    Returns:
        A scalar, the mean over the batch.

    >>> import torch
    >>> sparsity_loss(torch.tensor([[[[0.5, -0.5], [0.0, 1.0]]]]))
    tensor(0.5000)
    """
    return relevance_map.abs().mean()


def contiguity_loss(relevance_map: Tensor) -> Tensor:
    """Anisotropic total variation of the relevance map, divided by its number of pixels (eq. 7).

    Args:
        relevance_map: (batch, 1, height, width), float.

    Returns:
        A scalar, the mean over the batch. Pixels of the last row (column) have no neighbour below (to the right)
        and add nothing for it.

    >>> import torch
    >>> contiguity_loss(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
    tensor(0.5000)
    """
    down = (relevance_map[..., 1:, :] - relevance_map[..., :-1, :]).abs().sum()
    right = (relevance_map[..., :, 1:] - relevance_map[..., :, :-1]).abs().sum()
    return (down + right) / relevance_map.numel()
