"""What the arguments of `fer predict` name, without reading it."""

import os
from pathlib import Path

import pytest
from helpers import save, write_clip

from modeling_fer.inference.frames import read_frames
from modeling_fer.inference.media import Finder, Source


class Told(list):
    """What a finder says, a sentence each."""

    def find(self, *names, skipped: Path | None = None) -> list[Source]:
        return Finder(lambda _, reason: self.append(reason), self.append, skipped).find([str(name) for name in names])


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def locked(tmp_path, monkeypatch) -> Path:
    """A photo in a folder that may not be entered. For the administrator, who may run the tests, there is none."""
    path, stat = save(tmp_path / "locked/a.jpg"), os.stat

    def refuse(name, *arguments, **options):
        if str(name).startswith(str(path)):
            raise PermissionError(13, "Permission denied", str(name))
        return stat(name, *arguments, **options)

    monkeypatch.setattr(os, "stat", refuse)
    return path


def test_a_name_that_is_too_long_is_one_short_sentence(told, tmp_path):
    long = tmp_path / ("a" * 300 + ".jpg")
    good = save(tmp_path / "good.jpg")
    assert told.find(long, good) == [Source(str(good), "photo")]
    [sentence] = told
    assert sentence.endswith("aaa.jpg is too long for the name of a file; shorten it.") and len(sentence) < 150


def test_a_file_in_a_folder_that_may_not_be_entered_is_one_sentence(told, locked):
    assert told.find(locked) == []
    sentence = f"{locked} may not be read; check the permissions of its folder."
    assert told == [sentence]
    with pytest.raises(ValueError) as raised:
        next(read_frames(locked, 5))
    assert str(raised.value) == sentence


def test_a_folder_that_may_be_listed_but_not_entered_is_one_sentence(told, tmp_path, monkeypatch):
    locked, good = tmp_path / "locked", save(tmp_path / "good.jpg")
    save(locked / "a.jpg")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked and access(path, mode))
    assert told.find(tmp_path) == [Source(str(good), "photo")]
    assert told == ["this folder cannot be read; check its permissions."]


@pytest.mark.parametrize("pattern", ["**/*", "*/*.jpg", "**/*.jpg"])
def test_patterns_leave_out_the_folder_for_outputs_as_folders_do(told, tmp_path, monkeypatch, pattern):
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.jpg", "out/a.jpg", "out/more/b.jpg"):
        save(tmp_path / name)
    assert told.find(pattern, skipped=Path("out")) == [Source("photos/a.jpg", "photo")]
    assert told == []


@pytest.mark.parametrize(("pattern", "skipped"), [("*.jpg", "."), ("*.jpg", ".."), ("../out/*.jpg", "../out"), ("*", "other")])
def test_patterns_in_the_folder_for_outputs_find_what_is_there(told, tmp_path, monkeypatch, pattern, skipped):
    save(tmp_path / "out/a.jpg")
    monkeypatch.chdir(tmp_path / "out")
    assert [source.path.name for source in told.find(pattern, skipped=Path(skipped))] == ["a.jpg"]


def test_names_with_a_colon_are_known_by_what_is_in_them(told, noise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", [noise.resize((96, 64))] * 3).rename("12:30")
    save(tmp_path / "drawn.png").rename("a:b")
    Path("c:d").write_text("neither", encoding="utf-8")
    assert [source.kind for source in told.find("12:30", "a:b", "c:d")] == ["video", "photo", "photo"]
