"""FER-2013 (Goodfellow et al. 2013) and FER+ (Barsoum et al. 2016), which labels the same images by ten annotators each.

Read from `{train,validation,test}.parquet` with the columns image (48x48, grayscale), label (the seven original classes),
votes (10 integers, in the order of `VOTES`), landmarks (68, 2) and face_detected.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, List, Value, load_dataset

from modeling_fer.configuration_fer import EXPRESSIONS

VOTES = (*EXPRESSIONS, "unknown", "not a face")
FER2013_EXPRESSIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
"""The seven original classes and the names that FER+ has for them."""

SPLITS = ("train", "validation", "test")
FER2013_VOTES = 2
"""As how many votes the original label of FER-2013 counts in `load_ferplus_joint`, beside the ten of FER+."""


def load_fer2013(folder: str | Path) -> DatasetDict:
    """FER-2013 with its original seven labels, under the names that FER+ has for them.

    Args:
        folder: holds train.parquet, validation.parquet (PublicTest) and test.parquet (PrivateTest).

    Raises:
        FileNotFoundError: one of the files is missing; the sentence names it.
    """
    files = {split: Path(folder) / f"{split}.parquet" for split in SPLITS}
    for file in files.values():
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing; FER-2013 is read from {', '.join(f'{s}.parquet' for s in SPLITS)}.")
    splits = load_dataset("parquet", data_files={split: str(file) for split, file in files.items()})
    return DatasetDict({split: rename_classes(dataset, FER2013_EXPRESSIONS) for split, dataset in splits.items()})


def rename_classes(dataset: Dataset, names: dict[str, str]) -> Dataset:
    """Gives the classes of the column label other names, one for each that it has."""
    old = dataset.features["label"].names
    return dataset.cast_column("label", ClassLabel(names=[names[name] for name in old]))


def vote_distributions(votes: np.ndarray) -> np.ndarray:
    """Soft labels: the share of each of the eight expressions among the votes, single votes being left out as outliers.

    Args:
        votes: (n, 10), integers, in the order of `VOTES`.

    Returns:
        (n, 8), float32, each row summing to 1. An image with no expression that two annotators share keeps its single votes.
    """
    expressions = votes[:, : len(EXPRESSIONS)].astype(np.float32)
    shared = np.where(expressions > 1, expressions, 0)
    kept = np.where(shared.sum(1, keepdims=True) > 0, shared, expressions)
    return kept / kept.sum(1, keepdims=True)


def joint_distributions(votes: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Soft labels of both label sets: to the votes for expressions, shared out as `vote_distributions` does, the original label
    adds `FER2013_VOTES` more.

    Args:
        votes: (n, 10), integers, in the order of `VOTES`.
        original: (n,), indices into `EXPRESSIONS`, the labels of FER-2013.

    Returns:
        (n, 8), float32, each row summing to 1.
    """
    shared = vote_distributions(votes) * votes[:, : len(EXPRESSIONS)].sum(1, keepdims=True)
    shared[np.arange(len(original)), original] += FER2013_VOTES
    return (shared / shared.sum(1, keepdims=True)).astype(np.float32)


def load_ferplus(folder: str | Path) -> DatasetDict:
    """FER+ by the usual protocol: eight classes, the label being the one with most votes (the first in the order of
    `EXPRESSIONS` where two have as many); images that most annotators called unknown or not a face are dropped.

    Args:
        folder: as for `load_fer2013`.

    Returns:
        Splits with a column label (ClassLabel of `EXPRESSIONS`) and a column distribution (8 floats) for training.
    """
    return _relabel(load_fer2013(folder), lambda votes, original: vote_distributions(votes))


def load_ferplus_joint(folder: str | Path) -> DatasetDict:
    """FER+ as `load_ferplus` gives it, but with the distributions of `joint_distributions`.

    FER-2013 was labelled by the word that found an image, FER+ by people who saw it and who seldom voted for disgust and fear; the
    original label brings these back. The column label, by which accuracy is measured, stays that of FER+.
    """
    return _relabel(load_fer2013(folder), joint_distributions)


def _relabel(splits: DatasetDict, soft_labels: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> DatasetDict:
    for split, dataset in splits.items():
        votes = np.asarray(dataset["votes"])
        names = dataset.features["label"].names
        original = np.array([EXPRESSIONS.index(name) for name in names])[np.asarray(dataset["label"])]
        majority = votes.argmax(1)
        kept = np.flatnonzero(majority < len(EXPRESSIONS))
        distributions = soft_labels(votes[kept], original[kept])
        dataset = dataset.select(kept).remove_columns("label")
        dataset = dataset.add_column("label", majority[kept], feature=ClassLabel(names=list(EXPRESSIONS)))
        splits[split] = dataset.add_column(
            "distribution", list(distributions), feature=List(Value("float32"), length=len(EXPRESSIONS))
        )
    return splits
