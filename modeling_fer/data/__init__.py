"""Data sets of facial expressions, one file each; `load_splits` finds them by the name that recipes use."""

from pathlib import Path

from datasets import DatasetDict

from modeling_fer.data.ferplus import load_fer2013, load_ferplus


def load_splits(name: str, folder: str | Path) -> DatasetDict:
    """Train, validation and test split of a data set.

    Args:
        name: `ferplus` or `fer2013`.
        folder: where its files lie.
    """
    return {"ferplus": load_ferplus, "fer2013": load_fer2013}[name](folder)
