"""Memory of a process that reads many large pictures."""

import ctypes
import sys
from functools import lru_cache
from typing import Any


def release_memory() -> None:
    """Gives memory that was freed back to the system. The C library of Linux keeps it in pieces, and needs ever more of them."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


@lru_cache
def _library() -> Any:
    """The C library, where it can do that."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
