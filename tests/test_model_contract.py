"""What transformers checks of its own models, as far as it applies to this one."""

import inspect

import pytest
import torch
from helpers import tiny_batch, tiny_config
from torch.testing import assert_close

from modeling_fer import FerConfig, FerForImageClassification, FerModel
from modeling_fer.configuration_fer import REGULARIZATIONS

KINDS = [
    {"regularization": regularization, "representation_block": block, "normalization": normalization}
    for regularization in REGULARIZATIONS
    for block, normalization in (("plain", "none"), ("residual", "batch"))
]


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(kind.values()))
def config(request) -> FerConfig:
    return tiny_config(**request.param, residual_blocks=[1, 1], auxiliary_labels=["calm", "glad"])


@pytest.mark.parametrize("kind", [FerModel, FerForImageClassification])
def test_tuples_hold_what_dicts_hold(config, kind):
    model, pixel_values = kind(config).eval(), tiny_batch(config)["pixel_values"]
    expected = [value for value in model(pixel_values).values() if value is not None]
    for given in (model(pixel_values, return_dict=False), model(pixel_values).to_tuple()):
        assert type(given) is tuple and len(given) == len(expected)
        assert all(torch.equal(one, other) for one, other in zip(given, expected, strict=True))
    model.config.return_dict = False
    assert type(model(pixel_values)) is tuple


def test_a_saved_model_answers_as_before(config, tmp_path):
    model, pixel_values = FerForImageClassification(config).eval(), tiny_batch(config)["pixel_values"]
    model.save_pretrained(tmp_path)
    loaded, information = FerForImageClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(information[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    before, after = model(pixel_values), loaded.eval()(pixel_values)
    assert torch.equal(before.logits, after.logits) and torch.equal(before.auxiliary_logits, after.auxiliary_logits)


def test_the_base_model_is_loaded_from_the_whole_one(config, tmp_path):
    model, pixel_values = FerForImageClassification(config).eval(), tiny_batch(config)["pixel_values"]
    model.save_pretrained(tmp_path)
    base = FerModel.from_pretrained(tmp_path).eval()
    assert torch.equal(base(pixel_values).last_hidden_state, model.fer(pixel_values).last_hidden_state)


def test_an_image_is_answered_alike_alone_and_in_a_batch(config):
    model, pixel_values = FerForImageClassification(config).eval(), tiny_batch(config)["pixel_values"]
    together = model(pixel_values)
    for row in range(len(pixel_values)):
        alone = model(pixel_values[row : row + 1])
        assert alone.keys() == together.keys()
        for name in together:
            assert_close(alone[name][0], together[name][row], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_kept_and_close(config, dtype, tmp_path):
    model, pixel_values = FerForImageClassification(config).eval(), tiny_batch(config)["pixel_values"]
    model.save_pretrained(tmp_path)
    half = FerForImageClassification.from_pretrained(tmp_path, dtype=dtype).eval()
    assert {parameter.dtype for parameter in half.parameters()} == {dtype}
    outputs = half(pixel_values.to(dtype))
    assert outputs.logits.dtype == dtype
    expected = model(pixel_values).logits.detach()
    assert_close(outputs.logits.float(), expected, rtol=0, atol=0.1 * float(expected.abs().max()))


@pytest.mark.parametrize("kind", [FerModel, FerForImageClassification])
def test_the_image_is_the_first_argument(kind):
    assert list(inspect.signature(kind.forward).parameters)[:2] == ["self", kind.main_input_name]


def test_training_gives_every_weight_a_gradient(config):
    model = FerForImageClassification(config).train()
    model(**tiny_batch(config), auxiliary_targets=torch.arange(6) % 2).loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
