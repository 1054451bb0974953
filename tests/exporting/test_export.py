"""What `fer export` writes answers as the checkpoint does, or is not written."""

import numpy as np
import onnx
import pytest
import torch
from helpers import fer, plain, tiny_config

from modeling_fer import FerForImageClassification, FerImageProcessor, checkpoint_folder, load
from modeling_fer.exporting import export as exporting
from modeling_fer.exporting.comparison import Difference
from modeling_fer.exporting.export import export_checkpoint, export_linked, refuse_difference
from modeling_fer.inference.loading import Checkpoint, load_checkpoint
from modeling_fer.inference.onnx_engine import OnnxNetwork


def tiny(**changes) -> Checkpoint:
    config = tiny_config(**changes)
    processor = FerImageProcessor(size={"height": 24, "width": 24}, num_channels=config.num_channels)
    return Checkpoint(FerForImageClassification(config).eval(), processor)


NETWORKS = {
    "none": {"regularization": "none"},
    "fully": {"regularization": "fully", "normalization": "batch", "relevance_activation": "sigmoid"},
    "weakly": {"regularization": "weakly", "num_channels": 3, "image_size": 24},
    "hybrid": {
        "representation_block": "residual",
        "residual_blocks": [1, 1],
        "normalization": "batch",
        "squeeze_excitation": True,
        "auxiliary_labels": ["a", "b"],
    },
    "uneven": {"facial_parts_depth": 3, "image_size": 24},
    "timm": {"backbone": "mobilenetv3_small_050.lamb_in1k", "num_channels": 3},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_alike_for_1_to_64_crops(name, tmp_path):
    checkpoint = tiny(**NETWORKS[name])
    done = export_checkpoint(checkpoint, tmp_path)
    assert done.difference.largest < 1e-4 and done.crops == 54
    network, config = OnnxNetwork(tmp_path / "model.onnx"), checkpoint.model.config
    pixel_values = torch.rand(64, config.num_channels, 24, 24)
    for size in (1, 2, 33, 64):
        answer = network(pixel_values[:size].numpy())
        with torch.inference_mode():
            outputs = checkpoint.model(pixel_values[:size])
        np.testing.assert_allclose(answer.probabilities, outputs.logits.softmax(1).numpy(), atol=1e-4)
        if config.regularization == "none":
            assert answer.relevance_maps is None
        else:
            np.testing.assert_allclose(answer.relevance_maps, outputs.relevance_map.numpy(), atol=1e-4)


def test_the_file_is_enough_alone_and_says_nothing_of_this_machine(tmp_path, photo_path):
    export_checkpoint(load_checkpoint("fer-tiny"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.onnx"]
    [face] = load(tmp_path / "out")(photo_path, boxes=[(182, 62, 267, 175)])
    assert face.expression == "happiness"
    content = (tmp_path / "out" / "model.onnx").read_bytes()
    assert b"modeling_fer.py" not in content and b"site-packages" not in content
    graph = onnx.load(tmp_path / "out" / "model.onnx")
    onnx.checker.check_model(graph)
    assert {one.domain: one.version for one in graph.opset_import} == {"": 18}


@pytest.mark.parametrize("name", ["fer-base", "fer-tiny"])
def test_the_bundled_file_holds_no_weight_twice(name):
    folder = checkpoint_folder(name)
    assert (folder / "model.onnx").stat().st_size < 100_000
    graph = onnx.load(folder / "model.onnx", load_external_data=False)
    places = [{entry.key: entry.value for entry in one.external_data} for one in graph.graph.initializer if one.external_data]
    assert {place["location"] for place in places} == {"model.safetensors"}
    assert sum(int(place["length"]) for place in places) > 0.9 * (folder / "model.safetensors").stat().st_size


def test_linked_weights_are_read_from_the_checkpoint(tmp_path):
    checkpoint = tiny(normalization="batch", hidden_sizes=[64, 64])
    checkpoint.model.save_pretrained(tmp_path)
    assert export_linked(checkpoint, tmp_path).difference.largest < 1e-4
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="is not a readable ONNX network"):
        OnnxNetwork(tmp_path / "model.onnx")


@pytest.mark.slow
def test_8_bit_is_under_5_mb_and_says_what_it_costs(tmp_path, photo_path):
    done = fer("export", "fer-base", "--output", tmp_path / "whole")
    assert done.returncode == 0 and "54 crops of one photo: probabilities differ by up to" in plain(done.stdout), done.stderr
    done = fer("export", "fer-base", "--output", tmp_path / "small", "--quantize", "--prior", "0")
    assert done.returncode == 0 and "are named alike" in plain(done.stdout), done.stderr
    assert (tmp_path / "small" / "model.onnx").stat().st_size < 5e6 < (tmp_path / "whole" / "model.onnx").stat().st_size
    small = load(tmp_path / "small")
    assert small.network.prior_strength == 0
    assert small(photo_path, boxes=[(182, 62, 267, 175)])[0].expression == "happiness"


@pytest.mark.slow
def test_8_bit_is_measured_on_data(fer_data, tmp_path):
    from modeling_fer.training.suite import find_prepared

    data = find_prepared(fer_data, "fer2013")
    done = fer("export", "fer-tiny", "--output", tmp_path, "--quantize", "--data", data)
    assert done.returncode == 0, done.stderr
    after = plain(done.stdout).rpartition("(")[2].partition(" points")[0]
    assert abs(float(after)) < 1.5


def test_what_differs_too_much_is_refused_and_not_written(tmp_path, monkeypatch):
    (tmp_path / "model.onnx").write_bytes(b"before")
    monkeypatch.setattr(exporting, "TOLERANCE", 0.0)
    with pytest.raises(ValueError, match="differs from the checkpoint by .*, more than 0; nothing was written"):
        export_checkpoint(tiny(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"before"
    broken = tiny()
    with torch.no_grad():
        broken.model.classifier.output.bias[0] = torch.nan
    for quantized in (False, True):
        with pytest.raises(ValueError, match="answers are not numbers"):
            export_checkpoint(broken, tmp_path, quantized=quantized)
    assert (tmp_path / "model.onnx").read_bytes() == b"before"
    with pytest.raises(
        ValueError, match="8-bit network names only 90% of the crops as the checkpoint does, and 95% are needed"
    ):
        refuse_difference(Difference(0.4, 0.1, 0.9), quantized=True)


def test_a_processor_that_leaves_steps_out_is_refused(tmp_path):
    checkpoint = tiny()
    checkpoint.image_processor.do_normalize = False
    with pytest.raises(ValueError, match="do_normalize of the image processor is False, but only True can be exported"):
        export_checkpoint(checkpoint, tmp_path)
