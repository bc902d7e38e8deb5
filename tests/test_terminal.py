"""Suppression of TensorFlow's notices, and the spinner."""

import os
import select
import subprocess
import sys

import pytest

from zoo.terminal import NOISE

pytestmark = pytest.mark.once

SCRIPT = """
import logging, os, sys
from zoo.terminal import quiet
try:
    with quiet():
        os.write(2, b"I0000 00:00:1795214465.061894   13209 port.cc:153] oneDNN\\n")
        os.write(2, b"F0000 of some weight\\n")
        print("from Python", file=sys.stderr)
        handler = logging.StreamHandler()
        logging.getLogger("a").addHandler(handler)
        raise ValueError
except ValueError:
    print("and after", file=sys.stderr)
    logging.getLogger("a").warning("from a logger made meanwhile")
    handler.stream.close()  # as a handler of absl does when it is closed
    print("at last", file=sys.stderr)
"""


def test_notices_are_suppressed_and_the_rest_is_shown():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)
    assert (
        done.stderr
        == b"from Python\nF0000 of some weight\nand after\nfrom a logger made meanwhile\nat last\n"
    )


WAITING = """
import os
from zoo.terminal import starting
with starting("Loading it …"):
    os.write(2, b"I0000 00:00:1795214465.061894   13209 port.cc:153] oneDNN\\n")
    input()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such terminals")
def test_the_spinner_is_shown_while_notices_are_suppressed():
    """The process waits until the spinner has been seen."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdin=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm"},
    ) as process:
        os.close(theirs)
        seen = b""
        while b"Loading it" not in seen:
            assert select.select([ours], [], [], 30)[0], seen
            seen += os.read(ours, 1024)
        process.communicate(b"\n")
    os.close(ours)
    assert process.returncode == 0 and b"oneDNN" not in seen


@pytest.mark.parametrize(
    "line, noise",
    [
        (b"WARNING: All log messages before absl::InitializeLog() is called are written", True),
        (b"W0000 00:00:1795214465.06 1 gpu_device.cc:2] Cannot dlopen some GPU libraries", True),
        (b"E0000 00:00:1795214465.06 1 cuda_dnn.cc:8] Unable to register cuDNN factory", True),
        (b"2026-11-20 22:15:14.1: I tensorflow/core/platform/cpu_feature_guard.cc:210]", True),
        (b"E0000 00:00:1795214465.06 1 cuda.cc:8] out of memory", False),
        (b"RuntimeError: W0000 00:00:17", False),
    ],
)
def test_the_pattern_of_notices(line, noise):
    assert bool(NOISE.match(line)) is noise
