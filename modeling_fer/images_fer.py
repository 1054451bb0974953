"""Opens anything that shows a picture."""

import io
import os
import stat
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Union, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .fetching_fer import fetch, read_limited
from .names_fer import HEIF_SUFFIXES, VIDEO_SUFFIXES, forbidden, is_address, shortened, suffix_of

if TYPE_CHECKING:
    import torch

FaceImage = Union[str, Path, bytes, BinaryIO, Mapping[str, Any], Image.Image, np.ndarray, "torch.Tensor"]  # noqa: UP007
"""What `open_image` takes. Tensors are known where torch is installed."""

HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
"""What HEIC files say of themselves in their bytes 8 to 11, after `ftyp`."""

ANIMATIONS = ("AVIF", "GIF", "PNG", "WEBP")
"""Formats whose pictures are shown one after the other where a file holds several, as Pillow calls them."""

BROKEN_FILE_ERRORS = (
    OSError, SyntaxError, ValueError, RuntimeError, EOFError, IndexError, TypeError, struct.error,
)  # fmt: skip
"""What Pillow's decoders raise for broken files, and what its readers of their headers and EXIF fields do."""

MAX_PIXELS = 150_000_000
"""Images of more pixels are refused before they are decoded."""


def is_tensor(image: object) -> bool:
    """Whether something is a tensor of torch, which need not be installed."""
    return hasattr(image, "detach") and hasattr(image, "ndim")


