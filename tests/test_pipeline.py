import numpy as np
import pytest
import torch
from PIL import Image
from transformers import pipeline

from modeling_fer import Face, FacialExpressionPipeline, checkpoint_folder


@pytest.fixture(scope="module")
def fer() -> FacialExpressionPipeline:
    return pipeline("facial-expression-recognition", model=str(checkpoint_folder()), device="cpu")


def two_people(photo) -> Image.Image:
    both = Image.new("RGB", (photo.width * 2, photo.height))
    both.paste(photo, (0, 0))
    both.paste(photo, (photo.width, 0))
    return both


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
    fer._forward = lambda inputs: seen.append(len(inputs["pixel_values"])) or forward(inputs)
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


def test_unknown_arguments_and_impossible_values_are_named(fer, photo):
    with pytest.raises(TypeError, match="no argument 'tpo_k'"):
        fer(photo, tpo_k=3)
    with pytest.raises(ValueError, match="top_k is 0"):
        fer(photo, top_k=0)
