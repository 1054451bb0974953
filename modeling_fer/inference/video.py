"""Frames sampled from videos, cameras and streams, and the faces in them."""

# PyAV's packets are generic to type checkers only.
from __future__ import annotations

import math
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, cast

import av
from av.container import InputContainer
from PIL import Image

from modeling_fer.answers_fer import Faces
from modeling_fer.faces_fer import MOST_THREADS, usable_cores
from modeling_fer.inference.clock import steady_packets
from modeling_fer.inference.following import searching_near
from modeling_fer.inference.media import why_refused
from modeling_fer.inference.tally import Tally, promised_packets
from modeling_fer.inference.tracking import FaceFollower
from modeling_fer.reading_fer import ReadsPhotos

NETWORK_SECONDS = 20.0
"""A stream that says nothing for so long is given up."""

LIVE_SEARCH_SECONDS = 1.0
"""How often the whole picture of a camera is searched for faces."""

BATCH_SIZE = 8
"""Faces of a video that go through the network at once: their frames, which may be large, wait in memory until then."""

CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "vfwcap"}


@dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
        number: its place among all frames of the video, from 0.
        time: seconds from the start.
        image: its picture, upright.
    """

    number: int
    time: float
    image: Image.Image


class Sampler:
    """Chooses the frames that are looked at by their times.

    Args:
        fps: frames a second, greater than 0.

    Raises:
        ValueError: it is not, or it is not finite.
    """

    def __init__(self, fps: float):
        check_rate(fps)
        self.fps = fps
        self.wanted: float | None = None

    def takes(self, time: float) -> bool:
        """Whether the next frame, at a time in seconds, is looked at."""
        if self.wanted is None:
            self.wanted = time
        # Time stamps are rounded.
        if time < self.wanted - 0.002:
            return False
        steps = max(1, math.floor((time - self.wanted) * self.fps + 1e-6) + 1)
        self.wanted += steps / self.fps
        return True


def check_rate(fps: float) -> None:
    """Refuses what is no number of frames a second.

    Raises:
        ValueError: it is not greater than 0, or not finite.
    """
    if not 0 < fps < math.inf:
        raise ValueError(f"fps is {fps}, but must be greater than 0 and finite; give 5 to look at five frames a second.")


def check_file(source: str | Path) -> None:
    """Refuses a file that cannot hold a video.

    Raises:
        ValueError: there is none, it may not be read, or nothing is in it.
    """
    refused = why_refused(source)
    if refused:
        raise ValueError(refused)
    if not os.path.exists(source):
        raise ValueError(f"{source} does not exist.")
    if os.path.isfile(source) and os.path.getsize(source) == 0:
        raise ValueError(f"{source} is empty.")


def open_video(source: str | Path, **settings: Any) -> InputContainer:
    """Opens what FFmpeg reads: a file, an address, a stream.

    Raises:
        av.FFmpegError, OSError: it cannot be opened.
    """
    name = os.fspath(source)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        # FFmpeg takes names in UTF-8 only.
        return cast(InputContainer, av.open(open(name, "rb"), **settings))
    if "://" in name:
        return cast(InputContainer, av.open(name, timeout=NETWORK_SECONDS, **settings))
    # Else FFmpeg takes what stands before a colon for a protocol, as in 2024-05-01T12:30:00.mp4.
    return cast(InputContainer, av.open(f"file:{name}", **settings))


def read_frames(source: str | Path, fps: float) -> Iterator[Frame]:
    """Frames of a video, as many a second as asked for, or all where it has fewer. Broken parts are passed over, and told at
    the end.

    Args:
        source: a file or address that FFmpeg reads.
        fps: frames a second, greater than 0.

    Raises:
        ValueError: it cannot be read, holds no pictures (only sound, say), or no whole frame. After all frames that can be read: some
            cannot, or are missing.
    """
    sampler, tally = Sampler(fps), Tally()
    if "://" not in str(source):
        check_file(source)
    try:
        with open_video(source) as container:
            for number, time, frame in decode_frames(container, source, tally):
                if sampler.takes(time):
                    yield Frame(number, time, turn_upright(frame))
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or error
        if tally.whole:
            raise ValueError(f"{source} breaks off ({reason}); what was read so far is kept.") from error
        raise ValueError(f"{source} cannot be read as a video ({reason}).") from error
    if not tally.whole:
        raise ValueError(f"{source} holds no whole frame.")
    missing = tally.missing()
    if missing:
        raise ValueError(f"{source} {missing}")


def decode_frames(
    container: InputContainer, source: str | Path, tally: Tally, threads: str = "AUTO"
) -> Iterator[tuple[int, float, av.VideoFrame]]:
    """Number, time in seconds from the start, and picture of every frame that can be decoded whole, by some kind of FFmpeg's threads.
    All are counted by the tally.
    """
    if not container.streams.video:
        raise ValueError(f"{source} holds no pictures, only sound or other data.")
    stream = container.streams.video[0]
    stream.thread_type = threads
    tally.promised = promised_packets(container, stream)
    start = start_seconds(container)
    usual = 1 / float(stream.average_rate or 25)
    last = -usual
    for packet in steady_packets(container, stream):
        tally.expect(packet)
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            tally.lost += 1
            continue
        for frame in frames:
            last = frame.time - start if frame.time is not None else last + usual
            number = tally.place(frame)
            if not frame.is_corrupt:
                yield number, max(0.0, last), frame


def start_seconds(container: InputContainer) -> float:
    """The time stamp that a video starts at, in seconds."""
    return (container.start_time or 0) / av.time_base


def turn_upright(frame: av.VideoFrame) -> Image.Image:
    """The picture of a frame, turned as the camera was held."""
    image: Image.Image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


class Newest:
    """Hands the newest of some things from one thread to another; older ones that were not taken are dropped."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.item: Any = None
        self.ended = self.stopped = False
        self.error: Exception | None = None

    def put(self, item: Any) -> None:
        """Offers a thing."""
        with self.changed:
            self.item = item
            self.changed.notify()

    def end(self, error: Exception | None = None) -> None:
        """Says that nothing comes any more."""
        with self.changed:
            self.ended, self.error = True, error
            self.changed.notify()

    def take(self) -> Any:
        """Waits for a thing that was not taken yet; None at the end."""
        with self.changed:
            # A time limit, so that Ctrl-C is heard while waiting.
            while self.item is None and not self.ended:
                self.changed.wait(0.2)
            item, self.item = self.item, None
            return item


