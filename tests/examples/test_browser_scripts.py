"""The scripts of the page that reads photos in a browser, run by Node.js."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from browser_example import copy_example
from onnx import TensorProto, helper

from modeling_fer.faces_fer import Face, FaceCropper
from modeling_fer.inference.onnx_engine import METADATA_KEY, NetworkCard
from modeling_fer.pixels_fer import PixelSettings

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
