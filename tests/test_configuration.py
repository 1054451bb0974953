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
        ("representation_block", "dense"),
        ("residual_blocks", [2, 0, 2]),
        ("gated_maps", 0),
        ("gated_maps", 5),
        ("drop_path", 1.0),
        ("auxiliary_weight", -0.5),
        ("temperature", 0.0),
        ("prior_strength", 1.5),
        ("prior_strength", 0.5),
        ("label_shares", [0.5, 0.5]),
        ("label_shares", [0.2] * 8),
        ("label_shares", [0.0, *[1 / 7] * 7]),
        ("label_shares", [float("nan"), *[1 / 7] * 7]),
    ],
)
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises((StrictDataclassError, ValueError), match=field):
        FerConfig(**{field: value})


@pytest.mark.parametrize("blocks", [[2, 2], [1, 1, 1, 1], []])
def test_a_residual_representation_needs_a_number_of_blocks_for_each_stage(blocks):
    with pytest.raises(StrictDataclassError, match="a number for each of the 3 stages of representation_depth"):
        FerConfig(representation_block="residual", residual_blocks=blocks)
    assert FerConfig(residual_blocks=blocks).residual_blocks == blocks


def test_a_timm_backbone_has_one_gated_map():
    with pytest.raises(StrictDataclassError, match="gated_maps is 2, but must be at least 1 and at most 1"):
        FerConfig(backbone="resnet10t", gated_maps=2)
    assert FerConfig(gated_maps=4).gated_maps == 4


def test_a_prior_needs_shares_that_sum_to_one():
    with pytest.raises(StrictDataclassError, match="prior_strength is 0.5, which needs label_shares"):
        FerConfig(prior_strength=0.5)
    with pytest.raises(StrictDataclassError, match="must be 8 numbers greater than 0 that sum to 1"):
        FerConfig(label_shares=[0.125] * 7 + [0.2])
    assert FerConfig(label_shares=[0.125] * 8, prior_strength=0.5).prior_strength == 0.5


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


MEASURED = {"label_shares": [0.9, 0.1], "prior_strength": 0.5, "temperature": 1.3}


def measured(config: FerConfig) -> dict:
    return {name: getattr(config, name) for name in MEASURED}


@pytest.mark.parametrize("classes", [{"num_labels": 3}, {"id2label": {0: "glad", 1: "calm"}}, {"id2label": {0: "calm"}}])
def test_other_classes_drop_what_was_measured_of_the_saved_ones(tmp_path, classes):
    FerConfig(id2label={0: "calm", 1: "glad"}, **MEASURED).save_pretrained(tmp_path)
    assert measured(FerConfig.from_pretrained(tmp_path, **classes)) == {
        "label_shares": None, "prior_strength": 0.0, "temperature": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize("classes", [{}, {"num_labels": 2}, {"id2label": {0: "calm", 1: "glad"}}])
def test_the_same_classes_keep_what_was_measured_of_them(tmp_path, classes):
    FerConfig(id2label={0: "calm", 1: "glad"}, **MEASURED).save_pretrained(tmp_path)
    assert measured(FerConfig.from_pretrained(tmp_path, **classes)) == MEASURED


def test_other_classes_take_the_place_of_the_saved_ones(tmp_path):
    FerConfig().save_pretrained(tmp_path)
    assert FerConfig.from_pretrained(tmp_path, num_labels=8).id2label[7] == "contempt"
    assert FerConfig.from_pretrained(tmp_path, num_labels=3).label2id == {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}
    named = FerConfig.from_pretrained(tmp_path, num_labels=2, id2label={0: "calm", 1: "glad"})
    assert (named.id2label, named.label2id) == ({0: "calm", 1: "glad"}, {"calm": 0, "glad": 1})
    with pytest.raises(ValueError, match="num_labels is 3, but id2label names 2"):
        FerConfig.from_pretrained(tmp_path, num_labels=3, id2label={0: "calm", 1: "glad"})
