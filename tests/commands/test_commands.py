"""The commands that prepare, train and publish, as users run them; what they compute is tested elsewhere."""

import json

import pytest
from datasets import Dataset, Features
from helpers import MODEL, changed, columns, fer, plain, save, write, write_prepared
from typer.testing import CliRunner

import modeling_fer_cli
from modeling_fer.commands.search import choose_validation
from modeling_fer.data.face_preparer import PrepareSettings
from modeling_fer.data.prepare import finish, prepare
from modeling_fer.data.readers import read_source
from modeling_fer.training.recipe import Recipe, write_recipe
from modeling_fer.training.trainer import Trainer

COMMANDS = ("prepare", "train", "evaluate", "calibrate", "cross-validate", "compare", "search", "push")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command):
    assert f"fer {command} " in plain(fer(command, "--help").stdout)


def test_help_of_prepare_says_the_defaults():
    said, defaults = plain(fer("prepare", "--help").stdout), PrepareSettings()
    for name in ("image_size", "margin", "offset", "min_face", "landmarks", "landmark_points", "sigma", "device"):
        value = getattr(defaults, name)
        shown = value if isinstance(value, str) else f"{value:g}"
        assert f"--{name.replace('_', '-')} " in said and f"{shown} if not given" in said, name


def test_completion_can_be_installed_and_knows_the_forms():
    assert "--install-completion" in fer("--help").stdout
    asked = {"_FER_COMPLETE": "complete_bash", "COMP_WORDS": "fer prepare j", "COMP_CWORD": "2"}
    done = CliRunner().invoke(modeling_fer_cli.app, [], env=asked, prog_name="fer")
    assert done.stdout.split() == ["jaffe"]


@pytest.fixture
def recipe(tmp_path):
    """The file of a recipe for a network that is trained in a second."""
    file = tmp_path / "recipe.yaml"
    write_recipe(Recipe(model=MODEL, target="votes", epochs=1, batch_size=16, mixed_precision="no"), file)
    return file


def test_a_run_is_trained_and_another_in_its_folder_refused(recipe, tmp_path):
    data = write_prepared(tmp_path / "data", 40)
    command = ["train", recipe, "--data", data, "--output", tmp_path / "run", "--cpu"]
    assert fer(*command).returncode == 0
    before = (tmp_path / "run/metrics.jsonl").read_text()
    again = fer(*command)
    assert again.returncode == 2 and "holds a run already; continue it with --resume" in plain(again.stderr)
    assert (tmp_path / "run/metrics.jsonl").read_text() == before
    longer = fer(*command, "--resume", "--set", "epochs=2")
    assert longer.returncode == 0 and "epoch 2: loss" in longer.stdout, longer.stderr
    other = fer(*command, "--resume", "--set", "epochs=2", "--set", "learning_rate=1e-2")
    assert other.returncode == 2 and "learning_rate = 0.001, but the recipe now says 0.01" in plain(other.stderr)
    nothing = fer("train", recipe, "--data", data, "--output", tmp_path / "new", "--resume")
    assert nothing.returncode == 2 and "holds no state to resume from" in plain(nothing.stderr)


def test_a_network_that_only_guesses_is_said_to(recipe, tmp_path):
    data = write_prepared(tmp_path / "data", 40)
    done = fer("train", recipe, "--data", data, "--output", tmp_path / "run", "--cpu", "--set", "learning_rate=1e-9")
    assert done.returncode == 0 and "run/best: epoch 1, validation accuracy " in plain(done.stdout), done.stderr
    assert "no better than a guess among 2 expressions; train longer (--set epochs=...)" in plain(done.stdout)


@pytest.mark.parametrize("target", ["label", "both"])
def test_a_trained_network_is_calibrated(target, recipe, tmp_path):
    data = write_prepared(tmp_path / "data", 40)
    fer("train", recipe, "--data", data, "--output", tmp_path / "run", "--cpu", "--set", f"target={target}")
    shown = fer("calibrate", tmp_path / "run", "--data", data, "--table", tmp_path / "table.json")
    assert shown.returncode == 0, shown.stderr
    table = json.loads((tmp_path / "table.json").read_text())
    assert len(table) == (7 if target == "both" else 1)
    assert ("second layer" in table) == ("The second output layer alone: " in shown.stdout) == (target == "both")
    assert "The sum of accuracy and UAR is highest at a prior of" in shown.stdout
    done = fer("calibrate", tmp_path / "run", "--data", data, "--prior", 0.25, "--output", tmp_path / "new/released")
    assert done.returncode == 0 and "prior 0.25" in done.stdout and "so they are rough" in done.stdout, done.stderr
    config = json.loads((tmp_path / "new/released/config.json").read_text())
    assert config["prior_strength"] == 0.25 and config["temperature"] != 1.0
    assert {name: len(values) for name, values in config["conformal_thresholds"].items()}["0.9"] == len(config["id2label"])
    both = tmp_path / "both.json"
    chosen = fer("calibrate", tmp_path / "run/best", "--data", data, "--output", tmp_path / "chosen", "--table", both)
    assert both.read_text() == (tmp_path / "table.json").read_text()
    assert f"prior {shown.stdout.split('prior of ')[1].split()[0].rstrip('.')}," in chosen.stdout
    # Without a recipe beside it, its first output layer alone is fitted.
    again = fer("calibrate", tmp_path / "new/released", "--data", data)
    assert again.returncode == 0 and "The second output layer alone" not in again.stdout, again.stderr


