"""What the page takes. Each refusal is one sentence that names the file and says what to do."""

import re
from pathlib import Path

import av
from PIL import Image

from modeling_fer.images_fer import about_pictures, count_pictures, open_image

MEGABYTE = 1_000_000
MAX_PHOTO_MEGABYTES = 20
MAX_PHOTO_PIXELS = 50_000_000
MAX_VIDEO_MEGABYTES = 100
MAX_VIDEO_SECONDS = 60
MAX_VIDEO_PIXELS = 3840 * 2160
SHOWN_BY_BROWSERS = {"AVIF", "BMP", "GIF", "ICO", "JPEG", "MPO", "PNG", "WEBP"}
"""As Pillow calls them."""


def open_photo(path: str) -> Image.Image:
    """Opens a photo that somebody uploaded, upright, mode RGB or L.

    Raises:
        ValueError: it is no photo, broken or too large.
    """
    check_size(path, MAX_PHOTO_MEGABYTES, "make it smaller")
    try:
        return open_image(path, MAX_PHOTO_PIXELS)
    except (OSError, ValueError) as error:
        raise ValueError(explain(without_folder(error, path))) from error


def explain(sentence: str) -> str:
    """Why a photo is refused, in the page's words: with the unit that the limit has, and what photos are where there is none."""
    sentence = re.sub(f"over {MAX_PHOTO_PIXELS:,}( pixels)?", f"over {MAX_PHOTO_PIXELS // 1_000_000} megapixels", sentence)
    return f"{sentence} Photos are JPEG, PNG, WebP, HEIC or other image files." if "is not an image" in sentence else sentence


def note_animation(path: str) -> str:
    """A sentence on an image file that holds several pictures; empty for others."""
    count = count_pictures(path)
    return f"It {about_pictures(path, count)}" if count > 1 else ""


def note_unseen(path: str) -> str:
    """A sentence on an image file that browsers do not show; empty for others."""
    with Image.open(path) as image:
        form = image.format or ""
    return "" if form in SHOWN_BY_BROWSERS else f"Most browsers do not show {form} files, but it was read."


def check_video(path: str) -> float:
    """Checks a video that somebody uploaded, as far as its header tells.

    Returns:
        Its length in seconds, the longest allowed where the header does not tell.

    Raises:
        ValueError: it is no video, too large or too long.
    """
    name = Path(path).name
    check_size(path, MAX_VIDEO_MEGABYTES, "cut it or make it smaller")
    try:
        with av.open(path) as container:
            streams = container.streams.video
            size = (streams[0].width, streams[0].height) if streams else (0, 0)
            seconds = (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{name} cannot be read as a video; try an MP4 file.") from error
    if not streams:
        raise ValueError(f"{name} holds no pictures, only sound or other data; choose a video.")
    if seconds > MAX_VIDEO_SECONDS:
        raise ValueError(f"{name} lasts {seconds:.0f} seconds, but {MAX_VIDEO_SECONDS} are read at most; cut it.")
    if size[0] * size[1] > MAX_VIDEO_PIXELS:
        raise ValueError(f"{name} has {size[0]}x{size[1]} pixels, but 3840x2160 are read at most; make it smaller.")
    return seconds or MAX_VIDEO_SECONDS


def check_size(path: str, most: int, mend: str) -> None:
    """Refuses empty files and those of too many megabytes."""
    megabytes = Path(path).stat().st_size / MEGABYTE
    if megabytes == 0:
        raise ValueError(f"{Path(path).name} is empty; choose another file.")
    if megabytes > most:
        raise ValueError(f"{Path(path).name} has {megabytes:.0f} MB, but {most} MB are read at most; {mend}.")


def without_folder(error: Exception, path: str) -> str:
    """The sentence of an error, naming the file as its owner knows it: without the folder that the server keeps it in."""
    return str(error).replace(path, Path(path).name)
