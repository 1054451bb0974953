import copy

import pytest
import torch
from helpers import tiny_batch, tiny_config
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModel, AutoModelForImageClassification

from modeling_fer import FerForImageClassification, FerModel
from modeling_fer.configuration_fer import REGULARIZATIONS
from modeling_fer.data.landmarks import draw_heatmaps
from modeling_fer.layers_fer import ResidualBlock, SqueezeExcitation
from modeling_fer.losses_fer import classification_loss
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


def residual_config(**changes):
    return tiny_config(**{"representation_block": "residual", "residual_blocks": [1, 2], **changes})


def count_parameters(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize(
    ("size", "blocks", "channels"),
    [(24, [1, 2], 1), (48, [3, 4, 3], 3), (33, [1, 1, 1, 1], 1), (50, [2], 3), (47, [1, 1, 1], 1)],
)
@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_residual_representation_of_any_size_depth_and_channels(size, blocks, channels, normalization):
    config = residual_config(
        image_size=size,
        residual_blocks=blocks,
        representation_depth=len(blocks),
        num_channels=channels,
        normalization=normalization,
    )
    model = FerForImageClassification(config)
    outputs = model(**tiny_batch(config, 2))
    assert outputs.relevance_map.shape == (2, 1, size, size)
    assert outputs.logits.shape == (2, 8) and torch.isfinite(outputs.loss)
    edge = size // 2 ** len(blocks)
    features = model.fer.representation(torch.randn(2, channels, size, size), torch.ones(2, 1, size, size))
    assert features.shape == (2, 4 * 2 ** (len(blocks) - 1), edge, edge)


def test_the_relevance_map_gates_a_residual_representation():
    config = residual_config(normalization="batch")
    model = FerForImageClassification(config)
    relevance_map = torch.ones(2, 1, 24, 24)
    relevance_map[..., 12:] = 0
    features = model.fer.representation(torch.randn(2, 1, 24, 24), relevance_map)
    assert features[..., 3:].abs().max() == 0
    assert features[..., :3].abs().max() > 0


@pytest.mark.parametrize("make_config", [tiny_config, residual_config])
def test_with_more_gated_maps_less_of_a_dark_place_is_seen(make_config):
    seen = []
    for gated_maps in (1, 2, 3):
        torch.manual_seed(0)
        model = FerForImageClassification(make_config(gated_maps=gated_maps, image_size=48))
        pixel_values = torch.randn(2, 1, 48, 48, requires_grad=True)
        relevance_map = torch.ones(2, 1, 48, 48)
        relevance_map[..., 24:] = 0
        model.fer.representation(pixel_values, relevance_map).sum().backward()
        seen.append(float(pixel_values.grad[..., 24:].abs().sum()))
    assert seen[0] > seen[1] > seen[2] > 0


@pytest.mark.parametrize(("normalization", "squeeze_excitation"), [("none", False), ("batch", False), ("batch", True)])
def test_gradient_reaches_the_residual_stem_and_every_block(normalization, squeeze_excitation):
    config = residual_config(normalization=normalization, squeeze_excitation=squeeze_excitation)
    model = FerForImageClassification(config)
    model(**tiny_batch(config)).loss_terms.classification.backward()
    assert model.fer.representation.blocks[0][0].weight.grad.norm() > 1e-4
    for name, parameter in model.fer.representation.named_parameters():
        assert parameter.grad.norm() > 0 or name.endswith("squeeze.bias"), name


def test_residual_baseline_has_exactly_the_parameters_of_its_layers():
    config = residual_config(regularization="none", normalization="batch")
    model = FerForImageClassification(config)
    norm = 2
    stem = 25 * 4 + norm * 4
    stages = 2 * (9 * 4 * 4 + norm * 4) + (9 * 4 * 8 + 9 * 8 * 8 + 2 * norm * 8) + 2 * (9 * 8 * 8 + norm * 8)
    expression_block = 9 * 8 * 8 + norm * 8
    assert count_parameters(model.fer) == stem + stages + expression_block
    assert model.num_parameters() == stem + stages + expression_block + count_parameters(model.classifier)
    weighed = FerForImageClassification(residual_config(regularization="none", normalization="batch", squeeze_excitation=True))
    # Two dense layers a block, which reduce the channels to at least one.
    added = (4 * 1 + 1 + 1 * 4 + 4) + 2 * (8 * 1 + 1 + 1 * 8 + 8)
    assert weighed.num_parameters() - model.num_parameters() == added


@pytest.mark.parametrize(("in_channels", "out_channels", "stride"), [(4, 4, 1), (4, 8, 1), (4, 8, 2)])
def test_a_residual_block_without_its_convolutions_is_its_shortcut(in_channels, out_channels, stride):
    block = ResidualBlock(tiny_config(), in_channels, out_channels, stride)
    torch.nn.init.zeros_(block.conv2.weight)
    torch.nn.init.zeros_(block.conv2.bias)
    features = torch.rand(2, in_channels, 7, 7)
    kept = torch.nn.functional.avg_pool2d(features, 2) if stride == 2 else features
    output = block(features)
    torch.testing.assert_close(output[:, :in_channels], kept)
    assert output.shape[1] == out_channels and output[:, in_channels:].abs().sum() == 0


def test_drop_path_skips_in_training_alone_and_keeps_the_mean():
    block = ResidualBlock(tiny_config(), 3, 3, drop_path=0.4)
    # Far from zero, so that the last ReLU passes all.
    features = (torch.rand(1, 3, 6, 6) + 100).expand(4000, -1, -1, -1)
    with torch.no_grad():
        whole = block.eval()(features) - features
        assert torch.equal(block(features[:1]), block(features[:1]))
        branch = block.train()(features) - features
    skipped = branch.flatten(1).abs().amax(dim=1) == 0
    assert skipped.float().mean() == pytest.approx(0.4, abs=0.03)
    torch.testing.assert_close(branch[~skipped], whole[~skipped] / 0.6, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(branch.mean(dim=0), whole[0], rtol=0.05, atol=1e-2)


def test_later_blocks_are_skipped_more():
    config = residual_config(residual_blocks=[1, 3], drop_path=0.2)
    representation = Representation(config)
    shares = [module.drop_path for module in representation.modules() if isinstance(module, ResidualBlock)]
    assert shares == pytest.approx([0.05, 0.1, 0.15, 0.2])


def test_squeeze_excitation_weighs_whole_channels_by_their_means():
    module, features = SqueezeExcitation(16), torch.randn(3, 16, 5, 5)
    weights = module(features) / features
    torch.testing.assert_close(weights, weights[:, :, :1, :1].expand_as(weights), atol=1e-4, rtol=1e-3)
    assert (weights > 0).all() and (weights < 1).all()
    assert module.squeeze.out_features == 2
    shuffled = features.flatten(2)[:, :, torch.randperm(25)].view_as(features)
    torch.testing.assert_close((module(shuffled) / shuffled)[:, :, 0, 0], weights[:, :, 0, 0], atol=1e-4, rtol=1e-3)


AUXILIARY = ["calm", "glad", "sad"]


def test_second_label_set_has_an_output_and_a_loss_term_of_its_own():
    config = tiny_config(auxiliary_labels=AUXILIARY, auxiliary_weight=0.3, label_smoothing=0.1)
    model, batch = FerForImageClassification(config), tiny_batch(config)
    assert model.classifier.auxiliary_output.weight.shape == (3, 16)
    labels = torch.arange(6) % 3
    outputs = model(**batch, auxiliary_targets=labels)
    assert outputs.auxiliary_logits.shape == (6, 3)
    expected = torch.nn.functional.cross_entropy(outputs.auxiliary_logits, labels, label_smoothing=0.1)
    torch.testing.assert_close(outputs.loss_terms.auxiliary, expected)
    model.config.auxiliary_weight = 0.0
    alone = model(**batch, auxiliary_targets=labels)
    torch.testing.assert_close(outputs.loss - alone.loss, 0.3 * expected)
    torch.testing.assert_close(outputs.logits, alone.logits)
    soft = model(**batch, auxiliary_targets=torch.eye(3)[labels])
    torch.testing.assert_close(soft.loss_terms.auxiliary, expected)
    with pytest.raises(ValueError, match="give auxiliary_targets beside labels"):
        model(**batch)
    assert model(batch["pixel_values"]).loss is None


def test_without_a_second_label_set_there_is_no_output_for_it():
    config = tiny_config()
    outputs = FerForImageClassification(config)(**tiny_batch(config))
    assert outputs.auxiliary_logits is None and outputs.loss_terms.auxiliary is None


SHARES = [0.3, 0.25, 0.15, 0.1, 0.1, 0.02, 0.05, 0.03]


def test_logits_are_divided_by_the_temperature_and_lowered_by_the_prior():
    config = tiny_config(label_shares=SHARES, prior_strength=0.4, temperature=1.5)
    model = FerForImageClassification(config).eval()
    logits = torch.randn(5, 8)
    expected = logits / 1.5 - 0.4 * torch.tensor(SHARES).log()
    torch.testing.assert_close(model.adjust_logits(logits), expected)
    torch.testing.assert_close(model.adjust_logits(logits, prior_strength=0.0), logits / 1.5)
    # In full strength, what was as frequent as its share is as frequent as any other.
    even = model.adjust_logits(1.5 * torch.tensor([SHARES]).log(), prior_strength=1.0)
    torch.testing.assert_close(even.softmax(dim=1), torch.full((1, 8), 1 / 8))


def test_prior_strength_of_a_call_takes_the_place_of_the_configurations():
    config = tiny_config(label_shares=SHARES, prior_strength=0.4)
    model, batch = FerForImageClassification(config).eval(), tiny_batch(config)
    configured, none, full = (model(**batch, prior_strength=strength) for strength in (None, 0.0, 1.0))
    prior = torch.tensor(SHARES).log().expand(6, -1)
    torch.testing.assert_close(none.logits - configured.logits, 0.4 * prior)
    torch.testing.assert_close(none.logits - full.logits, prior)
    # The loss is that of what is learned, whatever is answered.
    assert none.loss == configured.loss == full.loss
    torch.testing.assert_close(none.loss_terms.classification, classification_loss(none.logits, batch["labels"], 0.0))
    model.config.temperature = 3.0
    torch.testing.assert_close(model(**batch).loss, none.loss)


@pytest.mark.parametrize(("shares", "strength"), [(SHARES, 1.2), (SHARES, -0.1), (None, 0.5)])
def test_a_prior_strength_that_cannot_be_used_is_refused(shares, strength):
    model = FerForImageClassification(tiny_config(label_shares=shares))
    with pytest.raises(ValueError, match=rf"prior.strength is {strength}"):
        model(torch.randn(1, 1, 24, 24), prior_strength=strength)
    assert model(torch.randn(1, 1, 24, 24), prior_strength=0.0).logits.shape == (1, 8)


def test_a_residual_checkpoint_with_all_of_it_is_loaded_as_it_was_saved(tmp_path):
    config = residual_config(
        squeeze_excitation=True,
        drop_path=0.1,
        normalization="batch",
        auxiliary_labels=AUXILIARY,
        label_shares=SHARES,
        prior_strength=0.5,
        temperature=1.2,
    )
    saved, pixel_values = FerForImageClassification(config).eval(), torch.randn(2, 1, 24, 24)
    saved.save_pretrained(tmp_path)
    loaded = FerForImageClassification.from_pretrained(tmp_path)
    assert loaded.config.to_diff_dict() | {"_name_or_path": ""} == saved.config.to_diff_dict() | {"_name_or_path": ""}
    for name in ("logits", "auxiliary_logits", "relevance_map"):
        assert torch.equal(saved(pixel_values)[name], loaded(pixel_values)[name])


@pytest.mark.slow
@pytest.mark.parametrize("block", ["plain", "residual"])
def test_onnx_export_gives_equal_outputs(tmp_path, block):
    onnxruntime = pytest.importorskip("onnxruntime")
    config = residual_config(normalization="batch", representation_block=block, squeeze_excitation=True)
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
    # Its facial parts are made of the plain blocks.
    config = residual_config(label_shares=SHARES, prior_strength=0.5, temperature=1.5)
    model = FerForImageClassification(config).eval()
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True)
    batch = tiny_batch(config)
    torch.testing.assert_close(compiled(**batch).loss, model(**batch).loss, atol=1e-4, rtol=1e-4)


def test_labels_in_whatever_form_they_come():
    config = tiny_config(regularization="none")
    model, pixels = FerForImageClassification(config).eval(), tiny_batch(config)["pixel_values"]
    indices = torch.arange(len(pixels)) % config.num_labels
    one_hot = torch.nn.functional.one_hot(indices, config.num_labels)
    expected = model(pixels, labels=indices).loss
    for labels in (indices.int(), indices.to(torch.uint8), one_hot, one_hot.double()):
        torch.testing.assert_close(model(pixels, labels=labels).loss, expected)
    bad = {
        "not whole numbers": indices.float(),
        "must be a tensor of class indices .* here they are list": indices.tolist(),
        r"of the shape \(1, 6, 8\)": one_hot[None],
        "labels reach from -100 to 7": torch.where(indices == 0, -100, torch.full_like(indices, 7)),
        "distributions over 7 classes, but this model has 8": one_hot[:, :7],
    }
    for sentence, labels in bad.items():
        with pytest.raises(ValueError, match=sentence):
            model(pixels, labels=labels)
    assert model(pixels[:0], labels=indices[:0]).logits.shape == (0, 8)


def test_a_configuration_whose_classes_were_changed_is_named():
    config = tiny_config(label_shares=[0.125] * 8, prior_strength=0.5)
    config.num_labels = 5
    with pytest.raises(StrictDataclassError, match="must be 5 numbers .* give from_pretrained num_labels or id2label"):
        FerForImageClassification(config)
