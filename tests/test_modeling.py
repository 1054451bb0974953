import copy

import pytest
import torch
from conftest import tiny_batch, tiny_config
from transformers import AutoModel, AutoModelForImageClassification

from modeling_fer import FerForImageClassification, FerModel
from modeling_fer.configuration_fer import REGULARIZATIONS
from modeling_fer.landmarks import draw_heatmaps
from modeling_fer.modeling_fer import Classifier, ExpressionBlock, Representation


def test_expression_block_is_zero_where_the_relevance_map_is():
    block = ExpressionBlock(tiny_config(), channels=3)
    relevance_map = torch.ones(2, 1, 24, 24)
    relevance_map[:, :, :12] = 0
    gated = block(torch.randn(2, 3, 6, 6), relevance_map)
    assert gated[:, :, :3].abs().max() == 0
    assert gated[:, :, 3:].abs().max() > 0


def test_expression_block_is_eq_1():
    block = ExpressionBlock(tiny_config(), channels=3)
    features, relevance_map = torch.randn(2, 3, 6, 6), torch.randn(2, 1, 6, 6)
    conv = block.conv[0]
    expected = torch.nn.functional.conv2d(features, conv.weight, conv.bias, padding=1).clamp(min=0) * relevance_map
    torch.testing.assert_close(block(features, relevance_map), expected)


@pytest.mark.parametrize("regularization", REGULARIZATIONS)
@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
def test_gradient_of_the_classification_reaches_every_module_of_a_fresh_network(regularization, activation):
    config = tiny_config(regularization=regularization, relevance_activation=activation)
    model = FerForImageClassification(config)
    outputs = model(**tiny_batch(config))
    outputs.loss_terms.classification.backward()
    assert model.fer.representation.blocks[0][0][0].weight.grad.norm() > 1e-4
    if regularization != "none":
        assert outputs.relevance_map.mean().item() == pytest.approx(1.0, abs=0.3)
        assert model.fer.facial_parts.encoder[0][0][0].weight.grad.norm() > 0


def test_baseline_has_exactly_the_parameters_of_representation_and_classifier():
    config = tiny_config(regularization="none")
    representation = Representation(config)
    classifier = Classifier(config, representation.out_features)
    expected = sum(p.numel() for module in (representation, classifier) for p in module.parameters())
    model = FerForImageClassification(config)
    assert model.num_parameters() == expected
    outputs = model(**tiny_batch(config))
    assert outputs.relevance_map is None
    assert outputs.loss == outputs.loss_terms.classification


def test_objective_is_eq_2_with_eq_5_and_the_hybrid_sum():
    config = tiny_config(
        facial_parts_weight=3.0, sparsity_weight=0.5, contiguity_weight=2.0, hybrid_fully_weight=0.7, hybrid_weakly_weight=0.2
    )
    outputs = FerForImageClassification(config)(**tiny_batch(config))
    terms = outputs.loss_terms
    expected = terms.classification + 3 * (0.7 * terms.landmark_map + 0.2 * (0.5 * terms.sparsity + 2 * terms.contiguity))
    torch.testing.assert_close(outputs.loss, expected)


