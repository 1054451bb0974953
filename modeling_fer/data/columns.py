"""A data set as the training loop wants it: decoded once, in memory, one tensor a column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from modeling_fer.data.digests import digest
from modeling_fer.data.prepared import check_labels
from modeling_fer.image_processing_fer import FerImageProcessor


@dataclass
class FaceColumns(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Face crops with what is known of them.

    Attributes:
        images: (n, channels, size, size), uint8.
        targets: (n, classes), float32, distributions over the expressions.
        labels: (n,), int64, the expression that each image counts as when accuracy is measured.
        landmarks: (n, points, 2), float32, (x, y) in pixels of `images`; no points at all where the data set has none.
        has_landmarks: (n,), bool, false where the landmarks (or the heatmap, if there are only heatmaps) are missing or guessed.
        label_names: names of the classes.
        heatmaps: (n, 1, size, size), uint8, target relevance maps of a data set that has no landmarks; else None.
        auxiliary_labels: (n,), int64, labels of a second label set, where there is one.
        auxiliary_names: names of its classes; empty where there is none.
    """

    images: Tensor
    targets: Tensor
    labels: Tensor
    landmarks: Tensor
    has_landmarks: Tensor
    label_names: list[str]
    heatmaps: Tensor | None = None
    auxiliary_labels: Tensor | None = None
    auxiliary_names: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    def any_landmarks(self) -> bool:
        """Whether any image has landmarks, or a heatmap, to learn from."""
        return bool(self.has_landmarks.any())

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: column[0] for name, column in self.__getitems__([index]).items()}

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        """A batch at once: PyTorch's loaders call it where it exists."""
        return {name: column[indices] for name, column in self.tensors().items()}

    def tensors(self) -> dict[str, Tensor]:
        """The columns that there are, by name."""
        names = ("images", "targets", "labels", "landmarks", "has_landmarks", "heatmaps", "auxiliary_labels")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def digest(self) -> str:
        """What tells these columns from others: 16 hexadecimal digits."""
        parts: list[bytes | np.ndarray] = [repr((self.label_names, self.auxiliary_names)).encode()]
        for name, column in self.tensors().items():
            parts += [f"{name} {tuple(column.shape)}".encode(), column.numpy()]
        return digest(parts)

    def select(self, indices: np.ndarray) -> "FaceColumns":
        """Some of the images, in the order of `indices`, (n,), integers."""
        columns = self.__getitems__(indices.tolist())
        return FaceColumns(**columns, label_names=self.label_names, auxiliary_names=self.auxiliary_names)


def read_targets(dataset: Dataset) -> Tensor:
    """(n, classes), float32: the column distribution where the labels are soft, else all on the label.

    Raises:
        ValueError: an image has no label.
    """
    distributions = dataset["distribution"] if "distribution" in dataset.column_names else None
    return soft_targets(distributions, label_tensor(dataset["label"]), len(dataset.features["label"].names))


def read_labels(dataset: Dataset) -> FaceColumns:
    """What a data set says of its images without the images themselves, which are not decoded.

    Args:
        dataset: with the column label, and distribution and auxiliary_label where there are such.

    Returns:
        Columns whose `images` have no pixels, and which have no landmarks.

    Raises:
        ValueError: an image has no label.
    """
    count = len(dataset)
    columns = FaceColumns(
        images=torch.empty(count, 0, 0, 0, dtype=torch.uint8),
        targets=read_targets(dataset),
        labels=label_tensor(dataset["label"]),
        landmarks=torch.zeros(count, 0, 2),
        has_landmarks=torch.zeros(count, dtype=torch.bool),
        label_names=list(dataset.features["label"].names),
    )
    return add_auxiliary(columns, dataset)


def label_tensor(labels: Sequence[int | None]) -> Tensor:
    """(n,), int64: the column label.

    Raises:
        ValueError: an image has no label.
    """
    check_labels("The data set", labels)
    return torch.tensor(np.asarray(labels), dtype=torch.int64)


def add_auxiliary(columns: FaceColumns, dataset: Dataset) -> FaceColumns:
    """The columns with the data set's second labels, where it has any."""
    if "auxiliary_label" not in dataset.column_names:
        return columns
    labels = torch.tensor(np.asarray(dataset["auxiliary_label"]), dtype=torch.int64)
    return replace(columns, auxiliary_labels=labels, auxiliary_names=list(dataset.features["auxiliary_label"].names))


