"""The prior strength, from the checkpoint to wherever a user sets it."""

import json

import pytest
import torch
from helpers import fer
from reading import LiveSession, load_reader

from modeling_fer import FerForImageClassification, checkpoint_folder, load
from modeling_fer.inference.loading import load_checkpoint


def scores(path) -> dict[str, float]:
    """The probabilities of the one face in a file of `fer predict`."""
    [row] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {name: row[name] for name in load().network.labels}


def test_the_command_takes_it(photo_path, tmp_path):
    for name, options in (("own", []), ("plain", ["--prior", "0"]), ("level", ["--prior", "1"])):
        done = fer("predict", photo_path, "--output", tmp_path / f"{name}.jsonl", *options)
        assert done.returncode == 0, done.stderr
    own, plain, level = (scores(tmp_path / f"{name}.jsonl") for name in ("own", "plain", "level"))
    assert level["contempt"] > own["contempt"] > plain["contempt"]
    assert level["neutral"] / level["contempt"] < plain["neutral"] / plain["contempt"]


def test_the_command_takes_bundled_checkpoints_by_name(photo_path, tmp_path):
    for model in ("fer-base", "fer-tiny"):
        assert fer("predict", photo_path, "--model", model, "--output", tmp_path / f"{model}.jsonl").returncode == 0
    base, tiny = (scores(tmp_path / f"{model}.jsonl") for model in ("fer-base", "fer-tiny"))
    assert max(base, key=base.get) == max(tiny, key=tiny.get) == "happiness"
    assert base != tiny


def test_a_checkpoint_without_shares_refuses_one_in_a_sentence(photo_path, tiny_checkpoint):
    done = fer("predict", photo_path, "--model", tiny_checkpoint, "--prior", "0.5")
    assert done.returncode == 2
    assert "has no label_shares; leave it at 0" in " ".join(done.stderr.replace("│", " ").split())


def test_it_can_be_set_when_a_checkpoint_is_loaded_or_for_one_call():
    loaded = FerForImageClassification.from_pretrained(checkpoint_folder(), prior_strength=0.0).eval()
    released = FerForImageClassification.from_pretrained(checkpoint_folder()).eval()
    assert loaded.config.prior_strength == 0 and released.config.prior_strength > 0
    pixel_values = torch.randn(2, 1, 48, 48)
    torch.testing.assert_close(loaded(pixel_values).logits, released(pixel_values, prior_strength=0.0).logits)
    assert not torch.allclose(loaded(pixel_values).logits, released(pixel_values).logits)


def test_the_page_takes_it_for_photos_and_the_camera(photo):
    reader = load_reader("")
    assert reader.knows_prior and reader.prior == load_checkpoint().model.config.prior_strength

    def contempt(prior: float | None) -> float:
        [face] = next(reader.photo.read([photo], prior=prior))
        return face.scores["contempt"]

    assert contempt(1.0) > contempt(None) > contempt(0.0)
    plain, level = (LiveSession().read(reader, photo, prior)[0].scores["contempt"] for prior in (0.0, 1.0))
    assert level > plain


@pytest.mark.slow
def test_the_page_shows_a_photo_again_when_the_slider_moves(photo_path):
    pytest.importorskip("gradio")
    from photo_tab import show_photo
    from settings import choose_model

    outputs = [show_photo(str(photo_path), "", prior, None, 0) for prior in (0.0, 1.0)]
    plain, level = (output[-4] for output in outputs)
    assert level["contempt"] > plain["contempt"]
    repository, _, slider = choose_model("", "other/model")
    assert repository == "" and slider.value == load_reader("").prior and slider.interactive
