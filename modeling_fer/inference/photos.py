"""Photos read one after the other, in this process or in several, with what is drawn of them."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from PIL import Image

from modeling_fer.answers_fer import Faces
from modeling_fer.images_fer import count_pictures, open_image
from modeling_fer.inference.engines import ReaderSettings
from modeling_fer.inference.media import Source
from modeling_fer.inference.memory import release_memory
from modeling_fer.inference.outputs import encode_picture
from modeling_fer.inference.quiet import quiet_pillow
from modeling_fer.inference.visualization import draw_overlay, reduce_photo
from modeling_fer.inference.workers import Workers, is_stopped
from modeling_fer.reading_fer import FaceReader

DRAWN_AT_ONCE = 8
"""Photos that are to be drawn on wait in memory until their batch is full, so few may."""

PHOTOS_A_WORKER = 16
"""A process takes as long to start as it needs for about so many photos."""

PHOTOS_AT_ONCE = 8
"""Photos that a process is given together."""

LARGE = 2_000_000
"""Files of more bytes are photos that leave memory behind that is worth giving back."""


@dataclass(frozen=True)
class PhotoSettings:
    """How photos are read.

    Attributes:
        detect: False where the images are crops of faces already.
        batch_size: faces that go through the network at once.
        draw: whether a picture with boxes, expressions and relevance maps is made of each.
    """

    detect: bool = True
    batch_size: int = 32
    draw: bool = False


@dataclass(frozen=True)
class PhotoResult:
    """What became of a photo.

    Attributes:
        faces: what was read; None where the photo cannot be read.
        error: why not, in one sentence.
        pictures: how many its file holds; the first was read.
        drawing: a PNG file, where it was asked for.
    """

    faces: Faces | None
    error: str = ""
    pictures: int = 1
    drawing: bytes | None = None


def read_photos(reader: FaceReader, sources: Iterable[Source], settings: PhotoSettings) -> Iterator[PhotoResult]:
    """What became of photos, in their order.

    Args:
        reader: finds and reads faces.
        sources: the photos.
        settings: how.
    """
    opened: deque[OpenedPhoto] = deque()
    errors: deque[str] = deque()
    answers = reader(
        _open(sources, settings.draw, opened),
        batch_size=min(settings.batch_size, DRAWN_AT_ONCE) if settings.draw else settings.batch_size,
        detect=settings.detect,
        relevance_map=settings.draw,
        on_error=lambda _, error: errors.append(str(error)),
    )
    for faces in answers:
        photo = opened.popleft()
        if faces is None:
            yield PhotoResult(None, errors.popleft())
            continue
        pictures = 1 if photo.source.path is None else count_pictures(photo.source.path)
        yield PhotoResult(faces, pictures=pictures, drawing=photo.draw(faces))
        if photo.file_size > LARGE:
            release_memory()


@dataclass
class OpenedPhoto:
    """A photo that waits for its faces: where it is from, and a small copy to draw on where that is wanted."""

    source: Source
    file_size: int = 0
    small: Image.Image | None = None
    width: int = 0

    def draw(self, faces: Faces) -> bytes | None:
        """The photo with its faces, as a PNG file."""
        return None if self.small is None else encode_picture(draw_overlay(self.small, faces, full_width=self.width))


def _open(sources: Iterable[Source], draw: bool, opened: "deque[OpenedPhoto]") -> Iterator[Any]:
    """Photos for the reader: their names, so that it decodes no more than it needs; or whole, where they are drawn on."""
    for source in sources:
        photo = OpenedPhoto(source, _file_size(source))
        opened.append(photo)
        if not draw:
            yield source.name
            continue
        try:
            image = open_image(source.name)
        except (OSError, ValueError):
            # The reader finds the same, and reports it.
            yield source.name
            continue
        photo.small, photo.width = reduce_photo(image), image.width
        yield image


def _file_size(source: Source) -> int:
    """Bytes of a photo's file; 0 where there is none, or the system refuses its name."""
    if source.path is None:
        return 0
    try:
        return os.path.getsize(source.path)
    except (OSError, ValueError):
        return 0


def choose_workers(photos: int, cores: int) -> int:
    """How many processes are worth their start."""
    return max(1, min(cores, photos // PHOTOS_A_WORKER))


def read_in_processes(
    reader: ReaderSettings, sources: Iterable[Source], settings: PhotoSettings, workers: int
) -> Iterator[PhotoResult]:
    """What became of photos, in their order, by several processes.

    Args:
        reader: what each process makes its reader from.
        sources: the photos.
        settings: how.
        workers: processes, at least 1.

    Raises:
        ChildProcessError: a process was ended from outside.
    """
    waiting = iter(sources)
    with Workers(workers, _start_worker, reader, settings) as pool:
        ahead: deque[Future[list[PhotoResult]]] = deque()
        try:
            while True:
                while len(ahead) < 2 * workers and (some := list(islice(waiting, PHOTOS_AT_ONCE))):
                    ahead.append(pool.submit(_read_some, some))
                if not ahead:
                    return
                yield from ahead.popleft().result()
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "A process that read photos was killed, perhaps because memory ran out; use fewer by --workers."
            ) from error


@dataclass
class _Worker:
    """What a process that reads photos keeps."""

    reader: FaceReader
    settings: PhotoSettings


_worker: _Worker


def _start_worker(reader: ReaderSettings, settings: PhotoSettings) -> None:
    global _worker
    quiet_pillow()
    _worker = _Worker(reader.make(), settings)


def _read_some(sources: list[Source]) -> list[PhotoResult]:
    wanted = takewhile(lambda _: not is_stopped(), sources)
    return list(read_photos(_worker.reader, wanted, _worker.settings))
