import json
import math
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import Array2D, ClassLabel, Dataset, Features, Image, Value
from helpers import FER, MODEL, RECIPE, ROOT, changed, columns, weights, write_prepared

from modeling_fer import FerConfig, FerForImageClassification, FerImageProcessor
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data import load_splits
from modeling_fer.data.columns import FaceColumns, decode_columns
from modeling_fer.training.augmentation import AugmentationConfig
from modeling_fer.training.building import recipe_columns
from modeling_fer.training.evaluation import ExpressionMetrics, calibration_error, evaluate_columns, map_classes, predict_logits
from modeling_fer.training.initial_weights import load_teachers
from modeling_fer.training.optimization import build_optimizer, learning_rate_factor, moving_average
from modeling_fer.training.process import choose_precision
from modeling_fer.training.recipe import Recipe, read_overrides, read_recipe, write_recipe
from modeling_fer.training.sampling import auxiliary_shares, build_sampler, fitting_batch, training_shares
from modeling_fer.training.trainer import Trainer

RECIPES = sorted((ROOT / "modeling_fer" / "recipes").glob("*.yaml"))


def test_learns_and_writes_a_run_folder(tmp_path):
    best = Trainer(Recipe(**{**vars(RECIPE), "epochs": 12}), columns(), columns(24), tmp_path, cpu=True).fit()
    assert best["accuracy"] > 0.9
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 13))
    model = FerForImageClassification.from_pretrained(tmp_path / "best")
    assert list(model.config.id2label.values()) == ["low", "middle", "high"]
    processor = FerImageProcessor.from_pretrained(tmp_path / "best")
    assert evaluate_columns(model, processor, columns(24))["accuracy"] == pytest.approx(best["accuracy"])


def test_a_class_that_nobody_validates_has_no_recall_in_the_log(tmp_path):
    validation = columns(24)
    two_classes = validation.select(np.flatnonzero(validation.labels.numpy() != 1))
    Trainer(replace(RECIPE, epochs=1), columns(32), two_classes, tmp_path, cpu=True).fit()
    [line] = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [value is None for value in line["recall"]] == [False, True, False]


def test_one_process_trains_in_one_precision_after_another(tmp_path):
    for run, precision in enumerate(("no", "bf16", "no")):
        recipe = replace(RECIPE, epochs=1, mixed_precision=precision)
        trainer = Trainer(recipe, columns(32), columns(16), tmp_path / str(run), cpu=True)
        assert trainer.accelerator.mixed_precision == precision
        trainer.fit()


def test_averaged_with_mirror_images_a_model_scores_the_same_on_both():
    torch.manual_seed(3)
    model = FerForImageClassification(FerConfig(**MODEL, id2label=dict(enumerate(["low", "middle", "high"]))))
    processor = FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1)
    seen = replace(columns(24), images=torch.randint(0, 256, (24, 1, 24, 24), dtype=torch.uint8))
    mirror = replace(seen, images=seen.images.flip(3))
    once, twice = ([evaluate_columns(model, processor, one, mirrored=both) for one in (seen, mirror)] for both in (False, True))
    assert twice[0]["calibration_error"] == pytest.approx(twice[1]["calibration_error"], abs=1e-6)
    assert once[0]["calibration_error"] != pytest.approx(once[1]["calibration_error"], abs=1e-6)


class CutError(Exception):
    """Ends a run in the middle."""


