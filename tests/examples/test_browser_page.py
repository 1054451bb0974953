"""The page that reads photos in a browser keeps them to itself, is accessible, and says in a sentence what is missing or wrong."""

import shutil
from pathlib import Path

import pytest
from benchmark_space import DESKTOP, PHONE
from browser_example import choose, in_browser, served, visit
from helpers import write_bomb
from PIL import Image
from playwright.sync_api import expect


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


@in_browser
def test_a_new_box_is_not_shown_with_the_answers_of_before(page, photo_path):
    answers, status = page.locator("#answers"), page.get_by_role("status")
    choose(page, photo_path, "One face was found.")
    expect(answers).to_be_visible()
    button = page.get_by_role("button", name="Draw a box yourself")
    button.click()
    expect(status).to_have_text("Draw or move the box.")
    expect(answers).to_be_hidden()
    button.click()
    expect(status).to_have_text("One face was found.", timeout=60_000)
    expect(answers).to_be_visible()
    button.click()
    page.keyboard.press("ArrowUp")
    expect(status).to_have_text("The face in the box was read.", timeout=60_000)
    expect(answers).to_be_visible()
