"""Thresholds fitted on some images keep their promise on others."""

import numpy as np
import pytest
from helpers import tiny_config

from modeling_fer.doubt_fer import expression_sets
from modeling_fer.training.conformal import fit_doubt, fit_thresholds, fit_uncertain_below, needed_images
from modeling_fer.training.probabilities import measure_crowd, measure_probabilities, measure_sets
from modeling_fer.training.reliability import reliability_bins


def draw(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Distributions over three classes, the third being rare, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([2.0, 1.0, 0.1], size)
    return probabilities, np.array([rng.choice(3, p=row) for row in probabilities])


def test_sets_hold_the_label_of_every_class_as_often_as_promised():
    thresholds = fit_thresholds(*draw(20_000, 0), 0.9)
    probabilities, labels = draw(20_000, 1)
    measured = measure_sets(probabilities, labels, thresholds, ["a", "b", "c"])
    # The likeliest class is always in the set, so that more may be covered, not less.
    assert all(coverage > 0.88 for coverage in measured["coverage_by_class"].values())
    assert measured["coverage_by_class"]["c"] == pytest.approx(0.9, abs=0.04)


def test_a_class_with_too_few_images_is_in_every_set():
    probabilities, labels = draw(2_000, 0)
    few = np.flatnonzero(labels == 2)[:8]
    kept = np.concatenate([np.flatnonzero(labels != 2), few])
    thresholds = fit_thresholds(probabilities[kept], labels[kept], 0.9)
    assert thresholds[2] == 0 and expression_sets(probabilities, thresholds)[:, 2].all()
    assert (thresholds[:2] > 0).all()


def test_as_many_images_as_needed_give_a_threshold_and_one_less_does_not():
    for coverage, images in ((0.8, 4), (0.9, 9), (0.95, 19)):
        assert needed_images(coverage) == images
        for count in (images - 1, images):
            [threshold, _] = fit_thresholds(np.full((count, 2), 0.5), np.zeros(count, int), coverage)
            assert (threshold > 0) == (count == images)


@pytest.mark.parametrize(("probability", "below"), [(1.0, 0.9999), (0.99999, 0.9999), (0.87654, 0.8765)])
def test_a_network_is_not_always_uncertain_because_of_rounding(probability, below):
    config = tiny_config(id2label={0: "a", 1: "b"})
    fit_doubt(config, np.array([[probability, 1 - probability]] * 5), np.zeros(5, int))
    assert config.uncertain_below == below <= probability


def test_certain_answers_are_as_often_right_as_wanted():
    below = fit_uncertain_below(*draw(20_000, 0), 0.8)
    probabilities, labels = draw(20_000, 1)
    certain = probabilities.max(1) >= below
    assert (probabilities.argmax(1) == labels)[certain].mean() == pytest.approx(0.8, abs=0.01)
    assert 0.3 < certain.mean() < 0.99
    assert fit_uncertain_below(np.array([[0.6, 0.4]]), np.array([1]), 0.8) is None


def test_certain_answers_that_are_equally_sure_are_all_counted():
    sure = np.array([0.9, 0.9, 0.9, 0.6])
    probabilities = np.stack([sure, 1 - sure], axis=1)
    assert fit_uncertain_below(probabilities, np.array([0, 1, 1, 1]), 0.9) is None
    assert fit_uncertain_below(probabilities, np.array([0, 0, 0, 1]), 0.9) == 0.9
    assert fit_uncertain_below(probabilities, np.array([0, 1, 0, 0]), 0.75) == 0.6


def test_everything_is_measured_of_a_checkpoint():
    config = tiny_config(id2label={0: "a", 1: "b", 2: "c"})
    fit_doubt(config, *draw(5_000, 0))
    assert list(config.conformal_thresholds) == ["0.8", "0.9", "0.95"]
    probabilities, labels = draw(5_000, 1)
    measured = measure_probabilities(config, probabilities, labels, probabilities)
    assert measured["calibration"]["equal_mass"] < 0.03
    assert measured["crowd"]["jensen_shannon"] == pytest.approx(0, abs=1e-6)
    assert measured["crowd"]["entropy_correlation"] == pytest.approx(1, abs=1e-3)
    assert measured["uncertain"]["accuracy_of_certain"] == pytest.approx(0.9, abs=0.02)
    assert measured["sets"]["0.95"]["size"] > measured["sets"]["0.8"]["size"]


def test_a_network_that_does_not_know_its_thresholds_is_not_measured():
    with pytest.raises(ValueError, match="no thresholds"):
        measure_probabilities(tiny_config(), np.full((2, 8), 1 / 8), np.zeros(2, int), None)


def test_distance_to_votes_is_that_of_the_definition():
    measured = measure_crowd(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert measured["kullback_leibler"] == pytest.approx(np.log(2) / 2, abs=1e-5)
    first = 0.5 * np.log(1 / 0.75) + 0.5 * (0.5 * np.log(2 / 3) + 0.5 * np.log(2))
    assert measured["jensen_shannon"] == pytest.approx(first / 2, abs=1e-5)


def test_bins_of_equal_mass_hold_equally_many_images():
    probabilities, labels = draw(1_500, 0)
    bins = reliability_bins(probabilities, labels, 15, equal_mass=True)
    np.testing.assert_allclose(bins.share, 1 / 15)
    assert (np.diff(bins.confidence) > 0).all()
    assert bins.error < 0.06
