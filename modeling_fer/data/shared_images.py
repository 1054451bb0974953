"""Images that are in several splits of a prepared data set, so that what is measured on one was learned on another."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from datasets import Dataset, DatasetDict

from modeling_fer.data.digests import digest
from modeling_fer.data.source import SPLIT_NAMES, Problem


@dataclass(frozen=True)
class SharedImage:
    """An image of one split that an earlier split has too.

    Attributes:
        split, source: where it is, and its name in the original data set.
        first_split, first_source: where it was first.
    """

    split: str
    source: str
    first_split: str
    first_source: str


def find_shared_images(splits: DatasetDict) -> list[SharedImage]:
    """The images whose crop an earlier split has pixel by pixel: copies of a file, and files of other kinds with the same pixels.

    The split train comes first, then validation and test, then those of other names.
    """
    usual = list(dict.fromkeys(SPLIT_NAMES.values()))
    first: dict[str, tuple[str, str]] = {}
    shared = []
    for split in sorted(splits, key=lambda name: usual.index(name) if name in usual else len(usual)):
        for content, source in _read_images(splits[split]):
            owner = first.setdefault(digest([content]), (split, source))
            if owner[0] != split:
                shared.append(SharedImage(split, source, *owner))
    return shared


def _read_images(dataset: Dataset) -> Iterator[tuple[bytes, str]]:
    """Each image as it is encoded, which is the same for the same pixels, and its name; a few hundred are held at once."""
    for batch in dataset.select_columns(["image", "source"]).with_format("arrow").iter(500):
        for row in batch.to_pylist():
            yield row["image"]["bytes"], row["source"]


def describe_shared_images(shared: Sequence[SharedImage]) -> list[Problem]:
    """One problem for each two splits that share images."""
    pairs: dict[tuple[str, str], list[SharedImage]] = {}
    for image in shared:
        pairs.setdefault((image.split, image.first_split), []).append(image)
    return [
        Problem(
            split,
            f"Images that are in {first_split} too: {len(images)}, the first is {images[0].source}, there {images[0].first_source}; "
            "the splits leak, so leave those that report/shared_images.csv lists out of one of them.",
        )
        for (split, first_split), images in pairs.items()
    ]


def write_shared_images(shared: Sequence[SharedImage], file: Path) -> None:
    """Writes a csv table of the images that splits share; where there are none, there is no file."""
    if not shared:
        file.unlink(missing_ok=True)
        return
    with open(file, "w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(field.name for field in fields(SharedImage))
        writer.writerows(map(astuple, shared))
