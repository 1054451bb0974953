"""Time stamps of recordings that were joined to one video, each counting its time from zero."""

# PyAV's packets are generic to type checkers only.
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
from av.container import InputContainer

RESTART_SECONDS = 1.0
"""Time stamps that jump back by more than this start again. Those of damaged videos may go back a little."""

WRAP_SECONDS = 2**32 / 90_000
"""Nor do they jump ahead by half a day: FFmpeg takes those before a video's first for ones that have run over, a day later."""


class Clock:
    """Lets time stamps go on where they start again, as in recordings that were joined. Each recording's are moved by the same in all
    streams, so that sound and pictures stay together.
    """

    def __init__(self) -> None:
        self.shifts = [0.0]
        self.end = 0.0
        self.recordings: dict[int, int] = {}
        self.last: dict[int, float] = {}

    def shift(self, stream: int, decoded: float, shown: float, duration: float) -> float:
        """Seconds that the next packet of a stream is moved by: one decoded at a time stamp, and shown from another one on."""
        # Packets are decoded in order, but not shown in it.
        last = self.last.get(stream)
        recording = self.recordings.get(stream, len(self.shifts) - 1)
        while recording < len(self.shifts) and not goes_on(last, decoded + self.shifts[recording]):
            recording += 1
        # Unless another stream came to this recording before.
        if recording == len(self.shifts):
            self.shifts.append(self.end - shown)
        shift = self.shifts[recording]
        self.recordings[stream], self.last[stream] = recording, decoded + shift
        self.end = max(self.end, shown + shift + duration)
        return shift


def goes_on(last: float | None, time: float) -> bool:
    """Whether a time stamp belongs to the same recording as the last one of its stream."""
    return last is None or last - RESTART_SECONDS <= time <= last + WRAP_SECONDS


def steady_packets(container: InputContainer, wanted: av.stream.Stream) -> Iterator[av.Packet[Any]]:
    """Packets of a stream. Time stamps that start again go on from those before, by the first pictures and the first sound alike."""
    clock = Clock()
    for packet in container.demux(*container.streams.video[:1], *container.streams.audio[:1]):
        if packet.dts is not None and packet.time_base is not None:
            base, shown = float(packet.time_base), packet.dts if packet.pts is None else packet.pts
            seconds = clock.shift(packet.stream_index, packet.dts * base, shown * base, (packet.duration or 0) * base)
            shift = round(seconds / base)
            packet.dts += shift
            packet.pts = None if packet.pts is None else packet.pts + shift
        if packet.stream_index == wanted.index:
            yield packet
