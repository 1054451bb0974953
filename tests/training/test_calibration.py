import pytest
import torch
from helpers import tiny_config

from modeling_fer import FerForImageClassification
from modeling_fer.training.calibration import fit_temperature, join_outputs, join_scores, shared_places

AUXILIARY = ["anger", "fear", "happiness"]


def test_joined_scores_are_the_geometric_mean_of_both_distributions():
    first, second = torch.randn(8, 5), torch.randn(3, 5)
    places = [4, 6, 1]
    joined = join_scores(first, second, places, 0.3)
    among_shared = joined[places].softmax(dim=0)
    expected = first[places].softmax(dim=0) ** 0.7 * second.softmax(dim=0) ** 0.3
    torch.testing.assert_close(among_shared, expected / expected.sum(dim=0))
    own = [place for place in range(8) if place not in places]
    torch.testing.assert_close(joined[own], first[own] - first[places].mean(dim=0))


def test_joined_scores_without_the_second_set_are_the_first():
    first, second = torch.randn(8, 5), torch.randn(3, 5)
    torch.testing.assert_close(join_scores(first, second, [4, 6, 1], 0.0).softmax(0), first.softmax(0))


def test_joined_output_layer_gives_joined_logits():
    config = tiny_config(auxiliary_labels=AUXILIARY, label_shares=[0.125] * 8)
    model = FerForImageClassification(config).eval()
    pixel_values = torch.randn(4, 1, 24, 24)
    before = model(pixel_values)
    join_outputs(model, 0.4, [0.2, 0.3, 0.5])
    after = model(pixel_values)
    expected = join_scores(before.logits.T, before.auxiliary_logits.T, shared_places(model), 0.4).T
    torch.testing.assert_close(after.logits, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(after.auxiliary_logits, before.auxiliary_logits)
    shares = torch.tensor(model.config.label_shares)
    assert model.config.auxiliary_share == 0.4 and shares.sum().item() == pytest.approx(1)
    assert shares[1] > shares[6] > shares[4]  # happiness, fear, anger, as in the second set


def test_join_needs_a_second_label_set():
    with pytest.raises(ValueError, match="second label set is None"):
        join_outputs(FerForImageClassification(tiny_config()), 0.5, [1.0])


def test_temperature_finds_the_one_that_labels_were_drawn_with():
    logits = torch.randn(20_000, 5, generator=torch.Generator().manual_seed(0)) * 2
    labels = torch.multinomial((logits / 2.5).softmax(1), 1, generator=torch.Generator().manual_seed(1)).flatten()
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.05)
    assert fit_temperature(logits, (logits / 0.5).softmax(1)) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(("labels", "expected"), [([0, 1, 0, 1], 0.2), ([1, 0, 1, 0], 5.0)])
def test_temperature_stays_in_its_range_where_all_answers_are_right_or_wrong(labels, expected):
    logits = torch.tensor([[2.0, -1.0], [-1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    assert fit_temperature(logits, torch.tensor(labels)) == pytest.approx(expected, rel=1e-3)
