"""Commands that end in order, however they are asked to."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from modeling_fer.inference.workers import ENDING


@contextmanager
def interruptible() -> Iterator[None]:
    """Lets the signals that ask a process to end do what Ctrl-C does, so that results are ended in order."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in ENDING if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
