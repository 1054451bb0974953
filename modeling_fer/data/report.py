"""What became of a prepared data set: a report of problems with a contact sheet, and the card that the Hub shows."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml
from datasets import Dataset, DatasetDict
from PIL import Image, ImageDraw

from modeling_fer.data.digests import digest_files
from modeling_fer.data.face_preparer import PrepareSettings
from modeling_fer.data.source import Sample, Source
from modeling_fer.data.targets import VOTES

TILE, COLUMNS, ROWS = 120, 8, 40


def write_report(splits: DatasetDict, source: Source, folder: Path) -> None:
    """Writes summary.json, problems.csv (source, problem) and, where faces were not found, not_found.png."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = {
        split: {
            "images": len(dataset),
            "faces not found": sum(not found for found in dataset["face_detected"]),
            "without landmarks": sum(points is None for points in dataset["landmarks"]),
            "subjects": len({subject for subject in dataset["subject"] if subject is not None}),
            "classes": count_classes(dataset),
        }
        for split, dataset in splits.items()
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    with open(folder / "problems.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "problem"])
        writer.writerows((problem.source, problem.sentence) for problem in source.problems)
    missing = {problem.source for problem in source.problems if problem.sentence.startswith("No face")}
    files = [sample for sample in source.samples if sample.source in missing]
    if files:
        contact_sheet(files[: COLUMNS * ROWS]).save(folder / "not_found.png")


def count_problems(folder: Path) -> int:
    """How many problems a report lists; 0 where its problems.csv is not there."""
    if not (folder / "problems.csv").is_file():
        return 0
    with open(folder / "problems.csv", newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def contact_sheet(samples: Sequence[Sample]) -> Image.Image:
    """The images of samples side by side, reduced, each with its name below. One at a time is held whole, as photos may be large."""
    rows = -(-len(samples) // COLUMNS)
    sheet = Image.new("RGB", (min(len(samples), COLUMNS) * TILE, rows * (TILE + 14)), "white")
    draw = ImageDraw.Draw(sheet)
    for number, sample in enumerate(samples):
        picture = sample.open()
        picture.thumbnail((TILE - 4, TILE - 4))
        x, y = number % COLUMNS * TILE, number // COLUMNS * (TILE + 14)
        sheet.paste(picture, (x + (TILE - picture.width) // 2, y + (TILE - picture.height) // 2))
        draw.text((x + 3, y + TILE), sample.source[-18:], fill="black")
    return sheet


def write_card(splits: DatasetDict, source: Source, settings: PrepareSettings, file: Path) -> None:
    """Writes the data set's card: the header that `load_dataset` reads, the columns, and how it was prepared.

    Args:
        splits: what was prepared; its parquet files lie in data/ beside the card.
        source, settings: what it was made from and how.
        file: the card.
    """
    header = {
        "task_categories": ["image-classification"],
        "tags": ["facial-expression-recognition"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits],
            }
        ],
        # How many images there are, for those that stream them. The digest keeps `load_dataset` from taking another data set of the
        # same name and size from its cache.
        "dataset_info": {
            "description": f"Content {digest_files(file.parent / 'data')}",
            "splits": [
                {"name": split, "num_bytes": dataset.data.nbytes, "num_examples": len(dataset)}
                for split, dataset in splits.items()
            ],
        },
    }
    table = ["| class | " + " | ".join(splits) + " |", "|---|" + "---:|" * len(splits)]
    counts = {split: count_classes(dataset) for split, dataset in splits.items()}
    for name in source.label_names:
        table.append(f"| {name} | " + " | ".join(str(counts[split][name]) for split in splits) + " |")
    problems = Counter(problem.sentence for problem in source.problems)
    lines = [f"- {sentence} ({count} times)" for sentence, count in problems.most_common(10)] or ["- none"]
    text = f"""---
{yaml.safe_dump(header, sort_keys=False)}---

# Faces prepared for facial expression recognition

Prepared by `fer prepare` of modeling-fer. The images keep the licence of the data set that they come from.

{chr(10).join(table)}

| column | meaning |
|---|---|
| `image` | face crop, {settings.image_size}x{settings.image_size} pixels |
| `label` | expression |
| `subject` | who is on it, null where that is not known |
| `landmarks` | (points, 2), (x, y) in pixels of the crop, null where there are none |
| `face_detected` | false where no face was found and the whole image was taken, or the landmarks are guesses |
| `heatmap` | target relevance map, 8-bit, 255 being 1 |
| `heatmap_sigma` | standard deviation of its Gaussians in pixels, {settings.sigma} |
| `source` | the image's name in the original data set |
| `votes` | how many annotators chose each of {", ".join(VOTES)}; null where there are none |

Landmarks that the data set does not give: {settings.landmarks}. {describe_cutting(source, settings)}

## Problems

{chr(10).join(lines)}
"""
    file.write_text(text, encoding="utf-8")


def describe_cutting(source: Source, settings: PrepareSettings) -> str:
    """A sentence on how images became crops."""
    if settings.cropped or all(sample.cropped for sample in source.samples):
        return "The images were crops of faces already and are taken whole: no face was searched, cut out or turned."
    turned = "turned upright" if settings.align else "not turned"
    return f"Faces are cut with margin {settings.margin}, offset {settings.offset},\n{turned}."


def describe(dataset: Dataset) -> str:
    """One line: how many images there are, and their classes."""
    counts = ", ".join(f"{name} {count}" for name, count in count_classes(dataset).items())
    return f"{len(dataset)} images ({counts})"


def count_classes(dataset: Dataset) -> dict[str, int]:
    """How many images each class has."""
    names = dataset.features["label"].names
    counts = Counter(dataset["label"])
    return {name: counts[number] for number, name in enumerate(names)}
