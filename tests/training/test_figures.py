import subprocess
import sys

import numpy as np
import pytest
from accelerate.commands.config.config_args import load_config_from_file
from helpers import ROOT
from PIL import Image

from modeling_fer import checkpoint_folder
from modeling_fer.training.figures import TILE, draw_confusion, draw_grid, gray_map, overlay_map, predict_map
from modeling_fer.training.study import split_name
from scripts.tabulate_results import tabulate


def test_a_confusion_matrix_is_dark_where_many_answers_are():
    right = np.asarray(draw_confusion(np.array([[50, 0], [0, 30]]), ["anger", "fear"])).astype(int)
    wrong = np.asarray(draw_confusion(np.array([[0, 50], [30, 0]]), ["anger", "fear"])).astype(int)
    assert right.shape == wrong.shape
    # Full cells are brown, empty ones nearly white: the two pictures change places with each other.
    changed = np.abs(right - wrong).sum(2) > 200
    rows, columns = np.nonzero(changed)
    middle_row, middle_column = (rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2
    upper_left = right[rows.min() + 3 : middle_row - 3, columns.min() + 3 : middle_column - 3]
    upper_right = right[rows.min() + 3 : middle_row - 3, middle_column + 3 : columns.max() - 3]
    assert np.median(upper_left.sum(2)) < 300 < 650 < np.median(upper_right.sum(2))


def test_a_grid_has_its_pictures_in_rows_and_columns():
    red, blue = Image.new("RGB", (20, 20), "red"), Image.new("L", (10, 10), 0)
    grid = draw_grid([("first", [red, blue]), ("second", [blue])], ["a", "b"])
    pixels = np.asarray(grid)
    assert (pixels == (255, 0, 0)).all(2).sum() == TILE * TILE
    assert (pixels == 0).all(2).sum() >= 2 * TILE * TILE


def test_maps_are_stretched_and_flat_ones_are_gray():
    stretched = np.asarray(gray_map(np.array([[-1.0, 0.0], [0.5, 1.0]], np.float32)))
    assert stretched.tolist() == [[0, 127], [191, 255]]
    assert np.asarray(gray_map(np.full((2, 2), 3.0, np.float32))).tolist() == [[127, 127], [127, 127]]


def test_the_bundled_map_lies_on_the_face(photo):
    crop = photo.crop((180, 60, 268, 148))
    predicted = predict_map(str(checkpoint_folder()), crop)
    assert predicted.shape == (48, 48)
    # Eyes and mouth are in the middle, and the corners are not.
    assert predicted[12:40, 12:36].mean() > 2 * predicted[:6, :6].mean()
    assert overlay_map(crop, predicted).size == (TILE, TILE)


@pytest.mark.slow
def test_maps_of_checkpoints_are_drawn_for_a_photo(photo_path, tmp_path):
    command = [sys.executable, ROOT / "scripts/draw_relevance_maps.py", "--photo", photo_path, "--landmarks", "detector"]
    done = subprocess.run([*command, "--output", tmp_path / "maps.png"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "maps.png").height > TILE and "fer-base: map from" in done.stdout
    wrong = subprocess.run(
        [*command, "--output", tmp_path / "maps.png", "--models", "nameless"], capture_output=True, text=True
    )
    assert wrong.returncode == 2 and "nameless is neither" in wrong.stderr


def test_names_and_checkpoints_may_hold_equals_signs(tmp_path):
    (tmp_path / "weight=5.0").mkdir()
    assert split_name(f"λ = 5={tmp_path}/weight=5.0") == ("λ = 5", f"{tmp_path}/weight=5.0")
    assert split_name("mine=user/name") == ("mine", "user/name")
    assert split_name(f"{tmp_path}/weight=5.0") == ("weight=5.0", f"{tmp_path}/weight=5.0")
    assert split_name("fer-base") == ("fer-base", "fer-base")


def runs(*accuracies: list[float]) -> dict[str, dict]:
    common = {"uar": 0.5, "macro_f1": 0.4, "seconds": 120.0}
    return {str(seed): {**common, "accuracy": np.mean(fold), "fold_accuracies": fold} for seed, fold in enumerate(accuracies)}


def test_the_table_compares_fold_by_fold_with_the_baseline():
    table = tabulate({"hybrid": runs([0.9, 0.8], [0.7, 0.8]), "baseline": runs([0.8, 0.8], [0.6, 0.7])}).splitlines()
    # Differences 0.1, 0, 0.1, 0.1: mean 7.5 points, standard error 5 / sqrt(4) = 2.5.
    assert table[-1] == "| hybrid | 2 | 80.0 | 7.1 | 50.0 | 40.0 | +7.5 ± 2.5 | 2 |"
    assert table[-2] == "| baseline | 2 | 72.5 | 3.5 | 50.0 | 40.0 |  | 2 |"


@pytest.mark.parametrize("variant", ["pretrained", "literal"])
def test_a_method_is_compared_with_the_baseline_that_was_trained_in_the_same_way(variant):
    own, other = f"baseline_{variant}", "baseline"
    table = tabulate({f"hybrid_{variant}": runs([0.9, 0.8]), own: runs([0.9, 0.7]), other: runs([0.1, 0.1])}).splitlines()
    # Differences 0 and 0.1: mean 5 points, standard error 7.1 / sqrt(2) = 5.
    assert table[-1] == f"| hybrid_{variant} | 1 | 85.0 | 7.1 | 50.0 | 40.0 | +5.0 ± 5.0, not shown | 2 |"
    assert table[-2].startswith(f"| {own} | 1 | 80.0 | 14.1 | 50.0 | 40.0 |  |")


@pytest.mark.parametrize(("name", "processes"), [("one_machine_8_gpus", 8), ("four_machines", 32)])
def test_configurations_of_accelerate_are_read(name, processes):
    config = load_config_from_file(str(ROOT / "scripts/machines" / f"{name}.yaml"))
    assert config.num_processes == processes and config.distributed_type == "MULTI_GPU"
