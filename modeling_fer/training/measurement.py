"""A measurement of a checkpoint, what came of it, and the JSON files that results are kept in."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from modeling_fer.configuration_fer import UNMEASURED
from modeling_fer.data.digests import digest
from modeling_fer.data.json_files import write_json
from modeling_fer.inference.loading import Checkpoint

PROCESSING = (
    "image_mean",
    "image_std",
    "contrast_percentiles",
    "face_detector",
    "face_margin",
    "face_offset",
    "face_alignment",
)
"""What of an image processor decides which pixels a network sees, beside their number."""

DATASET_NAMES = {"ferplus": "FER+", "ferplus_majority": "FER+ majority", "fer2013": "FER-2013", "ckplus48": "CK+48"}


@dataclass(frozen=True)
class Measurement:
    """What is measured.

    Attributes:
        dataset: a key of `DATASET_NAMES`, or the folder of a prepared data set.
        split: `train`, `validation`, `test`, or `all`.
        prior_strength: of the answers, in [0, 1].
        auxiliary: whether the second output layer answers.
        mirrored: whether each image's answer is averaged with that for its mirror image.
        recut: whether faces were searched and cut again, as the pipeline does with photos.
        without: classes whose images are left out.
        folds: in how many folds by subject the network was fine-tuned on the data set and measured; 0 where it was not.
    """

    dataset: str
    split: str
    prior_strength: float = 0.0
    auxiliary: bool = False
    mirrored: bool = False
    recut: bool = False
    without: list[str] = field(default_factory=list)
    folds: int = 0

    @property
    def departures(self) -> list[str]:
        """What departs from one look at each image as it is, by the network as it was trained."""
        return [
            *([f"without {', '.join(self.without)}"] if self.without else []),
            *([f"prior strength {self.prior_strength:g}"] if self.prior_strength else []),
            *(["second output layer"] if self.auxiliary else []),
            *(["faces cut again"] if self.recut else []),
            *(["averaged with mirror images"] if self.mirrored else []),
            *([f"fine-tuned in {self.folds} folds"] if self.folds else []),
        ]

    @property
    def title(self) -> str:
        """The data set and the departures."""
        return ", ".join([DATASET_NAMES.get(self.dataset, self.dataset), *self.departures])

    @property
    def name(self) -> str:
        """Title and split, which no two different measurements share."""
        return f"{self.title}, {self.split}"


@dataclass(frozen=True)
class Result:
    """A measurement and what came of it.

    Attributes:
        measurement: what was measured.
        scores: those of `score_answers`.
        checkpoint: the `digest_checkpoint` of what was measured, or of what was fine-tuned first; None where an earlier version wrote
            the result, which did not say it.
    """

    measurement: Measurement
    scores: dict[str, Any]
    checkpoint: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        known = {} if self.checkpoint is None else {"checkpoint": self.checkpoint}
        return asdict(self.measurement) | known | self.scores

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Result":
        """The result that `to_dict` wrote."""
        names = {one.name for one in fields(Measurement)}
        measurement = Measurement(**{name: value for name, value in values.items() if name in names})
        scores = {name: value for name, value in values.items() if name not in names and name != "checkpoint"}
        return cls(measurement, scores, values.get("checkpoint"))


def digest_checkpoint(checkpoint: Checkpoint) -> str:
    """What tells a checkpoint from others that may answer otherwise: 16 hexadecimal digits over its weights, its classes, what was
    fitted to it (temperature, prior, label shares, the join of two output layers, thresholds), and how it takes images.
    """
    config, processor = checkpoint.model.config, checkpoint.image_processor
    # What has its usual value is left out: a whole number may stand for it, and later versions may know more settings.
    fitted = {name: getattr(config, name) for name, usual in UNMEASURED.items() if getattr(config, name) != usual}
    names = [list(config.id2label.values()), list(config.auxiliary_labels or [])]
    settings = [names, fitted, {name: getattr(processor, name) for name in PROCESSING}]
    parts: list[Any] = [json.dumps(settings, sort_keys=True).encode()]
    for name, weights in checkpoint.model.state_dict().items():
        # As bytes, since NumPy does not know all of torch's types.
        parts += [f"{name} {tuple(weights.shape)}".encode(), weights.cpu().flatten().view(torch.uint8).numpy()]
    return digest(parts)


def find_foreign(results: Sequence[Result], checkpoint: str) -> Result | None:
    """The first result that is of another checkpoint; those that do not say whose they are count as this one's.

    Args:
        results: from `read_results`.
        checkpoint: from `digest_checkpoint`.
    """
    return next((one for one in results if one.checkpoint not in (None, checkpoint)), None)


def read_results(file: str | Path) -> list[Result]:
    """What `fer evaluate --output` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a list of results.
    """
    if not Path(file).is_file():
        raise FileNotFoundError(f"{file} does not exist; fer evaluate --output writes it.")
    try:
        values = json.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}); fer evaluate --output writes it.") from error
    needed = {"dataset", "split", "images", "accuracy", "uar", "macro_f1", "calibration_error", "recall"}
    if not isinstance(values, list) or not all(isinstance(one, dict) and needed <= set(one) for one in values):
        raise ValueError(f"{file} is not a list of results; fer evaluate --output writes one.")
    return [Result.from_dict(one) for one in values]


def write_results(results: Sequence[Result], file: str | Path) -> None:
    """Writes results as a JSON list. Those of a file that is there keep their places, with the new values where they were measured
    again; what is new comes last."""
    kept = read_results(file) if Path(file).exists() else []
    by_name = {one.measurement.name: one for one in [*kept, *results]}
    write_json(file, [one.to_dict() for one in by_name.values()], indent=2)
