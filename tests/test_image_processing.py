import base64
import os
import struct

import numpy as np
import pytest
import torch
from helpers import GRADIENT, write_bad_files
from PIL import ExifTags, Image, ImageOps

from modeling_fer import FerImageProcessor
from modeling_fer.data.face_preparer import open_samples
from modeling_fer.data.source import Sample
from modeling_fer.images_fer import open_image

PROCESSOR = FerImageProcessor(size={"height": 16, "width": 16}, num_channels=1)


def as_pil(mode: str) -> Image.Image:
    image = Image.fromarray(GRADIENT)
    if mode == "I;16":
        return Image.fromarray(GRADIENT.astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(GRADIENT.astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray(GRADIENT.astype(np.float32) / 255)
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "CMYK", "I;16", "I", "F"])
def test_pil_modes_give_the_same_pixels(mode):
    image = as_pil(mode)
    values = PROCESSOR(image, return_tensors="pt").pixel_values
    expected = PROCESSOR(Image.fromarray(GRADIENT), return_tensors="pt").pixel_values
    assert values.shape == (1, 1, 16, 16)
    torch.testing.assert_close(values, expected, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    "array",
    [
        GRADIENT,
        GRADIENT[:, :, None],
        np.stack([GRADIENT] * 3, axis=2),
        np.stack([GRADIENT] * 3, axis=0),
        np.dstack([GRADIENT, GRADIENT, GRADIENT, np.full_like(GRADIENT, 255)]),
        GRADIENT.astype(np.uint16) * 257,
        GRADIENT / 255,
        (GRADIENT / 255).astype(np.float32),
        torch.from_numpy(GRADIENT),
        torch.from_numpy(GRADIENT)[None] / 255,
        (torch.from_numpy(GRADIENT) / 255).to(torch.bfloat16),
    ],
    ids=lambda array: f"{type(array).__name__}-{array.dtype}-{'x'.join(map(str, array.shape))}",
)
def test_arrays_and_tensors_give_the_same_pixels(array):
    expected = PROCESSOR(Image.fromarray(GRADIENT), return_tensors="pt").pixel_values
    values = PROCESSOR(array, return_tensors="pt").pixel_values
    torch.testing.assert_close(values, expected, atol=0.02, rtol=0)


def test_lists_paths_and_batches(tmp_path):
    file = tmp_path / "face.png"
    Image.fromarray(GRADIENT).save(file)
    assert PROCESSOR([file, str(file), GRADIENT], return_tensors="pt").pixel_values.shape == (3, 1, 16, 16)
    assert PROCESSOR(np.stack([GRADIENT] * 2)[:, None], return_tensors="np").pixel_values.shape == (2, 1, 16, 16)


def test_colour_and_normalization():
    processor = FerImageProcessor(size={"height": 8, "width": 8}, image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5])
    red = Image.new("RGB", (20, 20), (255, 0, 0))
    values = processor(red, return_tensors="pt").pixel_values
    assert values[0, :, 0, 0].tolist() == [1, -1, -1]


def test_contrast_is_stretched_between_percentiles():
    processor = FerImageProcessor(size={"height": 30, "width": 30}, num_channels=1, contrast_percentiles=[0, 100])
    dull = (GRADIENT // 4 + 100)[:30]
    values = processor(dull, return_tensors="pt").pixel_values
    assert (values.min().item(), values.max().item()) == (-1, 1)


def test_exif_orientation_is_obeyed(tmp_path):
    image = Image.fromarray(GRADIENT)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=100)
    turned = np.asarray(open_image(tmp_path / "turned.jpg")).astype(int)
    assert turned.shape == (30, 40)
    assert np.abs(turned - np.rot90(GRADIENT, -1)).mean() < 3


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_a_tiff_file_is_turned_however_it_is_opened(mode, orientation, tmp_path):
    upright = Image.fromarray(GRADIENT).convert(mode)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    stored = upright.transpose(turn[orientation]) if orientation in turn else upright
    stored.save(tmp_path / "face.tif", exif=exif)
    for photo in (tmp_path / "face.tif", (tmp_path / "face.tif").read_bytes()):
        opened = open_image(photo)
        assert type(opened) is Image.Image
        assert opened.convert("RGB").tobytes() == upright.convert("RGB").tobytes()


