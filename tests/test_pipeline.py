import base64
import io
import itertools

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from helpers import two_people
from PIL import Image
from torch.utils.data import Dataset
from transformers import pipeline
from transformers.pipelines.pt_utils import KeyDataset

from modeling_fer import (
    Face,
    FacialExpressionPipeline,
    FerForImageClassification,
    FerImageProcessor,
    checkpoint_folder,
    make_detector,
)
from modeling_fer.faces_fer import DETECTORS


@pytest.fixture(scope="module")
def fer() -> FacialExpressionPipeline:
    return pipeline("facial-expression-recognition", model=str(checkpoint_folder()), device="cpu")


def test_a_photo_gives_its_face(fer, photo_path):
    [face] = fer(str(photo_path))
    assert face["expressions"][0]["label"] == "happiness"
    assert face["expressions"][0]["score"] > 0.9
    assert sum(one["score"] for one in face["expressions"]) == pytest.approx(1, abs=1e-5)
    assert face["score"] > 0.99
    assert 160 < face["box"]["xmin"] < 200
    assert face["relevance_map"].mode == "L"
    assert face["relevance_map"].getextrema()[1] == 255


def test_relevance_lies_on_the_parts_of_the_face(fer, photo):
    [face] = fer(photo)
    relevance = np.asarray(face["relevance_map"]).astype(float)
    mouth, corners = relevance[34:42, 16:32].mean(), relevance[[0, 0, -1, -1], [0, -1, 0, -1]].mean()
    assert mouth > 3 * (corners + 1)


def test_many_photos_are_batched_over_their_faces(fer, photo, noise):
    seen = []
    forward = fer._forward
    fer._forward = lambda inputs, **given: seen.append(len(inputs["pixel_values"])) or forward(inputs, **given)
    results = fer([photo, noise, two_people(photo), photo], batch_size=3)
    fer._forward = forward
    assert [len(faces) for faces in results] == [1, 0, 2, 1]
    assert seen == [3, 1]
    alone = fer(photo)[0]["expressions"][0]["score"]
    assert results[3][0]["expressions"][0]["score"] == pytest.approx(alone, abs=1e-5)


def test_no_face_is_an_empty_list(fer, noise):
    assert fer(noise) == []
    assert fer(Image.new("RGB", (1, 1))) == []
    assert fer(Image.new("RGB", (300, 300))) == []
    assert fer([]) == []


def test_a_generator_gives_an_iterator(fer, photo):
    results = fer(image for image in [photo, photo])
    assert [len(faces) for faces in results] == [1, 1]


def test_boxes_skip_the_search(fer, photo, noise):
    [face] = fer(photo, boxes=[(182, 62, 267, 175)])
    assert (face["box"]["xmin"], face["score"]) == (182, 1.0)
    assert face["expressions"][0]["label"] == "happiness"
    results = fer([photo, noise], boxes=[[], [(0, 0, 50, 50), (10, 10, 90, 90)]])
    assert [len(faces) for faces in results] == [0, 2]


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (0, 0, 9), "face", (0, 0, float("nan"), 4)])
def test_bad_boxes_are_named(fer, photo, box):
    with pytest.raises(ValueError, match=r"[Bb]ox"):
        fer(photo, boxes=[box])


def test_a_box_far_larger_than_its_photo_is_named(fer, photo):
    with pytest.raises(ValueError, match="more than 10 times as large as its photo of 512x512 pixels"):
        fer(photo, boxes=[(-1e6, -1e6, 1e6, 1e6)])
    assert len(fer(photo, boxes=[(-1000, -1000, 1500, 1500)])) == 1


def test_crops_need_no_search(fer, photo):
    crop = photo.crop((170, 50, 280, 180))
    [face] = fer(crop, detect=False, top_k=2)
    assert [one["label"] for one in face["expressions"]][0] == "happiness"
    assert len(face["expressions"]) == 2
    assert face["box"] == {"xmin": 0, "ymin": 0, "xmax": 110, "ymax": 130}


