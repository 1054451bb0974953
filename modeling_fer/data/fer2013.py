"""FER-2013 (Goodfellow et al. 2013) as it is distributed: the table `fer2013.csv` (also named `icml_face_data.csv`) with
columns emotion, pixels and Usage, or folders `train/angry/*.png` and `test/angry/*.png`; and FER+ (Barsoum et al. 2016),
`fer2013new.csv`, which has votes of ten annotators for each row of that table.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data.ferplus import FER2013_EXPRESSIONS, vote_distributions
from modeling_fer.data.source import Sample, Source, add_expression_folders, find_file, ordered_expressions

FER2013_CODES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
SIZE = 48
VOTE_COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)


def read_fer2013(folder: str | Path) -> Source:
    """Reads FER-2013 with its own seven labels. The folder form has no validation split.

    Args:
        folder: holds fer2013.csv or icml_face_data.csv, or else train/ and test/.

    Raises:
        FileNotFoundError: neither is there.
        ValueError: no row has a label.
    """
    root = Path(folder)
    if (root / "train").is_dir():
        return _read_folders(root)
    source = Source(ordered_expressions(FER2013_CODES))
    for number, row in _rows(root):
        name = f"fer2013.csv#{number}"
        code, usage = row.get("emotion", ""), row.get("Usage", "")
        content = encode_pixels(row.get("pixels", ""))
        if not code.isdigit() or int(code) >= len(FER2013_CODES):
            source.note(name, f"{code!r} is no code of an expression (0 to 6); the row is left out.")
        elif usage not in USAGES:
            source.note(name, f"{usage!r} is none of {', '.join(USAGES)}; the row is left out.")
        elif content is None:
            source.note(name, f"The row does not hold {SIZE * SIZE} pixels from 0 to 255; it is left out.")
        else:
            source.samples.append(Sample(name, FER2013_CODES[int(code)], USAGES[usage], content=content, cropped=True))
    return source.checked()


def read_ferplus(folder: str | Path) -> Source:
    """Reads FER+ by the usual protocol: eight classes, the label being the one with most votes; images that most annotators
    called unknown or not a face are left out. Each sample has its soft label, see `vote_distributions`.

    Args:
        folder: holds fer2013.csv (or icml_face_data.csv) and fer2013new.csv.

    Raises:
        FileNotFoundError: one of the two is missing.
        ValueError: the two have different numbers of rows, or no row has a label.
    """
    root = Path(folder)
    source = Source(list(EXPRESSIONS))
    with open(find_file(root, "fer2013new.csv"), newline="") as file:
        votes = list(csv.DictReader(file))
    rows = list(_rows(root))
    if len(rows) != len(votes):
        raise ValueError(
            f"fer2013new.csv has {len(votes)} rows and the table of FER-2013 {len(rows)}, but each row of the one belongs to "
            "a row of the other; take both files whole."
        )
    without = 0
    for (number, row), vote in zip(rows, votes, strict=True):
        name = f"fer2013.csv#{number}"
        texts = [vote.get(column) or "" for column in VOTE_COLUMNS]
        content, usage = encode_pixels(row.get("pixels", "")), row.get("Usage", "")
        if not all(text.isdigit() for text in texts) or usage not in USAGES or content is None:
            source.note(name, "The row has no whole votes, no known Usage or no whole image; it is left out.")
            continue
        counts = np.array([texts], dtype=np.int64)
        majority = int(counts.argmax())
        if majority >= len(EXPRESSIONS) or counts.sum() == 0:
            without += 1
            continue
        distribution = vote_distributions(counts)[0].tolist()
        label = EXPRESSIONS[majority]
        sample = Sample(name, label, USAGES[usage], content=content, cropped=True, distribution=distribution)
        source.samples.append(sample)
    if without:
        source.note("fer2013new.csv", f"{without} images that most annotators called unknown or not a face are left out.")
    return source.checked()


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
    """The rows of the table, counted from 0; names and values without the blanks that one release has around them."""
    csv.field_size_limit(1 << 20)
    with open(find_file(root, "fer2013.csv", "icml_face_data.csv"), newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            yield number, {(key or "").strip(): (value or "").strip() for key, value in row.items() if isinstance(value, str)}


def _read_folders(root: Path) -> Source:
    source = Source(ordered_expressions(FER2013_EXPRESSIONS.values()))
    for split in ("train", "test"):
        if not (root / split).is_dir():
            source.note(split, "The folder is missing.")
            continue
        add_expression_folders(source, root, root / split, split, FER2013_EXPRESSIONS, cropped=True)
    return source.checked()
