"""A preparation that is stopped, killed or repeated, and what it takes of the one before."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from multiprocessing import active_children, get_context
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, load_dataset
from helpers import FER, OFFLINE, fer, save, write

import modeling_fer.data.prepare as prepare_module
from modeling_fer.data.face_preparer import PrepareSettings, prepared_features
from modeling_fer.data.prepare import finish, is_finished, plan_shards, prepare, run_shards
from modeling_fer.data.prepared import load_whole
from modeling_fer.data.readers import read_source
from modeling_fer.data.source import Sample, Source
from modeling_fer.inference import workers


def many_crops(folder: Path, count: int) -> Path:
    for number in range(count):
        save(folder / ("smile" if number % 2 else "frown") / f"{number:03d}.png", size=40)
    return folder


def test_a_second_preparation_leaves_nothing_of_the_first(tmp_path):
    crops = many_crops(tmp_path / "crops", 8)
    for images in (3, 10):
        source = read_source("imagefolder", crops)
        finish(prepare(source, OFFLINE, tmp_path / "out"), source, OFFLINE, tmp_path / "out", shard_images=images)
    assert len(load_dataset(str(tmp_path / "out"))["train"]) == 8


SMALL, LARGE = (PrepareSettings(image_size=size, landmarks="none") for size in (24, 32))


def read_crops(folder: Path) -> Source:
    """Four crops to train on, two to validate on."""
    for name in ("train/0", "train/1", "train/2", "train/3", "validation/4", "validation/5"):
        if not (folder / f"{name}.png").exists():
            save(folder / f"{name}.png", size=20 + int(name[-1]))
    files = sorted(folder.rglob("*.png"))
    return Source(["smile"], [Sample(file.stem, "smile", file.parent.name, file=file, cropped=True) for file in files])


def prepare_whole(crops: Path, settings: PrepareSettings, out: Path) -> None:
    source = read_crops(crops)
    finish(prepare(source, settings, out), source, settings, out, shard_images=2)


class StopAt:
    """Ends the program, as if it were killed, instead of the call of that number among those that change files."""

    def __init__(self, monkeypatch, number: int):
        self.left = number
        for owner, name in ((Dataset, "to_parquet"), (os, "replace"), (shutil, "rmtree"), (Path, "unlink"), (Path, "mkdir")):
            monkeypatch.setattr(owner, name, self.counted(getattr(owner, name)))

    def counted(self, real):
        def call(*arguments, **options):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return call


def whole_size(out: Path) -> int | None:
    """The size of the crops of a data set that has all its images; None where it is said to be unfinished."""
    try:
        splits = load_whole(out)
    except ValueError as error:
        assert "has not ended; run the same fer prepare again" in str(error)
        return None
    assert {split: len(part) for split, part in splits.items()} == {"train": 4, "validation": 2}
    [size] = {image.size[0] for part in splits.values() for image in part["image"]}
    return size


@pytest.mark.parametrize("before", [None, SMALL], ids=["first", "again"])
def test_a_preparation_that_is_stopped_while_it_finishes_leaves_a_whole_data_set_or_says_so(before, tmp_path, monkeypatch):
    crops, begun = tmp_path / "crops", tmp_path / "begun"
    if before is not None:
        prepare_whole(crops, before, begun)
    source = read_crops(crops)
    prepare(source, LARGE, begun)
    states = []
    for number in itertools.count():
        out = tmp_path / str(number)
        shutil.copytree(begun, out)
        splits, stopped = prepare(read_crops(crops), LARGE, out), False
        with monkeypatch.context() as patch:
            StopAt(patch, number)
            try:
                finish(splits, source, LARGE, out, shard_images=2)
            except KeyboardInterrupt:
                stopped = True
        states.append(whole_size(out))
        assert is_finished(read_crops(crops), LARGE, out) == (states[-1] == LARGE.image_size)
        assert is_finished(read_crops(crops), SMALL, out) == (states[-1] == SMALL.image_size)
        if not is_finished(read_crops(crops), LARGE, out):
            prepare_whole(crops, LARGE, out)
        assert whole_size(out) == LARGE.image_size and len(load_dataset(str(out))["train"]) == 4
        if not stopped:
            break
    assert [state for state, _ in itertools.groupby(states)] == ([24, None, 32] if before else [None, 32])
    assert not (out / "work").exists()


def test_shards_that_were_left_behind_are_not_taken_for_those_of_other_settings(tmp_path, monkeypatch):
    source = read_crops(tmp_path / "crops")
    splits = prepare(source, SMALL, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *arguments, **options: None)
        finish(splits, source, SMALL, tmp_path / "out")
    assert whole_size(tmp_path / "out") == SMALL.image_size and list((tmp_path / "out/work").glob("*.parquet"))
    prepare_whole(tmp_path / "crops", LARGE, tmp_path / "out")
    assert whole_size(tmp_path / "out") == LARGE.image_size


def test_work_is_resumed_and_other_settings_are_refused(tmp_path):
    source = read_source("imagefolder", many_crops(tmp_path / "crops", 70))
    splits = prepare(source, OFFLINE, tmp_path / "out")
    first = tmp_path / "out/work/train-00000.parquet"
    written = first.stat().st_mtime_ns
    (tmp_path / "out/work/train-00001.parquet").unlink()
    again = prepare(read_source("imagefolder", tmp_path / "crops"), OFFLINE, tmp_path / "out")
    assert first.stat().st_mtime_ns == written
    assert again["train"]["source"] == splits["train"]["source"]
    with pytest.raises(ValueError, match="begun with sigma = 3.0, not 4.0"):
        prepare(source, PrepareSettings(image_size=64, landmarks="detector", sigma=4.0), tmp_path / "out")
    with pytest.raises(ValueError, match="begun with other images"):
        prepare(Source(source.label_names, source.samples[:3]), OFFLINE, tmp_path / "out")


def test_corrected_data_is_not_what_was_prepared_before(tmp_path):
    save(tmp_path / "a.png", size=40)
    save(tmp_path / "b.png", size=40)
    settings = PrepareSettings(image_size=32, landmarks="none", cropped=True)
    out = tmp_path / "out"

    def read(*rows):
        return read_source("table", write(tmp_path / "faces.csv", "\n".join(["image,label,split,subject,votes", *rows])))

    first = ("a.png,smile,train,A,", "b.png,frown,train,B,")
    source = read(*first)
    finish(prepare(source, settings, out), source, settings, out)
    assert is_finished(read(*first), settings, out)
    assert is_finished(read(*first), PrepareSettings(**{**vars(settings), "device": "cpu:0"}), out)
    corrected = [
        ("a.png,frown,train,A,", "b.png,smile,train,B,"),
        ("a.png,smile,test,A,", "b.png,frown,train,B,"),
        ("a.png,smile,train,C,", "b.png,frown,train,B,"),
        ('a.png,smile,train,A,"[1,0,0,0,0,0,0,0,0,0]"', "b.png,frown,train,B,"),
    ]
    assert not any(is_finished(read(*rows), settings, out) for rows in corrected)
    source = read(*first)
    source.form = "imagefolder"
    assert not is_finished(source, settings, out)
    save(tmp_path / "a.png", size=41)
    assert not is_finished(read(*first), settings, out)

    prepare(read(*first), settings, out)
    with pytest.raises(ValueError, match="begun with other image files, labels, splits, subjects, votes, boxes or landmarks"):
        prepare(read(*corrected[0]), settings, out)
    again = read(*corrected[0])
    finish(prepare(again, settings, tmp_path / "again"), again, settings, tmp_path / "again")
    assert load_whole(tmp_path / "again")["train"]["label"] == [0, 1]


def test_a_preparation_of_an_earlier_version_is_known_by_what_its_plan_says(tmp_path):
    source = read_source("imagefolder", many_crops(tmp_path / "crops", 4))
    finish(prepare(source, OFFLINE, tmp_path / "out"), source, OFFLINE, tmp_path / "out")
    file = tmp_path / "out/report/plan.json"
    plan = json.loads(file.read_text())
    del plan["form"], plan["content"]
    file.write_text(json.dumps({**plan, "device": "cuda"}))
    assert is_finished(source, OFFLINE, tmp_path / "out")
    assert not is_finished(source, PrepareSettings(**{**vars(OFFLINE), "sigma": 4.0}), tmp_path / "out")


@pytest.mark.slow
def test_a_process_that_is_killed_is_one_sentence(tmp_path):
    samples = [Sample(str(number), "smile", file=save(tmp_path / "a.png"), cropped=True) for number in range(64 * 40)]
    source, settings = Source(["smile"], samples), PrepareSettings(image_size=64, landmarks="none")
    (tmp_path / "work").mkdir()
    counts = run_shards(plan_shards(source, tmp_path / "work"), settings, prepared_features(["smile"]), num_proc=2)
    assert next(counts) == 64
    for child in active_children():
        os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="was killed, perhaps because memory ran out; run the same again.*--num-proc"):
        list(counts)


@pytest.mark.slow
@pytest.mark.parametrize("begun", ["work", "work/*.parquet"])
def test_stopped_by_ctrl_c_its_processes_end_without_a_word(tmp_path, begun):
    crops = many_crops(tmp_path / "crops", 400)
    command = [FER, "prepare", "imagefolder", crops, "--landmarks", "none", "--num-proc", "2", "--output", tmp_path / "out"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.time() + 120
    while not list((tmp_path / "out").glob(begun)) and time.time() < deadline and process.poll() is None:
        time.sleep(0.01)
    # A terminal sends it to all processes of a command.
    os.killpg(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_work_that_is_to_stop_makes_no_shard(tmp_path, monkeypatch):
    samples = [Sample(str(number), "smile", file=save(tmp_path / "a.png"), cropped=True) for number in range(40)]
    [shard] = plan_shards(Source(["smile"], samples), tmp_path)
    stop, seen = get_context("spawn").Event(), []

    def prepare_some(some):
        seen.extend(some)
        stop.set()
        return [], []

    monkeypatch.setattr(prepare_module, "_preparer", prepare_some, raising=False)
    monkeypatch.setattr(workers, "_stop", stop)
    assert prepare_module._work(shard, prepared_features(["smile"])) == 0
    assert len(seen) == prepare_module.BATCH and list(tmp_path.glob("*.parquet")) == list(tmp_path.glob("*.json")) == []


@pytest.mark.slow
def test_two_processes_make_what_one_makes_and_a_killed_run_goes_on(tmp_path):
    crops = many_crops(tmp_path / "crops", 200)
    command = [FER, "prepare", "imagefolder", crops, "--landmarks", "none"]
    command += ["--image-size", "32", "--num-proc", "2", "--output", tmp_path / "two"]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while not list((tmp_path / "two/work").glob("*.parquet")) and time.time() < deadline and killed.poll() is None:
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "train: 200 images (frown 100, smile 100)" in finished.stdout
    # Its head, an image without a face each, and two lines on copies.
    assert len((tmp_path / "two/report/problems.csv").read_text().splitlines()) == 203
    again = fer(*command[1:])
    assert again.returncode == 0 and "two holds this data set already" in again.stdout
    source = read_source("imagefolder", crops)
    settings = PrepareSettings(image_size=32, landmarks="none")
    one = prepare(source, settings, tmp_path / "one")["train"]
    two = load_dataset(str(tmp_path / "two"))["train"]
    assert two["source"] == one["source"]
    assert all(np.array_equal(a, b) for a, b in zip(one["image"], two["image"], strict=True))