def open_image(image: FaceImage, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Opens anything that shows a picture as an upright 8-bit PIL image.

    Args:
        image: a path or http(s) address; the bytes of a file, or a file opened for them; a dict with `bytes` or `path`, as data
            sets have images that are not decoded; a PIL image of any mode; or an array or tensor of the shape (height, width),
            (height, width, channels) or (channels, height, width) with 1, 3 or 4 channels, uint8, uint16 or float in [0, 1].
        max_pixels: files of more pixels are refused before they are decoded.

    Returns:
        A PIL image of mode L or RGB, turned as its EXIF orientation says. Transparent parts, and a colour that the file calls
        transparent, lie on white. Of an animation it is the first picture.

    Raises:
        FileNotFoundError, PermissionError: the file is missing or may not be read.
        ValueError: the input is no image, a broken or too large one, or an array of another shape, type or range. Each
            sentence names the input.
    """
    return _open(image, max_pixels)[0]


def open_reduced(image: FaceImage, enough: int | None) -> tuple[Image.Image, float]:
    """Opens a picture like `open_image`, but JPEG files that are larger than needed at a half, a quarter or an eighth of their width
    and height, which takes a fraction of the time.

    Args:
        image: as for `open_image`.
        enough: the longest side in pixels that is needed; everything where it is None.

    Returns:
        The picture, whose longest side is `enough` at least, or the file's own; and how many pixels of the file one of its is wide.

    Raises:
        FileNotFoundError, PermissionError, ValueError: as `open_image`.
    """
    return _open(image, MAX_PIXELS, enough)


def _open(image: FaceImage, max_pixels: int, enough: int | None = None) -> tuple[Image.Image, float]:
    if isinstance(image, (str, Path)):
        return _open_file(image, max_pixels, enough)
    if isinstance(image, Image.Image):
        # Pillow decodes a file only when its pixels are needed, and finds only then that it is broken.
        return _upright(image, str(getattr(image, "filename", "") or "The image")), 1.0
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _open_bytes(bytes(image), f"The image of {len(image):,} bytes", max_pixels, enough)
    if isinstance(image, Mapping) and (image.get("bytes") or image.get("path")):
        return _open(image.get("bytes") or image["path"], max_pixels, enough)
    if hasattr(image, "read"):
        name = str(getattr(image, "name", None) or "The open file")
        return _open_bytes(_read_open(image, name), name, max_pixels, enough)
    if is_tensor(image):
        image = _tensor_to_array(cast("torch.Tensor", image))
    if isinstance(image, np.ndarray):
        return Image.fromarray(_array_to_8_bit(image)), 1.0
    raise ValueError(
        "An image is a path, an address, bytes, an open file, a PIL image, an array or a tensor, but here it is of type "
        f"{type(image).__name__}."
    )


def _tensor_to_array(image: "torch.Tensor") -> np.ndarray:
    tensor = image.detach().cpu()
    # numpy has no bfloat16.
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def _open_file(source: str | Path, max_pixels: int, enough: int | None) -> tuple[Image.Image, float]:
    name = str(source)
    if suffix_of(source) in VIDEO_SUFFIXES and not name.startswith("data:"):
        raise ValueError(
            f"{name} is a video; read it by modeling_fer.inference.video.analyse_video(fer, path), or by fer predict."
        )
    if is_address(source):
        return _open_bytes(fetch(name), name, max_pixels, enough)
    if name.startswith("data:image/"):
        return _open_bytes(_decode_data_address(name), name[:40], max_pixels, enough)
    if not name:
        raise ValueError("The name of a photo is empty; give the path of one.")
    state = _look_up(source)
    if stat.S_ISDIR(state.st_mode):
        raise ValueError(f"{name} is a folder; give the image files in it.")
    if not stat.S_ISREG(state.st_mode):
        # All its pixels at once, as it can be read only once.
        return _open_bytes(_read_pipe(source), name, max_pixels, None)
    if state.st_size == 0:
        raise ValueError(f"{name} is empty.")
    return _decode(Path(source), name, max_pixels, enough)


def _look_up(source: str | Path) -> os.stat_result:
    """What the system says of a file or folder."""
    try:
        return os.stat(source)
    except PermissionError:
        raise PermissionError(forbidden(source)) from None
    except (OSError, ValueError):
        # No file has a name that is too long, or that a NUL is in.
        raise FileNotFoundError(f"{shortened(source)} does not exist.") from None


def _read_pipe(source: str | Path) -> bytes:
    """What comes out of a pipe or a device. Its size is not known before."""
    try:
        with open(source, "rb") as opened:
            return read_limited(opened, str(source))
    except OSError as error:
        raise type(error)(f"{source} cannot be read ({error.strerror}).") from None


def _read_open(opened: Any, name: str) -> bytes:
    """What a file gives that the user has opened."""
    try:
        content = opened.read()
    except UnicodeDecodeError:
        # The bytes of a photo are seldom letters.
        content = ""
    if not isinstance(content, bytes):
        raise ValueError(f"{name} gives text, not bytes; open it in the mode 'rb'.")
    return content


def _open_bytes(content: bytes, name: str, max_pixels: int, enough: int | None) -> tuple[Image.Image, float]:
    if not content:
        raise ValueError(f"{name} is empty.")
    return _decode(io.BytesIO(content), name, max_pixels, enough)


def _decode_data_address(name: str) -> bytes:
    import base64

    try:
        return base64.b64decode(name.partition(",")[2])
    except ValueError:
        raise ValueError(f"{name[:40]}... holds no image in base64.") from None


def _decode(source: Path | io.BytesIO, name: str, max_pixels: int, enough: int | None) -> tuple[Image.Image, float]:
    """An encoded picture, upright, 8-bit, and how many pixels of the file one of its is wide."""
    try:
        with warnings.catch_warnings():
            # Our own limit below takes the place of Pillow's warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = _identify(source, name)
    except Image.DecompressionBombError:
        raise ValueError(f"{name} says that it has over {max_pixels:,} pixels; make it smaller.") from None
    except UnidentifiedImageError:
        raise ValueError(f"{name} is not an image that can be read.") from None
    except PermissionError:
        raise PermissionError(f"{name} may not be read; check its permissions.") from None
    except BROKEN_FILE_ERRORS as error:
        raise ValueError(_about(error, name)) from None
    with opened:
        if opened.width * opened.height > max_pixels:
            raise ValueError(f"{name} has {opened.width}x{opened.height} pixels, over {max_pixels:,}; make it smaller.")
        if opened.format == "TIFF" and isinstance(source, Path):
            # Pillow maps such files into memory, and then does not turn all of them upright.
            return _decode(io.BytesIO(source.read_bytes()), name, max_pixels, enough)
        longest = max(opened.size)
        if enough is not None and longest > enough:
            # Only JPEG files can be decoded at less; the others are left as they are.
            width, height = (max(1, side * enough // longest) for side in opened.size)
            opened.draft(None, (width, height))
        factor = longest / max(opened.size)
        return _upright(opened, name), factor


def _upright(image: Image.Image, name: str) -> Image.Image:
    """A picture turned as its EXIF orientation says, 8-bit: a copy that knows no file."""
    try:
        return to_8_bit(ImageOps.exif_transpose(image))
    except BROKEN_FILE_ERRORS as error:
        raise ValueError(_about(error, name)) from None


def _about(error: Exception, name: str) -> str:
    """A sentence that names the file once."""
    text = str(error).rstrip(".") or type(error).__name__
    if text.startswith("The image ") and not text.startswith(name):
        text = text.replace("The image", name, 1)
    return f"{text}." if text.startswith(name) else f"{name} is broken: {text}."


def _identify(source: Path | io.BytesIO, name: str) -> Image.Image:
    """Opens a picture; the decoder of HEIC files is looked for where no other knows the file."""
    try:
        return Image.open(source)
    except UnidentifiedImageError:
        if register_heif():
            return Image.open(source)
        if suffix_of(name) in HEIF_SUFFIXES or is_heif(source):
            raise ValueError(f"{name} is a HEIC photo, which needs pillow-heif; run: pip install pillow-heif.") from None
        raise


def is_heif(source: Path | io.BytesIO) -> bool:
    """Whether a file says in its first bytes that it is a HEIC photo."""
    with open(source, "rb") if isinstance(source, Path) else io.BytesIO(source.getvalue()) as opened:
        start = opened.read(12)
    return start[4:8] == b"ftyp" and start[8:] in HEIF_BRANDS


def register_heif() -> bool:
    """Lets Pillow read HEIC files; False where pillow-heif is not installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def count_pictures(path: str | os.PathLike[str]) -> int:
    """How many pictures an image file holds: more than 1 for an animation or a file of several pages. What a camera writes beside
    its photo, as a second view or a map of its lights, does not count."""
    # What comes out of a pipe is gone when it is read.
    if not os.path.isfile(path):
        return 1
    try:
        with Image.open(path) as image:
            return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    except BROKEN_FILE_ERRORS:
        return 1


def about_pictures(path: str | os.PathLike[str], count: int) -> str:
    """What is said, after its name, of an image file that holds several pictures."""
    try:
        with Image.open(path) as image:
            animated = image.format in ANIMATIONS
    except BROKEN_FILE_ERRORS:
        # The decoder of HEIC files may be known only to the process that read the file.
        animated = False
    said = f"is an animation; the first of its {count} pictures" if animated else f"holds {count} pictures; the first"
    return f"{said} is read."


def to_8_bit(image: Image.Image) -> Image.Image:
    """A PIL image of any mode as one of mode L or RGB, transparent parts on white."""
    image.load()
    if image.mode in ("L", "RGB") and not image.has_transparency_data:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        return Image.fromarray(_array_to_8_bit(values if image.mode == "F" else values.clip(0, 65535).astype(np.uint16)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("L" if image.mode == "1" else "RGB")


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
        return np.asarray(to_8_bit(Image.fromarray(np.ascontiguousarray(array))))
    return np.ascontiguousarray(array)
