"""What `fer prepare` refuses, in a sentence each."""

import pytest
from helpers import fer, plain, save

from modeling_fer.data.face_preparer import PrepareSettings


def test_bad_paths_and_settings_are_one_sentence(tmp_path):
    result = fer("prepare", "jaffe", tmp_path / "nowhere", "--output", tmp_path)
    assert result.returncode == 2 and "nowhere does not exist" in plain(result.stderr)
    result = fer("prepare", "zip", tmp_path, "--output", tmp_path)
    assert result.returncode == 2 and "'zip' is not a form of data set" in plain(result.stderr)
    result = fer("prepare", "jaffe", tmp_path, "--output", tmp_path, "--landmarks", "dlib")
    assert result.returncode == 2 and "must be one of fan, detector, none" in plain(result.stderr)
    with pytest.raises(ValueError, match="landmarks is 'dlib', but must be one of fan, detector, none"):
        PrepareSettings(landmarks="dlib")


def test_options_that_would_do_nothing_are_refused(tmp_path):
    save(tmp_path / "faces/smile/a.png")
    command = ("prepare", "imagefolder", tmp_path / "faces", "--output", tmp_path / "out")
    searched = [("--margin", 0.1), ("--offset", 0), ("--align",), ("--no-align",), ("--min-face", 0.2), ("--detector", "mtcnn")]
    for option in [*searched, ("--drop-not-found",)]:
        done = fer(*command, "--cropped", "--landmarks", "none", *option)
        assert done.returncode == 2, option
        assert f"{option[0].replace('no-', '')} does not go with --cropped" in plain(done.stderr), done.stderr
    others = [
        (("--private",), "--private is for the repository that --push-to-hub names; give both"),
        (("--cropped", "--landmarks", "detector"), "no face is searched in images that are cropped; take 'fan' or 'none'"),
        (("--device", "gpu"), "device is 'gpu', which cannot be used here; take 'cpu'"),
        (("--min-face", -1), "min_face is -1.0, but must be at least 0"),
    ]
    for options, sentence in others:
        done = fer(*command, *options)
        assert done.returncode == 2 and sentence in plain(done.stderr), done.stderr
    assert not (tmp_path / "out").exists()
    done = fer(*command, "--cropped", "--landmarks", "none", "--like", "fer-tiny")
    assert done.returncode == 0, done.stderr


def test_a_folder_with_something_else_is_not_written_over(tmp_path):
    save(tmp_path / "faces/data/smile/a.png")
    done = fer("prepare", "imagefolder", tmp_path / "faces/data", "--cropped", "--output", tmp_path / "faces")
    assert done.returncode == 2 and "holds data, which is not of a prepared data set" in plain(done.stderr)
    assert (tmp_path / "faces/data/smile/a.png").is_file()
