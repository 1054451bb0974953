"""The Space's server without its page: what programs ask it, what it refuses, and many users at once."""

import base64
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers import write_bomb

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(server) -> Client:
    return Client(server[0], verbose=False)


def test_the_named_api_gives_faces_with_their_maps(client, photo_path):
    [face] = client.predict(handle_file(photo_path), api_name="/predict")
    assert face["expressions"][0]["label"] == "happiness" and face["score"] > 0.9
    kind, content = face["relevance_map"].split(",")
    assert kind == "data:image/png;base64" and base64.b64decode(content).startswith(b"\x89PNG")
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert list(named) == ["/predict"]


@pytest.mark.parametrize(
    ("name", "make", "sentence"),
    [
        ("big.jpg", lambda path: path.write_bytes(bytes(50_000_000)), "big.jpg has 50 MB, but 20 MB are read at most"),
        ("bomb.png", lambda path: write_bomb(path, 60_000, 60_000), "bomb.png says that it has over 50 megapixels"),
        ("notes.txt", lambda path: path.write_text("no picture"), "notes.txt is not an image that can be read"),
    ],
)
def test_the_api_refuses_in_one_sentence_and_goes_on(client, photo_path, tmp_path, name, make, sentence):
    make(tmp_path / name)
    with pytest.raises(AppError, match=sentence):
        client.predict(handle_file(tmp_path / name), api_name="/predict")
    assert len(client.predict(handle_file(photo_path), api_name="/predict")) == 1


def test_names_that_climb_out_of_a_folder_stay_inside(server, photo_path, tmp_path):
    address = server[0]
    sent = {"files": ("../../../../climbed.jpg", photo_path.read_bytes(), "image/jpeg")}
    [stored] = httpx.post(f"{address}/gradio_api/upload", files=sent).json()
    assert ".." not in stored and Path(stored).name == "climbed.jpg" and Path(stored).is_file()
    # Files that nobody uploaded are not read, whoever names them.
    body = {"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}
    event = httpx.post(f"{address}/gradio_api/call/predict", json=body).json()["event_id"]
    answer = httpx.get(f"{address}/gradio_api/call/predict/{event}", timeout=30).text
    assert "event: error" in answer and "root:" not in answer
    assert httpx.get(f"{address}/gradio_api/file=/etc/passwd").status_code == 403


def memory(process: subprocess.Popen) -> int:
    """Resident bytes of a process."""
    pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="memory is read from /proc")
def test_twenty_users_at_once_do_not_fail_and_memory_stays(server, photo_path):
    address, process, _ = server
    clients = [Client(address, verbose=False) for _ in range(20)]

    def ask(user: Client, requests: int) -> int:
        return sum(len(user.predict(handle_file(photo_path), api_name="/predict")) for _ in range(requests))

    with ThreadPoolExecutor(20) as users:
        assert sum(users.map(ask, clients, [5] * 20)) == 100
        before = memory(process)
        assert sum(users.map(ask, clients, [25] * 20)) == 500
    assert memory(process) <= 1.1 * before
