"""Faces looked for near where they were."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import fer as run_command
from helpers import write_clip
from PIL import Image

import modeling_fer
from modeling_fer.faces_fer import Face
from modeling_fer.inference.following import MOST_FACES, NearSearch, searching_near
from modeling_fer.inference.video import analyse_video


class Drawn:
    """A detector of white squares of 20 pixels on black; it keeps the sizes of what it has searched."""

    def __init__(self):
        self.searched = []

    def __call__(self, image):
        self.searched.append(image.size)
        rows, columns = np.nonzero(np.asarray(image.convert("L")) > 128)
        corners = sorted({(int(x) // 40 * 40, int(y) // 40 * 40) for x, y in zip(columns, rows, strict=True)})
        faces = []
        for left, top in corners:
            inside = (columns // 40 * 40 == left) & (rows // 40 * 40 == top)
            x, y = columns[inside].min(), rows[inside].min()
            faces.append(Face((float(x), float(y), float(columns[inside].max() + 1), float(rows[inside].max() + 1)), 1.0))
        return faces


def draw(*corners, size=(400, 200)):
    frame = Image.new("L", size)
    for x, y in corners:
        frame.paste(255, (x, y, x + 20, y + 20))
    return frame


def boxes(faces):
    return sorted(face.box for face in faces)


def test_the_whole_frame_is_searched_now_and_then():
    detector = Drawn()
    search = NearSearch(detector, detector, frames=4)
    for number in range(9):
        assert boxes(search(draw((50 + number, 50)))) == [(50.0 + number, 50.0, 70.0 + number, 70.0)]
    assert [size == (400, 200) for size in detector.searched] == [True, False, False, False] * 2 + [True]
    assert set(detector.searched) - {(400, 200)} == {(40, 40)}


def test_a_newcomer_is_found_by_the_next_whole_search_and_a_lost_face_asks_for_one():
    detector = Drawn()
    search = NearSearch(detector, detector, frames=3)
    two = draw((50, 50), (250, 90))
    assert [len(search(frame)) for frame in (draw((50, 50)), two, two, two)] == [1, 1, 1, 2]
    detector.searched.clear()
    assert len(search(draw((250, 90)))) == 1 and (400, 200) in detector.searched
    assert search(draw()) == [] and search(draw()) == []
    assert boxes(search(draw((300, 10)))) == [(300.0, 10.0, 320.0, 30.0)]


def test_a_face_that_becomes_too_small_is_left_out_as_in_whole_frames():
    class Choosy(Drawn):
        def least(self, longest):
            assert longest == 400
            return 18.0

        def __call__(self, image):
            return [face for face in super().__call__(image) if face.size >= 18 or image.size != (400, 200)]

    search = NearSearch(detector := Choosy(), detector, frames=100)
    frames = [draw((50, 50)) for _ in range(4)]
    for number, frame in enumerate(frames):
        # Its right edge is covered, more from frame to frame.
        frame.paste(0, (70 - number, 50, 70, 70))
        frame.paste(0, (50, 70 - number, 70, 70))
    assert [[face.size for face in search(frame)] for frame in frames] == [[20.0], [19.0], [18.0], []]


def test_two_faces_do_not_become_one():
    face = Face((50.0, 50.0, 70.0, 70.0))
    beside = Face((56.0, 50.0, 76.0, 70.0))
    whole = [[face, beside], [face]]
    search = NearSearch(lambda image: whole.pop(0), lambda image: [Face((10.0, 10.0, 30.0, 30.0))], frames=10)
    assert len(search(draw())) == 2
    assert search(draw()) == [face] and whole == []


def test_many_faces_are_searched_for_as_a_whole():
    detector = Drawn()
    search = NearSearch(detector, detector, frames=10)
    many = draw(*((40 * number + 10, 90) for number in range(MOST_FACES + 1)))
    assert len(search(many)) == len(search(many)) == MOST_FACES + 1
    assert detector.searched == [(400, 200)] * 2


@pytest.fixture(scope="module")
def fer():
    return modeling_fer.load("fer-tiny", engine="onnx")


@pytest.fixture(scope="module")
def frames(photo_path):
    """A face that moves to the right by 4 pixels a frame."""
    photo = Image.open(photo_path).convert("RGB").resize((256, 256))
    drawn = [Image.new("RGB", (320, 256), "gray") for _ in range(12)]
    for number, frame in enumerate(drawn):
        frame.paste(photo, (4 * number, 0))
    return drawn


def test_the_same_faces_are_found_near_as_in_the_whole_frame(fer, frames, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames)
    whole, near = (list(analyse_video(fer, clip, fps=10, search_every=every)) for every in (0, 1))
    for (frame, [expected]), (other, [found]) in zip(whole, near, strict=True):
        assert frame.number == other.number and expected.expression == found.expression
        assert np.abs(np.subtract(expected.box, found.box)).max() <= 8, frame.number
    assert [face.track for _, [face] in near] == [None] + [0] * 11


def test_a_detector_of_ones_own_looks_near_too(fer):
    detector = Drawn()
    reader = searching_near(replace(fer, detector=detector), 10)
    assert [len(faces) for faces in reader.read(iter([draw((50, 50)).convert("RGB")] * 3))] == [1, 1, 1]
    assert detector.searched == [(400, 200), (40, 40), (40, 40)]


def test_what_is_no_time_is_refused(fer, frames, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames[:2])
    with pytest.raises(ValueError, match="search_every is -1, but must be at least 0 seconds"):
        next(analyse_video(fer, clip, search_every=-1))


def test_the_command_searches_near(frames, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames)
    arguments = ("predict", clip, "--model", "fer-tiny", "--fps", 10, "--search-every", 1, "--output", tmp_path / "rows.csv")
    done = run_command(*arguments)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 13
