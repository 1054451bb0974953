"""`fer predict` on what users have: nothing of theirs is lost, whatever the names, formats, sizes and ends of a run."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server

import av
import numpy as np
import pillow_heif
import pyarrow.parquet
import pytest
from helpers import FER, fer, limit_file_size, two_people, write_clip
from PIL import Image
from rtsp_server import serve_camera


@pytest.fixture
def small(photo) -> Image.Image:
    return photo.resize((192, 192))


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


# Files beside each other


def test_outputs_replace_no_input_and_no_other_output(small, tmp_path):
    small.save(tmp_path / "a.jpg")
    small.save(tmp_path / "a.png")
    small.save(tmp_path / "A.PNG")
    write_clip(tmp_path / "a.mp4", [small] * 3)
    write_clip(tmp_path / "a.mkv", [small] * 3)
    before = digests(tmp_path)
    for _ in range(2):
        done = fer("predict", *(tmp_path / name for name in sorted(before)), "--overlay", tmp_path)
        assert done.returncode == 0, done.stderr
        assert {name: digest for name, digest in digests(tmp_path).items() if name in before} == before
        # A second run replaces what the first one drew, and nothing else.
        assert len(digests(tmp_path)) == 10


def test_pictures_that_are_no_inputs_are_not_replaced_either(small, tmp_path):
    small.save(tmp_path / "a.jpg")
    small.rotate(90).save(tmp_path / "a.png")
    before = digests(tmp_path)
    assert fer("predict", tmp_path / "a.jpg", "--overlay", tmp_path).returncode == 0
    assert digests(tmp_path)["a.png"] == before["a.png"]
    assert (tmp_path / "a-1.png").is_file()


def test_drawings_inside_a_folder_of_photos_are_not_read(small, tmp_path):
    small.save(tmp_path / "a.jpg")
    for _ in range(2):
        fer("predict", tmp_path, "--overlay", tmp_path / "out", "--output", tmp_path / "faces.jsonl")
    assert [row["file"] for row in read_rows(tmp_path / "faces.jsonl")] == [str(tmp_path / "a.jpg")]


def test_an_overlay_that_cannot_be_written_is_reported(small, tmp_path, monkeypatch):
    small.save(tmp_path / "a.jpg")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    done = fer("predict", tmp_path / "a.jpg", "--overlay", tmp_path / "out", "--output", tmp_path / "faces.csv")
    assert done.returncode == 1
    assert "a.png: cannot be written: No space left on device" in done.stderr
    assert "happiness" in (tmp_path / "faces.csv").read_text(encoding="utf-8")


# Runs that end early


@pytest.fixture
def many(small, tmp_path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    small.save(folder / "0000.jpg")
    # The same file by several names is read once.
    for number in range(1, 2000):
        shutil.copyfile(folder / "0000.jpg", folder / f"{number:04}.jpg")
    return folder


def start_and_stop(many: Path, output: Path, written: Path, number: int) -> subprocess.CompletedProcess:
    """Starts a run and sends it a signal as soon as it has written some rows."""
    command = [FER, "predict", many, "--output", output, "--batch-size", "8"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if written.exists() and written.read_bytes().count(b"\n") > 40:
            process.send_signal(number)
            break
        time.sleep(0.05)
    stdout, stderr = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


@pytest.mark.slow
def test_killed_in_the_middle_the_rows_are_there(many, tmp_path):
    for output, written in (("a.jsonl", "a.jsonl"), ("b.csv", "b.csv"), ("c.parquet", "c.parquet.unfinished.jsonl")):
        done = start_and_stop(many, tmp_path / output, tmp_path / written, signal.SIGKILL)
        assert done.returncode == -signal.SIGKILL
        if output == "b.csv":
            rows = list(csv.DictReader((tmp_path / output).open(encoding="utf-8", newline="")))
        else:
            rows = read_rows(tmp_path / written)
        shown = done.stdout.splitlines()
        assert len(rows) >= max(40, len(shown))
        assert all(row["expression"] == "happiness" for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle_the_file_is_whole(many, tmp_path, number):
    output = tmp_path / "faces.parquet"
    done = start_and_stop(many, output, tmp_path / "faces.parquet.unfinished.jsonl", number)
    assert done.returncode == 1
    assert done.stderr == "interrupted: the results so far are kept.\n"
    assert 40 < pyarrow.parquet.read_table(output).num_rows < 2000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces.parquet", "many"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_full_disk_keeps_whole_rows(many, tmp_path, suffix):
    output = tmp_path / f"faces.{suffix}"
    done = subprocess.run(
        [FER, "predict", many, "--output", output],
        capture_output=True,
        text=True,
        preexec_fn=partial(limit_file_size, 6000),
    )
    assert done.returncode == 1
    assert done.stderr == f"{output} cannot be written: File too large.\n"
    text = output.read_text(encoding="utf-8")
    assert text.endswith("\n") and 4000 < len(text) <= 6000
    rows = read_rows(output) if suffix == "jsonl" else list(csv.DictReader(text.splitlines()))
    assert rows[-1]["expression"] == "happiness"


def test_a_run_that_reads_nothing_keeps_the_results_of_before(small, tmp_path):
    small.save(tmp_path / "a.png")
    for output in ("FACES.CSV", "faces.parquet"):
        assert fer("predict", tmp_path / "a.png", "--output", tmp_path / output).returncode == 0
        before = (tmp_path / output).read_bytes()
        done = fer("predict", tmp_path / "b.png", tmp_path / "b.mp4", "--output", tmp_path / output)
        assert (done.returncode, done.stdout) == (1, "")
        assert (tmp_path / output).read_bytes() == before


# Nothing found


def test_photos_without_a_face_have_a_row(noise, small, tmp_path):
    noise.save(tmp_path / "a.png")
    small.save(tmp_path / "b.png")
    fer("predict", tmp_path, "--output", tmp_path / "faces.jsonl")
    none, found = read_rows(tmp_path / "faces.jsonl")
    assert (none["file"], none["face"], none["xmin"], none["expression"]) == (str(tmp_path / "a.png"), 0, None, None)
    assert found["face"] == 1 and list(none) == list(found)
    fer("predict", tmp_path, "--output", tmp_path / "faces.jsonl", "--faces-only")
    assert [row["face"] for row in read_rows(tmp_path / "faces.jsonl")] == [1]


# Names and encodings


@pytest.mark.slow
def test_names_that_are_not_utf8_and_a_console_that_knows_ascii_only(small, tmp_path):
    for name in (b"caf\xe9.jpg", "Zoë 😀.jpg".encode(), b"two\nlines.jpg", b"\x1b[2J.jpg"):
        small.save(tmp_path / "photo.jpg")
        os.rename(tmp_path / "photo.jpg", os.path.join(os.fsencode(tmp_path), name))
    write_clip(tmp_path / "clip.mp4", [small] * 3)
    os.rename(tmp_path / "clip.mp4", os.path.join(os.fsencode(tmp_path), b"vid\xe9o.mp4"))
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    output = tmp_path / "out/faces.jsonl"
    command = [FER, "predict", tmp_path, "--output", output, "--overlay", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    lines = done.stdout.decode("ascii").splitlines()
    assert len(lines) == 5 and any("caf\\xe9.jpg" in line for line in lines) and any("\\x1b[2J" in line for line in lines)
    names = [Path(row["file"]).name for row in read_rows(output)]
    assert set(names) == {"caf\\xe9.jpg", "Zoë 😀.jpg", "two\nlines.jpg", "\x1b[2J.jpg", "vid\\xe9o.mp4"}
    drawn = os.listdir(os.fsencode(tmp_path / "out"))
    assert b"caf\xe9.png" in drawn and b"vid\xe9o.mp4" in drawn


# Formats


def test_every_kind_of_photo_and_video_in_a_folder(small, tmp_path):
    pillow_heif.register_heif_opener()
    photos = ["a.jfif", "b.gif", "c.avif", "d.jp2", "e.heic", "f.JPG", "g.webp", "h.tif"]
    for name in photos:
        form = "JPEG" if name.endswith("jfif") else None
        small.save(tmp_path / name, form)
    small.save(tmp_path / "wave.png", save_all=True, append_images=[small.rotate(5), small.rotate(9)])
    videos = ["a.3gp", "b.mts", "c.ts", "d.flv", "e.webm", "f.MP4", "g.avi"]
    for name in videos:
        form = {".3gp": ".mp4", ".mts": ".ts", ".webm": ".mkv", ".MP4": ".mp4"}.get(Path(name).suffix, Path(name).suffix)
        write_clip(tmp_path / f"clip{form}", [small] * 3).rename(tmp_path / name)
    for name in ("notes.txt", "program.ts", "x.pdf"):
        (tmp_path / name).write_text("const one = 1;", encoding="utf-8")
    (tmp_path / "._f.JPG").write_bytes(b"\0\5\x16\7")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
    done = fer("predict", tmp_path, "--output", tmp_path / "faces.csv")
    assert done.returncode == 0, done.stderr
    note, animation = sorted(done.stderr.splitlines(), key=lambda line: "animation" in line)
    assert note == f"{tmp_path}: 3 other files (.pdf, .ts, .txt) are left out."
    assert animation == f"{tmp_path}/wave.png is an animation; the first of its 3 pictures is read."
    rows = list(csv.DictReader((tmp_path / "faces.csv").open(encoding="utf-8")))
    assert {Path(row["file"]).name for row in rows if row["time"] == ""} == {*photos, "wave.png"}
    assert {Path(row["file"]).name for row in rows if row["time"]} == set(videos)


def test_heic_without_its_decoder_is_one_sentence(small, tmp_path, monkeypatch):
    pillow_heif.register_heif_opener()
    small.save(tmp_path / "a.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "OPEN", {key: value for key, value in Image.OPEN.items() if key != "HEIF"})
    monkeypatch.setattr(Image, "ID", [form for form in Image.ID if form not in ("HEIF", "AVIF")])
    done = fer("predict", tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/a.heic is a HEIC photo, which needs pillow-heif; run: pip install pillow-heif.\n"


def test_files_of_no_or_another_suffix_are_known_by_what_is_in_them(small, tmp_path):
    small.save(tmp_path / "IMG_0001", "JPEG")
    write_clip(tmp_path / "clip.mp4", [small] * 3).rename(tmp_path / "download")
    assert fer("predict", tmp_path / "IMG_0001", tmp_path / "download", "--output", tmp_path / "a.jsonl").returncode == 0
    rows = read_rows(tmp_path / "a.jsonl")
    assert [(Path(row["file"]).name, row["frame"]) for row in rows] == [("IMG_0001", None), ("download", 0), ("download", 2)]


# Videos


def shown_times(path: Path) -> tuple[list[float], float]:
    """When each frame of a video is shown, and how long it is."""
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)], container.duration / av.time_base


def heard(path: Path) -> tuple[np.ndarray, int]:
    """The sound of a video, and its samples a second."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]), rate


