"""Images that a prepared data set has more than once. Where they are in several splits, what is measured on one was learned on another;
where their labels differ, one of them is wrong.
"""

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from datasets import Dataset, DatasetDict

from modeling_fer.data.digests import digest
from modeling_fer.data.source import SPLIT_NAMES, Problem


@dataclass(frozen=True)
class SharedImage:
    """An image that the data set has before.

    Attributes:
        split, source, label: where it is, its name in the original data set, and its expression.
        first_split, first_source, first_label: the same of where it was first.
    """

    split: str
    source: str
    label: str
    first_split: str
    first_source: str
    first_label: str


def find_shared_images(splits: DatasetDict) -> list[SharedImage]:
    """The images whose crop is there before, pixel by pixel: copies of a file, and files of other kinds with the same pixels.

    The split train comes first, then validation and test, then those of other names.
    """
    usual = list(dict.fromkeys(SPLIT_NAMES.values()))
    first: dict[str, tuple[str, str, str]] = {}
    shared = []
    for split in sorted(splits, key=lambda name: usual.index(name) if name in usual else len(usual)):
        dataset = splits[split]
        names = dataset.features["label"].names
        for content, source, label in zip(digest_images(dataset), dataset["source"], dataset["label"], strict=True):
            found = (split, source, names[label])
            owner = first.setdefault(content, found)
            if owner is not found:
                shared.append(SharedImage(*found, *owner))
    return shared


def digest_images(dataset: Dataset) -> list[str]:
    """What is the same for images that are encoded the same, as those with the same pixels are by `fer prepare`."""
    digests = []
    # A few hundred images are held at once.
    for batch in dataset.select_columns(["image"]).with_format("arrow").iter(500):
        # Some data sets of the Hub name files that `datasets` has fetched, and hold no bytes.
        images = [row["image"] for row in batch.to_pylist()]
        digests += [digest([image["bytes"] or Path(image["path"]).read_bytes()]) for image in images]
    return digests


def describe_shared_images(shared: Sequence[SharedImage]) -> list[Problem]:
    """One problem for each two splits that share images, and one for each sentence of `count_copies`."""
    pairs: dict[tuple[str, str], list[SharedImage]] = {}
    for image in shared:
        if image.split != image.first_split:
            pairs.setdefault((image.split, image.first_split), []).append(image)
    leaks = [
        Problem(
            split,
            f"Images that are in {first_split} too: {len(images)}, the first is {images[0].source}, there {images[0].first_source}; "
            "the splits leak, so leave those that report/shared_images.csv lists out of one of them.",
        )
        for (split, first_split), images in pairs.items()
    ]
    return [*leaks, *(Problem("report/shared_images.csv", sentence) for sentence in count_copies(shared))]


def count_copies(shared: Sequence[SharedImage]) -> list[str]:
    """A sentence on how many images are copies of others, and one on how many of these have another label, where there are any."""
    others = sum(image.label != image.first_label for image in shared)
    counts = {
        "Images that are copies of others, pixel by pixel": len(shared),
        "Copies with another label than the first of them": others,
    }
    return [f"{what}: {count}." for what, count in counts.items() if count]


def write_shared_images(shared: Sequence[SharedImage], file: Path) -> None:
    """Writes a csv table of the images that are there before; where there are none, there is no file."""
    if not shared:
        file.unlink(missing_ok=True)
        return
    with open(file, "w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(field.name for field in fields(SharedImage))
        writer.writerows(map(astuple, shared))