def spoil_images(file) -> None:
    """Makes the images of a prepared data set such that decoding one fails."""
    dataset = Dataset.from_parquet(str(file), cache_dir=str(file.parent / "cache"))
    features = dataset.features
    spoilt = [{"bytes": b"no image", "path": None}] * len(dataset)
    dataset.remove_columns("image").add_column("image", spoilt).cast(
        Features({name: features[name] for name in [*dataset.remove_columns("image").column_names, "image"]})
    ).to_parquet(str(file))


def test_calibration_looks_at_labels_alone_of_training_images_and_joins_once(recipe, tmp_path):
    data = write_prepared(tmp_path / "data", 40)
    fer("train", recipe, "--data", data, "--output", tmp_path / "run", "--cpu", "--set", "target=both")
    spoil_images(data / "train.parquet")
    command = ["calibrate", tmp_path / "run", "--data", data, "--auxiliary-share", "0.3", "--output"]
    done = fer(*command, tmp_path / "run/joined")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run/joined/config.json").read_text())
    assert config["auxiliary_share"] == 0.3 and sum(config["label_shares"]) == pytest.approx(1)
    again = fer("calibrate", tmp_path / "run/joined", "--data", data)
    assert again.returncode == 2 and "joined is joined already, its second label set counting 0.3" in plain(again.stderr)


def test_calibration_names_its_label_set_and_refuses_a_second_one_that_is_not_there(recipe, tmp_path):
    data = write_prepared(tmp_path / "data", 40)
    fer("train", recipe, "--data", data, "--output", tmp_path / "run", "--cpu", "--set", "target=label")
    shown = fer("calibrate", tmp_path / "run", "--data", data, "--table", tmp_path / "table.json")
    assert "labels" in shown.stdout and "votes" not in shown.stdout
    assert set(json.loads((tmp_path / "table.json").read_text())["0"]["0.5"]) == {"labels"}
    # Told before the data are looked for.
    done = fer("calibrate", tmp_path / "run", "--data", "nowhere", "--auxiliary-share", "0.3", "--output", tmp_path / "new")
    assert done.returncode == 2 and "has no second label set; leave --auxiliary-share out" in plain(done.stderr)


@pytest.mark.parametrize("option", ["--prior", "--auxiliary-share"])
def test_calibration_that_writes_nothing_takes_no_choice(option, tmp_path):
    done = fer("calibrate", tmp_path, "--data", tmp_path, option, 0, "--table", tmp_path / "table.json")
    assert done.returncode == 2 and f"{option} is for what --output writes; give both" in plain(done.stderr)


def test_data_that_a_run_cannot_learn_from_is_refused_before_it_begins(recipe, tmp_path):
    save(tmp_path / "raw/smile/a.png")
    without = write_prepared(tmp_path / "without", 20, without=("landmarks", "votes"))
    cases = [
        (tmp_path / "raw", [], "prepare it first: fer prepare imagefolder"),
        (tmp_path / "nowhere", [], "fer prepare makes one"),
        (without, [], "'votes' needs a column votes"),
        (without, ["--set", "target=label"], "'hybrid' needs a column landmarks or heatmap"),
        (without, ["--set", "epochs=5.5"], "epochs is 5.5, but must be a whole number"),
        (without, ["--set", "target=label", "--set", "model.regularization=weekly"], "regularization is 'weekly'"),
        (without, ["--set", "streaming=true"], "streaming learns the label"),
    ]
    for data, settings, sentence in cases:
        done = fer("train", recipe, "--data", data, "--output", tmp_path / "run", "--cpu", *settings)
        assert done.returncode == 2 and sentence in plain(done.stderr), sentence
        assert not (tmp_path / "run").exists()


