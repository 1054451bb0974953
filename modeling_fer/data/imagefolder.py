"""Anybody's own images: a folder for each expression, or a csv or parquet table. Label names are taken as they are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet

from modeling_fer.data.source import Sample, Source, list_folders, list_images, ordered_expressions

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
}


def read_imagefolder(folder: str | Path) -> Source:
    """Reads `LABEL/*.jpg`, or `train/LABEL/*.jpg` and the like with the splits of `SPLIT_NAMES`.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: it holds no image in a folder named by a label.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder; give one that holds a folder of images for each label.")
    folders = list_folders(root)
    if folders and all(part.name.lower() in SPLIT_NAMES for part in folders):
        labelled = [(SPLIT_NAMES[part.name.lower()], label) for part in folders for label in list_folders(part)]
    else:
        labelled = [("train", label) for label in folders]
    source = Source(ordered_expressions(label.name for _, label in labelled))
    for split, label in labelled:
        for file in list_images(label):
            source.samples.append(Sample(str(file.relative_to(root)), label.name, split, file=file))
    return source.checked()


def read_table(file: str | Path) -> Source:
    """Reads a csv or parquet table with the columns image and label, and if it has them split, subject and landmarks.

    Args:
        file: image holds a path relative to the table, or in a parquet table an encoded image, plain or as `datasets` stores it;
            landmarks holds [[x, y], ...] in pixels, in a csv table as JSON.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is neither csv nor parquet, lacks a column, or has no usable row.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give a csv or parquet table with the columns image and label.")
    rows = list(_rows(path))
    names = list(dict.fromkeys(str(row["label"]) for row in rows if row["label"] not in (None, "")))
    source = Source(ordered_expressions(names))
    owners: dict[str, str] = {}
    for number, row in enumerate(rows):
        sample = _read_row(source, path, number, row)
        if sample is None:
            continue
        if sample.subject is not None and sample.file is not None:
            owner = owners.setdefault(str(sample.file), sample.subject)
            if owner != sample.subject:
                source.note(sample.source, f"The image has two subjects, {owner} and {sample.subject}; the second is left out.")
                continue
        source.samples.append(sample)
    return source.checked()


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".csv":
        # Subjects such as 007 are names, not numbers.
        types = {"subject": pyarrow.string(), "label": pyarrow.string(), "image": pyarrow.string()}
        options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
        table = pyarrow.csv.read_csv(path, convert_options=options)
    elif path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path)
    else:
        raise ValueError(f"{path} is neither .csv nor .parquet.")
    for column in ("image", "label"):
        if column not in table.column_names:
            raise ValueError(f"{path} has no column {column!r}; it has {', '.join(table.column_names)}.")
    names = _class_names(table.schema)
    for row in table.to_pylist():
        if names and isinstance(row["label"], int):
            row["label"] = names[row["label"]] if 0 <= row["label"] < len(names) else None
        yield row


def _class_names(schema: pyarrow.Schema) -> list[str]:
    """The names behind the numbers of a column label that `datasets` wrote as ClassLabel."""
    information = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    return information.get("info", {}).get("features", {}).get("label", {}).get("names", [])


def _read_row(source: Source, path: Path, number: int, row: dict[str, Any]) -> Sample | None:
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
    split = str(row.get("split") or "train")
    subject = row.get("subject")
    return Sample(
        name,
        str(row["label"]),
        SPLIT_NAMES.get(split.lower(), split),
        None if subject is None else str(subject),
        file,
        content or b"",
        landmarks=_read_points(source, name, row.get("landmarks")),
    )


def _read_points(source: Source, name: str, value: Any) -> np.ndarray | None:
    if value is None:
        return None
    try:
        points = np.asarray(json.loads(value) if isinstance(value, str) else value, dtype=np.float32)
    except (ValueError, TypeError):
        points = np.empty(0, dtype=np.float32)
    if points.ndim != 2 or points.shape[1] != 2:
        source.note(name, "The landmarks are not pairs of x and y; they are searched for instead.")
        return None
    return points
