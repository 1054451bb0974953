"""The parts of a search for faces, timed."""

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image
from profile_search import measure


def test_the_parts_of_a_search_sum_up_and_crops_are_counted():
    pixels = np.asarray(Image.open(ROOT / "space/examples/astronaut.jpg").convert("RGB"))
    parts = measure(pixels)
    assert sum(parts[name] for name in ("first", "second", "third", "rest")) == pytest.approx(parts["milliseconds"])
    assert all(parts[name] > 0 for name in ("first", "second", "third", "rest"))
    assert parts["second_seen"] >= parts["third_seen"] >= 1
