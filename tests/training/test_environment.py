"""What runs were made by."""

import json
import subprocess
from dataclasses import replace

import torch
from accelerate import Accelerator
from helpers import run_script
from PIL import Image
from tabulate_results import code_of, read_runs

import modeling_fer
from modeling_fer.training import environment
from modeling_fer.training.cross_validation import summarize
from modeling_fer.training.environment import (
    Environment,
    describe_environment,
    find_commit,
    note_environment,
    read_environments,
)

ONE = Environment("1.0", "abc", "3.12.0", "2.14", "5.24", "a processor", "no", 1)


def test_this_machine_is_described():
    found = describe_environment(Accelerator(cpu=True))
    assert found.version == modeling_fer.__version__ and found.torch == torch.__version__
    assert found.device and found.precision in ("no", "bf16") and found.processes == 1


def test_an_environment_is_noted_where_it_is_new(tmp_path):
    other = replace(ONE, commit="bcd+", precision="bf16")
    for one in (ONE, ONE, other, other, ONE):
        note_environment(tmp_path, one)
    assert read_environments(tmp_path) == [ONE, other, ONE]
    assert read_environments(tmp_path / "nowhere") == []
    assert (ONE.code, replace(ONE, commit=None).code) == ("1.0 (abc)", "1.0")


def test_the_commit_is_that_of_the_checkout(tmp_path, monkeypatch):
    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        return subprocess.run(["git", "-C", tmp_path, *who, *words], capture_output=True, text=True, check=True).stdout

    (tmp_path / "package").mkdir()
    monkeypatch.setattr(environment.modeling_fer, "__file__", str(tmp_path / "package/__init__.py"))
    find_commit.cache_clear()
    assert find_commit() is None
    git("init", "-q")
    (tmp_path / "package/__init__.py").write_text("")
    git("add", ".")
    git("commit", "-qm", "one")
    find_commit.cache_clear()
    commit = find_commit()
    assert git("rev-parse", "HEAD").startswith(commit) and len(commit) == 10
    (tmp_path / "package/__init__.py").write_text("changed = True\n")
    find_commit.cache_clear()
    assert find_commit() == f"{commit}+"
    find_commit.cache_clear()


def result(accuracy, *environments):
    scores = {"accuracy": accuracy, "uar": 0.5, "macro_f1": 0.5, "seconds": 1.0, "labels": [0, 1], "answers": [0, 1]}
    return {**scores, "environments": [vars(one) for one in environments]}


def test_a_comparison_of_several_versions_says_so(tmp_path):
    other = replace(ONE, version="1.1")
    for name, results in (
        ("hybrid-0", [result(0.5, ONE), result(0.6, ONE)]),
        ("baseline-0", [result(0.5, other), result(0.4)]),
    ):
        (tmp_path / name).mkdir()
        summary = summarize(results, ["a", "b"])
        assert len(summary["environments"]) == 1 and "environments" not in summary["folds"][0]
        (tmp_path / name / "results.json").write_text(json.dumps(summary))
    runs = read_runs(tmp_path)
    assert code_of(runs) == ["1.0 (abc)", "1.1 (abc)"]
    assert runs["hybrid"]["0"]["environments"] == [vars(ONE)]
    runs["hybrid"]["0"]["environments"] = []
    assert code_of(runs) == ["1.1 (abc)", "one that is not noted"]


def test_the_confusion_of_a_method_is_drawn(tmp_path):
    (tmp_path / "hybrid-0").mkdir()
    (tmp_path / "hybrid-0" / "results.json").write_text(json.dumps(summarize([result(0.5, ONE)], ["a", "b"])))
    done = run_script("tabulate_results.py", tmp_path, "--confusion", tmp_path / "confusion.png")
    assert done.returncode == 0 and Image.open(tmp_path / "confusion.png").width > 200
    done = run_script("tabulate_results.py", tmp_path, "--confusion", tmp_path / "other.png", "--confused", "fully")
    assert done.returncode == 2 and "there is no run of fully; there are hybrid" in done.stderr
