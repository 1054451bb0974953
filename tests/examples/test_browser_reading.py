"""The page that reads photos in a browser answers as the package does, for faces that it finds and boxes that are drawn."""

import json
import re

import numpy as np
import pytest
from browser_example import choose, in_browser
from PIL import Image
from playwright.sync_api import Page, expect

from modeling_fer.faces_fer import Face
from modeling_fer.inference.onnx_engine import make_onnx_reader
from modeling_fer.reading_fer import FaceReader


@pytest.fixture(scope="module")
def reader(site) -> FaceReader:
    return make_onnx_reader(site / "model" / "model.onnx")


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
def test_several_faces_are_numbered_from_the_largest(page, photo, tmp_path):
    both = Image.new("RGB", (1024, 512), "gray")
    both.paste(photo.resize((400, 400)), (0, 50))
    both.paste(photo, (512, 0))
    both.save(tmp_path / "two.png")
    choose(page, tmp_path / "two.png", "2 faces were found.")
    expect(page.get_by_role("heading", name=re.compile("Face [12]: happiness"))).to_have_count(2)
    lefts = [json.loads(face.get_attribute("data-face") or "")["box"][0] for face in page.locator("article").all()]
    assert lefts[0] > 512 > lefts[1]
