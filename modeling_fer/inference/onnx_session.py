"""An ONNX Runtime session that threads share and that a forked process makes for itself."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from modeling_fer.names_fer import forbidden
from modeling_fer.onnx_runtime_fer import import_onnxruntime

if TYPE_CHECKING:
    import onnxruntime


class OnnxSession:
    """Runs a network that is kept as an ONNX file, on the processor. A copy of it, in another process too, opens the file again.

    Args:
        file: the network.
        threads: how many threads share one run; as many as there are cores where it is None.

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: the file is no whole ONNX network, or may not be read, or threads are fewer than one.
    """

    def __init__(self, file: str | Path, threads: int | None = None):
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}, but must be at least 1; leave it out for as many as there are cores.")
        self.file, self.threads = Path(file), threads
        self._open()

    def __reduce__(self) -> tuple[type["OnnxSession"], tuple[Path, int | None]]:
        return OnnxSession, (self.file, self.threads)

    def _open(self) -> None:
        onnxruntime = import_onnxruntime(
            "The engine 'onnx' needs onnxruntime, which is not installed; run: pip install onnxruntime"
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads or 0
        options.log_severity_level = 4
        # Threads that go on waiting between two runs would take the cores from the search for faces.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self.session: Any = onnxruntime.InferenceSession(self.file, options, providers=["CPUExecutionProvider"])
        # ONNX Runtime's errors have no class in common but this one.
        except Exception as error:
            if not os.access(self.file, os.R_OK):
                raise ValueError(forbidden(self.file)) from error
            raise ValueError(f"{self.file} is not a readable ONNX network; it may be cut off, or of another kind.") from error
        self.process = os.getpid()
        _sessions.add(self)

    def _own(self) -> "onnxruntime.InferenceSession":
        """The session of this process."""
        if self.process != os.getpid():
            self._open()
        return self.session

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself, by names."""
        metadata: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        return metadata

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs."""
        return [output.name for output in self.session.get_outputs()]

    def run(self, outputs: Sequence[str], **inputs: np.ndarray) -> list[np.ndarray]:
        """Some outputs for some inputs, by their names."""
        found: list[np.ndarray] = self._own().run(list(outputs), inputs)
        return found


_sessions: WeakSet[OnnxSession] = WeakSet()


def _keep_inherited() -> None:
    """A fork has its parent's sessions but not their threads, and would wait for them at its end if it ever let a session go."""
    for own in _sessions:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(own.session))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_inherited)
