import csv
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from pyarrow.parquet import read_table

from modeling_fer import FacialExpressionPipeline, FerForImageClassification, FerImageProcessor, checkpoint_folder
from modeling_fer.video import FaceTracker, Smoother, VideoWriter, analyse_video, read_frames, summarize_tracks

FER = Path(sys.executable).with_name("fer")


def write_clip(path: Path, images: list[Image.Image], fps: int = 10) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *images[0].size, "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


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


def test_a_face_keeps_its_track_where_it_moves_and_is_hidden_for_a_moment(clip, fer):
    found = list(analyse_video(fer, clip, fps=10))
    assert [len(faces) for _, faces in found] == [1] * 5 + [0] * 2 + [1] * 5
    assert [face["track"] for _, faces in found for face in faces] == [None] + [0] * 9
    left = [faces[0]["box"]["xmin"] for _, faces in found if faces]
    assert np.diff(left).mean() == pytest.approx(44 / 9, abs=1)
    [summary] = summarize_tracks((frame.time, faces) for frame, faces in found)
    assert (summary.first, summary.last, summary.frames) == (pytest.approx(0.1), pytest.approx(1.1), 9)
    assert summary.expressions[0]["label"] == "happiness"
    assert sum(one["score"] for one in summary.expressions) == pytest.approx(1, abs=1e-4)


def test_two_faces_have_two_tracks_and_a_newcomer_a_third():
    def face(x: float) -> dict:
        return {"box": {"xmin": x, "ymin": 10, "xmax": x + 40, "ymax": 50}, "score": 0.99}

    tracker = FaceTracker(5)
    assert tracker.follow([face(0), face(100)]) == [None, None]
    first, second = tracker.follow([face(103), face(2)])
    assert {first, second} == {0, 1}
    assert tracker.follow([]) == []
    assert tracker.follow([face(4), face(106), face(250)]) == [second, first, None]
    assert tracker.follow([face(250), face(106), face(4)]) == [2, first, second]


def test_probabilities_are_smoothed_by_time():
    def expressions(first: float) -> list[dict]:
        return [{"label": "anger", "score": first}, {"label": "fear", "score": 1 - first}]

    smoother = Smoother(seconds=1.0)
    assert smoother.smooth(0, 0.0, expressions(1.0)) == expressions(1.0)
    kept = np.exp(-0.5)
    smoothed = smoother.smooth(0, 0.5, expressions(0.0))
    assert {one["label"]: one["score"] for one in smoothed} == pytest.approx({"anger": kept, "fear": 1 - kept})
    assert smoother.smooth(1, 0.5, expressions(0.3)) == expressions(0.3)[::-1]
    assert Smoother(seconds=0.0).smooth(0, 0.5, expressions(0.6)) == expressions(0.6)


def test_annotated_frames_are_written(moving, tmp_path):
    face = {"box": {"xmin": 90, "ymin": 30, "xmax": 135, "ymax": 90}, "relevance_map": None}
    face["expressions"] = [{"label": "happiness", "score": 1.0}]
    with VideoWriter(tmp_path / "out.mp4", 5) as writer:
        for image in moving[:3]:
            writer.write(image.resize((321, 255)), [face])
    frames = list(read_frames(tmp_path / "out.mp4", 5))
    assert len(frames) == 3 and frames[0].image.size == (320, 254)
    # The box is orange where the picture was not.
    assert np.asarray(frames[0].image)[60, 90, 0] > np.asarray(frames[0].image)[60, 90, 2] + 60


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b""), "is no video that can be read"),
        (lambda path: path.write_text("not a video"), "is no video that can be read"),
        (write_sound, "holds no pictures, only sound"),
    ],
    ids=["empty", "text", "sound"],
)
def test_what_is_no_video_is_one_sentence(tmp_path, make, sentence):
    make(tmp_path / "bad.mp4")
    with pytest.raises(ValueError, match=sentence):
        list(read_frames(tmp_path / "bad.mp4", 5))


def test_a_rate_of_zero_is_refused(clip):
    with pytest.raises(ValueError, match="fps is 0, but must be greater"):
        list(read_frames(clip, 0))


@pytest.mark.slow
def test_the_command_reads_videos_beside_photos(clip, photo_path, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"")
    command = [FER, "predict", photo_path, clip, tmp_path / "bad.mp4", "--fps", "5", "--overlay", tmp_path / "out"]
    done = subprocess.run([*command, "--output", tmp_path / "faces.csv"], capture_output=True, text=True)
    assert done.returncode == 1 and "bad.mp4 is no video that can be read" in done.stderr
    assert "track 0" in done.stdout and "0.2 to 1.0 s" in done.stdout
    with open(tmp_path / "faces.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["time"] for row in rows] == ["", "0", "0.2", "0.4", "0.8", "1"]
    assert [row["track"] for row in rows] == ["", "", "0", "0", "0", "0"]
    with open(tmp_path / "faces.tracks.csv", newline="") as file:
        [track] = csv.DictReader(file)
    assert (track["file"], track["frames"], track["expression"]) == (str(clip), "4", "happiness")
    assert len(list(read_frames(tmp_path / "out/clip.mp4", 5))) == 6
    assert (tmp_path / "out/astronaut.png").is_file()

    subprocess.run([FER, "predict", clip, "--fps", "4", "--output", tmp_path / "a.parquet"], check=True, capture_output=True)
    assert read_table(tmp_path / "a.parquet").num_rows == 4
