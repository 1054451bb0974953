"""Both engines give the same answers, and say in one sentence what they cannot read."""

import copy
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from helpers import fer, plain, two_people
from huggingface_hub.errors import LocalEntryNotFoundError
from PIL import Image, ImageEnhance

from modeling_fer import FerForImageClassification, FerImageProcessor, checkpoint_folder, load
from modeling_fer.exporting.crops import example_crops, moved_boxes
from modeling_fer.inference.engines import choose_onnx, find_onnx
from modeling_fer.inference.loading import Checkpoint, first_accelerator, load_checkpoint, make_pipeline
from modeling_fer.inference.onnx_engine import METADATA_KEY, NetworkCard, OnnxNetwork
from modeling_fer.reading_fer import FaceReader


@pytest.fixture(scope="module")
def light() -> FaceReader:
    return load("fer-base", engine="onnx", threads=1)


@pytest.fixture(scope="module")
def heavy() -> FaceReader:
    return load("fer-base", engine="torch", device="cpu")


@pytest.fixture
def copied(tmp_path):
    """A copy of the bundled checkpoint."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("config.json", "model.onnx", "model.safetensors", "preprocessor_config.json"):
        shutil.copy(checkpoint_folder() / name, folder)
    return folder


def assert_same(found: list, expected: list) -> None:
    """Same faces, probabilities within 1e-3, maps within two of 255 levels."""
    assert [len(faces) for faces in found] == [len(faces) for faces in expected]
    for face, other in zip(sum(found, []), sum(expected, []), strict=True):
        assert (face.box, face.crop) == (other.box, other.crop)
        assert {**face.scores} == pytest.approx({**other.scores}, abs=1e-3)
        assert face.expression == other.expression
        levels = np.asarray(face.relevance_map, int) - np.asarray(other.relevance_map, int)
        assert abs(levels).max() <= 2


@pytest.mark.parametrize("copy_of", [copy.deepcopy, lambda reader: pickle.loads(pickle.dumps(reader))])
def test_a_copy_of_a_reader_answers_like_it(light, photo, copy_of):
    assert_same([copy_of(light)(photo)], [light(photo)])


@pytest.mark.slow
def test_a_pool_of_processes_takes_a_reader(light, photo):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert_same(list(pool.map(light, [photo, photo])), 2 * [light(photo)])


@pytest.mark.parametrize("threads", [0, -3])
def test_fewer_threads_than_one_are_refused_before_any_photo(threads):
    with pytest.raises(ValueError, match=rf"^threads is {threads}, but must be at least 1; leave it out for as many"):
        load("fer-tiny", threads=threads)


def test_a_detector_that_cannot_be_made_is_no_fault_of_the_photos(light, photo):
    def make(**options: object) -> None:
        raise ValueError("There is no such detector.")

    reader = FaceReader(light.network, light.prepare, light.cropper, make)
    with pytest.raises(ValueError, match="^There is no such detector"):
        reader([photo, photo], on_error="skip")


def test_what_may_not_be_read_is_one_sentence(copied, monkeypatch):
    access = os.access

    def forbid(forbidden: Path) -> None:
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != forbidden and access(path, mode))

    forbid(copied)
    with pytest.raises(ValueError, match=r"copy may not be read; check the permissions of its folder\.$"):
        load(copied)
    (copied / "model.onnx").write_bytes(b"")
    forbid(copied / "model.onnx")
    with pytest.raises(ValueError, match=r"model\.onnx may not be read; check the permissions of its folder\.$"):
        load(copied)


@pytest.mark.parametrize("name", ["fer-base", "fer-tiny"])
def test_the_engines_agree_on_photos_and_crops(name, photo, noise):
    readers = [load(name, engine=engine, device="cpu") for engine in ("onnx", "torch")]
    crops = example_crops(readers[0].cropper)[::3]
    crops += [ImageEnhance.Brightness(crop).enhance(0.3) for crop in crops[::4]] + [crop.convert("L") for crop in crops[::4]]
    photos = [photo, noise, two_people(photo), photo.rotate(25), photo.resize((200, 200)), Image.new("RGB", (64, 48))]
    for options, given in (({"detect": False}, crops), ({}, photos)):
        light, heavy = (reader(given, batch_size=7, **options) for reader in readers)
        assert_same(light, heavy)
    for prior in (0.0, 1.0):
        light, heavy = (reader(crops, detect=False, prior=prior) for reader in readers)
        assert_same(light, heavy)


def test_the_engines_agree_on_faces_of_a_data_set(light, heavy, fer_data):
    from modeling_fer.data import load_labelled
    from modeling_fer.training.suite import find_prepared

    faces = load_labelled(find_prepared(fer_data, "ckplus48"), "all")
    crops = list(faces.select(range(0, len(faces), len(faces) // 50))["image"])
    assert_same(light(crops, detect=False), heavy(crops, detect=False))


def test_boxes_and_batches_of_any_size(light, photo):
    boxes = moved_boxes()
    together = light(photo, boxes=boxes, batch_size=64)
    alone = light(photo, boxes=boxes, batch_size=1)
    assert len(together) == 27
    for one, other in zip(together, alone, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


def test_16_threads_share_one_session(light, photo):
    crops = example_crops(light.cropper)[:16]
    expected = [light(crop, detect=False)[0].scores for crop in crops]
    with ThreadPoolExecutor(16) as pool:
        for _ in range(3):
            found = list(pool.map(lambda crop: light(crop, detect=False)[0].scores, crops))
            assert found == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_after_use_does_not_hang(photo):
    reader = load("fer-tiny", engine="onnx", threads=2)
    box = [(182, 62, 267, 175)]
    expected = reader(photo, boxes=box)[0].expression
    child = os.fork()
    if child == 0:
        # Ends as a script would, so that the parent's session is let go of, too.
        same = reader(photo, boxes=box)[0].expression == expected
        reader = None
        os._exit(0 if same else 1)
    deadline = time.monotonic() + 30
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail("the fork hung")
        time.sleep(0.02)
    assert reader(photo, boxes=box)[0].expression == expected


FORKED = """
import os, sys, time
import modeling_fer

