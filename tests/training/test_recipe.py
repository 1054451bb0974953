import pytest
from helpers import ROOT

from modeling_fer.training.recipe import Recipe, read_overrides, read_recipe, write_recipe

RECIPES = sorted((ROOT / "modeling_fer" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_repository_are_read(recipe, tmp_path):
    read = read_recipe(recipe)
    write_recipe(read, tmp_path / "again.yaml")
    assert read_recipe(tmp_path / "again.yaml") == read


def test_bad_recipes_are_named(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("learning_rat: 1")
    with pytest.raises(ValueError, match="no setting 'learning_rat'; the nearest is 'learning_rate'"):
        read_recipe(file)
    file.write_text("augmentation: {rotation: [0]}")
    with pytest.raises(ValueError, match="augmentation has no setting 'rotation'; the nearest is 'rotations'"):
        read_recipe(file)
    file.write_text("target: crowd")
    with pytest.raises(ValueError, match="target is 'crowd', but must be one of label, votes, majority, joint, both"):
        read_recipe(file)
    file.write_text("model: {image_sise: 48}")
    with pytest.raises(ValueError, match="model has no setting 'image_sise'; the nearest is 'image_size'"):
        read_recipe(file)
    file.write_text("- epochs")
    with pytest.raises(ValueError, match="a recipe is settings"):
        read_recipe(file)
    file.write_text("epochs: {")
    with pytest.raises(ValueError, match="recipe.yaml is not YAML"):
        read_recipe(file)
    file.write_text("stage_decay: 0")
    with pytest.raises(ValueError, match="stage_decay is 0, but must be greater than 0"):
        read_recipe(file)
    file.write_text("schedule: linear")
    with pytest.raises(ValueError, match="schedule is 'linear'"):
        read_recipe(file)
    with pytest.raises(
        FileNotFoundError, match=r"none.yaml is neither a file nor a bundled recipe; these are ckplus48_finetune"
    ):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("epochs=5.5", "epochs is 5.5, but must be a whole number"),
        ("epochs=true", "epochs is True, but must be a whole number"),
        ("learning_rate=fast", "learning_rate is 'fast', but must be a number"),
        ("learning_rate=.nan", "learning_rate is nan, but must be a finite number"),
        ("ema_decay=2", "ema_decay is 2, but must be at least 0 and less than 1"),
        ("teachers=fer-base", "teachers is 'fer-base', but must be a list"),
        ("streaming=1", "streaming is 1, but must be true or false"),
        ("augmentation=5", "augmentation holds 5, but must hold settings"),
        ("augmentation.flip=often", "augmentation: flip is 'often', but must be a number"),
        ("augmentation.flip=2", "augmentation: flip is 2, but must be at least 0 and at most 1"),
        ("augmentation.flip.often=2", "flip is 0.5, which has no setting 'often' within it"),
        ("augmentation.scales=[]", "scales is empty"),
        ("augmentation.low_percentiles=[5]", "low_percentiles is .5., but must be a list of 2"),
        ("preprocessing.image_std=[0]", "image_std is .0.0., but must be greater than 0"),
        ("model=5", "model is 5, but must be settings of its own"),
        ("model.image_size=big", "model.image_size is 'big', but must be a whole number"),
        ("model.hidden_sizes=512", "model.hidden_sizes is 512, but must be a list"),
        ("model.hidden_sizes=[a]", "model.hidden_sizes.0. is 'a', but must be a whole number"),
        ("epochs={5", "The value of 'epochs=.5' is not YAML"),
    ],
)
def test_values_of_another_kind_are_refused(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_recipe("prepared_hybrid", read_overrides([setting]))


def test_numbers_that_yaml_reads_as_text_are_numbers():
    pairs = ["learning_rate=1e-3", "epochs=2e1", "mixed_precision=no", "model.dropout=1e-1", "model.backbone=null"]
    read = read_recipe("prepared_hybrid", read_overrides(pairs))
    assert (read.learning_rate, read.epochs, read.mixed_precision) == (0.001, 20, "no")
    assert read.model["dropout"] == 0.1 and read.model["backbone"] is None
    with pytest.raises(ValueError, match="batch_size is 8.5, but must be a whole number"):
        Recipe(batch_size=8.5)
