import pytest
from huggingface_hub.errors import StrictDataclassError

from modeling_fer import FerConfig


def test_defaults_are_the_papers():
    config = FerConfig()
    assert (config.image_size, config.hidden_sizes, config.regularization) == (120, [512, 512], "hybrid")
    assert (config.normalization, config.dropout, config.relevance_activation) == ("none", 0.0, "linear")
    assert config.num_labels == 8
    assert config.id2label[7] == "contempt"


@pytest.mark.parametrize(("regularization", "weight"), [("none", 0), ("fully", 10), ("weakly", 1e-4), ("hybrid", 10)])
def test_weight_of_the_facial_parts_loss_defaults_to_the_papers(regularization, weight):
    assert FerConfig(regularization=regularization).facial_parts_weight == weight
    assert FerConfig(regularization=regularization, facial_parts_weight=3).facial_parts_weight == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_size", 0),
        ("num_channels", 2),
        ("facial_parts_depth", 0),
        ("facial_parts_depth", 7),
        ("representation_depth", 7),
        ("representation_filters", -1),
        ("hidden_sizes", [512, 0]),
        ("dropout", 1.0),
        ("label_smoothing", -0.1),
        ("regularization", "strong"),
        ("normalization", "layer"),
        ("relevance_activation", "tanh"),
        ("facial_parts_weight", -1.0),
        ("contiguity_weight", float("nan")),
        ("heatmap_sigma", 0),
        ("face_margin", -1.0),
    ],
)
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises((StrictDataclassError, ValueError), match=field):
        FerConfig(**{field: value})


def test_wrong_types_are_refused_by_name():
    with pytest.raises(StrictDataclassError, match="image_size"):
        FerConfig(image_size="large")


def test_class_count_that_differs_from_the_labels_is_refused():
    with pytest.raises(ValueError, match="num_labels is 7, but id2label names 2"):
        FerConfig(num_labels=7, id2label={0: "calm", 1: "glad"})
    with pytest.raises(StrictDataclassError, match="id2label must name the classes 0 to 1"):
        FerConfig(id2label={0: "calm", 2: "glad"})


def test_round_trip(tmp_path):
    config = FerConfig(image_size=48, num_channels=1, regularization="weakly", id2label={0: "calm", 1: "glad"})
    config.save_pretrained(tmp_path)
    loaded = FerConfig.from_pretrained(tmp_path)
    assert loaded.to_dict() == config.to_dict()
    assert loaded.label2id == {"calm": 0, "glad": 1}


def test_other_classes_take_the_place_of_the_saved_ones(tmp_path):
    FerConfig().save_pretrained(tmp_path)
    assert FerConfig.from_pretrained(tmp_path, num_labels=8).id2label[7] == "contempt"
    assert FerConfig.from_pretrained(tmp_path, num_labels=3).label2id == {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}
    named = FerConfig.from_pretrained(tmp_path, num_labels=2, id2label={0: "calm", 1: "glad"})
    assert (named.id2label, named.label2id) == ({0: "calm", 1: "glad"}, {"calm": 0, "glad": 1})
    with pytest.raises(ValueError, match="num_labels is 3, but id2label names 2"):
        FerConfig.from_pretrained(tmp_path, num_labels=3, id2label={0: "calm", 1: "glad"})
