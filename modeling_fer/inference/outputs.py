"""Files for what is drawn: named after what they show, and never in the place of another file of the user's."""

import io
import os
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, PngImagePlugin

MARK = "modeling-fer"
"""What stands in the metadata of the pictures and videos that this package draws, so that it replaces no others."""


class OutputNames:
    """Names for the files of one run in a folder. A file that was drawn by an earlier run is replaced; an input, an output of the
    same run, and every other file is not: the new one gets a number.

    Args:
        folder: where they go.
        inputs: files that are read in the same run.
    """

    def __init__(self, folder: Path, inputs: Iterable[Path]):
        self.folder = folder
        self.taken = {_identity(path) for path in inputs}

    def choose(self, stem: str, suffix: str) -> Path:
        """A file for a picture or video whose name was `stem` without its suffix."""
        number = 0
        while True:
            path = self.folder / f"{stem}{f'-{number}' if number else ''}{suffix}"
            # Names that differ in case only are one file on some systems.
            name = str(path).casefold()
            if name not in self.taken and _identity(path) not in self.taken and (not os.path.lexists(path) or _is_drawn(path)):
                self.taken.add(name)
                return path
            number += 1


def _identity(path: Path) -> object:
    """The same for all names of one file."""
    try:
        found = path.stat()
    except OSError:
        return str(path).casefold()
    return found.st_dev, found.st_ino


def _is_drawn(path: Path) -> bool:
    """Whether this package drew a file."""
    try:
        if path.suffix == ".png":
            with Image.open(path) as image:
                return image.info.get("Software") == MARK
        size = path.stat().st_size
        with open(path, "rb") as file:
            start = file.read(100_000)
            file.seek(max(0, size - 100_000))
            return MARK.encode() in start or MARK.encode() in file.read()
    except (OSError, ValueError, SyntaxError):
        return False


def encode_picture(image: Image.Image) -> bytes:
    """The content of a PNG file that says who drew it."""
    mark = PngImagePlugin.PngInfo()
    mark.add_text("Software", MARK)
    content = io.BytesIO()
    image.save(content, "PNG", pnginfo=mark)
    return content.getvalue()


def write_picture(content: bytes, path: Path) -> None:
    """Writes a file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(content)
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
