"""The network in the Trainer of transformers, as any other of its models."""

import json

import numpy as np
import pytest
import torch
from helpers import tiny_batch, tiny_config
from transformers import Trainer, TrainingArguments

from modeling_fer import FerForImageClassification
from modeling_fer.configuration_fer import PAPER_FACIAL_PARTS_WEIGHTS


@pytest.fixture
def model(tmp_path) -> FerForImageClassification:
    """A checkpoint of two label sets, loaded for two other classes."""
    config = tiny_config(
        auxiliary_labels=["calm", "glad"],
        facial_parts_weight=5.0,
        label_shares=[0.125] * 8,
        prior_strength=0.5,
        temperature=2.0,
    )
    FerForImageClassification(config).save_pretrained(tmp_path / "trained")
    return FerForImageClassification.from_pretrained(
        tmp_path / "trained", id2label={0: "smile", 1: "frown"}, ignore_mismatched_sizes=True, regularization="weakly"
    )


@pytest.fixture
def rows(model) -> list[dict]:
    pixels = torch.randn(16, *tiny_batch(model.config)["pixel_values"].shape[1:], generator=torch.Generator().manual_seed(0))
    return [{"pixel_values": image, "labels": number % 2} for number, image in enumerate(pixels)]


def arguments(folder, **more) -> TrainingArguments:
    return TrainingArguments(
        str(folder), max_steps=1, use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True, **more
    )


def test_other_classes_have_no_second_label_set_and_another_loss_its_own_weight(model):
    assert model.config.auxiliary_labels is None and model.classifier.auxiliary_output is None
    assert (model.config.prior_strength, model.config.temperature) == (0.0, 1.0)
    assert model.config.facial_parts_weight == PAPER_FACIAL_PARTS_WEIGHTS["weakly"]


def test_it_trains_evaluates_and_keeps_the_best(model, rows, tmp_path):
    def measure(prediction):
        return {"accuracy": float((np.argmax(prediction.predictions, axis=1) == prediction.label_ids).mean())}

    trainer = Trainer(model, arguments(tmp_path), train_dataset=rows, eval_dataset=rows, compute_metrics=measure)
    trainer.train()
    measured = trainer.evaluate()
    assert measured["eval_loss"] > 0 and 0 <= measured["eval_accuracy"] <= 1
    assert trainer.predict(rows).predictions.shape == (16, 2)
    trainer.save_model(str(tmp_path / "saved"))
    assert json.loads((tmp_path / "saved/config.json").read_text())["id2label"] == {"0": "smile", "1": "frown"}
    again = FerForImageClassification.from_pretrained(tmp_path / "saved")
    pixels = torch.stack([row["pixel_values"] for row in rows])
    torch.testing.assert_close(again(pixels).logits, model.eval()(pixels).logits)


def test_accumulated_batches_have_the_loss_of_one(model, rows, tmp_path):
    def loss(size, steps):
        settings = arguments(
            tmp_path / str(size),
            per_device_train_batch_size=size,
            gradient_accumulation_steps=steps,
            learning_rate=0.0,
            logging_steps=1,
        )
        trainer = Trainer(model, settings, train_dataset=rows)
        trainer.train()
        return next(line for line in trainer.state.log_history if "loss" in line)

    whole, parts = loss(16, 1), loss(2, 8)
    assert parts["loss"] == pytest.approx(whole["loss"], abs=2e-4)
    assert parts["grad_norm"] == pytest.approx(whole["grad_norm"], rel=1e-3)