@pytest.mark.parametrize("cut", [1, 5, 6, 11])
def test_resumed_run_ends_like_an_unbroken_one(cut, tmp_path):
    recipe = Recipe(
        **{**vars(RECIPE), "model": {**MODEL, "dropout": 0.2, "normalization": "batch", "facial_parts_weight": 1.0}}
    )
    whole = Trainer(recipe, columns(), columns(24), tmp_path / "whole", cpu=True).fit()
    broken = Trainer(recipe, columns(), columns(24), tmp_path / "broken", cpu=True, save_steps=1)
    step, steps = broken.train_step, []

    def cut_step(batch):
        if len(steps) == cut:
            raise CutError
        steps.append(None)
        return step(batch)

    broken.train_step = cut_step
    with pytest.raises(CutError):
        broken.fit()
    resumed = Trainer(recipe, columns(), columns(24), tmp_path / "broken", resume=True, cpu=True)
    assert 4 * resumed.progress.epoch + resumed.progress.step == cut
    best = resumed.fit()
    expected, actual = (weights(tmp_path / name / "last") for name in ("whole", "broken"))
    assert all(torch.equal(expected[key], actual[key]) for key in expected)
    assert (best["loss"], best["accuracy"]) == pytest.approx((whole["loss"], whole["accuracy"]))
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "broken")
    ]
    assert losses[0] == pytest.approx(losses[1])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": "0" * 64}, "begun on other images or labels"),
        ({"processes": 8}, "begun on 8 processes, but 1 go on with it now"),
    ],
)
def test_a_run_goes_on_only_as_it_was_begun(changes, sentence, tmp_path):
    begun = Trainer(replace(RECIPE, epochs=1), columns(32), columns(24), tmp_path, cpu=True)
    vars(begun.progress).update(changes)
    begun.fit()
    with pytest.raises(ValueError, match=sentence):
        Trainer(replace(RECIPE, epochs=2), columns(32), columns(24), tmp_path, resume=True, cpu=True)


def test_other_labels_are_other_data(tmp_path):
    Trainer(replace(RECIPE, epochs=1), columns(32), columns(24), tmp_path, cpu=True).fit()
    other = columns(32)
    other = replace(other, targets=other.targets.flip(0))
    with pytest.raises(ValueError, match="resume it on the same data"):
        Trainer(replace(RECIPE, epochs=2), other, columns(24), tmp_path, resume=True, cpu=True)


def test_precision_is_that_of_the_device():
    assert choose_precision("bf16", "cpu") == "bf16" and choose_precision("auto", "mps") == "no"
    with pytest.raises(ValueError, match="fp16, in which a CPU does not train; give auto, bf16 or no"):
        choose_precision("fp16", "cpu")


def test_a_learning_rate_by_depth_needs_stages():
    model = FerForImageClassification(FerConfig(backbone="resnet10t", image_size=32, num_channels=1))
    with pytest.raises(ValueError, match="stage_decay is 0.9, but a timm backbone has no stages"):
        build_optimizer(Recipe(stage_decay=0.9), model)


def test_what_cannot_be_resumed_is_told_before_the_data_is_read(tmp_path):
    arguments = ["fer_tiny", "--data", tmp_path / "nowhere", "--output", tmp_path / "run"]
    done = subprocess.run([FER, "train", *arguments, "--resume"], capture_output=True, text=True)
    assert done.returncode == 2 and "holds no state to resume from" in " ".join(done.stderr.split())
    done = subprocess.run([FER, "train", *arguments, "--track", "pigeon"], capture_output=True, text=True)
    assert done.returncode == 2 and "'pigeon' is not a tracker" in " ".join(done.stderr.split())


def test_state_that_was_being_replaced_is_found(tmp_path):
    Trainer(RECIPE, columns(), columns(24), tmp_path, cpu=True).fit()
    (tmp_path / "state").rename(tmp_path / "state.old")
    assert Trainer(RECIPE, columns(), columns(24), tmp_path, resume=True, cpu=True).progress.epoch == 3


def test_resume_is_refused_with_another_recipe_or_without_a_state(tmp_path):
    with pytest.raises(FileNotFoundError, match="no state to resume from"):
        Trainer(RECIPE, columns(), columns(24), tmp_path / "none", resume=True, cpu=True)
    Trainer(Recipe(**{**vars(RECIPE), "epochs": 1}), columns(), columns(24), tmp_path, cpu=True).fit()
    with pytest.raises(ValueError, match="seed = 0, but the recipe now says 1"):
        Trainer(changed(epochs=1, seed=1), columns(), columns(24), tmp_path, resume=True, cpu=True)


def test_a_resumed_run_may_be_longer_but_not_shorter(tmp_path):
    Trainer(changed(epochs=2), columns(), columns(24), tmp_path, cpu=True).fit()
    Trainer(changed(epochs=4), columns(), columns(24), tmp_path, resume=True, cpu=True).fit()
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4
    assert read_recipe(tmp_path / "recipe.yaml").epochs == 4
    Trainer(changed(epochs=4), columns(), columns(24), tmp_path / "whole", cpu=True).fit()
    # The learning rate falls by the epoch, whatever their number: the two runs are one.
    expected, actual = weights(tmp_path / "whole" / "last"), weights(tmp_path / "last")
    assert all(torch.equal(expected[key], actual[key]) for key in expected)
    with pytest.raises(ValueError, match="epochs = 4, but the recipe now says 3"):
        Trainer(RECIPE, columns(), columns(24), tmp_path, resume=True, cpu=True)