def test_prepared_data_in_which_no_image_has_landmarks_is_refused(recipe, tmp_path):
    for number in range(10):
        save(tmp_path / "raw" / ("smile" if number % 2 else "frown") / f"{number}.png")
    options = ["--cropped", "--image-size", "24", "--landmarks", "none", "--output", tmp_path / "data"]
    assert fer("prepare", "imagefolder", tmp_path / "raw", *options).returncode == 0
    command = ["train", recipe, "--data", tmp_path / "data", "--output", tmp_path / "run", "--cpu", "--set", "target=label"]
    done = fer(*command)
    assert done.returncode == 2 and "'hybrid' needs landmarks, but no image" in plain(done.stderr)
    assert fer(*command, "--set", "model.regularization=weakly").returncode == 0


def test_search_validates_on_folds_only_where_there_are_subjects_and_no_splits(tmp_path):
    weakly = Recipe(model={**MODEL, "regularization": "weakly"}, batch_size=16)
    [(train, validation)] = choose_validation(weakly, str(write_prepared(tmp_path / "splits", 20))).pairs_of(weakly)
    assert (len(train), len(validation)) == (20, 20)
    rows = ["image,label,subject"]
    for number in range(60):
        save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{'smile' if number % 2 else 'frown'},S{number // 2}")
    source = read_source("table", write(tmp_path / "faces.csv", "\n".join(rows)))
    settings = PrepareSettings(image_size=24, landmarks="none", cropped=True)
    finish(prepare(source, settings, tmp_path / "people"), source, settings, tmp_path / "people")
    pairs = choose_validation(weakly, str(tmp_path / "people"), 2).pairs_of(weakly)
    # A tenth of the people is kept for the test of each fold.
    assert len(pairs) == 2 and all(len(train) + len(validation) == 54 for train, validation in pairs)


def test_what_is_pushed_is_named(tiny_checkpoint, tmp_path):
    wrong = fer("push", "page", tmp_path, "me/page")
    assert wrong.returncode == 2 and "'page' cannot be pushed; give one of model, release" in plain(wrong.stderr)
    missing = fer("push", "dataset", tmp_path / "nowhere", "me/data", "--dry-run")
    assert missing.returncode == 2 and "nowhere is not a folder" in plain(missing.stderr)
    done = fer("push", "release", tiny_checkpoint, "me/tiny", "--dry-run")
    assert done.returncode == 0 and "nothing was sent" in done.stdout and "model.safetensors" in done.stdout


def test_from_files_to_a_published_model_by_commands_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = [" ".join([str(40 * code)] * (48 * 48)) for code in range(7)]
    usages = ["Training"] * 28 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
    rows = [f"{number % 7},{pixels[number % 7]},{usage}" for number, usage in enumerate(usages)]
    write(tmp_path / "raw/fer2013.csv", "\n".join(["emotion,pixels,Usage", *rows]))
    names = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    votes = [f"{usage},a.png," + ",".join("9" if names[number % 7] == name else "0" for name in
             ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"))
             for number, usage in enumerate(usages)]  # fmt: skip
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    write(tmp_path / "raw/fer2013new.csv", "\n".join([header, *votes]))
    model = {**MODEL, "regularization": "weakly"}
    write_recipe(Recipe(model=model, target="both", epochs=2, batch_size=8, mixed_precision="no"), tmp_path / "r.yaml")
    commands = [
        ["prepare", "ferplus", "raw", "--output", "prepared", "--image-size", "48", "--landmarks", "none"],
        ["train", "r.yaml", "--data", "prepared", "--output", "run", "--cpu"],
        ["evaluate", "run/best", "--data", "prepared", "--target", "votes", "--output", "results.json"],
        ["evaluate", "run/best", "--data", "prepared", "--auxiliary", "--output", "results.json"],
        ["push", "model", "run", "me/mine", "--results", "results.json", "--dry-run"],
    ]
    for command in commands:
        done = fer(*command)
        assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [result["dataset"] for result in results] == ["prepared (votes)", "prepared"]
    assert [len(result["classes"]) for result in results] == [8, 7]
    # Nobody voted for contempt, which so has no recall.
    assert [len(result["recall"]) for result in results] == [7, 7]
    assert "target: both" in (tmp_path / "run/release/README.md").read_text()


def test_a_folder_in_which_nothing_was_written_yet_may_be_trained_in(tmp_path):
    from modeling_fer.training.run_folder import holds_run

    write_recipe(Recipe(), tmp_path / "recipe.yaml")
    assert not holds_run(tmp_path) and not holds_run(tmp_path / "nowhere")
    Trainer(changed(epochs=1), columns(), columns(24), tmp_path, cpu=True).save_state()
    assert holds_run(tmp_path)
    (tmp_path / "state").rename(tmp_path / "state.old")
    assert holds_run(tmp_path)
