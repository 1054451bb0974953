"""Processes that work for another one."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

T = TypeVar("T")

ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The signals that ask a process to end."""


class Workers(ProcessPoolExecutor):
    """Processes that share work, and leave it to the one that started them to be interrupted. On Windows they do so from their first
    work on, elsewhere from their start.

    They are not forked: a fork of a process that has threads may wait for ever for what one of them held. At the end of a `with`
    statement they are stopped: what has not begun is cancelled, and what has begun ends where it next asks `is_stopped`.

    Args:
        number: processes, at least 1.
        prepare: called first in each of them.
        arguments: what it is called with.
    """

    def __init__(self, number: int, prepare: Callable[..., None], *arguments: Any):
        context = get_context("spawn")
        self._stop = context.Event()
        super().__init__(number, context, _start, (self._stop, prepare, *arguments))

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Gives work to a process, which is started where another one is needed."""
        with uninterrupted():
            return super().submit(fn, *args, **kwargs)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.shutdown(cancel_futures=True)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds the signals that ask this process to end back until the block has ended. A process that is started within it is started
    whole, and where signals can be blocked never hears of Ctrl-C, which a terminal sends to all processes of a command.
    """
    held: list[int] = []
    try:
        with ExitStack() as stack:
            # Python handles signals in the main thread, so another one is not interrupted.
            if threading.current_thread() is threading.main_thread():
                for number in ENDING:
                    _hold(number, held, stack)
            if hasattr(signal, "pthread_sigmask"):
                # A process inherits what is blocked in the thread that starts it.
                mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
                stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
            yield
    finally:
        for number in held:
            signal.raise_signal(number)


def _hold(number: int, held: list[int], stack: ExitStack) -> None:
    """Has a signal written down, until a stack is done, instead of handled. What is ignored, as by nohup, stays so, and what another
    language handles.
    """
    handler = signal.getsignal(number)
    if handler not in (signal.SIG_IGN, None):
        stack.callback(signal.signal, number, handler)
        signal.signal(number, lambda number, _: held.append(number))


_stop: Event | None = None


def is_stopped() -> bool:
    """Whether this is one of `Workers` that are stopped."""
    return _stop is not None and _stop.is_set()


def _start(stop: Event, prepare: Callable[..., None], *arguments: Any) -> None:
    global _stop
    _stop = stop
    # Where nothing can be blocked, Ctrl-C is ignored from here on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    prepare(*arguments)


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
