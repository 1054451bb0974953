"""Frames of cameras and streams, as they come."""

# PyAV's packets are generic to type checkers only.
from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any

import av
from av.container import InputContainer

from modeling_fer.inference.frames import NETWORK_SECONDS, Frame, Sampler, decode_frames, open_video, turn_upright
from modeling_fer.inference.tally import Tally

CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "vfwcap"}


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
