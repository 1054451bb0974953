import csv
import json

import optuna
import pytest
from helpers import MODEL, RECIPE, columns, fer, plain, write, write_people, write_prepared

from modeling_fer.commands.search import choose_validation
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data.prepared import load_whole
from modeling_fer.training.recipe import Recipe, write_recipe
from modeling_fer.training.search import (
    PAPER_GRID,
    count_combinations,
    name_settings,
    open_storage,
    open_study,
    read_grid,
    search,
    train_and_validate,
)

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
    search(open_study(GRID, storage), GRID, measure, tmp_path, trials=2)
    assert len(tried) == 2
    study = open_study(GRID, open_storage(str(tmp_path / "study.log")))
    search(study, GRID, measure, tmp_path)
    names = [f"learning_rate={rate},dropout={dropout}" for rate in (0.1, 0.2, 0.3) for dropout in (0.0, 0.5)]
    assert sorted(tried) == sorted(names)
    assert study.best_params == {"learning_rate": 0.2, "model.dropout": 0.0}
    failed = [trial.params for trial in study.trials if trial.state == optuna.trial.TrialState.FAIL]
    assert [params["learning_rate"] for params in failed] == [0.3, 0.3]
    search(open_study(GRID, storage), GRID, measure, tmp_path)
    assert len(tried) == 6


def test_a_database_is_shared_too(tmp_path):
    address = f"sqlite:///{tmp_path}/study.db"
    grid = {"learning_rate": [1, 2]}
    for trials in (1, None):
        study = open_study(grid, open_storage(address))
        search(study, grid, lambda settings, _: settings["learning_rate"], tmp_path, trials)
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


