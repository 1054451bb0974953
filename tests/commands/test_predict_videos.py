"""Videos that `fer predict` reads and draws: their times, their sound, and those that break off."""

import subprocess
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from helpers import FER, fer, limit_file_size, write_clip
from PIL import Image
from predictions import read_rows, shown_times


def heard(path: Path) -> tuple[np.ndarray, int]:
    """The sound of a video, and its samples a second."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]), rate


@pytest.mark.parametrize(("name", "sound"), [("clip.mp4", "aac"), ("clip.avi", "pcm_s16le"), ("clip.ts", "aac")])
def test_an_annotated_video_has_the_times_and_the_sound_of_its_input(small, tmp_path, name, sound):
    clip = write_clip(tmp_path / name, [small] * 20, fps=10, sound=sound)
    assert fer("predict", clip, "--fps", "60", "--overlay", tmp_path / "out").returncode == 0
    times, seconds = shown_times(tmp_path / "out/clip.mp4")
    assert times == pytest.approx(np.arange(20) / 10, abs=0.05)
    assert seconds == pytest.approx(2.0, abs=0.15)
    samples, rate = heard(tmp_path / "out/clip.mp4")
    assert len(samples) / rate == pytest.approx(2.0, abs=0.15)
    spectrum = np.abs(np.fft.rfft(samples[8192:40960]))
    assert np.argmax(spectrum) * rate / 32768 == pytest.approx(440, abs=3)


def test_variable_frame_rates_keep_their_times(small, tmp_path):
    times = [0.0, 0.1, 0.2, 1.5, 1.6, 3.0]
    clip = write_clip(tmp_path / "clip.mkv", [small] * 6, times=times)
    assert fer("predict", clip, "--fps", "30", "--overlay", tmp_path / "out", "--output", tmp_path / "a.jsonl").returncode == 0
    assert shown_times(tmp_path / "out/clip.mp4")[0] == pytest.approx(times, abs=0.002)
    rows = read_rows(tmp_path / "a.jsonl")
    assert [row["time"] for row in rows] == pytest.approx(times, abs=0.002)
    assert [row["frame"] for row in rows] == list(range(6))


def test_a_video_that_breaks_off_keeps_what_was_read(small, tmp_path):
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)) for _ in range(30)]
    clip = write_clip(tmp_path / "clip.mkv", frames)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    fer("predict", clip, "--output", tmp_path / "a.jsonl", "--overlay", tmp_path / "out")
    assert 3 < len(read_rows(tmp_path / "a.jsonl")) < 15
    assert len(shown_times(tmp_path / "out/clip.mp4")[0]) > 3


def test_a_disk_that_is_full_is_told_once(noise, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [noise] * 20, sound="aac")
    command = [FER, "predict", clip, "--overlay", tmp_path / "out", "--fps", "10"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=partial(limit_file_size, 2000))
    assert done.stderr == f"{tmp_path}/out/clip.mp4: cannot be written: File too large.\n"


@pytest.mark.parametrize(("frames", "told"), [(1, "1 face in single frames only"), (0, "no face found")])
def test_a_face_in_one_frame_alone_is_told(small, tmp_path, frames, told):
    blank = Image.new("RGB", small.size)
    clip = write_clip(tmp_path / "clip.mp4", [small] * frames + [blank] * 3, fps=5)
    done = fer("predict", clip, "--output", tmp_path / "a.jsonl")
    assert done.returncode == 0 and told in done.stdout
    assert sum(row["face"] > 0 for row in read_rows(tmp_path / "a.jsonl")) == frames


def test_videos_whose_names_have_a_colon_are_read_from_their_own_folder(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["2024-05-01T12:30:00.mp4", "12:30"]
    for name in names:
        write_clip(tmp_path / "clip.mp4", [small] * 3, sound="aac").rename(name)
    done = fer("predict", *names, "--output", "a.jsonl", "--overlay", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["file"] for row in read_rows(tmp_path / "a.jsonl")] == [name for name in names for _ in range(2)]
    assert len(heard(tmp_path / "out/12:30.mp4")[0]) > 0


def test_a_video_that_is_not_there_is_told_like_a_photo(tmp_path):
    (tmp_path / "empty.mp4").touch()
    done = fer("predict", tmp_path / "empty.mp4", tmp_path / "missing.mp4")
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/empty.mp4 is empty.\n{tmp_path}/missing.mp4 does not exist.\n"
