"""Data sets that `fer prepare` wrote, or others of the same columns: a folder of parquet files, or a repository on the Hub."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.parquet
from datasets import ClassLabel, Dataset, DatasetDict, IterableDataset, SplitDict, SplitInfo, load_dataset
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

from modeling_fer.data.shared_images import digest_images
from modeling_fer.data.source import SPLIT_NAMES, list_folders, plain_name, unify_subjects, usual_name
from modeling_fer.data.splits import hold_out
from modeling_fer.names_fer import PHOTO_SUFFIXES, suffix_of

AnyDataset = TypeVar("AnyDataset", Dataset, IterableDataset)


def load_whole(path: str | Path) -> DatasetDict:
    """The splits of a prepared data set as they were prepared. Usual names of expressions become the package's, e.g. happiness for
    happy.

    Args:
        path: folder, or `user/name` on the Hub.

    Raises:
        FileNotFoundError: there is no such data set.
        ValueError: it is not prepared, its preparation has not ended, or it lacks a column or the label of some images.
    """
    return _load(path, streaming=False)


def load_prepared(path: str | Path) -> DatasetDict:
    """The splits of a prepared data set for training. Where there is no validation split, a fifth of the training set becomes it, by
    subject where it says who is on its images; copies of an image stay together.

    Args: as for `load_whole`.

    Raises:
        FileNotFoundError: there is no such data set.
        ValueError: as `load_whole`, or it lacks the split train.
    """
    splits = load_whole(path)
    if "train" not in splits:
        raise ValueError(f"{path} has no split train; it has {', '.join(splits)}.")
    check_labels(f"{path} (train)", splits["train"]["label"])
    if "validation" not in splits:
        whole = splits["train"]
        train, validation = hold_out(whole["label"], known_subjects(whole), contents=digest_images(whole))
        splits |= {"train": whole.select(train), "validation": whole.select(validation)}
    return splits


def check_prepared(folder: Path) -> None:
    """Refuses a folder that is not a prepared data set; its images are not read.

    Raises:
        FileNotFoundError: there is no such folder, or it holds no data set.
        ValueError: it is not prepared, its preparation has not ended, or it lacks a column.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder; give that of a prepared data set.")
    _load(folder, streaming=True)


def stream_prepared(path: str | Path) -> tuple[IterableDataset, Dataset]:
    """The training split of a prepared data set, to be read bit by bit, and its validation split, whole.

    Raises:
        FileNotFoundError: there is no such data set.
        ValueError: it is not prepared, its preparation has not ended, or it lacks a column, the splits train and validation, or the
            label of an image of the latter.
    """
    splits = _load(path, streaming=True)
    if not {"train", "validation"} <= set(splits):
        raise ValueError(f"{path} has the splits {', '.join(splits)}; a streamed data set needs train and validation.")
    train, validation = splits["train"], splits["validation"]
    held = Dataset.from_list(list(validation), features=validation.features)
    check_labels(f"{path} (validation)", held["label"])
    return train, held


def known_subjects(dataset: Dataset) -> list[str] | None:
    """Who is on each image. An image that does not say so counts as a person of its own; None where no image says so."""
    if "subject" not in dataset.column_names:
        return None
    subjects = unify_subjects(dataset["subject"])
    if not any(subjects):
        return None
    # No subject's name begins with a blank.
    return [f" image {number}" if subject is None else subject for number, subject in enumerate(subjects)]


def _load(path: str | Path, streaming: bool) -> Any:
    _check_folder(Path(path))
    try:
        splits = _load_folder(Path(path), streaming) if Path(path).is_dir() else load_dataset(str(path), streaming=streaming)
    except (DatasetNotFoundError, FileNotFoundError, ConnectionError) as error:
        raise FileNotFoundError(
            f"{path} is neither a folder with a prepared data set nor a repository that can be read ({error}); "
            "fer prepare makes one."
        ) from error
    except DatasetGenerationError as error:
        raise ValueError(f"{path} cannot be read as a prepared data set: {error.__cause__ or error}.") from error
    for split, dataset in splits.items():
        _check_columns(f"{path} ({split})", dataset)
        # The labels of a test split are often kept back as a whole: that is refused only where it is used.
        if isinstance(dataset, Dataset) and not all(map(_is_missing, labels := list(dataset["label"]))):
            check_labels(f"{path} ({split})", labels)
        splits[split] = _rename_classes(str(path), dataset)
    return splits


