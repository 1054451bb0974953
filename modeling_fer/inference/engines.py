"""From the name of a checkpoint to a reader, by torch or by ONNX Runtime."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from modeling_fer.checkpoints import DEFAULT_CHECKPOINT, find_checkpoint
from modeling_fer.options_fer import ReadOptions
from modeling_fer.reading_fer import FaceReader

ENGINES = ("auto", "torch", "onnx")
ONNX_FILE = "model.onnx"
NEEDS_TORCH = "needs torch and transformers, which are not installed; run: pip install 'modeling-fer[torch]'"


def load(
    source: str | Path | None = None,
    *,
    engine: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    prior: float | None = None,
) -> FaceReader:
    """A reader of faces on a checkpoint.

    Example:

    >>> import modeling_fer
    >>> fer = modeling_fer.load("fer-base")
    >>> for face in fer("astronaut.jpg"):
    ...     print(face.box, face.expression, face.probability)
    (181, 61, 268, 172) happiness 0.99...

    Args:
        source: a bundled checkpoint's name, a folder, a model.onnx, or a repository of the Hub; the default bundled checkpoint if not
            given.
        engine: `"onnx"` (ONNX Runtime, on the processor), `"torch"`, or `"auto"`: ONNX Runtime where the checkpoint holds a model.onnx
            and no accelerator is asked for, else torch.
        device: of torch: `cpu`, `cuda:1` and so on; the first accelerator if not given.
        threads: of ONNX Runtime: how many threads share one run or one search; by cores if not given.
        prior: prior strength, in [0, 1]; the checkpoint's if not given.

    Raises:
        ImportError: the engine is not installed.
        ValueError: there is no such checkpoint or engine, it is broken, or the engine cannot be used with it.
    """
    file = choose_onnx(source, engine, device)
    if file is None:
        reader = make_torch_reader(source, device)
    else:
        from modeling_fer.inference.onnx_engine import make_onnx_reader

        reader = make_onnx_reader(file, threads)
    if prior is not None:
        reader.options = ReadOptions(prior=prior)
        reader.check(reader.options)
    return reader


def choose_onnx(source: str | Path | None, engine: str = "auto", device: str | None = None) -> Path | None:
    """The model.onnx that is to be read; None where torch is to be taken.

    Args:
        source, engine, device: as for `load`.

    Raises:
        ValueError: there is no such engine, or it cannot be used with this checkpoint or device.
    """
    if engine not in ENGINES:
        raise ValueError(f"The engine {engine!r} is not known; choose one of {', '.join(map(repr, ENGINES))}.")
    on_processor = device in (None, "cpu")
    if engine == "onnx" and not on_processor:
        raise ValueError(f"The engine 'onnx' runs on the processor, not on {device}; leave out the device, or take 'torch'.")
    file = find_onnx(source) if engine != "torch" and on_processor else None
    if file is None and engine == "onnx":
        raise ValueError(f"{source} holds no {ONNX_FILE}; write one: fer export {source} --output FOLDER.")
    return file


@dataclass(frozen=True)
class ReaderSettings:
    """What a reader is made from, in this process or in another.

    Attributes:
        source, engine, device, threads, prior: see `load`.
        detect: False where nothing is to be searched.
        min_face, search_size: see `modeling_fer.faces_fer.make_detector`.
    """

    source: str | Path | None = None
    engine: str = "auto"
    device: str | None = None
    threads: int | None = None
    prior: float | None = None
    detect: bool = True
    min_face: float | None = None
    search_size: int | None = None

    def make(self) -> FaceReader:
        """The reader.

        Raises:
            ImportError, ValueError: as for `load`.
        """
        reader = load(self.source, engine=self.engine, device=self.device, threads=self.threads, prior=self.prior)
        return reader.searching(self.min_face, self.search_size) if self.detect else reader


def find_onnx(source: str | Path | None) -> Path | None:
    """The model.onnx of a checkpoint; None where it has none.

    Args:
        source: as for `load`.
    """
    found = find_checkpoint(source)
    path = Path(found)
    if path.suffix == ".onnx" and path.is_file():
        return path
    if path.exists():
        return path / ONNX_FILE if (path / ONNX_FILE).is_file() else None
    return _fetch_onnx(str(found))


def _fetch_onnx(repository: str) -> Path | None:
    """The model.onnx of a repository of the Hub, where it can be had."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, ONNX_FILE))
    except (OSError, ValueError) as error:
        # By torch the rest of the checkpoint is asked for, which may be at hand, or tell what is wrong.
        if torch_installed() or isinstance(error, RemoteEntryNotFoundError):
            return None
        raise ValueError(f"{repository} cannot be fetched: {str(error).strip().splitlines()[0]}") from error


def torch_installed() -> bool:
    """Whether the engine torch can be used."""
    return all(find_spec(name) is not None for name in ("torch", "transformers"))


def check_torch(source: str | Path | None) -> None:
    """Whether the engine torch is installed.

    Args:
        source: what is to be read by it.

    Raises:
        ImportError: it is not.
        ValueError: neither engine could read what is there.
    """
    if torch_installed():
        return
    path = Path(find_checkpoint(source))
    if path.exists() and not (path / "config.json").is_file():
        raise ValueError(f"{source} is not a checkpoint: it holds neither {ONNX_FILE} nor config.json.")
    raise ImportError(f"{source or DEFAULT_CHECKPOINT} has to be read by the engine 'torch', which {NEEDS_TORCH}")


def make_torch_reader(source: str | Path | None, device: str | None = None) -> FaceReader:
    """A reader by torch.

    Args:
        source, device: as for `load`.

    Raises:
        ImportError: torch or transformers is not installed.
        ValueError: the checkpoint is missing or broken, or the device cannot be used here.
    """
    check_torch(source)
    from modeling_fer.inference.loading import load_checkpoint, make_pipeline

    reader: FaceReader = make_pipeline(load_checkpoint(source), device).reader
    return reader
