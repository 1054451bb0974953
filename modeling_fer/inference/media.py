"""What a user names as input: photos and videos, folders of them, patterns, addresses, cameras and streams."""

import errno
import glob
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from PIL import Image

from modeling_fer.fetching_fer import ask
from modeling_fer.images_fer import BROKEN_FILE_ERRORS, is_heif, register_heif
from modeling_fer.names_fer import PHOTO_SUFFIXES, VIDEO_SUFFIXES, forbidden, is_address, shortened, suffix_of

STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "tcp", "udp")
TRANSPORT_SUFFIXES = (".ts", ".mts", ".m2ts")
PLAYLIST_SUFFIXES = (".m3u8", ".mpd")

Complain = Callable[[str, str], None]
"""Told the name of something that cannot be read, and why in one sentence."""


@dataclass(frozen=True)
class Source:
    """One thing to read.

    Attributes:
        name: as the user gave it, or as it was found in a folder.
        kind: `photo`, `video`, or `live` for a camera or stream.
    """

    name: str
    kind: str

    @property
    def path(self) -> Path | None:
        """The file; None for what is no file."""
        return None if self.kind == "live" or is_address(self.name) else Path(self.name)

    @property
    def stem(self) -> str:
        """What files that are made from it are called."""
        if self.path is not None:
            return self.path.stem
        if self.name.isdecimal():
            return f"camera-{self.name}"
        parts = urlsplit(self.name)
        return PurePosixPath(unquote(parts.path)).stem or (parts.hostname or "stream")


@dataclass
class Finder:
    """Finds what the arguments name, in order, everything once.

    Args:
        complain: told what cannot be found or read.
        note: told, in one sentence, what is left out without being an error.
        skipped: folder inside of others that holds outputs.
    """

    complain: Complain
    note: Callable[[str], None]
    skipped: Path | None = None
    seen: set[str] = field(default_factory=set)

    def find(self, names: list[str]) -> list[Source]:
        """All that some arguments name."""
        return [source for name in names for source in self._find_one(name) if self._is_new(source)]

    def _is_new(self, source: Source) -> bool:
        name = source.name if source.path is None else os.path.realpath(source.path)
        new = name not in self.seen
        self.seen.add(name)
        return new

    def _find_one(self, name: str) -> Iterator[Source]:
        path = Path(name)
        if is_address(name):
            yield Source(name, kind_of_address(name))
        elif name.partition("://")[0].lower() in STREAM_SCHEMES:
            yield Source(name, "live")
        elif not glob.has_magic(name) and (refused := why_refused(name)):
            self.complain(shortened(name), refused)
        elif os.path.isdir(name):
            yield from self._list(name, list_files(path, self.skipped, self.complain))
        elif os.path.lexists(path):
            yield Source(name, kind_of_file(path) or "photo")
        elif name == "-":
            self.complain(name, "- is no file; for a photo on the standard input give /dev/stdin.")
        elif name.isdecimal():
            yield Source(name, "live")
        elif glob.has_magic(name):
            yield from self._match(name)
        else:
            yield Source(name, "photo" if suffix_of(name) not in VIDEO_SUFFIXES else "video")

    def _match(self, pattern: str) -> Iterator[Source]:
        files = [Path(name) for name in sorted(glob.glob(pattern, recursive=True)) if not os.path.isdir(name)]
        # A pattern of the folder for outputs itself asks for what is in it.
        if self.skipped is not None and _is_inside(self.skipped, _fixed_folder(pattern)):
            files = [file for file in files if not _is_inside(file, self.skipped)]
        if not files:
            self.complain(pattern, "no file matches this pattern.")
        elif Path(pattern).suffix in ("", ".*"):
            yield from self._list(pattern, files)
        else:
            yield from (Source(str(file), kind_of_file(file) or "photo") for file in files)

    def _list(self, name: str, files: list[Path] | None) -> Iterator[Source]:
        """The photos and videos among files; the others are counted."""
        if files is None:
            return
        found, others = [], Counter[str]()
        for file in files:
            kind = kind_of_name(file)
            if kind is None:
                others[file.suffix.lower() or "without suffix"] += 1
            else:
                found.append(Source(str(file), kind))
        if others:
            kinds = ", ".join(sorted(others))
            count = others.total()
            counted = f"{count:,} other file{'s' if count > 1 else ''} ({kinds}) {'are' if count > 1 else 'is'} left out."
            self.note(f"{name}: {counted}")
        if not found:
            self.complain(
                name, "this folder holds no photo and no video." if os.path.isdir(name) else "no photo or video matches."
            )
        yield from found


