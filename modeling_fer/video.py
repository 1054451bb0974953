"""Faces in a video: frames sampled from it, faces followed from frame to frame, probabilities smoothed along each face's track."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import supervision
from PIL import Image
from trackers import ByteTrackTracker

from modeling_fer.pipeline_fer import FacialExpressionPipeline
from modeling_fer.visualization import draw_faces

LOST_SECONDS = 1.0
"""A face that is not seen for so long gets a new track when it is seen again."""


@dataclass(frozen=True)
class Frame:
    """A frame of a video: its time in seconds from the start, and its picture."""

    time: float
    image: Image.Image


def read_frames(path: str | Path, fps: float) -> Iterator[Frame]:
    """Frames of a video, as many a second as asked for, or all where it has fewer.

    Args:
        path: a file that FFmpeg reads.
        fps: frames a second, greater than 0.

    Raises:
        ValueError: it cannot be read, holds no pictures (only sound, say), or no whole frame.
    """
    if not fps > 0:
        raise ValueError(f"fps is {fps}, but must be greater than 0.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path} holds no pictures, only sound or other data.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            wanted, found = 0.0, False
            for frame in container.decode(stream):
                time = float(frame.time or 0.0)
                # Half a frame of tolerance: time stamps are rounded.
                if found and time < wanted - 0.002:
                    continue
                if not found:
                    wanted = time
                found, wanted = True, wanted + 1 / fps
                yield Frame(time, turn_upright(frame))
            if not found:
                raise ValueError(f"{path} holds no whole frame.")
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{path} is no video that can be read ({error.strerror or error}).") from error


def turn_upright(frame: av.VideoFrame) -> Image.Image:
    """The picture of a frame, turned as the camera was held."""
    image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


class FaceTracker:
    """Gives the faces of each frame the number of their track, by ByteTrack (Zhang et al. 2022) from the package trackers.

    Args:
        fps: frames a second that it is shown.
    """

    def __init__(self, fps: float):
        # The buffer is counted in frames of a video of 30 a second, whatever the rate.
        self.tracker = ByteTrackTracker(
            lost_track_buffer=round(30 * LOST_SECONDS),
            frame_rate=fps,
            track_activation_threshold=0.5,
            minimum_consecutive_frames=1,
        )

    def follow(self, faces: list[dict[str, Any]]) -> list[int | None]:
        """The track of each face of the next frame, numbered from 0; None for a face that is seen for the first time, which may be a
        mistake of the detector.
        """
        boxes = np.array([[face["box"][edge] for edge in ("xmin", "ymin", "xmax", "ymax")] for face in faces], dtype=float)
        detections = supervision.Detections(
            xyxy=boxes.reshape(-1, 4),
            confidence=np.array([face["score"] for face in faces], dtype=float),
            data={"position": np.arange(len(faces))},
        )
        tracked = self.tracker.update(detections)
        tracks: list[int | None] = [None] * len(faces)
        # Without a face there are neither positions nor tracks.
        if faces and tracked.tracker_id is not None:
            for position, track in zip(tracked.data["position"], tracked.tracker_id, strict=True):
                tracks[position] = None if track < 0 else int(track)
        return tracks


@dataclass
class Smoother:
    """Exponentially weighted mean of each track's probabilities.

    Attributes:
        seconds: time in which the weight of what was seen falls to 1/e; 0 keeps every frame as it is.
    """

    seconds: float
    seen: dict[int, tuple[float, dict[str, float]]] = field(default_factory=dict)

    def smooth(self, track: int | None, time: float, expressions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The smoothed expressions of a track at a time, likeliest first."""
        new = {one["label"]: one["score"] for one in expressions}
        if track is None:
            return expressions
        if track in self.seen and self.seconds > 0:
            before, old = self.seen[track]
            kept = math.exp(-(time - before) / self.seconds)
            new = {label: kept * old[label] + (1 - kept) * score for label, score in new.items()}
        self.seen[track] = time, new
        ranked = sorted(new.items(), key=lambda item: -item[1])
        return [{"label": label, "score": score} for label, score in ranked]


