"""What a person sees on a terminal while something takes its seconds, and what they are spared."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

# Notices and warnings of TensorFlow, and that more than one library brought CUDA's factories.
NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} \d\d:\d\d:\d+|"
    rb"E\d{4} .*Unable to register cu|.*: [IW] (tensorflow|external)/|To enable the following"
)


class _Relay:
    """Stands for a stream, so that a logger made meanwhile writes to the right one afterwards."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)


def waiting(message: str) -> AbstractContextManager:
    """A turning wheel on stderr while something takes its seconds; nothing in a pipe."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(message)


@contextmanager
def starting(message: str) -> Iterator[None]:
    """Waits for TensorFlow to be imported, without its notices."""
    with quiet(), waiting(message):  # in this order: the wheel writes past what is held back
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Drops TensorFlow's notices from what is written to file descriptor 2; the rest is shown at
    the end. What Python writes to `sys.stderr` is not held back.

    No setting does it: TensorFlow writes some before it heeds `TF_CPP_MIN_LOG_LEVEL`.
    """
    sys.stderr.flush()
    real, python = os.dup(2), sys.stderr
    with tempfile.TemporaryFile() as heard, os.fdopen(real, "w", buffering=1) as shown:
        if python is sys.__stderr__:
            sys.stderr = relay = _Relay(shown)
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            if sys.stderr is not python:
                sys.stderr, relay.stream = python, python
            heard.seek(0)
            for line in heard:
                if not NOISE.match(line):
                    os.write(2, line)
