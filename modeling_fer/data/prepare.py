"""From a data set in its original layout to one ready for training, by several processes, with a report of what went otherwise.

The work is done in shards of a few dozen images; a shard that is written is never made again, so that the work can be stopped and
resumed. What is finished takes the place of what was there only when all of it is written, so that a folder holds one whole data set or
is known to be unfinished.
"""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict, Features, concatenate_datasets
from tqdm.auto import tqdm

from modeling_fer.data.digests import digest_samples, find_difference
from modeling_fer.data.face_preparer import FacePreparer, PrepareSettings, prepared_features
from modeling_fer.data.json_files import write_json
from modeling_fer.data.report import write_card, write_report
from modeling_fer.data.shared_images import describe_shared_images, find_shared_images, write_shared_images
from modeling_fer.data.source import Problem, Sample, Source
from modeling_fer.faces_fer import usable_cores
from modeling_fer.inference.workers import Workers, is_stopped

WORK_SHARD, BATCH = 64, 16
"""Images in a shard of the work, and how many of them are held at once; photos may be large."""

DIFFERENCES = {"images": "other images", "content": "other image files, labels, splits, subjects, votes, boxes or landmarks"}
"""How entries of a plan that differ are told, where they are too long to be shown."""


@dataclass(frozen=True)
class WorkShard:
    """A part of the work: some samples of one split, and the files that they become."""

    file: Path
    samples: list[Sample]

    @property
    def problem_file(self) -> Path:
        return self.file.with_suffix(".json")


_preparer: FacePreparer


def _start_worker(settings: PrepareSettings, threads: int) -> None:
    global _preparer
    torch.set_num_threads(threads)
    _preparer = FacePreparer(settings)


def _work(shard: WorkShard, features: Features) -> int:
    """Makes one shard; its parquet file appears last and whole. Nothing is made where the work is to stop."""
    rows, problems = [], []
    for start in range(0, len(shard.samples), BATCH):
        if is_stopped():
            return 0
        more_rows, more_problems = _preparer(shard.samples[start : start + BATCH])
        rows += more_rows
        problems += more_problems
    shard.problem_file.write_text(json.dumps([asdict(problem) for problem in problems]), encoding="utf-8")
    columns = {name: [row[name] for row in rows] for name in features}
    new = shard.file.with_suffix(".new")
    Dataset.from_dict(columns, features=features).to_parquet(str(new))
    os.replace(new, shard.file)
    return len(shard.samples)


def prepare(source: Source, settings: PrepareSettings, folder: str | Path, num_proc: int = 1) -> DatasetDict:
    """Prepares a data set; started again after it was stopped, goes on where it was.

    Args:
        source: what a reader found.
        settings: how to prepare it.
        folder: where work in progress is kept, in `work/`, until `finish` removes it.
        num_proc: processes that share the work.

    Returns:
        The splits, with the columns of `prepared_features`; `source.problems` has what went wrong added.

    Raises:
        ChildProcessError: a process was ended from outside.
        ValueError: the folder was begun with other settings or another data set, or holds something else.
    """
    check_output(Path(folder))
    work = Path(folder) / "work"
    shards = plan_shards(source, work)
    check_same_work(source, settings, work)
    features = prepared_features(source.label_names)
    waiting = [shard for shard in shards if not shard.file.is_file()]
    done = sum(len(shard.samples) for shard in shards) - sum(len(shard.samples) for shard in waiting)
    with tqdm(total=len(source.samples), initial=done, unit="image", desc="preparing") as bar:
        for count in run_shards(waiting, settings, features, num_proc):
            bar.update(count)
    splits: dict[str, list[Dataset]] = {}
    for shard in shards:
        splits.setdefault(shard.samples[0].split, []).append(Dataset.from_parquet(str(shard.file), features=features))
        source.problems += [Problem(**problem) for problem in json.loads(shard.problem_file.read_text(encoding="utf-8"))]
    return DatasetDict({split: concatenate_datasets(parts) for split, parts in splits.items()})


def plan_shards(source: Source, work: Path) -> list[WorkShard]:
    """The work, split by split, in the order of the samples."""
    shards = []
    for split in source.splits():
        samples = [sample for sample in source.samples if sample.split == split]
        for number, start in enumerate(range(0, len(samples), WORK_SHARD)):
            shards.append(WorkShard(work / f"{split}-{number:05d}.parquet", samples[start : start + WORK_SHARD]))
    return shards


def describe_work(source: Source, settings: PrepareSettings) -> dict[str, Any]:
    """All that decides what comes out, to be compared with what was begun or finished before. Where the networks run does not."""
    chosen = asdict(settings)
    del chosen["device"]
    found = {"images": [sample.source for sample in source.samples], "labels": source.label_names}
    return {**chosen, **found, "form": source.form, "content": digest_samples(source.samples)}


