import pickle
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from modeling_fer import faces_fer
from modeling_fer.faces_fer import Face, FaceCropper, MtcnnDetector, make_detector
from modeling_fer.mtcnn_fer import load_networks

DETECTOR = MtcnnDetector()


def overlap(first, second) -> float:
    """Intersection over union."""
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    common = np.prod(np.clip(high - low, 0, None))
    area = sum(np.prod(np.subtract(box[2:], box[:2])) for box in (first, second))
    return common / (area - common)


def test_finds_the_face_of_the_photo(photo):
    [face] = DETECTOR(photo)
    assert overlap(face.box, (180, 62, 268, 176)) > 0.8
    assert face.score > 0.99
    assert face.points[0][0] < face.points[1][0]


def test_boxes_of_a_large_photo_are_in_its_own_pixels(photo):
    [small] = DETECTOR(photo)
    [large] = DETECTOR(photo.resize((3072, 3072)))
    assert overlap(np.array(large.box) / 6, small.box) > 0.8


def test_small_faces_of_a_large_photo_are_found(photo):
    canvas = Image.new("RGB", (4000, 3000), "gray")
    places = [(300, 300), (2000, 400), (3500, 2500), (1200, 2600)]
    # The face is a fifth of the photo's height.
    for number, place in enumerate(places):
        canvas.paste(photo.resize((200 + 40 * number, 200 + 40 * number), Image.Resampling.LANCZOS), place)
    found = sorted(face.size for face in DETECTOR(canvas))
    assert len(found) == 4 and 38 < found[0] < 50 and found[-1] < 85
    assert MtcnnDetector(min_face=150)(canvas) == []
    assert len(MtcnnDetector(search_size=1000)(canvas)) < 4


def test_a_photo_of_one_large_face_is_reduced_and_its_box_is_not(photo):
    large = photo.resize((3072, 3072))
    [face], [small] = MtcnnDetector(min_face=0.15)(large), DETECTOR(photo)
    assert overlap(np.array(face.box) / 6, small.box) > 0.9


@pytest.mark.parametrize(("least", "count"), [(0, 4), (20, 4), (70, 2), (100, 1), (120, 0), (0.07, 2), (0.1, 1)])
def test_faces_smaller_than_asked_for_are_left_out(photo, least, count):
    row = Image.new("RGB", (1000, 512), "gray")
    # Faces of 114, 87, 54 and 40 pixels.
    for left, top, side in ((0, 0, 512), (520, 0, 400), (520, 410, 102), (640, 400, 110)):
        row.paste(photo.resize((side, side), Image.Resampling.LANCZOS), (left, top))
    sizes = [face.size for face in MtcnnDetector(min_face=least)(row)]
    assert len(sizes) == count and min(sizes, default=least) >= (least if least >= 1 else 1000 * least)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_photos_of_any_mode_are_searched(photo, mode):
    [face] = DETECTOR(photo.convert(mode))
    assert overlap(face.box, (180, 62, 268, 176)) > 0.75


@pytest.mark.parametrize("size", [(1, 1), (400, 1), (1, 5000), (19, 400), (64, 64), (9000, 3)])
def test_no_face_is_an_empty_list(size):
    assert DETECTOR(Image.new("RGB", size)) == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"min_face": -1}, "min_face is -1, but must be at least 0"),
        ({"search_size": 10}, "search_size is 10, but must be at least 20 pixels"),
        ({"threads": 0}, "threads is 0, but must be at least 1"),
    ],
)
def test_impossible_settings_are_named(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_detector("mtcnn", **settings)


def test_without_onnxruntime_a_sentence_says_what_to_install(photo, monkeypatch):
    load_networks.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="Finding faces needs onnxruntime; install it \\(pip install onnxruntime\\)"):
        MtcnnDetector()(photo)
    load_networks.cache_clear()