def test_another_detector_can_be_given(photo):
    calls = []

    def detector(image):
        calls.append(image.size)
        return [Face((182, 62, 267, 175), 0.5)]

    fer = pipeline("facial-expression-recognition", model=str(checkpoint_folder()), device="cpu", detector=detector)
    assert fer(photo)[0]["score"] == 0.5
    assert calls == [(512, 512)]


def test_face_half_outside_the_picture_is_read(fer, photo):
    [face] = fer(photo.crop((225, 0, 512, 512)), boxes=[(-43, 62, 42, 175)])
    assert face["box"]["xmin"] == -43
    assert len(face["expressions"]) == 8


def test_arrays_and_tensors(fer, photo):
    array = np.asarray(photo)
    expected = fer(photo)[0]["expressions"][0]["score"]
    assert fer(array)[0]["expressions"][0]["score"] == pytest.approx(expected)
    assert fer(torch.from_numpy(array).permute(2, 0, 1))[0]["expressions"][0]["score"] == pytest.approx(expected)
    with pytest.raises(ValueError, match="not finite"):
        fer(np.full((100, 100), np.nan))


class Photos(Dataset):
    """A torch data set of photos, some of them broken."""

    def __init__(self, photos: list):
        self.photos = photos

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int):
        return self.photos[index]


def counts(results) -> list[int | None]:
    return [None if faces is None else len(faces) for faces in results]


def test_several_photos_in_whatever_pipelines_take(fer, photo, noise, tmp_path):
    photo.save(tmp_path / "a.jpg")
    photos = [photo, noise, str(tmp_path / "a.jpg")]
    rows = datasets.Dataset.from_dict({"image": [str(tmp_path / "a.jpg")] * 2}).cast_column("image", datasets.Image())
    assert isinstance(fer(photos), list) and counts(fer(photos)) == [1, 0, 1]
    assert counts(fer(tuple(photos))) == [1, 0, 1]
    assert counts(fer(pd.Series(photos))) == [1, 0, 1]
    assert counts(fer(rows["image"])) == [1, 1]
    assert counts(fer(np.stack([np.asarray(photo)] * 2))) == [1, 1]
    for lazy in (
        Photos(photos),
        iter(photos),
        (one for one in photos),
        KeyDataset(Photos([{"image": one} for one in photos]), "image"),
    ):
        results = fer(lazy)
        assert not isinstance(results, list) and counts(results) == [1, 0, 1]
    assert counts(fer(rows.cast_column("image", datasets.Image(decode=False))["image"])) == [1, 1]


def test_one_photo_in_whatever_form(fer, photo, photo_path):
    content = photo_path.read_bytes()
    expected = fer(str(photo_path))[0]["box"]
    with open(photo_path, "rb") as file:
        for form in (content, bytearray(content), io.BytesIO(content), file, {"bytes": content, "path": None}, photo_path):
            assert fer(form)[0]["box"] == expected
    url = "data:image/jpeg;base64," + base64.b64encode(content).decode()
    assert fer(url)[0]["box"] == expected


def save_float_tiff(folder):
    path = folder / "float.tif"
    Image.fromarray(np.linspace(0, 200, 900, dtype=np.float32).reshape(30, 30)).save(path)
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: "http://127.0.0.1:9/a.jpg", "http://127.0.0.1:9/a.jpg cannot be fetched"),
        (lambda folder: "http://", "http:// cannot be fetched"),
        (lambda folder: str(folder / "clip.mp4"), "clip.mp4 is a video; read it by modeling_fer.inference.video.analyse_video"),
        (lambda folder: b"", "The image of 0 bytes is empty"),
        (lambda folder: b"none", "The image of 4 bytes is not an image"),
        (lambda folder: io.StringIO("text"), "The open file gives text, not bytes; open it in the mode 'rb'"),
        (lambda folder: {"face": 1}, "here it is of type dict"),
        (lambda folder: "", "The name of a photo is empty"),
        (save_float_tiff, r"/float.tif is float32 with values from 0 to 200, but floats must lie in \[0, 1\]; .*uint8\.$"),
    ],
    ids=["closed", "empty", "video", "no bytes", "bytes", "text", "dict", "no name", "floats"],
)
def test_what_is_no_photo_is_named(fer, tmp_path, make, sentence):
    with pytest.raises(ValueError, match=sentence):
        fer(make(tmp_path))


