import subprocess
import sys

import optuna
import pytest
from conftest import ROOT
from test_training import MODEL, RECIPE, columns, write_fer2013

from modeling_fer.recipe import Recipe, write_recipe
from modeling_fer.search import PAPER_GRID, count_combinations, open_storage, read_grid, search, train_and_validate

GRID = {"learning_rate": [0.1, 0.2, 0.3], "model.dropout": [0.0, 0.5]}


def test_every_combination_is_tried_once_and_the_best_is_found(tmp_path):
    tried = []

    def measure(settings, folder):
        tried.append(folder.name)
        if settings["learning_rate"] == 0.3:
            raise FloatingPointError("diverged")
        return settings["learning_rate"] - settings["model.dropout"]

    storage = open_storage(str(tmp_path / "study.log"))
    # Stopped after two, then gone on with by another process that shares the storage.
    search(GRID, measure, tmp_path, storage, trials=2)
    assert len(tried) == 2
    study = search(GRID, measure, tmp_path, open_storage(str(tmp_path / "study.log")))
    names = [f"learning_rate={rate},dropout={dropout}" for rate in (0.1, 0.2, 0.3) for dropout in (0.0, 0.5)]
    assert sorted(tried) == sorted(names)
    assert study.best_params == {"learning_rate": 0.2, "model.dropout": 0.0}
    failed = [trial.params for trial in study.trials if trial.state == optuna.trial.TrialState.FAIL]
    assert [params["learning_rate"] for params in failed] == [0.3, 0.3]
    search(GRID, measure, tmp_path, storage)
    assert len(tried) == 6


def test_a_database_is_shared_too(tmp_path):
    address = f"sqlite:///{tmp_path}/study.db"
    search({"learning_rate": [1, 2]}, lambda settings, _: settings["learning_rate"], tmp_path, open_storage(address), trials=1)
    study = search({"learning_rate": [1, 2]}, lambda settings, _: settings["learning_rate"], tmp_path, open_storage(address))
    assert sorted(trial.value for trial in study.trials) == [1, 2]


def test_measures_by_the_mean_validation_accuracy(tmp_path):
    pairs = [(columns(), columns(24)), (columns(32), columns(24))]

    def recipe_of(settings):
        return Recipe(**{**vars(RECIPE), "learning_rate": settings["learning_rate"], "epochs": 2}), pairs

    accuracy = train_and_validate(recipe_of, cpu=True)({"learning_rate": 0.003}, tmp_path / "run")
    assert 0 < accuracy <= 1
    # Run again in the same folder it goes on where it was: at its end.
    assert train_and_validate(recipe_of, cpu=True)({"learning_rate": 0.003}, tmp_path / "run") == accuracy
    assert len((tmp_path / "run/split-2/metrics.jsonl").read_text().splitlines()) == 2


def test_grids(tmp_path):
    assert read_grid(None) is PAPER_GRID and count_combinations(PAPER_GRID) == 96
    file = tmp_path / "grid.yaml"
    file.write_text("learning_rate: 0.1\n")
    with pytest.raises(ValueError, match="gives 0.1 for learning_rate, but needs a list"):
        read_grid(file)
    file.write_text("")
    with pytest.raises(ValueError, match="names no setting"):
        read_grid(file)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_grid(tmp_path / "nowhere.yaml")


@pytest.mark.slow
def test_the_script_lists_what_it_tried(tmp_path):
    write_fer2013(tmp_path / "data", 40)
    write_recipe(Recipe(model=MODEL, dataset="ferplus", epochs=1, batch_size=16), tmp_path / "recipe.yaml")
    (tmp_path / "grid.yaml").write_text("model.facial_parts_weight: [1.0, 10.0]\nmodel.representation_depth: [2, 9]\n")
    command = [sys.executable, str(ROOT / "scripts/search.py"), "recipe.yaml", "--grid", "grid.yaml", "--data", "data"]
    done = subprocess.run([*command, "--output", "found", "--cpu"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # A depth of 9 halves an image of 24 pixels to nothing: those combinations fail, and the others are measured.
    assert "2 of 4 combinations were tried" in done.stdout
    lines = (tmp_path / "found/trials.csv").read_text().splitlines()
    assert len(lines) == 5 and sum("FAIL" in line for line in lines) == 2
    wrong = subprocess.run([*command, "--output", "found", "--set", "epochz=1"], capture_output=True, text=True, cwd=tmp_path)
    assert wrong.returncode == 2 and "the nearest is 'epochs'" in wrong.stderr
