"""Memory of `fer predict` does not grow with the number of photos or frames. The full measurement is scripts/measure_memory.py."""

import sys

import pytest
from measure_memory import measure, write_photos, write_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from Linux's /proc"),
]

LIMIT = 1.5e9


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    write_photos(folder, 24)
    return folder


def test_photos_of_12_megapixels_with_and_without_faces(photos, tmp_path):
    peaks = measure(photos, tmp_path / "faces.jsonl", early=12)
    assert peaks.rows == 24
    assert peaks.whole < LIMIT and peaks.whole < 1.05 * peaks.early


def test_a_video_of_720p(tmp_path):
    write_video(tmp_path / "clip.mp4", 8)
    peaks = measure(tmp_path / "clip.mp4", tmp_path / "faces.jsonl", early=20)
    assert peaks.rows >= 40
    assert peaks.whole < LIMIT and peaks.whole < 1.1 * peaks.early