def _load_folder(folder: Path, streaming: bool) -> Any:
    """The splits of a folder, read from its files as they are now. `load_dataset(folder)` goes by the folder's name and card, and takes
    what it has in its cache of another folder, or of an earlier preparation, that was as large.
    """
    files: dict[str, list[str]] = {}
    for file in _list_files(folder):
        files.setdefault(_find_split(file), []).append(str(file))
    usual = ["train", "validation", "test"]
    files = dict(sorted(files.items(), key=lambda named: usual.index(named[0]) if named[0] in usual else len(usual)))
    splits = load_dataset("parquet", data_files=files, streaming=streaming)
    if streaming:
        for split, dataset in splits.items():
            images = sum(pyarrow.parquet.read_metadata(file).num_rows for file in files[split])
            dataset.info.splits = SplitDict({split: SplitInfo(split, num_examples=images)})
    return splits


def _list_files(folder: Path) -> list[Path]:
    """The parquet files of a data set: those in its folder, else in data/, else in the folders named by splits."""
    splits = [part for part in list_folders(folder) if plain_name(part.name) in SPLIT_NAMES]
    places = [folder.glob("*.parquet"), (folder / "data").rglob("*.parquet")]
    places.append(file for part in splits for file in part.rglob("*.parquet"))
    return next((files for files in map(sorted, places) if files), [])


def _find_split(file: Path) -> str:
    """The split that a file belongs to, by its name, `test.parquet` or `test-00000-of-00002.parquet`, or by its folder's."""
    name, parts = re.subn(r"-\d+-of-\d+$", "", file.stem)
    for candidate in (name, file.parent.name):
        if plain_name(candidate) in SPLIT_NAMES:
            return SPLIT_NAMES[plain_name(candidate)]
    return name if parts else "train"


def _check_folder(path: Path) -> None:
    """Refuses a data set that is there but not prepared, which `datasets` would read in its own way."""
    if path.is_file():
        raise ValueError(
            f"{path} is a file, not a prepared data set; prepare it first: fer prepare table {path} --output FOLDER"
        )
    if not path.is_dir():
        return
    if (path / "work" / "plan.json").is_file() and not (path / "report" / "plan.json").is_file():
        raise ValueError(
            f"The preparation of {path} has not ended; run the same fer prepare again, which goes on where it was."
        )
    if _list_files(path):
        return
    if within := [part.name for part in list_folders(path) if _list_files(part)]:
        raise ValueError(f"{path} holds several data sets; give the folder of one of them: {', '.join(within)}.")
    if any(suffix_of(file) in PHOTO_SUFFIXES for file in path.rglob("*")):
        raise ValueError(
            f"{path} holds images, not a prepared data set; prepare it first: fer prepare imagefolder {path} --output FOLDER"
        )
    raise FileNotFoundError(f"{path} holds no parquet file, as a prepared data set does; fer prepare makes one.")


def _check_columns(name: str, dataset: Dataset | IterableDataset) -> None:
    columns = list(dataset.features or {})
    for column in ("image", "label"):
        if column not in columns:
            raise ValueError(f"{name} has no column {column!r}, but {', '.join(columns)}; fer prepare writes it.")
    if not hasattr(dataset.features["label"], "names"):
        raise ValueError(f"The column label of {name} is not a ClassLabel with names; fer prepare writes one.")


def check_labels(name: str, labels: Sequence[int | None]) -> None:
    """Refuses images without a label.

    Args:
        name: of the data set, for the sentence.
        labels: as the column label has them; `datasets` writes -1, or nothing, where there is none.

    Raises:
        ValueError: some have none.
    """
    missing = sum(map(_is_missing, labels))
    if missing:
        raise ValueError(
            f"{name} has no label for {missing} of {len(labels)} images (null or -1); leave those rows out: "
            "dataset.filter(lambda row: row['label'] not in (None, -1)), and write the rest by to_parquet."
        )


def _is_missing(label: int | None) -> bool:
    return label is None or label < 0


def _rename_classes(name: str, dataset: AnyDataset) -> AnyDataset:
    """The data set with the package's names for the classes that it has names for."""
    old = dataset.features["label"].names
    new = [usual_name(label) for label in old]
    if new == old:
        return dataset
    if len(set(new)) < len(new):
        twice = next(label for label in new if new.count(label) > 1)
        raise ValueError(
            f"Two classes of {name} would be {twice!r}; it has {', '.join(old)}. Prepare it again by fer prepare table."
        )
    return dataset.cast_column("label", ClassLabel(names=new))
