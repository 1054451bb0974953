"""Landmarks of a face that is prepared: given, found, and moved into its crop."""

import numpy as np
import pytest
import torch
from helpers import OFFLINE, draw_face, write
from PIL import Image

from modeling_fer.data.face_preparer import PrepareSettings, given_face
from modeling_fer.data.landmarks import FanLandmarks
from modeling_fer.data.prepare import prepare
from modeling_fer.data.readers import read_source
from modeling_fer.data.source import Sample
from modeling_fer.faces_fer import Face, FaceCropper, MtcnnDetector


def test_points_are_found_again_in_the_crop():
    image = np.zeros((200, 300), np.uint8)
    image[80, 120] = image[110, 135] = 255
    eyes = np.array([[120, 80], [150, 90], [0, 0], [0, 0], [0, 0]], dtype=float)
    face = Face((100, 60, 170, 140), points=eyes)
    crop = FaceCropper(100, margin=0.2, offset=0.05)(Image.fromarray(image), face)
    for x, y in FaceCropper(100, margin=0.2, offset=0.05).map_points(np.array([[120, 80], [135, 110]]), face, crop.width):
        around = np.asarray(crop)[int(y) - 5 : int(y) + 7, int(x) - 5 : int(x) + 7].astype(float)
        rows, columns = np.mgrid[int(y) - 5 : int(y) + 7, int(x) - 5 : int(x) + 7]
        # The dot's centre of gravity lies where the point was mapped to.
        assert (around * columns).sum() / around.sum() == pytest.approx(x, abs=0.1)
        assert (around * rows).sum() / around.sum() == pytest.approx(y, abs=0.1)


def test_given_landmarks_are_moved_into_the_crop_and_find_the_face_where_the_detector_does_not():
    drawn = draw_face(100, "RGB")
    points = np.stack([np.linspace(30, 70, 68), np.linspace(40, 90, 68)], axis=1).astype(np.float32)
    points[36:42], points[42:48] = (35, 50), (65, 50)
    sample = Sample("a", "smile", landmarks=points)
    face = given_face(sample)
    assert face.box == pytest.approx((30, 40 - 12.5, 70, 90)) and face.points.tolist() == [[35, 50], [65, 50]]
    from modeling_fer.data.face_preparer import FacePreparer

    preparer = FacePreparer(OFFLINE)
    row, _ = preparer.cut(sample, drawn, face)
    # The crop is as wide as the box is high, 62.5 pixels, and becomes 64 pixels wide.
    assert row["landmarks"][42, 0] - row["landmarks"][36, 0] == pytest.approx(30 * 64 / 62.5)


@pytest.mark.slow
def test_fan_finds_points_in_each_picture_of_a_strip(tmp_path, photo, monkeypatch):
    """The network has random weights: what it says of a picture must not depend on the others."""
    from face_alignment.models import FAN

    torch.manual_seed(0)
    weights = tmp_path / "checkpoints/2DFAN4-11f355bf06.pth.tar"
    weights.parent.mkdir()
    torch.save(FAN(4).state_dict(), weights)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    fan = FanLandmarks(batch_size=2)
    box = MtcnnDetector(min_face=0.1)(photo)[0]
    picture = FaceCropper(64, margin=1.0)(photo, box).resize((128, 128))
    other = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    together, alone = fan([other, picture, other]), fan([picture])
    assert together.shape == (3, 68, 2)
    # A random network's highest pixel may jump where two are as high.
    assert (np.abs(together[1] - alone[0]).max(1) < 3).mean() > 0.9
    assert together[1].min() > -20 and together[1].max() < 148

    settings = PrepareSettings(image_size=64)
    photo.save(tmp_path / "face.png")
    write(tmp_path / "faces.csv", "image,label\nface.png,smile\n")
    row = prepare(read_source("table", tmp_path / "faces.csv"), settings, tmp_path / "out")["train"][0]
    assert np.array(row["landmarks"]).shape == (68, 2) and row["heatmap"].size == (64, 64)


def test_landmark_weights_that_cannot_be_downloaded_are_one_sentence(tmp_path, monkeypatch):
    import face_alignment.api

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    # A server that nobody runs.
    monkeypatch.setitem(face_alignment.api.models_urls, "2DFAN-4", "http://127.0.0.1:9/2DFAN4.pth.tar")
    with pytest.raises(ConnectionError, match="could not download its landmark network"):
        FanLandmarks()
