"""A GPU of the Hub's ZeroGPU machines for the time of a call. Import this before torch."""

from collections.abc import Callable
from typing import Any, TypeVar

try:
    import spaces
except ImportError:
    spaces = None

Function = TypeVar("Function", bound=Callable[..., Any])


def on_gpu(function: Function) -> Function:
    """The function, run on such a GPU; elsewhere it is as it was."""
    return function if spaces is None else spaces.GPU(function)
