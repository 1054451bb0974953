"""What a network in training scores on the validation set; each process looks at a share of it."""

import math
from typing import Any, cast

import numpy as np
from accelerate import Accelerator
from torch import Tensor
from torch.nn.functional import nll_loss

from modeling_fer.data.columns import FaceColumns
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.evaluation import ExpressionMetrics, predict_logits


def share_of(count: int, part: int, parts: int) -> np.ndarray:
    """The positions that one of several processes looks at, (share,), int64: shares of one size in the order of the processes. The last
    position fills up the last shares, so that the first `count` of all together are those of the whole."""
    size = math.ceil(count / parts)
    return np.arange(part * size, (part + 1) * size).clip(max=count - 1)


def gather(accelerator: Accelerator, values: Tensor, count: int) -> Tensor:
    """The first values of all processes' together, on the CPU."""
    return cast(Tensor, accelerator.gather(values.to(accelerator.device))).cpu()[:count]


def validate(
    accelerator: Accelerator, model: FerForImageClassification, processor: FerImageProcessor, faces: FaceColumns
) -> dict[str, Any]:
    """Metrics of a model on all of a data set with its classes, without augmentation.

    Args:
        accelerator: of the processes among which the data set is shared out; each gets the metrics of the whole.
        model, processor: what is measured.
        faces: the validation set.

    Returns:
        The metrics of `ExpressionMetrics`; `validation_loss`, the cross-entropy with the labels; `score`, by which the best epoch is
        chosen: the accuracy, or its mean with `auxiliary_accuracy`, that of the second label set, where the model has one.

    Raises:
        FloatingPointError: an answer is not a number, as the last steps of an epoch made the weights.
    """
    count = len(faces)
    own = share_of(count, accelerator.process_index, accelerator.num_processes)
    logits, auxiliary = predict_logits(model, processor, faces.select(own))
    probabilities = gather(accelerator, logits, count).softmax(dim=1)
    if not probabilities.isfinite().all():
        raise FloatingPointError(
            "The network's answers to the validation images are not numbers; the checkpoints written before are kept. "
            "A lower learning rate or gradient clipping may help."
        )
    metrics: dict[str, Any] = ExpressionMetrics().compute(predictions=probabilities.numpy(), references=faces.labels.numpy())
    metrics["score"] = metrics["accuracy"]
    metrics["validation_loss"] = nll_loss(probabilities.clamp(min=1e-9).log(), faces.labels).item()
    if auxiliary is not None:
        answers, labels = gather(accelerator, auxiliary, count).argmax(dim=1), cast(Tensor, faces.auxiliary_labels)
        metrics["auxiliary_accuracy"] = answers.eq(labels).float().mean().item()
        metrics["score"] = (metrics["accuracy"] + metrics["auxiliary_accuracy"]) / 2
    return metrics