def is_finished(source: Source, settings: PrepareSettings, folder: str | Path) -> bool:
    """Whether a folder holds this data set already, prepared with these settings."""
    file = Path(folder) / "report" / "plan.json"
    if not file.is_file():
        return False
    return find_difference(describe_work(source, settings), json.loads(file.read_text(encoding="utf-8"))) is None


def check_output(folder: Path) -> None:
    """Refuses a folder that holds something else than a prepared data set, which would be written over.

    Raises:
        ValueError: it does.
    """
    plans = (folder / "work" / "plan.json", folder / "report" / "plan.json")
    if folder.is_dir() and not any(plan.is_file() for plan in plans):
        others = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
        if others:
            raise ValueError(f"{folder} holds {others[0]}, which is not of a prepared data set; give another output folder.")


def check_same_work(source: Source, settings: PrepareSettings, work: Path) -> None:
    """Refuses to mix shards of two data sets or of two settings in one folder, and notes what is begun.

    Raises:
        ValueError: the folder was begun with others.
    """
    plan = describe_work(source, settings)
    file = work / "plan.json"
    if file.is_file():
        written = json.loads(file.read_text(encoding="utf-8"))
        key = find_difference(plan, written)
        if key is not None:
            detail = DIFFERENCES.get(key, f"{key} = {written[key]}, not {plan[key]}")
            raise ValueError(f"{work.parent} was begun with {detail}; go on with the same, or give another output folder.")
        return
    # Without a plan, shards are left of a preparation that was stopped while it tidied up: nothing tells what they were made of.
    remove_folder(work)
    write_json(file, plan, indent=None)


def remove_folder(folder: Path) -> None:
    """Removes a folder, where it is there."""
    if folder.is_dir():
        shutil.rmtree(folder)


def run_shards(shards: list[WorkShard], settings: PrepareSettings, features: Features, num_proc: int) -> Iterator[int]:
    """Makes shards, yielding the number of images of each when it is done.

    Raises:
        ChildProcessError: a process was ended from outside.
    """
    if not shards:
        return
    threads = max(1, usable_cores() // num_proc)
    if num_proc == 1:
        _start_worker(settings, torch.get_num_threads())
        for shard in shards:
            yield _work(shard, features)
        return
    with Workers(num_proc, _start_worker, settings, threads) as pool:
        futures = [pool.submit(_work, shard, features) for shard in shards]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "A process that prepared images was killed, perhaps because memory ran out; run the same again, which goes on where it "
                "was, with fewer by --num-proc."
            ) from error


def finish(
    splits: DatasetDict, source: Source, settings: PrepareSettings, folder: str | Path, shard_images: int = 20_000
) -> None:
    """Writes what `datasets.load_dataset(folder)` reads, and removes the work in progress. Stopped at any point, it leaves the data set
    that was there before, or the new one, or a folder that `load_whole` refuses as unfinished until the same is run again.

    Args:
        splits: from `prepare`.
        source, settings: what it was made from and how, for card and report; `source.problems` has images added that several splits
            share.
        folder: gets data/*.parquet, README.md (the card) and report/.
        shard_images: images in one parquet file.
    """
    work = Path(folder) / "work"
    new = work / "finished"
    remove_folder(new)
    (new / "data").mkdir(parents=True)
    for split, dataset in splits.items():
        count = max(1, -(-len(dataset) // shard_images))
        for number in range(count):
            part = dataset.shard(count, number, contiguous=True)
            part.to_parquet(str(new / "data" / f"{split}-{number:05d}-of-{count:05d}.parquet"))
    shared = find_shared_images(splits)
    source.problems += describe_shared_images(shared)
    write_report(splits, source, new / "report")
    write_shared_images(shared, new / "report" / "shared_images.csv")
    write_card(splits, source, settings, new / "README.md")
    replace_finished(Path(folder), new, work / "replaced")
    shutil.rmtree(work)


def replace_finished(root: Path, new: Path, old: Path) -> None:
    """Puts a finished data set in the place of the one before.

    Args:
        root: gets what `new` holds, and last the plan, with which it is finished; without one it is not.
        new: holds the finished data set.
        old: gets the one before, whole, as files of it would be read along.
    """
    remove_folder(old)
    old.mkdir()
    (root / "report" / "plan.json").unlink(missing_ok=True)
    for name in ("data", "report", "README.md"):
        if (root / name).exists():
            os.replace(root / name, old / name)
        os.replace(new / name, root / name)
    os.replace(root / "work" / "plan.json", root / "report" / "plan.json")
