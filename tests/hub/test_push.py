"""Uploads and downloads through the real client, to a server that the tests start."""

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from clean_process import make_import_path, run_cleanly
from helpers import ROOT, fer, limit_file_size, plain, save, write_prepared
from hub_server import TOKEN, serve
from huggingface_hub import ModelCard, constants
from packaging.requirements import Requirement
from pages import read_blocks

from modeling_fer import FerForImageClassification, FerImageProcessor, checkpoint_folder
from modeling_fer.hub.card import PLACEHOLDER
from modeling_fer.hub.push import Push, upload


def environment(hub, home: Path) -> dict[str, str]:
    """What another process needs to do the same, with a cache of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    settings = {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    return {**kept, **settings, "HF_TOKEN": TOKEN}


def python(code: str, hub, home: Path, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(hub, home), **options)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "release").mkdir()
    (tmp_path / "release/README.md").write_text("# tiny")
    (tmp_path / "release/model.safetensors").write_bytes(bytes(range(256)) * 400)
    for hidden in (".DS_Store", "data/.DS_Store", "data/.ipynb_checkpoints/a"):
        (tmp_path / "release" / hidden).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "release" / hidden).touch()
    (tmp_path / "release/__pycache__").mkdir()
    (tmp_path / "release/__pycache__/code.pyc").write_bytes(b"0")
    return tmp_path / "release"


def push(folder: Path, **options) -> str:
    """The address of the commit, or the sentence that says why there is none."""
    try:
        return upload(Push(folder, "user/tiny", **options))
    except ConnectionError as error:
        return str(error)


def files(hub, revision: str = "main", key: str = "models/user/tiny") -> dict[str, bytes]:
    repository = hub.repositories[key]
    return repository.commits[repository.commit_of(revision)]


def test_one_commit_holds_everything_and_a_second_push_sends_nothing(hub, folder):
    address = push(folder, private=True, tag="v1")
    repository = hub.repositories["models/user/tiny"]
    assert repository.private and len(repository.commits) == 2
    assert files(hub) == {name: (folder / name).read_bytes() for name in ("README.md", "model.safetensors")}
    assert address == f"{hub.address}/user/tiny/commit/{repository.references['main']}"
    assert repository.tags == {"v1": repository.references["main"]}
    sent = len(hub.requests)
    assert push(folder, tag="v1") == address
    assert len(repository.commits) == 2
    assert not [request for request in hub.requests[sent:] if "PUT" in request or "/commit/" in request]

    (folder / "README.md").write_text("# changed")
    push(folder, revision="trial")
    assert files(hub, "trial")["README.md"] == b"# changed" and files(hub)["README.md"] == b"# tiny"
    assert files(hub, "v1") == files(hub)


def test_a_tag_of_another_commit_is_not_taken_for_this_one(hub, folder):
    push(folder, tag="v1")
    before = hub.repositories["models/user/tiny"].tags["v1"]
    (folder / "README.md").write_text("# changed")
    with pytest.raises(ValueError, match=f"but the tag v1 stays with the earlier commit {before}; give another --tag") as told:
        push(folder, tag="v1")
    assert f"user/tiny is published as {hub.address}/user/tiny/commit/" in str(told.value)
    assert files(hub)["README.md"] == b"# changed" and files(hub, "v1")["README.md"] == b"# tiny"


@pytest.mark.parametrize("request_part", ["repos/create", "preupload", "PUT", "/commit/"])
def test_a_server_that_fails_once_is_asked_again(hub, folder, request_part):
    hub.faults.append((request_part, 500))
    assert "/commit/" in push(folder)
    assert files(hub)["README.md"] == b"# tiny" and not hub.faults


def test_who_is_not_logged_in_is_told_how(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    sentence = push(folder)
    assert "refuses to write to user/tiny (401); log in with `hf auth login`" in sentence
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in push(folder)
    assert not hub.repositories


@pytest.mark.slow
def test_a_connection_cut_in_an_upload_publishes_nothing_and_the_next_push_completes(hub, folder):
    hub.faults.extend([("PUT", "cut")] * 20)
    sentence = push(folder)
    assert "The Hub cannot be reached" in sentence and "Nothing was published" in sentence
    assert files(hub) == {}
    hub.faults.clear()
    push(folder)
    assert set(files(hub)) == {"README.md", "model.safetensors"}


def test_a_server_that_nobody_runs_is_one_sentence(folder, monkeypatch):
    with serve() as gone:
        monkeypatch.setattr(constants, "ENDPOINT", gone.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert "The Hub cannot be reached" in push(folder)


def test_a_failed_upload_of_large_files_by_the_default_path_is_one_sentence(hub, folder, monkeypatch):
    """The server knows nothing of xet, and answers its first request with 404."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    sentence = push(folder)
    assert "The upload to user/tiny failed" in sentence and "404" in sentence
    assert "Nothing was published" in sentence and "the same command tries again" in sentence
    assert files(hub) == {}


