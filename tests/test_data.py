import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Image

from modeling_fer import FaceCropper, MtcnnDetector
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data import load_labelled
from modeling_fer.data.ckplus48 import load_ckplus48
from modeling_fer.data.ferplus import joint_distributions, load_fer2013, load_ferplus, load_ferplus_joint, vote_distributions
from modeling_fer.data.recut import recut_faces, widen
from modeling_fer.faces_fer import face_size


def test_single_votes_are_left_out():
    votes = np.array([[5, 0, 1, 3, 0, 0, 0, 0, 1, 0], [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]])
    expected = np.array([[5 / 8, 0, 0, 3 / 8, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0, 0, 0]])
    np.testing.assert_allclose(vote_distributions(votes), expected)


def test_original_label_counts_as_two_more_votes():
    votes = np.array([[5, 0, 1, 3, 0, 0, 0, 0, 1, 0], [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]])
    # Nine annotators saw an expression; the single vote among theirs is shared out over the others.
    expected = np.array([[9 * 5 / 8, 0, 0, 9 * 3 / 8, 0, 0, 2, 0], [1, 3, 0, 0, 0, 0, 0, 0]]) / [[11], [4]]
    np.testing.assert_allclose(joint_distributions(votes, np.array([6, 1])), expected, atol=1e-6)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train.parquet is missing"):
        load_fer2013(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"train.parquet is missing"):
        load_ckplus48(tmp_path)


def test_ferplus_by_the_usual_protocol(fer_data):
    splits = load_ferplus(fer_data / "fer2013")
    assert {name: len(split) for name, split in splits.items()} == {"train": 28271, "validation": 3543, "test": 3534}
    test = splits["test"]
    assert np.bincount(test["label"]).tolist() == [1260, 926, 443, 441, 322, 23, 93, 26]
    np.testing.assert_allclose(np.asarray(test["distribution"]).sum(1), 1, atol=1e-6)


def test_joint_labels_bring_fear_back_and_leave_the_measured_label(fer_data):
    plain, joint = (load(fer_data / "fer2013")["validation"] for load in (load_ferplus, load_ferplus_joint))
    assert plain["label"] == joint["label"]
    fear = EXPRESSIONS.index("fear")
    shares = [np.asarray(split["distribution"])[:, fear].mean() for split in (plain, joint)]
    assert shares[1] > 1.5 * shares[0]


def test_classes_have_the_names_of_ferplus(fer_data):
    assert load_labelled("ckplus48", fer_data / "ckplus48", "test").features["label"].names[0] == "anger"
    assert "happiness" in load_labelled("fer2013", fer_data / "fer2013", "test").features["label"].names
    with pytest.raises(ValueError, match="no split 'holdout'; it has train, validation, test"):
        load_labelled("fer2013", fer_data / "fer2013", "holdout")


def test_crops_are_cut_anew_by_their_face(photo, noise):
    crop = photo.crop((150, 40, 300, 190)).convert("L").resize((48, 48))
    pixels = {"image": [crop, noise.convert("L").resize((48, 48))], "label": [0, 0]}
    dataset = Dataset.from_dict(pixels, features=Features(image=Image(), label=ClassLabel(names=["a"])))
    recut = recut_faces(dataset, MtcnnDetector(), FaceCropper(48))
    [face] = MtcnnDetector()(widen(crop, 24))
    assert recut["image"][0].size == (round(face_size(face.box)),) * 2
    np.testing.assert_array_equal(recut["image"][1], dataset["image"][1])
