"""A small share of the prepared data sets, for scripts/reproduce.py --quick."""

from pathlib import Path

from datasets import Dataset, load_dataset

from modeling_fer.data.prepared import known_subjects

QUICK_IMAGES, QUICK_PEOPLE = 120, 24


def share_data(data: Path, folder: Path) -> None:
    """A small share of the prepared data sets: some images of each split, and of CK+48 some people."""
    for name, splits in (("fer2013", ("train", "validation", "test")), ("ckplus48", ("train",))):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for split in splits:
            whole = load_dataset("parquet", data_files=[str(file) for file in split_files(data / name, split)], split="train")
            few_images(whole).to_parquet(folder / name / f"{split}.parquet")


def split_files(folder: Path, split: str) -> list[Path]:
    """The parquet files of one split of a prepared data set.

    Raises:
        FileNotFoundError: there is none.
    """
    files = sorted(file for file in folder.rglob("*.parquet") if file.name.startswith(split))
    if not files:
        raise FileNotFoundError(
            f"{folder} has no parquet file of the split {split}; give the folder of prepared data sets by --data."
        )
    return files


def few_images(whole: Dataset) -> Dataset:
    """Some images, evenly spread; where it is known who is on them, all images of some people."""
    if (subjects := known_subjects(whole)) is not None:
        people = sorted(set(subjects))
        kept = set(people[:: max(1, len(people) // QUICK_PEOPLE)])
        return whole.select([place for place, person in enumerate(subjects) if person in kept])
    return whole.select(range(0, len(whole), max(1, len(whole) // QUICK_IMAGES)))