def test_landmark_regularization_needs_an_image_with_landmarks(tmp_path):
    data = columns()
    data.has_landmarks[:] = False
    with pytest.raises(ValueError, match="'hybrid' needs landmarks, but no image .* has any.* fer prepare"):
        Trainer(RECIPE, data, columns(24), tmp_path, cpu=True)
    Trainer(changed(model={**MODEL, "regularization": "weakly"}), data, columns(24), tmp_path, cpu=True)


def test_loss_that_is_not_finite_stops_the_run(tmp_path):
    data = columns()
    data.landmarks[:] = float("nan")
    with pytest.raises(FloatingPointError, match="epoch 1, step 1;"):
        Trainer(RECIPE, data, columns(24), tmp_path, cpu=True).fit()


def test_recipe_starts_from_a_checkpoint(tmp_path):
    Trainer(RECIPE, columns(), columns(24), tmp_path / "first", cpu=True).fit()
    start = str(tmp_path / "first" / "best")
    second = Trainer(Recipe(**{**vars(RECIPE), "initial_checkpoint": start}), columns(), columns(24), tmp_path / "2", cpu=True)
    expected = FerForImageClassification.from_pretrained(start).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in second.model.state_dict().items())


def test_learning_rate_is_that_of_the_recipe():
    decay = learning_rate_factor(Recipe(), steps_an_epoch=10)
    assert (decay(0), decay(10), decay(29)) == pytest.approx((1, 0.99, 0.99**2))
    cosine = learning_rate_factor(Recipe(schedule="cosine", epochs=10, warmup_epochs=1), steps_an_epoch=10)
    assert cosine(0) < 0.2
    assert cosine(10) == pytest.approx(1)
    assert cosine(55) == pytest.approx(0.5)
    assert cosine(100) == pytest.approx(0)


def test_class_balancing_draws_rare_classes_more_often():
    data = columns(300)
    rare = data.labels == 2
    rare &= torch.arange(300) > 30
    data.labels[rare], data.targets[rare] = 0, torch.tensor([1.0, 0, 0])
    drawn = [
        data.labels[list(build_sampler(Recipe(class_balancing=b), data, torch.Generator().manual_seed(0)))] for b in (0, 1)
    ]
    shares = [(labels == 2).float().mean().item() for labels in drawn]
    assert shares[0] < 0.05
    assert shares[1] == pytest.approx(1 / 3, abs=0.1)


def two_label_sets(size: int = 64) -> FaceColumns:
    """The bars, and whether a bar is the highest."""
    data = columns(size)
    return replace(data, auxiliary_labels=(data.labels == 2).long(), auxiliary_names=["other", "top"])


RESIDUAL = {**MODEL, "representation_block": "residual", "residual_blocks": [1, 2], "normalization": "batch"}


@pytest.mark.parametrize(("model", "stages"), [(RESIDUAL, 3), (MODEL, 2)])
def test_stages_learn_the_slower_the_earlier_they_are(model, stages):
    network = FerForImageClassification(FerConfig(**model))
    recipe = changed(learning_rate=1e-3, stage_decay=0.5, weight_decay=0.1)
    groups = build_optimizer(recipe, network).param_groups
    rates = {parameter: (group["lr"], group["weight_decay"]) for group in groups for parameter in group["params"]}
    assert len(rates) == len(list(network.parameters()))
    for name, parameter in network.named_parameters():
        place = name.removeprefix("fer.representation.blocks.")
        expected = 1e-3 if place == name else 1e-3 * 0.5 ** (stages - int(place.split(".")[0]))
        assert rates[parameter] == pytest.approx((expected, 0.1 if parameter.ndim > 1 else 0.0)), name
    # Without it, weights are one group and the rest another.
    assert [group["lr"] for group in build_optimizer(changed(learning_rate=1e-3), network).param_groups] == [1e-3, 1e-3]


