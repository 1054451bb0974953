import torch
from conftest import tiny_config

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.release import adjust_logits, write_release


def test_adjusted_logits_divide_the_probabilities_by_the_shares():
    model = FerForImageClassification(tiny_config()).eval()
    pixel_values, shares = torch.randn(3, 1, 24, 24), torch.rand(8).softmax(0)
    before = model(pixel_values).logits.softmax(1)
    adjust_logits(model, shares, 0.5)
    expected = before / shares.sqrt()
    torch.testing.assert_close(model(pixel_values).logits.softmax(1), expected / expected.sum(1, keepdim=True))


def test_release_holds_weights_settings_code_and_card(tiny_checkpoint, tmp_path):
    card = tmp_path / "card.md"
    card.write_text("# tiny")
    write_release(tiny_checkpoint, card, tmp_path / "release")
    assert (tmp_path / "release" / "README.md").read_text() == "# tiny"
    names = {path.name for path in (tmp_path / "release").iterdir()}
    assert {"config.json", "model.safetensors", "preprocessor_config.json", "modeling_fer.py"} <= names
    released = FerForImageClassification.from_pretrained(tmp_path / "release").eval()
    pixel_values = FerImageProcessor.from_pretrained(tmp_path / "release")(
        torch.rand(1, 9, 9), return_tensors="pt"
    ).pixel_values
    original = FerForImageClassification.from_pretrained(tiny_checkpoint).eval()
    assert torch.equal(released(pixel_values).logits, original(pixel_values).logits)
