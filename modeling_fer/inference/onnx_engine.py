"""A network as `fer export` writes it, read by ONNX Runtime: the file alone is enough."""

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from modeling_fer.doubt_fer import Doubt
from modeling_fer.faces_fer import FaceCropper, make_detector
from modeling_fer.inference.onnx_session import OnnxSession
from modeling_fer.network_fer import NetworkAnswer
from modeling_fer.pixels_fer import PixelSettings
from modeling_fer.prior_fer import shift_prior
from modeling_fer.reading_fer import FaceReader

METADATA_KEY = "modeling_fer"
FORMAT = 1


@dataclass(frozen=True)
class NetworkCard:
    """What a model.onnx says of itself, as JSON under `modeling_fer` in its metadata.

    Attributes:
        labels: the expressions, in the order of the classes.
        pixels: how crops become `pixel_values`.
        face_detector: the name of what finds faces.
        face_margin, face_offset, face_alignment: how faces are cut, see `FaceCropper`.
        prior_strength: what the probabilities are adjusted by in the network, in [0, 1].
        label_shares: how frequent each class was in training, where that is known.
        uncertain_below, conformal_thresholds: of the configuration, fitted at `prior_strength`.
        format: of this description.
    """

    labels: tuple[str, ...]
    pixels: PixelSettings
    face_detector: str
    face_margin: float = 0.0
    face_offset: float = 0.0
    face_alignment: bool = True
    prior_strength: float = 0.0
    label_shares: tuple[float, ...] | None = None
    uncertain_below: float | None = None
    conformal_thresholds: dict[str, tuple[float, ...]] | None = None
    format: int = FORMAT

    def to_json(self) -> str:
        """The description as it is written."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "NetworkCard":
        """A description that was written.

        Raises:
            KeyError, TypeError, ValueError: it is another one.
        """
        fields: dict[str, Any] = _with_tuples(json.loads(text))
        return cls(**fields | {"pixels": PixelSettings(**fields["pixels"])})


def _with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists, where a frozen description has tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else _with_tuples(value) if isinstance(value, dict) else value
        for name, value in fields.items()
    }


class OnnxNetwork:
    """A model.onnx that `fer export` wrote, as `FaceReader` takes it. Threads may share it.

    Args:
        file: the model.onnx.
        threads: how many threads share one run; as many as there are cores where it is None.

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: the file is broken, or was written by something else.
    """

    def __init__(self, file: str | Path, threads: int | None = None):
        self.session = OnnxSession(file, threads)
        metadata = self.session.metadata
        if METADATA_KEY not in metadata:
            raise ValueError(f"{file} does not say how faces become its input; give a model.onnx that fer export wrote.")
        try:
            self.card = NetworkCard.from_json(metadata[METADATA_KEY])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{file} was written by another version of this package; export it again by fer export."
            ) from error
        self.labels, self.label_shares = self.card.labels, self.card.label_shares
        self.prior_strength = self.card.prior_strength
        self.doubt = Doubt(
            self.labels,
            self.card.uncertain_below,
            self.card.conformal_thresholds,
            self.label_shares,
            self.prior_strength,
            self.prior_strength,
        )
        self.outputs = self.session.outputs

    def __call__(self, pixel_values: np.ndarray, prior_strength: float | None = None) -> NetworkAnswer:
        """See `modeling_fer.network_fer.Network`."""
        found = dict(zip(self.outputs, self.session.run(self.outputs, pixel_values=pixel_values), strict=True))
        probabilities = found["probabilities"]
        if prior_strength is not None and prior_strength != self.prior_strength and self.label_shares is not None:
            probabilities = shift_prior(probabilities, self.label_shares, prior_strength - self.prior_strength)
        return NetworkAnswer(probabilities, found.get("relevance_map"))


def make_onnx_reader(file: str | Path, threads: int | None = None) -> FaceReader:
    """A reader on a model.onnx, with everything that it says of itself.

    Args:
        file: the model.onnx.
        threads: as for `OnnxNetwork`; a search for faces takes as many.

    Raises:
        ImportError, ValueError: as for `OnnxNetwork`.
    """
    network = OnnxNetwork(file, threads)
    card = network.card
    size = max(card.pixels.height, card.pixels.width)
    cropper = FaceCropper(size, card.face_margin, card.face_offset, card.face_alignment)
    return FaceReader(network, card.pixels, cropper, partial(make_detector, card.face_detector, threads=threads))
