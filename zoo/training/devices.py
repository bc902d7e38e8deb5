"""The number of devices to train on, and what a launcher of several processes says of them."""

import os
from dataclasses import dataclass
from typing import Literal

from zoo.training.schema import RecipeConfig


@dataclass(frozen=True)
class Launched:
    """The place of this process among those that a launcher has started.

    Attributes:
        backend: The backend that the launcher is for.
        launcher: Its name, or that of its environment variables.
        rank: int. The number of this process, from 0.
        size: int. The number of processes.
        address: Host and port of the first process.
    """

    backend: str
    launcher: str
    rank: int
    size: int
    address: str


def launched() -> Launched | None:
    """Reads the environment of torchrun, or that of `keras.distribution.initialize`.

    Returns:
        The place of this process; `None` if it is alone.
    """
    get = os.environ.get
    if int(get("WORLD_SIZE") or 1) > 1 and "RANK" in os.environ:
        address = f"{get('MASTER_ADDR')}:{get('MASTER_PORT')}"
        return Launched(
            "torch", "torchrun", int(get("RANK", 0)), int(get("WORLD_SIZE", 1)), address
        )
    size = int(get("KERAS_DISTRIBUTION_NUM_PROCESSES") or 1)
    if size == 1:
        return None
    rank = get("KERAS_DISTRIBUTION_PROCESS_ID")
    addresses = get("KERAS_DISTRIBUTION_JOB_ADDRESSES")
    if not rank or not addresses:
        raise ValueError(
            "A process of several needs KERAS_DISTRIBUTION_JOB_ADDRESSES, the host and port of the "
            "first one, and KERAS_DISTRIBUTION_PROCESS_ID, its own number from 0: set both. "
            f"Received: KERAS_DISTRIBUTION_NUM_PROCESSES={size}"
        )
    return Launched(
        "jax", "KERAS_DISTRIBUTION_NUM_PROCESSES", int(rank), size, addresses.split(",")[0]
    )


def count_devices(setting: int | Literal["auto"]) -> int:
    """The number of devices to train on.

    Args:
        setting: `training.devices`; `"auto"`: all GPUs of this machine, else its CPU; of several
            machines, all devices of the processes that a launcher has started.

    Raises:
        ValueError: if there are fewer devices, or processes for another number.
    """
    place = launched()
    if place is None and setting == 1:
        return 1
    import keras  # heavy: the environment is read without it

    backend = keras.config.backend()
    found = _device_names(backend) * (place.size if place and backend == "torch" else 1)
    if setting == "auto":
        return len(found)
    if place and setting != len(found):
        raise ValueError(
            f"The {place.size} processes that {place.launcher} tells of have {len(found)} devices: "
            f"set training.devices=auto. Received: training.devices={setting}"
        )
    # Processes of torch can share the cores of a CPU.
    most = os.cpu_count() or 1 if (backend, found) == ("torch", ["cpu"]) else len(found)
    if setting > most:
        split = " XLA_FLAGS=--xla_force_host_platform_device_count=N splits a CPU into N of them."
        raise ValueError(
            f"On {backend} this machine has {len(found)} device{'s' * (len(found) > 1)} "
            f"({', '.join(found)}{f', of {most} cores' * (most > len(found))}): set "
            f"training.devices=auto.{split * (backend == 'jax')} "
            f"Received: training.devices={setting}"
        )
    return setting


def _device_names(backend: str) -> list[str]:
    """The devices of this process; on JAX those of all processes; on torchrun one."""
    if backend == "torch":
        import torch

        if launched() or not torch.cuda.is_available():
            return ["cuda" if torch.cuda.is_available() else "cpu"]
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if backend == "tensorflow":
        from zoo.training.parallel.tensorflow_replicas import device_names

        return device_names()
    import keras

    return keras.distribution.list_devices()


def with_devices(config: RecipeConfig) -> RecipeConfig:
    """The configuration with the number of devices in place of `training.devices=auto`.

    The plan of batches depends on it, so a run that is resumed must find the same number.
    """
    if config.training.devices != "auto":
        return config
    settings = {"devices": count_devices("auto")}
    return config.model_copy(update={"training": config.training.model_copy(update=settings)})
