"""Frames sampled from videos."""

# PyAV's packets are generic to type checkers only.
from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer
from PIL import Image

from modeling_fer.inference.clock import steady_packets
from modeling_fer.inference.media import why_refused
from modeling_fer.inference.tally import Tally, promised_packets

NETWORK_SECONDS = 20.0
"""A stream that says nothing for so long is given up."""


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
