"""What a model scores: metrics that need no network, predictions over a data set, and label sets mapped to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import datasets
import evaluate
import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score, recall_score
from torch import Tensor

from modeling_fer.configuration_fer import FerConfig
from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.source import usual_name
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.reliability import reliability_bins


class ExpressionMetrics(evaluate.Metric):
    """Accuracy, macro-F1, unweighted average recall (UAR), recall of each class and calibration error, offline.

    `compute(predictions=..., references=...)` takes distributions over the classes, (n, classes), and class indices, (n,). The recall
    of a class without images is None, as JSON knows no NaN.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Metrics of facial expression recognition.",
            citation="",
            inputs_description="predictions: a distribution over the classes for each image; references: class indices.",
            features=datasets.Features(
                {"predictions": datasets.List(datasets.Value("float32")), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, float | list[float | None]]:
        probabilities = np.asarray(predictions, dtype=np.float64)
        labels = np.asarray(references)
        chosen = probabilities.argmax(1)
        classes = list(range(probabilities.shape[1]))
        present = sorted(set(labels.tolist()))
        recalls = recall_score(labels, chosen, labels=classes, average=None, zero_division=0).tolist()
        return {
            "accuracy": float(accuracy_score(labels, chosen)),
            "macro_f1": float(f1_score(labels, chosen, labels=present, average="macro", zero_division=0)),
            "uar": float(recall_score(labels, chosen, labels=present, average="macro", zero_division=0)),
            "calibration_error": calibration_error(probabilities, labels),
            "recall": [recall if place in present else None for place, recall in enumerate(recalls)],
        }


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017): the mean distance, over images, of how sure the model is and how often it is
    right among images that it is equally sure of.

    Args:
        probabilities: (n, classes), float.
        labels: (n,), class indices.
        bins: number of intervals of confidence, equally wide.

    Returns:
        A number in [0, 1]; 0 is perfect.
    """
    return reliability_bins(probabilities, labels, bins).error


@torch.inference_mode()
def predict_logits(
    model: FerForImageClassification,
    processor: FerImageProcessor,
    columns: FaceColumns,
    prior_strength: float | None = None,
    batch_size: int = 256,
) -> tuple[Tensor, Tensor | None]:
    """What a model says of every image of a data set, before softmax.

    Args:
        model: in any mode; it is left in evaluation mode.
        processor: gives contrast and normalization.
        columns: the images, already of the model's size.
        prior_strength: in [0, 1]; the checkpoint's where it is None.
        batch_size: images at once.

    Returns:
        (n, classes), float32, on the CPU, and (n, auxiliary classes) where the model has a second label set.
    """
    model.eval()
    logits, auxiliary = [], []
    for images in columns.images.split(batch_size):
        pixels = processor.normalize_pixels(images.numpy())
        outputs = model(torch.from_numpy(pixels).to(model.device), prior_strength=prior_strength)
        logits.append(outputs.logits.float().cpu())
        if outputs.auxiliary_logits is not None:
            auxiliary.append(outputs.auxiliary_logits.float().cpu())
    return torch.cat(logits), torch.cat(auxiliary) if auxiliary else None


def predict_columns(model: FerForImageClassification, processor: FerImageProcessor, columns: FaceColumns) -> Tensor:
    """Probabilities of the expressions for every image of a data set, (n, classes), float32, on the CPU; see `predict_logits`."""
    return predict_logits(model, processor, columns)[0].softmax(1)


def map_classes(probabilities: Tensor, labels: list[str], wanted: list[str]) -> Tensor:
    """Restricts distributions to some of their classes and renormalizes them.

    Args:
        probabilities: (n, len(labels)).
        labels: names of the columns.
        wanted: names of the columns to keep, in their new order; each must be among `labels`.

    Returns:
        (n, len(wanted)), each row summing to 1.
    """
    missing = [name for name in wanted if name not in labels]
    if missing:
        raise ValueError(f"The model has no class {missing[0]!r}; it has {', '.join(labels)}.")
    kept = probabilities[:, [labels.index(name) for name in wanted]]
    return kept / kept.sum(1, keepdim=True)


def rename_columns(columns: FaceColumns, names: list[str], renamed: Mapping[str, str]) -> FaceColumns:
    """A data set whose classes have a model's names: those given, and else the usual ones, e.g. happiness for happy.

    Args:
        columns: the data set.
        names: of the model's classes.
        renamed: the model's names for some classes of the data set.

    Raises:
        ValueError: the data set has no such class, the model has none, or two classes would have one name.
    """
    # A data set's own name of a class may have been read as the usual one.
    renamed = {old if old in columns.label_names else usual_name(old): new for old, new in renamed.items()}
    for old, new in renamed.items():
        if old not in columns.label_names:
            raise ValueError(f"The data set has no class {old!r}; it has {', '.join(columns.label_names)}.")
        if new not in names:
            raise ValueError(f"The model has no class {new!r}; it has {', '.join(names)}.")
    usual = {name: usual_name(name) for name in columns.label_names if name not in names}
    new_names = [renamed.get(name, usual.get(name, name)) for name in columns.label_names]
    if len(set(new_names)) < len(new_names):
        twice = next(name for name in new_names if new_names.count(name) > 1)
        raise ValueError(f"Two classes of the data set would be {twice!r}; give each a name of its own.")
    return replace(columns, label_names=new_names)


def answer_names(config: FerConfig, auxiliary: bool) -> list[str]:
    """The classes that a model answers by its first output layer, or by its second one.

    Raises:
        ValueError: it has no second one.
    """
    if not auxiliary:
        return list(config.id2label.values())
    if not config.auxiliary_labels:
        raise ValueError("The checkpoint has no second output layer; measure its first one.")
    return list(config.auxiliary_labels)


def shared_classes(columns: FaceColumns, names: Sequence[str], without: Sequence[str] = ()) -> list[str]:
    """The classes that a data set and a model share, in the data set's order.

    Args:
        columns: the data set, with or without its images.
        names: of the model's classes.
        without: classes that are left out.

    Raises:
        ValueError: the data set has no class among `without`, or they share no class or none that has an image.
    """
    unknown = [name for name in without if name not in columns.label_names]
    if unknown:
        raise ValueError(f"The data set has no class {unknown[0]!r}; it has {', '.join(columns.label_names)}.")
    shared = [name for name in columns.label_names if name in names and name not in without]
    if not shared:
        raise ValueError(
            f"The data set's classes {', '.join(columns.label_names)} and the model's, {', '.join(names)}, have no name in common; "
            "say which is which by --map."
        )
    if not {columns.label_names[label] for label in columns.labels.unique().tolist()} & set(shared):
        raise ValueError(f"The data set has no image of the classes that it shares with the model, {', '.join(shared)}.")
    return shared


def foreign_images(columns: FaceColumns, names: Sequence[str], without: Sequence[str] = ()) -> dict[str, int]:
    """How many images a data set has of each class that a model lacks; classes without an image are not named.

    Args:
        columns, names, without: as for `shared_classes`.
    """
    counts = columns.labels.bincount(minlength=len(columns.label_names)).tolist()
    known = {*names, *without}
    return {name: count for name, count in zip(columns.label_names, counts, strict=True) if count and name not in known}


def unused_columns(dataset: datasets.Dataset) -> list[str]:
    """The columns that measuring does not look at."""
    return [name for name in dataset.column_names if name not in ("image", "label")]
