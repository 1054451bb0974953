"""The way from photos to faces, their expressions and relevance maps, on numpy and Pillow alone.

Every engine takes it: what differs is the network that is put into a `FaceReader`.
"""

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, overload

import numpy as np
from PIL import Image

from .answers_fer import Crop, Faces, ReadFace, relevance_image
from .doubt_fer import Doubt, choose_thresholds
from .faces_fer import Face, FaceCropper, FaceDetector
from .images_fer import FaceImage, open_image, open_reduced
from .inputs_fer import PHOTO_ERRORS, Box, Place, answer_all, boxes_of, check_box, check_known_box
from .names_fer import is_address
from .network_fer import Network
from .options_fer import OnError, ReadOptions
from .prior_fer import check_prior

OnePhoto = str | Path | bytes | BinaryIO | Mapping[str, Any] | Image.Image | np.ndarray

logger = logging.getLogger(__name__)


class ReadsPhotos(Protocol):
    """A `FaceReader`, or a pipeline over one."""

    @property
    def reader(self) -> "FaceReader":
        """The `FaceReader`."""
        ...

    def read(self, photos: Iterable[Any], **options: Any) -> Iterator[Faces]:
        """The faces of photos, while they come; `options` are fields of `ReadOptions`."""
        ...


@dataclass
class CutPhoto:
    """A photo on its way to the network: its faces and what the network is to see of them. The photo itself is not kept.

    Attributes:
        faces: in pixels of the photo.
        squares: for each face the centre (x, y) and side in pixels, and the angle in radians, of the square that it was cut from.
        pixel_values: (faces, channels, height, width), float32.
    """

    faces: list[Face]
    squares: list[tuple[np.ndarray, float, float]]
    pixel_values: np.ndarray


@dataclass
class FailedPhoto:
    """A photo that cannot be read, or its number in a data set that cannot decode it, and why."""

    photo: Any
    error: Exception


