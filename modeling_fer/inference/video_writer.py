"""Annotated videos, with the times and the sound of the video that they were made from."""

# PyAV's packets are generic to type checkers only.
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image

from modeling_fer.answers_fer import Faces
from modeling_fer.inference.clock import steady_packets
from modeling_fer.inference.frames import open_video, start_seconds
from modeling_fer.inference.outputs import MARK
from modeling_fer.inference.visualization import draw_faces

TICKS = 90_000
"""Time stamps are in parts of a second as small as this."""

MP4_SOUNDS = ("aac", "ac3", "alac", "eac3", "mp3", "opus", "flac")
"""Sound that an mp4 file takes as it is."""

AAC_RATE = 48_000
"""Samples a second of other sound."""


class VideoWriter:
    """Writes annotated frames as an mp4 file, each shown until the next one's time. Use it in a `with` statement.

    Args:
        path: file to write.
        fps: frames a second, about.
        source: video whose sound is taken over, and which the last frame lasts to the end of.
        streaming: write the file in parts, so that it can be read however the run ends.

    Raises:
        OSError, ValueError: the file cannot be written, or fps is no number.
    """

    def __init__(self, path: str | Path, fps: float, source: str | Path | None = None, streaming: bool = False):
        options = {"movflags": "frag_keyframe+empty_moov"} if streaming else {}
        with ExitStack() as opened:
            file = opened.enter_context(open(path, "wb"))
            # Not closed like the others: that ends the file, and would fail once more where a full disk has failed before.
            self.container = av.open(file, "w", format="mp4", options=options)
            self.container.metadata["comment"] = MARK
            rate = Fraction(fps).limit_denominator(1000)
            self.stream = self.container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "veryfast"})
            self.stream.pix_fmt = "yuv420p"
            self.stream.codec_context.time_base = Fraction(1, TICKS)
            self.sound = None if source is None else Sound.of(source, self.container)
            if self.sound is not None:
                opened.callback(self.sound.close)
            # What goes wrong up to here closes them; after it, __exit__ does.
            self.opened = opened.pop_all()
        self.size: tuple[int, int] | None = None
        self.held: tuple[av.VideoFrame, float] | None = None
        self.usual = 1 / fps
        self.lasts: dict[int, int] = {}

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, image: Image.Image, faces: Faces, time: float) -> None:
        """Adds a frame with boxes, expressions and relevance maps drawn over it, shown from a time in seconds on."""
        picture = draw_faces(image, faces)
        if self.size is None:
            # The codec needs even sides.
            self.size = max(2, picture.width // 2 * 2), max(2, picture.height // 2 * 2)
            self.stream.width, self.stream.height = self.size
        self._encode_held(time)
        self.held = av.VideoFrame.from_image(picture.resize(self.size)), time

    def _encode_held(self, end: float) -> None:
        """Encodes the frame of before, now that it is known how long it is shown: until `end`, in seconds."""
        if self.held is None:
            return
        frame, start = self.held
        self.held = None
        frame.pts, frame.time_base = round(start * TICKS), Fraction(1, TICKS)
        self.lasts[frame.pts] = max(1, round(end * TICKS) - frame.pts)
        if self.sound is not None:
            self.sound.copy_until(start)
        self._mux(frame)

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self.stream.encode(frame):
            if packet.pts in self.lasts:
                packet.duration = self.lasts.pop(packet.pts)
            self.container.mux(packet)

    def __exit__(self, *error: object) -> None:
        """Ends the file. The last frame lasts to the end of the source, unless that broke off."""
        try:
            if self.held is not None:
                start = self.held[1]
                end = self.sound.seconds if self.sound is not None and error[0] is None else 0.0
                end = end if end > start else start + self.usual
                self._encode_held(end)
                self._mux(None)
                if self.sound is not None:
                    self.sound.copy_until(end)
                    self.sound.finish()
                self.container.close()
        finally:
            self.opened.close()


class Sound:
    """The sound of a video on its way into another file: as it is where an mp4 file takes it so, else encoded as AAC.

    Args:
        source: the video, opened.
        target: the file, opened, to which nothing was written yet.
    """

    def __init__(self, source: av.container.InputContainer, target: av.container.OutputContainer):
        self.source, self.target = source, target
        self.start = start_seconds(source)
        self.seconds = (source.duration or 0) / av.time_base
        self.input = source.streams.audio[0] if source.streams.audio else None
        self.packets: Iterator[av.Packet[av.AudioStream]] = iter(())
        self.output: Any = None
        self.resampler: av.AudioResampler | None = None
        self.next: av.Packet[av.AudioStream] | None = None
        if self.input is None:
            return
        if self.input.codec_context.name.split("_")[0] in MP4_SOUNDS:
            self.output = target.add_stream_from_template(self.input)
        else:
            layout = "mono" if self.input.channels == 1 else "stereo"
            self.output = target.add_stream("aac", rate=AAC_RATE, layout=layout)
            self.resampler = av.AudioResampler(format="fltp", layout=layout, rate=AAC_RATE)
        self.packets = steady_packets(source, self.input)

    @classmethod
    def of(cls, source: str | Path, target: av.container.OutputContainer) -> Sound | None:
        """The sound of a video; None where the video cannot be opened a second time."""
        with suppress(av.FFmpegError, OSError, ValueError), ExitStack() as opened:
            sound = cls(opened.enter_context(open_video(source)), target)
            opened.pop_all()
            return sound
        return None

    def copy_until(self, time: float) -> None:
        """Writes what is heard before a time in seconds. What cannot be decoded, or has no place in time, is left out."""
        while self.output is not None:
            if self.next is None:
                self.next = self._read()
            packet = self.next
            if packet is None:
                return
            if packet.dts is not None and float(packet.dts * packet.time_base) - self.start > time:
                return
            self.next = None
            with suppress(av.InvalidDataError, av.ArgumentError):
                self._write(packet)

    def _read(self) -> av.Packet[av.AudioStream] | None:
        with suppress(av.FFmpegError):
            return next(self.packets, None)
        return None

    def _write(self, packet: av.Packet[av.AudioStream]) -> None:
        if self.resampler is not None:
            self._encode(packet, self.resampler)
        elif packet.dts is not None and packet.time_base is not None:
            shift = round(self.start / float(packet.time_base))
            packet.pts = (packet.dts if packet.pts is None else packet.pts) - shift
            packet.dts -= shift
            packet.stream = self.output
            self.target.mux(packet)

    def _encode(self, packet: av.Packet[av.AudioStream], resampler: av.AudioResampler) -> None:
        for frame in packet.decode():
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(self.start / float(frame.time_base))
            for resampled in resampler.resample(frame):
                self.target.mux(self.output.encode(resampled))

    def finish(self) -> None:
        """Writes what the encoder still holds."""
        if self.resampler is not None:
            self.target.mux(self.output.encode(None))

    def close(self) -> None:
        """Closes the video that the sound comes from."""
        self.source.close()
