"""Anybody's own table: csv or parquet with the columns image and label, and what else is known of the images."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet

from modeling_fer.data.readers.csv_rows import read_rows
from modeling_fer.data.source import SPLIT_NAMES, Sample, Source, ordered_expressions, plain_name, unify_names, unify_subjects
from modeling_fer.data.targets import VOTES

TABLE_SUFFIXES = (".csv", ".parquet")
FALSE_WORDS = ("false", "no", "0")


def read_table(path: str | Path) -> Source:
    """Reads a csv or parquet table, or a folder of tables named by their splits: train.parquet, validation.parquet, test.parquet.

    The columns are image and label, and if the table has them split, subject, landmarks, face_detected and votes. Usual names of
    expressions get the package's; names that differ only in case or blanks are one class, or one person.

    Args:
        path: image holds a path relative to the table, or in a parquet table an encoded image, plain or as `datasets` stores it;
            landmarks holds [[x, y], ...] in pixels and votes a number for each of `VOTES`, in a csv table both as JSON.

    Raises:
        FileNotFoundError: the file does not exist, or the folder holds no table named by a split.
        ValueError: a table is neither csv nor parquet, lacks a column, or no row is usable.
    """
    source = Source([])
    tables = [(file, split, list(table_rows(file))) for file, split in find_tables(source, Path(path))]
    declared = [name for file, _, _ in tables for name in class_names(file)]
    found = [str(row["label"]) for _, _, rows in tables for row in rows if row["label"] not in (None, "")]
    classes = unify_names([*declared, *found])
    ordered = ordered_expressions(classes.values())
    # A parquet table that names its classes gives their order too, so that its images have the same labels as before.
    source.label_names = list(dict.fromkeys(classes[name] for name in declared)) if set(found) <= set(declared) else ordered
    name_people([row for _, _, rows in tables for row in rows])
    owners: dict[str, str] = {}
    for file, split, rows in tables:
        for number, row in enumerate(rows):
            sample = read_sample(source, file, number, row, split, classes)
            if sample is not None and has_one_subject(source, sample, owners):
                source.samples.append(sample)
    return source.checked(path)


def find_tables(source: Source, path: Path) -> list[tuple[Path, str]]:
    """The tables that a path names, each with the split of rows that name none."""
    if path.is_file():
        return [(path, "train")]
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist; give a csv or parquet table with the columns image and label.")
    tables = []
    for file in sorted(path.iterdir()):
        # Hub data sets have train-00000-of-00003.parquet.
        split = SPLIT_NAMES.get(plain_name(file.stem.split("-")[0]))
        if file.suffix.lower() in TABLE_SUFFIXES and split is not None:
            tables.append((file, split))
        elif file.is_file() and not file.name.startswith("."):
            source.note(
                file.name, "The file is not a table named by a split, such as train.parquet or test.csv; it is left out."
            )
    if not tables:
        raise FileNotFoundError(
            f"{path} holds no table named by a split, such as train.parquet or test.csv; give the table's file."
        )
    return tables


def table_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table, the label by its name."""
    if path.suffix.lower() == ".csv":
        yield from read_rows(path, "image", "label")
        return
    if path.suffix.lower() != ".parquet":
        raise ValueError(f"{path} is neither .csv nor .parquet.")
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a parquet table: {error}.") from error
    for column in ("image", "label"):
        if column not in table.column_names:
            raise ValueError(f"{path} has no column {column!r}; it has {', '.join(table.column_names)}.")
    names = class_names(path)
    for row in table.to_pylist():
        if names and isinstance(row["label"], int):
            row["label"] = names[row["label"]] if 0 <= row["label"] < len(names) else None
        yield row


def class_names(path: Path) -> list[str]:
    """The names behind the numbers of a column label that `datasets` wrote as ClassLabel."""
    if path.suffix.lower() != ".parquet":
        return []
    information = json.loads((pyarrow.parquet.read_schema(path).metadata or {}).get(b"huggingface", b"{}"))
    names: list[str] = information.get("info", {}).get("features", {}).get("label", {}).get("names", [])
    return names


def name_people(rows: Sequence[dict[str, Any]]) -> None:
    """Sets the subject of each row to the one name that this person has in all of them; None where a row says nobody."""
    for row, subject in zip(rows, unify_subjects(row.get("subject") for row in rows), strict=True):
        row["subject"] = subject


def read_sample(
    source: Source, path: Path, number: int, row: dict[str, Any], split: str, classes: dict[str, str]
) -> Sample | None:
    """The image of a row that `name_people` has seen; None where it names none or has no label, which becomes a problem."""
    name = f"{path.name}#{number}"
    image = row["image"]
    file, content = None, None
    if isinstance(image, dict):
        content, image = image.get("bytes"), image.get("path")
    elif isinstance(image, bytes):
        content, image = image, None
    if content is None:
        if not image:
            source.note(name, "The row names no image; it is left out.")
            return None
        file, name = path.parent / image, image
    if row["label"] in (None, ""):
        source.note(name, "The row has no label, or an unknown code; it is left out.")
        return None
    split = str(row.get("split") or split)
    detected = row.get("face_detected")
    return Sample(
        name,
        classes[str(row["label"])],
        SPLIT_NAMES.get(plain_name(split), split),
        row["subject"],
        file,
        content or b"",
        landmarks=read_points(source, name, row.get("landmarks")),
        face_detected=detected in (None, "") or plain_name(str(detected)) not in FALSE_WORDS,
        votes=read_votes(source, name, row.get("votes")),
    )


def has_one_subject(source: Source, sample: Sample, owners: dict[str, str]) -> bool:
    """Whether an image file belongs to one person; where a second row says another, that row becomes a problem."""
    if sample.subject is None or sample.file is None:
        return True
    owner = owners.setdefault(str(sample.file), sample.subject)
    if owner == sample.subject:
        return True
    source.note(sample.source, f"The image has two subjects, {owner} and {sample.subject}; the second is left out.")
    return False


def read_numbers(value: Any, kind: type) -> np.ndarray:
    """A list of numbers, nested or not, which a csv table holds as JSON; empty where it is not that."""
    try:
        return np.asarray(json.loads(value) if isinstance(value, str) else value, dtype=kind)
    except (ValueError, TypeError):
        return np.empty(0, dtype=kind)


def read_points(source: Source, name: str, value: Any) -> np.ndarray | None:
    """(points, 2), float32; None where a row has none."""
    if value is None or value == "":
        return None
    points = read_numbers(value, np.float32)
    if points.ndim != 2 or points.shape[1] != 2:
        source.note(name, "The landmarks are not pairs of x and y; the image counts as one without.")
        return None
    return points


def read_votes(source: Source, name: str, value: Any) -> tuple[int, ...] | None:
    """A number for each of `VOTES`; None where a row has none."""
    if value is None or value == "":
        return None
    votes = read_numbers(value, np.float64)
    if votes.shape != (len(VOTES),) or (votes < 0).any() or (votes != votes.round()).any():
        source.note(name, f"The votes are not {len(VOTES)} whole numbers; the image keeps its label alone.")
        return None
    return tuple(int(vote) for vote in votes)
