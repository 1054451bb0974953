import pytest
import torch
from helpers import changed, columns

from modeling_fer.training.recipe import Recipe
from modeling_fer.training.sampling import auxiliary_shares, build_sampler, fitting_batch, training_shares
from modeling_fer.training.trainer import Trainer


def test_class_balancing_draws_rare_classes_more_often():
    data = columns(300)
    rare = data.labels == 2
    rare &= torch.arange(300) > 30
    data.labels[rare], data.targets[rare] = 0, torch.tensor([1.0, 0, 0])
    drawn = [
        data.labels[list(build_sampler(Recipe(class_balancing=b), data, torch.Generator().manual_seed(0)))] for b in (0, 1)
    ]
    shares = [(labels == 2).float().mean().item() for labels in drawn]
    assert shares[0] < 0.05
    assert shares[1] == pytest.approx(1 / 3, abs=0.1)


def test_shares_of_training_are_those_of_the_labels_that_are_drawn(tmp_path):
    data = columns(900)
    # Soft labels, 60%, 30% and 10%.
    data.targets[:] = torch.tensor([0.6, 0.3, 0.1])
    assert training_shares(changed(class_balancing=1.0), data) == pytest.approx([0.6, 0.3, 0.1])
    data.targets = torch.eye(3)[torch.arange(900) % 10 // 4]
    assert training_shares(changed(), data) == pytest.approx([0.4, 0.4, 0.2])
    assert training_shares(changed(class_balancing=1.0), data) == pytest.approx([1 / 3] * 3)
    roots = [0.4**0.5, 0.4**0.5, 0.2**0.5]
    assert training_shares(changed(class_balancing=0.5), data) == pytest.approx([root / sum(roots) for root in roots])
    data.targets = (data.targets + torch.eye(3)[torch.arange(900) % 3]) / 2
    recipe = changed(class_balancing=0.7)
    sampler = build_sampler(recipe, data, torch.Generator().manual_seed(0))
    drawn = torch.cat([data.targets[list(sampler)] for _ in range(20)]).mean(dim=0)
    assert training_shares(recipe, data) == pytest.approx(drawn.tolist(), abs=0.01)
    config = Trainer(recipe, data, columns(24), tmp_path, cpu=True).config
    assert config.label_shares == pytest.approx(training_shares(recipe, data))


def test_a_class_without_images_has_a_small_share_and_not_none():
    data = columns(30)
    data.targets[:] = torch.tensor([0.5, 0.5, 0.0])
    shares = training_shares(changed(), data)
    assert sum(shares) == pytest.approx(1) and 0 < shares[2] < 1e-3


def test_shares_of_the_second_label_set_are_those_of_the_images_drawn():
    data = columns(30)
    data.targets = torch.eye(3)[torch.tensor([0] * 20 + [1] * 10)]
    data.auxiliary_names, data.auxiliary_labels = ["calm", "glad"], torch.tensor([0] * 20 + [1] * 10)
    assert auxiliary_shares(changed(), data) == pytest.approx([2 / 3, 1 / 3])
    assert auxiliary_shares(changed(class_balancing=1.0), data) == pytest.approx([1 / 2, 1 / 2])


@pytest.mark.parametrize(("images", "processes", "batch"), [(1000, 1, 16), (64, 1, 8), (64, 2, 4), (5, 1, 2)])
def test_a_small_data_set_is_read_in_smaller_batches(images, processes, batch):
    assert fitting_batch(changed(batch_size=16, least_steps=8), images, processes) == batch


def test_an_epoch_of_few_images_has_its_least_steps(tmp_path):
    trainer = Trainer(changed(epochs=1, batch_size=32, least_steps=8), columns(40), columns(24), tmp_path, cpu=True)
    assert len(trainer.loader) == 8
