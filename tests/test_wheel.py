"""The wheel alone, in a fresh environment and a folder without a clone, does what users do with the package."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from importlib.metadata import PathDistribution
from pathlib import Path
from zipfile import Path as ZippedPath
from zipfile import ZipFile

import pytest
from clean_process import make_import_path
from helpers import ROOT, save
from packaging.requirements import Requirement

PACKAGES = ("modeling_fer", "modeling_fer_cli")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder of a source distribution, and of the wheel that was built from it."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-m", "build", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    [file] = built.glob("*.whl")
    return file


def requirements(wheel: Path) -> list[str]:
    """The packages that a wheel needs for training, by its own metadata."""
    [information] = (entry for entry in ZippedPath(wheel).iterdir() if entry.name.endswith(".dist-info"))
    declared = [Requirement(line) for line in PathDistribution(information).requires or []]
    # The extra train brings these others.
    extras = ("train", "export", "parquet", "torch")
    return [one.name for one in declared if one.marker is None or any(one.marker.evaluate({"extra": each}) for each in extras)]


@pytest.fixture(scope="module")
def fresh(wheel, tmp_path_factory) -> Path:
    """The programs of an environment that holds the wheel, links to the packages that it needs for training, and nothing else."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "venv")
    programs = folder / "venv/bin"
    install = [sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet", "--no-deps", wheel]
    subprocess.run(install, check=True)
    [site] = folder.glob("venv/lib/python*/site-packages")
    # By the name of its folder dill tells whether a module is installed.
    needed = make_import_path(folder / "site-packages", requirements(wheel))
    (site / "needed.pth").write_text(str(needed), encoding="utf-8")
    return programs


def run(fresh: Path, folder: Path, *command) -> str:
    """What a program of the fresh environment prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [fresh / command[0], *map(str, command[1:])], capture_output=True, text=True, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_holds_the_package_and_nothing_else(built, wheel):
    paths = [path for name in PACKAGES for path in (ROOT / name).rglob("*")]
    package = [path for path in paths if path.is_file() and "__pycache__" not in path.parts]
    expected = {path.relative_to(ROOT).as_posix() for path in package}
    with ZipFile(wheel) as opened:
        files = {name for name in opened.namelist() if ".dist-info/" not in name}
    assert files == expected
    [source] = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert expected | {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_from_drawn_faces_to_a_release_by_the_wheel_alone(fresh, photo_path, tmp_path):
    assert str(fresh.parent) in run(fresh, tmp_path, "python", "-c", "import modeling_fer; print(modeling_fer.__file__)")
    rows = ["image,label,subject"]
    for number in range(48):
        save(tmp_path / f"{number}.png", size=40 + number % 2 * 16)
        rows.append(f"{number}.png,{'happiness' if number % 2 else 'sadness'},S{number // 4}")
    (tmp_path / "faces.csv").write_text("\n".join(rows), encoding="utf-8")
    sizes = ("image_size=24", "num_channels=1", "facial_parts_filters=4", "representation_filters=4", "hidden_sizes=[16]")
    model = [part for size in (*sizes, "regularization=weakly") for part in ("--set", f"model.{size}")]
    training = ["prepared_hybrid", "--data", "prepared", "--cpu", "--set", "epochs=1", "--set", "batch_size=8", *model]
    for command in (
        ["predict", photo_path, "--output", "faces.jsonl"],
        ["prepare", "table", "faces.csv", "--output", "prepared", "--cropped", "--image-size", 24, "--landmarks", "none"],
        ["train", *training, "--output", "run"],
        ["evaluate", "run/best", "--data", "prepared", "--split", "all", "--output", "results.json"],
        ["cross-validate", *training, "--output", "folds", "--folds", 2],
    ):
        run(fresh, tmp_path, "fer", *command)
    assert json.loads((tmp_path / "faces.jsonl").read_text(encoding="utf-8"))["expression"] == "happiness"
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))[0]["images"] == 48
    assert sum(map(sum, json.loads((tmp_path / "folds/results.json").read_text(encoding="utf-8"))["confusion"])) == 48
    listed = run(fresh, tmp_path, "fer", "push", "model", "run", "me/mine", "--results", "results.json", "--dry-run")
    assert all(name in listed for name in ("model.safetensors", "modeling_fer.py", "README.md", "nothing was sent"))
