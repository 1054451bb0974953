"""Splits by subject, so that nobody is on two sides: the protocol of section IV of Ferreira et al., IEEE Access 6, 2018."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold


@dataclass(frozen=True)
class Fold:
    """One fold: positions in the data set, sorted, each position in exactly one of the three.

    Attributes:
        train: (n,), int64, what the network learns from.
        validation: (m,), int64, what its best epoch is chosen by.
        test: (k,), int64, what it is measured on.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def most_folds(subjects: Sequence[str | int], validation_share: float = 0.2) -> int:
    """How many folds `subject_folds` makes at most of images on which these people are; it makes none of fewer than 2."""
    return len(np.unique(np.asarray(subjects).astype(str))) - round(1 / validation_share)


def subject_folds(
    labels: Sequence[int], subjects: Sequence[str | int], folds: int = 10, validation_share: float = 0.2, seed: int = 0
) -> list[Fold]:
    """K folds by subject, their classes in about the same proportions; what is not tested is split once more into training and
    validation, by subject too.

    Args:
        labels: class of each image.
        subjects: who is on it.
        folds: number of folds, at least 2; each image is tested in one of them.
        validation_share: share of the images not tested that are for validation, in (0, 0.5].
        seed: the same seed gives the same folds.

    Raises:
        ValueError: there are too few subjects, or `validation_share` is out of range.
    """
    labels_array, subjects_array = np.asarray(labels), np.asarray(subjects).astype(str)
    people = len(np.unique(subjects_array))
    parts = round(1 / validation_share) if 0 < validation_share <= 0.5 else 0
    if not parts:
        raise ValueError(f"validation_share is {validation_share}, but must be greater than 0 and at most 0.5.")
    if folds < 2 or people < folds + parts:
        raise ValueError(
            f"{people} subjects cannot be split into {folds} folds with 1/{parts} of the rest for validation; take at least 2 "
            f"folds, and at most {max(people - parts, 0)} here."
        )
    result = []
    outer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for number, (rest, test) in enumerate(outer.split(labels_array, labels_array, subjects_array)):
        train, validation = hold_out(labels_array[rest], subjects_array[rest], parts, seed + number)
        result.append(Fold(rest[train], rest[validation], test))
    return result


def hold_out(
    labels: Sequence[int] | np.ndarray,
    subjects: Sequence[str | int] | np.ndarray | None = None,
    parts: int = 5,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Splits a data set in two, its classes in about the same proportions and nobody on both sides.

    Args:
        labels: class of each image.
        subjects: who is on it; each image stands for itself where that is not known.
        parts: the second side is one of so many parts.
        seed: the same seed gives the same split.

    Returns:
        (n,) and (m,), int64: positions of the two sides, sorted.

    Raises:
        ValueError: there are too few images or people.
    """
    people = np.arange(len(labels)) if subjects is None else np.asarray(subjects).astype(str)
    most, known = max(Counter(np.asarray(labels).tolist()).values(), default=0), len(np.unique(people))
    if min(most, known) < parts:
        who = "" if subjects is None else f" of {known} people"
        raise ValueError(
            f"{len(labels)} images{who}, {most} of them in the largest class, are too few to hold out one of {parts} parts for "
            "validation; prepare more, or a split validation."
        )
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    first, second = next(splitter.split(np.zeros(len(labels)), np.asarray(labels), people))
    return first, second
