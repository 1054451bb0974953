"""`fer predict` on what lies elsewhere: files on the web, streams and cameras."""

import signal
import subprocess
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server

import pytest
from helpers import FER, fer, write_clip
from predictions import read_rows, shown_times
from rtsp_server import serve_camera


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