@dataclass
class FaceReader:
    """
    Finds the faces of a photo, names their expressions, and shows where on the face each was read.

    Example:

    >>> from modeling_fer import load
    >>> fer = load("fer-base")
    >>> [face] = fer("astronaut.jpg")
    >>> face.expression, face.probability, face.box
    ('happiness', 0.99..., (181, 61, 268, 172))

    Args:
        network: reads the expressions.
        prepare: makes `pixel_values` of at least one crop, see `PixelSettings`.
        cropper: cuts the faces as the network was trained.
        make_detector: makes what finds the faces; takes min_face and search_size, as `modeling_fer.faces_fer.make_detector` does.
        options: of every call that does not give its own.
        detector: what finds the faces; made when it is first needed if not given.
    """

    network: Network
    prepare: Callable[[list[Image.Image]], np.ndarray]
    cropper: FaceCropper
    make_detector: Callable[..., FaceDetector]
    options: ReadOptions = ReadOptions()
    detector: FaceDetector | None = None

    def __post_init__(self) -> None:
        self.check(self.options)

    def check(self, options: ReadOptions) -> None:
        """Whether the network can do what some options ask for; ValueError where it cannot."""
        if options.prior is not None:
            check_prior(options.prior, self.network.label_shares)

    def check_sets(self, coverage: float | None) -> None:
        """Whether sets of expressions can be told; ValueError where the checkpoint has no thresholds for this coverage."""
        if coverage is not None:
            choose_thresholds(self.network.doubt.conformal_thresholds, coverage)

    @property
    def reader(self) -> "FaceReader":
        """Itself: a pipeline has one, too."""
        return self

    def searching(self, min_face: float | None = None, search_size: int | None = None) -> "FaceReader":
        """A reader that shares this one's network and searches more or less finely.

        Args:
            min_face, search_size: see `modeling_fer.faces_fer.make_detector`.

        Raises:
            ImportError, ValueError: as for that function.
        """
        return replace(self, detector=self.make_detector(min_face=min_face, search_size=search_size))

    def find_faces(self, image: Image.Image) -> list[Face]:
        """The faces of a photo that is opened, in its pixels."""
        faces = self.ready_detector()(image)
        return [Face(check_box(face.box), face.score, face.points) for face in faces]

    def ready_detector(self) -> FaceDetector:
        """What finds the faces; made now if it was not needed before."""
        if self.detector is None:
            self.detector = self.make_detector()
        return self.detector

    @overload
    def __call__(
        self, inputs: OnePhoto, boxes: Iterable[Any] | None = None, *, on_error: Literal["raise"] = "raise", **options: Any
    ) -> Faces: ...

    @overload
    def __call__(
        self, inputs: OnePhoto, boxes: Iterable[Any] | None = None, *, on_error: OnError, **options: Any
    ) -> Faces | None: ...

    @overload
    def __call__(
        self,
        inputs: list[Any] | tuple[Any, ...],
        boxes: Iterable[Any] | None = None,
        *,
        on_error: Literal["raise"] = "raise",
        **options: Any,
    ) -> list[Faces]: ...

    @overload
    def __call__(
        self, inputs: list[Any] | tuple[Any, ...], boxes: Iterable[Any] | None = None, *, on_error: OnError, **options: Any
    ) -> list[Faces | None]: ...

    @overload
    def __call__(
        self, inputs: Iterator[Any], boxes: Iterable[Any] | None = None, *, on_error: Literal["raise"] = "raise", **options: Any
    ) -> Iterator[Faces]: ...

    @overload
    def __call__(
        self, inputs: Iterator[Any], boxes: Iterable[Any] | None = None, *, on_error: OnError, **options: Any
    ) -> Iterator[Faces | None]: ...

    @overload
    def __call__(self, inputs: Any, boxes: Iterable[Any] | None = None, **options: Any) -> Any: ...

    def __call__(self, inputs: Any, boxes: Iterable[Any] | None = None, **options: Any) -> Any:
        """
        Args:
            inputs: a photo (a path, an http(s) address, bytes, an open file, a PIL image, an array or a tensor; see `open_image`), or
                several: a list, a column of a data set, a pandas Series, a torch `Dataset`, or any iterator.
            boxes: faces to look at instead of searching for them: for one photo a list of (left, top, right, bottom) in its
                pixels, or of dicts of `xmin`, `ymin`, `xmax`, `ymax`; for several photos a list of such lists. An empty list means
                no face.
            options: fields of `ReadOptions`.

        Returns:
            For one photo a list of its faces (`ReadFace`), largest first, empty where there is none. For several that have a length
            a list of such lists; for an iterator or a torch `Dataset` an iterator over them, which gives a photo's answer as soon
            as a batch is full or the photo has no face.

        Raises:
            OSError, ValueError: a photo cannot be read, and on_error is `"raise"`; or an option is impossible.
            TypeError: there is no such option.
        """
        known = [one.name for one in fields(ReadOptions)]
        unknown = next((name for name in options if name not in known), None)
        if unknown is not None:
            raise TypeError(f"A reader has no option {unknown!r}; it takes boxes, {', '.join(known)}.")
        own = replace(self.options, **options)
        self.check(own)
        return answer_all(inputs, boxes, lambda photos, given, at_once: self.stream(photos, given, own, at_once))

    def read(self, photos: Iterable[Any], **options: Any) -> Iterator[Faces]:
        """The faces of photos, while they come; `options` are fields of `ReadOptions`."""
        answers: Iterator[Faces] = self(iter(photos), **options)
        return answers

    def stream(
        self, photos: Iterable[Any], boxes: Iterable[Any] | None, options: ReadOptions, at_once: bool
    ) -> Iterator[Faces | None]:
        """Collects faces over photos until a batch is full; a photo's answer comes when the last of its faces is read.

        Args:
            photos, boxes: as for a call with several.
            options: how.
            at_once: a photo without a face ends the batch, so that no answer waits behind it.
        """
        waiting: list[CutPhoto | FailedPhoto] = []
        count = 0
        for item in self._cut_ahead(photos, boxes, options):
            waiting.append(item)
            found = len(item.faces) if isinstance(item, CutPhoto) else 0
            count += found
            if count >= options.batch_size or (at_once and not found):
                yield from self._finish(waiting, options)
                waiting, count = [], 0
        yield from self._finish(waiting, options)

    def _cut_ahead(
        self, photos: Iterable[Any], boxes: Iterable[Any] | None, options: ReadOptions
    ) -> Iterator[CutPhoto | FailedPhoto]:
        """Photos with their faces cut out, in their order; by threads where there are workers."""

        def cut(photo: Any, own: Any) -> CutPhoto | FailedPhoto:
            try:
                picked = photo.pick() if isinstance(photo, Place) else photo
            except ValueError as error:
                return FailedPhoto(photo.index, error)
            try:
                return reader.cut(picked, own, options.detect)
            except PHOTO_ERRORS as error:
                return FailedPhoto(picked, error)

        # Made before the threads, which would each make their own, and before the photos, which are not to blame if it cannot be.
        if options.detect and boxes is None:
            self.ready_detector()
        reader = self._sharing_cores(options.num_workers)
        pairs = zip(photos, itertools.repeat(None) if boxes is None else boxes_of(boxes), strict=False)
        if options.num_workers < 1:
            yield from itertools.starmap(cut, pairs)
            return
        with ThreadPoolExecutor(options.num_workers) as pool:
            ahead: deque[Future[CutPhoto | FailedPhoto]] = deque()
            try:
                for photo, own in pairs:
                    ahead.append(pool.submit(cut, photo, own))
                    if len(ahead) > 2 * options.num_workers:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _sharing_cores(self, workers: int) -> "FaceReader":
        """A reader for so many threads that search at once: with threads of each search beside, they would only take turns."""
        sharing = getattr(self.detector, "sharing", None)
        return self if workers < 2 or sharing is None else replace(self, detector=sharing(workers))

    def cut(self, photo: FaceImage, boxes: Sequence[Box] | None = None, detect: bool = True) -> CutPhoto:
        """Opens a photo, finds its faces and cuts them out.

        Args:
            photo: whatever `open_image` takes.
            boxes: its faces, where they are known.
            detect: False where the photo is the crop of a face already.

        Raises:
            OSError, ValueError: the photo cannot be read, or a box is impossible.
        """
        if boxes is None and not detect:
            return self._take_whole(open_image(photo))
        image, factor = self._open_for_search(photo) if boxes is None else (open_image(photo), 1.0)
        faces = self.find_faces(image) if boxes is None else [Face(check_known_box(box, image.size)) for box in boxes]
        if factor > 1 and any(face.size < self.cropper.size for face in faces):
            # What was enough to find a small face is too coarse to read it.
            image, faces, factor = open_image(photo), [face.scaled(factor) for face in faces], 1.0
        crops = [self.cropper(image, face) for face in faces]
        faces = [face.scaled(factor) for face in faces]
        pixel_values = self.prepare(crops) if crops else np.empty(0, np.float32)
        return CutPhoto(faces, [self.cropper.square(face) for face in faces], pixel_values)

    def _take_whole(self, image: Image.Image) -> CutPhoto:
        """A photo that is a crop already."""
        width, height = image.size
        square = (np.array(image.size) / 2, float(max(image.size)), 0.0)
        return CutPhoto([Face((0.0, 0.0, float(width), float(height)))], [square], self.prepare([image]))

    def _open_for_search(self, photo: FaceImage) -> tuple[Image.Image, float]:
        """A photo as large as the search needs it, and how many of its pixels one of these is wide."""
        # What can be opened twice: fetching again would take longer than decoding.
        again = isinstance(photo, (str, Path, bytes)) and not is_address(photo)
        return open_reduced(photo, getattr(self.ready_detector(), "enough", None) if again else None)

    def _finish(self, items: list[CutPhoto | FailedPhoto], options: ReadOptions) -> Iterator[Faces | None]:
        """Runs the network over the faces of some photos and gives each photo its own."""
        found = [item.pixel_values for item in items if isinstance(item, CutPhoto) and item.faces]
        read = self._run(np.concatenate(found), options) if found else iter(())
        doubt = self.network.doubt
        if options.prior is not None:
            doubt = replace(doubt, answered_at=options.prior)
        for item in items:
            if isinstance(item, FailedPhoto):
                report(item, options.on_error)
                yield None
            else:
                faces = zip(item.faces, item.squares, strict=True)
                yield [read_face(face, square, *next(read), doubt) for face, square in faces]

    def _run(self, pixel_values: np.ndarray, options: ReadOptions) -> Iterator[tuple[dict[str, float], Image.Image | None]]:
        """For each crop its scores, likeliest first, and its relevance map."""
        for start in range(0, len(pixel_values), options.batch_size):
            answer = self.network(pixel_values[start : start + options.batch_size], options.prior)
            maps = answer.relevance_maps if options.relevance_map else None
            for row, probabilities in enumerate(answer.probabilities):
                order = np.argsort(-probabilities, kind="stable")
                scores = {self.network.labels[place]: float(probabilities[place]) for place in order}
                yield scores, None if maps is None else relevance_image(maps[row])


def read_face(
    face: Face,
    square: tuple[np.ndarray, float, float],
    scores: dict[str, float],
    relevance_map: Image.Image | None,
    doubt: Doubt | None = None,
) -> ReadFace:
    """What the network says of a face beside where the face is."""
    left, top, right, bottom = (round(edge) for edge in face.box)
    centre, side, angle = square
    crop = Crop(float(centre[0]), float(centre[1]), float(side), float(np.degrees(angle)))
    return ReadFace((left, top, right, bottom), face.score, scores, crop, relevance_map, doubt=doubt)


def report(failed: FailedPhoto, on_error: OnError) -> None:
    """Does what is asked for with a photo that cannot be read."""
    if callable(on_error):
        on_error(failed.photo, failed.error)
    elif on_error == "skip":
        logger.warning("%s It is left out.", failed.error)
    else:
        raise failed.error
