"""What the name of a file says, and names in sentences."""

from pathlib import PurePath
from urllib.parse import urlsplit

HEIF_SUFFIXES = (".heic", ".heif", ".hif")

PHOTO_SUFFIXES = (
    *HEIF_SUFFIXES, ".apng", ".avif", ".bmp", ".dib", ".gif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpf", ".jpg",
    ".jpx", ".mpo", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Files that are read as photos, by their suffix in lower case."""

VIDEO_SUFFIXES = (
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4",
    ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv",
)  # fmt: skip
"""Files that are read as videos, by their suffix in lower case."""

LONGEST_NAME = 255
"""Longer names than this are cut in sentences. It is the most letters that most systems allow a file."""


def is_address(name: object) -> bool:
    """Whether a name is the address of a file on the web."""
    return isinstance(name, str) and name.lower().startswith(("http://", "https://"))


def suffix_of(name: str | PurePath) -> str:
    """The suffix of a file or of a file on the web, in lower case."""
    return PurePath(urlsplit(str(name)).path if is_address(name) else name).suffix.lower()


def shortened(name: str | PurePath) -> str:
    """A name for a sentence: of a very long one only its beginning and its end."""
    text = str(name)
    return text if len(text) <= LONGEST_NAME else f"{text[:60]}...{text[-20:]}"


def forbidden(name: str | PurePath) -> str:
    """A sentence on a file that the system tells nothing of."""
    return f"{shortened(name)} may not be read; check the permissions of its folder."
