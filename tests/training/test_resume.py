import json
import subprocess
import time
from dataclasses import replace

import pytest
import torch
from helpers import FER, MODEL, RECIPE, RESIDUAL, changed, columns, save_teacher, two_label_sets, weights, write_prepared

from modeling_fer.training.augmentation import AugmentationConfig
from modeling_fer.training.recipe import Recipe, read_recipe, write_recipe
from modeling_fer.training.trainer import Trainer


class CutError(Exception):
    """Ends a run in the middle."""


@pytest.mark.parametrize("cut", [1, 5, 6, 11])
def test_resumed_run_ends_like_an_unbroken_one(cut, tmp_path):
    recipe = Recipe(
        **{**vars(RECIPE), "model": {**MODEL, "dropout": 0.2, "normalization": "batch", "facial_parts_weight": 1.0}}
    )
    whole = Trainer(recipe, columns(), columns(24), tmp_path / "whole", cpu=True).fit()
    broken = Trainer(recipe, columns(), columns(24), tmp_path / "broken", cpu=True, save_steps=1)
    step, steps = broken.train_step, []

    def cut_step(batch):
        if len(steps) == cut:
            raise CutError
        steps.append(None)
        return step(batch)

    broken.train_step = cut_step
    with pytest.raises(CutError):
        broken.fit()
    resumed = Trainer(recipe, columns(), columns(24), tmp_path / "broken", resume=True, cpu=True)
    assert 4 * resumed.progress.epoch + resumed.progress.step == cut
    best = resumed.fit()
    expected, actual = (weights(tmp_path / name / "last") for name in ("whole", "broken"))
    assert all(torch.equal(expected[key], actual[key]) for key in expected)
    assert (best["loss"], best["accuracy"]) == pytest.approx((whole["loss"], whole["accuracy"]))
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "broken")
    ]
    assert losses[0] == pytest.approx(losses[1])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": "0" * 64}, "begun on other images or labels"),
        ({"processes": 8}, "begun on 8 processes, but 1 go on with it now"),
    ],
)
def test_a_run_goes_on_only_as_it_was_begun(changes, sentence, tmp_path):
    begun = Trainer(replace(RECIPE, epochs=1), columns(32), columns(24), tmp_path, cpu=True)
    vars(begun.progress).update(changes)
    begun.fit()
    with pytest.raises(ValueError, match=sentence):
        Trainer(replace(RECIPE, epochs=2), columns(32), columns(24), tmp_path, resume=True, cpu=True)


def test_other_labels_are_other_data(tmp_path):
    Trainer(replace(RECIPE, epochs=1), columns(32), columns(24), tmp_path, cpu=True).fit()
    other = columns(32)
    other = replace(other, targets=other.targets.flip(0))
    with pytest.raises(ValueError, match="resume it on the same data"):
        Trainer(replace(RECIPE, epochs=2), other, columns(24), tmp_path, resume=True, cpu=True)


def test_what_cannot_be_resumed_is_told_before_the_data_is_read(tmp_path):
    arguments = ["fer_tiny", "--data", tmp_path / "nowhere", "--output", tmp_path / "run"]
    done = subprocess.run([FER, "train", *arguments, "--resume"], capture_output=True, text=True)
    assert done.returncode == 2 and "holds no state to resume from" in " ".join(done.stderr.split())
    done = subprocess.run([FER, "train", *arguments, "--track", "pigeon"], capture_output=True, text=True)
    assert done.returncode == 2 and "'pigeon' is not a tracker" in " ".join(done.stderr.split())


def test_state_that_was_being_replaced_is_found(tmp_path):
    Trainer(RECIPE, columns(), columns(24), tmp_path, cpu=True).fit()
    (tmp_path / "state").rename(tmp_path / "state.old")
    assert Trainer(RECIPE, columns(), columns(24), tmp_path, resume=True, cpu=True).progress.epoch == 3


def test_resume_is_refused_with_another_recipe_or_without_a_state(tmp_path):
    with pytest.raises(FileNotFoundError, match="no state to resume from"):
        Trainer(RECIPE, columns(), columns(24), tmp_path / "none", resume=True, cpu=True)
    Trainer(Recipe(**{**vars(RECIPE), "epochs": 1}), columns(), columns(24), tmp_path, cpu=True).fit()
    with pytest.raises(ValueError, match="seed = 0, but the recipe now says 1"):
        Trainer(changed(epochs=1, seed=1), columns(), columns(24), tmp_path, resume=True, cpu=True)


