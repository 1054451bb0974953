"""A preparation that is stopped, killed or repeated, and what it takes of the one before."""

import json
import os
import signal
import subprocess
import time
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
from datasets import load_dataset
from helpers import FER, OFFLINE, fer, save, write

from modeling_fer.data.face_preparer import PrepareSettings, prepared_features
from modeling_fer.data.prepare import finish, is_finished, plan_shards, prepare, run_shards
from modeling_fer.data.prepared import load_whole
from modeling_fer.data.readers import read_source
from modeling_fer.data.source import Sample, Source


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
    assert len((tmp_path / "two/report/problems.csv").read_text().splitlines()) == 201
    again = fer(*command[1:])
    assert again.returncode == 0 and "two holds this data set already" in again.stdout
    source = read_source("imagefolder", crops)
    settings = PrepareSettings(image_size=32, landmarks="none")
    one = prepare(source, settings, tmp_path / "one")["train"]
    two = load_dataset(str(tmp_path / "two"))["train"]
    assert two["source"] == one["source"]
    assert all(np.array_equal(a, b) for a, b in zip(one["image"], two["image"], strict=True))
