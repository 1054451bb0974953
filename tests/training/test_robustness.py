"""Disturbed images, and what is scored on them."""

import json

import numpy as np
import pytest
import torch
from helpers import draw_face, run_script, write_prepared

from modeling_fer.data.face_parts import FACE_PARTS, cover_part, part_masks
from modeling_fer.training.robustness import DISTURBANCES, move_box, rotate_faces


@pytest.fixture
def faces() -> torch.Tensor:
    """Four times a drawn face, (4, 1, 48, 48)."""
    return torch.from_numpy(np.array(draw_face())).expand(4, 1, 48, 48).contiguous()


@pytest.fixture
def landmarks() -> torch.Tensor:
    """68 points, each part in its own place, (4, 68, 2)."""
    points = torch.zeros(68, 2)
    for part, place in {"brows": (24, 12), "eyes": (24, 18), "nose": (24, 28), "mouth": (24, 38)}.items():
        indices = range(68)[FACE_PARTS[part]]
        points[indices] = torch.tensor(place) + torch.tensor(
            [[offset - len(indices) / 2, 0.0] for offset in range(len(indices))]
        )
    return points.expand(4, 68, 2).contiguous()


@pytest.mark.parametrize("name", DISTURBANCES)
def test_a_stronger_disturbance_changes_images_more(name, faces):
    disturbance = DISTURBANCES[name]
    changes = []
    for strength in disturbance.strengths:
        changed = disturbance.apply(faces, strength)
        assert changed.shape == faces.shape and changed.dtype == torch.uint8
        changes.append((changed.float() - faces.float()).abs().mean().item())
    if disturbance.neutral is not None:
        neutral = disturbance.apply(faces, disturbance.neutral) if name != "blur" else faces
        assert (neutral.float() - faces.float()).abs().mean() < min([*changes[1:], 1])
    assert changes[-1] > changes[0]


def test_brighter_images_stay_white_where_they_are():
    image = torch.tensor([[[[100, 128, 255]]]], dtype=torch.uint8)
    assert DISTURBANCES["bright"].apply(image, 2).flatten().tolist() == [200, 255, 255]


def test_boxes_move_to_all_sides_by_the_share(faces):
    moved = move_box(faces, 0.25, 1.0)
    torch.testing.assert_close(moved[0, :, :, :36], faces[0, :, :, 12:])
    torch.testing.assert_close(moved[1, :, :, 12:], faces[1, :, :, :36])
    torch.testing.assert_close(moved[2, :, :36], faces[2, :, 12:])
    torch.testing.assert_close(moved[3, :, 12:], faces[3, :, :36])


def test_faces_turn_to_both_sides(faces):
    turned = rotate_faces(faces, 20)
    assert not torch.equal(turned[0], turned[1])
    torch.testing.assert_close(turned[0], turned[2])


def test_covers_hide_a_part_and_leave_the_rest(faces, landmarks):
    covered = cover_part(faces, landmarks, "mouth")
    assert covered[0, 0, 38, 20:28].unique().numel() == 1
    torch.testing.assert_close(covered[:, :, :30], faces[:, :, :30])
    upper = cover_part(faces, landmarks, "upper half")
    torch.testing.assert_close(upper[:, :, 28:], faces[:, :, 28:])
    assert upper[0, 0, :28].unique().numel() == 1


def test_every_pixel_belongs_to_one_part(landmarks):
    masks = part_masks(landmarks, 48)
    assert torch.stack(list(masks.values())).sum(dim=0).unique().tolist() == [1]
    assert masks["mouth"][0, 38, 24] and masks["nose"][0, 28, 24] and masks["rest"][0, 0, 0]


def test_the_script_measures_goes_on_and_draws(tiny_checkpoint, tmp_path):
    output = tmp_path / "robustness.json"
    data = write_prepared(tmp_path / "data", 12)
    arguments = [f"mine={tiny_checkpoint}", "--data", data, "--output", output, "--figure", tmp_path / "curves.png"]
    first = run_script("measure_robustness.py", *arguments)
    assert first.returncode == 0, first.stderr
    result = json.loads(output.read_text())["mine"]
    assert result["split"] == "test" and result["images"] == 11
    assert set(DISTURBANCES) | {"clean", "covered"} < set(result)
    assert result["size"]["12"].keys() == {"accuracy", "uar"}
    result["size"].pop("12")
    output.write_text(json.dumps({"mine": result}))
    second = run_script("measure_robustness.py", *arguments)
    assert second.stdout.splitlines() == [line for line in first.stdout.splitlines() if "size 12" in line]
    assert (tmp_path / "curves.png").stat().st_size > 10_000
