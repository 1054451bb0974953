"""What several test files draw, write and run."""

import contextlib
import csv
import io
import runpy
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from datasets import Array2D, ClassLabel, Dataset, Features, List, Value
from datasets import Image as ImageFeature
from PIL import Image, ImageDraw
from typer.testing import CliRunner

import modeling_fer_cli
from modeling_fer import FerConfig, FerForImageClassification
from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.prepare import PrepareSettings
from modeling_fer.training.recipe import Recipe

ROOT = Path(__file__).parents[1]
FER = Path(sys.executable).with_name("fer")
"""The installed command."""

MODEL = {
    "image_size": 24,
    "num_channels": 1,
    "facial_parts_depth": 2,
    "facial_parts_filters": 4,
    "representation_depth": 2,
    "representation_filters": 4,
    "hidden_sizes": [16, 16],
    "heatmap_sigma": 2.0,
}
RESIDUAL = {**MODEL, "representation_block": "residual", "residual_blocks": [1, 2], "normalization": "batch"}
RECIPE = Recipe(model={**MODEL, "facial_parts_weight": 1.0}, epochs=3, batch_size=16, ema_decay=0.5, mixed_precision="no")
OFFLINE = PrepareSettings(image_size=64, landmarks="detector", sigma=3.0)
"""Preparation without a network that would be downloaded."""


