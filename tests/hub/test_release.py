import torch

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.hub.release import write_release


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
