"""What the Space takes and computes, without its page; the page itself is tested in test_space_page.py."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from conftest import ROOT
from limits import MEGABYTE, check_video, note_animation, open_photo
from PIL import Image
from reading import LiveSession, download_checkpoint, load_reader, read_video
from test_video import write_clip, write_sound
from views import count_faces, portable, status, timeline, view_faces

from modeling_fer.video import summarize_tracks


def write_bomb(path: Path, width: int, height: int) -> None:
    """A PNG of a few kilobytes that says it has very many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


@pytest.fixture(scope="module")
def reader():
    return load_reader("")


@pytest.mark.parametrize(
    ("name", "make", "sentence"),
    [
        (
            "notes.txt",
            lambda path: path.write_text("no picture"),
            "^notes.txt is not an image that can be read. Photos are JPEG",
        ),
        (
            "big.jpg",
            lambda path: path.write_bytes(bytes(50 * MEGABYTE)),
            "^big.jpg has 50 MB, but 20 MB are read at most; make",
        ),
        ("bomb.png", lambda path: write_bomb(path, 12_000, 9_000), "^bomb.png has 12000x9000 pixels, over 50,000,000; make"),
        ("bomb.png", lambda path: write_bomb(path, 60_000, 60_000), "^bomb.png says that it has over 50,000,000 pixels"),
        ("none.jpg", lambda path: path.write_bytes(b""), "^none.jpg is empty; choose another file"),
        ("half.heic", lambda path: path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(99)), "^half.heic is (broken|not an image)"),
    ],
)
def test_what_is_no_photo_is_one_sentence_without_the_servers_folder(tmp_path, name, make, sentence):
    make(tmp_path / name)
    with pytest.raises(ValueError, match=sentence) as error:
        open_photo(str(tmp_path / name))
    assert str(tmp_path) not in str(error.value)


def test_heic_and_animations_are_read(tmp_path, photo):
    pillow_heif.register_heif_opener()
    photo.save(tmp_path / "photo.heic")
    assert open_photo(str(tmp_path / "photo.heic")).size == photo.size
    photo.save(tmp_path / "wave.gif", save_all=True, append_images=[photo.rotate(9), photo.rotate(18)])
    assert open_photo(str(tmp_path / "wave.gif")).size == photo.size
    assert note_animation(str(tmp_path / "wave.gif")) == "It is an animation; the first of its 3 pictures is read."
    assert note_animation(str(tmp_path / "photo.heic")) == ""


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b""), "^clip.mp4 is empty"),
        (lambda path: path.write_text("no video"), "^clip.mp4 is no video that can be read; try an MP4"),
        (write_sound, "^clip.mp4 holds no pictures, only sound"),
        (lambda path: path.write_bytes(bytes(101 * MEGABYTE)), "^clip.mp4 has 101 MB, but 100 MB"),
        (
            lambda path: write_clip(path, [Image.new("RGB", (64, 48))] * 62, fps=1),
            "^clip.mp4 lasts 62 seconds, but 60 are read",
        ),
    ],
    ids=["empty", "text", "sound", "large", "long"],
)
def test_what_is_no_video_is_one_sentence(tmp_path, make, sentence):
    make(tmp_path / "clip.mp4")
    with pytest.raises(ValueError, match=sentence):
        check_video(str(tmp_path / "clip.mp4"))


def test_a_video_without_a_whole_frame_is_one_sentence(tmp_path, reader):
    path = write_clip(tmp_path / "clip.mkv", [Image.new("RGB", (64, 48))] * 3)
    # The header is whole, and no frame is.
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ValueError, match=r"^clip.mkv (holds no whole frame|is no video)"):
        check_video(str(path))
        read_video(reader, str(path), 5, tmp_path, lambda time: None)


def test_faces_are_shown_with_their_map_and_scores(reader, photo):
    two = Image.new("RGB", (2 * photo.width, photo.height))
    two.paste(photo, (0, 0))
    two.paste(photo.resize((400, 400)), (photo.width, 50))
    faces = reader.photo(two)
    views = view_faces(two, faces)
    assert [view.title for view in views] == ["Face 1: happiness", "Face 2: happiness"]
    assert views[0].figure.count("data:image/jpeg;base64,") == 1 and views[0].figure.count("data:image/png;base64,") == 1
    assert 'alt="Face 1 as the network sees it, read as happiness"' in views[0].figure
    assert sum(views[0].scores.values()) == pytest.approx(1, abs=1e-4)
    assert count_faces(faces).startswith("2 faces were found") and count_faces([]).startswith("No face was found")
    assert portable(faces[0])["relevance_map"].startswith("data:image/png;base64,")


def test_names_from_a_checkpoint_cannot_bring_code_into_the_page(photo, reader):
    face = reader.photo(photo)[0]
    face["expressions"] = [{"label": '"><script>alert(1)</script>', "score": 1.0}]
    assert "<script>" not in view_faces(photo, [face])[0].figure
    assert "<script>" not in status("<script>alert(1)</script>")


def test_a_camera_is_followed_and_smoothed(reader, photo):
    frame = photo.resize((480, 480)).crop((0, 0, 480, 480))
    session = LiveSession()
    first, second = session.read(reader, frame), session.read(reader, frame)
    assert first[0]["expressions"][0]["label"] == "happiness"
    assert session.tracker.follow(second) == [0]
    assert set(session.smoother.seen) == {0}
    assert session.read(reader, Image.new("RGB", (480, 480))) == []


def test_a_video_is_read_into_a_picture_a_table_and_a_timeline(reader, photo, tmp_path):
    photo = photo.resize((256, 256))
    clip = write_clip(tmp_path / "clip.mp4", [photo] * 10)
    times = []
    frames = read_video(reader, str(clip), 5, tmp_path, times.append)
    assert times == pytest.approx(list(np.arange(5) / 5)) == [time for time, _ in frames]
    assert (tmp_path / "annotated.mp4").stat().st_size > 1000
    assert (tmp_path / "faces.csv").read_text().splitlines()[1].startswith('"clip.mp4",0,')
    [track] = summarize_tracks(frames)
    rows = timeline(frames, track.track)
    assert len(rows) == track.frames * len(reader.labels) == 4 * 8
    assert rows.groupby("seconds").probability.sum().to_numpy() == pytest.approx(np.ones(4), abs=1e-4)


@pytest.mark.parametrize("name", ["../secrets", "a/b/c", "/etc/passwd", "one", "user/..name/"])
def test_what_names_no_repository_is_refused_before_anything_is_read(name):
    with pytest.raises(ValueError, match="is no name of a repository; it looks like user/name"):
        download_checkpoint(name)


def test_the_header_names_the_installed_gradio_and_an_existing_file():
    from importlib.metadata import version

    header = (ROOT / "space" / "README.md").read_text().split("---")[1]
    fields = dict(line.split(": ", 1) for line in header.splitlines() if ": " in line)
    assert (ROOT / "space" / fields["app_file"]).is_file()
    assert fields["sdk"] == "gradio" and fields["sdk_version"].split(".")[0] == version("gradio").split(".")[0]
    assert len(fields["short_description"]) <= 60
