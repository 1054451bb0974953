"""The cascade finds what facenet-pytorch's finds, in every process and thread."""

import multiprocessing
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from helpers import ROOT
from PIL import Image
from torchvision.ops import nms

from modeling_fer.detector_files_fer import PACKAGED
from modeling_fer.mtcnn_fer import Mtcnn, share_out
from modeling_fer.suppression_fer import suppress

ASTRONAUT = Image.open(ROOT / "space/examples/astronaut.jpg").convert("RGB")
REFERENCE, OURS = MTCNN(keep_all=True), Mtcnn(PACKAGED / "mtcnn", threads=1)


def tiled() -> Image.Image:
    """One photo with faces of many sizes."""
    canvas = Image.new("RGB", (1200, 900), "gray")
    for size, x, y in (
        (512, 0, 0),
        (256, 600, 0),
        (128, 900, 0),
        (64, 900, 200),
        (400, 500, 300),
        (96, 50, 600),
        (333, 850, 500),
    ):
        canvas.paste(ASTRONAUT.resize((size, size)), (x, y))
    return canvas


PHOTOS = {
    "as it is": ASTRONAUT,
    "small": ASTRONAUT.resize((300, 300)),
    "large": ASTRONAUT.resize((1600, 1600), Image.Resampling.BICUBIC),
    "odd and in tiles": ASTRONAUT.resize((1001, 1003), Image.Resampling.BICUBIC),
    "stretched": ASTRONAUT.resize((511, 389)),
    "turned": ASTRONAUT.rotate(25, expand=True),
    "cut by the border": ASTRONAUT.crop((190, 60, 400, 300)),
    "with a border": ASTRONAUT.crop((-200, -100, 700, 600)),
    "all face": ASTRONAUT.crop((170, 40, 290, 200)).resize((600, 800)),
    "dark": ASTRONAUT.point(lambda value: value // 5),
    "several": tiled(),
}


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("least", [20, 45.5])
def test_same_faces_as_facenet_pytorch(name, least):
    REFERENCE.min_face_size = least
    boxes, scores, points = REFERENCE.detect(PHOTOS[name], landmarks=True)
    found = OURS(np.asarray(PHOTOS[name]), least)
    largest_first = np.argsort(-np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1))
    found = found.take(largest_first)
    np.testing.assert_allclose(found.boxes, np.array(boxes, float), atol=0.05)
    np.testing.assert_allclose(found.scores, np.array(scores, float), atol=1e-4)
    np.testing.assert_allclose(found.points, np.array(points, float), atol=0.05)


def test_several_faces_are_found():
    assert len(OURS(np.asarray(PHOTOS["several"]))) >= 7


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (11, 300), (12, 12), (40, 1), (50, 700)])
def test_a_picture_too_small_for_a_face_has_none(shape):
    found = OURS(np.full((*shape, 3), 128, np.uint8))
    assert found.boxes.shape == (0, 4) and found.points.shape == (0, 5, 2) and found.scores.shape == (0,)


def test_suppression_is_torchvisions():
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 300, (700, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 80, (700, 2))], axis=1).astype(np.float32)
    scores = rng.uniform(size=700).astype(np.float32)
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.3)
    np.testing.assert_array_equal(suppress(boxes, scores, 0.3), kept.numpy())
    assert len(suppress(boxes[:0], scores[:0], 0.3)) == 0


def test_sixteen_threads_share_one():
    pixels = [np.asarray(PHOTOS[name]) for name in ("as it is", "small", "turned", "dark")] * 8
    fresh = Mtcnn(PACKAGED / "mtcnn", threads=2)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(fresh, pixels))
    for one, other in zip(found, found[4:], strict=False):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.points, other.points)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the system has no fork")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_fork_after_use_finds_the_same_and_ends(threads):
    pixels = np.asarray(PHOTOS["small"])
    mtcnn = Mtcnn(PACKAGED / "mtcnn", threads)
    before = mtcnn(pixels).boxes
    context = multiprocessing.get_context("fork")
    child = context.Process(target=lambda: sys.exit(not np.array_equal(mtcnn(pixels).boxes, before)))
    child.start()
    child.join(60)
    assert child.exitcode == 0


def test_it_is_sent_to_other_processes():
    sent = pickle.loads(pickle.dumps(OURS))
    pixels = np.asarray(PHOTOS["small"])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(sent, (pixels,))
    np.testing.assert_array_equal(found.boxes, OURS(pixels).boxes)


@pytest.mark.parametrize("helpers", [1, 3])
def test_work_is_shared_out_and_comes_back_in_order(helpers):
    done: list[str] = []
    together = threading.Barrier(helpers + 1)

    def work(number):
        if number <= helpers:
            # Each of the first ones waits for the others, which other threads therefore do.
            together.wait(60)
        done.append(threading.current_thread().name)
        return number * number

    with ThreadPoolExecutor(helpers) as pool:
        assert list(share_out(pool, helpers, work, iter(range(60)))) == [number * number for number in range(60)]
        assert len(set(done)) == helpers + 1
        assert list(share_out(pool, helpers, work, [])) == [] and list(share_out(pool, helpers, work, [99])) == [99 * 99]


def test_where_one_piece_of_work_fails_the_others_are_left():
    done: list[int] = []

    def work(number):
        if number == 3:
            raise ValueError("three")
        time.sleep(0.01)
        done.append(number)

    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="three"):
        share_out(pool, 1, work, range(500))
    assert len(done) < 100
