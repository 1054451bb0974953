"""What the Space takes and computes, without its page; the page itself is tested in test_space_page.py."""

import json
import re
from dataclasses import replace

import numpy as np
import pillow_heif
import pytest
from helpers import ROOT, write_bomb, write_clip, write_sound
from limits import MEGABYTE, check_video, note_animation, note_unseen, open_photo
from live_tab import without_number
from PIL import Image
from reading import LiveSession, download_checkpoint, load_reader, read_video
from views import (
    COLORS,
    color_lines,
    count_faces,
    count_seen,
    status,
    table_of_faces,
    tabulate_faces,
    timeline,
    track_title,
    verdict,
    view_faces,
    write_table,
)

from modeling_fer.inference.tracking import TrackSummary, summarize_tracks


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
            "^big.jpg has 50 MB, but 20 MB are read at most; make it smaller.$",
        ),
        (
            "bomb.png",
            lambda path: write_bomb(path, 12_000, 9_000),
            "^bomb.png has 12000x9000 pixels, over 50 megapixels; make it smaller.$",
        ),
        (
            "bomb.png",
            lambda path: write_bomb(path, 60_000, 60_000),
            "^bomb.png says that it has over 50 megapixels; make it smaller.$",
        ),
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
    assert note_unseen(str(tmp_path / "photo.heic")) == "Most browsers do not show HEIF files, but it was read."
    assert note_unseen(str(tmp_path / "wave.gif")) == ""


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b""), "^clip.mp4 is empty"),
        (lambda path: path.write_text("no video"), "^clip.mp4 cannot be read as a video; try an MP4"),
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
    faces = reader.read_photo(two)
    views = view_faces(two, faces)
    assert [view.title for view in views] == ["Face 1: happiness", "Face 2: happiness"]
    assert views[0].figure.count("data:image/jpeg;base64,") == 1 and views[0].figure.count("data:image/png;base64,") == 1
    assert 'alt="Face 1 as the network sees it, read as happiness"' in views[0].figure
    assert sum(views[0].scores.values()) == pytest.approx(1, abs=1e-4)
    assert count_faces(faces).startswith("2 faces were found") and count_faces([]).startswith("No face was found")
    answer = json.loads(json.dumps(faces[0].to_json()))
    assert answer["relevance_map"].startswith("data:image/png;base64,")
    assert answer["expressions"][0]["label"] == "happiness" and set(answer["box"]) == {"xmin", "ymin", "xmax", "ymax"}


def test_the_model_is_uncertain_of_one_example(reader):
    """README's picture and the page's examples say so."""
    faces = reader.read_photo(open_photo(str(ROOT / "space/examples/faces.jpg")))
    assert [(face.expression, face.uncertain) for face in faces] == [
        ("happiness", False),
        ("neutral", False),
        ("neutral", True),
    ]
    [face] = reader.read_photo(open_photo(str(ROOT / "space/examples/mona_lisa.jpg")))
    assert face.uncertain


def test_where_every_example_comes_from_is_said():
    folder = ROOT / "space/examples"
    sources = (folder / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in folder.glob("*.jpg") if f"`{path.name}`" not in sources] == []


def test_doubt_is_told_as_far_as_the_checkpoint_knows_it(reader, photo):
    [face] = reader.read_photo(photo)
    unsure = replace(face, scores={"neutral": 0.4, "happiness": 0.35, **dict.fromkeys(reader.labels[2:], 0.25 / 6)})
    assert '<p class="fer-verdict">happiness</p>' in verdict(face)
    assert '<p class="fer-verdict">uncertain</p>' in verdict(unsure) and "The likeliest is neutral." in verdict(unsure)
    assert view_faces(photo, [unsure])[0].title == "Face 1: neutral, uncertain"
    table = tabulate_faces([face, unsure])
    assert table.uncertain.tolist() == ["no", "yes"] and table["possible"][0] == "happiness"
    assert track_title(TrackSummary(0, 0.2, 9.8, 5, unsure.scores, face.doubt)) == "Track 0: neutral, uncertain, 0.2 to 9.8 s"
    ignorant = replace(unsure, doubt=None)
    assert verdict(ignorant) == '<p class="fer-verdict">neutral</p><p></p>'
    assert tabulate_faces([ignorant]).uncertain.tolist() == ["unknown"]


