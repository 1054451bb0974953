"""The options of reading photos."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OnError = str | Callable[[Any, Exception], None]

BATCH_SIZE = 32
"""Faces that go through the network at once where nothing else is said."""


@dataclass(frozen=True)
class ReadOptions:
    """How photos are read.

    Attributes:
        batch_size: faces, also of several photos, that go through the network at once.
        num_workers: threads that open photos and find faces ahead of the network.
        detect: False where each photo is the crop of a face already.
        prior: how far the answers leave behind how frequent each expression was in training, from 0 (as trained) to 1 (as if all
            were equally frequent); the checkpoint's own where it is None.
        relevance_map: False leaves the map out of the answers.
        on_error: what happens to a photo that cannot be read. `"raise"`; `"skip"` answers None in its place and logs a warning; a
            function is called with the photo, or its number in a data set that cannot decode it, and its error, and None answered.

    Raises:
        ValueError: an option is impossible.
    """

    batch_size: int = BATCH_SIZE
    num_workers: int = 0
    detect: bool = True
    prior: float | None = None
    relevance_map: bool = True
    on_error: OnError = "raise"

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}, but must be at least 1.")
        if self.num_workers < 0:
            raise ValueError(f"num_workers is {self.num_workers}, but must be at least 0.")
        if not callable(self.on_error) and self.on_error not in ("raise", "skip"):
            raise ValueError(
                f"on_error is {self.on_error!r}, but must be 'raise', 'skip' or a function of the photo and its error."
            )
