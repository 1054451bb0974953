"""The benchmark's pictures, its sizes and its table."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest
from benchmark import Contestant, folder_megabytes, measure_others, others, package_megabytes, table
from benchmarks.pictures import make_pictures
from benchmarks.timing import Figures, median_seconds
from helpers import ROOT
from PIL import Image

from modeling_fer import load


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("pictures"))


def test_pictures_are_what_they_are_called(pictures):
    assert Image.open(pictures.large).size == (4000, 3000) and Image.open(pictures.frame).size == (640, 480)
    assert [len(load("fer-tiny")(path)) for path in (pictures.photo, pictures.large, pictures.frame)] == [1, 4, 1]
    assert pictures.video.stat().st_size > 10_000


def test_medians_leave_the_first_calls_out():
    waits = iter([0.2, 0.0, 0.0, 0.0])
    import time

    assert median_seconds(lambda: time.sleep(next(waits)), 3, warmup=1) < 0.1


@pytest.mark.skipif(sys.platform != "linux", reason="on macOS the peak is the one of the process alone")
def test_the_peak_of_memory_is_the_programs_own():
    program = "from benchmarks.timing import peak_megabytes; print(peak_megabytes()); held = b'1' * 60_000_000; print(peak_megabytes())"
    parent = (
        f"held = b'1' * 400_000_000; import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}], check=True)"
    )
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, cwd=ROOT / "scripts", check=True)
    before, after = map(float, done.stdout.split())
    assert before < 100 and 55 < after - before < 70


def test_sizes_count_what_a_package_needs(tmp_path):
    (tmp_path / "a").write_bytes(bytes(2_000_000))
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert folder_megabytes(tmp_path) == 2
    assert package_megabytes(("rich",)) > package_megabytes(("pygments",)) > 1


def test_what_is_not_installed_is_left_out_with_a_sentence(pictures, capsys):
    assert others(None, None, pictures) == []
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and all(" is left out; give " in line for line in said)


def test_what_fails_is_left_out_with_a_sentence_and_the_others_are_kept(tmp_path, capsys):
    shown = json.dumps(asdict(Figures(versions="1", crop_ms=2.0)))
    programs = {"broken": "import sys; sys.exit(3)", "whole": f"print({shown!r})"}
    contestants = [
        Contestant(name, [sys.executable, "-c", program], [sys.executable, "-c", ""], tmp_path, tmp_path)
        for name, program in programs.items()
    ]
    figures = measure_others(contestants)
    assert list(figures) == ["whole"] and figures["whole"].crop_ms == 2.0 and figures["whole"].cold_start_s < 10
    [said] = capsys.readouterr().out.splitlines()
    assert said.startswith("broken is left out; its program failed: ") and "exit status 3" in said


def test_the_table_has_ratios():
    mine, other = asdict(Figures(photo_ms=10, video_fps=60.0)), asdict(Figures(photo_ms=50, video_fps=20.0))
    shown = table({"processor": "2 cores of X", "packages": {"fer-base, onnx": mine, "fer (PyPI)": other}})
    assert "| 512x512 photo, file to result | 10 ms | 50 ms |" in shown
    assert "megapixel" not in shown, "what no package can is left out"
    ratios = " ".join(shown.split())
    assert "fer-base, onnx against fer (PyPI): 512x512 photo, file to result 5.0x; 640x480 video, " in ratios
    assert "frames a second 3.0x." in ratios


@pytest.mark.slow
def test_the_light_engine_is_measured(pictures):
    command = [sys.executable, "-m", "benchmarks.measure_own", "onnx", "fer-tiny", pictures.photo.parent]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "scripts")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["large_photo_faces"] == 4 and figures["crop_ms"] > 0 and figures["video_fps"] > 0
