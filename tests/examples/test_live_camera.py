"""The live camera window, on a clip in the camera's place; the window itself needs a screen."""

import numpy as np
from helpers import write_clip
from live_camera import drawn_frames

import modeling_fer


def test_frames_come_with_their_faces_drawn(photo, tmp_path):
    small = photo.resize((320, 320))
    clip = write_clip(tmp_path / "clip.mp4", [small] * 5)
    pictures = list(drawn_frames(modeling_fer.load("fer-tiny"), str(clip), fps=15))
    assert pictures and all(picture.shape == (320, 320, 3) for picture in pictures)
    # Blue first: the box is orange, which the photo is not.
    changed = np.abs(pictures[-1][:, :, ::-1].astype(int) - np.asarray(small).astype(int)).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert 100 < columns.min() < 125 and 15 < rows.min() < 45