def test_the_learning_rate_that_is_reported_is_the_recipes(tmp_path):
    recipe = changed(model={**RESIDUAL, "regularization": "none"}, stage_decay=0.5, epochs=1, learning_rate=1e-3)
    Trainer(recipe, columns(32), columns(24), tmp_path, cpu=True).fit()
    line = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert line["learning_rate"] == pytest.approx(0.99e-3)


def test_shares_of_training_are_those_of_the_labels_that_are_drawn(tmp_path):
    data = columns(900)
    # Soft labels, 60%, 30% and 10%.
    data.targets[:] = torch.tensor([0.6, 0.3, 0.1])
    assert training_shares(changed(class_balancing=1.0), data) == pytest.approx([0.6, 0.3, 0.1])
    data.targets = torch.eye(3)[torch.arange(900) % 10 // 4]
    assert training_shares(changed(), data) == pytest.approx([0.4, 0.4, 0.2])
    assert training_shares(changed(class_balancing=1.0), data) == pytest.approx([1 / 3] * 3)
    roots = [0.4**0.5, 0.4**0.5, 0.2**0.5]
    assert training_shares(changed(class_balancing=0.5), data) == pytest.approx([root / sum(roots) for root in roots])
    data.targets = (data.targets + torch.eye(3)[torch.arange(900) % 3]) / 2
    recipe = changed(class_balancing=0.7)
    sampler = build_sampler(recipe, data, torch.Generator().manual_seed(0))
    drawn = torch.cat([data.targets[list(sampler)] for _ in range(20)]).mean(dim=0)
    assert training_shares(recipe, data) == pytest.approx(drawn.tolist(), abs=0.01)
    config = Trainer(recipe, data, columns(24), tmp_path, cpu=True).config
    assert config.label_shares == pytest.approx(training_shares(recipe, data))


def test_a_class_without_images_has_a_small_share_and_not_none():
    data = columns(30)
    data.targets[:] = torch.tensor([0.5, 0.5, 0.0])
    shares = training_shares(changed(), data)
    assert sum(shares) == pytest.approx(1) and 0 < shares[2] < 1e-3


def test_shares_of_the_second_label_set_are_those_of_the_images_drawn():
    data = columns(30)
    data.targets = torch.eye(3)[torch.tensor([0] * 20 + [1] * 10)]
    data.auxiliary_names, data.auxiliary_labels = ["calm", "glad"], torch.tensor([0] * 20 + [1] * 10)
    assert auxiliary_shares(changed(), data) == pytest.approx([2 / 3, 1 / 3])
    assert auxiliary_shares(changed(class_balancing=1.0), data) == pytest.approx([1 / 2, 1 / 2])


def save_teacher(folder, **changes) -> str:
    torch.manual_seed(7)
    names = {"id2label": dict(enumerate(["low", "middle", "high"]))}
    model = FerForImageClassification(FerConfig(**{**MODEL, **names, "dropout": 0.5, **changes}))
    with torch.no_grad():
        # An untrained network answers much the same everywhere.
        model.classifier.output.weight.mul_(10)
    model.save_pretrained(folder)
    return str(folder)


def test_what_is_learned_is_the_share_of_the_teachers_mean_answer_to_both_images(tmp_path):
    teachers = [save_teacher(tmp_path / "one"), save_teacher(tmp_path / "two", temperature=5.0)]
    recipe = changed(teachers=teachers, teacher_weight=0.3)
    trainer = Trainer(recipe, columns(), columns(24), tmp_path / "run", cpu=True)
    trainer.seed_step()
    batch = columns().__getitems__(list(range(16)))
    inputs = trainer.inputs(batch)
    networks = [FerForImageClassification.from_pretrained(folder).eval() for folder in teachers]
    networks[1].config.temperature = 1.0
    with torch.no_grad():
        pixels = inputs["pixel_values"]
        logits = [network(seen).logits for network in networks for seen in (pixels, pixels.flip(3))]
    answer = torch.stack(logits).mean(dim=0).softmax(dim=1)
    assert answer.std(dim=0).max() > 0.05
    torch.testing.assert_close(inputs["labels"], 0.7 * batch["targets"] + 0.3 * answer, atol=1e-5, rtol=1e-5)


def test_taught_by_the_teachers_alone_a_network_does_not_see_the_labels(tmp_path):
    wrong = columns()
    wrong.targets = wrong.targets.roll(1, dims=1)

    def train(weight: float, data: FaceColumns, folder: str) -> dict[str, torch.Tensor]:
        recipe = changed(teachers=[teacher], teacher_weight=weight, epochs=1)
        Trainer(recipe, data, columns(24), tmp_path / folder, cpu=True).fit()
        return weights(tmp_path / folder / "last")

    teacher = save_teacher(tmp_path / "teacher")
    right_one, wrong_one = train(1.0, columns(), "right"), train(1.0, wrong, "wrong")
    assert all(torch.equal(right_one[key], wrong_one[key]) for key in right_one)
    half, wrong_half = train(0.5, columns(), "half"), train(0.5, wrong, "wrong half")
    assert not all(torch.equal(half[key], wrong_half[key]) for key in half)


def test_a_teachers_temperature_and_prior_are_left_aside_and_its_weights_stay(tmp_path):
    adjusted = save_teacher(tmp_path / "adjusted", temperature=3.0, prior_strength=0.8, label_shares=[0.8, 0.1, 0.1])
    plain = save_teacher(tmp_path / "plain")
    config = FerConfig(**MODEL, id2label=dict(enumerate(["low", "middle", "high"])))
    [one], [other] = (load_teachers(Recipe(teachers=[folder]), config) for folder in (adjusted, plain))
    pixel_values = torch.randn(4, 1, 24, 24)
    assert torch.equal(one(pixel_values).logits, other(pixel_values).logits)
    assert not one.training and not any(parameter.requires_grad for parameter in one.parameters())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"id2label": {0: "low", 1: "high", 2: "middle"}}, "has id2label .*'high'.*, but the network that learns from it"),
        ({"auxiliary_labels": ["other", "top"]}, "has auxiliary_labels .*'top'.*, but the network that learns from it None"),
        ({"image_size": 32}, "has image_size 32, but the network that learns from it 24"),
    ],
)
def test_a_teacher_of_something_else_is_refused(tmp_path, change, sentence):
    recipe = changed(teachers=[save_teacher(tmp_path / "teacher", **change)])
    with pytest.raises(ValueError, match=f"The teacher .*teacher {sentence}"):
        Trainer(recipe, columns(), columns(24), tmp_path / "run", cpu=True)


