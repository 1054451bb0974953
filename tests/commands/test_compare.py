"""`fer compare`, on networks that were trained in folds a moment ago; what it computes is tested in tests/training."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers import RECIPE, fer, plain, write_people

from modeling_fer.training.recipe import write_recipe


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with the data set `people`, and a network `a` that learned something and one `b` that did not."""
    folder = tmp_path_factory.mktemp("runs")
    write_people(folder / "people", 60)
    write_recipe(RECIPE, folder / "recipe.yaml")
    for name, settings in (("a", []), ("b", ["--set", "learning_rate=1e-9"])):
        command = ["cross-validate", folder / "recipe.yaml", "--data", folder / "people", "--output", folder / name, "--cpu"]
        epochs = ["--set", "model.regularization=none", "--set", "model.facial_parts_weight=null", "--set", "epochs=2"]
        done = fer(*command, "--folds", 3, *epochs, *settings)
        assert done.returncode == 0, done.stderr
    return folder


def test_two_trained_methods_are_compared(runs, tmp_path):
    files = ["--output", tmp_path / "new/comparison.json", "--answers", tmp_path / "new/answers.csv"]
    done = fer("compare", runs / "a", runs / "b", "--data", runs / "people", *files)
    assert done.returncode == 0, done.stderr
    said = plain(done.stdout)
    assert "48 images of 24 people, all folds together." in said and "10,000 draws, seed 0" in said
    assert "Of so few people they come out too narrow." in said
    assert "It takes images as independent, which those of one person are not." in said
    assert "2 degrees of freedom" in said and "other pixels" not in said

    written = json.loads((tmp_path / "new/comparison.json").read_text())
    summaries = {name: json.loads((runs / name / "results.json").read_text()) for name in "ab"}
    for name, summary in summaries.items():
        assert written["scores"]["accuracy"][name]["value"] == pytest.approx(summary["pooled_accuracy"])
        assert written["folds"]["uar"][name] == pytest.approx([fold["uar"] for fold in summary["folds"]])
    assert (written["same_content"], written["level"], written["draws"]) == (True, 0.95, 10_000)

    table = pd.read_csv(tmp_path / "new/answers.csv")
    assert table["subject"].tolist() == [f"S{number // 2}" for number in range(48)]
    for name, summary in summaries.items():
        confusion = pd.crosstab(table["label"], table[f"answer_{name}"]).reindex(
            index=summary["label_names"], columns=summary["label_names"], fill_value=0
        )
        np.testing.assert_array_equal(confusion, summary["confusion"])
    assert table.groupby("subject")["fold"].nunique().eq(1).all()


def test_a_method_beside_itself(runs):
    done = fer("compare", runs / "a", runs / "a", "--data", runs / "people", "--seed", 7)
    assert done.returncode == 0, done.stderr
    said = plain(done.stdout)
    assert "By accuracy no difference is shown: its interval holds 0." in said and "seed 7" in said
    assert "only A is right about 0 images, only B about 0; p = 1.000" in said


def test_what_cannot_be_compared_is_said_in_a_sentence(runs, tmp_path):
    other = write_people(tmp_path / "other", 60, people=20)
    done = fer("compare", runs / "a", runs / "b", "--data", other)
    assert done.returncode == 2 and "has other images, labels or people in its folds than" in plain(done.stderr)
    done = fer("compare", runs / "a", tmp_path, "--data", runs / "people")
    assert done.returncode == 2 and "holds no finished cross-validation" in plain(done.stderr)
    done = fer("compare", runs / "a", runs / "b", "--data", tmp_path / "none")
    assert done.returncode == 2 and "is neither a folder with a prepared data set" in plain(done.stderr)


def test_help_has_an_example():
    assert "fer compare runs/baseline runs/hybrid" in plain(fer("compare", "--help").stdout)
