"""Data sets of facial expressions, as training and measuring take them: prepared, with the labels that a target chooses."""

from pathlib import Path

from datasets import Dataset, DatasetDict, concatenate_datasets

from modeling_fer.data.prepared import load_prepared, load_whole
from modeling_fer.data.targets import choose_target


def load_splits(path: str | Path, target: str = "label", label_votes: float = 2.0) -> DatasetDict:
    """The splits of a prepared data set, train and validation at least.

    Args:
        path: folder, or `user/name` on the Hub.
        target, label_votes: see `choose_target`.

    Raises:
        FileNotFoundError: there is no such data set.
        ValueError: it has no split train, or lacks the votes that the target needs.
    """
    return DatasetDict({split: choose_target(part, target, label_votes) for split, part in load_prepared(path).items()})


def load_labelled(path: str | Path, split: str, target: str = "label", label_votes: float = 2.0) -> Dataset:
    """One split of a prepared data set, for measuring.

    Args:
        path: folder, or `user/name` on the Hub.
        split: its name, or `all` for all images. The split train is whole, also where training would hold a part of it out for
            validation; that part is the split validation of a data set that has none.
        target, label_votes: see `choose_target`.

    Raises:
        FileNotFoundError: there is no such data set.
        ValueError: it has no such split, or lacks the votes that the target needs.
    """
    splits = load_whole(path)
    if split == "all":
        return choose_target(concatenate_datasets(list(splits.values())), target, label_votes)
    if split == "validation" and split not in splits:
        splits = load_prepared(path)
    if split not in splits:
        held_out = " (a part of it is 'validation')" if list(splits) == ["train"] else ""
        raise ValueError(f"{path} has no split {split!r}; it has {', '.join(splits)}{held_out}; 'all' takes every image.")
    return choose_target(splits[split], target, label_votes)