def test_a_broken_photo_among_others_is_skipped_and_reported(fer, photo, caplog):
    photos = [photo, "none.jpg", photo]
    with pytest.raises(FileNotFoundError, match="none.jpg does not exist"):
        fer(photos)
    assert counts(fer(photos, on_error="skip")) == [1, None, 1]
    assert caplog.messages == ["none.jpg does not exist. It is left out."]
    told = []
    results = fer(iter(photos), on_error=lambda one, error: told.append((one, str(error))), num_workers=2)
    assert counts(results) == [1, None, 1] and told == [("none.jpg", "none.jpg does not exist.")]
    with pytest.raises(ValueError, match="on_error is 'ignore'"):
        fer(photos, on_error="ignore")


def test_an_image_that_a_column_cannot_decode_is_skipped(fer, photo_path, caplog):
    good, bad = {"bytes": photo_path.read_bytes(), "path": None}, {"bytes": b"not an image", "path": None}
    dataset = datasets.Dataset.from_dict({"image": [good, bad, good]}).cast_column("image", datasets.Image())
    assert counts(fer(dataset["image"], on_error="skip")) == [1, None, 1]
    assert caplog.messages[0].startswith("Photo 1 of the data set cannot be decoded: ")
    assert counts(fer(KeyDataset(dataset, "image"), on_error="skip")) == [1, None, 1]
    told = []
    fer(dataset["image"], on_error=lambda one, error: told.append(one))
    assert told == [1]
    with pytest.raises(ValueError, match="Photo 1 of the data set"):
        fer(dataset["image"])


def test_a_stream_answers_photos_without_a_face_and_full_batches_at_once(fer, photo, noise):
    given = 0

    def photos():
        nonlocal given
        for one in [noise, noise, photo, photo, photo, noise, photo]:
            given += 1
            yield one

    seen = []
    for faces in fer(photos(), batch_size=2):
        seen.append((len(faces), given))
    assert seen == [(0, 1), (0, 2), (1, 4), (1, 4), (1, 6), (0, 6), (1, 7)]


def test_workers_give_the_same_answers_in_the_same_order(fer, photo, noise):
    photos = [photo, noise, photo.rotate(10), two_people(photo), noise] * 2
    alone = fer(photos, relevance_map=False)
    for given in (photos, iter(photos)):
        together = list(fer(given, relevance_map=False, num_workers=3, batch_size=3))
        assert [[face["box"] for face in faces] for faces in together] == [[face["box"] for face in faces] for faces in alone]
    endless = fer(itertools.repeat(photo), num_workers=2)
    assert len(next(endless)) == 1
    endless.close()


def test_boxes_are_taken_as_they_are_returned(fer, photo):
    [face] = fer(photo)
    [again] = fer(photo, boxes=[face["box"]])
    assert again["box"] == face["box"]
    with pytest.raises(ValueError, match="A box is .* or a dict of xmin, ymin, xmax, ymax"):
        fer(photo, boxes=[{"left": 3}])
    with pytest.raises(ValueError, match="boxes has 1 lists, but there are 2 photos"):
        fer([photo, photo], boxes=[[face["box"]]])
    with pytest.raises(ValueError, match="boxes has 1 lists, but there are more photos"):
        list(fer(iter([photo, photo]), boxes=iter([[face["box"]]])))


def test_the_relevance_map_can_be_left_out(fer, photo):
    [face] = fer(photo, relevance_map=False)
    assert set(face) == {"box", "score", "expressions", "crop", "uncertain"}
    assert next(fer.read([photo], relevance_map=False))[0].to_json()["relevance_map"] is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(fer, photo, dtype):
    half = pipeline("facial-expression-recognition", model=str(checkpoint_folder()), device="cpu", dtype=dtype)
    assert half.model.dtype == dtype
    [face], [whole] = half(photo), fer(photo)
    assert face["expressions"][0]["label"] == "happiness"
    assert face["expressions"][0]["score"] == pytest.approx(whole["expressions"][0]["score"], abs=0.02)
    assert face["relevance_map"].getextrema()[1] == 255


