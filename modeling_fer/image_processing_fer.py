"""From any image of a face to `pixel_values`, and from logits to ranked expressions."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from transformers.image_processing_backends import PilBackend
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import PILImageResampling, SizeDict
from transformers.processing_utils import ImagesKwargs, Unpack
from transformers.utils import IMAGE_PROCESSOR_NAME, ModelOutput

from .detector_files_fer import PACKAGED, copy_files, find_files
from .faces_fer import DEFAULT_DETECTOR, DETECTORS, FaceDetector, make_detector
from .images_fer import FaceImage, is_tensor, open_image
from .pixels_fer import PixelSettings, normalize_pixels, to_channels, to_pixels
from .saving_fer import save_and_upload

HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")
"""What `from_pretrained` takes to find a repository's files."""


class FerImagesKwargs(ImagesKwargs, total=False):  # type: ignore[call-arg]
    """What `FerImageProcessor` takes beside the arguments that every image processor has."""

    num_channels: int
    contrast_percentiles: list[float] | tuple[float, float] | None
    face_detector: str
    face_margin: float
    face_offset: float
    face_alignment: bool


class FerImageProcessor(PilBackend):
    r"""
    Makes `pixel_values` from images of faces: upright, grayscale or RGB, resized, in [0, 1], contrast-stretched where the
    checkpoint was trained so, normalized. It also says how the pipeline finds and cuts faces, so that they look like the crops that
    the checkpoint was trained on.

    Args:
        size (`dict`, defaults to `{"height": 120, "width": 120}`):
            Size of the crops in pixels.
        num_channels (`int`, defaults to 3):
            1 for grayscale or 3 for RGB.
        contrast_percentiles (`list[float]`, *optional*):
            Two percentiles in [0, 100]; each channel is stretched between them (eq. 9).
        image_mean (`list[float]`, defaults to `[0.5]`), image_std (`list[float]`, defaults to `[0.5]`):
            Mean and standard deviation that the pixels are normalized by, one number for all channels or one for each.
        do_resize, do_rescale, do_normalize (`bool`, defaults to `True`):
            Whether images are resized to `size` (where not, they must have that size), multiplied by `rescale_factor`, normalized.
        face_detector (`str`, defaults to `"mtcnn"`):
            What finds the faces of a photo, one of `DETECTORS`.
        face_margin (`float`, defaults to 0.0), face_offset (`float`, defaults to 0.0):
            How faces are cut: the share of the detector's box that is added to it, and the share of it by which the crop's centre
            is moved down. They belong to the detector.
        face_alignment (`bool`, defaults to `True`):
            Whether the photo is turned so that the eyes are level.

    Example:

    >>> from modeling_fer import FerImageProcessor
    >>> processor = FerImageProcessor(size={"height": 48, "width": 48}, num_channels=1)
    >>> processor("astronaut.jpg", return_tensors="pt").pixel_values.shape
    torch.Size([1, 1, 48, 48])
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
    face_detector = DEFAULT_DETECTOR
    face_margin = 0.0
    face_offset = 0.0
    face_alignment = True
    detector_folder: Path | None = None

    def __init__(self, **kwargs: Unpack[FerImagesKwargs]):
        super().__init__(**kwargs)
        if self.face_detector not in DETECTORS:
            known = ", ".join(map(repr, DETECTORS))
            raise ValueError(f"face_detector is {self.face_detector!r}, but must be one of {known}.")
        if not self.face_margin > -1:
            raise ValueError(f"face_margin is {self.face_margin}, but must be greater than -1.")

    @classmethod
    def get_image_processor_dict(
        cls, pretrained_model_name_or_path: str | Path, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings of a checkpoint, and where the files of its detector lie."""
        options = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
        settings, rest = super().get_image_processor_dict(pretrained_model_name_or_path, **kwargs)
        name = rest.get("face_detector") or settings.get("face_detector", cls.face_detector)
        if name in DETECTORS and DETECTORS[name].files:
            settings["detector_folder"] = find_files(name, DETECTORS[name].files, pretrained_model_name_or_path, **options)
        return settings, rest

    def to_dict(self) -> dict[str, Any]:
        """The settings, without where files lie on this machine."""
        return {key: value for key, value in super().to_dict().items() if key != "detector_folder"}

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> Any:
        """Saves the settings, and beside them the files of the detector, for those who have not installed the package."""
        if push_to_hub:
            save_and_upload(self, save_directory, **kwargs)
            return [str(Path(save_directory) / IMAGE_PROCESSOR_NAME)]
        written = super().save_pretrained(save_directory, **kwargs)
        self.save_detector(save_directory)
        return written

    def save_detector(self, folder: str | Path) -> None:
        """Puts the files of the detector that the checkpoint names into a folder, where those who load it find them."""
        if files := DETECTORS[self.face_detector].files:
            copy_files(self.detector_folder or PACKAGED / self.face_detector, files, folder)

    def make_detector(
        self,
        device: Any = "cpu",
        min_face: float | None = None,
        search_size: int | None = None,
        threads: int | None = None,
    ) -> FaceDetector:
        """The detector that the checkpoint names; see the function `make_detector`."""
        return make_detector(self.face_detector, device, min_face, search_size, threads, self.detector_folder)

    def _validate_preprocess_kwargs(self, **kwargs: Any) -> None:
        """Refuses what this processor does not do."""
        super()._validate_preprocess_kwargs(**kwargs)
        for name in ("do_center_crop", "do_pad"):
            if kwargs.get(name):
                raise ValueError(f"{name} is True, but this image processor only resizes; crop or pad the images before.")
        if kwargs.get("do_convert_rgb") and kwargs["num_channels"] == 1:
            raise ValueError(
                "do_convert_rgb is True, but num_channels is 1, which makes grayscale images; give one of the two."
            )
        if kwargs.get("contrast_percentiles") is not None and not kwargs["do_rescale"]:
            raise ValueError("contrast_percentiles needs pixels in [0, 1]; leave do_rescale True.")

    def _prepare_images_structure(self, images: Any, expected_ndims: int = 3) -> list[Image.Image]:
        if (isinstance(images, np.ndarray) or is_tensor(images)) and images.ndim == 4:
            images = list(images)
        return [open_image(image) for image in (images if isinstance(images, (list, tuple)) else [images])]

    def process_image(self, image: Image.Image, num_channels: int | None = None, **kwargs: Any) -> Image.Image:
        """One upright image to the configured number of channels."""
        return to_channels(image, num_channels or self.num_channels)

    def resize_pixels(self, image: FaceImage) -> np.ndarray:
        """The pixels of one image at the configured size and channels, before they are scaled and normalized.

        Args:
            image: whatever `open_image` takes.

        Returns:
            (num_channels, height, width), uint8.
        """
        return self.pixel_settings().resize(open_image(image))

    def pixel_settings(self) -> PixelSettings:
        """What it does to crops, for engines that have no transformers; scaled by 1/255, as every checkpoint of this package is."""
        percentiles = self.contrast_percentiles
        return PixelSettings(
            self.size["height"],
            self.size["width"],
            self.num_channels,
            tuple(self.image_mean),
            tuple(self.image_std),
            None if percentiles is None else (percentiles[0], percentiles[1]),
            int(self.resample),
        )

    def _preprocess(
        self,
        images: list[Image.Image],
        size: SizeDict,
        resample: PILImageResampling | None,
        do_resize: bool,
        do_rescale: bool,
        rescale_factor: float,
        do_normalize: bool,
        image_mean: list[float],
        image_std: list[float],
        num_channels: int,
        contrast_percentiles: list[float] | None = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        if not images:
            empty = np.empty((0, num_channels, size["height"], size["width"]), np.float32)
            return BatchFeature({"pixel_values": [] if return_tensors is None else empty}, tensor_type=return_tensors)
        prepare = _resized if do_resize else _checked
        pixels = np.stack([prepare(image, size, resample) for image in images])
        # Divided, as training does: 1 / 255 has no exact form.
        values = pixels.astype(np.float32) / np.float32(1 / rescale_factor if do_rescale else 1)
        mean, std = (image_mean, image_std) if do_normalize else ([0.0], [1.0])
        values = normalize_pixels(values, mean, std, contrast_percentiles)
        return BatchFeature({"pixel_values": list(values)}, tensor_type=return_tensors)

    def normalize_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Crops that have the network's size already, as training keeps them -> what the network takes.

        Args:
            pixels: (n, channels, height, width), uint8 or float in [0, 1].

        Returns:
            The same shape, float32: contrast stretched, mean and deviation of the checkpoint.
        """
        return normalize_pixels(pixels, self.image_mean, self.image_std, self.contrast_percentiles)

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


def _resized(image: Image.Image, size: SizeDict, resample: PILImageResampling | None) -> np.ndarray:
    """The pixels of an image at a size: (channels, height, width), uint8."""
    return to_pixels(image.resize((size["width"], size["height"]), resample))


def _checked(image: Image.Image, size: SizeDict, resample: PILImageResampling | None) -> np.ndarray:
    """The pixels of an image that has the size already: (channels, height, width), uint8."""
    if (image.height, image.width) != (size["height"], size["width"]):
        raise ValueError(
            f"do_resize is False, but an image has {image.width}x{image.height} pixels instead of {size['width']}x{size['height']}; "
            "resize it, or leave do_resize True."
        )
    return to_pixels(image)


__all__ = ["FerImageProcessor"]
