"""Other packages are measured on the same images and classes as the bundled checkpoints."""

import json
import sys

import pytest
from benchmarks.packages import Package
from compare_packages import MEASUREMENTS, ask, measure, read_answer, read_images, run, score
from helpers import ROOT, run_script
from PIL import Image
from result_tables import packages_table
from small_share import share_data

from modeling_fer.training.measurement import read_results

ANSWER_BY_BRIGHTNESS = """
import json, sys
from pathlib import Path
from PIL import Image

for file in sorted(Path(sys.argv[1]).iterdir()):
    bright = Image.open(file).getpixel((0, 0)) / 255
    print(json.dumps({"Happy": bright, "fearful": 1 - bright}), flush=True)
"""


@pytest.fixture
def package(tmp_path):
    """A program that answers as those of packages do: happy where an image is bright, and else fearful."""
    (tmp_path / "answer_brightness.py").write_text(ANSWER_BY_BRIGHTNESS)
    return Package("brightness", "1.0", (sys.executable, "TASK_brightness.py"), tmp_path, tmp_path)


def test_answers_are_read_in_the_order_of_the_images(package):
    images = [Image.new("L", (48, 48), gray) for gray in (255, 0, 51)]
    answers = ask(package, images, "test")
    assert [answer["happiness"] for answer in answers] == [1, 0, 0.2]
    assert all(set(answer) == {"happiness", "fear"} for answer in answers)


def test_names_of_all_packages_become_those_of_this_one():
    of_fer = dict.fromkeys(("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"), 0.1)
    of_face_api = dict.fromkeys(("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"), 0.1)
    expected = {"anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"}
    assert set(read_answer(json.dumps(of_fer))) == set(read_answer(json.dumps(of_face_api))) == expected


@pytest.mark.parametrize("line", ["Human: loaded\n", "[0.5, 0.5]", '{"happy": null}'])
def test_what_is_not_an_answer_is_one_sentence(line):
    with pytest.raises(ValueError, match="is not an answer; a program prints one line of JSON an image"):
        read_answer(line)


def test_a_program_that_fails_or_stops_early_is_one_sentence(package, tmp_path):
    with pytest.raises(ValueError, match=r"failed \(3\) and said: no network"):
        list(run([sys.executable, "-c", "import sys; print('no network', file=sys.stderr); sys.exit(3)"], tmp_path))
    (tmp_path / "answer_brightness.py").write_text("print('{}')")
    with pytest.raises(ValueError, match="brightness answered to 1 of 2 images"):
        ask(package, [Image.new("L", (48, 48))] * 2, "test")


def test_the_likeliest_of_the_data_sets_classes_counts():
    answers = [
        {"neutral": 0.8, "happiness": 0.15, "fear": 0.05},
        {"neutral": 0.0, "happiness": 0.3, "fear": 0.7},
        {"neutral": 0.6, "happiness": 0.3, "fear": 0.1},
        {"neutral": 0.0, "happiness": 0.9, "fear": 0.1},
    ]
    scores = score(answers, ["happiness", "fear", "fear", "happiness"], ["fear", "happiness"])
    assert scores == {"images": 4, "accuracy": 0.75, "uar": 0.75, "recall": {"fear": 0.5, "happiness": 1.0}}
    with pytest.raises(ValueError, match="no class 'anger'"):
        score(answers, ["fear"] * 4, ["fear", "anger"])


def test_what_is_not_installed_is_left_out_with_a_sentence(tmp_path):
    places = ("--fer-python", tmp_path / "python", "--npm-folder", tmp_path)
    done = run_script("compare_packages.py", *places, "--output", tmp_path / "packages.json")
    said = done.stdout.splitlines()
    assert [line.partition(" is left out; ")[0] for line in said] == ["fer", "face-api", "human"]
    assert done.returncode == 1 and done.stderr == "stopped: there is no package to measure.\n"
    assert not (tmp_path / "packages.json").exists()


def test_a_python_without_fer_is_left_out(tmp_path):
    done = run_script("compare_packages.py", "--fer-python", sys.executable, "--output", tmp_path / "packages.json")
    assert done.returncode == 1 and done.stdout.startswith("fer is left out; ")


def test_what_was_measured_is_kept_until_the_package_changes(package, fer_data, tmp_path):
    data, output, program = tmp_path / "data", tmp_path / "packages.json", tmp_path / "answer_brightness.py"
    share_data(fer_data, data)
    others = "**dict.fromkeys(('neutral', 'sad', 'angry', 'disgust', 'surprise'), 0)"
    program.write_text(ANSWER_BY_BRIGHTNESS.replace("1 - bright}", f"1 - bright, {others}}}"))
    measure(package, data, output)
    first = json.loads(output.read_text())
    for dataset in ("fer2013", "ckplus48"):
        recall = first["brightness"][dataset]["recall"]
        assert recall["anger"] == 0 and recall["happiness"] + recall["fear"] > 0.5
    program.write_text("raise SystemExit(1)")
    measure(package, data, output)
    assert json.loads(output.read_text()) == first
    with pytest.raises(ValueError, match="failed"):
        measure(Package("brightness", "2.0", package.program, tmp_path, tmp_path), data, output)


def test_images_and_classes_are_those_of_the_checkpoints(fer_data):
    measured = read_results(ROOT / "results" / "fer-base.json")
    suite = {one.measurement.dataset: one for one in measured if not one.measurement.folds}
    for measurement in MEASUREMENTS:
        _, labels = read_images(measurement, fer_data)
        own = suite[measurement.dataset]
        assert len(labels) == own.scores["images"] and set(labels) == set(own.scores["recall"])


def test_the_table_stands_beside_the_checkpoints_rows(tmp_path):
    for name in ("fer-base", "fer-tiny"):
        (tmp_path / f"{name}.json").write_text((ROOT / "results" / f"{name}.json").read_text())
    scores = {
        "fer2013": {"images": 3562, "accuracy": 0.5, "uar": 0.25},
        "ckplus48": {"images": 927, "accuracy": 1, "uar": 0.75},
    }
    (tmp_path / "packages.json").write_text(json.dumps({"other (npm)": {"version": "1.2", **scores}}))
    lines = packages_table(tmp_path).splitlines()
    own = read_results(tmp_path / "fer-tiny.json")
    auxiliary = next(one.scores["accuracy"] for one in own if one.measurement.auxiliary)
    assert lines[5].startswith(f"| fer-tiny, second output layer | **{auxiliary:.1%}** |") and lines[5].endswith("| - | - |")
    assert lines[6] == "| other 1.2 (npm) | **50.0%** | 25.0% | **100.0%** | 75.0% |"
    scores["fer2013"]["images"] = 3589
    (tmp_path / "packages.json").write_text(json.dumps({"other (npm)": {"version": "1.2", **scores}}))
    with pytest.raises(ValueError, match=r"\[3562, 3589\] images of fer2013"):
        packages_table(tmp_path)
