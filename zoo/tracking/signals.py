"""Converts SIGTERM and SIGHUP into SystemExit."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# SIGHUP is sent when the terminal is closed or the connection is lost; Windows has none.
SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def termination_raises() -> Iterator[None]:
    """Converts SIGTERM and SIGHUP into `SystemExit` inside the `with` block, so that cleanup runs.

    It has no effect outside the main thread, nor on a signal that has another handler or is
    ignored, as SIGHUP is under `nohup`.
    """
    with _handled_by(_stop, signal.SIG_DFL):
        yield


@contextmanager
def termination_ignored() -> Iterator[None]:
    """Ignores SIGTERM and SIGHUP inside the `with` block, as a second one would break cleanup off.

    It has an effect only inside `termination_raises`, and on the signals that raise there.
    """
    with _handled_by(signal.SIG_IGN, _stop):
        yield


def _stop(number, frame) -> None:
    sys.exit(128 + number)


@contextmanager
def _handled_by(handler: Callable | signal.Handlers, before: Callable | signal.Handlers):
    """Sets the handler of the signals whose handler is `before`, which it gets back."""
    handled = []
    if threading.current_thread() is threading.main_thread():
        handled = [number for number in SIGNALS if signal.getsignal(number) == before]
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before)
