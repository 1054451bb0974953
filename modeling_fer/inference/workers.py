"""Processes that work for another one."""

import os
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait


def end_with_parent() -> None:
    """Ends this process when the one that started it is killed; it would wait for work for ever. A process that no other started stays
    as it is.
    """
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_end, args=(parent.sentinel,), daemon=True).start()


def _wait_and_end(parent: int) -> None:
    wait([parent])
    os._exit(1)
