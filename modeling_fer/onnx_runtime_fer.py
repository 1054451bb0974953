"""ONNX Runtime, imported so that it stays on this machine.

From version 1.29 on it reports its use to its makers unless a variable is set before it is imported, as importing this file does. The
thread that reports also keeps a process from ending that was forked after the import.
"""

import os
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def import_onnxruntime(otherwise: str) -> Any:
    """The module onnxruntime.

    Args:
        otherwise: what is said where it is not installed.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(otherwise) from error
    return onnxruntime
