"""Faces followed from frame to frame, their probabilities smoothed along each face's track and summed up over it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import supervision
from trackers import ByteTrackTracker

from modeling_fer.answers_fer import Answer, Faces, ranked
from modeling_fer.doubt_fer import Doubt

LOST_SECONDS = 1.0
"""A face that is not seen for so long gets a new track when it is seen again."""

UNCONFIRMED = -1
"""Number of all tracks of one face in one frame."""


class FaceTracker:
    """Gives the faces of each frame the number of their track, by ByteTrack (Zhang et al. 2022) from the package trackers.

    Args:
        fps: frames a second that it is shown.
    """

    def __init__(self, fps: float):
        # Frames may lie farther apart than a second, and not quite regularly.
        self.patience = max(LOST_SECONDS, 1.5 / fps)
        self.seen: dict[int, float] = {}
        # The buffer is counted in frames of a video of 30 a second, whatever the rate. Fewer may come, so times decide too.
        self.tracker = ByteTrackTracker(
            lost_track_buffer=round(30 * LOST_SECONDS),
            frame_rate=fps,
            track_activation_threshold=0.5,
            minimum_consecutive_frames=1,
        )

    def follow(self, time: float, faces: Faces) -> list[int | None]:
        """The track of each face of the next frame, at a time in seconds. Tracks are numbered from 0. A face that is seen for the first
        time has None, as it may be a mistake of the detector.
        """
        self._forget_lost(time)
        detections = supervision.Detections(
            xyxy=np.array([face.box for face in faces], dtype=float).reshape(-1, 4),
            confidence=np.array([face.detection_score for face in faces], dtype=float),
            data={"position": np.arange(len(faces))},
        )
        tracked = self.tracker.update(detections)
        tracks: list[int | None] = [None] * len(faces)
        # Without a face there are neither positions nor tracks.
        if faces and tracked.tracker_id is not None:
            for position, track in zip(tracked.data["position"], tracked.tracker_id, strict=True):
                tracks[position] = None if track == UNCONFIRMED else int(track)
                self.seen[int(track)] = time
        return tracks

    def _forget_lost(self, time: float) -> None:
        """Ends the tracks of faces that are not seen for too long."""
        # Time stamps are rounded.
        self.seen = {track: last for track, last in self.seen.items() if time - last <= self.patience + 0.002}
        self.tracker.tracks = [one for one in self.tracker.tracks if one.tracker_id in self.seen]


@dataclass
class Smoother:
    """Exponentially weighted mean of each track's probabilities. Tracks that were lost are forgotten.

    Attributes:
        seconds: time in which the weight of what was seen falls to 1/e; 0 keeps every frame as it is.
    """

    seconds: float
    seen: dict[int, tuple[float, dict[str, float]]] = field(default_factory=dict)

    def smooth(self, track: int | None, time: float, scores: dict[str, float]) -> dict[str, float]:
        """The smoothed scores of a track at a time in seconds, likeliest first."""
        if track is None:
            return scores
        new = scores
        if track in self.seen and self.seconds > 0:
            before, old = self.seen[track]
            kept = math.exp(-max(time - before, 0.0) / self.seconds)
            new = {label: kept * old[label] + (1 - kept) * score for label, score in scores.items()}
        self.seen[track] = time, new
        self.seen = {one: memory for one, memory in self.seen.items() if time - memory[0] <= 10 * LOST_SECONDS}
        return ranked(new)


@dataclass
class FaceFollower:
    """Follows the faces of a video's frames and smooths their scores.

    Args:
        fps: frames a second that it is shown.
        smoothing: seconds that probabilities are smoothed over, see `Smoother`.
    """

    fps: float
    smoothing: float

    def __post_init__(self) -> None:
        self.tracker, self.smoother = FaceTracker(self.fps), Smoother(self.smoothing)

    def follow(self, time: float, faces: Faces) -> Faces:
        """The faces of the next frame, with their tracks and smoothed scores."""
        tracks = self.tracker.follow(time, faces)
        return [
            face.followed(track, self.smoother.smooth(track, time, face.scores))
            for face, track in zip(faces, tracks, strict=True)
        ]


@dataclass(frozen=True)
class TrackSummary(Answer):
    """One face through a video.

    Attributes:
        track: its number.
        first, last: times in seconds.
        frames: in how many of the sampled frames it was seen.
        scores: mean probabilities over these frames, likeliest first.
        doubt: as of `ReadFace`; its thresholds, which were fitted on single pictures, are held against the mean.
    """

    track: int
    first: float
    last: float
    frames: int
    scores: dict[str, float]
    doubt: Doubt | None = field(default=None, repr=False)


@dataclass
class TrackSums:
    """What a video holds, face by face, summed up while its frames come: it grows with the faces, not with the frames.

    Attributes:
        tracks: sums of each face that was followed, by its number.
        frames: how many frames were added.
        passing: how many faces were seen that had no track yet.
    """

    tracks: dict[int, TrackSummary] = field(default_factory=dict)
    frames: int = 0
    passing: int = 0

    def add(self, time: float, faces: Faces) -> None:
        """Adds a frame at a time in seconds."""
        self.frames += 1
        for face in faces:
            if face.track is None:
                self.passing += 1
                continue
            scores = face.scores_of_frame or face.scores
            known = self.tracks.get(face.track, TrackSummary(face.track, time, time, 0, {}, face.doubt))
            sums = {label: known.scores.get(label, 0.0) + score for label, score in scores.items()}
            self.tracks[face.track] = replace(known, last=time, frames=known.frames + 1, scores=sums)

    def summaries(self) -> list[TrackSummary]:
        """The faces so far, by number."""
        return [replace(track, scores=ranked(_divided(track.scores, track.frames))) for _, track in sorted(self.tracks.items())]


def summarize_tracks(frames: Iterable[tuple[float, Faces]]) -> list[TrackSummary]:
    """What a video holds, face by face, from time in seconds and faces of each frame."""
    sums = TrackSums()
    for time, faces in frames:
        sums.add(time, faces)
    return sums.summaries()


def _divided(scores: dict[str, float], count: int) -> dict[str, float]:
    return {label: score / count for label, score in scores.items()}