@pytest.mark.parametrize(("sparsity", "contiguity"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_weakly_supervised_terms_alone_and_together(sparsity, contiguity):
    config = tiny_config(
        regularization="weakly", facial_parts_weight=1.0, sparsity_weight=sparsity, contiguity_weight=contiguity
    )
    outputs = FerForImageClassification(config)(**tiny_batch(config))
    terms = outputs.loss_terms
    expected = terms.classification + sparsity * terms.sparsity + contiguity * terms.contiguity
    torch.testing.assert_close(outputs.loss, expected)
    assert terms.landmark_map is None


def test_fully_supervised_training_drives_the_map_to_its_target():
    config = tiny_config(regularization="fully", facial_parts_filters=8)
    model = FerForImageClassification(config)
    batch = tiny_batch(config, 4)
    batch["heatmaps"] = draw_heatmaps(torch.rand(4, 3, 2) * 24, 24, 24, 3.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = model(**batch).loss_terms.landmark_map.item()
    for _ in range(250):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    last = model(**batch).loss_terms.landmark_map.item()
    assert first > 0.2
    assert last < 0.01


def test_soft_labels_equal_hard_ones_where_they_are_certain():
    config = tiny_config()
    model, batch = FerForImageClassification(config), tiny_batch(config)
    hard = model(**batch).loss
    batch["labels"] = torch.eye(config.num_labels)[batch["labels"]]
    torch.testing.assert_close(model(**batch).loss, hard)


@pytest.mark.parametrize(("size", "facial_depth", "depth", "channels"), [(50, 3, 2, 3), (33, 1, 4, 1), (24, 4, 1, 3)])
def test_any_size_depth_and_channels(size, facial_depth, depth, channels):
    config = tiny_config(image_size=size, facial_parts_depth=facial_depth, representation_depth=depth, num_channels=channels)
    outputs = FerForImageClassification(config)(**tiny_batch(config, 2))
    assert outputs.relevance_map.shape == (2, 1, size, size)
    assert outputs.logits.shape == (2, 8)


def test_timm_backbone_is_gated_by_the_same_block():
    config = tiny_config(image_size=64, backbone="resnet10t", num_channels=3)
    model = FerForImageClassification(config)
    outputs = model(**tiny_batch(config, 2))
    outputs.loss.backward()
    assert outputs.logits.shape == (2, 8)
    features = model.fer.representation(torch.randn(2, 3, 64, 64), torch.zeros(2, 1, 64, 64))
    assert features.abs().max() == 0


def test_unknown_backbone_is_named():
    with pytest.raises(ValueError, match="resnet_of_mine"):
        FerForImageClassification(tiny_config(backbone="resnet_of_mine"))


def test_bfloat16_autocast_channels_last_and_normalization():
    config = tiny_config(normalization="batch", dropout=0.1)
    model = FerForImageClassification(config).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(**tiny_batch(config))
    outputs.loss.backward()
    assert torch.isfinite(outputs.loss)
    assert outputs.loss.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_values": torch.zeros(2, 3, 24, 24)}, r"takes \(batch, 1, 24, 24\)"),
        ({"pixel_values": torch.zeros(2, 1, 30, 24)}, r"takes \(batch, 1, 24, 24\)"),
        ({"labels": torch.tensor([0, 8])}, "classes 0 to 7"),
        ({"labels": torch.rand(2, 7)}, "7 classes, but this model has 8"),
        ({"heatmaps": None}, "needs heatmaps"),
    ],
)
def test_wrong_input_is_named(change, message):
    config = tiny_config()
    with pytest.raises(ValueError, match=message):
        FerForImageClassification(config)(**{**tiny_batch(config, 2), **change})


def test_auto_classes_load_what_was_saved(tiny_checkpoint):
    saved = FerForImageClassification.from_pretrained(tiny_checkpoint).eval()
    loaded = AutoModelForImageClassification.from_pretrained(tiny_checkpoint)
    assert isinstance(loaded, FerForImageClassification)
    pixel_values = torch.randn(2, 1, 24, 24)
    assert torch.equal(saved(pixel_values).logits, loaded(pixel_values).logits)
    base = AutoModel.from_pretrained(tiny_checkpoint)
    assert isinstance(base, FerModel)
    assert torch.equal(base(pixel_values).relevance_map, saved(pixel_values).relevance_map)


def test_checkpoint_without_weights_is_named(tiny_checkpoint):
    (tiny_checkpoint / "model.safetensors").unlink()
    with pytest.raises(OSError, match="model.safetensors"):
        FerForImageClassification.from_pretrained(tiny_checkpoint)


@pytest.mark.slow
def test_onnx_export_gives_equal_outputs(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    config = tiny_config(normalization="batch")
    model = FerForImageClassification(config).eval()
    pixel_values = torch.randn(2, 1, 24, 24)

    class Outputs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixel_values):
            outputs = self.model(pixel_values)
            return outputs.logits, outputs.relevance_map

    file = tmp_path / "fer.onnx"
    torch.onnx.export(Outputs(), (pixel_values,), file, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(file)
    logits, relevance_map = session.run(None, {session.get_inputs()[0].name: pixel_values.numpy()})
    expected = model(pixel_values)
    torch.testing.assert_close(torch.tensor(logits), expected.logits.detach(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.tensor(relevance_map), expected.relevance_map.detach(), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_torch_compile_gives_equal_outputs():
    config = tiny_config()
    model = FerForImageClassification(config).eval()
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True)
    batch = tiny_batch(config)
    torch.testing.assert_close(compiled(**batch).loss, model(**batch).loss, atol=1e-4, rtol=1e-4)