def test_searches_at_once_share_the_cores(photo, monkeypatch):
    monkeypatch.setattr(faces_fer, "usable_cores", lambda: 8)
    detector = MtcnnDetector(min_score=0.8)
    assert [detector.sharing(searches).mtcnn.threads for searches in (1, 2, 4, 8, 21)] == [4, 4, 2, 1, 1]
    assert MtcnnDetector(threads=1).sharing(2).mtcnn.threads == 1
    assert detector.mtcnn.threads == 4 and detector.sharing(8).min_score == 0.8


def test_the_number_of_threads_changes_no_answer(photo):
    [one], [several] = MtcnnDetector(threads=1)(photo), MtcnnDetector(threads=4)(photo)
    assert one.box == several.box and one.score == several.score


def test_a_face_is_scaled_with_its_photo(photo):
    [face] = DETECTOR(photo)
    twice = face.scaled(2)
    assert twice.box == pytest.approx([2 * edge for edge in face.box]) and twice.score == face.score
    np.testing.assert_allclose(twice.points, 2 * face.points)
    assert Face((1, 2, 3, 4)).scaled(3) == Face((3, 6, 9, 12))


def test_detectors_are_sent_to_other_processes(photo):
    assert pickle.loads(pickle.dumps(DETECTOR))(photo)[0].box == DETECTOR(photo)[0].box


def test_crop_is_the_box_with_its_margin():
    image = Image.new("RGB", (100, 80))
    ImageDraw.Draw(image).rectangle((30, 20, 49, 39), fill="white")
    face = Face((30, 20, 50, 40))
    tight = np.asarray(FaceCropper(48, margin=0.0)(image, face))
    assert tight.shape == (20, 20, 3)
    assert tight.min() == 255
    wide = np.asarray(FaceCropper(48, margin=1.0)(image, face))
    assert wide.shape == (40, 40, 3)
    assert wide.mean() == pytest.approx(255 / 4, abs=2)


def test_offset_moves_the_crop_down():
    image = Image.fromarray(np.repeat(np.arange(100, dtype=np.uint8)[:, None], 100, axis=1))
    here, below = (np.asarray(FaceCropper(48, offset=o)(image, Face((40, 40, 60, 60)))).mean() for o in (0.0, 0.5))
    assert below - here == pytest.approx(10, abs=0.6)


def test_alignment_levels_the_eyes(photo):
    tilted = photo.rotate(20, resample=Image.Resampling.BICUBIC)
    [face] = DETECTOR(tilted)
    crop = FaceCropper(96, margin=0.5)(tilted, face)
    [again] = DETECTOR(crop.resize((300, 300)))
    across = again.points[1] - again.points[0]
    assert abs(np.degrees(np.arctan2(across[1], across[0]))) < 5
    untouched = FaceCropper(96, margin=0.5, align=False)
    assert untouched.square(face)[2] == 0


def test_face_half_outside_the_picture_is_mirrored():
    image = Image.fromarray(np.random.default_rng(0).integers(1, 256, (60, 60, 3), dtype=np.uint8))
    crop = FaceCropper(24)(image, Face((-20, 10, 20, 50)))
    pixels = np.asarray(crop)
    assert pixels.shape == (40, 40, 3)
    assert pixels.min() > 0
    np.testing.assert_allclose(pixels[:, :20], pixels[:, 20:][:, ::-1], atol=1)


def test_face_wholly_outside_the_picture_is_named():
    with pytest.raises(ValueError, match="outside its picture of 60x60"):
        FaceCropper(24)(Image.new("RGB", (60, 60)), Face((200, 200, 240, 240)))


def test_large_faces_are_reduced():
    crop = FaceCropper(48)(Image.new("RGB", (2000, 2000)), Face((100, 100, 1900, 1900)))
    assert 96 <= crop.width < 200


def test_a_face_has_a_size_and_a_middle_and_can_be_moved():
    face = Face((0, 0, 10, 30), 0.5, np.full((5, 2), 4.0))
    assert face.size == 30 and face.centre.tolist() == [5, 15]
    moved = face.moved(3, -1)
    assert moved.box == (3, -1, 13, 29) and moved.score == 0.5 and moved.points.tolist() == [[7, 3]] * 5