def decode_columns(dataset: Dataset, processor: FerImageProcessor, landmark_points: slice) -> FaceColumns:
    """Decodes and resizes every image once.

    Args:
        dataset: with the columns image and label, and where there are such landmarks, heatmap, face_detected (true where it says
            nothing), and distribution where the labels are soft, and auxiliary_label.
        processor: gives size and number of channels.
        landmark_points: which of the landmarks to keep.

    Returns:
        The columns; landmarks are scaled with their images.

    Raises:
        ValueError: the data set has no landmarks among `landmark_points`, or an image without a label.
    """
    rows = {name: dataset[name] for name in dataset.column_names}
    columns = decode_rows(rows, dataset.features["label"].names, processor, landmark_points)
    return add_auxiliary(columns, dataset)


def decode_rows(
    rows: Mapping[str, Sequence[Any]], label_names: list[str], processor: FerImageProcessor, landmark_points: slice
) -> FaceColumns:
    """`decode_columns` for some rows, given column by column."""
    size = processor.size["height"]
    labels = label_tensor(rows["label"])
    images, scales = [], []
    for image in rows["image"]:
        images.append(processor.resize_pixels(image))
        scales.append((size / image.width, size / image.height))
    landmarks, known = read_landmarks(rows.get("landmarks") or [None] * len(labels), landmark_points)
    detected = np.array([found is None or bool(found) for found in rows.get("face_detected") or [True] * len(labels)])
    # Pixel centres are whole numbers, so that a scaled image moves them by half a pixel too.
    landmarks = (landmarks + 0.5) * torch.tensor(scales).unsqueeze(1) - 0.5
    heatmaps = None
    if not known.any() and any(heatmap is not None for heatmap in rows.get("heatmap") or []):
        heatmaps, known = read_heatmaps(rows["heatmap"], size)
    return FaceColumns(
        images=torch.from_numpy(np.stack(images)),
        targets=soft_targets(rows.get("distribution"), labels, len(label_names)),
        labels=labels,
        landmarks=landmarks,
        has_landmarks=torch.from_numpy(known & detected),
        label_names=list(label_names),
        heatmaps=heatmaps,
    )


def soft_targets(distributions: Sequence[list[float] | None] | None, labels: Tensor, classes: int) -> Tensor:
    """(n, classes), float32: the distributions where the labels are soft, else all on the label."""
    targets = torch.nn.functional.one_hot(labels, classes).float()
    for row, distribution in enumerate(distributions or []):
        if distribution is not None:
            targets[row] = torch.tensor(distribution, dtype=torch.float32)
    return targets


def read_landmarks(column: Sequence[Any], points: slice) -> tuple[Tensor, np.ndarray]:
    """Some points of each image's landmarks.

    Returns:
        (n, points, 2), float32, zero where an image has none, and (n,), bool, whether it has.
    """
    known = np.array([landmarks is not None for landmarks in column])
    if not known.any():
        return torch.zeros(len(column), 0, 2), known
    counts = {len(landmarks) for landmarks in column if landmarks is not None}
    if len(counts) > 1 or not range(max(counts))[points]:
        raise ValueError(
            f"The data set's images have {' or '.join(map(str, sorted(counts)))} landmarks, but all need as many, and the "
            "inner ones are taken from 68; set landmark_points: all in the recipe, or prepare the data set again."
        )
    landmarks = np.zeros((len(column), max(counts), 2), dtype=np.float32)
    landmarks[known] = np.asarray([landmark for landmark in column if landmark is not None], dtype=np.float32)
    return torch.from_numpy(landmarks[:, points]), known


def read_heatmaps(column: Sequence[Any], size: int) -> tuple[Tensor, np.ndarray]:
    """8-bit heatmaps, resized.

    Returns:
        (n, 1, size, size), uint8, zero where an image has none, and (n,), bool, whether it has.
    """
    maps = [
        np.zeros((size, size), np.uint8) if heatmap is None else np.asarray(heatmap.convert("L").resize((size, size)))
        for heatmap in column
    ]
    return torch.from_numpy(np.stack(maps)).unsqueeze(1), np.array([heatmap is not None for heatmap in column])
