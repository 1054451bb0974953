import csv
import gc
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import fer as run_command
from helpers import write_clip, write_sound
from PIL import Image
from pyarrow.parquet import read_table

from modeling_fer import FacialExpressionPipeline, FerForImageClassification, FerImageProcessor, checkpoint_folder, faces_fer
from modeling_fer.answers_fer import Crop, ReadFace
from modeling_fer.faces_fer import MtcnnDetector
from modeling_fer.inference.frames import read_frames
from modeling_fer.inference.onnx_engine import OnnxNetwork
from modeling_fer.inference.tracking import FaceTracker, Smoother, summarize_tracks
from modeling_fer.inference.video import analyse_video
from modeling_fer.inference.video_writer import VideoWriter
from modeling_fer.mtcnn_fer import Mtcnn


def read_face(left: int, top: int = 10, width: int = 40, **scores: float) -> ReadFace:
    """A face without a photo."""
    box = (left, top, left + width, top + width)
    return ReadFace(box, 0.99, scores or {"happiness": 1.0}, Crop(left + width / 2, top + width / 2, width))


@pytest.fixture(scope="module")
def moving(photo_path) -> list[Image.Image]:
    """A face that moves to the right by 4 pixels a frame, and is hidden in the middle."""
    photo = Image.open(photo_path).convert("RGB").resize((256, 256))
    frames = []
    for number in range(12):
        frame = Image.new("RGB", (320, 256), "gray")
        if number not in (5, 6):
            frame.paste(photo, (4 * number, 0))
        frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def clip(moving, tmp_path_factory) -> Path:
    return write_clip(tmp_path_factory.mktemp("video") / "clip.mp4", moving)


@pytest.fixture(scope="module")
def fer() -> FacialExpressionPipeline:
    folder = checkpoint_folder()
    model = FerForImageClassification.from_pretrained(folder)
    return FacialExpressionPipeline(model, image_processor=FerImageProcessor.from_pretrained(folder), device="cpu")


@pytest.mark.parametrize(
    ("fps", "times"),
    [(10, np.arange(12) / 10), (5, np.arange(6) / 5), (100, np.arange(12) / 10), (3, [0, 0.4, 0.7, 1.0])],
)
def test_frames_are_sampled_by_time(clip, fps, times):
    frames = list(read_frames(clip, fps))
    assert [frame.time for frame in frames] == pytest.approx(list(times))
    assert frames[0].image.size == (320, 256)


def test_workers_change_no_answer(clip, fer):
    alone, together = (list(analyse_video(fer, clip, fps=10, batch_size=3, num_workers=workers)) for workers in (0, 3))
    assert len(alone) == 12
    for (frame, faces), (other, others) in zip(alone, together, strict=True):
        assert (frame.number, frame.time) == (other.number, other.time)
        assert [(face.box, face.track) for face in faces] == [(face.box, face.track) for face in others]


def test_threads_that_search_a_frame_each_share_the_cores(clip, fer, monkeypatch):
    threads = []
    real = Mtcnn.__call__

    def search(mtcnn, *arguments):
        threads.append(mtcnn.threads)
        return real(mtcnn, *arguments)

    monkeypatch.setattr(Mtcnn, "__call__", search)
    monkeypatch.setattr(faces_fer, "usable_cores", lambda: 4)
    detector = MtcnnDetector()
    for workers in (0, 2, 4):
        list(analyse_video(replace(fer.reader, detector=detector), clip, fps=1, num_workers=workers))
    assert threads == [4, 4, 2, 2, 1, 1]


def test_a_face_keeps_its_track_where_it_moves_and_is_hidden_for_a_moment(clip, fer):
    found = list(analyse_video(fer, clip, fps=10))
    assert [len(faces) for _, faces in found] == [1] * 5 + [0] * 2 + [1] * 5
    assert [face.track for _, faces in found for face in faces] == [None] + [0] * 9
    left = [faces[0].box[0] for _, faces in found if faces]
    assert np.diff(left).mean() == pytest.approx(44 / 9, abs=1)
    [summary] = summarize_tracks((frame.time, faces) for frame, faces in found)
    assert (summary.first, summary.last, summary.frames) == (pytest.approx(0.1), pytest.approx(1.1), 9)
    assert summary.expression == "happiness"
    assert sum(summary.scores.values()) == pytest.approx(1, abs=1e-4)


def test_two_faces_have_two_tracks_and_a_newcomer_a_third():
    face = read_face
    tracker = FaceTracker(5)
    assert tracker.follow(0.0, [face(0), face(100)]) == [None, None]
    first, second = tracker.follow(0.2, [face(103), face(2)])
    assert {first, second} == {0, 1}
    assert tracker.follow(0.4, []) == []
    assert tracker.follow(0.6, [face(4), face(106), face(250)]) == [second, first, None]
    assert tracker.follow(0.8, [face(250), face(106), face(4)]) == [2, first, second]


@pytest.mark.parametrize(
    ("fps", "times", "tracks"),
    [
        (5, [0.0, 0.2, 0.4, 1.4, 1.6], [None, 0, 0, 0, 0]),
        (5, [0.0, 0.2, 0.4, 2.12, 2.32], [None, 0, 0, None, 1]),
        (5, [0.0, 1.72, 1.92], [None, None, 0]),
        (100, [0.0, 0.1, 0.2, 1.3, 1.4], [None, 0, 0, None, 1]),
        (0.5, [0.0, 2.0, 4.4, 6.0, 10.0], [None, 0, 0, 0, None]),
    ],
    ids=["pause", "gap", "gap-after-the-first", "fewer-than-asked-for", "slow"],
)
def test_a_face_that_is_not_seen_for_a_second_gets_a_new_track(fps, times, tracks):
    tracker = FaceTracker(fps)
    assert [tracker.follow(time, [read_face(100)])[0] for time in times] == tracks


