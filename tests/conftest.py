import os
import signal

# A worker of pytest-xdist keeps to cores of its own, with all that it starts: threads that share a core wait for each
# other. That has to be settled before torch is imported, which counts the cores then.
if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    worker, workers = int(os.environ["PYTEST_XDIST_WORKER"][2:]), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.sched_setaffinity(0, cores[worker::workers] or cores)

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import ROOT, tiny_config
from PIL import Image

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.faces_fer import usable_cores

# More threads than cores wait for each other.
torch.set_num_threads(min(2, usable_cores()))
# Where a shell runs the tests in the background it has Ctrl-C ignored, as the programs would have that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory) -> Iterator[None]:
    """Has the temporary files of tests, and of the programs that they start and end, removed with the folders of the tests."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", folder)
        patched.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session")
def photo_path() -> Path:
    """A photo of one person, in the public domain."""
    return ROOT / "space" / "examples" / "astronaut.jpg"


@pytest.fixture
def photo(photo_path) -> Image.Image:
    return Image.open(photo_path).convert("RGB")


@pytest.fixture(scope="session")
def fer_data() -> Path:
    """The data sets that may not be committed."""
    if "FER_DATA" not in os.environ:
        pytest.skip("FER_DATA does not name the folder of the data sets")
    return Path(os.environ["FER_DATA"])


@pytest.fixture
def tiny_checkpoint(tmp_path) -> Path:
    folder = tmp_path / "checkpoint"
    FerForImageClassification(tiny_config()).save_pretrained(folder)
    FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1).save_pretrained(folder)
    return folder


@pytest.fixture
def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8))
