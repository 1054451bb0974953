"""The Space's page, served by a process of its own, where the documentation says that it is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
from helpers import ROOT

ADDRESS = "http://127.0.0.1:7860"


class ServedPage:
    """A process that serves the page, until it is closed."""

    def __init__(self, process: subprocess.Popen):
        self.process = process

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def serve_page(script: Path, folder: Path) -> ServedPage:
    """Starts the page and waits until it answers."""
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONPATH": str(ROOT)}
    log = folder / "log.txt"
    with open(log, "w") as file:
        process = subprocess.Popen([sys.executable, script], env=environment, stdout=file, stderr=file, cwd=folder)
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(ADDRESS)
            return ServedPage(process)
        except httpx.TransportError:
            time.sleep(0.5)
    process.terminate()
    raise AssertionError(f"the page did not come up: {log.read_text()}")