@pytest.mark.parametrize(("name", "sound"), [("clip.mp4", "aac"), ("clip.avi", "pcm_s16le"), ("clip.ts", "aac")])
def test_an_annotated_video_has_the_times_and_the_sound_of_its_input(small, tmp_path, name, sound):
    clip = write_clip(tmp_path / name, [small] * 20, fps=10, sound=sound)
    assert fer("predict", clip, "--fps", "60", "--overlay", tmp_path / "out").returncode == 0
    times, seconds = shown_times(tmp_path / "out/clip.mp4")
    assert times == pytest.approx(np.arange(20) / 10, abs=0.05)
    assert seconds == pytest.approx(2.0, abs=0.15)
    samples, rate = heard(tmp_path / "out/clip.mp4")
    assert len(samples) / rate == pytest.approx(2.0, abs=0.15)
    spectrum = np.abs(np.fft.rfft(samples[8192:40960]))
    assert np.argmax(spectrum) * rate / 32768 == pytest.approx(440, abs=3)


def test_variable_frame_rates_keep_their_times(small, tmp_path):
    times = [0.0, 0.1, 0.2, 1.5, 1.6, 3.0]
    clip = write_clip(tmp_path / "clip.mkv", [small] * 6, times=times)
    assert fer("predict", clip, "--fps", "30", "--overlay", tmp_path / "out", "--output", tmp_path / "a.jsonl").returncode == 0
    assert shown_times(tmp_path / "out/clip.mp4")[0] == pytest.approx(times, abs=0.002)
    rows = read_rows(tmp_path / "a.jsonl")
    assert [row["time"] for row in rows] == pytest.approx(times, abs=0.002)
    assert [row["frame"] for row in rows] == list(range(6))


