"""What tells one data set from another, so that work begun on one is not gone on with on another."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from modeling_fer.data.source import Sample

DIGITS = 16


def digest(parts: Iterable[bytes | np.ndarray]) -> str:
    """16 hexadecimal digits that differ where one of the parts does.

    >>> digest([b"smile", b"frown"]) == digest([b"smilefrown"])
    False
    """
    content = hashlib.sha256()
    for part in parts:
        held = part if isinstance(part, bytes) else np.ascontiguousarray(part).data
        content.update(hashlib.sha256(held).digest())
    return content.hexdigest()[:DIGITS]


def digest_files(folder: Path) -> str:
    """Of the files of a folder, in the order of their names; each is read bit by bit."""
    return digest(_digest_file(path) for path in sorted(folder.iterdir()))


def _digest_file(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def digest_dataset(dataset: Dataset) -> str:
    """Of all columns of a prepared data set, its images as they are encoded."""
    names = sorted(dataset.column_names)
    batches = dataset.select_columns(names).with_format("arrow").iter(1000)
    return digest([repr(dataset.features["label"].names).encode(), *(repr(batch.to_pydict()).encode() for batch in batches)])


def digest_samples(samples: Iterable[Sample]) -> str:
    """Of all that a reader found; the content of files is told by their size and the time that they were written."""
    return digest(part for sample in samples for part in _sample_parts(sample))


def _sample_parts(sample: Sample) -> Iterable[bytes | np.ndarray]:
    """The fields of a sample; not where its file lies, as a data set may be moved."""
    known = (sample.source, sample.label, sample.split, sample.subject, sample.cropped, sample.box, sample.face_detected)
    yield repr((*known, sample.votes, _file_state(sample))).encode()
    yield sample.content
    yield b"" if sample.landmarks is None else np.asarray(sample.landmarks, dtype=np.float64)


def _file_state(sample: Sample) -> tuple[int, int] | None:
    """Size in bytes and time in nanoseconds; None where there is no file, which its preparation notes as a problem."""
    if sample.file is None or not sample.file.is_file():
        return None
    state = sample.file.stat()
    return state.st_size, state.st_mtime_ns


def find_difference(now: dict[str, Any], written: dict[str, Any]) -> str | None:
    """The first entry of what work is made of that differs from what was written before; None where none does. What an earlier version
    did not write is not compared.
    """
    return next((key for key, value in now.items() if written.get(key, value) != value), None)