def test_transparent_parts_lie_on_white():
    assert np.asarray(open_image(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))).min() == 255


@pytest.mark.parametrize(("mode", "clear"), [("RGB", (0, 0, 0)), ("L", 0), ("1", 0)])
def test_a_colour_that_a_file_calls_transparent_lies_on_white(mode, clear, tmp_path):
    image = Image.fromarray(np.array([[0, 255], [0, 255]], np.uint8)).convert(mode)
    image.save(tmp_path / "clear.png", transparency=clear)
    for opened in (open_image(tmp_path / "clear.png"), Sample("clear", "smile", file=tmp_path / "clear.png").open()):
        assert np.asarray(opened).min() == 255
    image.save(tmp_path / "whole.png")
    assert np.asarray(open_image(tmp_path / "whole.png")).min() == 0


@pytest.mark.parametrize("percentiles", [None, [2, 98]])
@pytest.mark.parametrize("none", [[], (), np.empty((0, 9, 9, 3), np.uint8)], ids=["list", "tuple", "array"])
def test_no_image_is_an_empty_batch(none, percentiles):
    processor = FerImageProcessor(size={"height": 8, "width": 6}, contrast_percentiles=percentiles)
    for kind in ("pt", "np"):
        batch = processor(none, return_tensors=kind).pixel_values
        assert batch.shape == (0, 3, 8, 6) and str(batch.dtype).endswith("float32")
    assert processor(none, num_channels=1, do_resize=False, return_tensors="np").pixel_values.shape == (0, 1, 8, 6)
    assert processor(none).pixel_values == []


def test_one_pixel_and_black_images_work():
    assert torch.isfinite(PROCESSOR(Image.new("L", (1, 1)), return_tensors="pt").pixel_values).all()
    stretched = FerImageProcessor(size={"height": 8, "width": 8}, contrast_percentiles=[2, 98])
    assert torch.isfinite(stretched(Image.new("RGB", (50, 50)), return_tensors="pt").pixel_values).all()


def test_bad_files_are_named(tmp_path):
    for name, message in write_bad_files(tmp_path).items():
        with pytest.raises(ValueError, match=message):
            open_image(tmp_path / name)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.jpg does not exist"):
        open_image(tmp_path / "nowhere.jpg")
    with pytest.raises(ValueError, match="is a folder"):
        open_image(tmp_path)
    with pytest.raises(FileNotFoundError, match="nul.*does not exist"):
        open_image("nul\0.jpg")


def test_the_content_of_a_file_in_place_of_its_name_is_one_short_sentence():
    text = base64.b64encode(bytes(75_000)).decode()
    with pytest.raises(FileNotFoundError, match=r"^AAAA.*\.\.\.AAAA.* does not exist\.$") as error:
        open_image(text)
    assert len(str(error.value)) < 120


def test_a_photo_in_a_folder_that_may_not_be_entered_is_named(tmp_path, monkeypatch):
    def refuse(path, *rest, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(PermissionError, match=r"a.jpg may not be read; check the permissions of its folder\.$"):
        open_image(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((9, 9), np.nan), "not finite"),
        (np.zeros((9, 9, 2), np.uint8), r"shape \(9, 9, 2\)"),
        (np.zeros((9,), np.uint8), r"shape \(9,\)"),
        (np.zeros((0, 9), np.uint8), r"shape \(0, 9\)"),
        (np.full((9, 9), 200.0), "divide by 255"),
        (np.zeros((9, 9), np.int64), "int64"),
        ({"face": 1}, "dict"),
    ],
)
def test_bad_arrays_are_named(array, message):
    with pytest.raises(ValueError, match=message):
        PROCESSOR(array)