def test_a_video_that_breaks_off_keeps_what_was_read(small, tmp_path):
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)) for _ in range(30)]
    clip = write_clip(tmp_path / "clip.mkv", frames)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    fer("predict", clip, "--output", tmp_path / "a.jsonl", "--overlay", tmp_path / "out")
    assert 3 < len(read_rows(tmp_path / "a.jsonl")) < 15
    assert len(shown_times(tmp_path / "out/clip.mp4")[0]) > 3


# Small faces


def test_small_faces_of_large_photos_are_found(photo, tmp_path):
    large = Image.new("RGB", (4000, 3000), "gray")
    large.paste(photo.resize((240, 240)), (1000, 1000))
    large.paste(photo.resize((120, 120)), (3000, 2000))
    large.save(tmp_path / "a.png")

    def count(*options) -> int:
        fer("predict", tmp_path / "a.png", "--output", tmp_path / "a.jsonl", "--faces-only", *options)
        return len(read_rows(tmp_path / "a.jsonl"))

    # Faces of 50 and of 25 pixels.
    assert count("--search-size", "640") == 0
    assert count() == 1
    assert count("--min-face", "20") == 2
    assert count("--min-face", "0.3") == 0


# Addresses and streams


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def web(tmp_path):
    """A server of the files in a folder: its address, and the folder."""
    folder = tmp_path / "web"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def test_addresses_are_fetched(web, small, tmp_path):
    address, folder = web
    small.save(folder / "a photo.jpg")
    small.save(folder / "nameless", "JPEG")
    write_clip(folder / "clip.mp4", [small] * 4)
    (folder / "page.html").write_text("<html>", encoding="utf-8")
    names = [f"{address}/{name}" for name in ("a%20photo.jpg?size=full", "nameless", "clip.mp4", "page.html", "none.jpg")]
    done = fer("predict", *names, "--output", tmp_path / "a.jsonl", "--overlay", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{names[3]} is not an image that can be read.",
        f"{names[4]} cannot be fetched: the server answers 404.",
    ]
    assert [row["file"] for row in read_rows(tmp_path / "a.jsonl")] == [*names[:2], names[2], names[2]]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a photo.png", "clip.mp4", "nameless.png"]


