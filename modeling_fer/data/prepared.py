"""Data sets that scripts/prepare_dataset.py wrote, or others of the same columns: a folder, or a repository on the Hub."""

from pathlib import Path

from datasets import Dataset, DatasetDict, IterableDataset, load_dataset
from datasets.exceptions import DatasetNotFoundError

from modeling_fer.data.splits import hold_out


def load_whole(path: str | Path) -> DatasetDict:
    """The splits of a prepared data set as they were prepared.

    Args:
        path: folder, or `user/name` on the Hub.

    Raises:
        FileNotFoundError: there is no such data set.
        ValueError: it lacks a column or the split train.
    """
    splits = _load(path, streaming=False)
    for split, dataset in splits.items():
        _check_columns(f"{path} ({split})", dataset)
    if "train" not in splits:
        raise ValueError(f"{path} has no split train; it has {', '.join(splits)}.")
    return splits


def load_prepared(path: str | Path) -> DatasetDict:
    """The splits of a prepared data set for training. Where there is no validation split, a fifth of the training set becomes it, by
    subject where it says who is on its images.

    Args, Raises: as for `load_whole`.
    """
    splits = load_whole(path)
    if "validation" not in splits:
        train, validation = hold_out(splits["train"]["label"], known_subjects(splits["train"]))
        splits["validation"] = splits["train"].select(validation)
        splits["train"] = splits["train"].select(train)
    return splits


def stream_prepared(path: str | Path) -> tuple[IterableDataset, Dataset]:
    """The training split of a prepared data set, to be read bit by bit, and its validation split, whole.

    Raises:
        FileNotFoundError: there is no such data set.
        ValueError: it lacks a column, or the splits train and validation.
    """
    splits = _load(path, streaming=True)
    if not {"train", "validation"} <= set(splits):
        raise ValueError(f"{path} has the splits {', '.join(splits)}; a streamed data set needs train and validation.")
    train, validation = splits["train"], splits["validation"]
    _check_columns(str(path), train)
    return train, Dataset.from_list(list(validation), features=validation.features)


def _load(path: str | Path, streaming: bool):
    try:
        return load_dataset(str(path), streaming=streaming)
    except (DatasetNotFoundError, FileNotFoundError, ConnectionError) as error:
        raise FileNotFoundError(
            f"{path} is neither a folder with a prepared data set nor a repository that can be read ({error}); "
            "scripts/prepare_dataset.py makes one."
        ) from error


def _check_columns(name: str, dataset: Dataset | IterableDataset) -> None:
    columns = list(dataset.features or {})
    for column in ("image", "label"):
        if column not in columns:
            raise ValueError(
                f"{name} has no column {column!r}, but {', '.join(columns)}; scripts/prepare_dataset.py writes it."
            )
    if not hasattr(dataset.features["label"], "names"):
        raise ValueError(f"The column label of {name} is no ClassLabel with names; scripts/prepare_dataset.py writes one.")


def known_subjects(dataset: Dataset) -> list[str] | None:
    """Who is on each image; None where that is not known of all."""
    if "subject" not in dataset.column_names or None in dataset["subject"]:
        return None
    return list(dataset["subject"])