def test_combinations_have_folders_of_their_own(tmp_path):
    assert name_settings({"model.dropout": 0.5, "learning_rate": 0.1}) == "dropout=0.5,learning_rate=0.1"
    names = [name_settings({"initial_checkpoint": one}) for one in ("runs/a_b", "runs/a/b", "x" * 400, "x" * 401)]
    assert len(set(names)) == 4
    for name in names:
        (tmp_path / name).mkdir()


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


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("target", "scores over different labels do not compare; leave it out, and start a run for each by --set target=..."),
        ("label_votes", "scores over different labels do not compare; leave it out, and start a run for each by --set"),
        ("streaming", "the data set of a search is held in memory; leave it out."),
    ],
    ids=["target", "label_votes", "streaming"],
)
@pytest.mark.parametrize("command", [("search",), ("cross-validate", "--nested")], ids=["search", "nested"])
def test_what_a_search_cannot_vary_is_refused_at_once(command, key, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = {"target": "votes", "label_votes": 3.0, "streaming": False}[key]
    write(tmp_path / "grid.yaml", f"learning_rate: [0.001]\n{key}: [{value}]\n")
    done = fer(*command, "ckplus48_hybrid", "--grid", "grid.yaml", "--data", "nowhere", "--output", "found")
    assert done.returncode == 2 and f"grid.yaml varies {key}, but {reason}" in plain(done.stderr), done.stderr
    assert not (tmp_path / "found").exists()


@pytest.mark.parametrize("command", [("search",), ("cross-validate",), ("cross-validate", "--nested")], ids=" ".join)
def test_what_is_held_in_memory_is_not_streamed(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = fer(*command, "ckplus48_hybrid", "--data", "nowhere", "--output", "found", "--set", "streaming=true")
    sentence = "streaming is true, but searches and cross-validation hold the data set in memory; set it to false"
    assert done.returncode == 2 and sentence in plain(done.stderr), done.stderr
    assert not (tmp_path / "found").exists()


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


def test_a_study_of_another_recipe_grid_or_data_set_is_not_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recipe(Recipe(model={**MODEL, "regularization": "weakly"}, epochs=1, mixed_precision="no"), tmp_path / "recipe.yaml")
    write(tmp_path / "grid.yaml", "learning_rate: [0.001, 0.002]\n")
    write(tmp_path / "other.yaml", "learning_rate: [0.001, 0.003]\n")
    write_people(tmp_path / "data", 40)
    write_people(tmp_path / "again", 41)
    command = ["search", "recipe.yaml", "--output", "found", "--cpu", "--trials", 1]
    same = ["--grid", "grid.yaml", "--data", "data"]
    done = fer(*command, *same)
    assert done.returncode == 0 and "1 of 2 combinations were tried" in done.stdout, done.stderr
    others = [
        ([*same, "--set", "epochs=2"], "started with epochs = 1, not 2; go on in the same way, or give another --output"),
        (["--grid", "other.yaml", "--data", "data"], "started with grid = {'learning_rate': [0.001, 0.002]}, not"),
        (["--grid", "grid.yaml", "--data", "again"], "started with other images or labels"),
        ([*same, "--splits", 2], "started with splits = 1, not 2"),
    ]
    for options, sentence in others:
        refused = fer(*command, *options)
        assert refused.returncode == 2 and sentence in plain(refused.stderr), refused.stderr
    done = fer(*command, *same, "--splits", 1)
    assert done.returncode == 0 and "2 of 2 combinations were tried" in done.stdout, done.stderr


def test_splits_that_there_are_not_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_prepared(tmp_path / "splits", 20)
    write_people(tmp_path / "people", 40)
    dataset = load_whole("people")["train"].remove_columns("subject")
    (tmp_path / "nobody").mkdir()
    dataset.to_parquet("nobody/train.parquet")
    cases = [
        ("splits", 1, "splits has the splits train, validation, test, so that there are no folds for --splits to take"),
        (
            "nobody",
            5,
            "nobody does not say who is on its images, so that there are no folds for --splits to take; leave it out",
        ),
        ("people", 15, "10"),
    ]
    for data, splits, sentence in cases:
        done = fer("search", "ckplus48_hybrid", "--data", data, "--output", "found", "--splits", splits)
        assert done.returncode == 2 and sentence in plain(done.stderr), done.stderr
    assert not (tmp_path / "found").exists()


def test_a_search_in_which_nothing_can_be_trained_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recipe(Recipe(model={**MODEL, "regularization": "weakly"}, epochs=1, mixed_precision="no"), tmp_path / "recipe.yaml")
    write(tmp_path / "grid.yaml", "model.representation_depth: [8, 9]\n")
    write_people(tmp_path / "data", 40)
    done = fer("search", "recipe.yaml", "--grid", "grid.yaml", "--data", "data", "--output", "found", "--cpu")
    assert done.returncode == 1, done.stdout
    assert (
        "fer search: stopped: none of the 2 combinations that were tried could be trained; the first failed because: "
        in done.stderr
    )
    with open("found/trials.csv", newline="") as file:
        reasons = [row["user_attrs_reason"] for row in csv.DictReader(file)]
    assert len(reasons) == 2 and all(reasons)
    for depth in (8, 9):
        [line] = [line for line in done.stderr.splitlines() if line.startswith(f"{{'model.representation_depth': {depth}}}")]
        assert any(line.endswith(f"failed: {reason}") for reason in reasons)
    assert "Traceback" not in done.stderr and "[W " not in done.stderr


def test_few_people_make_fewer_folds(tmp_path):
    recipe = Recipe(model={**MODEL, "regularization": "weakly"})
    [(train, validation)] = choose_validation(recipe, str(write_people(tmp_path / "twelve", 40, 12))).pairs_of(recipe)
    # Seven folds: one or two of the twelve people are tested in each.
    assert 20 <= len(train) + len(validation) <= 22
    with pytest.raises(ValueError, match="--splits is 8, but the people of .*twelve make 7 folds"):
        choose_validation(recipe, str(tmp_path / "twelve"), 8)
    with pytest.raises(ValueError, match="of too few people for folds; give a data set with a split validation"):
        choose_validation(recipe, str(write_people(tmp_path / "six", 40, 6)))