fer = modeling_fer.load("fer-tiny", engine="onnx", threads=2)
before = [face.box for face in fer(sys.argv[1])]
child = os.fork()
if child == 0:
    sys.exit(sys.argv[2] == "used" and [face.box for face in fer(sys.argv[1])] != before)
deadline = time.monotonic() + 30
while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
    if time.monotonic() > deadline:
        os.kill(child, 9)
    time.sleep(0.02)
sys.exit(ended[1] != 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("use", ["used", "unused"])
def test_a_fork_that_ends_as_scripts_do_ends(photo_path, use):
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", FORKED, str(photo_path), use], check=True, timeout=120, env=environment)


@pytest.mark.parametrize("module", ["mtcnn_fer", "inference.onnx_session", "exporting.quantization"])
def test_onnx_runtime_is_kept_from_reporting_whatever_imports_it(module):
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    script = f"import os, modeling_fer.{module}; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, env=environment)


def test_the_file_says_how_it_is_used():
    card, processor = OnnxNetwork(find_onnx("fer-base")).card, FerImageProcessor.from_pretrained(checkpoint_folder())
    config = FerForImageClassification.from_pretrained(checkpoint_folder()).config
    assert list(card.labels) == list(config.id2label.values())
    assert card.pixels == processor.pixel_settings()
    assert (card.face_margin, card.face_offset) == (processor.face_margin, processor.face_offset)
    assert (card.prior_strength, list(card.label_shares)) == (config.prior_strength, config.label_shares)
    assert NetworkCard.from_json(card.to_json()) == card


def test_which_engine_is_taken(copied, tiny_checkpoint):
    assert choose_onnx("fer-tiny") == checkpoint_folder("fer-tiny") / "model.onnx"
    assert choose_onnx(copied) == choose_onnx(copied / "model.onnx") == copied / "model.onnx"
    assert choose_onnx(tiny_checkpoint) is None
    assert choose_onnx(copied, "torch") is None
    assert choose_onnx(copied, "auto", "cuda:0") is None
    with pytest.raises(ValueError, match="holds no model.onnx; write one: fer export"):
        choose_onnx(tiny_checkpoint, "onnx")
    with pytest.raises(ValueError, match="'onnx' runs on the processor, not on cuda"):
        choose_onnx(copied, "onnx", "cuda")
    with pytest.raises(ValueError, match="'jax' is not known; choose one of 'auto', 'torch', 'onnx'"):
        load(engine="jax")


def cut_off(file) -> None:
    file.write_bytes(file.read_bytes()[:20_000])


def without_metadata(file) -> None:
    graph = onnx.load(file, load_external_data=False)
    del graph.metadata_props[:]
    onnx.save(graph, file)


def with_other_metadata(file) -> None:
    graph = onnx.load(file, load_external_data=False)
    onnx.helper.set_model_props(graph, {METADATA_KEY: '{"labels": ["a"]}'})
    onnx.save(graph, file)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (cut_off, "is not a readable ONNX network; it may be cut off"),
        (lambda file: file.write_text("no network"), "is not a readable ONNX network"),
        (lambda file: file.with_name("model.safetensors").unlink(), "is not a readable ONNX network"),
        (without_metadata, "does not say how faces become its input; give a model.onnx that fer export wrote"),
        (with_other_metadata, "was written by another version of this package; export it again"),
    ],
    ids=["cut off", "text", "no weights", "no metadata", "other metadata"],
)
def test_what_is_no_network_is_one_sentence(copied, spoil, sentence):
    spoil(copied / "model.onnx")
    with pytest.raises(ValueError, match=sentence) as error:
        load(copied)
    assert str(copied / "model.onnx") in str(error.value)


