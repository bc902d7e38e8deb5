"""Chooses the Keras backend and quietens what is imported with it, before any of it is."""

import importlib.util
import os
import sys
from argparse import ArgumentParser

from zoo.cli.errors import WrongUse

BACKENDS = ("tensorflow", "jax", "torch")

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    "GLOG_minloglevel": "3",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    # KerasHub imports TensorFlow on every backend; it must not take a whole GPU from the others.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    # Torch's threads wait for each other by spinning, without end where other processes are busy:
    # 10 to 50 times slower there. Idle machines do not notice the limit.
    "GOMP_SPINCOUNT": "20000",
    # Of files of a few megabytes, each of which draws a bar of its own.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def add_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what Keras computes with; else $KERAS_BACKEND, else what Keras is set to",
    )


def choose(backend: str | None = None) -> None:
    """Sets the environment for the Keras that will be imported.

    Args:
        backend: One of `BACKENDS`, or `None` for what the environment says.

    Raises:
        WrongUse: if there is no such backend, it is not installed, or Keras already runs on
            another one.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    chosen = backend or os.environ.get("KERAS_BACKEND")
    if not chosen:
        return
    if chosen not in BACKENDS:
        raise WrongUse(
            f"The backend must be one of {', '.join(BACKENDS)}. Received: KERAS_BACKEND={chosen}",
            hint=f"--backend {BACKENDS[0]}",
        )
    if importlib.util.find_spec(chosen) is None:
        raise WrongUse(
            f"The backend {chosen} is not installed.", hint=f'pip install "seqzoo[{chosen}]"'
        )
    if "keras" in sys.modules and sys.modules["keras"].backend.backend() != chosen:
        raise WrongUse(
            f"Keras runs on {sys.modules['keras'].backend.backend()} in this process and cannot "
            f"change over. Received: backend={chosen}",
            hint="a new process",
        )
    os.environ["KERAS_BACKEND"] = chosen