def test_two_label_sets_are_learned_and_the_best_epoch_has_the_best_mean(tmp_path):
    recipe = changed(epochs=8, learning_rate=5e-3)
    best = Trainer(recipe, two_label_sets(), two_label_sets(24), tmp_path, cpu=True).fit()
    assert best["accuracy"] > 0.9 and best["auxiliary_accuracy"] > 0.9
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    scores = [(line["accuracy"] + line["auxiliary_accuracy"]) / 2 for line in lines]
    assert [line["score"] for line in lines] == pytest.approx(scores)
    assert best["score"] == max(scores)
    model = FerForImageClassification.from_pretrained(tmp_path / "best")
    assert model.config.auxiliary_labels == ["other", "top"]
    logits, auxiliary = predict_logits(model, FerImageProcessor.from_pretrained(tmp_path / "best"), two_label_sets(24))
    for scored, labels, name in (
        (logits, two_label_sets(24).labels, "accuracy"),
        (auxiliary, two_label_sets(24).auxiliary_labels, "auxiliary_accuracy"),
    ):
        assert scored.argmax(dim=1).eq(labels).float().mean().item() == pytest.approx(best[name])


def test_one_label_set_is_scored_by_its_accuracy(tmp_path):
    best = Trainer(changed(epochs=1), columns(), columns(24), tmp_path, cpu=True).fit()
    assert best["score"] == best["accuracy"] and "auxiliary_accuracy" not in best


def test_of_epochs_that_are_equally_often_right_the_one_with_the_lowest_loss_is_kept(tmp_path):
    trainer = Trainer(changed(epochs=1), columns(), columns(24), tmp_path, cpu=True)
    assert trainer.improves({"score": 0.0, "validation_loss": 9.0})
    trainer.progress.best = {"score": 0.5, "validation_loss": 1.0}
    assert trainer.improves({"score": 0.5, "validation_loss": 0.9}) and trainer.improves({"score": 0.6, "validation_loss": 2.0})
    assert not trainer.improves({"score": 0.5, "validation_loss": 1.0})
    assert not trainer.improves({"score": 0.4, "validation_loss": 0.1})


