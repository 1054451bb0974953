"""What studies of a checkpoint share: the checkpoint by its name, images with votes, and answers."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modeling_fer.data import load_labelled
from modeling_fer.data.columns import FaceColumns, decode_columns
from modeling_fer.data.json_files import read_kept
from modeling_fer.data.landmarks import LANDMARK_POINTS
from modeling_fer.data.prepared import load_whole
from modeling_fer.inference.loading import Checkpoint, load_checkpoint
from modeling_fer.pixels_fer import normalize_pixels
from modeling_fer.training.process import choose_precision


@dataclass(frozen=True)
class Study:
    """A checkpoint, and what it is studied on.

    Attributes:
        name: what the checkpoint is called in results.
        checkpoint: network and image processor.
        columns: the images, with all landmarks; their targets are the shares of the votes where the data set has votes.
        has_votes: whether it has.
        split: which split the images are from.
    """

    name: str
    checkpoint: Checkpoint
    columns: FaceColumns
    has_votes: bool
    split: str

    def identity(self) -> dict[str, Any]:
        """What a result belongs to: split, number of images, and a fingerprint of the weights."""
        digest = hashlib.sha256()
        for weights in self.checkpoint.model.state_dict().values():
            digest.update(weights.contiguous().numpy().tobytes())
        return {"split": self.split, "images": len(self.columns), "weights": digest.hexdigest()[:12]}

    def kept(self, file: str | Path) -> dict[str, Any]:
        """What a results file has of this checkpoint on these images, to be gone on with; else the identity alone."""
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


def load_study(source: str, data: str, split: str, images: int | None = None) -> Study:
    """Loads a checkpoint and what it is studied on.

    Args:
        source: a checkpoint as `load_checkpoint` takes it, or NAME=CHECKPOINT.
        data: folder or repository of a prepared data set with the checkpoint's classes, by votes where it has them.
        split: one of its splits.
        images: as many images, evenly spread over the split; all where it is None.

    Raises:
        OSError, ValueError: checkpoint or data cannot be read, or the data set has other classes than the checkpoint.
    """
    name, given = split_name(source)
    checkpoint = load_checkpoint(given)
    checkpoint.model.eval().to(memory_format=torch.channels_last)
    has_votes = any("votes" in part.column_names for part in load_whole(data).values())
    dataset = load_labelled(data, split, "votes" if has_votes else "label")
    if images is not None and images < len(dataset):
        dataset = dataset.select(np.linspace(0, len(dataset) - 1, images).round().astype(int))
    columns = decode_columns(dataset, checkpoint.image_processor, LANDMARK_POINTS["all"])
    names = list(checkpoint.model.config.id2label.values())
    if columns.label_names != names:
        raise ValueError(f"{data} has the classes {', '.join(columns.label_names)}, but {given} names {', '.join(names)}.")
    return Study(name, checkpoint, columns, has_votes, split)


def network_inputs(checkpoint: Checkpoint, images: Tensor) -> Tensor:
    """(n, channels, size, size), uint8 or float in [0, 1] -> what the network takes."""
    processor = checkpoint.image_processor
    pixels = normalize_pixels(images.numpy(), processor.image_mean, processor.image_std, processor.contrast_percentiles)
    return torch.from_numpy(pixels)


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
