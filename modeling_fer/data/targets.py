"""What a network is to learn of images that have two label sets: the votes of a crowd, and one label each.

FER-2013 was labelled by the word that found an image, FER+ by ten people who saw it and who seldom voted for disgust and fear. The two
agree on 63% of the images.
"""

import numpy as np
from datasets import ClassLabel, Dataset, List, Value

from modeling_fer.configuration_fer import EXPRESSIONS

TARGETS = ("label", "votes", "majority", "joint", "both")
"""`label` alone; `votes` alone; `majority`, what more than half of the votes are for; `joint`, one distribution in which the label
counts as further votes; `both`, a head for each."""
VOTES = (*EXPRESSIONS, "unknown", "not a face")


def shared_votes(votes: np.ndarray) -> np.ndarray:
    """Votes without single ones, which are left out as outliers (Barsoum et al., ICMI 2016): of the same shape."""
    return np.where(votes > 1, votes, 0)


def vote_distributions(votes: np.ndarray) -> np.ndarray:
    """Soft labels: the share of each of the eight expressions among the votes, single votes being left out as outliers.

    Args:
        votes: (n, 10), integers, in the order of `VOTES`.

    Returns:
        (n, 8), float32, each row summing to 1. An image with no expression that two annotators share keeps its single votes.
    """
    expressions = votes[:, : len(EXPRESSIONS)].astype(np.float32)
    shared = shared_votes(expressions)
    kept = np.where(shared.sum(1, keepdims=True) > 0, shared, expressions)
    distributions: np.ndarray = kept / kept.sum(1, keepdims=True)
    return distributions


def joint_distributions(votes: np.ndarray, labels: np.ndarray, label_votes: float) -> np.ndarray:
    """Soft labels of both label sets: to the votes for expressions, shared out as `vote_distributions` does, the label adds some more.

    Args:
        votes: (n, 10), integers, in the order of `VOTES`.
        labels: (n,), indices into `EXPRESSIONS`.
        label_votes: as how many votes the label counts.

    Returns:
        (n, 8), float32, each row summing to 1.
    """
    shared = vote_distributions(votes) * votes[:, : len(EXPRESSIONS)].sum(1, keepdims=True)
    shared[np.arange(len(labels)), labels] += label_votes
    distributions: np.ndarray = shared / shared.sum(1, keepdims=True)
    return distributions.astype(np.float32)


def has_majority(votes: np.ndarray) -> np.ndarray:
    """Which images are measured by the protocol of FER+ (Barsoum et al., ICMI 2016, "majority"): single votes are left out as outliers,
    and more than half of the others are for one expression.

    Args:
        votes: (n, 10), integers, in the order of `VOTES`.

    Returns:
        (n,), truth values.
    """
    shared = shared_votes(votes)
    majority: np.ndarray = 2 * shared[:, : len(EXPRESSIONS)].max(1) > shared.sum(1)
    return majority


def read_votes(dataset: Dataset) -> np.ndarray:
    """The column votes, (n, 10), integers; zero where an image has none.

    Raises:
        ValueError: an image has another number of votes.
    """
    rows = [[0] * len(VOTES) if row is None else row for row in dataset["votes"]]
    if any(len(row) != len(VOTES) for row in rows):
        raise ValueError(f"The column votes must have {len(VOTES)} numbers an image: {', '.join(VOTES)}.")
    return np.asarray(rows, dtype=np.int64).reshape(-1, len(VOTES))


def choose_target(dataset: Dataset, target: str, label_votes: float = 2.0) -> Dataset:
    """The data set with the label set that is to be learned.

    Args:
        dataset: with the column label and, for all but `label`, the column votes in the order of `VOTES`.
        target: one of `TARGETS`.
        label_votes: for `joint`, as how many votes the label counts.

    Returns:
        For `label` the data set itself. For the others a data set in which label (ClassLabel of `EXPRESSIONS`) is the expression with
        most votes, the first where two have as many; images that nobody voted on, or with more votes for unknown or not a face, are
        dropped, and for `majority` also those that `has_majority` is false of. For all but `majority`, distribution holds 8 floats to
        train on. For `both` also auxiliary_label, the label that was there.

    Raises:
        ValueError: there is no such target, there are no votes, or a class of the label has no place among `EXPRESSIONS`.
    """
    if target == "label":
        return dataset
    if target not in TARGETS:
        raise ValueError(f"The target is {target!r}, but must be one of {', '.join(TARGETS)}.")
    if "votes" not in dataset.column_names:
        raise ValueError(
            f"The target {target!r} needs a column votes, but the data set has {', '.join(dataset.column_names)}; take 'label'."
        )
    label = dataset.features["label"]
    unknown = [name for name in label.names if name not in EXPRESSIONS]
    if unknown:
        raise ValueError(f"The target {target!r} joins two label sets, but the votes have no class {unknown[0]!r}.")
    votes = read_votes(dataset)
    if not votes.any():
        raise ValueError(f"The target {target!r} needs votes, but no image of the data set has any; take 'label'.")
    most = votes.argmax(1)
    chosen = has_majority(votes) if target == "majority" else (most < len(EXPRESSIONS)) & (votes.max(1) > 0)
    kept = np.flatnonzero(chosen)
    votes, labels = votes[kept], np.asarray(dataset["label"])[kept]
    replaced = [name for name in ("label", "distribution", "auxiliary_label") if name in dataset.column_names]
    dataset = dataset.select(kept).remove_columns(replaced)
    dataset = dataset.add_column("label", most[kept], feature=ClassLabel(names=list(EXPRESSIONS)))
    if target == "majority":
        return dataset
    if target == "both":
        dataset = dataset.add_column("auxiliary_label", labels, feature=label)
    if target == "joint":
        places = np.array([EXPRESSIONS.index(name) for name in label.names])
        distributions = joint_distributions(votes, places[labels], label_votes)
    else:
        distributions = vote_distributions(votes)
    soft = List(Value("float32"), length=len(EXPRESSIONS))
    return dataset.add_column("distribution", list(distributions), feature=soft)
