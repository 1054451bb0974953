"""A data set as the training loop wants it: decoded once, in memory, one tensor a column."""

from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from modeling_fer.image_processing_fer import FerImageProcessor


@dataclass
class FaceColumns(torch.utils.data.Dataset):
    """Face crops with what is known of them.

    Attributes:
        images: (n, channels, size, size), uint8.
        targets: (n, classes), float32, distributions over the expressions.
        labels: (n,), int64, the expression that each image counts as when accuracy is measured.
        landmarks: (n, points, 2), float32, (x, y) in pixels of `images`.
        has_landmarks: (n,), bool, false where the landmarks are missing or guessed.
        label_names: names of the classes.
    """

    images: Tensor
    targets: Tensor
    labels: Tensor
    landmarks: Tensor
    has_landmarks: Tensor
    label_names: list[str]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: column[0] for name, column in self.__getitems__([index]).items()}

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        """A batch at once: PyTorch's loaders call it where it exists."""
        columns = ("images", "targets", "labels", "landmarks", "has_landmarks")
        return {name: getattr(self, name)[indices] for name in columns}

    def select(self, indices: np.ndarray) -> "FaceColumns":
        """Some of the images, in the order of `indices`, (n,), integers."""
        return FaceColumns(**self.__getitems__(indices.tolist()), label_names=self.label_names)


def read_labels(dataset: Dataset) -> Tensor:
    """(n,), int64: the class of each image."""
    return torch.tensor(np.asarray(dataset["label"]), dtype=torch.int64)


def read_targets(dataset: Dataset) -> Tensor:
    """(n, classes), float32: the column distribution where the labels are soft, else all on the label."""
    if "distribution" in dataset.column_names:
        return torch.tensor(np.asarray(dataset["distribution"]), dtype=torch.float32)
    return torch.nn.functional.one_hot(read_labels(dataset), len(dataset.features["label"].names)).float()


def decode_columns(dataset: Dataset, processor: FerImageProcessor, landmark_points: slice) -> FaceColumns:
    """Decodes and resizes every image once.

    Args:
        dataset: with the columns image, label, landmarks, face_detected, and distribution where the labels are soft.
        processor: gives size and number of channels.
        landmark_points: which of the landmarks to keep.

    Returns:
        The columns; landmarks are scaled with their images.
    """
    size = processor.size["height"]
    images, scales = [], []
    for image in dataset["image"]:
        images.append(processor.resize_pixels(image))
        scales.append((size / image.width, size / image.height))
    landmarks = torch.tensor(np.asarray(dataset["landmarks"]), dtype=torch.float32)[:, landmark_points]
    # Pixel centres are whole numbers, so that a scaled image moves them by half a pixel too.
    scale = torch.tensor(scales).unsqueeze(1)
    return FaceColumns(
        images=torch.from_numpy(np.stack(images)),
        targets=read_targets(dataset),
        labels=read_labels(dataset),
        landmarks=(landmarks + 0.5) * scale - 0.5,
        has_landmarks=torch.tensor(np.asarray(dataset["face_detected"]), dtype=torch.bool),
        label_names=list(dataset.features["label"].names),
    )