def test_a_file_that_cannot_be_read_is_no_fault_of_the_hub(hub, folder, monkeypatch):
    def refuse(push: Push) -> None:
        raise PermissionError(13, "Permission denied", str(folder / "README.md"))

    monkeypatch.setattr("modeling_fer.hub.push.send", refuse)
    with pytest.raises(PermissionError, match="README.md"):
        upload(Push(folder, "user/tiny"))


def test_a_prepared_data_set_is_pushed_and_read_back(hub, tmp_path):
    for number in range(6):
        save(tmp_path / "raw" / ("smile" if number % 2 else "frown") / f"{number}.png", size=40)
    command = ["prepare", "imagefolder", tmp_path / "raw", "--landmarks", "none"]
    done = fer(*command, "--image-size", "32", "--output", tmp_path / "prepared", "--push-to-hub", "user/faces")
    assert done.returncode == 0 and f"{hub.address}/datasets/user/faces/commit/" in done.stdout, done.stderr
    names = set(files(hub, key="datasets/user/faces"))
    # All six images are copies of one, which the report lists.
    reports = {"report/summary.json", "report/problems.csv", "report/shared_images.csv"}
    assert names == {"README.md", "data/train-00000-of-00001.parquet", *reports}


def test_a_data_set_pushed_again_leaves_no_parts_of_before(hub, tmp_path):
    whole = write_prepared(tmp_path / "prepared/data", 8)
    for part, name in enumerate(("train", "validation")):
        (whole / f"{name}.parquet").rename(whole / f"train-0000{part}-of-00002.parquet")
    assert fer("push", "dataset", whole.parent, "user/faces").returncode == 0
    (whole / "train-00001-of-00002.parquet").unlink()
    (whole / "train-00000-of-00002.parquet").rename(whole / "train-00000-of-00001.parquet")
    done = fer("push", "dataset", whole.parent, "user/faces")
    assert done.returncode == 0, done.stderr
    assert set(files(hub, key="datasets/user/faces")) == {"data/train-00000-of-00001.parquet", "data/test.parquet"}
    commits = len(hub.repositories["datasets/user/faces"].commits)
    assert fer("push", "dataset", whole.parent, "user/faces").returncode == 0
    assert len(hub.repositories["datasets/user/faces"].commits) == commits


