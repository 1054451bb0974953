"""Real crops of faces to compare networks on."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, concatenate_datasets
from PIL import Image, ImageOps

from modeling_fer.checkpoints import checkpoint_folder
from modeling_fer.data.prepared import check_labels, load_prepared, load_whole
from modeling_fer.faces_fer import Face, FaceCropper
from modeling_fer.reading_fer import FaceReader

EXAMPLE = "example.jpg"
EXAMPLE_FACE = (181.0, 62.0, 266.0, 175.0)
"""Where the face of that photo lies: left, top, right, bottom in pixels."""

SHIFTS = (-0.12, 0.0, 0.12)
SIZES = (0.8, 1.0, 1.25)

MOST_CROPS = 4096


@dataclass(frozen=True)
class CropSet:
    """Crops as networks take them, (crops, channels, height, width), float32.

    Attributes:
        calibration: show how large the values between the layers are.
        compared: those that answers are compared on.
        classes: (crops,), the right class of each compared one, or -1 where the network has no such class; None where not known.
        split: that the compared ones are from, see `Parts`; None for those of the example photo.
    """

    calibration: np.ndarray
    compared: np.ndarray
    classes: np.ndarray | None = None
    split: str | None = None


def example_set(reader: FaceReader) -> CropSet:
    """The crops of the example photo, of one person and expression."""
    pixel_values = reader.prepare(example_crops(reader.cropper))
    return CropSet(pixel_values, pixel_values)


@dataclass(frozen=True)
class Parts:
    """What is read of a prepared data set.

    Attributes:
        split: where the compared images are from, `test`, `validation`, or `all`.
        calibration: images to calibrate with.
        compared: images that answers are compared on.
    """

    split: str
    calibration: Dataset
    compared: Dataset


def choose_parts(data: str) -> Parts:
    """The split train of a data set to calibrate with, and others to compare on: the split test where there is one, else validation,
    which is held out of train where there is none, else all.

    Args:
        data: folder or repository of the data set.

    Raises:
        FileNotFoundError, ValueError: there is no such data set, or images that are to be compared have no label.
    """
    splits = load_whole(data)
    if list(splits) == ["train"]:
        # A few images are too few to hold some of them out.
        with suppress(ValueError):
            splits = load_prepared(data)
    split = next((name for name in ("test", "validation") if name in splits), "all")
    compared = concatenate_datasets(list(splits.values())) if split == "all" else splits[split]
    check_labels(f"{data} ({split})", compared["label"])
    return Parts(split, splits.get("train", compared), compared)


def read_set(reader: FaceReader, data: str, calibration_crops: int = 256) -> CropSet:
    """Crops of a prepared data set, see `choose_parts`.

    Args:
        reader: makes `pixel_values`, and knows the classes.
        data: folder or repository of the data set.
        calibration_crops: how many to calibrate with, from all over their split.

    Raises:
        FileNotFoundError, ValueError: as for `choose_parts`.
    """
    parts = choose_parts(data)
    some = parts.calibration.select(range(0, len(parts.calibration), max(1, len(parts.calibration) // calibration_crops)))
    compared = parts.compared.select(range(min(MOST_CROPS, len(parts.compared))))
    labels: Sequence[str] = reader.network.labels
    names = compared.features["label"].names
    classes = [labels.index(names[label]) if names[label] in labels else -1 for label in compared["label"]]
    return CropSet(reader.prepare(list(some["image"])), reader.prepare(list(compared["image"])), np.array(classes), parts.split)


def example_crops(cropper: FaceCropper) -> list[Image.Image]:
    """54 crops of the face in the photo that lies beside the bundled checkpoints: shifted, larger and smaller, and mirrored.

    Args:
        cropper: cuts as the network was trained.
    """
    with Image.open(checkpoint_folder() / EXAMPLE) as opened:
        photo = opened.convert("RGB")
    crops = [cropper(photo, Face(box)) for box in moved_boxes()]
    return crops + [ImageOps.mirror(crop) for crop in crops]


def moved_boxes() -> list[tuple[float, float, float, float]]:
    """The face's box, shifted and resized by shares of its size."""
    left, top, right, bottom = EXAMPLE_FACE
    width, height = right - left, bottom - top
    return [
        (
            left + across * width - (size - 1) * width / 2,
            top + down * height - (size - 1) * height / 2,
            right + across * width + (size - 1) * width / 2,
            bottom + down * height + (size - 1) * height / 2,
        )
        for across in SHIFTS
        for down in SHIFTS
        for size in SIZES
    ]
