"""Converts SIGTERM and SIGHUP into SystemExit."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# SIGHUP is sent when the terminal is closed or the connection is lost; Windows has none.
SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def termination_raises() -> Iterator[None]:
    """Converts SIGTERM and SIGHUP into `SystemExit` inside the `with` block, so that cleanup runs.

    After the first signal, further ones are ignored until the block ends: they would interrupt the
    cleanup. It has no effect outside the main thread, nor on a signal that has another handler or
    is ignored, as SIGHUP is under `nohup`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_DFL]

    def stop(number, frame):
        for other in handled:
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
