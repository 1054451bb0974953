"""Processes that share work, and the signals that end it."""

import os
import signal
import threading

import pytest

from modeling_fer.inference.workers import Workers, uninterrupted


@pytest.fixture(autouse=True)
def handlers():
    """The signals do afterwards what they did before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_waits_until_the_block_has_ended():
    done = False
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        done = True
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_each_signal_is_handled_as_before_it_was_held():
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with uninterrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert heard == []
    assert heard == [signal.SIGTERM]


def test_another_thread_leaves_the_signals_alone():
    seen: list[object] = []

    def look() -> None:
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))
        with Workers(1, int) as pool:
            seen.append(pool.submit(_tell, 0).result())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT), (True, True)]


def test_every_handler_is_put_back_where_a_signal_comes_meanwhile(monkeypatch):
    terminated: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: terminated.append(number))
    real = signal.signal

    def interrupted(number, handler):
        real(number, handler)
        if number == signal.SIGINT and handler is signal.default_int_handler:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patched:
        patched.setattr(signal, "signal", interrupted)
        with uninterrupted():
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    assert terminated == [signal.SIGTERM]


def _tell(number: int) -> tuple[bool, bool]:
    """Whether Ctrl-C was ignored when this process started its work, and was blocked before."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return ignored, signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_the_processes_never_hear_of_ctrl_c():
    with Workers(2, int) as pool:
        assert list(pool.map(_tell, range(4))) == [(True, True)] * 4
