"""FER-2013 (Goodfellow et al. 2013) in its original layout: the table `fer2013.csv` (also `icml_face_data.csv`, or Kaggle's
`train.csv`) with the columns emotion, pixels and Usage, or folders `train/angry/*.png` and `test/angry/*.png`; and FER+ (Barsoum et
al. 2016), `fer2013new.csv`, which has votes of ten annotators for each row of that table.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from modeling_fer.data.readers.csv_rows import read_rows
from modeling_fer.data.source import Sample, Source, add_expression_folders, find_file, ordered_expressions

FER2013_CODES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FER2013_FOLDERS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
FER2013_TABLES = ("fer2013.csv", "icml_face_data.csv", "train.csv")
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
SIZE = 48
VOTE_COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
"""The columns of FER+, in the order of `modeling_fer.data.targets.VOTES`."""


def read_fer2013(folder: str | Path) -> Source:
    """Reads FER-2013 with its own seven labels. The folder form has no validation split; a table without Usage has one split, train.

    Args:
        folder: holds one of `FER2013_TABLES`, or else train/ and test/.

    Raises:
        FileNotFoundError: neither is there.
        ValueError: a column is missing, or no row has a label.
    """
    root = Path(folder)
    if (root / "train").is_dir():
        return _read_folders(root)
    source = Source(ordered_expressions(FER2013_CODES))
    for number, row in _rows(root):
        sample = _read_row(source, f"fer2013.csv#{number}", row, row.get("Usage", "Training"))
        if sample is not None:
            source.samples.append(sample)
    return source.checked(folder)


def read_ferplus(folder: str | Path) -> Source:
    """Reads FER-2013 with its own seven labels and the votes of FER+; a recipe's target says which of the two is learned.

    Args:
        folder: holds one of `FER2013_TABLES`, and fer2013new.csv.

    Raises:
        FileNotFoundError: one of the two is missing.
        ValueError: the two have different numbers of rows, a column is missing, or no row has a label.
    """
    root = Path(folder)
    source = Source(ordered_expressions(FER2013_CODES))
    votes = list(read_rows(find_file(root, "fer2013new.csv"), *VOTE_COLUMNS))
    rows = list(_rows(root))
    if len(rows) != len(votes):
        raise ValueError(
            f"fer2013new.csv has {len(votes)} rows and the table of FER-2013 {len(rows)}, but each row of the one belongs to "
            "a row of the other; take both files whole."
        )
    for (number, row), vote in zip(rows, votes, strict=True):
        name = f"fer2013.csv#{number}"
        usage = row.get("Usage") or vote.get("Usage", "Training")
        sample = _read_row(source, name, row, usage, _read_votes(source, name, vote))
        if sample is not None:
            source.samples.append(sample)
    return source.checked(folder)


def _read_row(
    source: Source, name: str, row: dict[str, str], usage: str, votes: tuple[int, ...] | None = None
) -> Sample | None:
    """The image of a row; None where it cannot be used, which becomes a problem."""
    code, content = row["emotion"], encode_pixels(row["pixels"])
    if not code.isdigit() or int(code) >= len(FER2013_CODES):
        source.note(name, f"{code!r} is not a code of an expression (0 to 6); the row is left out.")
    elif usage not in USAGES:
        source.note(name, f"{usage!r} is none of {', '.join(USAGES)}; the row is left out.")
    elif content is None:
        source.note(name, f"The row does not hold {SIZE * SIZE} pixels from 0 to 255; it is left out.")
    else:
        return Sample(name, FER2013_CODES[int(code)], USAGES[usage], content=content, cropped=True, votes=votes)
    return None


def _read_votes(source: Source, name: str, row: dict[str, str]) -> tuple[int, ...] | None:
    """The votes of a row; None where they are not whole numbers."""
    texts = [row[column] for column in VOTE_COLUMNS]
    if all(text.isdigit() for text in texts):
        return tuple(int(text) for text in texts)
    source.note(name, "The votes are not whole numbers; the image keeps its label alone.")
    return None


def encode_pixels(text: str) -> bytes | None:
    """The png of 48x48 pixels written as numbers with blanks between; None where they are not that."""
    try:
        pixels = np.array(text.split(), dtype=np.int64)
    except ValueError:
        return None
    if pixels.size != SIZE * SIZE or pixels.min() < 0 or pixels.max() > 255:
        return None
    buffer = io.BytesIO()
    Image.fromarray(pixels.reshape(SIZE, SIZE).astype(np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def _rows(root: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of the table, counted from 0."""
    return enumerate(read_rows(find_file(root, *FER2013_TABLES), "emotion", "pixels"))


def _read_folders(root: Path) -> Source:
    source = Source(ordered_expressions(FER2013_CODES))
    for split in ("train", "test"):
        if not (root / split).is_dir():
            source.note(split, "The folder is missing.")
            continue
        add_expression_folders(source, root, root / split, split, FER2013_FOLDERS, cropped=True)
    return source.checked(root)
