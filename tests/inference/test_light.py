"""What works where neither torch nor transformers is installed."""

import json
import subprocess
import sys

import pytest
from helpers import FER, ROOT

from modeling_fer import load

BLOCKED = '''
import sys
from importlib.machinery import PathFinder

class OthersFinder(PathFinder):
    """Finds all but these, as if they were not installed."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        blocked = name.partition(".")[0] in ("torch", "transformers", "pyarrow", "onnx")
        return None if blocked else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = OthersFinder
'''
READ = """
import json, modeling_fer
fer = modeling_fer.load("fer-base")
found = {"boxes": fer(sys.argv[1], boxes=[(182, 62, 267, 175)])[0].scores}
[face] = fer(sys.argv[1])
found |= {"box": face.box, "scores": face.scores}
print(json.dumps(found))
"""
NAMES = """
import modeling_fer
for name in ("FerModel", "Trainer"):
    try:
        getattr(modeling_fer, name)
    except ImportError as error:
        print(error)
"""


def run_blocked(script: str, *arguments) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", BLOCKED + script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_same_answers_without_torch(photo_path):
    done = run_blocked(READ, photo_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    heavy = load("fer-base", engine="torch", device="cpu")
    assert found["boxes"] == pytest.approx(heavy(photo_path, boxes=[(182, 62, 267, 175)])[0].scores, abs=1e-3)
    [face] = heavy(photo_path)
    assert tuple(found["box"]) == face.box
    assert found["scores"] == pytest.approx(face.scores, abs=1e-3)


def test_names_that_need_torch_say_what_to_run():
    first, second = run_blocked(NAMES).stdout.splitlines()
    assert first == "modeling_fer.FerModel needs transformers, which is not installed; run: pip install 'modeling-fer[torch]'"
    assert second == "modeling_fer.Trainer needs transformers, which is not installed; run: pip install 'modeling-fer[train]'"


STAR = """
import modeling_fer, pydoc
from modeling_fer import *
print(load.__name__, "Trainer" in globals(), "FerModel" in globals(), "Trainer" in dir(modeling_fer), "load" in dir(modeling_fer))
print("make_detector" in pydoc.render_doc(modeling_fer).partition("PACKAGE CONTENTS")[0])
"""


@pytest.mark.parametrize(("blocked", "there"), [(BLOCKED, False), ("", True)], ids=["light", "whole"])
def test_a_star_and_dir_give_the_names_that_are_there(blocked, there):
    done = subprocess.run([sys.executable, "-c", blocked + STAR], capture_output=True, text=True)
    assert done.stdout == f"load {there} {there} {there} True\nTrue\n", done.stderr


def test_the_command_without_torch(photo_path, tiny_checkpoint, tmp_path):
    script = "import modeling_fer_cli; modeling_fer_cli.app()"
    done = run_blocked(script, "predict", photo_path, "--no-detect", "--output", tmp_path / "faces.csv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "faces.csv").read_text().count("\n") == 2
    for arguments, sentence in (
        (["predict", photo_path, "--model", tiny_checkpoint], "needs torch and transformers, which are not installed"),
        (["predict", photo_path, "--output", tmp_path / "faces.parquet"], "pip install 'modeling-fer[parquet]'"),
        (["export", "fer-base", "--output", tmp_path], "pip install 'modeling-fer[export]'"),
    ):
        done = run_blocked(script, *arguments)
        assert done.returncode == 2 and sentence in " ".join(done.stderr.replace("│", " ").split()), done.stderr


@pytest.mark.slow
def test_registration_follows_transformers_in_either_order():
    show = "print(AutoConfig.for_model('fer').model_type)"
    for lines in (
        "import sys, modeling_fer; assert 'transformers' not in sys.modules; from transformers import AutoConfig",
        "from transformers import AutoConfig; import modeling_fer",
        "from modeling_fer import FerConfig; from transformers import AutoConfig",
        "import modeling_fer, importlib.util; importlib.util.find_spec('transformers'); from transformers import AutoConfig",
        "import modeling_fer.configuration_fer, modeling_fer.registration; from transformers import AutoConfig",
    ):
        done = subprocess.run([sys.executable, "-c", f"{lines}; {show}"], capture_output=True, text=True)
        assert done.stdout == "fer\n", done.stderr


def test_neither_the_package_nor_the_command_imports_what_a_photo_does_not_need(photo_path):
    heavy = "{'torch', 'transformers', 'pyarrow', 'onnx', 'av'} & set(sys.modules)"
    script = f"import sys, modeling_fer_cli\ntry: modeling_fer_cli.app()\nexcept SystemExit as end: print(end.code, {heavy})"
    command = [sys.executable, "-c", script, "predict", photo_path]
    assert subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[-1] == "0 set()"


def test_a_photo_from_a_cold_start_costs_little():
    """Of the processor's time, which other programs on the machine do not change much."""
    resource = pytest.importorskip("resource", reason="the time of programs is read where the module resource is")
    photo = ROOT / "space/examples/astronaut.jpg"
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([FER, "predict", photo], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # One second is wanted; a slow machine gets more here.
    assert min(seconds) < 1.5
