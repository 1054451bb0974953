"""What studies of a checkpoint share: the checkpoint by its name, images with votes, and answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from modeling_fer.data import load_labelled
from modeling_fer.data.columns import FaceColumns, decode_columns
from modeling_fer.data.json_files import read_kept
from modeling_fer.data.landmarks import LANDMARK_POINTS
from modeling_fer.data.targets import choose_target, read_votes
from modeling_fer.inference.loading import Checkpoint, load_checkpoint
from modeling_fer.training.measurement import digest_checkpoint
from modeling_fer.training.process import choose_precision

LANDMARKS = 68
"""Points that tell all parts of a face."""


@dataclass(frozen=True)
class Study:
    """A checkpoint, and what it is studied on.

    Attributes:
        name: what the checkpoint is called in results.
        checkpoint: network and image processor.
        columns: the images, with all landmarks; their targets are the shares of the votes where any of them has votes.
        has_votes: whether one has.
        split: which split the images are from.
    """

    name: str
    checkpoint: Checkpoint
    columns: FaceColumns
    has_votes: bool
    split: str

    def identity(self) -> dict[str, Any]:
        """What a result belongs to: split, number of images, and digests of the images with their labels and of the checkpoint."""
        images = {"images": len(self.columns), "data": self.columns.digest()}
        return {"split": self.split, **images, "checkpoint": digest_checkpoint(self.checkpoint)}

    def kept(self, file: str | Path) -> dict[str, Any]:
        """What a results file has of this checkpoint on these images, to be gone on with; else the identity alone, as where it has
        something else by the same name, or what an earlier version wrote, which says less of what it belongs to.
        """
        identity = self.identity()
        before = read_kept(file).get(self.name, {})
        return before if identity == {name: before.get(name) for name in identity} else identity


def split_name(source: str) -> tuple[str, str]:
    """The name of a checkpoint in results and pictures, and the checkpoint.

    Args:
        source: NAME=CHECKPOINT, or a checkpoint, which is called as its folder. Both halves may hold an equals sign: the checkpoint is
            what exists.
    """
    if "=" not in source or Path(source).exists():
        return Path(source).name, source
    splits = [(source[:place], source[place + 1 :]) for place, sign in enumerate(source) if sign == "="]
    return next((split for split in splits if Path(split[1]).exists()), splits[-1])


def load_images(data: str, split: str) -> tuple[Dataset, bool]:
    """One split of a prepared data set, by its votes where an image has any, else by its labels.

    Returns:
        The split, and whether it is by votes. `fer prepare` writes the column votes also where nobody voted.

    Raises:
        OSError, ValueError: as for `load_labelled`.
    """
    dataset = load_labelled(data, split)
    has_votes = "votes" in dataset.column_names and bool(read_votes(dataset).any())
    return (choose_target(dataset, "votes") if has_votes else dataset), has_votes


def load_study(source: str, data: str, split: str, images: int | None = None, landmarks: bool = False) -> Study:
    """Loads a checkpoint and what it is studied on.

    Args:
        source: a checkpoint as `load_checkpoint` takes it, or NAME=CHECKPOINT.
        data: folder or repository of a prepared data set with the checkpoint's classes, by votes where it has them.
        split: one of its splits.
        images: as many images, evenly spread over the split; all where it is None.
        landmarks: whether the study needs all 68 landmarks of some image.

    Raises:
        OSError, ValueError: checkpoint or data cannot be read, or the data set has other classes than the checkpoint, or lacks
            landmarks.
    """
    name, given = split_name(source)
    checkpoint = load_checkpoint(given)
    checkpoint.model.eval().to(memory_format=torch.channels_last)
    dataset, has_votes = load_images(data, split)
    if images is not None and images < len(dataset):
        dataset = dataset.select(np.linspace(0, len(dataset) - 1, images).round().astype(int))
    columns = decode_columns(dataset, checkpoint.image_processor, LANDMARK_POINTS["all"])
    names = list(checkpoint.model.config.id2label.values())
    if columns.label_names != names:
        raise ValueError(f"{data} has the classes {', '.join(columns.label_names)}, but {given} names {', '.join(names)}.")
    if landmarks and not (columns.any_landmarks() and columns.landmarks.shape[1] == LANDMARKS):
        raise ValueError(
            f"No image of {data} ({split}) has {LANDMARKS} landmarks found on a face; prepare it with --landmarks fan."
        )
    return Study(name, checkpoint, columns, has_votes, split)


def network_inputs(checkpoint: Checkpoint, images: Tensor) -> Tensor:
    """(n, channels, size, size), uint8 or float in [0, 1] -> what the network takes."""
    return torch.from_numpy(checkpoint.image_processor.normalize_pixels(images.numpy()))


def reduced_precision() -> torch.autocast:
    """Computes in bfloat16 where the processor does, which is twice as fast and changes about one answer in a hundred."""
    return torch.autocast("cpu", torch.bfloat16, enabled=choose_precision("auto", "cpu") == "bf16")


@torch.inference_mode()
def answer_images(checkpoint: Checkpoint, images: Tensor, batch_size: int = 256) -> np.ndarray:
    """Probabilities of the expressions, by the checkpoint's own prior.

    Args:
        checkpoint: network and image processor.
        images: (n, channels, size, size), uint8 or float in [0, 1].
        batch_size: images at once.

    Returns:
        (n, classes), float32.
    """
    with reduced_precision():
        logits = [checkpoint.model(network_inputs(checkpoint, batch)).logits.float() for batch in images.split(batch_size)]
    return torch.cat(logits).softmax(dim=1).numpy()
