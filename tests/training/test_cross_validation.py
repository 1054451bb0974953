import json

import numpy as np
import pytest
import torch
from helpers import RECIPE, changed, columns, weights

import modeling_fer
from modeling_fer.training import cross_validation
from modeling_fer.training.cross_validation import cross_validate, learned_positions, start_cross_validation
from modeling_fer.training.recipe import Recipe, read_overrides

SUBJECTS = [f"S{number // 3:02d}" for number in range(72)]


def validated(recipe, folder):
    data = columns(72)
    return cross_validate(recipe, data, start_cross_validation(recipe, data, SUBJECTS, folder, folds=3), folder, cpu=True)


def test_every_image_is_tested_once_and_finished_folds_are_kept(tmp_path):
    recipe = Recipe(**{**vars(RECIPE), "epochs": 4})
    summary = validated(recipe, tmp_path)
    assert np.sum(summary["confusion"]) == 72
    assert np.sum(summary["confusion"], axis=1).tolist() == [24, 24, 24]
    assert summary["pooled_accuracy"] == pytest.approx(np.trace(summary["confusion"]) / 72)
    accuracies = [fold["accuracy"] for fold in summary["folds"]]
    assert (summary["accuracy"], summary["accuracy_deviation"]) == pytest.approx(
        (np.mean(accuracies), np.std(accuracies, ddof=1))
    )
    assert json.loads((tmp_path / "results.json").read_text()) == summary
    [made_by] = summary["environments"]
    assert made_by["version"] == modeling_fer.__version__
    assert [made_by] == [json.loads(line) for line in (tmp_path / "fold-1/environment.jsonl").read_text().splitlines()]

    assert validated(recipe, tmp_path) == summary
    with pytest.raises(ValueError, match="started with epochs = 4, but the recipe now says 3"):
        validated(RECIPE, tmp_path)


def test_folds_that_are_measured_keep_no_state_and_one_that_is_not_goes_on(tmp_path, monkeypatch):
    def stop_in_the_second(run, test, folder, measure=cross_validation.measure_fold):
        if run.name == "fold-2":
            raise KeyboardInterrupt
        return measure(run, test, folder)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(cross_validation, "measure_fold", stop_in_the_second)
        validated(RECIPE, tmp_path)
    assert [path.parent.name for path in tmp_path.glob("*/state")] == ["fold-2"]
    validated(RECIPE, tmp_path)
    assert not list(tmp_path.glob("*/state"))
    for fold in (1, 2, 3):
        lines = (tmp_path / f"fold-{fold}/metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3], "each fold is trained once"


def test_settings_without_a_value_are_named():
    assert read_overrides(["epochs=2", "augmentation={flip: 0.5}"]) == {"epochs": 2, "augmentation": {"flip": 0.5}}
    with pytest.raises(ValueError, match="'epochs' is not a setting; give KEY=VALUE"):
        read_overrides(["epochs"])


def test_without_a_choice_the_last_epoch_is_kept_and_all_who_are_not_tested_are_learned_from(tmp_path):
    recipe = Recipe(**{**vars(RECIPE), "epochs": 2, "selection": "last", "learning_rate": 1e-9})
    data = columns(72)
    folds = start_cross_validation(recipe, data, SUBJECTS, tmp_path, folds=3)
    for fold in folds:
        assert sorted([*learned_positions(recipe, fold), *fold.test]) == list(range(72))
        assert learned_positions(RECIPE, fold).tolist() == fold.train.tolist()
    cross_validate(recipe, data, folds, tmp_path, cpu=True)
    for fold in (1, 2, 3):
        best, last = (weights(tmp_path / f"fold-{fold}" / name) for name in ("best", "last"))
        assert all(torch.equal(best[name], last[name]) for name in best)


def test_one_person_is_left_out_at_a_time_where_no_epoch_is_chosen_and_logged_metrics_are_of_that_one(tmp_path):
    recipe, data = changed(epochs=1, selection="last"), columns(20)
    people = [f"S{number // 4}" for number in range(20)]
    with pytest.raises(ValueError, match="In fold 1 of 5 .* too few to hold out one of 5 parts"):
        start_cross_validation(changed(epochs=1), data, people, tmp_path, folds=5)
    folds = start_cross_validation(recipe, data, people, tmp_path, folds=5)
    assert [fold.test.tolist() for fold in folds] == [list(range(start, start + 4)) for start in range(0, 20, 4)]
    assert [len(learned_positions(recipe, fold)) for fold in folds] == [16] * 5
    summary = cross_validate(recipe, data, folds, tmp_path, cpu=True)
    assert np.sum(summary["confusion"]) == 20
    for number, fold in enumerate(summary["folds"], start=1):
        logged = json.loads((tmp_path / f"fold-{number}/metrics.jsonl").read_text())
        assert [logged[name] for name in ("accuracy", "uar", "recall")] == [
            fold[name] for name in ("accuracy", "uar", "recall")
        ]


def test_folds_of_other_data_or_of_another_number_are_not_taken_for_those_asked_for(tmp_path):
    data = columns(72)
    start_cross_validation(RECIPE, data, SUBJECTS, tmp_path, folds=3)
    written = (tmp_path / "folds.json").read_text()
    brighter, fewer = columns(72), columns(48)
    brighter.images += 1
    others = [
        (data, SUBJECTS, 4, "started with 3 folds, not 4; go on with the same data and folds, or give another folder"),
        (fewer, SUBJECTS[:48], 3, "started with 72 images, not 48"),
        (brighter, SUBJECTS, 3, "started with other images or labels"),
        (data, [f"S{number // 2:02d}" for number in range(72)], 3, "started with other people in its folds"),
    ]
    for other, subjects, folds, sentence in others:
        with pytest.raises(ValueError, match=sentence):
            start_cross_validation(RECIPE, other, subjects, tmp_path, folds)
    start_cross_validation(RECIPE, columns(72), SUBJECTS, tmp_path, folds=3)
    # A folder of an earlier version does not say how its folds were drawn.
    (tmp_path / "folds.json").unlink()
    start_cross_validation(RECIPE, data, SUBJECTS, tmp_path, folds=3)
    assert (tmp_path / "folds.json").read_text() == written
