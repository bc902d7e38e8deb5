"""Backend, device and versions of a run."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("seqzoo", "keras", "keras-hub", "mlflow")


def environment() -> dict[str, str]:
    """Facts of this process for the tags of a run.

    Returns:
        `backend`, `device` (the accelerator's name, or `"cpu"`), `platform`, and `version.…` of
        Python, the backend and the packages that determine the result.
    """
    import keras

    backend = keras.backend.backend()
    tags = {
        "backend": backend,
        "device": device(backend),
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "version.python": platform.python_version(),
    }
    for package in (*PACKAGES, backend):
        if found := package_version(package):
            tags[f"version.{package}"] = found
    return tags


def package_version(name: str) -> str | None:
    """The version of a package, or `None` if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def device(backend: str) -> str:
    """The name of the device that `backend` uses."""
    if backend == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    if backend == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow as tf

    for gpu in tf.config.get_visible_devices("GPU"):
        return tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
    return "cpu"
