"""What is held back while TensorFlow is imported, and what is not."""

import subprocess
import sys

import pytest

from zoo.cli.quiet import NOISE

SCRIPT = """
import logging, os, sys
from zoo.cli.quiet import quiet
try:
    with quiet():
        os.write(2, b"I0000 00:00:1795214465.061894   13209 port.cc:153] oneDNN\\n")
        os.write(2, b"F0000 of some weight\\n")
        print("from Python", file=sys.stderr)
        logging.getLogger("a").addHandler(logging.StreamHandler())
        raise ValueError
except ValueError:
    print("and after", file=sys.stderr)
    logging.getLogger("a").warning("from a logger made meanwhile")
"""


def test_notices_are_dropped_and_all_else_is_shown():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)
    assert (
        done.stderr
        == b"from Python\nF0000 of some weight\nand after\nfrom a logger made meanwhile\n"
    )


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
def test_noise(line, noise):
    assert bool(NOISE.match(line)) is noise
