"""The pictures that every package is shown, made from one photo in the public domain."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

PHOTO = Path(__file__).parents[2] / "space" / "examples" / "astronaut.jpg"
FACE = (170, 50, 280, 180)
CORNERS = ((150, 100), (2300, 60), (600, 1600), (2500, 1500))
LARGE, SIDE = (4000, 3000), 1300
FRAME = (640, 480)
VIDEO_FRAMES = 100


@dataclass(frozen=True)
class Pictures:
    """Files in a folder.

    Attributes:
        photo: 512x512 pixels, one face.
        crop: the face of it.
        large: 4000x3000 pixels, four faces.
        frame: 640x480 pixels, one face.
        video: `VIDEO_FRAMES` of that size, in which the face moves; there where PyAV is installed.
    """

    photo: Path
    crop: Path
    large: Path
    frame: Path
    video: Path


def name_pictures(folder: Path) -> Pictures:
    """Where the pictures lie."""
    return Pictures(*(folder / name for name in ("photo.jpg", "crop.png", "large.jpg", "frame.jpg", "video.mp4")))


def make_pictures(folder: Path) -> Pictures:
    """Writes the pictures."""
    pictures = name_pictures(folder)
    photo = Image.open(PHOTO).convert("RGB")
    photo.save(pictures.photo, quality=92)
    photo.crop(FACE).save(pictures.crop)
    large = Image.new("RGB", LARGE, "gray")
    for corner in CORNERS:
        large.paste(photo.resize((SIDE, SIDE), Image.Resampling.BICUBIC), corner)
    large.save(pictures.large, quality=92)
    draw_frame(photo, 0).save(pictures.frame, quality=92)
    write_video(photo, pictures.video)
    return pictures


def draw_frame(photo: Image.Image, number: int) -> Image.Image:
    """A frame of the video: the photo, moved to the right from frame to frame."""
    frame = Image.new("RGB", FRAME, "gray")
    frame.paste(photo.resize((FRAME[1], FRAME[1])), (number, 0))
    return frame


def write_video(photo: Image.Image, path: Path) -> None:
    """Writes the video, where that can be done."""
    try:
        import av
    except ImportError:
        return
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *FRAME, "yuv420p"
        for number in range(VIDEO_FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_image(draw_frame(photo, number))))
        container.mux(stream.encode())
