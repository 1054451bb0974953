"""The faces of videos, cameras and streams."""

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image

from modeling_fer.answers_fer import Faces
from modeling_fer.faces_fer import MOST_THREADS, usable_cores
from modeling_fer.inference.following import searching_near
from modeling_fer.inference.frames import Frame, check_rate, read_frames
from modeling_fer.inference.live_frames import live_frames
from modeling_fer.inference.tracking import FaceFollower
from modeling_fer.reading_fer import ReadsPhotos

LIVE_SEARCH_SECONDS = 1.0
"""How often the whole picture of a camera is searched for faces."""

BATCH_SIZE = 8
"""Faces of a video that go through the network at once: their frames, which may be large, wait in memory until then."""


def analyse_video(
    fer: ReadsPhotos,
    source: str | Path,
    fps: float = 5.0,
    smoothing: float = 0.4,
    batch_size: int = BATCH_SIZE,
    prior: float | None = None,
    live: bool = False,
    num_workers: int | None = None,
    search_every: float | None = None,
    detect: bool = True,
) -> Iterator[tuple[Frame, Faces]]:
    """The faces of a video, frame by frame, while it is read.

    Args:
        fer: finds and reads faces: what `modeling_fer.load` gives, or a pipeline.
        source: the video: a file or an address; where it is live, the number of a camera or the address of a stream.
        fps: frames a second to look at, greater than 0.
        smoothing: seconds that probabilities are smoothed over, 0 or more, see `Smoother`.
        batch_size: faces that go through the network at once.
        prior: see `ReadOptions`.
        live: answer each frame at once, and drop those that come meanwhile.
        num_workers: threads that search frames ahead, each a frame of its own; one a core if not given, and none where it is live.
        search_every: seconds from one search of a whole frame to the next; between, faces are looked for near where they were, which
            is more than twice as fast, and by one thread. 0 searches every frame, and `math.inf` searches only where no face is
            known or one is lost; a second where it is live, else 0, if not given.
        detect: False where each frame is the crop of a face already; nothing is searched then.

    Returns:
        Each frame with its faces, whose `scores` are smoothed along the face's `track`; `scores_of_frame` are those of the frame alone.

    Raises:
        ValueError: fps, smoothing or search_every is no such number, or as `read_frames`, or as `live_frames`; what was read before is
            answered first.
    """
    check_rate(fps)
    if not smoothing >= 0:
        raise ValueError(f"smoothing is {smoothing}, but must be at least 0 seconds; give 0 to smooth nothing.")
    if search_every is None:
        search_every = LIVE_SEARCH_SECONDS if live else 0.0
    if not search_every >= 0:
        raise ValueError(f"search_every is {search_every}, but must be at least 0 seconds.")
    shown: deque[Frame] = deque()
    broken: list[ValueError] = []
    frames = live_frames(str(source), fps) if live else read_frames(source, fps)

    def images() -> Iterator[Image.Image]:
        try:
            for frame in frames:
                shown.append(frame)
                yield frame.image
        except ValueError as error:
            # The reader would drop the frames before, which wait in it.
            broken.append(error)

    if num_workers is None:
        num_workers = 0 if live else min(MOST_THREADS, usable_cores())
    if search_every > 0 and detect:
        between = max(1, round(min(search_every * fps, sys.maxsize)))
        reader, num_workers = searching_near(fer.reader, between), min(1, num_workers)
    else:
        reader = fer.reader
    options: dict[str, Any] = {"batch_size": 1 if live else batch_size, "num_workers": num_workers, "detect": detect}
    if prior is not None:
        options["prior"] = prior
    follower = FaceFollower(fps, smoothing)
    with closing(frames):  # type: ignore[type-var]
        for faces in reader.read(images(), **options):
            frame = shown.popleft()
            yield frame, follower.follow(frame.time, faces)
    if broken:
        raise broken[0]
