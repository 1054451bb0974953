"""What a reader is called with: one photo or several, with boxes of their faces or without, and the answer in the same form."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .answers_fer import EDGES
from .images_fer import is_tensor

Box = Sequence[float] | Mapping[str, Any]
Stream = Callable[[Iterable[Any], Iterable[Any] | None, bool], Iterator[Any]]

PHOTO_ERRORS = (OSError, ValueError)
"""What is raised for a photo that cannot be read."""
LARGEST_BOX = 10
"""How many times as large as its photo a box may be that is given."""


@dataclass(frozen=True)
class Place:
    """A photo of a data set, which is decoded only when it is its turn, so that one that cannot be decoded stops no other."""

    source: Any
    index: int

    def pick(self) -> Any:
        """The photo.

        Raises:
            ValueError: the data set cannot decode it.
        """
        try:
            return self.source[self.index]
        except PHOTO_ERRORS as error:
            raise ValueError(f"Photo {self.index} of the data set cannot be decoded: {str(error).rstrip('.')}.") from error


def answer_all(inputs: Any, boxes: Iterable[Any] | None, stream: Stream) -> Any:
    """The answers to an input in its own form: to one photo the answer, to a list a list, to an iterator an iterator.

    Args:
        inputs, boxes: as for a call of `FaceReader`.
        stream: answers several photos, given with their boxes and whether each answer is to come at once.
    """
    photos = several_photos(inputs)
    if photos is None:
        return next(stream([inputs], None if boxes is None else [boxes], False))
    if isinstance(boxes, Sized) and isinstance(photos, Sized) and len(boxes) != len(photos):
        raise ValueError(f"boxes has {len(boxes)} lists, but there are {len(photos)} photos; give one list for each photo.")
    lazily = not isinstance(photos, Sized)
    answers = stream(photos, boxes, lazily)
    return answers if lazily else list(answers)


def several_photos(inputs: Any) -> Iterable[Any] | None:
    """The photos that an input holds; None where it is one photo itself."""
    if isinstance(inputs, np.ndarray) or is_tensor(inputs):
        return list(inputs) if inputs.ndim == 4 else None
    if isinstance(inputs, (str, Path, bytes, bytearray, memoryview, Image.Image, Mapping)) or hasattr(inputs, "read"):
        return None
    numbered = isinstance(inputs, Sized) and hasattr(inputs, "__getitem__")
    # A torch Dataset is known by its numbers alone.
    if numbered and not isinstance(inputs, Iterable):
        return (Place(inputs, index) for index in range(len(inputs)))
    # A column of a data set decodes its images while it is read. A pandas Series is numbered by its own index.
    if numbered and not isinstance(inputs, (list, tuple)) and not hasattr(inputs, "iloc"):
        return [Place(inputs, index) for index in range(len(inputs))]
    return inputs if isinstance(inputs, Iterable) else None


def boxes_of(boxes: Iterable[Any]) -> Iterator[Any]:
    """The boxes of each of several photos; a sentence where there are fewer than photos."""
    count = 0
    for count, own in enumerate(boxes, start=1):  # noqa: B007
        yield own
    raise ValueError(f"boxes has {count} lists, but there are more photos; give one list for each photo.")


def check_box(box: Box) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) as floats; a sentence where it is none."""
    try:
        edges = [box[edge] for edge in EDGES] if isinstance(box, Mapping) else box
        left, top, right, bottom = (float(edge) for edge in edges)
    except (TypeError, ValueError, KeyError):
        raise ValueError(
            f"A box is (left, top, right, bottom) in pixels, or a dict of {', '.join(EDGES)}, but here it is {box!r}."
        ) from None
    if not (np.isfinite([left, top, right, bottom]).all() and left < right and top < bottom):
        raise ValueError(f"The box {box!r} is empty; it must have left < right and top < bottom.")
    return left, top, right, bottom


def check_known_box(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """`check_box` for a face that is given; a sentence also where its box was not given in pixels: where it is smaller than one, as
    shares of the photo are, or so large that its crop would take memory for far more than the photo.

    Args:
        box: the face's.
        size: width and height of the photo in pixels.
    """
    left, top, right, bottom = check_box(box)
    if min(right - left, bottom - top) < 1:
        raise ValueError(f"The box {box!r} is less than one pixel wide or high; give it in pixels of the photo.")
    if max(right - left, bottom - top) > LARGEST_BOX * max(size):
        raise ValueError(
            f"The box {box!r} is more than {LARGEST_BOX} times as large as its photo of {size[0]}x{size[1]} pixels; "
            "give it in pixels of the photo."
        )
    return left, top, right, bottom