def test_the_epoch_with_the_lowest_loss_is_kept_where_the_recipe_says_so(tmp_path):
    trainer = Trainer(changed(epochs=1, selection="loss"), columns(), columns(24), tmp_path, cpu=True)
    trainer.progress.best = {"score": 0.5, "validation_loss": 1.0}
    assert trainer.improves({"score": 0.4, "validation_loss": 0.9})
    assert not trainer.improves({"score": 0.9, "validation_loss": 1.1})


def test_the_validation_loss_is_that_of_the_kept_weights(tmp_path):
    best = Trainer(changed(epochs=1), columns(), columns(24), tmp_path, cpu=True).fit()
    model, processor = (kind.from_pretrained(tmp_path / "best") for kind in (FerForImageClassification, FerImageProcessor))
    logits, _ = predict_logits(model, processor, columns(24))
    expected = torch.nn.functional.cross_entropy(logits, columns(24).labels).item()
    assert best["validation_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("images", "processes", "batch"), [(1000, 1, 16), (64, 1, 8), (64, 2, 4), (5, 1, 2)])
def test_a_small_data_set_is_read_in_smaller_batches(images, processes, batch):
    assert fitting_batch(changed(batch_size=16, least_steps=8), images, processes) == batch


def test_an_epoch_of_few_images_has_its_least_steps(tmp_path):
    trainer = Trainer(changed(epochs=1, batch_size=32, least_steps=8), columns(40), columns(24), tmp_path, cpu=True)
    assert len(trainer.loader) == 8


def test_the_moving_average_of_a_short_run_has_left_its_start_behind():
    averages, short = [torch.zeros(1)], moving_average(0.99)
    for step in range(1, 21):
        short(averages, [torch.ones(1)], torch.tensor(step))
    assert averages[0].item() > 0.99
    long = [torch.zeros(1)]
    moving_average(0.99)(long, [torch.ones(1)], torch.tensor(10_000))
    assert long[0].item() == pytest.approx(0.01)


def test_everything_at_once_is_resumed_bit_for_bit(tmp_path):
    augmentation = AugmentationConfig(
        flip=0.5, erase=0.3, gamma=0.3, shadow=0.3, blur=0.3, downscale=0.3, noise=0.05, jpeg=0.3, mixup=0.7
    )
    model = {**RESIDUAL, "drop_path": 0.3, "dropout": 0.2, "squeeze_excitation": True, "facial_parts_weight": 1.0}
    recipe = changed(
        model=model,
        epochs=2,
        augmentation=augmentation,
        stage_decay=0.5,
        class_balancing=0.5,
        teachers=[save_teacher(tmp_path / "teacher", auxiliary_labels=["other", "top"])],
    )
    data = (two_label_sets(), two_label_sets(24))
    Trainer(recipe, *data, tmp_path / "whole", cpu=True).fit()
    broken = Trainer(recipe, *data, tmp_path / "broken", cpu=True, save_steps=1)
    step, steps = broken.train_step, []

    def cut_step(batch):
        if len(steps) == 6:
            raise CutError
        steps.append(None)
        return step(batch)

    broken.train_step = cut_step
    with pytest.raises(CutError):
        broken.fit()
    Trainer(recipe, *data, tmp_path / "broken", resume=True, cpu=True).fit()
    expected, actual = (weights(tmp_path / name / "last") for name in ("whole", "broken"))
    assert all(torch.equal(expected[key], actual[key]) for key in expected)
    losses = [json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1]) for name in ("whole", "broken")]
    for name in ("loss", "accuracy", "auxiliary_accuracy", "score"):
        assert losses[0][name] == pytest.approx(losses[1][name], abs=1e-6)


def test_mixing_reaches_both_label_sets_and_the_maps(tmp_path):
    recipe = changed(augmentation=AugmentationConfig(mixup=1.0, mixup_alpha=2.0))
    trainer = Trainer(recipe, two_label_sets(), two_label_sets(24), tmp_path, cpu=True)
    trainer.seed_step()
    inputs = trainer.inputs(two_label_sets().__getitems__(list(range(16))))
    for name in ("labels", "auxiliary_labels"):
        torch.testing.assert_close(inputs[name].sum(dim=1), torch.ones(16))
        assert ((inputs[name] > 0).sum(dim=1) == 2).any()
    outputs = trainer.model(**inputs)
    assert torch.isfinite(outputs.loss) and outputs.loss_terms.auxiliary > 0


