"""A face as it was read: where it is, what it expresses, and where on it that was read."""

import base64
import io
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from .doubt_fer import Doubt

EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Crop:
    """The square of a photo that a face was read from.

    Attributes:
        x, y: its centre, in pixels of the photo.
        size: its side, in pixels of the photo.
        angle: how far it is turned, in degrees, clockwise.
    """

    x: float
    y: float
    size: float
    angle: float = 0.0


class Answer:
    """What is said of a face, of one picture or throughout a video, from `scores` and `doubt`.

    Attributes:
        scores: the probability of each expression, the likeliest first.
        doubt: what the checkpoint knows of how far to trust its answers; None where that is not known.
    """

    scores: dict[str, float]
    doubt: Doubt | None

    @property
    def expression(self) -> str:
        """The likeliest expression."""
        return next(iter(self.scores))

    @property
    def probability(self) -> float:
        """That of the likeliest expression."""
        return self.scores[self.expression]

    @property
    def uncertain(self) -> bool | None:
        """Whether the answer is too unsure to be given, by a threshold that was measured; None where the checkpoint has none."""
        if self.doubt is None or self.doubt.uncertain_below is None:
            return None
        return self.doubt.is_uncertain(self.scores)

    def expression_set(self, coverage: float) -> list[str]:
        """The expressions among which the right one is with a probability of `coverage`, the likeliest first.

        Args:
            coverage: in (0, 1), one that the checkpoint has thresholds for.

        Raises:
            ValueError: the checkpoint has none for it.
        """
        return (self.doubt or Doubt(tuple(self.scores))).expression_set(self.scores, coverage)


@dataclass(frozen=True)
class ReadFace(Answer):
    """One face of a photo, or of a frame of a video.

    Attributes:
        box: (xmin, ymin, xmax, ymax) in pixels of the upright photo.
        detection_score: how sure the detector is, in [0, 1].
        scores: the probability of each expression, the likeliest first.
        crop: where it was read.
        relevance_map: what the expression was read by, mode L; None where it is not known.
        track: the face's number in a video; None where it has none.
        doubt: what the checkpoint knows of how far to trust its answers; None where that is not known.
        scores_of_frame: in a video those of this frame alone, where `scores` are smoothed over time; else empty.
    """

    box: tuple[int, int, int, int]
    detection_score: float
    scores: dict[str, float]
    crop: Crop
    relevance_map: Image.Image | None = None
    track: int | None = None
    doubt: Doubt | None = field(default=None, repr=False)
    scores_of_frame: dict[str, float] = field(default_factory=dict)

    def followed(self, track: int | None, scores: dict[str, float]) -> "ReadFace":
        """The same face with its track and its smoothed scores."""
        return replace(self, track=track, scores=ranked(scores), scores_of_frame=self.scores)

    def without_map(self) -> "ReadFace":
        """The same face without its relevance map, for where many are kept."""
        return replace(self, relevance_map=None)

    def to_answer(self, top_k: int | None = None, sets: float | None = None) -> dict[str, Any]:
        """The face as transformers' pipelines give it, see `FacialExpressionPipeline`.

        Args:
            top_k: how many expressions to keep; all of them where it is None.
            sets: coverage of `expression_set`; that is left out where it is None.
        """
        doubted = {} if self.uncertain is None else {"uncertain": self.uncertain}
        chosen = {} if sets is None else {"expression_set": self.expression_set(sets)}
        return {
            "box": dict(zip(EDGES, self.box, strict=True)),
            "score": self.detection_score,
            "expressions": [{"label": label, "score": score} for label, score in list(self.scores.items())[:top_k]],
            "relevance_map": self.relevance_map,
            "crop": asdict(self.crop),
            **doubted,
            **chosen,
        }

    def to_json(self) -> dict[str, Any]:
        """The face as JSON holds it: what the pipeline gives, its relevance map as a PNG in a data URL."""
        relevance_map = None if self.relevance_map is None else data_url(self.relevance_map, "PNG")
        return self.to_answer() | {"relevance_map": relevance_map} | ({} if self.track is None else {"track": self.track})


Faces = list[ReadFace]
"""The faces of one picture, largest first."""


def ranked(scores: dict[str, float]) -> dict[str, float]:
    """Scores with the highest first."""
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def relevance_image(relevance_map: np.ndarray) -> Image.Image:
    """A relevance map as a picture.

    Args:
        relevance_map: (1, height, width), float.

    Returns:
        An image of mode L: 0 where the map is zero or less, 255 at its peak.
    """
    positive = relevance_map[0].astype(np.float32).clip(min=0)
    scaled = positive / max(float(positive.max()), 1e-6) * 255
    return Image.fromarray(scaled.round().astype(np.uint8))


def data_url(image: Image.Image, form: str) -> str:
    """A picture as the text of an address: `data:image/png;base64,...`."""
    buffer = io.BytesIO()
    image.save(buffer, form, quality=85)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
