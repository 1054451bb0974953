"""The reader of a user's own images, in a folder for each class."""

import pytest
from helpers import draw_face, save, write
from problems import noted

from modeling_fer.data.readers import read_source


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["smile/a.png", "frown/b.png"], [("train", "frown"), ("train", "smile")]),
        (["train/smile/a.png", "val/frown/b.png"], [("train", "smile"), ("validation", "frown")]),
    ],
)
def test_image_folder_keeps_label_names(tmp_path, files, expected):
    for name in files:
        save(tmp_path / name)
    source = read_source("imagefolder", tmp_path)
    assert [(s.split, s.label) for s in source.samples] == expected
    assert source.label_names == ["frown", "smile"]


def test_image_folder_notes_an_empty_class_and_refuses_an_empty_folder(tmp_path):
    (tmp_path / "anger").mkdir()
    with pytest.raises(ValueError, match="no labelled image"):
        read_source("imagefolder", tmp_path)
    save(tmp_path / "happiness/a.png")
    assert noted(read_source("imagefolder", tmp_path), "no image of the class anger")


def test_labels_that_differ_in_case_or_blanks_are_one_class(tmp_path):
    for name in ("Happy/a.png", "happy /b.png", "HAPPINESS/c.png", "Big  Smile/d.png", "big smile/e.png", "Train/f.png"):
        save(tmp_path / name)
    source = read_source("imagefolder", tmp_path)
    assert source.label_names == ["happiness", "Big Smile", "Train"] or source.label_names == [
        "happiness",
        "Big Smile",
        "Train",
    ]
    assert sorted(s.source[-5] for s in source.samples if s.label == "happiness") == ["a", "b", "c"]
    assert len({s.label for s in source.samples}) == 3


def test_every_kind_of_image_that_predict_reads_is_read_and_the_rest_is_noted(tmp_path):
    image = draw_face(32, "RGB")
    (tmp_path / "smile").mkdir()
    for suffix in ("jfif", "gif", "avif", "jp2", "PNG", "webp", "bmp", "tiff"):
        image.save(tmp_path / "smile" / f"a.{suffix}", {"jfif": "jpeg", "jp2": "jpeg2000"}.get(suffix.lower(), suffix.lower()))
    for name in ("smile/notes.txt", "smile/clip.mp4", "smile/._a.png", "readme.md", "smile/bare"):
        write(tmp_path / name, "not an image")
    source = read_source("imagefolder", tmp_path)
    assert len(source.samples) == 8 and all(sample.open().size == (32, 32) for sample in source.samples)
    assert noted(source, "smile/notes.txt", "ends in .txt") and noted(source, "smile/clip.mp4", "left out")
    assert noted(source, "smile", "1 hidden files") and noted(source, "readme.md", "outside the folders")
    assert noted(source, "smile/bare", "no suffix")


def test_heic_is_read_where_it_can_be_and_else_noted(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif")
    (tmp_path / "smile").mkdir()
    pillow_heif.from_pillow(draw_face(64, "RGB")).save(tmp_path / "smile/a.HEIC")
    save(tmp_path / "smile/b.png")
    assert [s.open().width for s in read_source("imagefolder", tmp_path).samples] == [64, 48]
    monkeypatch.setattr("modeling_fer.data.source.register_heif", lambda: False)
    source = read_source("imagefolder", tmp_path)
    assert len(source.samples) == 1 and noted(source, "a.HEIC", "pip install pillow-heif")
