"""Terminal spinner and suppression of the startup messages of TensorFlow and Ray."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

# TensorFlow's notices and warnings, and its errors about CUDA factories registered twice; Ray's on
# its log level.
NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} \d\d:\d\d:\d+|"
    rb"E\d{4} .*Unable to register cu|.*: [IW] (tensorflow|external)/|To enable the following|"
    rb"\[\d{4}-\d\d-\d\d [^\]]* [IW] \d+ \d+\] \w+\.(cc|h):"
)


class _Relay:
    """A stream that forwards to another one, which can be exchanged.

    A logger that is created while `quiet` is active keeps this stream, and so writes to the
    original one afterwards.
    """

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def close(self):
        """Leaves the other stream open: a logger that is shut down closes the stream it has."""


def waiting(message: str) -> AbstractContextManager:
    """Shows a spinner with a message on stderr; shows nothing if stderr is no terminal."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(message)


@contextmanager
def starting(message: str) -> Iterator[None]:
    """Shows a spinner and suppresses TensorFlow's notices, for the time of heavy imports."""
    with quiet(), waiting(message):  # in this order, so that the spinner is not suppressed
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses TensorFlow's notices on file descriptor 2.

    Other output to the descriptor is shown when the block ends; what Python writes to
    `sys.stderr` is shown immediately. `TF_CPP_MIN_LOG_LEVEL` does not suffice, because some notices
    are written before TensorFlow reads it.
    """
    sys.stderr.flush()
    real, python = os.dup(2), sys.stderr
    with tempfile.TemporaryFile() as captured, os.fdopen(real, "w", buffering=1) as shown:
        if python is sys.__stderr__:
            sys.stderr = relay = _Relay(shown)
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            if sys.stderr is not python:
                sys.stderr, relay.stream = python, python
            captured.seek(0)
            for line in captured:
                if not NOISE.match(line):
                    os.write(2, line)
