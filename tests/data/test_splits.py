import warnings

import numpy as np
import pytest

from modeling_fer.data import load_labelled
from modeling_fer.data.splits import hold_out, subject_folds


def random_people(seed: int, people: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 5, images), np.array([f"S{number:03d}" for number in rng.integers(0, people, images)])


def check(folds, labels, subjects) -> None:
    subjects = np.asarray(subjects)
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(labels)))
    for fold in folds:
        sides = [set(subjects[part].tolist()) for part in (fold.train, fold.validation, fold.test)]
        assert all(sides)
        assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
        assert sorted([*fold.train, *fold.validation, *fold.test]) == list(range(len(labels)))


@pytest.mark.parametrize("seed", range(20))
def test_nobody_is_on_two_sides(seed):
    labels, subjects = random_people(seed, people=15 + seed * 5, images=400)
    with warnings.catch_warnings():
        # Random people do not show every expression; scikit-learn says so.
        warnings.simplefilter("ignore", UserWarning)
        check(subject_folds(labels, subjects, folds=5, seed=seed), labels, subjects)


def test_seed_decides_the_folds():
    labels, subjects = random_people(0, people=60, images=500)
    first, again, other = (subject_folds(labels, subjects, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.train, b.train) and np.array_equal(a.test, b.test) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.test, b.test) for a, b in zip(first, other, strict=True))


def test_too_few_subjects_and_impossible_shares_are_named():
    labels, subjects = random_people(0, people=8, images=100)
    with pytest.raises(ValueError, match="8 subjects cannot be split into 10 folds .* at most 3"):
        subject_folds(labels, subjects)
    with pytest.raises(ValueError, match="validation_share is 0.7"):
        subject_folds(labels, subjects, folds=2, validation_share=0.7)


@pytest.mark.parametrize(
    ("labels", "subjects", "message"),
    [
        ([0, 1] * 2, None, "4 images, 2 of them in the largest class, are too few"),
        ([0, 1] * 20, ["a", "b"] * 20, "40 images of 2 people, 20 of them in the largest class, are too few"),
        ([], None, "0 images, 0 of them"),
    ],
)
def test_too_few_images_to_hold_some_out_are_told(labels, subjects, message):
    with pytest.raises(ValueError, match=message):
        hold_out(labels, subjects)
    first, second = hold_out([0, 1] * 5)
    assert len(first) == 8 and sorted([*first, *second]) == list(range(10))


def test_ckplus48_is_split_in_proportion(fer_data):
    dataset = load_labelled(fer_data / "ckplus48", "train")
    folds = subject_folds(dataset["label"], dataset["subject"])
    check(folds, dataset["label"], dataset["subject"])
    shares = np.bincount(dataset["label"]) / len(dataset)
    for fold in folds:
        assert len(fold.validation) / (len(fold.validation) + len(fold.train)) == pytest.approx(0.2, abs=0.03)
        assert np.abs(np.bincount(np.asarray(dataset["label"])[fold.test], minlength=7) / len(fold.test) - shares).max() < 0.1
