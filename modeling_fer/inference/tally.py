"""Which frames of a video are missing, as it was cut off or damaged."""

# PyAV's packets are generic to type checkers only.
from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any

import av
from av.container import InputContainer

HEADER_TOLERANCE = 0.02
"""Share of a video's frames that may be missing from it: the headers of some AVI files count frames that were dropped."""

LATEST_STAMPS = 1000
"""So many time stamps of a video are kept at least: frames that come later than their place are not so late."""


@dataclass
class Tally:
    """Counts the frames of a video while its packets are decoded: where each one stands, and how many are missing.

    Attributes:
        promised: packets that the file says there are; 0 where it does not say.
        packets: those that came.
        hidden: those of them whose frames are not to be shown.
        timeless: whether some had no time stamp.
        stamps: time stamps of the latest ones, sorted, each once.
        earlier: how many time stamps were before these.
        newest: the latest time stamp of a frame.
        number: place of the last frame.
        whole: frames that were decoded well.
        lost: frames that were not, or only smeared.
    """

    promised: int = 0
    packets: int = 0
    hidden: int = 0
    timeless: bool = False
    stamps: list[int] = field(default_factory=list)
    earlier: int = 0
    newest: int = 0
    number: int = -1
    whole: int = 0
    lost: int = 0

    def expect(self, packet: av.Packet[Any]) -> None:
        """Counts a packet before it is decoded."""
        if not packet.size and packet.dts is None:
            # The last one is empty, and asks for the frames that are left.
            return
        self.packets += 1
        self.hidden += packet.is_discard
        if packet.pts is None:
            self.timeless = True
        elif not packet.is_discard:
            self._keep(packet.pts)

    def _keep(self, stamp: int) -> None:
        place = bisect_left(self.stamps, stamp)
        if self.stamps[place : place + 1] != [stamp]:
            self.stamps.insert(place, stamp)
        # A camera may run for weeks.
        if len(self.stamps) > 2 * LATEST_STAMPS:
            del self.stamps[:LATEST_STAMPS]
            self.earlier += LATEST_STAMPS

    def place(self, frame: av.VideoFrame) -> int:
        """Counts a frame, and tells its place among all."""
        self.number += 1
        # While nothing is lost, frames are counted: some packets hold half a frame, or one that is never shown.
        if self.lost and not self.timeless and frame.pts is not None:
            self.number = self.earlier + bisect_left(self.stamps, frame.pts)
        self.newest = max(self.newest, frame.pts or 0)
        self.whole += not frame.is_corrupt
        self.lost += frame.is_corrupt
        return self.number

    def missing(self) -> str | None:
        """What is said of a video that was read to its end; None where nothing is missing."""
        if self.promised - self.packets > HEADER_TOLERANCE * self.promised:
            return f"breaks off after {self.whole} of {self.promised} frames; what was read so far is kept."
        frames = self.packets - self.hidden
        missing = frames - self.whole
        # Where it has several threads, a decoder does not tell what it cannot read at the end.
        silent = 0 < missing <= len(self.stamps) - bisect_right(self.stamps, self.newest)
        if not self.lost and not silent:
            return None
        return f"is damaged: {max(missing, self.lost)} of its {frames} frames cannot be read; what was read is kept."


def promised_packets(container: InputContainer, stream: av.VideoStream) -> int:
    """How many packets of a stream a file says there are; 0 where it does not say."""
    if not container.format.name.startswith("mov"):
        return stream.frames
    # Those that were trimmed in a phone still count what was cut away, but their index does not. PyAV shows it since version 17.
    return min(stream.frames, len(getattr(stream, "index_entries", ())))