@pytest.mark.parametrize(("target", "classes"), [("votes", 8), ("joint", 8), ("both", 8), ("label", 7)])
def test_each_target_is_trained_on(target, classes, tmp_path):
    write_prepared(tmp_path / "data", 40)
    recipe = changed(target=target, epochs=1)
    splits = load_splits(tmp_path / "data", target, recipe.label_votes)
    train, validation = (recipe_columns(recipe, splits[name]) for name in ("train", "validation"))
    assert len(train) == (40 if target == "label" else 39)
    assert train.targets.shape[1] == classes
    best = Trainer(recipe, train, validation, tmp_path / "run", cpu=True).fit()
    config = FerForImageClassification.from_pretrained(tmp_path / "run" / "best").config
    assert config.label_shares == pytest.approx(training_shares(recipe, train))
    assert ("auxiliary_accuracy" in best) == (target == "both")
    if target == "both":
        assert list(config.id2label.values()) == list(EXPRESSIONS)
        assert config.auxiliary_labels == splits["train"].features["auxiliary_label"].names
        assert train.select(np.array([3, 1])).auxiliary_labels.tolist() == train.auxiliary_labels[[3, 1]].tolist()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_repository_are_read(recipe, tmp_path):
    read = read_recipe(recipe)
    write_recipe(read, tmp_path / "again.yaml")
    assert read_recipe(tmp_path / "again.yaml") == read


