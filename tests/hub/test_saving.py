"""Models, image processors and pipelines saved and uploaded by their own methods, as transformers' own are."""

from pathlib import Path

import pytest
import torch
from clean_process import make_import_path, run_cleanly
from helpers import ROOT
from hub_server import Hub, Repository
from huggingface_hub.errors import HfHubHTTPError
from transformers import pipeline
from transformers.utils import PushToHubMixin

from modeling_fer import FerForImageClassification, FerImageProcessor, checkpoint_folder, detector_files_fer

CODE = {path.name for path in (ROOT / "modeling_fer").glob("*_fer.py")}
MODEL = CODE | {"config.json", "model.safetensors"}
DETECTOR = {f"detectors/{path.name}" for path in (ROOT / "modeling_fer/detectors/mtcnn").iterdir()}
PROCESSOR = DETECTOR | {"image_processing_fer.py", "preprocessor_config.json"}


def load(kind: str) -> PushToHubMixin:
    folder = checkpoint_folder("fer-tiny")
    if kind == "model":
        return FerForImageClassification.from_pretrained(folder)
    if kind == "processor":
        return FerImageProcessor.from_pretrained(folder)
    return pipeline("facial-expression-recognition", model=str(folder), device="cpu")


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def head(repository: Repository, revision: str = "main") -> dict[str, bytes]:
    return repository.commits[repository.references[revision]]


KINDS = pytest.mark.parametrize(
    ("kind", "needed"), [("model", MODEL), ("processor", PROCESSOR), ("pipeline", MODEL | PROCESSOR)]
)


@KINDS
def test_a_push_holds_all_that_the_repository_needs(kind, needed, hub):
    load(kind).push_to_hub("me/faces", private=True)
    repository = hub.repositories["models/me/faces"]
    assert repository.private and len(repository.commits) == 2
    assert needed | {"README.md"} <= set(head(repository))


@KINDS
@pytest.mark.parametrize("as_type", [str, Path])
def test_what_is_saved_is_pushed_whole_and_alone_and_in_one_commit(kind, needed, as_type, hub, tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir(mode=0o755)
    (folder / "private.txt").write_text("mine")
    (folder / "README.md").write_text("my own card")
    saved = load(kind)
    # What lies there already is pushed too where it belongs to what is saved.
    saved.save_pretrained(as_type(folder))
    saved.save_pretrained(as_type(folder), push_to_hub=True, repo_id="me/faces", revision="trial", commit_message="the first")
    repository = hub.repositories["models/me/faces"]
    assert len(repository.commits) == 2 and not head(repository)
    sent, kept = head(repository, "trial"), files_in(folder)
    assert needed <= set(sent) and "private.txt" not in sent
    assert {name: kept.get(name) for name in sent if name != "README.md"} == {n: c for n, c in sent.items() if n != "README.md"}
    assert kept["README.md"] == b"my own card" and folder.stat().st_mode & 0o777 == 0o755


def test_a_repository_without_a_name_has_that_of_its_folder(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load("processor").save_pretrained("faces", push_to_hub=True)
    assert set(hub.repositories) == {"models/user/faces"}


def test_options_of_saving_count_for_what_is_pushed(hub, tmp_path):
    model = load("model")
    model.add_model_tags("faces")
    weights = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    model.save_pretrained(tmp_path / "new", push_to_hub=True, repo_id="me/faces", state_dict=weights, variant="zero")
    sent = head(hub.repositories["models/me/faces"])
    assert sent["model.zero.safetensors"] == (tmp_path / "new/model.zero.safetensors").read_bytes()
    zeros = FerForImageClassification.from_pretrained("me/faces", variant="zero")
    assert not any(parameter.any() for parameter in zeros.parameters())
    assert b"- faces" in sent["README.md"]


def test_only_the_main_process_pushes_and_writes_code(hub, tmp_path):
    load("model").save_pretrained(tmp_path / "new", push_to_hub=True, repo_id="me/faces", is_main_process=False)
    assert not hub.repositories and not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("kind", ["model", "processor", "pipeline"])
def test_a_refused_push_leaves_the_folder_complete(kind, hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    saved = load(kind)
    saved.save_pretrained(tmp_path / "saved")
    with pytest.raises(HfHubHTTPError):
        saved.save_pretrained(tmp_path / "refused", push_to_hub=True, repo_id="me/faces")
    assert files_in(tmp_path / "refused") == files_in(tmp_path / "saved")


@pytest.fixture
def unpackaged(monkeypatch, tmp_path):
    """The files of detectors are looked for beside the checkpoint, as where the package is not installed."""
    monkeypatch.setattr(detector_files_fer, "PACKAGED", tmp_path / "nowhere/detectors")


@pytest.mark.parametrize("layout", ["detectors", "detectors/mtcnn"], ids=["now", "of version 0.2"])
@pytest.mark.parametrize("remote", [True, False], ids=["hub", "folder"])
def test_the_detector_beside_a_checkpoint_is_found_in_either_layout(layout, remote, unpackaged, hub, photo, tmp_path):
    network_files = files_in(ROOT / "modeling_fer/detectors/mtcnn")
    files = {f"{layout}/{name}": content for name, content in network_files.items()}
    files["preprocessor_config.json"] = (checkpoint_folder("fer-tiny") / "preprocessor_config.json").read_bytes()
    hub.add("models/me/old", files)
    for name, content in files.items():
        (tmp_path / "old" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / name).write_bytes(content)
    processor = FerImageProcessor.from_pretrained("me/old" if remote else tmp_path / "old")
    assert len(processor.make_detector()(photo)) == 1
    processor.save_pretrained(tmp_path / "new")
    assert files_in(tmp_path / "new/detectors") == network_files


def test_a_checkpoint_without_its_detector_is_named(unpackaged, tmp_path):
    settings = (checkpoint_folder("fer-tiny") / "preprocessor_config.json").read_text()
    (tmp_path / "preprocessor_config.json").write_text(settings)
    with pytest.raises(OSError, match=r"does not appear to have a file named detectors/pnet\.onnx"):
        FerImageProcessor.from_pretrained(tmp_path)


@pytest.mark.slow
def test_a_pushed_pipeline_loads_without_the_package_and_what_is_saved_then_too(hub: Hub, photo_path, tmp_path):
    load("pipeline").push_to_hub("me/faces")
    path = make_import_path(tmp_path / "packages", ["torch", "transformers", "accelerate", "pillow", "onnxruntime"])
    settings = {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1"}
    result = run_cleanly("me/faces", photo_path, path, tmp_path, **settings)
    assert result["found"] == [181] and result["saved"] == {"again": [181], "trained": [181], "piped": [181]}
