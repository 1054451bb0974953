import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Image

from modeling_fer import FaceCropper, MtcnnDetector
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data import load_labelled, load_splits
from modeling_fer.data.prepared import load_prepared
from modeling_fer.data.recut import recut_faces, widen
from modeling_fer.data.targets import choose_target


def test_votes_by_the_usual_protocol(fer_data):
    splits = load_splits(fer_data / "fer2013", "votes")
    assert {name: len(split) for name, split in splits.items()} == {"train": 28271, "validation": 3543, "test": 3534}
    test = splits["test"]
    assert np.bincount(test["label"]).tolist() == [1260, 926, 443, 441, 322, 23, 93, 26]
    np.testing.assert_allclose(np.asarray(test["distribution"]).sum(1), 1, atol=1e-6)


@pytest.fixture(scope="module")
def fer2013(fer_data):
    return load_prepared(fer_data / "fer2013")


def test_joint_labels_bring_fear_back_and_leave_the_measured_label(fer2013):
    plain, joint, more = (
        choose_target(fer2013["validation"], target, label_votes)
        for target, label_votes in (("votes", 2.0), ("joint", 2.0), ("joint", 4.0))
    )
    assert plain["label"] == joint["label"] == more["label"]
    fear = EXPRESSIONS.index("fear")
    shares = [np.asarray(split["distribution"])[:, fear].mean() for split in (plain, joint, more)]
    assert shares[1] > 1.5 * shares[0] and shares[2] > 1.2 * shares[1]


def test_the_two_label_sets_agree_on_63_percent_of_the_images(fer2013):
    both = choose_target(fer2013["validation"], "both")
    assert len(both.features["auxiliary_label"].names) == 7
    votes = np.array(both.features["label"].names)[both["label"]]
    labels = np.array(both.features["auxiliary_label"].names)[both["auxiliary_label"]]
    assert (votes == labels).mean() == pytest.approx(0.63, abs=0.02)


def test_the_label_alone_keeps_all_images_and_the_votes_are_measured_where_asked_for(fer_data, fer2013):
    assert {name: len(split) for name, split in fer2013.items()} == {"train": 28443, "validation": 3569, "test": 3562}
    assert len(load_labelled(fer_data / "fer2013", "test")) == 3562
    measured = load_labelled(fer_data / "fer2013", "test", "votes")
    assert measured.features["label"].names == list(EXPRESSIONS) and len(measured) == 3534


def test_classes_have_the_names_of_the_package(fer_data):
    assert load_labelled(fer_data / "ckplus48", "all").features["label"].names[0] == "anger"
    assert "happiness" in load_labelled(fer_data / "fer2013", "test").features["label"].names
    with pytest.raises(ValueError, match="no split 'holdout'; it has train, validation, test"):
        load_labelled(fer_data / "fer2013", "holdout")


def test_crops_are_cut_anew_by_their_face(photo, noise):
    crop = photo.crop((150, 40, 300, 190)).convert("L").resize((48, 48))
    pixels = {"image": [crop, noise.convert("L").resize((48, 48))], "label": [0, 0]}
    dataset = Dataset.from_dict(pixels, features=Features(image=Image(), label=ClassLabel(names=["a"])))
    recut = recut_faces(dataset, MtcnnDetector(), FaceCropper(48))
    [face] = MtcnnDetector()(widen(crop, 24))
    assert recut["image"][0].size == (round(face.size),) * 2
    np.testing.assert_array_equal(recut["image"][1], dataset["image"][1])
    assert {image.mode for image in recut["image"]} == {"L"}


def test_crops_in_colour_stay_in_colour_when_they_are_cut_again(photo, noise):
    crop = photo.crop((150, 40, 300, 190)).resize((48, 48))
    pixels = {"image": [crop, noise.resize((48, 48))], "label": [0, 0]}
    dataset = Dataset.from_dict(pixels, features=Features(image=Image(), label=ClassLabel(names=["a"])))
    face, none = recut_faces(dataset, MtcnnDetector(), FaceCropper(48))["image"]
    assert face.mode == none.mode == "RGB"
    np.testing.assert_array_equal(none, dataset["image"][1])
    # A face is redder than it is blue.
    red, _, blue = np.asarray(face).reshape(-1, 3).mean(0)
    assert red > blue + 20
