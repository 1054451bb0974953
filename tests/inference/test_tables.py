"""Tables of faces, whatever the expressions of a checkpoint are called."""

import csv
import json

import pytest
from helpers import fer, tiny_config, write_clip

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.inference.tables import face_columns, probability_columns

NAMES = ["uncertain", "probability", "expression", "face", "track", "time", "smile", "file"]


@pytest.fixture
def oddly_named(tmp_path):
    """A checkpoint whose classes are called as columns are."""
    FerForImageClassification(tiny_config(id2label=dict(enumerate(NAMES)))).save_pretrained(tmp_path / "model")
    FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_class_that_is_called_as_a_column_keeps_its_probability(oddly_named, photo, tmp_path):
    photo.save(tmp_path / "a.png")
    write_clip(tmp_path / "b.mp4", [photo.resize((192, 192))] * 3)
    command = ["predict", tmp_path / "a.png", tmp_path / "b.mp4", "--model", oddly_named, "--no-detect", "--output"]
    assert fer(*command, tmp_path / "faces.csv").returncode == 0
    for table in ("faces.csv", "faces.tracks.csv"):
        with open(tmp_path / table, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            told = [float(row["smile" if name == "smile" else f"probability_{name}"]) for name in NAMES]
            assert sum(told) == pytest.approx(1, abs=1e-5)
            assert row["expression"] == NAMES[told.index(max(told))] and float(row["probability"]) == max(told)
            assert row["file"].startswith(str(tmp_path)) and row["uncertain"] == ""
    assert fer(*command, tmp_path / "faces.jsonl").returncode == 0
    first = json.loads((tmp_path / "faces.jsonl").read_text().splitlines()[0])
    assert (first["face"], first["time"]) == (1, None) and 0 < first["probability_time"] < 1


def test_usual_expressions_have_columns_of_their_names():
    assert probability_columns(["fear", "anger"]) == {"fear": "fear", "anger": "anger"}
    assert probability_columns(["time", "probability_time"]).keys() == {"time", "probability_time"}
    assert len(set(probability_columns(["time", "probability_time"]).values())) == 2
    assert list(face_columns(["fear"], timed=False))[-4:] == ["expression", "probability", "fear", "uncertain"]
