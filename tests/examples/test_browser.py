"""The page that reads photos in a browser, set up as the documentation says, in a real one."""

import contextlib
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from glob import glob
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from benchmark_space import DESKTOP, PHONE, find_chromium
from helpers import ROOT, fer, write_bomb
from onnx import TensorProto, helper
from pages import read_blocks, read_commands
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from modeling_fer.faces_fer import Face, FaceCropper
from modeling_fer.inference.onnx_engine import METADATA_KEY, NetworkCard, make_onnx_reader
from modeling_fer.pixels_fer import PixelSettings
from modeling_fer.reading_fer import FaceReader

EXAMPLE = ROOT / "examples" / "browser"
PACKAGES = EXAMPLE / "node_modules"

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")

CUT = """
import { readFileSync } from "node:fs";
import { cutFace, toPixelValues } from "./read_face.js";
const [name, width, height, card, faces] = JSON.parse(readFileSync(0, "utf8"));
const photo = { data: new Uint8ClampedArray(readFileSync(name)), width, height };
console.log(JSON.stringify(faces.map((face) => Array.from(toPixelValues(cutFace(photo, face, card).data, card.pixels)))));
"""

READ = """
import { readFileSync } from "node:fs";
import { readCard } from "./read_card.js";
const read = (name) => { try { return readCard(readFileSync(name)) } catch (error) { return error.message } };
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(read)));
"""


def in_browser(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test that needs Chromium and the page's packages."""
    chromium = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed (apt-get install chromium)")
    reason = "onnxruntime-web is not installed (npm install --prefix examples/browser)"
    packages = pytest.mark.skipif(not (PACKAGES / "onnxruntime-web").is_dir(), reason=reason)
    return pytest.mark.slow(chromium(packages(test)))


def copy_example(folder: Path) -> Path:
    """The files of the example that are the repository's own."""
    return Path(shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "model")))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of the page after the commands of the documentation, in a clone that holds what they need."""
    clone = tmp_path_factory.mktemp("clone")
    page = copy_example(clone / "examples" / "browser")
    (clone / "modeling_fer").symlink_to(ROOT / "modeling_fer")
    [block] = [block for block in read_blocks(ROOT / "docs/start/web.md") if block.language == "sh"]
    with contextlib.chdir(clone):
        for words in read_commands(block.code):
            match words:
                case ["pip", *_]:
                    continue
                case ["fer", *arguments]:
                    assert fer(*arguments).returncode == 0
                case ["npm", "install", "--prefix", "examples/browser"]:
                    (page / "node_modules").symlink_to(PACKAGES)
                case ["cp", pattern, folder]:
                    for file in glob(pattern):
                        shutil.copy(file, folder)
                case _:
                    assert words == ["python", "-m", "http.server", "--bind", "127.0.0.1", "--directory", "examples/browser"]
    return page


class Files(SimpleHTTPRequestHandler):
    """What `python -m http.server` serves by, without its log."""

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, while it is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def address(site):
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def reader(site) -> FaceReader:
    return make_onnx_reader(site / "model" / "model.onnx")


@pytest.fixture(scope="module")
def opened(browser, address) -> Iterator[tuple[Page, list[str]]]:
    """The page, and a list that its errors are added to."""
    page = browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    visit(page, address)
    yield page, errors
    page.close()


@pytest.fixture
def page(opened) -> Iterator[Page]:
    """The page, which must not report an error."""
    page, errors = opened
    errors.clear()
    yield page
    assert errors == []


@pytest.fixture(scope="module")
def open_to_scripts(browser, address) -> Iterator[Page]:
    """The page without its own policy, which forbids scripts from outside, those of tests among them."""
    page = browser.new_page(bypass_csp=True)
    visit(page, address)
    yield page
    page.close()


def visit(page: Page, address: str) -> None:
    """Opens the page and waits until a photo can be chosen."""
    page.goto(address)
    expect(page.get_by_role("status")).to_have_text("Choose a photo.", timeout=60_000)
    expect(page.locator("#photo")).to_be_enabled()


def choose(page: Page, path: Path, sentence: str) -> None:
    """Chooses a photo and waits for what is said of it."""
    page.locator("#photo").set_input_files([])
    page.locator("#photo").set_input_files(path)
    expect(page.get_by_role("status")).to_have_text(sentence, timeout=60_000)


def shown_face(page: Page) -> Face:
    """Where the page says that the face lies."""
    found = json.loads(page.locator("article").get_attribute("data-face") or "")
    points = found.get("points")
    return Face(tuple(found["box"]), points=None if points is None else np.array(points))


def shown_scores(page: Page) -> dict[str, float]:
    """The probabilities of the bars."""
    bars = page.locator("article meter").all()
    return {str(bar.get_attribute("aria-label")): float(bar.get_attribute("value") or "") for bar in bars}


def largest_difference(page: Page, reader: FaceReader, photo: Image.Image) -> float:
    """How far the page's probabilities differ from the package's for the page's box."""
    pixel_values = reader.prepare([reader.cropper(photo, shown_face(page))])
    expected = dict(zip(reader.network.labels, reader.network(pixel_values).probabilities[0].tolist(), strict=True))
    found = shown_scores(page)
    assert found.keys() == expected.keys()
    return max(abs(found[label] - expected[label]) for label in expected)