def test_post_process_ranks_the_expressions():
    from transformers.utils import ModelOutput

    outputs = ModelOutput(logits=torch.tensor([[0.0, 2.0, 1.0]]))
    names = {0: "a", 1: "b", 2: "c"}
    [ranked] = PROCESSOR.post_process(outputs, names)
    assert [one["label"] for one in ranked] == ["b", "c", "a"]
    assert sum(one["score"] for one in ranked) == pytest.approx(1)
    assert len(PROCESSOR.post_process(outputs, names, top_k=2)[0]) == 2
    with pytest.raises(ValueError, match="3 classes, but id2label names 1"):
        PROCESSOR.post_process(outputs, {0: "a"})


def test_settings_survive_saving(tmp_path):
    processor = FerImageProcessor(size={"height": 48, "width": 48}, num_channels=1, contrast_percentiles=[2.5, 97.5])
    processor.save_pretrained(tmp_path)
    loaded = FerImageProcessor.from_pretrained(tmp_path)
    assert torch.equal(
        loaded(GRADIENT, return_tensors="pt").pixel_values, processor(GRADIENT, return_tensors="pt").pixel_values
    )


def turned_by(maker: str) -> Image.Exif:
    """EXIF fields of orientation and maker: of an image that is turned the other fields are read and written too."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, maker
    return exif


# Text in the place of the width, a whole number, and of the resolution, a fraction.
@pytest.mark.parametrize("tag", [b"\x01\x00", b"\x01\x1a"])
def test_a_photo_with_a_wrong_exif_field_is_named(tag, tmp_path):
    file = tmp_path / "face.jpg"
    Image.fromarray(GRADIENT).save(file, exif=turned_by("maker"))
    file.write_bytes(file.read_bytes().replace(b"\x01\x0f\x00\x02", tag + b"\x00\x02"))
    with pytest.raises(ValueError, match=r"face.jpg is broken: "):
        open_image(file)
    problems = []
    assert not list(open_samples([Sample("face", "smile", file=file)], problems))
    assert [problem.source for problem in problems] == ["face"] and "cannot be read" in problems[0].sentence


def damage(whole: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes of a file changed, most of them in its header, or its end cut off."""
    if rng.random() < 0.3:
        return whole[: rng.integers(1, len(whole))]
    changed = np.frombuffer(whole, np.uint8).copy()
    places = rng.integers(0, min(len(whole), rng.choice([64, 400, len(whole)])), 6)
    changed[places] = rng.integers(0, 256, 6)
    return changed.tobytes()


@pytest.mark.parametrize("suffix", ["jpeg", "png", "gif", "webp", "tiff", "avif", "qoi"])
def test_damaged_files_are_read_or_named(suffix, tmp_path):
    if Image.registered_extensions().get(f".{suffix}") not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {suffix}")
    rng = np.random.default_rng(0)
    file = tmp_path / f"face.{suffix}"
    Image.fromarray(GRADIENT).convert("RGB").save(file, exif=turned_by("maker"))
    whole = file.read_bytes()
    left_out = 0
    for _ in range(150):
        file.write_bytes(damage(whole, rng))
        try:
            assert open_image(file).mode in ("L", "RGB")
        except (OSError, ValueError) as error:
            assert str(file) in str(error)
        problems = []
        opened = list(open_samples([Sample("face", "smile", file=file)], problems))
        assert len(opened) + len(problems) == 1
        left_out += len(problems)
    assert left_out > 0


