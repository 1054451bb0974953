"""From the images of a data set to rows for training: the face found and cut, landmarks found, the heatmap drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Features, Image, List, Value
from PIL import Image as Pil

from modeling_fer.data.landmarks import LANDMARK_POINTS, FanLandmarks, draw_heatmaps
from modeling_fer.data.source import Problem, Sample
from modeling_fer.faces_fer import DEFAULT_DETECTOR, DETECTORS, Face, FaceCropper, make_detector
from modeling_fer.images_fer import BROKEN_FILE_ERRORS

LANDMARK_SOURCES = ("fan", "detector", "none")


@dataclass(frozen=True)
class PrepareSettings:
    """How a data set is prepared.

    Attributes:
        image_size: height and width in pixels of the crops.
        margin, offset, align: how faces are cut, see `FaceCropper`.
        detector: what finds the faces, one of `DETECTORS`.
        min_face: least longer side of a face: in pixels of the photo where it is 1 or more, else as a share of its longest side.
        landmarks: where landmarks come from that the data set does not give: `fan` (68, by `FanLandmarks`), `detector` (its own
            five, if it gives any: eyes, nose, corners of the mouth) or `none`.
        landmark_points: which of 68 landmarks the heatmap is drawn at, a name in `LANDMARK_POINTS`.
        sigma: standard deviation in pixels of the heatmap's Gaussians.
        cropped: the images are crops of faces already, and are taken whole.
        drop_not_found: leave out images without a found face, which are else taken whole, with `face_detected` false.
        device: where detector and landmark network run.

    Raises:
        ValueError: a setting is impossible.
    """

    image_size: int = 120
    margin: float = 0.0
    offset: float = 0.0
    align: bool = True
    detector: str = DEFAULT_DETECTOR
    min_face: float = 0.1
    landmarks: str = "fan"
    landmark_points: str = "inner"
    sigma: float = 5.0
    cropped: bool = False
    drop_not_found: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        chosen = {"detector": DETECTORS, "landmarks": LANDMARK_SOURCES, "landmark_points": LANDMARK_POINTS}
        for name, choices in chosen.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(choices)}.")
        for name in ("image_size", "sigma"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be greater than 0.")
        if not self.min_face >= 0:
            raise ValueError(f"min_face is {self.min_face}, but must be at least 0.")
        if self.cropped and self.landmarks == "detector":
            raise ValueError(
                "landmarks is 'detector', but no face is searched in images that are cropped; take 'fan' or 'none'."
            )
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"device is {self.device!r}, which cannot be used here; take 'cpu', or 'cuda' where there is one."
            ) from error


def prepared_features(label_names: list[str]) -> Features:
    """The columns of a prepared data set.

    image: the crop. landmarks: (points, 2), (x, y) in pixels of the crop, null where there are none. face_detected: false where no
    face was found and the whole image was taken, or the landmarks are guesses. heatmap: 8-bit, 255 being 1, null without landmarks,
    its Gaussians `heatmap_sigma` pixels wide. source: the image's name in the data set. votes: how many annotators chose each of
    `modeling_fer.data.targets.VOTES`, null where there are none.
    """
    return Features(
        {
            "image": Image(),
            "label": ClassLabel(names=label_names),
            "subject": Value("string"),
            "landmarks": List(List(Value("float32"), length=2)),
            "face_detected": Value("bool"),
            "heatmap": Image(),
            "heatmap_sigma": Value("float32"),
            "source": Value("string"),
            "votes": List(Value("uint16")),
        }
    )


class FacePreparer:
    """Finds, cuts and annotates the faces of a few samples at a time."""

    def __init__(self, settings: PrepareSettings):
        self.settings = settings
        # As many cores as PyTorch was given, which are few where several processes prepare.
        self.detector = make_detector(
            settings.detector, settings.device, min_face=settings.min_face, threads=torch.get_num_threads()
        )
        self.cropper = FaceCropper(settings.image_size, settings.margin, settings.offset, settings.align)
        # The same square and as much again around it, which is what the landmark network looks at.
        self.wide_cropper = FaceCropper(settings.image_size, 2 * settings.margin + 1, settings.offset, settings.align)
        self.whole = FaceCropper(settings.image_size)
        self.whole_wide = FaceCropper(settings.image_size, margin=1.0)
        self.fan: FanLandmarks | None = None

    def __call__(self, samples: Sequence[Sample]) -> tuple[list[dict[str, Any]], list[Problem]]:
        """
        Returns:
            The rows of the samples, see `prepared_features`, and what went wrong with some.
        """
        problems: list[Problem] = []
        if self.settings.cropped:
            samples = [replace(sample, cropped=True) for sample in samples]
        opened = list(open_samples(samples, problems))
        faces = self.find_faces(opened)
        rows, pictures, wanting = [], [], []
        for (sample, photo), face in zip(opened, faces, strict=True):
            if face is None and not sample.cropped:
                problems.append(Problem(sample.source, "No face was found in the image."))
                if self.settings.drop_not_found:
                    continue
            try:
                row, picture = self.cut(sample, photo, face)
            except ValueError as error:
                problems.append(Problem(sample.source, f"The face cannot be cut out ({error}); the image is left out."))
                continue
            if row["landmarks"] is None and self.settings.landmarks == "fan" and row["face_detected"]:
                wanting.append(row)
                pictures.append(picture)
            rows.append(row)
        if wanting:
            self.fan = self.fan or FanLandmarks(self.settings.device)
            quarter = pictures[0].width / 4
            for row, points in zip(wanting, self.fan(pictures), strict=True):
                row["landmarks"] = points - quarter
        for row in rows:
            self.draw_heatmap(row)
        return rows, problems

    def find_faces(self, opened: list[tuple[Sample, Pil.Image]]) -> list[Face | None]:
        """The face of each sample: the largest that the detector finds, else where the data set says that it is."""
        found: list[Face | None] = [given_face(sample) for sample, _ in opened]
        for position, (sample, photo) in enumerate(opened):
            if not sample.cropped and sample.box is None and (faces := self.detector(photo)):
                found[position] = faces[0]
        return found

    def cut(self, sample: Sample, photo: Pil.Image, face: Face | None) -> tuple[dict[str, Any], Pil.Image]:
        """A sample's row, without heatmap, and the wider picture that its landmarks are searched in.

        Raises:
            ValueError: the box that the data set gives is empty or lies outside the image.
        """
        size = self.settings.image_size
        cropper, wide = self.cropper, self.wide_cropper
        detected = face is not None
        if face is None or sample.cropped:
            face = Face((0.0, 0.0, float(photo.width), float(photo.height)))
            cropper, wide, detected = self.whole, self.whole_wide, sample.cropped
        if not face.size >= 1:
            raise ValueError(f"its box {face.box} is empty")
        points = sample.landmarks
        if points is None and self.settings.landmarks == "detector":
            points = face.points
        row = {
            "image": cropper(photo, face).resize((size, size), Pil.Resampling.BILINEAR),
            "label": sample.label,
            "subject": sample.subject,
            "landmarks": None if points is None else cropper.map_points(points, face, size),
            "face_detected": detected and sample.face_detected,
            "source": sample.source,
            "votes": sample.votes,
        }
        return row, wide(photo, face).resize((2 * size, 2 * size), Pil.Resampling.BILINEAR)

    def draw_heatmap(self, row: dict[str, Any]) -> None:
        """Adds the heatmap of a row's landmarks."""
        row |= {"heatmap": None, "heatmap_sigma": self.settings.sigma}
        if row["landmarks"] is None:
            return
        points = torch.as_tensor(row["landmarks"], dtype=torch.float32)
        if len(points) == 68:
            points = points[LANDMARK_POINTS[self.settings.landmark_points]]
        size = self.settings.image_size
        heatmap = draw_heatmaps(points[None], size, size, self.settings.sigma)[0, 0]
        row["heatmap"] = Pil.fromarray((heatmap * 255).round().to(torch.uint8).numpy())


def open_samples(samples: Sequence[Sample], problems: list[Problem]) -> Iterator[tuple[Sample, Pil.Image]]:
    """The samples whose image can be read, with it; the others become problems."""
    for sample in samples:
        try:
            yield sample, sample.open()
        except (*BROKEN_FILE_ERRORS, Pil.DecompressionBombError) as error:
            reason = str(error) or type(error).__name__
            problems.append(Problem(sample.source, f"The image cannot be read ({reason}); it is left out."))


def given_face(sample: Sample) -> Face | None:
    """The face by the data set's own box or landmarks; None where it has neither."""
    points, eyes = sample.landmarks, None
    if points is not None and len(points) == 68:
        eyes = np.stack([points[36:42].mean(0), points[42:48].mean(0)])
    if sample.box is not None:
        return Face(sample.box, points=eyes)
    if eyes is None or points is None:
        return None
    # Landmarks reach from the chin to the eyebrows; a detector's box also holds the forehead.
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    return Face((left, top - 0.25 * (bottom - top), right, bottom), points=eyes)
