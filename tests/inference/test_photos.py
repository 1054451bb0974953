"""Photos read by one process or several: the same results in the same order."""

import os
import signal

import pytest
from helpers import fer, plain, write_bad_files
from PIL import Image

from modeling_fer import FaceCropper, load
from modeling_fer.inference.engines import ReaderSettings
from modeling_fer.inference.media import Source
from modeling_fer.inference.photos import PhotoSettings, choose_workers, read_in_processes, read_photos


@pytest.fixture
def folder(photo, noise, tmp_path):
    """Crops, some of them broken files."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        photo.crop((170 - number, 50, 280 + number, 180)).save(folder / f"{number:02}.jpg")
    noise.save(folder / "noise.png")
    write_bad_files(folder)
    return folder


def test_processes_give_the_same_results_in_the_same_order(folder):
    sources = [Source(str(path), "photo") for path in sorted(folder.iterdir())]
    settings = PhotoSettings(detect=False, draw=True, batch_size=4)
    reader = ReaderSettings("fer-tiny", threads=1, detect=False)
    alone = list(read_photos(reader.make(), sources, settings))
    together = list(read_in_processes(reader, sources, settings, workers=2))
    assert [result.error for result in together] == [result.error for result in alone]
    assert sum(result.faces is None for result in alone) == 4
    for one, other in zip(alone, together, strict=True):
        if one.faces is not None:
            assert [face.scores for face in one.faces] == [pytest.approx(face.scores, abs=1e-5) for face in other.faces]
            assert other.drawing.startswith(b"\x89PNG")


def test_the_command_writes_rows_in_order_whatever_reads_them(folder, tmp_path):
    outputs = []
    for workers in (1, 3):
        output = tmp_path / f"{workers}.csv"
        done = fer("predict", folder, "--no-detect", "--workers", workers, "--output", output, "--model", "fer-tiny")
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 4
        outputs.append([line.rsplit(",", 9)[:1] for line in output.read_text().splitlines()])
    assert outputs[0] == outputs[1] and len(outputs[0]) == 22
    done = fer("predict", folder, "--workers", "0")
    assert done.returncode == 2 and "'--workers': Input should be greater than or equal to 1" in plain(done.stderr)


def test_a_process_that_is_ended_from_outside_is_one_sentence(folder, monkeypatch):
    sources = [Source(str(path), "photo") for path in sorted(folder.iterdir())] * 20
    results = read_in_processes(ReaderSettings("fer-tiny", detect=False), sources, PhotoSettings(detect=False), workers=1)
    next(results)
    from multiprocessing import active_children

    for child in active_children():
        os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="was killed, perhaps because memory ran out; use fewer by --workers"):
        list(results)


def test_processes_say_nothing_of_large_photos_either(photo, tmp_path, capfd):
    Image.new("1", (10_000, 9_500)).save(tmp_path / "big.png")
    photo.save(tmp_path / "good.jpg")
    sources = [Source(str(path), "photo") for path in (tmp_path / "big.png", tmp_path / "good.jpg")]
    results = read_in_processes(ReaderSettings("fer-tiny", detect=False), sources, PhotoSettings(detect=False), workers=2)
    assert [result.error for result in results] == ["", ""]
    assert capfd.readouterr().err == ""


def test_processes_are_started_where_they_are_worth_it():
    assert [choose_workers(photos, 8) for photos in (0, 1, 31, 32, 64, 1000)] == [1, 1, 1, 2, 4, 8]


def test_large_photos_are_decoded_at_less_and_boxes_are_in_all_their_pixels(photo, tmp_path):
    large = Image.new("RGB", (4000, 3000), "gray")
    large.paste(photo.resize((1600, 1600)), (1000, 700))
    large.save(tmp_path / "large.jpg", quality=95)
    reader = load("fer-tiny")
    [whole] = reader(Image.open(tmp_path / "large.jpg"))
    [reduced] = reader(tmp_path / "large.jpg")
    assert reduced.box == pytest.approx(whole.box, abs=12)
    assert reduced.scores == pytest.approx(whole.scores, abs=0.02)
    assert reduced.crop.size == pytest.approx(whole.crop.size, rel=0.03)


def test_small_faces_of_large_photos_are_read_from_all_their_pixels(photo, tmp_path, monkeypatch):
    large = Image.new("RGB", (4000, 3000), "gray")
    large.paste(photo.resize((360, 360)), (1000, 700))
    large.save(tmp_path / "large.jpg", quality=95)
    cut, cutter = [], FaceCropper.__call__
    monkeypatch.setattr(FaceCropper, "__call__", lambda self, image, face: cut.append(image.size) or cutter(self, image, face))
    reader = load("fer-tiny")
    assert len(reader(tmp_path / "large.jpg")) == 1
    assert cut == [(4000, 3000)]