def fer(*arguments) -> "subprocess.CompletedProcess[str]":
    """The command `fer` in this process, as loading everything again takes seconds."""
    result = CliRunner().invoke(modeling_fer_cli.app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


def run_script(name: str, *arguments) -> "subprocess.CompletedProcess[str]":
    """A script of scripts/ in this process."""
    given, output, errors, status = sys.argv, io.StringIO(), io.StringIO(), 0
    sys.argv = [name, *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            runpy.run_path(str(ROOT / "scripts" / name), run_name="__main__")
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.argv = given
    return subprocess.CompletedProcess(arguments, status, output.getvalue(), errors.getvalue())


def plain(text: str) -> str:
    """Words with single blanks between, whatever frame and line breaks a console put round them."""
    return " ".join(text.replace("│", " ").split())


def columns(size: int = 64) -> FaceColumns:
    """Bright bars at three heights: three classes that can be told apart."""
    labels = torch.arange(size) % 3
    images = torch.zeros(size, 1, 24, 24, dtype=torch.uint8)
    for row, label in enumerate(labels):
        images[row, :, 3 + 7 * label : 8 + 7 * label] = 200
    landmarks = torch.rand(size, 5, 2, generator=torch.Generator().manual_seed(0)) * 24
    names = ["low", "middle", "high"]
    return FaceColumns(images, torch.eye(3)[labels], labels, landmarks, torch.arange(size) % 4 > 0, names)


def changed(**changes) -> Recipe:
    """`RECIPE` with some settings changed."""
    return Recipe(**{**vars(RECIPE), **changes})


def weights(folder) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint."""
    return FerForImageClassification.from_pretrained(folder).state_dict()


def draw_face(size: int = 48, mode: str = "L") -> Image.Image:
    image = Image.new(mode, (size, size), "gray")
    draw = ImageDraw.Draw(image)
    draw.ellipse((size // 8, 2, size * 7 // 8, size - 2), fill="white")
    for x in (size // 3, size * 2 // 3):
        draw.ellipse((x - 2, size // 3, x + 2, size // 3 + 4), fill="black")
    draw.arc((size // 3, size // 2, size * 2 // 3, size * 3 // 4), 0, 180, fill="black")
    return image


def save(path: Path, **options) -> Path:
    """A drawn face in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_face(**options).save(path)
    return path


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """A text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


def write_csv(path: Path, header: list[str], rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_prepared(folder: Path, size: int, without: tuple[str, ...] = ()) -> Path:
    """A prepared data set of bars, dark for sad and bright for happy, with votes and landmarks, in three splits.

    Args:
        folder: gets train.parquet, validation.parquet and test.parquet.
        size: images in a split.
        without: columns that are left out.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    features = Features(
        image=ImageFeature(), label=ClassLabel(names=names), votes=List(Value("uint8"), length=10),
        landmarks=Array2D((68, 2), "float32"), face_detected=Value("bool"),
    )  # fmt: skip
    for split in ("train", "validation", "test"):
        labels = rng.integers(0, 2, size)
        rows = {
            "image": [Image.fromarray(np.full((48, 48), 60 + 120 * int(label), np.uint8)) for label in labels],
            "label": [names.index("happy" if label else "sad") for label in labels],
            "votes": [[0, 8, 0, 0, 0, 1, 0, 0, 1, 0] if label else [2, 0, 0, 7, 0, 0, 0, 0, 0, 1] for label in labels],
            "landmarks": rng.uniform(0, 48, (size, 68, 2)).astype("float32"),
            "face_detected": rng.integers(0, 2, size).astype(bool),
        }
        rows["votes"][0] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 9]
        dataset = Dataset.from_dict(rows, features=features).remove_columns(list(without))
        dataset.to_parquet(folder / f"{split}.parquet")
    return folder


def write_table(folder: Path, subjects: list[str]) -> Path:
    """A csv table of drawn crops, one for each subject and each a little darker, every other one with a smile."""
    rows = []
    for number, subject in enumerate(subjects):
        draw_face().point(lambda pixel, darker=number: pixel - darker).save(folder / f"{number}.png")
        rows.append([f"{number}.png", ("frown", "smile")[number % 2], subject])
    write_csv(folder / "faces.csv", ["image", "label", "subject"], rows)
    return folder / "faces.csv"


def write_people(folder: Path, brightness: int, people: int = 24) -> Path:
    """A prepared data set without splits: two images of each of some people, dark for sad and bright for happy."""
    labels = [number % 2 for number in range(2 * people)]
    features = Features(image=ImageFeature(), label=ClassLabel(names=["sadness", "happiness"]), subject=Value("string"))
    rows = {
        "image": [Image.new("L", (24, 24), brightness + 120 * label) for label in labels],
        "label": labels,
        "subject": [f"S{number // 2}" for number in range(2 * people)],
    }
    folder.mkdir(parents=True, exist_ok=True)
    Dataset.from_dict(rows, features=features).to_parquet(folder / "train.parquet")
    return folder


def limit_file_size(size: int = 150_000) -> None:
    """Writes beyond so many bytes fail, as on a full disk."""
    # The module is there on POSIX systems only.
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def tiny_config(**changes) -> FerConfig:
    return FerConfig(**{**MODEL, **changes})


def tiny_batch(config: FerConfig, size: int = 6) -> dict[str, torch.Tensor]:
    shape = (config.image_size, config.image_size)
    return {
        "pixel_values": torch.randn(size, config.num_channels, *shape),
        "labels": torch.arange(size) % config.num_labels,
        "heatmaps": torch.rand(size, 1, *shape),
    }


GRADIENT = np.linspace(0, 255, 40 * 30).reshape(40, 30).astype(np.uint8)


def two_people(photo: Image.Image) -> Image.Image:
    """A photo beside itself."""
    both = Image.new("RGB", (photo.width * 2, photo.height))
    both.paste(photo, (0, 0))
    both.paste(photo, (photo.width, 0))
    return both


def write_clip(
    path: Path,
    images: Sequence[Image.Image],
    fps: int = 10,
    times: Sequence[float] | None = None,
    sound: str | None = None,
    **options: str,
) -> Path:
    """A video.

    Args:
        times: when each picture is shown, in seconds, where that is not regular.
        sound: codec of a tone of 440 Hz that lasts as long as the pictures; silent where it is None.
        options: of FFmpeg's writer, such as movflags="faststart".
    """
    seconds = (times[-1] if times else len(images) / fps) + (1 / fps if times else 0)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream({".avi": "mpeg4", ".flv": "flv1", ".3gp": "mpeg4"}.get(path.suffix, "libx264"), rate=fps)
        stream.width, stream.height, stream.pix_fmt = *images[0].size, "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        audio = None if sound is None else container.add_stream(sound, rate=44100, layout="mono")
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_image(image)
            if times is not None:
                frame.pts, frame.time_base = round(times[number] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            for start in range(0, int(44100 * seconds), 1024):
                tone = np.sin(np.arange(start, start + 1024) * 2 * np.pi * 440 / 44100)[None]
                form = audio.codec_context.format.name
                samples = tone.astype(np.float32) if form == "fltp" else (tone * 20000).astype(np.int16)
                heard = av.AudioFrame.from_ndarray(samples, format=form, layout="mono")
                heard.sample_rate, heard.pts = 44100, start
                container.mux(audio.encode(heard))
            container.mux(audio.encode())
    return path


def write_sound(path: Path) -> Path:
    """A file that holds only sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_bomb(path: Path, width: int = 20_000, height: int = 20_000) -> None:
    """A PNG of a few kilobytes that says it has very many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def write_bad_files(folder: Path) -> dict[str, str]:
    """Files that are no images, and what is said of each."""
    Image.fromarray(GRADIENT).save(folder / "whole.jpg")
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "whole.jpg").unlink()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("This is not a picture.", encoding="utf-8")
    (folder / "empty.png").write_bytes(b"")
    write_bomb(folder / "bomb.png")
    return {
        "truncated.jpg": "truncated.jpg is broken",
        "text.jpg": "text.jpg is not an image",
        "empty.png": "empty.png is empty",
        "bomb.png": "bomb.png .*make it smaller",
    }


def two_label_sets(size: int = 64) -> FaceColumns:
    """The bars, and whether a bar is the highest."""
    data = columns(size)
    return replace(data, auxiliary_labels=(data.labels == 2).long(), auxiliary_names=["other", "top"])


def save_teacher(folder, **changes) -> str:
    """Writes an untrained network of the classes of `columns`; gives its folder."""
    torch.manual_seed(7)
    names = {"id2label": dict(enumerate(["low", "middle", "high"]))}
    model = FerForImageClassification(FerConfig(**{**MODEL, **names, "dropout": 0.5, **changes}))
    with torch.no_grad():
        # An untrained network answers much the same everywhere.
        model.classifier.output.weight.mul_(10)
    model.save_pretrained(folder)
    return str(folder)
