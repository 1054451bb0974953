"""Every command that a file of results comes from, listed and run."""

import json
import subprocess
import sys

import pytest
from helpers import ROOT, run_script
from reproduce import in_order, run
from reproduce_scale import Scale, quick_scale
from reproduce_steps import list_steps

FULL = Scale(ROOT / "prepared", ROOT / "runs", ROOT / "results", ROOT / "docs")


def test_every_table_is_listed_with_its_commands(tmp_path):
    listed = run_script("reproduce.py", "--runs", tmp_path).stdout
    assert "\nrobustness\n  [-] python scripts/measure_robustness.py fer-base fer-tiny" in listed
    assert listed.count("fer cross-validate ckplus48_hybrid") == 6 * 3 * 2 + 1 + 2
    assert "results/ckplus48.json" in listed and "fer-tiny.json" in listed
    assert "\npackages after suite\n  [-] python scripts/compare_packages.py" in listed


def test_what_a_table_comes_after_is_made_before(tmp_path):
    assert in_order(["faithfulness"], list_steps(FULL)) == ["methods", "faithfulness"]
    assert in_order(["ablation"], list_steps(FULL)) == ["distillation", "ablation"]
    quick = list_steps(quick_scale(tmp_path, tmp_path))
    assert "packages" not in quick
    assert in_order(["faithfulness"], quick) == ["methods", "distillation", "checkpoints", "faithfulness"]
    assert all(
        f" {word}" not in command for step in quick.values() for command in step.commands for word in ("results/", "docs/")
    )


def test_time_is_kept_also_of_what_failed(tmp_path):
    log = tmp_path / "reproduce.json"
    command = f"python -c 'open(\"{tmp_path}/made\")'"
    with pytest.raises(subprocess.CalledProcessError):
        run(command, log)
    first = json.loads(log.read_text())[command]
    assert first["seconds"] > 0 and not first["done"]
    (tmp_path / "made").touch()
    run(command, log)
    second = json.loads(log.read_text())[command]
    assert second["done"] and second["seconds"] > first["seconds"]


def test_an_unknown_table_is_named(tmp_path):
    done = run_script("reproduce.py", "speed", "--runs", tmp_path)
    assert done.returncode == 2 and "'speed'; there are methods, nested" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_of_it_runs_on_a_small_share(fer_data, tmp_path):
    command = [sys.executable, ROOT / "scripts" / "reproduce.py", "all", "--quick", "--data", fer_data, "--runs", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    results = tmp_path / "quick" / "results"
    made = {file.stem for file in results.glob("*.json")}
    names = {
        "ckplus48",
        "ckplus48_nested",
        "fer-base",
        "fer-tiny",
        "probabilities",
        "robustness",
        "faithfulness",
        "cost",
        "gate",
        "ablation",
        "degradations",
        "degradations_runs",
        "distillation",
        "forms",
        "forms_runs",
        "search",
        "prior",
        "prior_average",
        "prior_distilled",
        "prior_tiny",
        "comparison",
        "robustness_tiny",
    }
    assert made == names
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and again.stdout == ""