def live_frames(source: str, fps: float) -> Iterator[Frame]:
    """Frames of a camera or stream as they come, at most as many a second as asked for. Those that come while the last one is still
    looked at are dropped, so that the answers do not fall behind. Their times are those of their arrival, as the time stamps of a
    stream may be missing, start anywhere and jump.

    Args:
        source: number of a camera, or address of a stream.
        fps: frames a second, greater than 0.

    Raises:
        ValueError: it cannot be opened or read.
    """
    sampler, newest = Sampler(fps), Newest()
    what = f"The camera {source}" if source.isdecimal() else source
    try:
        container = open_camera(source) if source.isdecimal() else open_stream(source)
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{what} cannot be opened ({error.strerror or error}).") from error

    def decode() -> None:
        try:
            for number, _, frame in decode_frames(container, what, Tally(), "SLICE"):
                if newest.stopped:
                    break
                newest.put((number, monotonic(), frame))
            newest.end()
        except (av.FFmpegError, OSError, ValueError) as error:
            newest.end(error)

    thread = threading.Thread(target=decode, daemon=True)
    thread.start()
    first: float | None = None
    try:
        while (item := newest.take()) is not None:
            number, arrival, frame = item
            first = arrival if first is None else first
            if sampler.takes(arrival - first):
                yield Frame(number, arrival - first, turn_upright(frame))
    finally:
        newest.stopped = True
        thread.join(NETWORK_SECONDS)
        if not thread.is_alive():
            container.close()
    if newest.error is not None:
        raise ValueError(f"{what} broke off ({newest.error}).") from newest.error
    if first is None:
        raise ValueError(f"{what} gave no frame.")


def open_camera(number: str) -> InputContainer:
    """Opens a camera of this machine by its number, 0 being the first."""
    form = CAMERA_FORMATS.get(sys.platform, "v4l2")
    return av.open(f"/dev/video{number}" if form == "v4l2" else number, format=form)


def open_stream(address: str) -> InputContainer:
    """Opens a stream, after looking at half a second of it; RTSP goes over TCP, which loses no packets."""
    options = {"analyzeduration": "500000"}
    if address.lower().startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    return open_video(address, options=options)


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
