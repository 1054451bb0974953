import json

import optuna
import pytest
from helpers import MODEL, RECIPE, columns, fer, plain, write_prepared

from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.training.recipe import Recipe, write_recipe
from modeling_fer.training.search import PAPER_GRID, count_combinations, open_storage, read_grid, search, train_and_validate

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


def test_the_command_lists_what_it_tried(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_prepared(tmp_path / "data", 40)
    recipe = Recipe(model=MODEL, target="votes", epochs=1, batch_size=16, mixed_precision="no")
    write_recipe(recipe, tmp_path / "recipe.yaml")
    (tmp_path / "grid.yaml").write_text("model.facial_parts_weight: [1.0, 10.0]\nmodel.representation_depth: [2, 9]\n")
    command = ["search", "recipe.yaml", "--grid", "grid.yaml", "--data", "data"]
    done = fer(*command, "--output", "found", "--cpu")
    assert done.returncode == 0, done.stderr
    # A depth of 9 halves an image of 24 pixels to nothing: those combinations fail, and the others are measured.
    assert "2 of 4 combinations were tried" in done.stdout
    lines = (tmp_path / "found/trials.csv").read_text().splitlines()
    assert len(lines) == 5 and all("FAIL" in line for line in lines[3:])
    values = [float(line.split(",")[1]) for line in lines[1:3]]
    assert values == sorted(values, reverse=True)
    # What was trained has the classes of the recipe's target.
    trained = [json.loads(file.read_text()) for file in (tmp_path / "found").rglob("best/config.json")]
    assert trained and all(len(config["id2label"]) == len(EXPRESSIONS) for config in trained)
    wrong = fer(*command, "--output", "found", "--set", "epochz=1")
    assert wrong.returncode == 2 and "the nearest is 'epochs'" in plain(wrong.stderr)
