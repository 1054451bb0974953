"""Videos that are damaged or incomplete, and what is said of them."""

import math
import struct
from pathlib import Path

import av
import pytest
from helpers import fer as run_command
from helpers import write_clip
from PIL import Image
from predictions import read_rows

import modeling_fer
from modeling_fer.inference.frames import Frame, read_frames
from modeling_fer.inference.live_frames import live_frames
from modeling_fer.inference.tally import promised_packets
from modeling_fer.inference.tracking import summarize_tracks
from modeling_fer.inference.video import analyse_video


def place(frame: Frame) -> int:
    """The place of a frame in a video of 25 frames a second, by its time."""
    return round(frame.time * 25)


@pytest.fixture(scope="module")
def pictures(photo_path) -> list[Image.Image]:
    """Three seconds of a face, at 25 frames a second."""
    photo = Image.open(photo_path).convert("RGB").resize((192, 192))
    pictures = []
    for number in range(75):
        picture = Image.new("RGB", (256, 192))
        picture.paste(photo, (40 + number % 8, 0))
        pictures.append(picture)
    return pictures


def write(path: Path, pictures: list[Image.Image], codec: str = "libx264", b_frames: int | None = None, **options: str) -> Path:
    """A video at 25 frames a second with a keyframe every 15, and B-frames where the codec has them."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *pictures[0].size, "yuv420p"
        stream.codec_context.gop_size = 15
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def clip(pictures, tmp_path_factory) -> Path:
    """Its header comes first, so that it can be read however short it is cut."""
    return write(tmp_path_factory.mktemp("video") / "clip.mp4", pictures, movflags="faststart")


def cut(clip: Path, path: Path, share: float = 0.6) -> Path:
    """The beginning of a file."""
    content = clip.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def erase(clip: Path, path: Path, first: int, last: int) -> Path:
    """A file whose packets from one to another are zeros."""
    content = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    for packet in packets[first : last + 1]:
        content[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(content)
    return path


def read_all(path: Path) -> tuple[list[Frame], str]:
    """The frames of a video, and what is said at its end."""
    frames = []
    try:
        for frame in read_frames(path, 1000):
            frames.append(frame)
    except ValueError as error:
        return frames, str(error)
    return frames, ""


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("clip.mp4", "libx264"), ("clip.mkv", "libx264"), ("clip.ts", "libx264"), ("clip.avi", "mpeg4"), ("clip.mpg", "mpeg1video"),
        ("clip.h264", "libx264"), ("clip.webm", "libvpx"), ("clip.flv", "flv1"), ("clip.wmv", "wmv2"),
    ],
)  # fmt: skip
def test_frames_of_a_whole_video_are_counted_and_nothing_is_said(pictures, tmp_path, name, codec):
    frames, said = read_all(write(tmp_path / name, pictures, codec))
    assert ([frame.number for frame in frames], said) == (list(range(75)), "")


def test_a_video_that_was_cut_says_how_much_is_missing(clip, tmp_path):
    frames, said = read_all(cut(clip, tmp_path / "cut.mp4"))
    assert 30 < len(frames) < 60 and [frame.number for frame in frames] == [place(frame) for frame in frames]
    assert said == f"{tmp_path}/cut.mp4 breaks off after {len(frames)} of 75 frames; what was read so far is kept."


def test_a_header_may_count_a_dropped_frame(clip, tmp_path):
    with av.open(str(clip)) as container:
        last = max((packet for packet in container.demux(video=0) if packet.size), key=lambda packet: packet.pos)
    path = tmp_path / "short.mp4"
    path.write_bytes(clip.read_bytes()[: last.pos])
    frames, said = read_all(path)
    assert (len(frames), said) == (74, "")


@pytest.mark.parametrize(("first", "last"), [(30, 34), (15, 50), (60, 74), (74, 74)], ids=["middle", "half", "end", "last"])
def test_frames_keep_their_places_beside_those_that_cannot_be_read(pictures, tmp_path, first, last):
    whole = write(tmp_path / "whole.mp4", pictures, b_frames=0)
    frames, said = read_all(erase(whole, tmp_path / "clip.mp4", first, last))
    assert len(frames) < 75 and frames[-1].number == (74 if last < 74 else len(frames) - 1)
    assert [frame.number for frame in frames] == [place(frame) for frame in frames]
    assert said == f"{tmp_path}/clip.mp4 is damaged: {75 - len(frames)} of its 75 frames cannot be read; what was read is kept."


def test_frames_keep_their_places_far_into_a_video(tmp_path):
    whole = write(tmp_path / "whole.mp4", [Image.new("RGB", (64, 48), (number % 200,) * 3) for number in range(2500)])
    frames, said = read_all(erase(whole, tmp_path / "clip.mp4", 2300, 2310))
    assert frames[-1].number == place(frames[-1]) == 2499 and "of its 2500 frames" in said


def test_frames_that_others_are_made_from_may_be_lost(clip, tmp_path):
    frames, said = read_all(erase(clip, tmp_path / "clip.mp4", 30, 34))
    # The first ones after them come in another order.
    assert [frame.number for frame in frames[-25:]] == [place(frame) for frame in frames[-25:]] == list(range(50, 75))
    assert "is damaged" in said and "of its 75 frames" in said


def test_smeared_frames_are_not_looked_at(clip, tmp_path):
    content = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][30]
    # Its beginning stays as it is.
    content[packet.pos + packet.size // 2 : packet.pos + packet.size] = bytes(packet.size - packet.size // 2)
    (tmp_path / "clip.mp4").write_bytes(content)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        smeared = [number for number, frame in enumerate(container.decode(video=0)) if frame.is_corrupt]
    frames, said = read_all(tmp_path / "clip.mp4")
    assert smeared and [frame.number for frame in frames] == [number for number in range(75) if number not in smeared]
    assert f"is damaged: {len(smeared)} of its 75 frames cannot be read" in said


def test_a_video_that_was_trimmed_in_its_header_is_whole(clip, tmp_path):
    content = bytearray(clip.read_bytes())
    edits = content.find(b"elst")
    [milliseconds] = struct.unpack_from(">I", content, edits + 12)
    struct.pack_into(">I", content, edits + 12, milliseconds // 2)
    (tmp_path / "clip.mp4").write_bytes(content)
    frames, said = read_all(tmp_path / "clip.mp4")
    assert (len(frames), said) == (38, "")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert promised_packets(container, stream) < stream.frames == 75


def test_a_recording_that_begins_between_keyframes_is_whole(pictures, tmp_path):
    content = write(tmp_path / "clip.ts", pictures).read_bytes()
    (tmp_path / "clip.ts").write_bytes(content[len(content) // 188 // 8 * 188 :])
    frames, said = read_all(tmp_path / "clip.ts")
    assert ([frame.number for frame in frames], said) == (list(range(60)), "")


def test_nothing_is_said_of_damage_where_it_is_live(clip, tmp_path):
    path = erase(clip, tmp_path / "clip.mp4", 15, 50)
    assert list(live_frames(str(path), 1000))


def test_the_command_keeps_all_of_a_damaged_video(clip, tmp_path):
    path = erase(clip, tmp_path / "clip.mp4", 30, 34)
    arguments = ("predict", path, "--model", "fer-tiny", "--fps", 25, "--output", tmp_path / "a.jsonl")
    done = run_command(*arguments, "--overlay", tmp_path / "out")
    frames, said = read_all(path)
    assert (done.returncode, done.stderr) == (1, f"{said}\n")
    rows = read_rows(tmp_path / "a.jsonl")
    assert [row["frame"] for row in rows] == [frame.number for frame in frames]
    assert "track 0" in done.stdout and "happiness" in done.stdout
    assert len(list(read_frames(tmp_path / "out/clip.mp4", 1000))) == len(frames)


def test_a_track_does_not_go_on_after_a_long_gap(clip, tmp_path):
    fer = modeling_fer.load("fer-tiny", engine="onnx")
    found = []
    with pytest.raises(ValueError, match="is damaged"):
        for frame, faces in analyse_video(fer, erase(clip, tmp_path / "clip.mp4", 15, 44), fps=5):
            found.append((frame.time, faces))
    first, second = summarize_tracks(found)
    assert second.first - first.last > 1


@pytest.fixture
def short(pictures, tmp_path) -> Path:
    return write_clip(tmp_path / "short.mp4", pictures[:12])


def test_faces_are_searched_once_and_then_followed(short):
    fer = modeling_fer.load("fer-tiny", engine="onnx")
    found = [[face.track for face in faces] for _, faces in analyse_video(fer, short, fps=10, search_every=math.inf)]
    assert found == [[None]] + [[0]] * 11
    done = run_command("predict", short, "--model", "fer-tiny", "--search-every", "inf")
    assert done.returncode == 0 and "track 0" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"fps": 0}, "fps is 0, but must be greater than 0 and finite; give 5"),
        ({"fps": math.inf}, "fps is inf, but must be"),
        ({"fps": math.nan}, "fps is nan, but must be"),
        ({"smoothing": -1}, "smoothing is -1, but must be at least 0 seconds; give 0"),
        ({"smoothing": math.nan}, "smoothing is nan, but must be"),
    ],
)
def test_what_is_no_rate_or_time_is_one_sentence(short, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(analyse_video(modeling_fer.load("fer-tiny", engine="onnx"), short, **arguments))


def test_the_command_refuses_an_endless_rate(short):
    done = run_command("predict", short, "--model", "fer-tiny", "--fps", "inf")
    assert done.returncode == 1 and "fps is inf, but must be greater than 0 and finite" in done.stderr


def test_no_higher_rate_is_promised_to_help_a_video_of_one_frame(pictures, tmp_path):
    done = run_command("predict", write_clip(tmp_path / "one.mp4", pictures[:1]), "--model", "fer-tiny")
    assert "1 face in single frames only; a higher --fps looks at more frames, if the video has more" in done.stdout