def test_the_table_that_is_downloaded_is_that_of_fer_predict(reader, photo, tmp_path):
    [face] = reader.read_photo(photo)
    write_table(tmp_path / "faces.csv", "photo.jpg", [face, face], reader.labels)
    head, *rows = (tmp_path / "faces.csv").read_text().splitlines()
    columns = head.split(",")
    assert columns[:7] == ["file", "face", "xmin", "ymin", "xmax", "ymax", "detection_score"]
    assert columns[7:] == ["expression", "probability", *reader.labels, "uncertain", "expression_set"]
    assert [row.split(",")[:2] for row in rows] == [["photo.jpg", "1"], ["photo.jpg", "2"]]
    write_table(tmp_path / "faces.csv", "photo.jpg", [replace(face, doubt=None)], reader.labels)
    assert "expression_set" not in (tmp_path / "faces.csv").read_text()


def test_the_lines_of_a_timeline_are_told_apart_on_either_background():
    def luminance(color: str) -> float:
        parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    def contrast(one: str, other: str) -> float:
        dark, light = sorted([luminance(one), luminance(other)])
        return (light + 0.05) / (dark + 0.05)

    # The page's blocks are white, or slate 800 in the dark theme.
    assert [color for color in COLORS if min(contrast(color, "#ffffff"), contrast(color, "#1e293b")) < 3] == []
    assert len(set(color_lines([f"expression {number}" for number in range(8)]).values())) == 8


def test_names_from_a_checkpoint_cannot_bring_code_into_the_page(photo, reader):
    face = replace(reader.read_photo(photo)[0], doubt=None, scores={'"><script>alert(1)</script>': 1.0})
    assert "<script>" not in view_faces(photo, [face])[0].figure
    assert "<script>" not in table_of_faces([face])
    assert "<script>" not in status("<script>alert(1)</script>")


def test_a_camera_is_followed_and_smoothed(reader, photo):
    frame = photo.resize((480, 480)).crop((0, 0, 480, 480))
    session = LiveSession()
    first, second = session.read(reader, frame), session.read(reader, frame)
    assert first[0].expression == "happiness"
    assert second[0].track == 0
    assert set(session.follower.smoother.seen) == {0}
    # Alone, it needs no number; of two each needs its own.
    assert [face.track for face in without_number(second)] == [None]
    assert [face.track for face in without_number([*second, *second])] == [0, 0]
    assert [count_seen(faces) for faces in ([], second)] == ["No face is seen.", "One face is seen."]
    assert session.read(reader, Image.new("RGB", (480, 480))) == []


def test_a_video_is_read_into_a_picture_a_table_and_a_timeline(reader, photo, tmp_path):
    photo = photo.resize((256, 256))
    clip = write_clip(tmp_path / "clip.mp4", [photo] * 10)
    times = []
    frames, missing = read_video(reader, str(clip), 5, tmp_path, times.append)
    assert missing == ""
    assert times == pytest.approx(list(np.arange(5) / 5)) == [time for time, _ in frames]
    assert (tmp_path / "annotated.mp4").stat().st_size > 1000
    assert (tmp_path / "faces.csv").read_text().splitlines()[1].startswith("clip.mp4,0,0.0,")
    [track] = summarize_tracks(frames)
    rows = timeline(frames, track.track)
    assert len(rows) == track.frames * len(reader.labels) == 4 * 8
    assert rows.groupby("seconds").probability.sum().to_numpy() == pytest.approx(np.ones(4), abs=1e-4)


def test_what_is_whole_of_a_video_that_breaks_off_is_shown(reader, photo, tmp_path):
    moving = [photo.resize((256, 256)).rotate(number - 15, fillcolor="gray") for number in range(30)]
    whole = write_clip(tmp_path / "whole.mp4", moving, movflags="faststart")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 7 // 10])
    frames, missing = read_video(reader, str(cut), 5, tmp_path, lambda time: None)
    assert frames and all(len(faces) == 1 for _, faces in frames)
    assert re.fullmatch(r"cut.mp4 breaks off after \d+ of 30 frames; what was read so far is kept\.", missing)
    assert (tmp_path / "annotated.mp4").stat().st_size > 1000
    assert len((tmp_path / "faces.csv").read_text().splitlines()) == 1 + len(frames)


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
