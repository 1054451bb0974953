"""The pixels of a sample are those that `fer predict` reads."""

import numpy as np
import pytest
from PIL import Image

from modeling_fer.data.source import Sample
from modeling_fer.images_fer import open_image


def test_photos_are_turned_as_the_camera_was_held(tmp_path):
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert Sample("a", "smile", file=tmp_path / "a.jpg").open().size == (20, 40)
    assert Sample("a", "smile", file=tmp_path / "a.jpg", box=(0, 0, 9, 9)).open().size == (40, 20)


@pytest.mark.parametrize("name", ["clear.png", "gray and clear.png", "deep.png", "whole.tif", "float.tif", "palette.png"])
def test_training_sees_the_pixels_that_a_network_is_used_on(tmp_path, name):
    levels = np.linspace(0, 1, 20 * 24).reshape(20, 24)
    colours = np.stack([levels, levels.T.reshape(20, 24), 1 - levels, levels > 0.5], axis=2)
    image = {
        "clear.png": Image.fromarray((colours * 255).astype(np.uint8), "RGBA"),
        "gray and clear.png": Image.fromarray((colours * 255).astype(np.uint8), "RGBA").convert("LA"),
        "deep.png": Image.fromarray((levels * 65535).astype(np.uint16)),
        "whole.tif": Image.fromarray((levels * 65535).astype(np.int32)),
        "float.tif": Image.fromarray(levels.astype(np.float32)),
        "palette.png": Image.fromarray((colours * 255).astype(np.uint8), "RGBA").quantize(16),
    }[name]
    image.save(tmp_path / name)
    used = open_image(tmp_path / name)
    for sample in (Sample(name, "smile", file=tmp_path / name), Sample(name, "smile", content=(tmp_path / name).read_bytes())):
        np.testing.assert_array_equal(sample.open(), used)
    assert np.ptp(used) > 150
