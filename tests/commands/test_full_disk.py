"""What commands say when nothing more can be written."""

import subprocess

import pytest
from helpers import FER, limit_file_size, save, write_prepared

from modeling_fer.data.prepared import load_whole


@pytest.mark.parametrize(
    ("size", "command"),
    [
        (20_000, ("export", "fer-tiny", "--output", "exported")),
        (500, ("evaluate", "fer-tiny", "--data", "data", "--output", "results.json")),
        (100, ("prepare", "imagefolder", "raw", "--output", "prepared", "--cropped", "--landmarks", "none")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_full_disk_is_not_wrong_usage(size, command, tmp_path):
    write_prepared(tmp_path / "data", 4)
    save(tmp_path / "raw/smile/a.png")
    # Read before, so that reading it writes nothing more.
    load_whole(tmp_path / "data")
    options = {"cwd": tmp_path, "capture_output": True, "text": True, "preexec_fn": lambda: limit_file_size(size)}
    done = subprocess.run([FER, *command], **options)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1] == "fer: stopped: File too large" and "Usage" not in done.stderr


def test_a_file_that_the_system_names_is_named(capsys):
    import errno

    import typer

    from modeling_fer_cli.errors import explaining_usage

    with pytest.raises(typer.Exit) as stopped, explaining_usage():
        raise OSError(errno.ENOSPC, "No space left on device", "results.json")
    assert stopped.value.exit_code == 1
    assert capsys.readouterr().err == "fer: stopped: results.json: No space left on device\n"
