"""Parts of a picture by averaging areas."""

import numpy as np
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from modeling_fer.areas_fer import Picture

LEAST = 12
TALL = 255 * LEAST


@pytest.mark.parametrize("height", [83, TALL + 1])
def test_areas_are_averaged_as_pytorch_does(height):
    pixels = np.random.default_rng(0).integers(200, 256, (height, 131, 3), dtype=np.uint8)
    picture = Picture(pixels, LEAST)
    for left, top, right, bottom, rows, columns in (
        (0, 0, 131, height, 49, 70),
        (20, 3, 75, 60, 24, 24),
        (7, 9, 20, 19, 48, 48),
    ):
        part = torch.from_numpy(pixels[top:bottom, left:right].copy()).permute(2, 0, 1).float()
        expected = adaptive_avg_pool2d(part, (rows, columns)).numpy()
        averages = np.empty((3, rows, columns), np.float32)
        picture.average((left, top, right, bottom), (rows, columns), averages)
        np.testing.assert_allclose(averages, expected, atol=1e-3)
        some = np.empty((3, 9, 11), np.float32)
        picture.average((left, top, right, bottom), (rows, columns), some, 7, 5)
        np.testing.assert_allclose(some, expected[:, 7:16, 5:16], atol=1e-3)


def test_two_bytes_hold_the_sums_of_the_tallest_picture():
    picture = Picture(np.full((TALL, 20, 3), 255, np.uint8), LEAST)
    averages = np.empty((3, LEAST, LEAST), np.float32)
    picture.average((0, 0, 20, TALL), (LEAST, LEAST), averages)
    assert picture.sums.dtype == np.uint16
    np.testing.assert_allclose(averages, 255, atol=1e-3)
