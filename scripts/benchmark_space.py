"""Measures the page of the Space in a browser, as a user sees it, and takes its pictures.

    python space/app.py                                                        in one terminal
    python scripts/benchmark_space.py --output results/page.json               in another
    python scripts/benchmark_space.py --pictures docs

Needs Chromium (apt-get install chromium). Let nothing else run meanwhile.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from benchmark import processor
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from modeling_fer.data.json_files import write_json

EXAMPLE = Path(__file__).parents[1] / "space" / "examples" / "astronaut.jpg"
DESKTOP, PHONE = (1280, 1000), (390, 844)
COUNT_FRAMES = """() => {
    window.frames_shown = 0;
    let last = '';
    const look = () => {
        const image = document.querySelector('#live img');
        if (image && image.src !== last) { last = image.src; window.frames_shown += 1 }
        requestAnimationFrame(look);
    };
    look();
}"""


def write_moving(path: Path, count: int, rate: int, codec: str, pixels: str) -> Path:
    """Writes a video of 640x480 of the example, moving, so that each frame differs from the one before.

    Args:
        path: file to write; its suffix names the container.
        count: frames.
        rate: frames a second.
        codec, pixels: names of FFmpeg.
    """
    photo = Image.open(EXAMPLE).convert("RGB").resize((480, 480))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 640, 480, pixels
        for number in range(count):
            frame = Image.new("RGB", (640, 480), "gray")
            frame.paste(photo, (40 + 2 * (number % 40), 0))
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
    return path


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Chromium with a camera that shows the example.

    Args:
        folder: where the camera's video is written.

    Raises:
        FileNotFoundError: no Chromium is installed.
    """
    chromium = find_chromium()
    if chromium is None:
        raise FileNotFoundError("No Chromium is installed; install it (apt-get install chromium).")
    camera = write_moving(folder / "camera.mjpeg", 40, 20, "mjpeg", "yuvj420p")
    fakes = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *fakes])
        try:
            yield browser
        finally:
            browser.close()


def find_chromium() -> str | None:
    """Where the browser lies."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def open_page(browser: Browser, address: str, size: tuple[int, int]) -> Page:
    """The page at a width and height in pixels."""
    page = new_page(browser, size)
    visit(page, address)
    return page


def new_page(browser: Browser, size: tuple[int, int], **options: Any) -> Page:
    """An empty page of a width and height in pixels, which may use the camera."""
    return browser.new_page(viewport={"width": size[0], "height": size[1]}, permissions=["camera"], **options)


def visit(page: Page, address: str) -> None:
    """Loads the Space's page and waits until it can be used."""
    page.goto(address)
    page.get_by_role("tab", name="Photo").wait_for()


def first_view(page: Page, address: str) -> tuple[float, float]:
    """Loads the Space's page until a photo can be chosen: seconds, and seconds of them that the page's own process computed."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.get_by_role("button", name="All three").wait_for()
    seconds = time.perf_counter() - start
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    return seconds, metrics["ProcessTime"]


def show_photo(page: Page) -> float:
    """Uploads the example and takes it away again; seconds until the face was shown."""
    start = time.perf_counter()
    page.locator("#photo input[type=file]").set_input_files(EXAMPLE)
    page.get_by_alt_text("Face 1 as the network sees it").wait_for()
    seconds = time.perf_counter() - start
    page.get_by_label("Remove Image").click()
    page.get_by_text("Choose a photo").wait_for()
    return seconds


def start_camera(page: Page) -> None:
    """Goes to the tab Live and waits for the first frame that was read."""
    page.get_by_role("tab", name="Live").click()
    page.locator("#camera").get_by_text("Click to Access Webcam").click()
    page.locator("#camera button", has_text="Record").click()
    page.get_by_alt_text("The camera's picture: happiness").wait_for()


def count_frames(page: Page, seconds: float) -> float:
    """Frames a second that are shown of a camera that runs."""
    page.evaluate(COUNT_FRAMES)
    page.wait_for_timeout(seconds * 1000)
    shown: int = page.evaluate("window.frames_shown")
    return shown / seconds


def show_video(page: Page, video: Path) -> float:
    """Seconds from the button to the finished timeline."""
    page.get_by_role("tab", name="Video").click()
    page.locator("#video input[type=file]").set_input_files(video)
    page.locator("#video video").wait_for()
    start = time.perf_counter()
    page.get_by_role("button", name="Read the video").click()
    page.get_by_text("followed through").wait_for(timeout=120_000)
    return time.perf_counter() - start


def measure(browser: Browser, address: str, folder: Path) -> dict[str, Any]:
    """What a user waits for: seconds to the page's first view, and of them computing; from the upload of a 512x512 photo to its face,
    the first time and then; from the button to the timeline of a video of 10 s, 640x480, 25 frames a second; and frames a second of a
    camera of 640x480.
    """
    seconds, computing = first_view(page := new_page(browser, DESKTOP), address)
    times = [show_photo(page) for _ in range(8)]
    start_camera(page)
    frames = count_frames(page, 10)
    page.locator("#camera button", has_text="Stop").click()
    video = write_moving(folder / "clip.mp4", 250, 25, "libx264", "yuv420p")
    return {
        "first_view": seconds, "first_view_computing": computing, "first_photo": times[0], "photo": statistics.median(times[1:]),
        "camera_fps": frames, "video": show_video(page, video),
    }  # fmt: skip


def take_pictures(browser: Browser, address: str, folder: Path) -> None:
    """Saves the photo tab with the third of three faces, at the widths of a desk and a phone."""
    for name, size in (("space.jpg", DESKTOP), ("space_phone.jpg", PHONE)):
        page = open_page(browser, address, size)
        page.get_by_role("button", name="All three").click()
        page.get_by_role("radio", name="Face 3").check(timeout=60_000)
        page.get_by_alt_text("Face 3 as the network sees it").wait_for()
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / name, full_page=True, type="jpeg", quality=85)
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="http://127.0.0.1:7860", help="where the page is served")
    parser.add_argument("--pictures", type=Path, help="take pictures into this folder instead of measuring")
    parser.add_argument("--output", type=Path, help="JSON file for what is measured")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder, open_browser(Path(folder)) as browser:
            if arguments.pictures is None:
                measured = measure(browser, arguments.address, Path(folder))
                print(json.dumps(measured, indent=1))
                if arguments.output is not None:
                    write_json(arguments.output, measured | {"processor": processor()})
            else:
                take_pictures(browser, arguments.address, arguments.pictures)
    except FileNotFoundError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
