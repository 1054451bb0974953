import pytest
import torch
from helpers import MODEL, changed, columns, save_teacher, weights

from modeling_fer import FerConfig, FerForImageClassification
from modeling_fer.data.columns import FaceColumns
from modeling_fer.training.initial_weights import load_teachers
from modeling_fer.training.recipe import Recipe
from modeling_fer.training.trainer import Trainer


def test_what_is_learned_is_the_share_of_the_teachers_mean_answer_to_the_same_images(tmp_path):
    teachers = [save_teacher(tmp_path / "one"), save_teacher(tmp_path / "two", temperature=5.0)]
    recipe = changed(teachers=teachers, teacher_weight=0.3)
    trainer = Trainer(recipe, columns(), columns(24), tmp_path / "run", cpu=True)
    trainer.seed_step()
    batch = columns().__getitems__(list(range(16)))
    inputs = trainer.inputs(batch)
    networks = [FerForImageClassification.from_pretrained(folder).eval() for folder in teachers]
    networks[1].config.temperature = 1.0
    with torch.no_grad():
        logits = [network(inputs["pixel_values"]).logits for network in networks]
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
