"""What is learned of images that a crowd voted on and that have a label too."""

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data.targets import TARGETS, VOTES, choose_target, has_majority, joint_distributions, vote_distributions

NAMES = ["happiness", "fear", "neutral"]
ROWS = [
    # Label, and votes for neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face.
    ("happiness", [5, 0, 1, 3, 0, 0, 0, 0, 1, 0]),
    ("fear", [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ("neutral", [0, 0, 4, 0, 0, 0, 4, 0, 2, 0]),
    ("neutral", [2, 0, 0, 0, 0, 0, 0, 0, 8, 0]),
    ("fear", [0, 1, 0, 0, 0, 0, 0, 0, 0, 9]),
]


def drawn(names: list[str] = NAMES) -> Dataset:
    features = Features(label=ClassLabel(names=names), votes=List(Value("uint8"), length=10), number=Value("int64"))
    labels, votes = zip(*ROWS, strict=True)
    return Dataset.from_dict({"label": list(labels), "votes": list(votes), "number": range(len(ROWS))}, features=features)


def test_single_votes_are_left_out():
    votes = np.array([ROWS[0][1], ROWS[1][1]])
    expected = np.array([[5 / 8, 0, 0, 3 / 8, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0, 0, 0]])
    np.testing.assert_allclose(vote_distributions(votes), expected)


@pytest.mark.parametrize("label_votes", [0, 2, 5])
def test_original_label_counts_as_further_votes(label_votes):
    votes = np.array([ROWS[0][1], ROWS[1][1]])
    # Nine annotators saw an expression; the single vote among theirs is shared out over the others.
    expected = np.array([[9 * 5 / 8, 0, 0, 9 * 3 / 8, 0, 0, label_votes, 0], [1, 1 + label_votes, 0, 0, 0, 0, 0, 0]])
    expected /= [[9 + label_votes], [2 + label_votes]]
    np.testing.assert_allclose(joint_distributions(votes, np.array([6, 1]), label_votes), expected, atol=1e-6)


def test_label_alone_leaves_the_data_set_as_it_is():
    dataset = drawn()
    assert choose_target(dataset, "label") is dataset


@pytest.mark.parametrize("target", ["votes", "joint", "both"])
def test_images_called_unknown_or_no_face_are_dropped_and_the_majority_is_the_label(target):
    chosen = choose_target(drawn(), target)
    assert chosen["number"] == [0, 1, 2]
    assert chosen.features["label"].names == list(EXPRESSIONS)
    # The first of two expressions with as many votes.
    assert [EXPRESSIONS[label] for label in chosen["label"]] == ["neutral", "neutral", "surprise"]
    np.testing.assert_allclose(np.asarray(chosen["distribution"]).sum(1), 1, atol=1e-6)


def test_images_that_nobody_voted_on_are_dropped():
    dataset = drawn().select([0, 1]).remove_columns("votes")
    votes = List(Value("uint8"), length=10)
    chosen = choose_target(dataset.add_column("votes", [[0] * 10, ROWS[1][1]], feature=votes), "votes")
    assert chosen["number"] == [1]
    some = dataset.add_column("votes", [None, ROWS[1][1]], feature=List(Value("uint8")))
    assert choose_target(some, "votes")["number"] == [1]


def test_votes_are_their_shares():
    chosen = choose_target(drawn(), "votes")
    expected = [[5 / 8, 0, 0, 3 / 8, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0, 0, 0], [0, 0, 0.5, 0, 0, 0, 0.5, 0]]
    np.testing.assert_allclose(chosen["distribution"], expected)
    assert "auxiliary_label" not in chosen.column_names


def test_a_majority_is_more_than_half_of_the_votes_that_two_annotators_share():
    votes = np.array(
        [
            [5, 0, 0, 4, 0, 0, 0, 0, 1, 0],
            [5, 0, 0, 3, 0, 0, 0, 0, 2, 0],
            [4, 1, 1, 1, 1, 1, 1, 0, 0, 0],
            [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            [0, 3, 0, 0, 0, 0, 0, 0, 0, 7],
        ]
    )
    np.testing.assert_array_equal(has_majority(votes), [True, False, True, False, False])
    chosen = choose_target(drawn(), "majority")
    # Five of eight are for neutral; four of ten for surprise.
    assert chosen["number"] == [0] and chosen.features["label"].int2str(chosen["label"]) == ["neutral"]
    assert "distribution" not in chosen.column_names and "auxiliary_label" not in chosen.column_names


def test_joint_labels_are_found_by_name_among_the_expressions():
    chosen = choose_target(drawn(), "joint", label_votes=3)
    expected = np.array([[45 / 8, 3, 0, 27 / 8, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 3, 0], [3, 0, 4, 0, 0, 0, 4, 0]])
    np.testing.assert_allclose(chosen["distribution"], expected / [[12], [5], [11]], atol=1e-6)
    assert "auxiliary_label" not in chosen.column_names


def test_both_keeps_the_label_beside_the_votes():
    chosen, votes = choose_target(drawn(), "both"), choose_target(drawn(), "votes")
    assert chosen["distribution"] == votes["distribution"] and chosen["label"] == votes["label"]
    assert chosen.features["auxiliary_label"].names == NAMES
    assert [NAMES[label] for label in chosen["auxiliary_label"]] == ["happiness", "fear", "neutral"]


@pytest.mark.parametrize("target", TARGETS[1:])
def test_data_without_votes_or_with_classes_of_its_own_is_refused(target):
    with pytest.raises(ValueError, match=f"The target '{target}' needs a column votes, but the data set has label, number"):
        choose_target(drawn().remove_columns("votes"), target)
    nobody = drawn().remove_columns("votes").add_column("votes", [None] * len(ROWS), feature=List(Value("uint8")))
    with pytest.raises(ValueError, match="needs votes, but no image of the data set has any"):
        choose_target(nobody, target)
    with pytest.raises(ValueError, match="the votes have no class 'glee'"):
        choose_target(drawn().cast_column("label", ClassLabel(names=["glee", "fear", "neutral"])), target)


def test_votes_are_for_the_expressions_and_two_more():
    assert VOTES[:8] == EXPRESSIONS and len(VOTES) == 10