def test_without_a_model_the_bundled_one_is_taken(fer, photo):
    assert pipeline("facial-expression-recognition", device="cpu")(photo) == fer(photo)


def test_how_faces_are_found_and_cut_comes_from_the_image_processor(photo, tmp_path):
    model = FerForImageClassification.from_pretrained(checkpoint_folder())
    for margin in (0.0, 0.5):
        FerImageProcessor.from_pretrained(checkpoint_folder(), face_margin=margin, face_alignment=False).save_pretrained(
            tmp_path
        )
        processor = FerImageProcessor.from_pretrained(tmp_path)
        fer = FacialExpressionPipeline(model, image_processor=processor, device="cpu")
        [face] = fer(photo)
        height = face["box"]["ymax"] - face["box"]["ymin"]
        assert face["crop"]["size"] == pytest.approx(height * (1 + margin), rel=0.02)
        assert face["crop"]["angle"] == 0


def test_a_second_detector_is_a_class_and_a_line(photo, tmp_path, monkeypatch):
    class MiddleDetector:
        """Takes the middle of a photo for a face."""

        files = ()

        def __init__(self, device="cpu", min_face: float = 0.5, search_size: int = 100):
            self.share = min_face

        def __call__(self, image: Image.Image) -> list[Face]:
            width, height = image.size
            return [Face((width * (1 - self.share) / 2, 0, width * (1 + self.share) / 2, height))]

    monkeypatch.setitem(DETECTORS, "middle", MiddleDetector)
    FerForImageClassification.from_pretrained(checkpoint_folder()).save_pretrained(tmp_path)
    FerImageProcessor.from_pretrained(checkpoint_folder(), face_detector="middle").save_pretrained(tmp_path)
    fer = pipeline("facial-expression-recognition", model=str(tmp_path), device="cpu")
    assert fer(photo)[0]["box"] == {"xmin": 128, "ymin": 0, "xmax": 384, "ymax": 512}
    assert make_detector("middle", "cpu", min_face=1.0)(photo)[0].box == (0, 0, 512, 512)
    with pytest.raises(ValueError, match="The detector 'eye' is not known; choose one of 'mtcnn', 'middle'"):
        make_detector("eye")


def test_unknown_arguments_and_impossible_values_are_named(fer, photo):
    with pytest.raises(TypeError, match="no argument 'tpo_k'"):
        fer(photo, tpo_k=3)
    with pytest.raises(ValueError, match="top_k is 0"):
        fer(photo, top_k=0)


def test_prior_divides_the_probabilities_by_the_shares(fer, photo):
    config = fer.model.config
    answers = {prior: fer(photo, prior=prior)[0]["expressions"] for prior in (0.0, 1.0)}
    plain, level = ({one["label"]: one["score"] for one in answers[prior]} for prior in (0.0, 1.0))
    shares = {config.id2label[place]: share for place, share in enumerate(config.label_shares)}
    ratio = [level[label] / plain[label] * shares[label] for label in plain]
    assert ratio == pytest.approx([ratio[0]] * 8, rel=1e-3)
    assert fer(photo)[0]["expressions"] == fer(photo, prior=config.prior_strength)[0]["expressions"]


@pytest.mark.parametrize("prior", [-0.1, 1.5])
def test_impossible_priors_are_named(fer, photo, prior):
    with pytest.raises(ValueError, match="at least 0 and at most 1"):
        fer(photo, prior=prior)


def test_prior_can_be_set_for_every_call_and_when_loading(photo):
    default = pipeline("facial-expression-recognition", model=str(checkpoint_folder()), device="cpu", prior=0.0)
    loaded = pipeline("facial-expression-recognition", model=str(checkpoint_folder()), device="cpu")
    loaded.model.config.prior_strength = 0.0
    assert default(photo)[0]["expressions"] == loaded(photo)[0]["expressions"]