@pytest.mark.slow
def test_a_stream_is_written_while_it_runs(photo, tmp_path):
    frames = [photo.crop((shift, 0, shift + 384, 384)) for shift in range(0, 120, 2)]
    content = write_clip(tmp_path / "clip.ts", frames, fps=10).read_bytes()
    output = tmp_path / "a.jsonl"
    with create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        command = [FER, "predict", address, "--output", output, "--overlay", tmp_path / "out"]
        server.settimeout(60)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        connection, _ = server.accept()
        with connection:
            step = len(content) // 30
            for start in range(0, len(content), step):
                # The end is kept back until something was written.
                while start > 0.8 * len(content) and not (output.exists() and read_rows(output)) and process.poll() is None:
                    time.sleep(0.1)
                connection.sendall(content[start : start + step])
                time.sleep(0.1)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert "happiness" in stdout and " s\t" in stdout
    assert shown_times(tmp_path / "out/127.0.0.1.mp4")[0]


@pytest.mark.slow
def test_a_camera_on_the_network_is_read_until_it_is_interrupted(photo, tmp_path):
    output = tmp_path / "a.jsonl"
    frames = [photo.crop((shift, 0, shift + 384, 384)) for shift in range(0, 60, 2)]
    with serve_camera(frames) as address:
        process = subprocess.Popen(
            [FER, "predict", address, "--output", output], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while process.poll() is None and not (output.exists() and len(read_rows(output)) >= 3):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert stderr == "interrupted: the results so far are kept.\n"
    rows = read_rows(output)
    assert {(row["file"], row["expression"]) for row in rows} == {(address, "happiness")}
    assert " s\ttrack 0\t" in stdout


def test_a_camera_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = fer("predict", "97")
    assert done.returncode == 1
    assert done.stderr.startswith("97: The camera 97 cannot be opened (")


# The console


def test_lines_for_a_pipe_are_plain(small, tmp_path):
    name = "a" * 90 + ".png"
    two_people(small).save(tmp_path / name)
    lines = fer("predict", tmp_path / name).stdout.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [[str(tmp_path / name), "1"], [str(tmp_path / name), "2"]]
    assert all(line.split("\t")[3].startswith("happiness ") for line in lines)


def test_rows_on_the_standard_output(small, noise, tmp_path):
    small.save(tmp_path / "a.png")
    noise.save(tmp_path / "b.png")
    done = fer("predict", tmp_path, "--output", "-")
    assert [(json.loads(line)["face"], json.loads(line)["expression"]) for line in done.stdout.splitlines()] == [
        (1, "happiness"),
        (0, None),
    ]


@pytest.mark.slow
def test_a_reader_that_goes_away_does_not_end_the_run(small, tmp_path):
    for number in range(6):
        small.save(tmp_path / f"{number}.png")
    command = f"{FER} predict {tmp_path} --batch-size 1 --output {tmp_path}/a.csv | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == ""
    assert len((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()) == 7
