"""Scores of a search's combinations."""

import json

from helpers import run_script
from result_tables import search_table

TRIALS = """number,value,datetime_start,params_model.facial_parts_weight,params_model.contiguity_weight,state
0,0.9,2026-01-01,1.0,0.1,COMPLETE
1,,2026-01-01,0.5,0.1,FAIL
2,0.85,2026-01-01,0.0001,1.0,COMPLETE
"""


def test_finished_combinations_stand_in_the_order_of_their_settings(tmp_path):
    (tmp_path / "figure10").mkdir()
    (tmp_path / "figure10/trials.csv").write_text(TRIALS, encoding="utf-8")
    done = run_script("tabulate_search.py", tmp_path / "figure10", "--output", tmp_path / "results/search.json")
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "results/search.json").read_text())
    settings = {"model.facial_parts_weight": 0.0001, "model.contiguity_weight": 1.0}
    assert kept["figure10"][0] == {"settings": settings, "accuracy": 0.85}
    assert search_table(tmp_path / "results", "figure10").splitlines() == [
        "| facial parts weight | contiguity weight | validation accuracy |",
        "|---|---:|---:|",
        "| 0.0001 | 1 | 85.0 |",
        "| 1 | 0.1 | 90.0 |",
    ]


def test_a_folder_without_a_search_is_one_sentence(tmp_path):
    done = run_script("tabulate_search.py", tmp_path, "--output", tmp_path / "a.json")
    assert done.returncode == 2 and "holds no trials.csv; fer search writes it." in done.stderr
