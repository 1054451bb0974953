"""The pipeline of transformers over `FaceReader`: photo to faces, expressions and relevance maps in one call."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import Pipeline
from transformers.utils import ModelOutput

from .answers_fer import Faces
from .doubt_fer import Doubt
from .faces_fer import FaceCropper, FaceDetector
from .images_fer import FaceImage
from .inputs_fer import answer_all
from .network_fer import NetworkAnswer
from .options_fer import ReadOptions
from .reading_fer import CutPhoto, FaceReader
from .saving_fer import save_and_upload

READ_OPTIONS = {option.name for option in fields(ReadOptions)}


class TorchNetwork:
    """The network of a pipeline as `FaceReader` takes it.

    Args:
        pipeline: holds the model, and the device that it is on.
    """

    def __init__(self, pipeline: Pipeline):
        self.pipeline = pipeline

    @property
    def labels(self) -> list[str]:
        """The expressions, in the order of the classes."""
        names = self.pipeline.model.config.id2label
        return [names[place] for place in range(len(names))]

    @property
    def label_shares(self) -> Sequence[float] | None:
        """How frequent each class was in training, where that is known."""
        shares: Sequence[float] | None = self.pipeline.model.config.label_shares
        return shares

    @property
    def prior_strength(self) -> float:
        """The configuration's prior strength, in [0, 1]."""
        return float(self.pipeline.model.config.prior_strength)

    @property
    def doubt(self) -> Doubt:
        """See `modeling_fer.network_fer.Network`."""
        config = self.pipeline.model.config
        fitted = {"uncertain_below": config.uncertain_below, "conformal_thresholds": config.conformal_thresholds}
        own = float(config.prior_strength)
        return Doubt(tuple(self.labels), label_shares=config.label_shares, prior_strength=own, answered_at=own, **fitted)

    def __call__(self, pixel_values: np.ndarray, prior_strength: float | None = None) -> NetworkAnswer:
        """See `modeling_fer.network_fer.Network`."""
        outputs = self.pipeline.forward({"pixel_values": torch.from_numpy(pixel_values)}, prior_strength=prior_strength)
        maps = outputs.get("relevance_map")
        return NetworkAnswer(outputs.logits.float().softmax(dim=1).numpy(), None if maps is None else maps.float().numpy())


