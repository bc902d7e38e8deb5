"""Converts SIGTERM and SIGHUP into SystemExit, and lets no SIGTERM, SIGHUP or SIGINT be lost."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Signals with Python's own handlers. SIGHUP is sent when the terminal is closed or the connection
# is lost; Windows has none. SIGINT is Ctrl-C.
SIGNALS = {
    getattr(signal, name): signal.SIG_DFL for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
} | {signal.SIGINT: signal.default_int_handler}
_received: list[int] = []


@contextmanager
def termination_raises() -> Iterator[None]:
    """Converts SIGTERM and SIGHUP into `SystemExit` inside the `with` block, so that cleanup runs.

    It has no effect outside the main thread, nor on a signal that has another handler or is
    ignored, as SIGHUP is under `nohup`.
    """
    with _handled_by(_stop, SIGNALS):
        try:
            yield
        finally:
            _received.clear()


@contextmanager
def termination_ignored() -> Iterator[None]:
    """Ignores SIGTERM and SIGHUP inside the `with` block, as a second one would break cleanup off.

    It has an effect only inside `termination_raises`, and on the signals that raise there.
    """
    with _handled_by(signal.SIG_IGN, dict.fromkeys(SIGNALS.keys() - {signal.SIGINT}, _stop)):
        yield


def raise_if_stopped() -> None:
    """Raises the exception of a signal that came inside `termination_raises` again.

    What a handler raises is lost in code that suppresses exceptions, such as NumPy's conversion of
    an array of JAX, in which a training spends most of its time. So a long loop calls this.

    Raises:
        SystemExit: if SIGTERM or SIGHUP came.
        KeyboardInterrupt: if SIGINT came.
    """
    if _received:
        _raise(_received[-1])


def _stop(number, frame) -> None:
    _received.append(number)
    _raise(number)


def _raise(number) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


@contextmanager
def _handled_by(handler: Callable | signal.Handlers, before: dict[int, Callable | signal.Handlers]):
    """Sets the handler of the signals that have the handler `before`, which they get back."""
    handled = []
    if threading.current_thread() is threading.main_thread():
        handled = [number for number in before if signal.getsignal(number) == before[number]]
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
