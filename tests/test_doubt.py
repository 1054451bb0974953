"""Sets of expressions and the answer "uncertain", as they are used."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import fer, plain, tiny_config, write_clip

from modeling_fer import FerConfig, FerForImageClassification
from modeling_fer.answers_fer import Crop, ReadFace
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.doubt_fer import Doubt, are_uncertain, choose_thresholds, expression_sets
from modeling_fer.exporting.export import export_checkpoint
from modeling_fer.inference.engines import load
from modeling_fer.inference.loading import load_checkpoint, make_pipeline
from modeling_fer.inference.tables import track_columns, track_row
from modeling_fer.inference.tracking import summarize_tracks

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.35, 0.33, 0.32], [0.1, 0.5, 0.4]])


def test_a_set_holds_what_reaches_its_threshold_and_always_the_likeliest():
    sets = expression_sets(PROBABILITIES, np.array([0.6, 0.3, 0.35]))
    assert sets.tolist() == [[True, False, False], [True, True, False], [False, True, True]]


def test_thresholds_are_chosen_by_coverage():
    thresholds = {"0.9": [0.1, 0.2], "0.95": [0.05, 0.1]}
    assert choose_thresholds(thresholds, 0.90).tolist() == [0.1, 0.2]
    with pytest.raises(ValueError, match=r"0.85.*thresholds are for 0.9, 0.95"):
        choose_thresholds(thresholds, 0.85)
    with pytest.raises(ValueError, match=r"no thresholds.*fer calibrate"):
        choose_thresholds(None, 0.9)


def test_uncertain_is_what_is_not_sure_enough():
    assert are_uncertain(PROBABILITIES, 0.4).tolist() == [False, True, False]
    assert not are_uncertain(PROBABILITIES, None).any()


def test_doubt_does_not_depend_on_the_prior_that_is_asked_for():
    labels = tuple(EXPRESSIONS)
    config = tiny_config(label_shares=[0.3, 0.2, *[0.5 / 6] * 6], prior_strength=0.4)
    model = FerForImageClassification(config)
    logits = torch.randn(40, 8)
    doubts = [
        Doubt(labels, 0.4, {"0.9": [0.2] * 8}, config.label_shares, prior_strength=0.4, answered_at=strength)
        for strength in (0.4, 1.0)
    ]
    answers = [model.adjust_logits(logits, doubt.answered_at).softmax(1).tolist() for doubt in doubts]
    faces = [
        [ReadFace((0, 0, 9, 9), 1.0, dict(zip(labels, row, strict=True)), Crop(4, 4, 9), doubt=doubt) for row in rows]
        for rows, doubt in zip(answers, doubts, strict=True)
    ]
    uncertain = [[face.uncertain for face in row] for row in faces]
    assert uncertain[0] == uncertain[1] and set(uncertain[0]) == {True, False}
    sets = [[set(face.expression_set(0.9)) for face in row] for row in faces]
    assert sets[0] == sets[1] and {len(one) for one in sets[0]} > {1}


def test_a_face_of_a_checkpoint_without_thresholds_is_neither_certain_nor_not():
    face = ReadFace((0, 0, 9, 9), 1.0, {"anger": 0.6, "fear": 0.4}, Crop(4, 4, 9))
    assert face.uncertain is None and "uncertain" not in face.to_answer()
    with pytest.raises(ValueError, match="no thresholds"):
        face.expression_set(0.9)


def test_a_face_throughout_a_video_is_doubted_by_its_mean():
    doubt = Doubt(("anger", "fear"), 0.7, {"0.9": [0.3, 0.3]})

    def face(track: int, anger: float) -> ReadFace:
        one = ReadFace((0, 0, 9, 9), 1.0, {"anger": anger, "fear": 1 - anger}, Crop(4, 4, 9), doubt=doubt)
        return one.followed(track, one.scores)

    frames = [(0.0, [face(0, 0.9), face(1, 0.9)]), (0.2, [face(0, 0.8), face(1, 0.3)])]
    sure, unsure = summarize_tracks(frames)
    assert (sure.expression, sure.probability, sure.uncertain) == ("anger", pytest.approx(0.85), False)
    assert (unsure.expression, unsure.probability, unsure.uncertain) == ("anger", pytest.approx(0.6), True)
    row = track_row("clip.mp4", unsure, sets=0.9)
    assert (row["uncertain"], row["expression_set"]) == (True, "anger | fear")
    assert list(row) == list(track_columns(["anger", "fear"], sets=True))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"conformal_thresholds": {"0.9": [0.1, 0.2]}}, r"conformal_thresholds\['0.9'\].* 8 numbers"),
        ({"conformal_thresholds": {"0.9": [1.5] * 8}}, r"conformal_thresholds\['0.9'\]"),
        ({"uncertain_below": 1.5}, "uncertain_below is 1.5"),
    ],
)
def test_impossible_thresholds_are_refused(settings, sentence):
    with pytest.raises(Exception, match=sentence):
        FerConfig(**settings)


def test_thresholds_are_saved_and_are_forgotten_with_other_classes(tmp_path):
    FerConfig(conformal_thresholds={"0.9": [0.1] * 8}, uncertain_below=0.5).save_pretrained(tmp_path)
    assert FerConfig.from_pretrained(tmp_path).conformal_thresholds == {"0.9": [0.1] * 8}
    other = FerConfig.from_pretrained(tmp_path, num_labels=3)
    assert other.conformal_thresholds is None and other.uncertain_below is None


@pytest.fixture(scope="module")
def doubting(tmp_path_factory) -> Path:
    """fer-tiny with thresholds by which every answer is uncertain and every set holds all, and its model.onnx."""
    folder = tmp_path_factory.mktemp("doubting")
    checkpoint = load_checkpoint("fer-tiny")
    checkpoint.model.config.uncertain_below = 1.0
    checkpoint.model.config.conformal_thresholds = {"0.9": [0.0] * 8}
    checkpoint.model.save_pretrained(folder)
    checkpoint.image_processor.save_pretrained(folder)
    export_checkpoint(checkpoint, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_the_command_tells_doubt_by_both_engines(doubting, engine, photo_path, tmp_path):
    output = tmp_path / "faces.jsonl"
    done = fer("predict", photo_path, "--model", doubting, "--engine", engine, "--sets", "0.9", "--output", output)
    assert done.returncode == 0, done.stderr
    assert "uncertain: happiness" in done.stdout and "0% set: happiness" in done.stdout
    row = json.loads(output.read_text())
    assert row["uncertain"] is True and sorted(row["expression_set"].split(" | ")) == sorted(EXPRESSIONS)


@pytest.mark.slow
def test_the_command_tells_doubt_of_videos(doubting, photo, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [photo.resize((256, 256))] * 3)
    output = tmp_path / "faces.jsonl"
    done = fer("predict", clip, "--model", doubting, "--sets", "0.9", "--output", output)
    assert done.returncode == 0, done.stderr
    assert "track 0" in done.stdout and "uncertain: happiness" in done.stdout and "0% set: happiness" in done.stdout
    [track] = map(json.loads, (tmp_path / "faces.tracks.jsonl").read_text().splitlines())
    assert track["uncertain"] is True and sorted(track["expression_set"].split(" | ")) == sorted(EXPRESSIONS)
    assert all(json.loads(row)["uncertain"] is True for row in output.read_text().splitlines())


@pytest.mark.slow
def test_the_pipeline_tells_doubt(doubting, photo):
    pipeline = make_pipeline(load_checkpoint(doubting), "cpu")
    [face] = pipeline(photo, sets=0.9)
    assert face["uncertain"] and len(face["expression_set"]) == 8
    assert "expression_set" not in pipeline(photo)[0]
    with pytest.raises(ValueError, match="take one of these"):
        pipeline(photo, sets=0.8)


def test_sets_of_a_checkpoint_without_thresholds_are_refused(tiny_checkpoint, photo_path):
    done = fer("predict", photo_path, "--model", tiny_checkpoint, "--sets", "0.9")
    assert done.returncode == 2 and "no thresholds" in plain(done.stderr)


@pytest.mark.slow
def test_thresholds_do_not_follow_into_an_export_at_another_prior(doubting, tmp_path):
    assert fer("export", doubting, "--output", tmp_path, "--prior", "0").returncode == 0
    assert load(tmp_path / "model.onnx").network.doubt.uncertain_below is None