@pytest.fixture
def card() -> NetworkCard:
    pixels = PixelSettings(48, 48, 1, contrast_percentiles=(2.5, 97.5))
    return NetworkCard(("neutral", "happiness"), pixels, "mtcnn", face_margin=-0.05, face_offset=-0.014)


def run_node(page: Path, script: str, given: object) -> str:
    """What a script prints that runs beside the page's files."""
    (page / "run.js").write_text(script, encoding="utf-8")
    done = subprocess.run(["node", "run.js"], input=json.dumps(given), cwd=page, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_node
def test_faces_are_cut_as_the_package_cuts_them(photo, card, tmp_path):
    page = copy_example(tmp_path / "page")
    (page / "photo.rgba").write_bytes(photo.convert("RGBA").tobytes())
    eyes = np.array([[205, 101], [247, 103], [225, 129], [202, 139], [245, 142]], float)
    tilted = eyes + np.outer(eyes[:, 0] - 225, [0, 0.4])
    faces = [
        Face((181, 61, 268, 172), points=eyes),
        Face((181.3, 61.8, 268.1, 172.4), points=tilted),
        # Smaller than what the network sees, beyond the border, and the whole photo.
        Face((205, 85, 245, 125)),
        Face((-40, -30, 90, 100), points=tilted - 180),
        Face((0, 0, 512, 512)),
    ]
    given = [{"box": face.box, "points": None if face.points is None else face.points.tolist()} for face in faces]
    answer = run_node(page, CUT, ["photo.rgba", photo.width, photo.height, json.loads(card.to_json()), given])
    cropper = FaceCropper(48, card.face_margin, card.face_offset, card.face_alignment)
    expected = card.pixels([cropper(photo, face) for face in faces])
    difference = np.abs(np.array(json.loads(answer)).reshape(expected.shape) - expected)
    # Of values from -1 to 1. Pillow rounds to 256 levels after each step, and the contrast stretches that.
    assert difference.mean(axis=(1, 2, 3)).max() < 0.015
    assert difference.max() < 0.05


@needs_node
def test_what_a_file_says_of_itself_is_read(card, tmp_path):
    page = copy_example(tmp_path / "page")
    value = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["pixel_values"], ["same"])], "graph", [value], [value])
    model = helper.make_model(graph)
    helper.set_model_props(model, {"other": "text", METADATA_KEY: card.to_json()})
    (page / "with.onnx").write_bytes(model.SerializeToString())
    del model.metadata_props[:]
    (page / "without.onnx").write_bytes(model.SerializeToString())
    (page / "text.onnx").write_text("This is no network.", encoding="utf-8")
    found, *refused = json.loads(run_node(page, READ, ["with.onnx", "without.onnx", "text.onnx"]))
    assert found == json.loads(card.to_json())
    assert refused[0] == "The file does not say how faces become its input; give a model.onnx that fer export wrote."
    assert refused[1] == "The file is not an ONNX file."


@in_browser
def test_an_astronaut_is_read_as_the_package_reads_her(page, reader, photo, photo_path):
    choose(page, photo_path, "One face was found.")
    [expected] = reader.find_faces(photo)
    found = shown_face(page)
    assert np.abs(np.subtract(found.box, expected.box)).max() < 0.01
    assert found.points is not None and np.abs(found.points - expected.points).max() < 0.01
    assert largest_difference(page, reader, photo) < 0.02
    expect(page.get_by_role("heading", name="The face: happiness")).to_be_visible()
    [face] = reader(photo)
    expect(page.get_by_role("row").nth(1)).to_have_text(f"happiness{face.probability:.1%}")
    expect(page.get_by_role("img", name="The face as the network sees it, read as happiness")).to_be_visible()


@in_browser
def test_the_map_is_the_one_of_the_package(open_to_scripts, reader, photo, photo_path):
    page = open_to_scripts
    choose(page, photo_path, "One face was found.")
    drawn = page.locator(".map").evaluate(
        "map => Array.from(map.getContext('2d').getImageData(0, 0, map.width, map.height).data)"
    )
    [face] = reader(photo)
    opacity = np.array(drawn).reshape(48, 48, 4)[:, :, 3]
    # Of 255. A pixel of another gray changes the map beside it a little.
    assert np.abs(opacity - 0.65 * np.asarray(face.relevance_map, float)).max() < 5
    slider = page.get_by_label("Relevance map")
    slider.focus()
    slider.press("Home")
    expect(page.locator(".map")).to_have_css("opacity", "0")


