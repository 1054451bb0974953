import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import MODEL, RECIPE, columns

from modeling_fer import FerConfig, FerForImageClassification, FerImageProcessor
from modeling_fer.inference.loading import Checkpoint
from modeling_fer.training.answers import Answerer, score_answers
from modeling_fer.training.evaluation import ExpressionMetrics, calibration_error, map_classes
from modeling_fer.training.trainer import Trainer


def test_a_class_that_nobody_validates_has_no_recall_in_the_log(tmp_path):
    validation = columns(24)
    two_classes = validation.select(np.flatnonzero(validation.labels.numpy() != 1))
    Trainer(replace(RECIPE, epochs=1), columns(32), two_classes, tmp_path, cpu=True).fit()
    [line] = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [value is None for value in line["recall"]] == [False, True, False]


def test_averaged_with_mirror_images_a_model_scores_the_same_on_both():
    torch.manual_seed(3)
    model = FerForImageClassification(FerConfig(**MODEL, id2label=dict(enumerate(["low", "middle", "high"]))))
    processor = FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1)
    seen = replace(columns(24), images=torch.randint(0, 256, (24, 1, 24, 24), dtype=torch.uint8))
    mirror = replace(seen, images=seen.images.flip(3))
    answerer = Answerer(Checkpoint(model, processor))
    once, twice = ([score_answers(answerer.answer(one, mirrored=both)) for one in (seen, mirror)] for both in (False, True))
    assert twice[0]["calibration_error"] == pytest.approx(twice[1]["calibration_error"], abs=1e-6)
    assert once[0]["calibration_error"] != pytest.approx(once[1]["calibration_error"], abs=1e-6)


def test_metrics_against_hand_counted_values():
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.9, 0.1]])
    metrics = ExpressionMetrics().compute(predictions=probabilities, references=[0, 1, 1, 0])
    assert metrics["accuracy"] == 0.75
    assert metrics["recall"] == [1, 0.5]
    assert metrics["uar"] == 0.75
    assert metrics["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    expected = (abs(0.8 - 1) + abs(0.6 - 0) + abs(0.7 - 1) + abs(0.9 - 1)) / 4
    assert calibration_error(probabilities, np.array([0, 1, 1, 0])) == pytest.approx(expected)


def test_classes_are_mapped_by_name():
    mapped = map_classes(torch.tensor([[0.2, 0.5, 0.3]]), ["a", "b", "c"], ["c", "a"])
    torch.testing.assert_close(mapped, torch.tensor([[0.6, 0.4]]))
    with pytest.raises(ValueError, match="no class 'd'"):
        map_classes(torch.ones(1, 1), ["a"], ["d"])
