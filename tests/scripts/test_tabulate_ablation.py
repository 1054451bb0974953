"""Scores of runs with one thing changed."""

import json

from helpers import run_script
from training_tables import ablation_table


def write_run(folder, *lines):
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def line(epoch, accuracy, **more):
    return {
        "epoch": epoch, "accuracy": accuracy, "score": accuracy, "uar": 0.5, "calibration_error": 0.1, "seconds": 60, **more
    }  # fmt: skip


def test_the_best_epoch_of_each_run_is_kept(tmp_path):
    write_run(
        tmp_path / "runs/reference", line(1, 0.6, auxiliary_accuracy=0.4), line(2, 0.7, auxiliary_accuracy=0.5), line(3, 0.65)
    )
    write_run(tmp_path / "runs/votes_only", line(1, 0.8))
    done = run_script("tabulate_ablation.py", tmp_path / "runs", "--output", tmp_path / "results/ablation.json")
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "results/ablation.json").read_text())
    assert kept["reference"] == {
        "epoch": 2, "accuracy": 0.7, "auxiliary_accuracy": 0.5, "uar": 0.5, "calibration_error": 0.1, "epochs": 3, "seconds": 180
    }  # fmt: skip
    assert ablation_table(tmp_path / "results").splitlines()[2:] == [
        "| reference | 70.0 | 50.0 | 50.0 | 0.100 | 3 | 3.0 |",
        "| votes only | 80.0 | 50.0 | - | 0.100 | 1 | 1.0 |",
    ]


def test_a_folder_without_runs_is_one_sentence(tmp_path):
    done = run_script("tabulate_ablation.py", tmp_path, "--output", tmp_path / "a.json")
    assert done.returncode == 2 and "holds no RUN/metrics.jsonl; fer train writes them." in done.stderr