@pytest.mark.parametrize(
    "error", [IndexError(), TypeError("no"), struct.error("no"), SyntaxError("no"), NotImplementedError("no")]
)
def test_whatever_a_decoder_raises_for_a_broken_photo_is_named(error, tmp_path, monkeypatch):
    def fail(image):
        raise error

    Image.fromarray(GRADIENT).save(tmp_path / "face.png")
    monkeypatch.setattr(ImageOps, "exif_transpose", fail)
    for photo in (tmp_path / "face.png", (tmp_path / "face.png").read_bytes(), Image.open(tmp_path / "face.png")):
        with pytest.raises(ValueError, match=rf"(face.png|bytes) is broken: {str(error) or 'IndexError'}\.$"):
            open_image(photo)
    problems = []
    assert not list(open_samples([Sample("face", "smile", file=tmp_path / "face.png")], problems))
    assert problems[0].sentence == f"The image cannot be read ({str(error) or 'IndexError'}); it is left out."


def test_every_step_does_what_it_says_or_is_refused():
    image = Image.fromarray(GRADIENT).resize((16, 16))
    raw = PROCESSOR(image, do_rescale=False, do_normalize=False, return_tensors="pt").pixel_values
    assert torch.equal(raw[0, 0], torch.from_numpy(np.asarray(image)).float())
    scaled = PROCESSOR(image, do_normalize=False, return_tensors="pt").pixel_values
    assert torch.equal(scaled, raw / 255)
    doubled = PROCESSOR(image, do_normalize=False, rescale_factor=2.0, return_tensors="pt").pixel_values
    assert torch.equal(doubled, raw * 2)
    normal = PROCESSOR(image, return_tensors="pt").pixel_values
    assert torch.equal(PROCESSOR(image, do_resize=False, return_tensors="pt").pixel_values, normal)
    torch.testing.assert_close(normal, (scaled - 0.5) / 0.5)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"do_resize": False}, "do_resize is False, but an image has 30x40 pixels instead of 16x16"),
        ({"do_center_crop": True, "crop_size": 8}, "do_center_crop is True, but this image processor only resizes"),
        ({"do_pad": True}, "do_pad is True"),
        ({"do_convert_rgb": True}, "do_convert_rgb is True, but num_channels is 1"),
        ({"do_rescale": False, "contrast_percentiles": [2.0, 98.0]}, "contrast_percentiles needs pixels in"),
    ],
)
def test_steps_that_cannot_be_done_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        PROCESSOR(Image.fromarray(GRADIENT), **given)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"face_detector": "eye"}, "face_detector is 'eye', but must be one of 'mtcnn'"),
        ({"face_margin": -1.0}, "face_margin is"),
    ],
)
def test_impossible_ways_to_cut_faces_are_named(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        FerImageProcessor(**given)


def test_what_transformers_checks_of_its_own_image_processors(tmp_path):
    processor = FerImageProcessor(size={"height": 8, "width": 8}, num_channels=1, face_margin=0.1)
    # Saved and loaded by every way, it is the same.
    processor.save_pretrained(tmp_path)
    for loaded in (
        FerImageProcessor.from_pretrained(tmp_path),
        FerImageProcessor.from_dict(processor.to_dict()),
        FerImageProcessor.from_json_file(tmp_path / "preprocessor_config.json"),
    ):
        assert loaded.to_dict() == processor.to_dict()
    assert processor.to_json_string() == FerImageProcessor(**processor.to_dict()).to_json_string()
    # One image, a list of one and a batch agree, and nothing of a call stays behind.
    images = [Image.fromarray(GRADIENT), Image.fromarray(GRADIENT[::-1].copy())]
    batch = processor(images, return_tensors="pt").pixel_values
    assert batch.shape == (2, 1, 8, 8) and batch.dtype == torch.float32
    for index, image in enumerate(images):
        assert torch.equal(processor(image, return_tensors="pt").pixel_values[0], batch[index])
        assert torch.equal(processor([image], return_tensors="pt")["pixel_values"][0], batch[index])
    processor(images, size={"height": 4, "width": 4})
    assert torch.equal(processor(images, return_tensors="pt").pixel_values, batch)
    assert (
        isinstance(processor(images).pixel_values, list)
        and processor(images, return_tensors="np").pixel_values.dtype == np.float32
    )