@in_browser
@pytest.mark.parametrize("corners", [(160, 40, 290, 200), (195, 80, 300, 150), (420, 300, 512, 420)])
def test_a_box_is_drawn_by_mouse(page, reader, photo, photo_path, corners):
    choose(page, photo_path, "One face was found.")
    page.get_by_role("button", name="Draw a box yourself").click()
    canvas = page.locator("#picture").bounding_box()
    places = [
        (canvas["x"] + x * canvas["width"] / 512, canvas["y"] + y * canvas["height"] / 512)
        for x, y in np.reshape(corners, (2, 2))
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=3)
    page.mouse.up()
    expect(page.get_by_role("status")).to_have_text("The face in the box was read.")
    assert np.abs(np.subtract(shown_face(page).box, corners)).max() < 2
    assert largest_difference(page, reader, photo) < 0.02
    page.mouse.click(*places[0])
    expect(page.get_by_role("status")).to_have_text("The box is smaller than 16 pixels; draw a larger one.")


@in_browser
def test_a_box_is_drawn_by_keyboard(page, reader, photo, photo_path):
    choose(page, photo_path, "One face was found.")
    page.get_by_role("button", name="Draw a box yourself").press("Enter")
    step = 512 / 50
    for keys in ("ArrowLeft", "ArrowUp", "ArrowUp", "Shift+ArrowLeft"):
        page.keyboard.press(keys)
    expect(page.get_by_role("status")).to_have_text("The face in the box was read.")
    expected = (128 - step, 128 - 2 * step, 384 - 2 * step, 384 - 2 * step)
    assert shown_face(page).box == pytest.approx(expected)
    assert largest_difference(page, reader, photo) < 0.02


@in_browser
def test_what_is_no_photo_is_one_sentence_and_the_page_goes_on(page, photo_path, tmp_path):
    (tmp_path / "text.png").write_text("This is not a picture.", encoding="utf-8")
    write_bomb(tmp_path / "bomb.png", 60_000, 60_000)
    Image.new("RGB", (320, 240), "teal").save(tmp_path / "teal.png")
    for name in ("text.png", "bomb.png"):
        sentence = f"{name} is not a picture that this browser can open; choose a JPEG, PNG or WebP file."
        choose(page, tmp_path / name, sentence)
        expect(page.locator("#picture")).to_be_hidden()
    choose(page, tmp_path / "teal.png", "No face was found; draw a box round one.")
    expect(page.locator("article")).to_have_count(0)
    choose(page, photo_path, "One face was found.")


@in_browser
def test_several_faces_are_numbered_from_the_largest(page, photo, tmp_path):
    both = Image.new("RGB", (1024, 512), "gray")
    both.paste(photo.resize((400, 400)), (0, 50))
    both.paste(photo, (512, 0))
    both.save(tmp_path / "two.png")
    choose(page, tmp_path / "two.png", "2 faces were found.")
    expect(page.get_by_role("heading", name=re.compile("Face [12]: happiness"))).to_have_count(2)
    lefts = [json.loads(face.get_attribute("data-face") or "")["box"][0] for face in page.locator("article").all()]
    assert lefts[0] > 512 > lefts[1]


@in_browser
def test_nothing_leaves_the_machine(browser, address, photo_path):
    page = browser.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(f"{request.method} {request.url}"))
    visit(page, address)
    assert requests and all(request.startswith((f"GET {address}", "GET data:")) for request in requests)
    requests.clear()
    choose(page, photo_path, "One face was found.")
    assert requests == []
    page.close()


@in_browser
@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_the_page_is_accessible(open_to_scripts, photo_path, size, scheme):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed (pip install axe-playwright-python)"
    )
    page = open_to_scripts
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)
    found = axe.Axe().run(page).response["violations"]
    choose(page, photo_path, "One face was found.")
    page.get_by_role("button", name="Draw a box yourself").click()
    found += axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0], "the page is wider than the screen"
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert max(colour) < 64 if scheme == "dark" else min(colour) > 192


@in_browser
@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("model/model.onnx", "model/model.onnx is missing; write it by fer export fer-tiny --output model."),
        ("node_modules", "onnxruntime-web is missing; run npm install in the folder of this page."),
    ],
    ids=["model", "packages"],
)
def test_what_is_missing_beside_the_page_is_one_sentence(browser, site, tmp_path, missing, sentence):
    page_folder = Path(shutil.copytree(site, tmp_path / "page", symlinks=True))
    (page_folder / missing).unlink()
    with served(page_folder) as address:
        page = browser.new_page()
        page.goto(address)
        expect(page.get_by_role("status")).to_have_text(sentence, timeout=60_000)
        expect(page.locator("#photo")).to_be_disabled()
        page.close()


@in_browser
def test_without_the_detector_a_box_is_drawn(browser, site, photo_path, tmp_path):
    page_folder = Path(shutil.copytree(site, tmp_path / "page", symlinks=True))
    (page_folder / "model" / "onet.onnx").unlink()
    with served(page_folder) as address:
        page = browser.new_page()
        visit(page, address)
        choose(page, photo_path, "The detector is missing from the folder model; draw a box round a face.")
        page.get_by_role("button", name="Draw a box yourself").press("Enter")
        page.keyboard.press("ArrowUp")
        expect(page.get_by_role("status")).to_have_text("The face in the box was read.")
        page.close()
