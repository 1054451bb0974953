"""Settings searched inside each fold, on small drawn images."""

import json

import numpy as np
import pytest
from helpers import MODEL, RECIPE, changed, columns, fer, plain, write, write_people

from modeling_fer.training.cross_validation import start_cross_validation
from modeling_fer.training.nested import Nested, check_same_grid, check_selection, cross_validate_nested, write_grid
from modeling_fer.training.recipe import Recipe, write_recipe

GRID = {"learning_rate": [1e-7, 1e-2]}


def nested_of(data):
    return Nested(GRID, lambda tried: (Recipe(**{**vars(RECIPE), "epochs": 3, **tried}), data))


def test_each_fold_takes_the_settings_that_validate_best(tmp_path):
    data = columns(48)
    subjects = [f"S{number // 3:02d}" for number in range(48)]
    folds = start_cross_validation(RECIPE, data, subjects, tmp_path, folds=2)
    summary = cross_validate_nested(nested_of(data), data, folds, tmp_path, cpu=True)
    assert np.sum(summary["confusion"]) == 48
    for number, fold in enumerate(summary["folds"], start=1):
        rates = {}
        for run in (tmp_path / f"fold-{number}").glob("*/split-1"):
            rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
            rates[run.parent.name] = max(row["accuracy"] for row in rows)
        chosen = f"learning_rate={fold['settings']['learning_rate']}"
        assert len(rates) == 2 and rates[chosen] == max(rates.values())
    assert summary["seconds"] > 0
    assert not list(tmp_path.rglob("state")), "trained runs of a study never go on"

    (tmp_path / "fold-2" / "result.json").unlink()
    assert cross_validate_nested(nested_of(data), data, folds, tmp_path, cpu=True) == summary


def test_epochs_that_are_kept_whatever_they_score_are_not_searched(tmp_path):
    check_selection(RECIPE, GRID)
    check_selection(changed(selection="last"), {"selection": ["best", "loss"]})
    with pytest.raises(ValueError, match="selection is 'last'"):
        check_selection(RECIPE, {"selection": ["best", "last"]})
    command = ("cross-validate", "ckplus48_hybrid", "--data", tmp_path, "--output", tmp_path / "run", "--nested")
    done = fer(*command, "--set", "selection=last")
    assert done.returncode == 2 and "a search in each fold chooses by them; take 'best' or 'loss'" in plain(done.stderr)
    assert not (tmp_path / "run").exists()


def test_another_grid_does_not_go_on(tmp_path):
    check_same_grid(GRID, tmp_path)
    (tmp_path / "recipe.yaml").write_text("epochs: 1")
    with pytest.raises(ValueError, match="started without --nested"):
        check_same_grid(GRID, tmp_path)
    write_grid(GRID, tmp_path)
    check_same_grid(GRID, tmp_path)
    for other in (None, {"learning_rate": [1.0]}):
        with pytest.raises(ValueError, match="started with the grid"):
            check_same_grid(other, tmp_path)


@pytest.mark.parametrize("nested", [(), ("--nested", "--grid", "grid.yaml")], ids=["plain", "nested"])
def test_the_command_refuses_another_number_of_folds_and_data_prepared_again(nested, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recipe(Recipe(model={**MODEL, "regularization": "weakly"}, epochs=1, mixed_precision="no"), tmp_path / "recipe.yaml")
    write(tmp_path / "grid.yaml", "learning_rate: [0.001]\n")
    write_people(tmp_path / "data", 40)
    command = ("cross-validate", "recipe.yaml", "--data", "data", "--output", "run", "--cpu", *nested)
    done = fer(*command, "--folds", 3)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "run/results.json").read_text()
    again = fer(*command, "--folds", 2)
    assert again.returncode == 2 and "run was started with 3 folds, not 2" in plain(again.stderr)
    write_people(tmp_path / "data", 41)
    again = fer(*command, "--folds", 3)
    assert again.returncode == 2 and "run was started with other images or labels" in plain(again.stderr)
    assert (tmp_path / "run/results.json").read_text() == written


def test_a_grid_without_nested_is_wrong_usage(tmp_path):
    done = fer("cross-validate", "ckplus48_hybrid", "--data", tmp_path, "--output", tmp_path / "out", "--grid", "grid.yaml")
    assert done.returncode == 2 and "--nested" in done.stderr
