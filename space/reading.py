"""What the page computes: faces of a photo, of a camera's frames, of a video. Nothing of the page is in here."""

import math
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from time import monotonic

import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError
from limits import MAX_VIDEO_SECONDS, MEGABYTE, without_folder
from PIL import Image

from modeling_fer import MtcnnDetector, checkpoint_folder
from modeling_fer.loading import Checkpoint, load_checkpoint, make_pipeline
from modeling_fer.tables import Faces, faces_table, write_table
from modeling_fer.video import FaceTracker, Smoother, VideoWriter, analyse_video

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LIVE_SEARCH_SIZE, VIDEO_SEARCH_SIZE = 256, 400
LIVE_MIN_FACE, VIDEO_MIN_FACE = 0.15, 0.06
LIVE_FPS = 10.0
SMOOTHING_SECONDS, BARS_SECONDS = 0.4, 0.4
MAX_MODEL_MEGABYTES = 300
RELEASE_FILES = ["config.json", "preprocessor_config.json", "model.safetensors"]
"""All that is taken of a repository: never its code."""


class Reader:
    """One checkpoint with a search for faces that fits each use: thorough in photos, fast before a camera.

    Args:
        checkpoint: the network, and how pictures are made ready for it.
    """

    def __init__(self, checkpoint: Checkpoint):
        self.labels = list(checkpoint.model.config.id2label.values())
        # Frames are read on the processor everywhere: a GPU that is lent by the call comes too late for one.
        live = Checkpoint(deepcopy(checkpoint.model), checkpoint.image_processor)
        self.live = make_pipeline(live, "cpu", MtcnnDetector(search_size=LIVE_SEARCH_SIZE, min_face=LIVE_MIN_FACE))
        self.photo = make_pipeline(checkpoint, DEVICE, MtcnnDetector(DEVICE))
        detector = MtcnnDetector(DEVICE, min_face=VIDEO_MIN_FACE, search_size=VIDEO_SEARCH_SIZE)
        self.video = make_pipeline(checkpoint, DEVICE, detector)


@lru_cache(maxsize=3)
def load_reader(repository: str) -> Reader:
    """The reader of a repository of the Hub; of the checkpoint inside the package where the name is empty.

    Raises:
        ValueError: there is no such repository, or it holds no model of this kind.
    """
    if not repository:
        return Reader(load_checkpoint(checkpoint_folder()))
    folder = download_checkpoint(repository)
    try:
        return Reader(load_checkpoint(folder))
    except ValueError as error:
        raise ValueError(without_folder(error, folder).replace(Path(folder).name, repository)) from error


def download_checkpoint(repository: str) -> str:
    """The weights and settings of a repository of the Hub, in a folder."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", repository):
        raise ValueError(f"{repository!r} is no name of a repository; it looks like user/name.")
    try:
        files = HfApi().model_info(repository, files_metadata=True).siblings or []
        megabytes = sum(file.size or 0 for file in files if file.rfilename in RELEASE_FILES) / MEGABYTE
        if megabytes > MAX_MODEL_MEGABYTES:
            raise ValueError(f"{repository} has {megabytes:.0f} MB, but {MAX_MODEL_MEGABYTES} are loaded at most.")
        return snapshot_download(repository, allow_patterns=RELEASE_FILES)
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403, 404):
            raise ValueError(f"The Hub has no public model {repository}; check its name.") from error
        raise ValueError(f"The Hub answered {status} when {repository} was asked for; try again later.") from error
    except (HTTPError, LocalEntryNotFoundError) as error:
        raise ValueError(f"The Hub cannot be reached to load {repository}; the model of before stays in use.") from error


@dataclass
class LiveSession:
    """What is remembered of one camera from frame to frame."""

    tracker: FaceTracker = field(default_factory=lambda: FaceTracker(LIVE_FPS))
    smoother: Smoother = field(default_factory=lambda: Smoother(SMOOTHING_SECONDS))
    told: float = -math.inf

    def is_due(self) -> bool:
        """Whether the bars are to be shown anew: a few times a second, as drawing them takes the browser as long as a frame does."""
        if monotonic() - self.told < BARS_SECONDS:
            return False
        self.told = monotonic()
        return True

    def read(self, reader: Reader, frame: Image.Image) -> Faces:
        """The faces of the next frame, their probabilities smoothed over time."""
        faces = reader.live(frame)
        now = monotonic()
        for face, track in zip(faces, self.tracker.follow(faces), strict=True):
            face["expressions"] = self.smoother.smooth(track, now, face["expressions"])
        return faces


def read_video(
    reader: Reader, path: str, fps: float, folder: Path, advance: Callable[[float], None]
) -> list[tuple[float, Faces]]:
    """Reads a video, and writes annotated.mp4 and faces.csv.

    Args:
        reader: the model.
        path: the video.
        fps: frames a second to look at.
        folder: where the files are written.
        advance: told the time in seconds that the work has come to, after each frame.

    Returns:
        Time and faces of each frame, without relevance maps.

    Raises:
        ValueError: it cannot be read.
    """
    frames: list[tuple[float, Faces]] = []
    try:
        with VideoWriter(folder / "annotated.mp4", fps) as writer:
            for frame, faces in analyse_video(reader.video, path, fps, SMOOTHING_SECONDS):
                # A header may promise less than there is.
                if frame.time > MAX_VIDEO_SECONDS:
                    break
                writer.write(frame.image, faces)
                for face in faces:
                    face["relevance_map"] = None
                frames.append((frame.time, faces))
                advance(frame.time)
    except ValueError as error:
        raise ValueError(without_folder(error, path)) from error
    write_table(faces_table([], [(Path(path).name, frames)], reader.labels), folder / "faces.csv")
    return frames
