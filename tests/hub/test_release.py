import pytest
import torch
from helpers import tiny_config

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.hub.release import average_weights, write_release


def test_release_holds_weights_settings_code_and_card(tiny_checkpoint, tmp_path):
    write_release(tiny_checkpoint, "# tiny", tmp_path / "release")
    assert (tmp_path / "release" / "README.md").read_text() == "# tiny"
    names = {path.name for path in (tmp_path / "release").iterdir()}
    assert {"config.json", "model.safetensors", "preprocessor_config.json", "modeling_fer.py"} <= names
    released = FerForImageClassification.from_pretrained(tmp_path / "release").eval()
    pixel_values = FerImageProcessor.from_pretrained(tmp_path / "release")(
        torch.rand(1, 9, 9), return_tensors="pt"
    ).pixel_values
    original = FerForImageClassification.from_pretrained(tiny_checkpoint).eval()
    assert torch.equal(released(pixel_values).logits, original(pixel_values).logits)


def test_average_of_weights():
    models = [FerForImageClassification(tiny_config(normalization="batch")) for _ in range(3)]
    states = [{key: value.clone() for key, value in model.state_dict().items()} for model in models]
    averaged = average_weights(models, [2, 1, 1]).state_dict()
    for key in ("classifier.output.weight", "fer.facial_parts.relevance.bias"):
        torch.testing.assert_close(averaged[key], (2 * states[0][key] + states[1][key] + states[2][key]) / 4)
    with pytest.raises(ValueError, match="3 checkpoints need as many weights"):
        average_weights(models, [1, 1])
    with pytest.raises(ValueError, match="differ in"):
        average_weights([models[0], FerForImageClassification(tiny_config(hidden_sizes=[8, 16]))], [1, 1])
