"""A folder of photos, for the tests that prepare it."""

from pathlib import Path

import pytest
from helpers import save, write


@pytest.fixture
def faces(tmp_path, photo) -> Path:
    """Three photos of a face, one without a face, and one that is no image."""
    folder = tmp_path / "faces"
    for name in ("train/smile/a.png", "train/frown/b.jpg", "test/smile/c.png"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.save(path)
    save(folder / "test/smile/d.png", size=100, mode="RGB")
    write(folder / "test/smile/e.png", "not an image")
    return folder