def analyse_video(
    pipeline: FacialExpressionPipeline, path: str | Path, fps: float = 5.0, smoothing: float = 0.4, batch_size: int = 8
) -> Iterator[tuple[Frame, list[dict[str, Any]]]]:
    """The faces of a video, frame by frame, while it is read.

    Args:
        pipeline: finds and reads faces.
        path: the video.
        fps: frames a second to look at.
        smoothing: seconds that probabilities are smoothed over, see `Smoother`.
        batch_size: faces that go through the network at once.

    Returns:
        Each frame with its faces, as the pipeline gives them, `expressions` being smoothed along the face's track, and with `track`
        (its number, or None) and `expressions_of_frame` (those of this frame alone).

    Raises:
        ValueError: as `read_frames`.
    """
    shown: deque[Frame] = deque()

    def images() -> Iterator[Image.Image]:
        for frame in read_frames(path, fps):
            shown.append(frame)
            yield frame.image

    tracker, smoother = FaceTracker(fps), Smoother(smoothing)
    for faces in pipeline(images(), batch_size=batch_size):
        frame = shown.popleft()
        for face, track in zip(faces, tracker.follow(faces), strict=True):
            face["track"], face["expressions_of_frame"] = track, face["expressions"]
            face["expressions"] = smoother.smooth(track, frame.time, face["expressions"])
        yield frame, faces


@dataclass
class TrackSummary:
    """One face through a video.

    Attributes:
        track: its number.
        first, last: times in seconds.
        frames: in how many of the sampled frames it was seen.
        expressions: mean probabilities over these frames, likeliest first.
    """

    track: int
    first: float
    last: float
    frames: int
    expressions: list[dict[str, Any]]


def summarize_tracks(frames: Iterable[tuple[float, list[dict[str, Any]]]]) -> list[TrackSummary]:
    """What a video holds, face by face.

    Args:
        frames: time and faces of each frame, as `analyse_video` gives them.
    """
    seen: dict[int, list[tuple[float, dict[str, float]]]] = {}
    for time, faces in frames:
        for face in faces:
            if face["track"] is not None:
                scores = {one["label"]: one["score"] for one in face["expressions_of_frame"]}
                seen.setdefault(face["track"], []).append((time, scores))
    summaries = []
    for track, rows in sorted(seen.items()):
        means = {label: sum(scores[label] for _, scores in rows) / len(rows) for label in rows[0][1]}
        ranked = [{"label": label, "score": score} for label, score in sorted(means.items(), key=lambda item: -item[1])]
        summaries.append(TrackSummary(track, rows[0][0], rows[-1][0], len(rows), ranked))
    return summaries


class VideoWriter:
    """Writes annotated frames as an mp4 file, each shown for 1 / fps seconds. Use it in a `with` statement.

    Args:
        path: file to write.
        fps: frames a second.
    """

    def __init__(self, path: str | Path, fps: float):
        self.container = av.open(str(path), "w")
        self.stream = self.container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": "23", "preset": "veryfast"}
        )
        self.stream.pix_fmt = "yuv420p"
        self.size: tuple[int, int] | None = None

    def __enter__(self) -> "VideoWriter":
        return self

    def write(self, image: Image.Image, faces: list[dict[str, Any]]) -> None:
        """Adds a frame with boxes, expressions and relevance maps drawn over it."""
        picture = draw_faces(image, faces)
        if self.size is None:
            # The codec needs even sides.
            self.size = picture.width // 2 * 2, picture.height // 2 * 2
            self.stream.width, self.stream.height = self.size
        frame = av.VideoFrame.from_image(picture.resize(self.size))
        for packet in self.stream.encode(frame):
            self.container.mux(packet)

    def __exit__(self, *error: object) -> None:
        for packet in self.stream.encode():
            self.container.mux(packet)
        self.container.close()
