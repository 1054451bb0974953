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
    with pytest.raises(ValueError, match="8 subjects cannot be split into 10 folds; take 8 folds here"):
        subject_folds(labels, subjects)
    with pytest.raises(ValueError, match="validation_share is 0.7"):
        subject_folds(labels, subjects, folds=2, validation_share=0.7)


@pytest.mark.parametrize("share", [0.2, 0])
def test_each_person_may_be_a_fold(share):
    labels, subjects = random_people(0, people=8, images=100)
    folds = subject_folds(labels, subjects, folds=8, validation_share=share)
    for fold, person in zip(folds, sorted(set(subjects.tolist())), strict=True):
        assert subjects[fold.test].tolist() == [person] * len(fold.test)
        assert sorted([*fold.train, *fold.validation, *fold.test]) == list(range(100))
        assert bool(len(fold.validation)) == bool(share)
        assert not set(subjects[fold.train]) & set(subjects[fold.validation])


def test_the_number_of_folds_that_is_advised_can_be_drawn():
    # One of eight people is on most images, so that shares are far from equal.
    subjects = ["busy"] * 30 + [f"S{number // 4}" for number in range(28)]
    labels = [number % 3 for number in range(58)]
    with pytest.raises(
        ValueError, match="In fold 1 of 2 .* of 4 people, .* too few .* for validation; take 3 folds here"
    ) as told:
        subject_folds(labels, subjects, folds=2)
    check(subject_folds(labels, subjects, folds=int(str(told.value).split()[-3])), labels, subjects)
    few = [f"S{number // 4}" for number in range(20)]
    sentence = "no other number of folds works here either; a recipe with selection: last needs no validation"
    with pytest.raises(ValueError, match=sentence):
        subject_folds(labels[:20], few, folds=2)
    assert len(subject_folds(labels[:20], few, folds=5, validation_share=0)) == 5
    with pytest.raises(
        ValueError, match="5 images, 1 of them in the largest class, cannot be split into 3 folds; take 5 folds"
    ):
        subject_folds(range(5), range(5), folds=3, validation_share=0)


@pytest.mark.parametrize("known", [True, False], ids=["people", "nobody"])
def test_copies_of_an_image_are_on_one_side_and_change_nothing_where_there_are_none(known):
    labels, people = random_people(0, people=40, images=300)
    subjects = people if known else None
    different = [f"{number:04d}" for number in range(300)]
    plain, told = hold_out(labels, subjects), hold_out(labels, subjects, contents=different)
    assert all(np.array_equal(one, other) for one, other in zip(plain, told, strict=True))
    # Every fiftieth image is a copy of that before it, of another person and maybe of another class.
    copied = np.array([different[number - (number % 50 == 49)] for number in range(300)])
    first, second = hold_out(labels, subjects, contents=copied)
    assert sorted([*first, *second]) == list(range(300)) and len(second) == pytest.approx(60, abs=12)
    assert not set(copied[first]) & set(copied[second])
    assert not known or not set(people[first]) & set(people[second])


def test_images_that_are_little_else_than_copies_are_held_out_as_if_they_were_none():
    labels, copied = [0, 1] * 5, list("aaaabbbccd")
    for subjects in (None, list(range(10))):
        plain, told = hold_out(labels, subjects), hold_out(labels, subjects, contents=copied)
        assert all(np.array_equal(one, other) for one, other in zip(plain, told, strict=True))


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
