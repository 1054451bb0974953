"""What a checkpoint says of data sets that share images: each image is looked at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from sklearn.metrics import confusion_matrix
from torch import Tensor

from modeling_fer.data.columns import FaceColumns
from modeling_fer.inference.loading import Checkpoint
from modeling_fer.training.evaluation import ExpressionMetrics, answer_names, map_classes, predict_logits, shared_classes

NAMES = ("source", "subject")
"""Columns of a prepared data set: what the image was called, and who is in it."""


@dataclass(frozen=True)
class Answers:
    """A checkpoint's answers to the images of a data set whose classes it shares.

    Attributes:
        places: (n,), int64, which images of the data set they are.
        labels: (n,), int64, indices into `classes`.
        classes: the classes that data set and checkpoint share, in the data set's order.
        probabilities: (n, len(classes)), float32, each row summing to 1: the answers limited to these.
        right_among_all: (n,), bool, whether the likeliest of all classes of the checkpoint is the label.
    """

    places: Tensor
    labels: Tensor
    classes: list[str]
    probabilities: Tensor
    right_among_all: Tensor


class Answerer:
    """Asks a checkpoint for answers, and remembers what it said of each image, as several label sets and priors may be measured on the
    same ones.

    Args:
        checkpoint: what is asked.
    """

    def __init__(self, checkpoint: Checkpoint):
        self.checkpoint = checkpoint
        self._known: dict[bytes, tuple[Tensor, ...]] = {}

    def answer(
        self,
        columns: FaceColumns,
        without: Sequence[str] = (),
        mirrored: bool = False,
        auxiliary: bool = False,
        prior_strength: float | None = None,
    ) -> Answers:
        """The answers to a data set.

        Args:
            columns: the data set; classes are matched by name.
            without: classes whose images are left out.
            mirrored: average the probabilities of each image with those of its mirror image.
            auxiliary: use the second output layer's answers, which have no prior.
            prior_strength: in [0, 1]; the checkpoint's where it is None.

        Raises:
            ValueError: the data set has no class among `without`, checkpoint and data set share no class or none that has an image, or
                the checkpoint has no second output layer or no prior.
        """
        names = answer_names(self.checkpoint.model.config, auxiliary)
        shared = shared_classes(columns, names, without)
        position = torch.tensor([shared.index(name) if name in shared else -1 for name in columns.label_names])
        labels = position[columns.labels]
        places = (labels >= 0).nonzero().flatten()
        labels, columns = labels[places], columns.select(places.numpy())
        looks = [columns, replace(columns, images=columns.images.flip(3))] if mirrored else [columns]
        answers = [self._logits(look, auxiliary, prior_strength) for look in looks]
        probabilities = torch.stack([logits.softmax(dim=1) for logits in answers]).mean(dim=0)
        right = probabilities.argmax(1) == torch.tensor([names.index(name) for name in shared])[labels]
        return Answers(places, labels, shared, map_classes(probabilities, names, shared), right)

    def _logits(self, columns: FaceColumns, auxiliary: bool, prior_strength: float | None) -> Tensor:
        """(n, classes of the output layer that answers), float32."""
        layers = self._look(columns)
        return layers[1] if auxiliary else self.checkpoint.model.subtract_prior(layers[0], prior_strength)

    def _look(self, columns: FaceColumns) -> tuple[Tensor, ...]:
        """The logits of each output layer, without a prior."""
        # Digests, as images of some networks would fill the memory.
        keys = [blake2b(image.tobytes(), digest_size=16).digest() for image in columns.images.numpy()]
        new = {key: place for place, key in enumerate(keys) if key not in self._known}
        if new:
            unseen = columns.select(np.array(list(new.values())))
            layers = predict_logits(self.checkpoint.model, self.checkpoint.image_processor, unseen, prior_strength=0.0)
            rows = zip(*(layer for layer in layers if layer is not None), strict=True)
            self._known.update(zip(new, rows, strict=True))
        return tuple(torch.stack(layer) for layer in zip(*(self._known[key] for key in keys), strict=True))


def score_answers(answers: Answers) -> dict[str, Any]:
    """What answers score.

    Returns:
        The metrics of `ExpressionMetrics`, answers being limited to the classes that checkpoint and data set share, with the recalls by
        name, without classes that have no image; `images`, their number; `accuracy_all_classes`, where an answer outside the shared
        classes is wrong; `classes`, the names of the shared ones; and `confusion` among these, in their order, rows being labels and
        columns answers.
    """
    labels, classes = answers.labels.numpy(), answers.classes
    metrics = ExpressionMetrics().compute(predictions=answers.probabilities.numpy(), references=labels)
    confusion = confusion_matrix(labels, answers.probabilities.argmax(1), labels=list(range(len(classes)))).tolist()
    recall = {name: value for name, value in zip(classes, metrics.pop("recall"), strict=True) if value is not None}
    accuracy_all = answers.right_among_all.float().mean().item()
    by_class = {"recall": recall, "classes": classes, "confusion": confusion}
    return {"images": len(labels), **metrics, "accuracy_all_classes": accuracy_all, **by_class}


def write_answers(answers: Answers, dataset: Dataset, file: Path) -> None:
    """Writes a csv table for other software, a row for each image: `image`, its number among those of the split that have a label of
    the target, from 0; those of `NAMES` that the data set has; the names of `label` and `answer`; and for each class its probability,
    in a column like `probability_fear`.

    Args:
        answers: to the data set.
        dataset: what was measured.
        file: csv file, whose folder is there.
    """
    rows, classes = answers.places.numpy(), np.array(answers.classes)
    table: dict[str, Any] = {"image": rows}
    table |= {name: np.array(dataset[name], dtype=object)[rows] for name in NAMES if name in dataset.column_names}
    table |= {"label": classes[answers.labels], "answer": classes[answers.probabilities.argmax(1)]}
    table |= {f"probability_{name}": column for name, column in zip(classes, answers.probabilities.T.numpy(), strict=True)}
    pd.DataFrame(table).to_csv(file, index=False, float_format="%.6f")
