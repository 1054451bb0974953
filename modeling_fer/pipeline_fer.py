"""Photo to faces, expressions and relevance maps in one call."""

import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import Pipeline
from transformers.utils import ModelOutput

from .faces_fer import Face, FaceCropper, FaceDetector, MtcnnDetector
from .image_processing_fer import FaceImage, open_image

Box = Sequence[float]


@dataclass
class PhotoFaces:
    """A photo on its way through the pipeline: its faces and what the network is to see of them."""

    faces: list[Face]
    squares: list[tuple[np.ndarray, float, float]]
    pixel_values: torch.Tensor


class FacialExpressionPipeline(Pipeline):
    """
    Finds the faces of a photo, names their expressions, and shows where on the face each was read.

    Example:

    ```python
    >>> from transformers import pipeline

    >>> fer = pipeline("facial-expression-recognition", model="path/or/repository", trust_remote_code=True)
    >>> fer("party.jpg")
    [{'box': {'xmin': 172, 'ymin': 63, 'xmax': 275, 'ymax': 198}, 'score': 0.999,
      'expressions': [{'label': 'happiness', 'score': 0.97}, ...], 'relevance_map': <PIL.Image.Image mode=L size=48x48>,
      'crop': {'x': 223.1, 'y': 128.6, 'size': 128.2, 'angle': 1.9}}]
    ```

    Args:
        detector (`FaceDetector`, *optional*):
            Finds the faces; `MtcnnDetector`, made when it is first needed, unless another is given.
    """

    _load_processor = False
    _load_image_processor = True
    _load_feature_extractor = False
    _load_video_processor = False
    _load_tokenizer = False

    def __init__(self, *args, detector: FaceDetector | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self._detector = detector
        self.cropper = FaceCropper.from_config(self.model.config)
        # The order of values in memory that convolutions are fastest with on a processor.
        self.model.to(memory_format=torch.channels_last)

    @property
    def detector(self) -> FaceDetector:
        """What finds the faces."""
        if self._detector is None:
            self._detector = MtcnnDetector(self.device)
        return self._detector

    def _sanitize_parameters(self, top_k: int | None = None, detect: bool | None = None, **kwargs):
        if kwargs:
            raise TypeError(
                f"The pipeline has no argument {next(iter(kwargs))!r}; it takes boxes, detect, top_k and batch_size."
            )
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k is {top_k}, but at least 1 expression must be kept.")
        preprocess = {} if detect is None else {"detect": detect}
        postprocess = {} if top_k is None else {"top_k": top_k}
        return preprocess, {}, postprocess

    def __call__(
        self,
        inputs: FaceImage | Iterable[FaceImage],
        *,
        boxes: Sequence[Any] | None = None,
        batch_size: int | None = None,
        **kwargs,
    ) -> Any:
        """
        Args:
            inputs: a photo (a path, a URL, a PIL image, an array or a tensor; see `open_image`), or a list or generator of photos.
            boxes: faces to look at instead of searching for them: for one photo a list of (left, top, right, bottom) in its
                pixels, for several photos a list of such lists. An empty list means no face.
            batch_size (`int`, *optional*, defaults to 32): faces, also of several photos, that go through the network at once.
            detect (`bool`, *optional*, defaults to `True`): False where each photo is the crop of a face already.
            top_k (`int`, *optional*): how many expressions to keep for each face; all where it is not given.

        Returns:
            For one photo a list of its faces, largest first, empty where there is none; for a list of photos a list of such lists;
            for a generator an iterator over them. A face is a dict of

            - `box`: `xmin`, `ymin`, `xmax`, `ymax` in pixels of the upright photo, integers;
            - `score`: how sure the detector is, in [0, 1];
            - `expressions`: `label` and `score` of each, the likeliest first; the scores of all classes sum to 1;
            - `relevance_map`: what the expression was read by, an 8-bit image over the crop (255 at its peak, 0 where it is zero or
              less), None for a baseline CNN;
            - `crop`: where the crop lies in the photo: centre `x`, `y` and `size` in pixels, `angle` in degrees, clockwise.
        """
        batch_size = batch_size or self._batch_size or 32
        preprocess, _, postprocess = self._sanitize_parameters(**kwargs)
        preprocess, postprocess = self._preprocess_params | preprocess, self._postprocess_params | postprocess
        if isinstance(inputs, (list, tuple, types.GeneratorType)):
            results = self._stream(inputs, boxes, batch_size, preprocess, postprocess)
            return results if isinstance(inputs, types.GeneratorType) else list(results)
        photo: Any = inputs
        return next(self._stream([photo], None if boxes is None else [boxes], batch_size, preprocess, postprocess))

    def _stream(
        self,
        photos: Iterable[FaceImage],
        boxes: Sequence[Any] | None,
        batch_size: int,
        preprocess: dict[str, Any],
        postprocess: dict[str, Any],
    ) -> Iterator[list[dict[str, Any]]]:
        """Collects faces over photos until a batch is full; a photo's result comes when the last of its faces is read."""
        waiting: list[PhotoFaces] = []
        for index, photo in enumerate(photos):
            waiting.append(self.preprocess(photo, boxes=None if boxes is None else boxes[index], **preprocess))
            if sum(len(item.faces) for item in waiting) >= batch_size:
                yield from self._finish(waiting, batch_size, postprocess)
                waiting = []
        yield from self._finish(waiting, batch_size, postprocess)

    def _finish(self, items: list[PhotoFaces], batch_size: int, postprocess: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        """Runs the network over the faces of some photos and gives each photo its own."""
        found = [item.pixel_values for item in items if item.faces]
        outputs = [self.forward({"pixel_values": batch}) for batch in torch.cat(found).split(batch_size)] if found else []
        logits = torch.cat([output.logits for output in outputs]) if outputs else torch.empty(0)
        has_map = bool(outputs) and outputs[0].relevance_map is not None
        maps = torch.cat([output.relevance_map for output in outputs]) if has_map else None
        start = 0
        for item in items:
            rows = slice(start, start + len(item.faces))
            start = rows.stop
            yield self.postprocess(item, logits[rows], maps[rows] if maps is not None else None, **postprocess)

    def preprocess(self, photo: FaceImage, boxes: Sequence[Box] | None = None, detect: bool = True) -> PhotoFaces:
        """Opens a photo, finds its faces and cuts them out."""
        image = open_image(photo)
        if boxes is not None:
            faces = [Face(check_box(box)) for box in boxes]
        elif detect:
            faces = self.detector(image)
        else:
            faces = [Face((0.0, 0.0, float(image.width), float(image.height)))]
        if detect or boxes is not None:
            squares = [self.cropper.square(face) for face in faces]
            crops = [self.cropper(image, face) for face in faces]
        else:
            squares = [(np.array(image.size) / 2, float(max(image.size)), 0.0)]
            crops = [image]
        pixel_values = self.image_processor(crops, return_tensors="pt").pixel_values if crops else torch.empty(0)
        return PhotoFaces(faces, squares, pixel_values)

    def _forward(self, model_inputs: dict[str, torch.Tensor]) -> ModelOutput:
        return self.model(**model_inputs)

    def postprocess(
        self, item: PhotoFaces, logits: torch.Tensor, maps: torch.Tensor | None, top_k: int | None = None
    ) -> list[dict[str, Any]]:
        """Puts what the network says of each face beside where the face is."""
        if not item.faces:
            return []
        ranked = self.image_processor.post_process(ModelOutput(logits=logits), self.model.config.id2label, top_k)
        results = []
        for index, (face, (centre, side, angle)) in enumerate(zip(item.faces, item.squares, strict=True)):
            xmin, ymin, xmax, ymax = (round(edge) for edge in face.box)
            results.append(
                {
                    "box": {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax},
                    "score": face.score,
                    "expressions": ranked[index],
                    "relevance_map": None if maps is None else relevance_image(maps[index]),
                    "crop": {"x": float(centre[0]), "y": float(centre[1]), "size": side, "angle": float(np.degrees(angle))},
                }
            )
        return results


def check_box(box: Box) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) as floats; a sentence where it is none."""
    try:
        left, top, right, bottom = (float(edge) for edge in box)
    except (TypeError, ValueError):
        raise ValueError(f"A box is (left, top, right, bottom) in pixels, but here it is {box!r}.") from None
    if not (np.isfinite([left, top, right, bottom]).all() and left < right and top < bottom):
        raise ValueError(f"The box {box!r} is empty; it must have left < right and top < bottom.")
    return left, top, right, bottom


def relevance_image(relevance_map: torch.Tensor) -> Image.Image:
    """A relevance map as a picture.

    Args:
        relevance_map: (1, height, width), float.

    Returns:
        An image of mode L: 0 where the map is zero or less, 255 at its peak.
    """
    positive = relevance_map[0].float().clamp(min=0)
    scaled = positive / positive.max().clamp(min=1e-6) * 255
    return Image.fromarray(scaled.round().to(torch.uint8).cpu().numpy())


__all__ = ["FacialExpressionPipeline"]