def list_files(folder: Path, skipped: Path | None, complain: Complain) -> list[Path] | None:
    """The files in a folder and the folders in it, by name. Hidden ones, and what is no regular file, are passed over.

    Args:
        folder: where to look.
        skipped: a folder inside it that is passed over.
        complain: told which folders cannot be read.

    Returns:
        The files; None where a folder could not be read and none was found.
    """
    refused: list[str] = []
    files = []
    for root, folders, names in os.walk(folder, onerror=lambda error: refused.append(str(error.filename))):
        if not os.access(root, os.X_OK):
            # Its names can be listed, but nothing behind them.
            refused.append(root)
            folders.clear()
            continue
        folders[:] = sorted(one for one in folders if not one.startswith(".") and not _is_same(Path(root, one), skipped))
        paths = [Path(root, name) for name in sorted(names) if not name.startswith(".")]
        files += [path for path in paths if os.path.isfile(path)]
    for name in refused:
        complain(name, "this folder cannot be read; check its permissions.")
    return None if refused and not files else files


def _is_same(folder: Path, other: Path | None) -> bool:
    try:
        return other is not None and os.path.samefile(folder, other)
    except OSError:
        return False


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether a file or folder lies in another folder, or in one of those in it."""
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def _fixed_folder(pattern: str) -> Path:
    """The folder that all files which match a pattern lie in, as far as it is known."""
    return Path(*takewhile(lambda part: not glob.has_magic(part), Path(pattern).parent.parts))


def why_refused(name: str | Path) -> str | None:
    """Why the system tells nothing of a file, in one sentence; None where it does, or knows that there is none."""
    try:
        os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        return forbidden(name)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            return f"{shortened(name)} is too long for the name of a file; shorten it."
        return f"{shortened(name)} cannot be read ({getattr(error, 'strerror', None) or error})."
    return None


def kind_of_name(file: Path) -> str | None:
    """`photo` or `video` by a file's suffix; None for other files."""
    suffix = suffix_of(file)
    if suffix in PHOTO_SUFFIXES:
        return "photo"
    if suffix in VIDEO_SUFFIXES and (suffix not in TRANSPORT_SUFFIXES or _is_transport(file)):
        return "video"
    return None


def _is_transport(file: Path) -> bool:
    """Whether a file is an MPEG transport stream, and no TypeScript or translation of the same suffix."""
    try:
        with open(file, "rb") as opened:
            start = opened.read(5)
    except OSError:
        return True
    # Each packet starts with G, after four more bytes in the form that cameras write.
    return start[:1] == b"G" or start[4:] == b"G" or not start


def kind_of_file(file: Path) -> str | None:
    """`photo` or `video` by a file's suffix, or by what is in it where its suffix tells nothing; None for other files."""
    kind = "video" if suffix_of(file) in VIDEO_SUFFIXES else kind_of_name(file)
    # What is in a pipe can be read only once, and then by whoever opens the photo.
    return kind or (_kind_of_content(file) if os.path.isfile(file) else None)


def _kind_of_content(file: Path) -> str | None:
    register_heif()
    try:
        # FFmpeg takes HEIC photos for videos of one frame.
        if is_heif(file):
            return "photo"
        with Image.open(file):
            return "photo"
    except BROKEN_FILE_ERRORS + (Image.DecompressionBombError,):
        pass
    try:
        import av

        from modeling_fer.inference.frames import open_video
    except ImportError:
        return None
    try:
        with open_video(file) as container:
            return "video" if container.streams.video else None
    except (av.FFmpegError, OSError, ValueError):
        return None


def kind_of_address(address: str) -> str:
    """`photo` or `video` by the suffix of an address, or by what its server says where that tells nothing."""
    suffix = suffix_of(address)
    if suffix in PHOTO_SUFFIXES:
        return "photo"
    if suffix in (*VIDEO_SUFFIXES, *PLAYLIST_SUFFIXES):
        return "video"
    try:
        with ask(address, "HEAD", seconds=10.0) as answer:
            kind = answer.headers.get_content_type()
    except ValueError:
        return "photo"
    return "video" if kind.startswith(("video/", "application/vnd.apple.mpegurl", "application/dash")) else "photo"


def readable(name: str) -> str:
    """A name as UTF-8 text, whatever its bytes are: those that are none are written as `\\xe9`."""
    try:
        content = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        content = name.encode("utf-8", "backslashreplace")
    return content.decode("utf-8", "backslashreplace")
