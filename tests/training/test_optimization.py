import copy
import json

import pytest
import torch
from helpers import MODEL, RESIDUAL, changed, columns

from modeling_fer import FerConfig, FerForImageClassification
from modeling_fer.training.optimization import build_optimizer, learning_rate_factor, moving_average
from modeling_fer.training.recipe import Recipe
from modeling_fer.training.trainer import Trainer


def test_a_learning_rate_by_depth_needs_stages():
    model = FerForImageClassification(FerConfig(backbone="resnet10t", image_size=32, num_channels=1))
    with pytest.raises(ValueError, match="stage_decay is 0.9, but a timm backbone has no stages"):
        build_optimizer(Recipe(stage_decay=0.9), model)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_all_parameters_are_stepped_at_once_as_they_are_one_by_one(name):
    recipe = changed(optimizer=name, learning_rate=1e-3, weight_decay=0.1)
    together = FerForImageClassification(FerConfig(**{**MODEL, "regularization": "none"})).to(memory_format=torch.channels_last)
    networks = [together, copy.deepcopy(together)]
    fused, single = (build_optimizer(recipe, network) for network in networks)
    assert all(group["fused"] for group in fused.param_groups)
    for group in single.param_groups:
        group["fused"], group["foreach"] = False, False
    size = together.config.image_size
    batch = {"pixel_values": torch.randn(8, together.config.num_channels, size, size), "labels": torch.arange(8) % 2}
    for _ in range(3):
        for network, optimizer in zip(networks, (fused, single), strict=True):
            optimizer.zero_grad()
            network(**batch).loss.backward()
            optimizer.step()
    for first, second in zip(*(network.parameters() for network in networks), strict=True):
        torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-3)


def test_learning_rate_is_that_of_the_recipe():
    decay = learning_rate_factor(Recipe(), steps_an_epoch=10)
    assert (decay(0), decay(10), decay(29)) == pytest.approx((1, 0.99, 0.99**2))
    cosine = learning_rate_factor(Recipe(schedule="cosine", epochs=10, warmup_epochs=1), steps_an_epoch=10)
    assert cosine(0) < 0.2
    assert cosine(10) == pytest.approx(1)
    assert cosine(55) == pytest.approx(0.5)
    assert cosine(100) == pytest.approx(0)


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


def test_the_moving_average_of_a_short_run_has_left_its_start_behind():
    averages, short = [torch.zeros(1)], moving_average(0.99)
    for step in range(1, 21):
        short(averages, [torch.ones(1)], torch.tensor(step))
    assert averages[0].item() > 0.99
    long = [torch.zeros(1)]
    moving_average(0.99)(long, [torch.ones(1)], torch.tensor(10_000))
    assert long[0].item() == pytest.approx(0.01)
