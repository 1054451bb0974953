"""The Space's page, served by a process of its own."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from helpers import ROOT
from hub_server import serve


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page, served by a process of its own that takes a server of the tests for the Hub; its address and process."""
    folder = tmp_path_factory.mktemp("space")
    port = free_port()
    with serve() as hub, open(folder / "log.txt", "w") as log:
        environment = {
            **os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_ENDPOINT": hub.address, "HF_HOME": str(folder / "hub"), "HF_HUB_DISABLE_XET": "1",
        }  # fmt: skip
        process = subprocess.Popen([sys.executable, ROOT / "space/app.py"], env=environment, stdout=log, stderr=log, cwd=folder)
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(address, process, folder / "log.txt")
            yield address, process, hub
        finally:
            process.terminate()
            process.wait()


def wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(address)
            return
        except httpx.TransportError:
            time.sleep(0.5)
    pytest.fail(f"the page did not come up: {log.read_text()}")
