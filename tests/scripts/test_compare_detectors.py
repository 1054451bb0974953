"""Detectors are compared by faces whose place is known."""

import compare_detectors
import numpy as np
import pytest
from compare_detectors import Placed, is_found, make_scene, measure
from PIL import Image

from modeling_fer.faces_fer import Face


@pytest.fixture(scope="module")
def scenes():
    heads = compare_detectors.read_heads(None, 0, np.random.default_rng(0))
    background = Image.new("RGB", (100, 100), "gray")
    return [make_scene(heads, background, (640, 480), np.random.default_rng(seed)) for seed in range(2)]


def test_scenes_hold_faces_of_many_sizes_inside_the_picture(scenes):
    for scene, placed in scenes:
        assert scene.size == (640, 480) and len(placed) == 12
        for face in placed:
            assert face.size / 2 <= face.x <= 640 - face.size / 2 and face.size / 2 <= face.y <= 480 - face.size / 2
    sizes = [face.size for _, placed in scenes for face in placed]
    assert min(sizes) >= 16 and max(sizes) > 2 * min(sizes)


def test_a_finding_counts_near_the_face_and_of_its_size():
    face = Placed(100, 100, 40)
    assert is_found(face, Face((80, 80, 120, 120)))
    assert not is_found(face, Face((100, 80, 140, 120)))
    assert not is_found(face, Face((50, 50, 150, 150)))


def test_who_knows_all_faces_finds_all_and_who_guesses_is_told(scenes):
    known = {id(scene): placed for scene, placed in scenes}

    def knowing(image: Image.Image) -> list[Face]:
        return [Face((f.x - f.size / 2, f.y - f.size / 2, f.x + f.size / 2, f.y + f.size / 2)) for f in known[id(image)]]

    perfect = measure(knowing, scenes)
    assert perfect.found_of_all == 1 and set(perfect.found.values()) == {1} and perfect.false_faces == 0
    guess = measure(lambda image: [Face((-90, -90, -50, -50))], scenes)
    assert guess.found_of_all == 0 and guess.false_faces == 1


def test_the_packages_detector_finds_most_of_the_astronauts(scenes):
    outcome = compare_detectors.compare(["mtcnn"], None, 2, (640, 480))["mtcnn"]
    assert outcome.found_of_all > 0.6 and outcome.milliseconds > 0
