"""Keras' backends: those that are installed, and the one in use. Keras is not imported."""

import json
import os
import sys
from pathlib import Path

from zoo.extras import MissingExtra, install, is_installed

BACKENDS = ("tensorflow", "jax", "torch")
DEFAULT = "tensorflow"  # that of Keras
# Packages of each backend, as they are imported.
PACKAGES = {"tensorflow": ("tensorflow", "tensorflow_text"), "jax": ("jax",), "torch": ("torch",)}
# The package of KerasHub requires TensorFlow, which the models need on no other backend.
INSTALL_KERAS_HUB = 'pip install --no-deps "keras-hub>=0.32,<0.33"'


def installed() -> tuple[str, ...]:
    """The backends that are installed."""
    return tuple(name for name in BACKENDS if is_installed(name))


def current() -> str:
    """The backend that Keras has chosen, or will choose when it is imported."""
    if (keras := sys.modules.get("keras")) is not None:
        return keras.backend.backend()
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen
    file = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        return json.loads(file.read_text("utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT


def provide_backend(preferred: str | None = None) -> None:
    """Sets KERAS_BACKEND to the only backend that is installed, or a preferred one of several.

    A choice is kept: KERAS_BACKEND, or a backend in Keras' settings other than TensorFlow, which
    Keras itself writes there on every backend.

    Args:
        preferred: The backend to take if several are installed, and this is one of them. Defaults
            to `None`: that of Keras.
    """
    if os.environ.get("KERAS_BACKEND") or "keras" in sys.modules:
        return
    found = installed()
    if len(found) == 1:
        os.environ["KERAS_BACKEND"] = found[0]
    elif preferred in found and current() == DEFAULT:
        os.environ["KERAS_BACKEND"] = str(preferred)


def check_models(backend: str | None = None) -> None:
    """Checks that models can be imported: a backend is installed, and KerasHub.

    Args:
        backend: The backend. Defaults to `None`: the current one.

    Raises:
        MissingExtra: if one is missing.
    """
    found, chosen = installed(), backend or current()
    if not found:
        choices = ", ".join(map(install, BACKENDS[:-1]))
        raise MissingExtra(
            f"A backend of Keras is needed, and none is installed: {choices} or "
            f"{install(BACKENDS[-1])}",
            _install_backend("torch"),
        )
    if chosen in BACKENDS and chosen not in found:
        command = _install_backend(chosen)
        raise MissingExtra(
            f"The backend {chosen} is not installed: {command}, or choose one that is, by "
            f"KERAS_BACKEND or --backend: {' or '.join(found)}. Received: backend={chosen}",
            command,
        )
    if not is_installed("keras_hub"):
        command = install(DEFAULT) if is_installed(DEFAULT) else INSTALL_KERAS_HUB
        raise MissingExtra(f"Models need KerasHub: {command}", command)


def _install_backend(name: str) -> str:
    """The command that installs a backend, and KerasHub if it is missing."""
    if name == DEFAULT or is_installed("keras_hub"):
        return install(name)
    return f"{install(name)} && {INSTALL_KERAS_HUB}"