@pytest.mark.slow
def test_a_pushed_release_loads_from_the_server_in_a_clean_environment(hub, photo_path, tmp_path):
    done = fer("push", "release", "fer-base", "user/fer", "--release", tmp_path / "release")
    assert done.returncode == 0, done.stderr
    sent = files(hub, key="models/user/fer")
    assert sent["LICENSE"] == (ROOT / "LICENSE").read_bytes()
    code = {path.name for path in (ROOT / "modeling_fer").glob("*_fer.py")}
    detector = {f"detectors/{path.name}" for path in (ROOT / "modeling_fer/detectors/mtcnn").iterdir()}
    assert set(sent) == code | detector | {"LICENSE"} | {path.name for path in checkpoint_folder().iterdir()}
    path = make_import_path(tmp_path / "packages", ["torch", "transformers", "accelerate", "pillow", "numpy"])
    settings = {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1"}
    result = run_cleanly("user/fer", photo_path, path, tmp_path, **settings)
    assert result["type"] == "fer" and result["boxed"]["label"] == "happiness"
    # What is in the cache is asked for by its ETag only.
    sent = len(hub.requests)
    run_cleanly("user/fer", photo_path, path, tmp_path, **settings)
    assert not [request for request in hub.requests[sent:] if request.startswith("GET") and "safetensors" in request]


def read_use(card: Path) -> tuple[str, str]:
    """The first two blocks of code on a card: what to install, and what to run."""
    install, code = [block for block in read_blocks(card) if block.language in ("bash", "python")][:2]
    assert (install.language, code.language) == ("bash", "python")
    return install.code, code.code


def test_the_code_on_a_card_installs_what_it_needs_and_names_the_repository(run, tmp_path):
    for command in (["release", "fer-tiny"], ["model", run]):
        target = tmp_path / command[0]
        done = fer("push", *command, "me/it", "--dry-run", "--release", target)
        assert done.returncode == 0, done.stderr
        install, code = read_use(target / "README.md")
        [needed] = [word for word in shlex.split(install) if word.startswith("transformers")]
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert needed in project["optional-dependencies"]["torch"]
        assert 'model="me/it", trust_remote_code=True' in code
        assert PLACEHOLDER not in (target / "README.md").read_text(encoding="utf-8")
        assert (target / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("card", ["model_card.md", "modeling_fer/hub/card_template.md"])
def test_cards_warn_of_the_task_that_takes_crops_alone(card):
    text = (ROOT / card).read_text(encoding="utf-8")
    assert 'Not for photos: `pipeline("image-classification")`' in text.partition("## Results")[0]


LOAD = """
from modeling_fer import FerForImageClassification
print(sum(p.numel() for p in FerForImageClassification.from_pretrained("user/fer").parameters()))
"""


@pytest.mark.slow
def test_a_download_onto_a_full_disk_leaves_no_broken_cache(hub, tmp_path):
    command = ["push", "release", checkpoint_folder(), "user/fer", "--tag", "v1", "--release", tmp_path / "release"]
    assert fer(*command).returncode == 0
    home = tmp_path / "home"
    full = python(LOAD, hub, home, preexec_fn=limit_file_size)
    assert full.returncode != 0
    again = python(LOAD.replace('"user/fer"', '"user/fer", revision="v1"'), hub, home)
    assert again.returncode == 0 and int(again.stdout) > 3_000_000, again.stderr


BUILD = """
import os, sys
sys.path = [os.getcwd(), *[path for path in sys.path if "site-packages" not in path], sys.argv[1]]
import app, modeling_fer, photo_tab
assert modeling_fer.__file__.startswith(os.getcwd()), modeling_fer.__file__
page = app.build()
print([face["expressions"][0]["label"] for face in photo_tab.predict(sys.argv[2])])
"""


@pytest.mark.slow
def test_the_space_is_pushed_with_the_package_and_needs_only_its_requirements(hub, photo_path, tmp_path):
    release = tmp_path / "release"
    done = fer("push", "space", ROOT / "space", "user/page", "--release", release)
    assert done.returncode == 0, done.stderr
    sent = files(hub, key="spaces/user/page")
    assert sent["LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert {"app.py", "README.md", "requirements.txt", "modeling_fer/checkpoints/fer-base/model.safetensors"} <= set(sent)
    names = [Requirement(line).name for line in sent["requirements.txt"].decode().splitlines()]
    path = make_import_path(tmp_path / "packages", names)
    done = subprocess.run(
        [sys.executable, "-I", "-c", BUILD, path, photo_path], cwd=release, capture_output=True, text=True,
        env=environment(hub, tmp_path),
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.endswith("['happiness']\n"), done.stderr
    wrong = fer("push", "space", tmp_path, "user/page")
    assert wrong.returncode == 2 and "holds no page; give the folder that app.py lies in" in plain(wrong.stderr)


def test_a_run_is_released_with_its_own_figures_and_recipe(tiny_checkpoint, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    tiny_checkpoint.rename(run / "best")
    (run / "recipe.yaml").write_text("epochs: 7\n")
    result = {"dataset": "prepared", "split": "test", "without": [], "recut": False, "images": 12, "accuracy": 0.75}
    result |= {"uar": 0.5, "macro_f1": 0.25, "calibration_error": 0.125, "recall": {"anger": 1.0, "fear": 0.0}}
    (tmp_path / "results.json").write_text(json.dumps([result]))
    done = fer("push", "model", run, "me/tiny", "--dry-run", "--results", tmp_path / "results.json")
    assert done.returncode == 0, done.stderr
    assert "nothing was sent" in done.stdout and "model.safetensors" in done.stdout and "pipeline_fer.py" in done.stdout
    card = ModelCard.load(run / "release/README.md")
    assert [shown.metric_value for shown in card.data.eval_results] == [0.75, 0.5, 0.25, 0.125]
    assert (
        "epochs: 7" in card.text and "anger 100.0%, fear 0.0%" in card.text and "| prepared | test | 12 | 75.0% |" in card.text
    )
    assert "must not be used to decide about people" in card.text and f"torch {torch.__version__.split('+')[0]}" in card.text
    wrong = fer("push", "model", tmp_path, "me/tiny")
    assert wrong.returncode == 2 and "holds no checkpoint" in plain(wrong.stderr)


def test_a_card_shows_no_results_of_another_checkpoint(run, tmp_path):
    data, output = write_prepared(tmp_path / "data", 8), tmp_path / "results.json"
    shares = {"label_shares": [1 / 8] * 8, "prior_strength": 0.5}
    calibrated = run / "calibrated"
    FerForImageClassification.from_pretrained(run / "best", **shares).save_pretrained(calibrated)
    FerImageProcessor.from_pretrained(run / "best").save_pretrained(calibrated)
    other = tmp_path / "calibrated.json"
    for checkpoint, file in ((run / "best", output), (calibrated, other)):
        assert fer("evaluate", checkpoint, "--data", data, "--output", file).returncode == 0
    refused = fer("push", "model", calibrated, "me/it", "--dry-run", "--results", output)
    assert refused.returncode == 2 and not (calibrated / "release").exists()
    assert "results.json has results of another checkpoint than" in plain(refused.stderr)
    assert "measure what is pushed by fer evaluate" in plain(refused.stderr)
    for folder, file in ((run, output), (run / "best", output), (calibrated, other)):
        done = fer("push", "model", folder, "me/it", "--dry-run", "--results", file)
        assert done.returncode == 0, done.stderr
        assert len(ModelCard.load(folder / "release/README.md").data.eval_results) == 4
    assert fer("push", "model", run, "me/it", "--dry-run", "--results", other).returncode == 2


@pytest.fixture
def run(tiny_checkpoint, tmp_path) -> Path:
    """A run folder with its best epoch and a state."""
    (tmp_path / "run/state").mkdir(parents=True)
    (tmp_path / "run/state/optimizer.bin").write_bytes(b"state")
    return tiny_checkpoint.rename(tmp_path / "run/best").parent


def test_options_that_a_kind_has_no_use_for_are_refused(tiny_checkpoint, tmp_path):
    cases = [
        ("release", "--results", "--results does nothing for a release; leave it out"),
        ("dataset", "--results", "--results does nothing for a dataset; leave it out"),
        ("dataset", "--release", "--release does nothing for a dataset; leave it out"),
        ("space", "--results", "--results does nothing for a space; leave it out"),
        ("release", "--release", "has its code already and is sent as it lies; leave out --release"),
    ]
    for what, option, sentence in cases:
        done = fer("push", what, tiny_checkpoint, "me/it", "--dry-run", option, tmp_path / "new")
        assert done.returncode == 2 and sentence in plain(done.stderr), done.stderr
    assert not (tmp_path / "new").exists()


def test_a_run_folder_is_not_pushed_as_a_data_set(run, tmp_path):
    done = fer("push", "dataset", run, "me/faces", "--dry-run")
    assert done.returncode == 2 and "holds no parquet file, as a prepared data set does" in plain(done.stderr)
    assert "optimizer.bin" not in done.stdout
    lacking = write_prepared(tmp_path / "lacking", 8)
    (lacking / "test.parquet").unlink()
    table = write_prepared(tmp_path / "other", 8, without=("label",))
    done = fer("push", "dataset", table, "me/faces", "--dry-run")
    assert done.returncode == 2 and "has no column 'label'" in plain(done.stderr)
    assert fer("push", "dataset", lacking, "me/faces", "--dry-run").returncode == 0


def test_a_folder_of_the_users_is_not_replaced_by_a_release(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/README.md").write_text("mine")
    commands = [["space", ROOT / "space"], ["model", run], ["release", checkpoint_folder("fer-tiny")]]
    for command in commands:
        for folder, sentence in (("mine", "mine is not empty and not an earlier release"), ("mine/README.md", "is a file")):
            done = fer("push", *command, "me/it", "--dry-run", "--release", folder)
            assert done.returncode == 2 and sentence in plain(done.stderr), done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["README.md"]
    assert (tmp_path / "mine/README.md").read_text() == "mine"


def test_a_release_is_not_written_over_what_it_is_made_from(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page"
    page.mkdir()
    (page / "app.py").write_text("page = 1")
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    for file in checkpoint_folder("fer-tiny").iterdir():
        (bundled / file.name).write_bytes(file.read_bytes())
    for command, folders in (
        (["space", page], (page, page / "release", tmp_path)),
        (["release", bundled], (bundled, bundled / "release", tmp_path)),
        (["model", run], (run / "best", run)),
    ):
        for folder in folders:
            done = fer("push", *command, "me/it", "--dry-run", "--release", folder)
            assert done.returncode == 2 and "which the release is made from; give another --release" in plain(done.stderr)
    assert [path.name for path in page.iterdir()] == ["app.py"] and not (bundled / "release").exists()
    assert (run / "state/optimizer.bin").read_bytes() == b"state" and not (run / "best/README.md").exists()


def test_an_earlier_release_is_replaced(run, tmp_path):
    page = tmp_path / "page"
    page.mkdir()
    (page / "app.py").write_text("page = 1")
    for command in (["space", page], ["model", run]):
        for _ in range(2):
            done = fer("push", *command, "me/it", "--dry-run", "--release", tmp_path / command[0])
            assert done.returncode == 0, done.stderr
    assert (tmp_path / "space/modeling_fer/__init__.py").is_file()
