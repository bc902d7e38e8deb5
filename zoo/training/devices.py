"""Training on several devices: each holds all weights and computes a part of every batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import keras

from zoo.training.schema import RecipeConfig


def count_devices(setting: int | Literal["auto"]) -> int:
    """The number of devices to train on.

    Args:
        setting: `training.devices`; `"auto"`: all of this machine, on JAX, and one on others.

    Raises:
        ValueError: if the backend is not JAX, or the machine has fewer devices.
    """
    backend = keras.config.backend()
    if setting == "auto":
        return len(keras.distribution.list_devices()) if backend == "jax" else 1
    if setting == 1:
        return 1
    if backend != "jax":
        raise ValueError(
            "Training on several devices needs the JAX backend: choose it with --backend jax, or "
            f"set training.devices=1. Received: training.devices={setting} on {backend}"
        )
    found = keras.distribution.list_devices()
    if setting > len(found):
        raise ValueError(
            f"This machine has {len(found)} devices ({', '.join(map(str, found))}): set "
            "training.devices=auto. XLA_FLAGS=--xla_force_host_platform_device_count=N splits a "
            f"CPU into N of them. Received: training.devices={setting}"
        )
    return setting


def with_devices(config: RecipeConfig) -> RecipeConfig:
    """The configuration with the number of devices in place of `training.devices=auto`.

    The plan of batches depends on it, so a run that is resumed must find the same number.
    """
    if config.training.devices != "auto":
        return config
    settings = {"devices": count_devices("auto")}
    return config.model_copy(update={"training": config.training.model_copy(update=settings)})


@contextmanager
def data_parallel(devices: int) -> Iterator[None]:
    """Models that are built in the `with` block are trained on the first so many devices.

    A step computes what it computes on one device, but for the order of sums: the batch is split
    among the devices, and their gradients are added (`keras.distribution.DataParallel`).
    """
    if devices == 1:
        yield
        return
    found = keras.distribution.list_devices()[:devices]
    with keras.distribution.DataParallel(devices=found).scope():
        yield
