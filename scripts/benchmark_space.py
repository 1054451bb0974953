"""Measures the page of the Space in a browser, as a user sees it, and takes its pictures.

    python space/app.py                                                        in one terminal
    python scripts/benchmark_space.py --address http://127.0.0.1:7860          in another
    python scripts/benchmark_space.py --address http://127.0.0.1:7860 --pictures docs

Needs Chromium (apt-get install chromium). Let nothing else run meanwhile.
"""

import argparse
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
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

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


def measure(browser: Browser, address: str, folder: Path) -> None:
    """Prints what a user waits for."""
    seconds, computing = first_view(page := new_page(browser, DESKTOP), address)
    print(f"page to its first view: {seconds:.2f} s, {computing:.2f} s of them computing")
    times = [show_photo(page) for _ in range(8)]
    print(f"photo of 512x512 to its face: first {times[0]:.2f} s, then {statistics.median(times[1:]):.2f} s")
    start_camera(page)
    print(f"camera of 640x480: {count_frames(page, 10):.1f} frames a second")
    page.locator("#camera button", has_text="Stop").click()
    video = write_moving(folder / "clip.mp4", 250, 25, "libx264", "yuv420p")
    print(f"video of 10 s, 25 frames a second, 640x480: {show_video(page, video):.1f} s")


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
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder, open_browser(Path(folder)) as browser:
            if arguments.pictures is None:
                measure(browser, arguments.address, Path(folder))
            else:
                take_pictures(browser, arguments.address, arguments.pictures)
    except FileNotFoundError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
