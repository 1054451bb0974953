"""What the page computes: faces of a photo, of a camera's frames, of a video. Nothing of the page is in here."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from time import monotonic

import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError
from limits import MAX_VIDEO_SECONDS, MEGABYTE, without_folder
from PIL import Image

from modeling_fer import checkpoint_folder, load
from modeling_fer.answers_fer import Faces
from modeling_fer.checkpoints import list_bundled
from modeling_fer.inference.tables import face_columns, face_rows, open_rows
from modeling_fer.inference.tracking import FaceFollower
from modeling_fer.inference.video import analyse_video
from modeling_fer.inference.video_writer import VideoWriter

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LIVE_SEARCH_SIZE, VIDEO_SEARCH_SIZE = 256, 400
LIVE_MIN_FACE, VIDEO_MIN_FACE = 0.15, 0.06
LIVE_FPS = 10.0
SMOOTHING_SECONDS, BARS_SECONDS = 0.4, 0.4
MAX_MODEL_MEGABYTES = 300
RELEASE_FILES = ["config.json", "preprocessor_config.json", "model.safetensors", "model.onnx"]
"""All that is taken of a repository: never its code."""


class Reader:
    """One checkpoint with a search for faces that fits each use: thorough in photos, fast before a camera.

    Args:
        folder: of the checkpoint.

    Raises:
        ValueError: it holds none that can be read.
    """

    def __init__(self, folder: str | Path):
        # Requests run beside each other, so each takes one core.
        self.photo = load(folder, device=DEVICE, threads=1)
        # Frames are read on the processor everywhere: a GPU that is lent by the call comes too late for one.
        live = self.photo if DEVICE == "cpu" else load(folder, device="cpu", threads=1)
        self.live = live.searching(LIVE_MIN_FACE, LIVE_SEARCH_SIZE)
        self.video = self.photo.searching(VIDEO_MIN_FACE, VIDEO_SEARCH_SIZE)
        network = self.photo.network
        self.labels, self.prior = list(network.labels), network.prior_strength
        self.knows_prior = network.label_shares is not None

    def read_photo(self, photo: Image.Image, prior: float | None = None) -> Faces:
        """The faces of a photo; `prior` as for the pipeline."""
        return next(self.photo.read([photo], prior=prior))


@lru_cache(maxsize=3)
def load_reader(repository: str) -> Reader:
    """The reader of a checkpoint inside the package or of a repository of the Hub, by its name; of the package's own where that is
    empty.

    Raises:
        ValueError: there is no such repository, or it holds no model of this kind.
    """
    if not repository:
        return Reader(checkpoint_folder())
    if repository in list_bundled():
        return Reader(checkpoint_folder(repository))
    folder = download_checkpoint(repository)
    try:
        return Reader(folder)
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

    follower: FaceFollower = field(default_factory=lambda: FaceFollower(LIVE_FPS, SMOOTHING_SECONDS))
    told: float = -math.inf

    def is_due(self) -> bool:
        """Whether the bars are to be drawn again: a few times a second, as drawing them takes the browser as long as a frame does."""
        if monotonic() - self.told < BARS_SECONDS:
            return False
        self.told = monotonic()
        return True

    def read(self, reader: Reader, frame: Image.Image, prior: float | None = None) -> Faces:
        """The faces of the next frame, their probabilities smoothed over time."""
        return self.follower.follow(monotonic(), next(reader.live.read([frame], prior=prior)))


def read_video(
    reader: Reader, path: str, fps: float, folder: Path, advance: Callable[[float], None], prior: float | None = None
) -> tuple[list[tuple[float, Faces]], str]:
    """Reads a video, and writes annotated.mp4 and faces.csv.

    Args:
        reader: the model.
        path: the video.
        fps: frames a second to look at.
        folder: where the files are written.
        advance: told the time in seconds that the work has come to, after each frame.
        prior: as for the pipeline.

    Returns:
        Time and faces of each frame, without relevance maps; and a sentence on what is missing, empty for a whole video.

    Raises:
        ValueError: nothing of it can be read.
    """
    frames: list[tuple[float, Faces]] = []
    name, missing = Path(path).name, ""
    try:
        with (
            VideoWriter(folder / "annotated.mp4", fps, path) as writer,
            open_rows(folder / "faces.csv", face_columns(reader.labels, timed=True)) as rows,
        ):
            try:
                for frame, faces in analyse_video(reader.video, path, fps, SMOOTHING_SECONDS, prior=prior):
                    # A header may promise less than there is.
                    if frame.time > MAX_VIDEO_SECONDS:
                        break
                    writer.write(frame.image, faces, frame.time)
                    rows.write(face_rows(name, faces, frame.number, frame.time))
                    frames.append((frame.time, [face.without_map() for face in faces]))
                    advance(frame.time)
            except ValueError as error:
                if not frames:
                    raise
                missing = without_folder(error, path)
    except ValueError as error:
        raise ValueError(without_folder(error, path)) from error
    return frames, missing
