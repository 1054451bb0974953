"""From any image of a face to `pixel_values`, and from logits to ranked expressions."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from transformers.image_processing_backends import PilBackend
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import PILImageResampling, SizeDict, load_image
from transformers.processing_utils import ImagesKwargs, Unpack
from transformers.utils import ModelOutput

FaceImage = str | Path | Image.Image | np.ndarray | torch.Tensor

BROKEN_FILE_ERRORS = (OSError, SyntaxError, ValueError, RuntimeError)
"""What Pillow's decoders raise for broken files."""

MAX_PIXELS = 150_000_000
"""Images of more pixels are refused before they are decoded."""


def open_image(image: FaceImage, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Opens anything that shows a picture as an upright 8-bit PIL image.

    Args:
        image: a path or URL; a PIL image of any mode; or an array or tensor of the shape (height, width), (height, width,
            channels) or (channels, height, width) with 1, 3 or 4 channels, uint8, uint16 or float in [0, 1].
        max_pixels: files of more pixels are refused before they are decoded.

    Returns:
        A PIL image of mode L or RGB, turned as its EXIF orientation says. Transparent parts lie on white.

    Raises:
        FileNotFoundError, PermissionError: the file is missing or may not be read.
        ValueError: the input is no image, a broken or too large one, or an array of another shape, type or range. Each
            sentence names the input.
    """
    if isinstance(image, (str, Path)):
        return _open_file(image, max_pixels)
    if isinstance(image, Image.Image):
        return _to_8_bit(ImageOps.exif_transpose(image))
    if isinstance(image, torch.Tensor):
        image = (image.detach().float() if image.dtype == torch.bfloat16 else image.detach()).cpu().numpy()
    if isinstance(image, np.ndarray):
        return Image.fromarray(_array_to_8_bit(image))
    raise ValueError(f"An image is a path, a PIL image, an array or a tensor, but here it is a {type(image).__name__}.")


def _open_file(source: str | Path, max_pixels: int) -> Image.Image:
    name = str(source)
    if name.startswith(("http://", "https://", "data:image/")):
        return _to_8_bit(load_image(name))
    path = Path(source)
    if path.is_dir():
        raise ValueError(f"{name} is a folder; give the image files in it.")
    if not path.exists():
        raise FileNotFoundError(f"{name} does not exist.")
    if path.stat().st_size == 0:
        raise ValueError(f"{name} is empty.")
    try:
        with warnings.catch_warnings():
            # Our own limit below takes the place of Pillow's warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(path)
    except Image.DecompressionBombError:
        raise ValueError(f"{name} says that it has over {max_pixels:,} pixels; make it smaller.") from None
    except UnidentifiedImageError:
        raise ValueError(f"{name} is not an image that can be read.") from None
    except PermissionError:
        raise PermissionError(f"{name} may not be read; check its permissions.") from None
    except BROKEN_FILE_ERRORS as error:
        raise ValueError(f"{name} is broken: {error}.") from None
    with opened:
        if opened.width * opened.height > max_pixels:
            raise ValueError(f"{name} has {opened.width}x{opened.height} pixels, over {max_pixels:,}; make it smaller.")
        try:
            return _to_8_bit(ImageOps.exif_transpose(opened))
        except BROKEN_FILE_ERRORS as error:
            raise ValueError(f"{name} is broken: {error}.") from None


def _to_8_bit(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB"):
        image.load()
        return image
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        return Image.fromarray(_array_to_8_bit(values if image.mode == "F" else values.clip(0, 65535).astype(np.uint16)))
    if image.mode == "1":
        return image.convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _array_to_8_bit(array: np.ndarray) -> np.ndarray:
    """(height, width) or (height, width, 3), uint8."""
    shape = array.shape
    if array.ndim == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4):
        array = np.moveaxis(array, 0, -1)
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))) or 0 in shape:
        raise ValueError(
            f"The image has the shape {shape}, but must be (height, width), (height, width, channels) or (channels, "
            "height, width) with 1, 3 or 4 channels."
        )
    if array.dtype == np.uint16:
        array = (array // 257).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise ValueError("The image has values that are not finite (NaN or infinite); replace them first.")
        if array.min() < 0 or array.max() > 1:
            raise ValueError(
                f"The image is {array.dtype} with values from {array.min():g} to {array.max():g}, but floats must lie in "
                "[0, 1]; divide by 255, or give uint8."
            )
        array = (array * 255).round().astype(np.uint8)
    elif array.dtype != np.uint8:
        raise ValueError(f"The image is {array.dtype}, but must be uint8, uint16 or float in [0, 1].")
    if array.ndim == 3 and array.shape[2] == 1:
        return array[:, :, 0]
    if array.ndim == 3 and array.shape[2] == 4:
        return np.asarray(_to_8_bit(Image.fromarray(np.ascontiguousarray(array))))
    return np.ascontiguousarray(array)


def stretch_contrast(images: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Stretches each channel between two of its percentiles to [0, 1] and clips it there (eq. 9).

    Args:
        images: (batch, channels, height, width), float in [0, 1].
        low, high: (batch, channels), percentiles in [0, 100], p_L and p_H of eq. 9.

    Returns:
        (batch, channels, height, width), float in [0, 1]. A channel with one value between its percentiles is left as it is.
    """
    ordered = images.flatten(2).sort(dim=2).values
    last = ordered.shape[2] - 1
    bottom = ordered.gather(2, (low.to(images) / 100 * last).round().long().unsqueeze(2)).unsqueeze(3)
    top = ordered.gather(2, (high.to(images) / 100 * last).round().long().unsqueeze(2)).unsqueeze(3)
    flat = top <= bottom
    stretched = ((images - bottom) / (top - bottom).masked_fill(flat, 1)).clamp(0, 1)
    return torch.where(flat, images, stretched)


class FerImagesKwargs(ImagesKwargs, total=False):  # type: ignore[call-arg]
    """What `FerImageProcessor` takes beside the arguments that every image processor has."""

    num_channels: int
    contrast_percentiles: list[float] | tuple[float, float] | None


class FerImageProcessor(PilBackend):
    r"""
    Makes `pixel_values` from images of faces: upright, grayscale or RGB, resized, in [0, 1], contrast-stretched where the
    checkpoint was trained so, normalized.

    Args:
        size (`dict`, defaults to `{"height": 120, "width": 120}`):
            Size of the crops in pixels.
        num_channels (`int`, defaults to 3):
            1 for grayscale or 3 for RGB.
        contrast_percentiles (`list[float]`, *optional*):
            Two percentiles in [0, 100]; each channel is stretched between them (eq. 9).
        image_mean (`list[float]`, defaults to `[0.5]`), image_std (`list[float]`, defaults to `[0.5]`):
            Mean and standard deviation that the pixels are normalized by, one number for all channels or one for each.

    Example:

    ```python
    >>> processor = FerImageProcessor(size={"height": 48, "width": 48}, num_channels=1)
    >>> processor("face.jpg", return_tensors="pt").pixel_values.shape
    torch.Size([1, 1, 48, 48])
    ```
    """

    _auto_class = "AutoImageProcessor"  # saves this file, and its name, with the settings
    valid_kwargs = FerImagesKwargs
    model_input_names = ["pixel_values"]
    resample = PILImageResampling.BILINEAR
    size = {"height": 120, "width": 120}
    do_resize = True
    do_rescale = True
    do_normalize = True
    image_mean = [0.5]
    image_std = [0.5]
    num_channels = 3
    contrast_percentiles = None

    def __init__(self, **kwargs: Unpack[FerImagesKwargs]):
        super().__init__(**kwargs)

    def _prepare_images_structure(self, images: Any, expected_ndims: int = 3) -> list[Image.Image]:
        if isinstance(images, (np.ndarray, torch.Tensor)) and images.ndim == 4:
            images = list(images)
        return [open_image(image) for image in (images if isinstance(images, (list, tuple)) else [images])]

    def process_image(self, image: Image.Image, num_channels: int | None = None, **kwargs) -> Image.Image:
        """One upright image to the configured number of channels."""
        return image.convert("L" if (num_channels or self.num_channels) == 1 else "RGB")

    def resize_pixels(self, image: FaceImage) -> np.ndarray:
        """The pixels of one image at the configured size and channels, before they are scaled and normalized.

        Args:
            image: whatever `open_image` takes.

        Returns:
            (num_channels, height, width), uint8.
        """
        return self._resized(self.process_image(open_image(image)), self.size, self.resample)

    def _resized(self, image: Image.Image, size: SizeDict, resample: PILImageResampling | None) -> np.ndarray:
        resized = image.resize((size["width"], size["height"]), resample)
        return np.atleast_3d(np.asarray(resized)).transpose(2, 0, 1)

    def _preprocess(
        self,
        images: list[Image.Image],
        size: SizeDict,
        resample: PILImageResampling | None,
        image_mean: list[float],
        image_std: list[float],
        contrast_percentiles: list[float] | None = None,
        return_tensors: str | None = None,
        **kwargs,
    ) -> BatchFeature:
        pixels = np.stack([self._resized(image, size, resample) for image in images]) if images else np.empty((0,))
        values = normalize_pixels(torch.from_numpy(pixels), image_mean, image_std, contrast_percentiles)
        return BatchFeature({"pixel_values": list(values.numpy())}, tensor_type=return_tensors)

    def post_process(
        self, outputs: ModelOutput, id2label: dict[int, str], top_k: int | None = None
    ) -> list[list[dict[str, Any]]]:
        """Ranks the expressions of each face.

        Args:
            outputs: of `FerForImageClassification`; `logits` has the shape (batch, classes).
            id2label: names of the classes, as in the model's configuration.
            top_k: how many expressions to keep; all of them where it is None.

        Returns:
            For each face a list of `{"label": str, "score": float}`, the likeliest first; the scores of all classes sum to 1.
        """
        logits = outputs.logits.float()
        if logits.shape[1] != len(id2label):
            raise ValueError(f"The model has {logits.shape[1]} classes, but id2label names {len(id2label)}.")
        scores, classes = logits.softmax(dim=1).sort(dim=1, descending=True)
        return [
            [{"label": id2label[c], "score": s} for s, c in list(zip(*face, strict=True))[:top_k]]
            for face in zip(scores.tolist(), classes.tolist(), strict=True)
        ]


def normalize_pixels(
    pixels: torch.Tensor,
    mean: float | list[float],
    std: float | list[float],
    contrast_percentiles: list[float] | tuple[float, float] | None = None,
) -> torch.Tensor:
    """From pixels to what the network takes.

    Args:
        pixels: (batch, channels, height, width), uint8, or float in [0, 1].
        mean, std: one number for all channels or one for each.
        contrast_percentiles: low and high percentile in [0, 100] to stretch each channel between (eq. 9), or None.

    Returns:
        (batch, channels, height, width), float32.
    """
    images = pixels if pixels.is_floating_point() else pixels.float() / 255
    if contrast_percentiles is not None:
        low, high = (torch.full(images.shape[:2], float(percentile)) for percentile in contrast_percentiles)
        images = stretch_contrast(images, low, high)
    shift, scale = (torch.as_tensor(value, device=images.device, dtype=torch.float32).view(-1, 1, 1) for value in (mean, std))
    return (images - shift) / scale


__all__ = ["FerImageProcessor"]
