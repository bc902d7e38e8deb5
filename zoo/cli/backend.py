"""Chooses the Keras backend and silences its libraries, before they are imported."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

from zoo.backends import BACKENDS, PACKAGES, check_models, current
from zoo.cli.errors import WrongUse
from zoo.home import provide_home

# Packages of wrappers and metrics that Keras and KerasHub import where they are installed, and no
# model of the zoo uses.
UNUSED = ("rouge_score", "sklearn")

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    "GLOG_minloglevel": "3",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    # KerasHub imports TensorFlow on every backend; it must not reserve the whole GPU.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    # Limits the busy-waiting of torch's threads, which makes them 10 to 50 times slower on a busy
    # machine. On an idle machine the limit has no effect.
    "GOMP_SPINCOUNT": "20000",
    # One bar per file, most of them small.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def add_argument(parser: ArgumentParser) -> None:
    """Adds the option `--backend`."""
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="the Keras backend (default: $KERAS_BACKEND, else the only one that is installed, "
        "else the setting in ~/.keras/keras.json)",
    )


def quiet_libraries() -> None:
    """Sets the environment variables that silence libraries; variables already set are kept.

    Raises:
        HomeError: if the user has no home folder, which libraries need, and ZOO_HOME is not set.
    """
    provide_home()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def choose(backend: str | None = None) -> None:
    """Sets the environment variables for the import of Keras and KerasHub.

    Args:
        backend: One of `BACKENDS`. Defaults to `None`: the backend of `$KERAS_BACKEND`, or the one
            that Keras would take.

    Raises:
        MissingExtra: if the backend is not installed, or KerasHub is not.
        WrongUse: if the backend is unknown, or if Keras is already imported with another one.
    """
    quiet_libraries()
    chosen = backend or os.environ.get("KERAS_BACKEND")
    if chosen and chosen not in BACKENDS:
        raise WrongUse(
            f"The backend must be one of {', '.join(BACKENDS)}. Received: KERAS_BACKEND={chosen}",
            hint=f"--backend {BACKENDS[0]}",
        )
    if chosen and "keras" in sys.modules and sys.modules["keras"].backend.backend() != chosen:
        raise WrongUse(
            f"Keras runs on {sys.modules['keras'].backend.backend()} in this process, and the "
            f"backend cannot be changed after the import. Received: backend={chosen}",
            hint=f"start a new process with KERAS_BACKEND={chosen}",
        )
    check_models(chosen)
    if chosen:
        os.environ["KERAS_BACKEND"] = chosen


@contextmanager
def others_hidden() -> Iterator[None]:
    """Hides the other backends and `UNUSED` packages, as if they were not installed.

    Keras and KerasHub import every backend that is installed, and KerasHub imports TensorFlow again
    to find a preset, which takes seconds and half a gigabyte. Without TensorFlow, KerasHub lacks
    what `fit` reads raw inputs with, and some preprocessing layers; without JAX or torch, nothing.
    Afterwards other modules can import the hidden packages.
    """
    used = current()
    packages = {package for name in BACKENDS if name != used for package in PACKAGES[name]}
    hiding = _Hiding(sys.meta_path, packages | set(UNUSED))
    sys.meta_path[:] = [hiding]
    try:
        yield
    finally:
        place = sys.meta_path.index(hiding)  # imported libraries may have added finders
        sys.meta_path[place : place + 1] = hiding.finders


class _Hiding(MetaPathFinder):
    """Finds what other finders find, but for some packages."""

    def __init__(self, finders: list, packages: set[str]):
        self.finders = list(finders)
        self.packages = packages

    def find_spec(self, fullname, path=None, target=None):
        if fullname in self.packages:
            return None
        found = (finder.find_spec(fullname, path, target) for finder in self.finders)
        return next((spec for spec in found if spec is not None), None)
