"""A small photo, for the tests of `fer predict`."""

import pytest
from PIL import Image


@pytest.fixture
def small(photo) -> Image.Image:
    return photo.resize((192, 192))
