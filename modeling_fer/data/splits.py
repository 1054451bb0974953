"""Splits by subject, so that nobody is on two sides: the protocol of section IV of Ferreira et al., IEEE Access 6, 2018."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold


@dataclass(frozen=True)
class Fold:
    """One fold: positions in the data set, sorted, each position in exactly one of the three.

    Attributes:
        train: (n,), int64, what the network learns from.
        validation: (m,), int64, what its best epoch is chosen by; nothing where none was asked for.
        test: (k,), int64, what it is measured on.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def most_folds(subjects: Sequence[str | int], validation_share: float = 0.2) -> int:
    """How many folds a search may take of images on which these people are: where each tests about equally many, enough people are
    left for validation. It takes none of fewer than 2.
    """
    return len(np.unique(np.asarray(subjects).astype(str))) - round(1 / validation_share)


def subject_folds(
    labels: Sequence[int], subjects: Sequence[str | int], folds: int = 10, validation_share: float = 0.2, seed: int = 0
) -> list[Fold]:
    """K folds by subject, their classes in about the same proportions; what is not tested is split once more into training and
    validation, by subject too. As many folds as there are people leave out one of them each, in the order of their names.

    Args:
        labels: class of each image.
        subjects: who is on it.
        folds: number of folds, at least 2; each image is tested in one of them.
        validation_share: share of the images not tested that are for validation, in (0, 0.5]; 0 for none.
        seed: the same seed gives the same folds.

    Raises:
        ValueError: there are too few subjects or images, or `validation_share` is out of range.
    """
    if not 0 <= validation_share <= 0.5:
        raise ValueError(f"validation_share is {validation_share}, but must be at least 0 and at most 0.5.")
    parts = round(1 / validation_share) if validation_share else 0
    labels_array, people = np.asarray(labels), np.asarray(subjects).astype(str)
    try:
        return _draw_folds(labels_array, people, folds, parts, seed)
    except ValueError as error:
        raise ValueError(f"{error}; {_advise_folds(labels_array, people, folds, parts, seed)}.") from error


def _draw_folds(labels: np.ndarray, people: np.ndarray, folds: int, parts: int, seed: int) -> list[Fold]:
    """What `subject_folds` gives, with one of so many parts for validation; its sentences have no end yet."""
    known, most = len(np.unique(people)), _largest_class(labels)
    if not 2 <= folds <= known:
        raise ValueError(f"{known} subjects cannot be split into {folds} folds")
    if most < folds < known:
        raise ValueError(f"{len(labels)} images, {most} of them in the largest class, cannot be split into {folds} folds")
    outer = LeaveOneGroupOut() if folds == known else StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    result = []
    for number, (rest, test) in enumerate(outer.split(labels, labels, people)):
        train, validation = np.arange(len(rest)), np.empty(0, dtype=np.int64)
        if parts:
            if few := _too_few(labels[rest], people[rest], len(np.unique(people[rest])), parts):
                raise ValueError(f"In fold {number + 1} of {folds} the images that are not tested do not suffice: {few}")
            train, validation = _split_off(labels[rest], people[rest], parts, seed + number)
        result.append(Fold(rest[train], rest[validation], test))
    return result


def _advise_folds(labels: np.ndarray, people: np.ndarray, folds: int, parts: int, seed: int) -> str:
    """Which number of folds works, the nearest to one that does not. Each is tried: shares of people and classes are never quite
    equal, so that no formula tells it.
    """
    numbers = range(2, len(np.unique(people)) + 1)
    with warnings.catch_warnings():
        # scikit-learn's warnings of rare classes would be about folds that nobody asked for.
        warnings.simplefilter("ignore", UserWarning)
        for number in sorted(numbers, key=lambda number: abs(number - folds)):
            try:
                _draw_folds(labels, people, number, parts, seed)
            except ValueError:
                continue
            return f"take {number} folds here"
    return "no other number of folds works here either" + (
        "; a recipe with selection: last needs no validation" if parts else ""
    )


def hold_out(
    labels: Sequence[int] | np.ndarray,
    subjects: Sequence[str | int] | np.ndarray | None = None,
    parts: int = 5,
    seed: int = 0,
    contents: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Splits a data set in two, its classes in about the same proportions and neither anybody nor any image on both sides.

    Args:
        labels: class of each image.
        subjects: who is on it; each image stands for itself where that is not known.
        parts: the second side is one of so many parts.
        seed: the same seed gives the same split.
        contents: the same for images that are copies of each other, which stay on one side where enough others are left; no image is
            a copy where it is None.

    Returns:
        (n,) and (m,), int64: positions of the two sides, sorted.

    Raises:
        ValueError: there are too few images or people.
    """
    groups = np.arange(len(labels)) if subjects is None else np.asarray(subjects).astype(str)
    people = None if subjects is None else len(np.unique(groups))
    if contents is not None:
        joined = _join_copies(groups, np.asarray(contents))
        # Where there is little else than copies, some have to be on both sides.
        if not _too_few(np.asarray(labels), joined, people, parts):
            groups = joined
    if few := _too_few(np.asarray(labels), groups, people, parts):
        raise ValueError(f"{few}; prepare more, or a split validation.")
    return _split_off(np.asarray(labels), groups, parts, seed)


def _join_copies(groups: np.ndarray, contents: np.ndarray) -> np.ndarray:
    """Groups of images, those that share a copy made one, which is called as the first of them, (n,)."""
    names, group = np.unique(groups, return_inverse=True)
    different, content = np.unique(contents, return_inverse=True)
    size = len(names) + len(different)
    shared = coo_array((np.ones(len(groups)), (group, len(names) + content)), shape=(size, size))
    joined = connected_components(shared, directed=False)[1][: len(names)]
    _, first = np.unique(joined, return_index=True)
    called: np.ndarray = names[first[joined]][group]
    return called


def _too_few(labels: np.ndarray, groups: np.ndarray, people: int | None, parts: int) -> str:
    """Why one of so many parts cannot be held out of images, without an end; empty where it can.

    Args:
        labels: class of each image.
        groups: what is not to be divided.
        people: how many people are on the images; None where that is not known.
        parts: how many parts.
    """
    known, most = len(np.unique(groups)), _largest_class(labels)
    if min(most, known) >= parts:
        return ""
    who = "" if people is None else f" of {people} people"
    return (
        f"{len(labels)} images{who}, {most} of them in the largest class, are too few to hold out one of {parts} parts for "
        "validation"
    )


def _largest_class(labels: np.ndarray) -> int:
    """How many images the largest class has."""
    return max(Counter(labels.tolist()).values(), default=0)


def _split_off(labels: np.ndarray, groups: np.ndarray, parts: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of all but one of so many parts, and of that one, no group being on both sides."""
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    first, second = next(splitter.split(np.zeros(len(labels)), labels, groups))
    return first, second