def test_an_epoch_is_reported_once_wherever_a_run_is_cut(tmp_path):
    for number, method in enumerate(("report", "save_state")):
        run = tmp_path / method
        cut = Trainer(RECIPE, columns(), columns(24), run, cpu=True)
        original, calls = getattr(cut, method), []

        def cut_second(*given, original=original, calls=calls):
            calls.append(None)
            if len(calls) == 2:
                raise CutError
            original(*given)

        setattr(cut, method, cut_second)
        with pytest.raises(CutError):
            cut.fit()
        assert len((run / "metrics.jsonl").read_text().splitlines()) == 1 + number
        Trainer(RECIPE, columns(), columns(24), run, resume=True, cpu=True).fit()
        epochs = [json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()]
        assert epochs == [1, 2, 3], method


def test_a_resumed_run_may_be_longer_but_not_shorter(tmp_path):
    Trainer(changed(epochs=2), columns(), columns(24), tmp_path, cpu=True).fit()
    Trainer(changed(epochs=4), columns(), columns(24), tmp_path, resume=True, cpu=True).fit()
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4
    assert read_recipe(tmp_path / "recipe.yaml").epochs == 4
    Trainer(changed(epochs=4), columns(), columns(24), tmp_path / "whole", cpu=True).fit()
    # The learning rate falls by the epoch, whatever their number: the two runs are one.
    expected, actual = weights(tmp_path / "whole" / "last"), weights(tmp_path / "last")
    assert all(torch.equal(expected[key], actual[key]) for key in expected)
    with pytest.raises(ValueError, match="epochs = 4, but the recipe now says 3"):
        Trainer(RECIPE, columns(), columns(24), tmp_path, resume=True, cpu=True)


def test_everything_at_once_is_resumed_bit_for_bit(tmp_path):
    augmentation = AugmentationConfig(
        flip=0.5, erase=0.3, gamma=0.3, shadow=0.3, blur=0.3, downscale=0.3, noise=0.05, jpeg=0.3, mixup=0.7
    )
    model = {**RESIDUAL, "drop_path": 0.3, "dropout": 0.2, "squeeze_excitation": True, "facial_parts_weight": 1.0}
    recipe = changed(
        model=model,
        epochs=2,
        augmentation=augmentation,
        stage_decay=0.5,
        class_balancing=0.5,
        teachers=[save_teacher(tmp_path / "teacher", auxiliary_labels=["other", "top"])],
    )
    data = (two_label_sets(), two_label_sets(24))
    Trainer(recipe, *data, tmp_path / "whole", cpu=True).fit()
    broken = Trainer(recipe, *data, tmp_path / "broken", cpu=True, save_steps=1)
    step, steps = broken.train_step, []

    def cut_step(batch):
        if len(steps) == 6:
            raise CutError
        steps.append(None)
        return step(batch)

    broken.train_step = cut_step
    with pytest.raises(CutError):
        broken.fit()
    Trainer(recipe, *data, tmp_path / "broken", resume=True, cpu=True).fit()
    expected, actual = (weights(tmp_path / name / "last") for name in ("whole", "broken"))
    assert all(torch.equal(expected[key], actual[key]) for key in expected)
    losses = [json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1]) for name in ("whole", "broken")]
    for name in ("loss", "accuracy", "auxiliary_accuracy", "score"):
        assert losses[0][name] == pytest.approx(losses[1][name], abs=1e-6)


@pytest.mark.slow
def test_killed_run_ends_like_one_left_alone(tmp_path):
    write_prepared(tmp_path / "data", 120)
    write_recipe(Recipe(model=MODEL, epochs=2, batch_size=2, mixed_precision="no"), tmp_path / "recipe.yaml")

    def command(run: str, *more: str) -> list[str]:
        arguments = ["recipe.yaml", "--data", "data", "--output", run, "--cpu", "--save-steps", "1", *more]
        return [str(FER), "train", *arguments]

    whole = subprocess.run(command("whole"), capture_output=True, text=True, cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    killed = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    while killed.poll() is None and not (tmp_path / "killed" / "state").is_dir():
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "killed" / "last").exists(), "the run must be killed within its first epoch"
    resumed = subprocess.run(command("killed", "--resume"), capture_output=True, text=True, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    expected, actual = (weights(tmp_path / run / "last") for run in ("whole", "killed"))
    assert all(torch.equal(expected[key], actual[key]) for key in expected)