def test_bad_recipes_are_named(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("learning_rat: 1")
    with pytest.raises(ValueError, match="no setting 'learning_rat'; the nearest is 'learning_rate'"):
        read_recipe(file)
    file.write_text("augmentation: {rotation: [0]}")
    with pytest.raises(ValueError, match="augmentation has no setting 'rotation'; the nearest is 'rotations'"):
        read_recipe(file)
    file.write_text("target: crowd")
    with pytest.raises(ValueError, match="target is 'crowd', but must be one of label, votes, joint, both"):
        read_recipe(file)
    file.write_text("model: {image_sise: 48}")
    with pytest.raises(ValueError, match="model has no setting 'image_sise'; the nearest is 'image_size'"):
        read_recipe(file)
    file.write_text("- epochs")
    with pytest.raises(ValueError, match="a recipe is settings"):
        read_recipe(file)
    file.write_text("epochs: {")
    with pytest.raises(ValueError, match="recipe.yaml is not YAML"):
        read_recipe(file)
    file.write_text("stage_decay: 0")
    with pytest.raises(ValueError, match="stage_decay is 0, but must be greater than 0"):
        read_recipe(file)
    file.write_text("schedule: linear")
    with pytest.raises(ValueError, match="schedule is 'linear'"):
        read_recipe(file)
    with pytest.raises(
        FileNotFoundError, match=r"none.yaml is neither a file nor a bundled recipe; these are ckplus48_finetune"
    ):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("epochs=5.5", "epochs is 5.5, but must be a whole number"),
        ("epochs=true", "epochs is True, but must be a whole number"),
        ("learning_rate=fast", "learning_rate is 'fast', but must be a number"),
        ("learning_rate=.nan", "learning_rate is nan, but must be a finite number"),
        ("ema_decay=2", "ema_decay is 2, but must be at least 0 and less than 1"),
        ("teachers=fer-base", "teachers is 'fer-base', but must be a list"),
        ("streaming=1", "streaming is 1, but must be true or false"),
        ("augmentation=5", "augmentation holds 5, but must hold settings"),
        ("augmentation.flip=often", "augmentation: flip is 'often', but must be a number"),
        ("augmentation.flip=2", "augmentation: flip is 2, but must be at least 0 and at most 1"),
        ("augmentation.flip.often=2", "flip is 0.5, which has no setting 'often' within it"),
        ("augmentation.scales=[]", "scales is empty"),
        ("augmentation.low_percentiles=[5]", "low_percentiles is .5., but must be a list of 2"),
        ("preprocessing.image_std=[0]", "image_std is .0.0., but must be greater than 0"),
        ("model=5", "model is 5, but must be settings of its own"),
        ("model.image_size=big", "model.image_size is 'big', but must be a whole number"),
        ("model.hidden_sizes=512", "model.hidden_sizes is 512, but must be a list"),
        ("model.hidden_sizes=[a]", "model.hidden_sizes.0. is 'a', but must be a whole number"),
        ("epochs={5", "The value of 'epochs=.5' is not YAML"),
    ],
)
def test_values_of_another_kind_are_refused(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_recipe("prepared_hybrid", read_overrides([setting]))


def test_a_stream_is_not_balanced():
    with pytest.raises(ValueError, match="class_balancing is 0.3, but a streamed data set is read in its own order"):
        Recipe(streaming=True, class_balancing=0.3)


def test_numbers_that_yaml_reads_as_text_are_numbers():
    pairs = ["learning_rate=1e-3", "epochs=2e1", "mixed_precision=no", "model.dropout=1e-1", "model.backbone=null"]
    read = read_recipe("prepared_hybrid", read_overrides(pairs))
    assert (read.learning_rate, read.epochs, read.mixed_precision) == (0.001, 20, "no")
    assert read.model["dropout"] == 0.1 and read.model["backbone"] is None
    with pytest.raises(ValueError, match="batch_size is 8.5, but must be a whole number"):
        Recipe(batch_size=8.5)


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


def launch(folder, launched: list[str], *more: str) -> "subprocess.CompletedProcess[str]":
    """Trains on two processes by the recipe and the data set in a folder."""
    arguments = ["recipe.yaml", "--data", "data", "--output", "run", "--cpu", *more]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu", *launched, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


@pytest.mark.slow
def test_accelerate_launch_trains_by_the_command_and_by_the_script(tmp_path):
    write_prepared(tmp_path / "data", 40)
    write_recipe(Recipe(model=MODEL, epochs=1, batch_size=8), tmp_path / "recipe.yaml")
    done = launch(tmp_path, ["-m", "modeling_fer.commands.train"])
    assert done.returncode == 0, done.stderr
    assert "epoch 1: loss" in done.stdout
    assert (tmp_path / "run" / "best" / "model.safetensors").is_file()
    longer = launch(tmp_path, [str(ROOT / "scripts" / "train.py")], "--resume", "--set", "epochs=2")
    assert "epoch 2: loss" in longer.stdout, longer.stderr


@pytest.mark.slow
def test_killed_run_ends_like_one_left_alone(tmp_path):
    write_prepared(tmp_path / "data", 120)
    write_recipe(Recipe(model=MODEL, epochs=2, batch_size=2, mixed_precision="no"), tmp_path / "recipe.yaml")

    def command(run: str, *more: str) -> list[str]:
        arguments = ["recipe.yaml", "--data", "data", "--output", run, "--cpu", "--save-steps", "1", *more]
        return [str(FER), "train", *arguments]

    whole = subprocess.run(command("whole"), capture_output=True, text=True, cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    killed = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    while killed.poll() is None and not (tmp_path / "killed" / "state").is_dir():
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "killed" / "last").exists(), "the run must be killed within its first epoch"
    resumed = subprocess.run(command("killed", "--resume"), capture_output=True, text=True, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    expected, actual = (weights(tmp_path / run / "last") for run in ("whole", "killed"))
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


def test_images_and_landmarks_are_scaled_together():
    from PIL import Image as Pil

    spot = np.zeros((48, 48), np.uint8)
    spot[20:24, 32:36] = 255
    features = Features(
        image=Image(), label=ClassLabel(names=["a"]), landmarks=Array2D((2, 2), "float32"), face_detected=Value("bool")
    )
    rows = {
        "image": [Pil.fromarray(spot)], "label": [0], "landmarks": [[[0, 0], [33.5, 21.5]]], "face_detected": [True],
    }  # fmt: skip
    processor = FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1)
    decoded = decode_columns(Dataset.from_dict(rows, features=features), processor, slice(1, 2))
    weights = decoded.images[0, 0].float()
    x = (weights.sum(0) * torch.arange(24)).sum() / weights.sum()
    assert decoded.landmarks[0, 0].tolist() == pytest.approx([x.item(), 10.5], abs=0.1)
    assert math.isclose(decoded.targets.sum().item(), 1)