class FacialExpressionPipeline(Pipeline):
    """
    Finds the faces of a photo, names their expressions, and shows where on the face each was read.

    Example:

    >>> import modeling_fer
    >>> from transformers import pipeline
    >>> fer = pipeline("facial-expression-recognition", model=str(modeling_fer.checkpoint_folder()))
    >>> fer("astronaut.jpg")
    [{'box': {'xmin': 181, 'ymin': ..., 'xmax': ..., 'ymax': ...}, 'score': 0.99...,
      'expressions': [{'label': 'happiness', 'score': 0.9...}, ...],
      'relevance_map': <PIL.Image.Image image mode=L size=48x48 at ...>,
      'crop': {'x': ..., 'y': ..., 'size': ..., 'angle': ...}, 'uncertain': False}]

    Args:
        detector (`FaceDetector`, *optional*):
            Finds the faces; the one that the image processor names, made when it is first needed, unless another is given.
        prior, top_k, sets, detect, relevance_map, on_error (*optional*):
            Taken by every call that does not give its own, see `__call__`.
    """

    _load_processor = False
    _load_image_processor = True
    _load_feature_extractor = False
    _load_video_processor = False
    _load_tokenizer = False

    def __init__(self, *args: Any, detector: FaceDetector | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # The order of values in memory that convolutions are fastest with on a processor.
        self.model.to(memory_format=torch.channels_last)
        options = {name: kwargs[name] for name in READ_OPTIONS & kwargs.keys() if kwargs[name] is not None}
        self.reader = FaceReader(
            TorchNetwork(self),
            self._prepare,
            FaceCropper.from_processor(self.image_processor),
            partial(self.image_processor.make_detector, self.device),
            ReadOptions(**options),
            detector,
        )

    def save_pretrained(self, save_directory: str | os.PathLike[str], *, push_to_hub: bool = False, **kwargs: Any) -> None:
        """Saves the model and the image processor, with the code and the detector that they need where the package is not installed."""
        if push_to_hub:
            save_and_upload(self, Path(save_directory), **kwargs)
        else:
            super().save_pretrained(save_directory, **kwargs)

    def _prepare(self, crops: list[Image.Image]) -> np.ndarray:
        return np.stack(self.image_processor(crops, return_tensors="np").pixel_values)

    def _sanitize_parameters(self, **kwargs: Any) -> tuple[dict[str, Any], ...]:
        """What transformers' pipelines ask for: arguments by the step that takes them. All but `sets` and `top_k` are the reader's."""
        known = READ_OPTIONS | {"sets", "top_k"}
        unknown = next((name for name in kwargs if name not in known), None)
        if unknown is not None:
            raise TypeError(f"The pipeline has no argument {unknown!r}; it takes boxes, {', '.join(sorted(known))}.")
        top_k = kwargs.get("top_k")
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k is {top_k}, but at least 1 expression must be kept.")
        return {}, {}, {name: kwargs[name] for name in ("sets", "top_k") if kwargs.get(name) is not None}

    def __call__(
        self,
        inputs: FaceImage | Iterable[FaceImage],
        *,
        boxes: Iterable[Any] | None = None,
        batch_size: int | None = None,
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """
        Args:
            inputs: a photo (a path, an http(s) address, bytes, an open file, a PIL image, an array or a tensor; see `open_image`), or
                several: a list, a column of a data set, a pandas Series, a torch `Dataset`, or any iterator.
            boxes: faces to look at instead of searching for them: for one photo a list of (left, top, right, bottom) in its
                pixels, or of what the pipeline returned as `box`; for several photos a list of such lists. An empty list means no
                face.
            batch_size (`int`, *optional*, defaults to 32): faces, also of several photos, that go through the network at once.
            num_workers (`int`, *optional*, defaults to 0): threads that open photos and find faces ahead of the network.
            detect (`bool`, *optional*, defaults to `True`): False where each photo is the crop of a face already.
            prior (`float`, *optional*): how far the answers leave behind how frequent each expression was in training, from 0 (as
                trained) to 1 (as if all were equally frequent); the checkpoint's `prior_strength` where it is not given.
            top_k (`int`, *optional*): how many expressions to keep for each face; all where it is not given.
            sets (`float`, *optional*): how often the expressions of `expression_set` are to hold the right one, e.g. 0.9.
            relevance_map (`bool`, *optional*, defaults to `True`): False leaves the map out of the answers.
            on_error (*optional*, defaults to `"raise"`): what happens to a photo that cannot be read. `"skip"` answers None in its
                place and logs a warning; a function is called with the photo and its error, and None answered.

        Returns:
            For one photo a list of its faces, largest first, empty where there is none. For several that have a length a list of
            such lists; for an iterator or a torch `Dataset` an iterator over them, which gives a photo's answer as soon as a batch
            is full or the photo has no face. A face is a dict of

            - `box`: `xmin`, `ymin`, `xmax`, `ymax` in pixels of the upright photo, integers;
            - `score`: how sure the detector is, in [0, 1];
            - `expressions`: `label` and `score` of each, the likeliest first; the scores of all classes sum to 1;
            - `relevance_map`: what the expression was read by, an 8-bit image over the crop (255 at its peak, 0 where it is zero or
              less), None for a baseline CNN;
            - `crop`: where the crop lies in the photo: centre `x`, `y` and `size` in pixels, `angle` in degrees, clockwise;
            - `uncertain`: whether the answer is too unsure to be given, where the checkpoint has a threshold for that;
            - `expression_set`: where `sets` asks for it, the expressions among which the right one is that often.

        Raises:
            OSError, ValueError: a photo cannot be read, and on_error is `"raise"`; or the checkpoint has no thresholds for `sets`.
        """
        given = {name: value for name, value in kwargs.items() if value is not None}
        _, _, postprocess = self._sanitize_parameters(**given)
        shown = self._postprocess_params | postprocess
        own = {"batch_size": batch_size, "num_workers": num_workers, **given}
        options = replace(
            self.reader.options, **{name: own[name] for name in READ_OPTIONS & own.keys() if own[name] is not None}
        )
        self.reader.check(options)
        self.reader.check_sets(shown.get("sets"))

        def stream(photos: Iterable[Any], given_boxes: Iterable[Any] | None, at_once: bool) -> Iterator[Any]:
            for faces in self.reader.stream(photos, given_boxes, options, at_once):
                yield None if faces is None else self.postprocess(faces, options.relevance_map, **shown)

        return answer_all(inputs, boxes, stream)

    def read(self, photos: Iterable[Any], **options: Any) -> Iterator[Faces]:
        """The faces of photos as `FaceReader` gives them, while they come; `options` are fields of `ReadOptions`."""
        return self.reader.read(photos, **options)

    def preprocess(self, photo: FaceImage, boxes: Iterable[Any] | None = None, detect: bool = True) -> CutPhoto:
        """Opens a photo, finds its faces and cuts them out."""
        return self.reader.cut(photo, None if boxes is None else list(boxes), detect)

    def _forward(self, model_inputs: dict[str, torch.Tensor], prior_strength: float | None = None) -> ModelOutput:
        pixel_values = model_inputs["pixel_values"].to(self.model.dtype)
        return self.model(pixel_values=pixel_values, prior_strength=prior_strength)

    def postprocess(
        self, faces: Faces, relevance_map: bool = True, top_k: int | None = None, sets: float | None = None
    ) -> list[dict[str, Any]]:
        """The faces of a photo as dicts, as a call gives them."""
        answers = [face.to_answer(top_k, sets) for face in faces]
        if not relevance_map:
            for answer in answers:
                del answer["relevance_map"]
        return answers


__all__ = ["FacialExpressionPipeline"]
