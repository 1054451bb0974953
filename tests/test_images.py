"""What is opened as a picture: pipes, HEIC files under any name, files opened as text, files of several pictures."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pillow_heif
import pytest
from PIL import Image

from modeling_fer import load
from modeling_fer.images_fer import about_pictures, count_pictures, open_image

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")


def write_later(path: Path, content: bytes) -> None:
    """Writes into a pipe as soon as somebody reads it."""
    Thread(target=path.write_bytes, args=[content], daemon=True).start()


@pytest.fixture
def pipe(tmp_path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@needs_pipes
def test_a_photo_comes_through_a_pipe(pipe, photo_path, photo):
    write_later(pipe, photo_path.read_bytes())
    assert open_image(pipe).tobytes() == photo.tobytes()
    # To open it once more would wait for another writer.
    assert count_pictures(pipe) == 1


@needs_pipes
@pytest.mark.parametrize(
    ("content", "sentence"), [(b"", "is empty"), (b"none", "is not an image"), (bytes(200_000_001), "has over 200 MB")]
)
def test_what_is_no_photo_in_a_pipe_is_named(pipe, content, sentence):
    write_later(pipe, content)
    with pytest.raises(ValueError, match=f"^{pipe} {sentence}"):
        open_image(pipe)


@needs_pipes
def test_small_faces_of_a_large_photo_are_read_from_a_pipe(pipe, photo, tmp_path):
    large = Image.new("RGB", (4000, 3000), "gray")
    large.paste(photo.resize((360, 360)), (1000, 700))
    large.save(tmp_path / "large.jpg", quality=95)
    write_later(pipe, (tmp_path / "large.jpg").read_bytes())
    reader = load("fer-tiny")
    [piped], [opened] = reader(pipe), reader(tmp_path / "large.jpg")
    assert piped.box == pytest.approx(opened.box, abs=8)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no sockets with names")
def test_a_socket_is_one_sentence(tmp_path, monkeypatch):
    import socket

    # Names of sockets are short.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a.jpg")
        with pytest.raises(OSError, match=r"^a\.jpg cannot be read \(.+\)\.$"):
            open_image("a.jpg")


WITHOUT_HEIF = """
import sys
from importlib.machinery import PathFinder

class OthersFinder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "pillow_heif" else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = OthersFinder
from pathlib import Path
from modeling_fer.images_fer import open_image
from modeling_fer.inference.media import kind_of_file

print(kind_of_file(Path(sys.argv[1]).with_suffix("")))
content = Path(sys.argv[1]).read_bytes()
others = [content[:8] + brand + content[12:] for brand in (b"heix", b"mif1", b"none")]
for image in (sys.argv[1], open(sys.argv[1], "rb"), content, *others):
    try:
        open_image(image)
    except ValueError as error:
        print(error)
"""


def test_heic_is_known_without_its_decoder_by_its_first_bytes(photo, tmp_path):
    pillow_heif.register_heif_opener()
    path = tmp_path / "photo.jpg"
    photo.save(path, "HEIF")
    shutil.copy(path, path.with_suffix(""))
    done = subprocess.run([sys.executable, "-c", WITHOUT_HEIF, path], capture_output=True, text=True)
    kind, *said, other = done.stdout.splitlines()
    names = [str(path)] * 2 + [f"The image of {path.stat().st_size:,} bytes"] * 3
    assert said == [f"{name} is a HEIC photo, which needs pillow-heif; run: pip install pillow-heif." for name in names]
    assert kind == "photo" and other == f"{names[-1]} is not an image that can be read."


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_photo_that_is_opened_as_text_is_named(photo_path, encoding):
    with open(photo_path, encoding=encoding) as opened, pytest.raises(ValueError) as raised:
        open_image(opened)
    assert str(raised.value) == f"{photo_path} gives text, not bytes; open it in the mode 'rb'."


@pytest.mark.parametrize(
    ("name", "form", "said"),
    [
        ("a.jpg", "MPO", None),
        ("a.tif", "TIFF", "holds 3 pictures; the first is read."),
        ("scan", "TIFF", "holds 3 pictures; the first is read."),
        ("a.heic", "HEIF", "holds 3 pictures; the first is read."),
        ("a.gif", "GIF", "is an animation; the first of its 3 pictures is read."),
        ("a.png", "PNG", "is an animation; the first of its 3 pictures is read."),
        ("a.webp", "WEBP", "is an animation; the first of its 3 pictures is read."),
    ],
)
def test_what_is_said_of_a_file_of_several_pictures(photo, tmp_path, name, form, said):
    pillow_heif.register_heif_opener()
    small = photo.resize((64, 64))
    small.save(tmp_path / name, form, save_all=True, append_images=[small.rotate(90), small.rotate(180)])
    count = count_pictures(tmp_path / name)
    assert count == (1 if said is None else 3)
    assert said is None or about_pictures(tmp_path / name, count) == said
    assert open_image(tmp_path / name).size == (64, 64)