def test_a_face_that_is_hidden_for_a_second_gets_a_new_track():
    tracker = FaceTracker(100)
    seen = [tracker.follow(number / 10, [] if 3 <= number < 15 else [read_face(100)]) for number in range(18)]
    assert seen == [[None], [0], [0]] + [[]] * 12 + [[None], [1], [1]]


def test_probabilities_are_smoothed_by_time():
    def scores(first: float) -> dict[str, float]:
        return {"anger": first, "fear": 1 - first}

    smoother = Smoother(seconds=1.0)
    assert smoother.smooth(0, 0.0, scores(1.0)) == scores(1.0)
    kept = np.exp(-0.5)
    assert smoother.smooth(0, 0.5, scores(0.0)) == pytest.approx({"anger": kept, "fear": 1 - kept})
    assert list(smoother.smooth(1, 0.5, scores(0.3))) == ["fear", "anger"]
    assert Smoother(seconds=0.0).smooth(0, 0.5, scores(0.6)) == scores(0.6)


def test_annotated_frames_are_written(moving, tmp_path):
    face = read_face(90, 30, 60)
    with VideoWriter(tmp_path / "out.mp4", 5) as writer:
        for number, image in enumerate(moving[:3]):
            writer.write(image.resize((321, 255)), [face], number / 5)
    frames = list(read_frames(tmp_path / "out.mp4", 5))
    assert len(frames) == 3 and frames[0].image.size == (320, 254)
    # The box is orange where the picture was not.
    assert np.asarray(frames[0].image)[60, 90, 0] > np.asarray(frames[0].image)[60, 90, 2] + 60


@pytest.mark.parametrize("source", [None, "sound.mp4"])
def test_a_writer_that_cannot_begin_leaves_no_file_open(tmp_path, source):
    path = None if source is None else write_sound(tmp_path / source)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(ValueError):
            VideoWriter(tmp_path / "out.mp4", float("nan"), path)
        gc.collect()
    assert told == []


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("not a video"), "cannot be read as a video"),
        (write_sound, "holds no pictures, only sound"),
    ],
    ids=["empty", "text", "sound"],
)
def test_what_is_no_video_is_one_sentence(tmp_path, make, sentence):
    make(tmp_path / "bad.mp4")
    with pytest.raises(ValueError, match=sentence):
        list(read_frames(tmp_path / "bad.mp4", 5))


def test_frames_that_are_crops_are_taken_whole(fer, noise, tmp_path):
    crops = write_clip(tmp_path / "crops.mp4", [noise.resize((96, 96))] * 8)
    read = list(analyse_video(fer, crops, fps=10, detect=False, search_every=1.0))
    assert [[face.box for face in faces] for _, faces in read] == [[(0, 0, 96, 96)]] * 8
    assert [face.track for _, [face] in read[1:]] == [0] * 7
    done = run_command("predict", crops, "--no-detect", "--fps", "10", "--output", tmp_path / "faces.csv")
    assert done.returncode == 0 and "track 0" in done.stdout, done.stderr
    with open(tmp_path / "faces.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["face"], row["xmax"], row["ymax"]) for row in rows] == [("1", "96", "96")] * 8


def test_the_command_reads_as_many_faces_of_a_video_at_once_as_it_is_told(clip, monkeypatch):
    sizes = []
    own = OnnxNetwork.__call__

    def counted(network, pixel_values, prior_strength=None):
        sizes.append(len(pixel_values))
        return own(network, pixel_values, prior_strength)

    monkeypatch.setattr(OnnxNetwork, "__call__", counted)
    assert run_command("predict", clip, "--fps", "10", "--batch-size", "3").returncode == 0
    assert max(sizes) == 3


def test_a_rate_of_zero_is_refused(clip):
    with pytest.raises(ValueError, match="fps is 0, but must be greater"):
        list(read_frames(clip, 0))


def test_the_command_reads_videos_beside_photos(clip, photo_path, tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    command = ["predict", photo_path, clip, tmp_path / "bad.mp4", "--fps", "5", "--overlay", tmp_path / "out"]
    done = run_command(*command, "--output", tmp_path / "faces.csv")
    assert done.returncode == 1 and "bad.mp4 cannot be read as a video" in done.stderr
    assert "track 0" in done.stdout and "0.2 to 1.0 s" in done.stdout
    with open(tmp_path / "faces.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["time"] for row in rows] == ["", "0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [row["frame"] for row in rows] == ["", "0", "2", "4", "6", "8", "10"]
    assert [row["face"] for row in rows] == ["1", "1", "1", "1", "0", "1", "1"]
    assert [row["track"] for row in rows] == ["", "", "0", "0", "", "0", "0"]
    with open(tmp_path / "faces.tracks.csv", newline="") as file:
        [track] = csv.DictReader(file)
    assert (track["file"], track["frames"], track["expression"]) == (str(clip), "4", "happiness")
    assert len(list(read_frames(tmp_path / "out/clip.mp4", 5))) == 6
    assert (tmp_path / "out/astronaut.png").is_file()

    assert run_command("predict", clip, "--fps", "4", "--faces-only", "--output", tmp_path / "a.parquet").returncode == 0
    assert read_table(tmp_path / "a.parquet").num_rows == 4