def test_an_engine_that_is_not_installed_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="'onnx' needs onnxruntime, which is not installed; run: pip install onnxruntime"):
        load("fer-tiny")
    monkeypatch.setattr("modeling_fer.inference.engines.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs torch and transformers.*run: pip install 'modeling-fer\[torch\]'"):
        load("fer-tiny", engine="torch")


def test_without_torch_what_cannot_be_had_is_not_blamed_on_torch(monkeypatch, tmp_path, photo_path):
    monkeypatch.setattr("modeling_fer.inference.engines.find_spec", lambda name: None)
    for source in (tmp_path, photo_path):
        with pytest.raises(ValueError, match=f"{source} is not a checkpoint: it holds neither model.onnx nor config.json"):
            load(source)

    def fail(*_, **__):
        raise LocalEntryNotFoundError("The Hub cannot be reached.\nTry again.")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(ValueError, match=r"^user/name cannot be fetched: The Hub cannot be reached\.$"):
        load("user/name")


def test_a_box_of_no_size_and_a_photo_of_one_row_are_no_crash(light, photo):
    from modeling_fer import Face

    empty = FaceReader(light.network, light.prepare, light.cropper, lambda **_: lambda image: [Face((5.0, 5.0, 5.0, 9.0))])
    with pytest.raises(ValueError, match=r"The box \(5.0, 5.0, 5.0, 9.0\) is empty"):
        empty(photo)
    assert light(Image.new("RGB", (300, 1))) == light(Image.new("RGB", (1, 300))) == []
    assert len(light(Image.new("RGB", (300, 1)), detect=False)) == 1


def test_impossible_options_are_one_sentence(light, photo):
    with pytest.raises(ValueError, match="num_workers is -1, but must be at least 0"):
        light(photo, num_workers=-1)
    with pytest.raises(ValueError, match="The prior strength is '0.5', but must be a number"):
        light(photo, prior="0.5")
    with pytest.raises(TypeError, match="A reader has no option 'top_k'; it takes boxes, batch_size"):
        light(photo, top_k=1)
    with pytest.raises(ValueError, match="batch_size is 0, but must be at least 1"):
        light(photo, batch_size=0)


def test_a_device_that_cannot_be_used_is_named_with_the_reason(tiny_checkpoint):
    checkpoint = load_checkpoint(tiny_checkpoint)
    if not torch.accelerator.is_available():
        with pytest.raises(ValueError, match=r"^cuda:7 cannot be used here \(.+\); try cpu\.$"):
            make_pipeline(checkpoint, "cuda:7")
    # Weights without values cannot be moved to any device.
    empty = Checkpoint(checkpoint.model.to("meta"), checkpoint.image_processor)
    with pytest.raises(
        ValueError, match=rf"^{first_accelerator()} cannot be used here \(Cannot copy out of meta tensor; no data"
    ):
        make_pipeline(empty)


def test_options_that_do_nothing_are_refused(photo_path):
    for options, sentence in (
        (["--no-detect", "--min-face", "20"], "--min-face is for the search for faces, which --no-detect leaves out"),
        (["--no-detect", "--search-size", "640"], "--search-size is for the search for faces"),
        (["--no-detect", "--search-every", "1"], "--search-every is for the search for faces"),
        (["--faces-only"], "--faces-only is about the rows that --output writes; give both"),
    ):
        done = fer("predict", photo_path, *options)
        assert done.returncode == 2 and sentence in plain(done.stderr), done.stderr
