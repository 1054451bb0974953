"""The report on a preparation: every problem, and the photos without a face."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from modeling_fer.data.face_preparer import PrepareSettings
from modeling_fer.data.prepare import finish, prepare
from modeling_fer.data.readers import read_source


def test_nothing_is_dropped_silently(faces, tmp_path):
    settings = PrepareSettings(image_size=64, landmarks="none", drop_not_found=True)
    source = read_source("imagefolder", faces)
    splits = prepare(source, settings, tmp_path / "out")
    finish(splits, source, settings, tmp_path / "out")
    assert splits["test"]["source"] == ["test/smile/c.png"]
    with open(tmp_path / "out/report/problems.csv", newline="") as file:
        problems = {row["source"]: row["problem"] for row in csv.DictReader(file)}
    assert problems["test/smile/d.png"] == "No face was found in the image."
    assert "cannot be read" in problems["test/smile/e.png"]
    summary = json.loads((tmp_path / "out/report/summary.json").read_text())
    assert summary["train"]["classes"] == {"frown": 1, "smile": 1}
    sheet = Image.open(tmp_path / "out/report/not_found.png")
    assert sheet.size == (120, 134) and np.asarray(sheet).std() > 10
    assert "No face was found in the image. (1 times)" in (tmp_path / "out/README.md").read_text()


CONTACT_SHEET = """
import resource, sys
from modeling_fer.data.report import contact_sheet
from modeling_fer.data.source import Sample
from pathlib import Path
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sheet = contact_sheet([Sample(str(number), "smile", file=Path(sys.argv[1])) for number in range(10)])
print(sheet.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is told in other units elsewhere")
def test_a_contact_sheet_holds_one_photo_at_a_time(tmp_path):
    Image.new("RGB", (4000, 3000), "gray").save(tmp_path / "large.jpg")
    command = [sys.executable, "-c", CONTACT_SHEET, tmp_path / "large.jpg"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "(960, 268)" in done.stdout, done.stderr
    # A photo of 12 megapixels takes 36 MB, and ten of them 360.
    assert int(done.stdout.split()[-1]) < 150_000
