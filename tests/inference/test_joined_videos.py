"""Videos of several recordings, each counting its time from zero."""

from pathlib import Path

import av
import numpy as np
import pytest
from helpers import fer, write_clip
from predictions import read_rows, shown_times

from modeling_fer.inference.clock import Clock
from modeling_fer.inference.frames import read_frames


def join(path: Path, *parts: Path) -> Path:
    """A file of the contents of others."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def move(source: Path, path: Path, seconds: float) -> Path:
    """The same video, with time stamps that start later."""
    with av.open(str(source)) as read, av.open(str(path), "w", options={"output_ts_offset": str(seconds)}) as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    return path


@pytest.fixture
def clip(noise, tmp_path) -> Path:
    """Three seconds at 10 frames a second."""
    return write_clip(tmp_path / "clip.ts", [noise.resize((96, 64))] * 30)


def test_all_recordings_of_a_video_are_read(clip, tmp_path):
    frames = list(read_frames(join(tmp_path / "joined.ts", clip, clip, clip), fps=10))
    assert [frame.number for frame in frames] == list(range(90))
    assert np.diff([frame.time for frame in frames]) == pytest.approx(np.full(89, 0.1), abs=0.05)


def test_a_recording_that_starts_long_before_the_first_one_is_read(clip, tmp_path):
    late = move(clip, tmp_path / "late.ts", 1000)
    frames = list(read_frames(join(tmp_path / "joined.ts", late, clip), fps=10))
    assert len(frames) == 60 and frames[-1].time == pytest.approx(5.9, abs=0.1)


def test_sound_and_pictures_of_recordings_stay_together(photo, tmp_path):
    clip = write_clip(tmp_path / "clip.ts", [photo.resize((192, 192))] * 20, sound="aac")
    joined = join(tmp_path / "joined.ts", clip, clip, clip)
    done = fer("predict", joined, "--fps", "10", "--overlay", tmp_path / "out", "--output", tmp_path / "a.jsonl")
    assert done.returncode == 0, done.stderr
    assert [row["frame"] for row in read_rows(tmp_path / "a.jsonl")] == list(range(60))
    times, seconds = shown_times(tmp_path / "out/joined.mp4")
    assert times == pytest.approx(np.arange(60) / 10, abs=0.15) and seconds == pytest.approx(6.0, abs=0.2)
    with av.open(str(tmp_path / "out/joined.mp4")) as container:
        heard = [frame.time for frame in container.decode(audio=0)]
    assert heard[-1] == pytest.approx(times[-1], abs=0.2) and np.diff(heard).max() < 0.1


def place(clock: Clock, stream: int, *stamps: float) -> list[float]:
    """Where packets of a tenth of a second are moved to."""
    return [round(stamp + clock.shift(stream, stamp, stamp, 0.1), 3) for stamp in stamps]


def test_time_stamps_that_go_back_a_little_are_left_as_they_are():
    stamps = [0.0, 0.4, 0.2, 0.3, 1.1, 0.9, 2.0, 1.1]
    assert place(Clock(), 0, *stamps) == stamps


def test_streams_are_moved_by_the_same_also_where_one_begins_anew_earlier():
    clock = Clock()
    assert place(clock, 1, 5.0, 8.0) == [5.0, 8.0]
    # The sound of the next recording comes before the last picture of this one.
    assert place(clock, 0, 5.0, 8.2, 5.0, 5.1) == [5.0, 8.2, 8.3, 8.4]
    assert place(clock, 1, 8.1, 5.2, 5.3) == [8.1, 8.5, 8.6]


def test_a_stream_that_alone_begins_anew_moves_no_other_one_back():
    clock = Clock()
    place(clock, 1, 0.0, 5.0)
    assert place(clock, 0, 0.0, 5.0, 3.0, 8.0) == [0.0, 5.0, 5.1, 10.1]
    assert place(clock, 1, 10.0, 0.0) == [10.0, 10.2]
