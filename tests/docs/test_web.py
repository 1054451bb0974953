"""The JavaScript on the page on web and mobile sees the same pixels as the package."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from helpers import ROOT
from pages import read_blocks
from PIL import Image

from modeling_fer.pixels_fer import PixelSettings

SCRIPT = """
import { readFileSync } from "node:fs";
import { toPixelValues } from "./shown.mjs";
const { rgba, pixels } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(Array.from(toPixelValues(Uint8ClampedArray.from(rgba), pixels))));
"""


def shown_code() -> str:
    """The lines of a file that the page includes."""
    [block] = [block for block in read_blocks(ROOT / "docs/start/web.md") if block.language == "javascript"]
    included = re.fullmatch(r'--8<-- "(.+):(.+)"\n', block.code)
    assert included is not None, block.code
    path, part = included.groups()
    text = (ROOT / path).read_text(encoding="utf-8")
    return text.split(f"// --8<-- [start:{part}]\n")[1].split(f"// --8<-- [end:{part}]\n")[0]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
@pytest.mark.parametrize(
    ("channels", "percentiles"), [(1, (2.5, 97.5)), (3, (2.5, 97.5)), (1, None)], ids=["gray", "colour", "unstretched"]
)
def test_a_browser_sees_the_pixels_that_the_package_sees(photo, tmp_path, channels, percentiles):
    (tmp_path / "shown.mjs").write_text(shown_code(), encoding="utf-8")
    (tmp_path / "run.mjs").write_text(SCRIPT, encoding="utf-8")
    crop = photo.crop((182, 62, 267, 147)).resize((48, 48), Image.Resampling.BILINEAR)
    settings = PixelSettings(48, 48, channels, contrast_percentiles=percentiles)
    pixels = {"num_channels": channels, "contrast_percentiles": percentiles, "mean": [0.5], "std": [0.5]}
    given = json.dumps({"rgba": np.asarray(crop.convert("RGBA")).ravel().tolist(), "pixels": pixels})
    done = subprocess.run(["node", "run.mjs"], input=given, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.abs(np.array(json.loads(done.stdout)) - settings([crop]).ravel()).max() < 1e-5
