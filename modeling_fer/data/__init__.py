"""Data sets of facial expressions, one file each; found here by the name that recipes use."""

from pathlib import Path

from datasets import Dataset, DatasetDict

from modeling_fer.data.ckplus48 import load_ckplus48
from modeling_fer.data.ferplus import load_fer2013, load_ferplus, load_ferplus_joint
from modeling_fer.data.prepared import load_prepared, load_whole


def load_splits(name: str, folder: str | Path) -> DatasetDict:
    """Train, validation and test split of a data set.

    Args:
        name: `prepared`, `ferplus`, `ferplus_joint` or `fer2013`.
        folder: where its files lie; for `prepared` also a repository on the Hub.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the data set has no splits.
    """
    readers = {"prepared": load_prepared, "ferplus": load_ferplus, "ferplus_joint": load_ferplus_joint, "fer2013": load_fer2013}
    if name not in readers:
        raise ValueError(f"{name} has no splits of its own; measure on it with scripts/cross_validate.py.")
    return readers[name](folder)


def load_labelled(name: str, folder: str | Path, split: str) -> Dataset:
    """One split of a data set, for measuring; its classes have the names of FER+.

    Args:
        name: `prepared`, `ferplus`, `ferplus_joint`, `fer2013` or `ckplus48`, which has no splits.
        folder: where its files lie; for `prepared` also a repository on the Hub.
        split: `train`, `validation` or `test`. The split train of a prepared data set is whole, also where training would hold a part
            of it out for validation.

    Raises:
        ValueError: there is no such split.
    """
    if name == "ckplus48":
        return load_ckplus48(folder)
    splits = load_whole(folder) if name == "prepared" and split == "train" else load_splits(name, folder)
    if split not in splits:
        raise ValueError(f"{name} has no split {split!r}; it has {', '.join(splits)}.")
    return splits[split]
