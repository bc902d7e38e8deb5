"""The processes and the devices that train one model together."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from zoo.training.devices import Launched
from zoo.training.parallel.messages import pack, unpack


class WorkerError(RuntimeError):
    """The end of another process of the training."""


class Group:
    """The processes that train one model together; this class is a process alone.

    Attributes:
        rank: int. The number of this process, from 0. The first runs the recipe.
        size: int. The number of processes.
        devices: int. The number of devices of all of them.
    """

    rank, size = 0, 1
    # Words in the errors by which a process notices that another one has ended.
    lost: ClassVar[tuple[str, ...]] = ()

    def __init__(self, devices: int = 1):
        self.devices = devices

    def scope(self):
        """Context manager: a model that is built and fitted inside it uses all devices."""
        if self.devices > 1 and keras.config.backend() == "tensorflow":
            from zoo.training.parallel.tensorflow_replicas import mirrored

            return mirrored(self.devices)
        if self.devices > 1 and keras.config.backend() == "jax":
            devices = keras.distribution.list_devices()[: self.devices]
            return keras.distribution.DataParallel(
                devices=devices, auto_shard_dataset=False
            ).scope()
        return nullcontext()

    def send(self, message: dict, arrays: Sequence[np.ndarray] = ()) -> None:
        """Sends a message from the first process to the others."""
        if self.size > 1:
            self.broadcast(pack(message, arrays))

    def receive(self) -> tuple[dict, list[np.ndarray]]:
        """Waits for the next message of the first process."""
        return unpack(self.broadcast())

    def broadcast(self, data: bytes = b"") -> bytes:
        """Sends bytes from the first process to the others; returns them in each."""
        raise NotImplementedError

    def metrics(self, model: keras.Model, logs: dict) -> dict:
        """The metrics of all devices, from those of the first one of this process, `logs`."""
        if self.devices > 1 and keras.config.backend() == "tensorflow":
            return model.get_metrics_result()
        return logs

    def leave(self) -> None:
        """Closes the connections, once the training is over."""


_joined: Group | None = None


@contextmanager
def joined(place: Launched) -> Iterator[Group]:
    """Joins the other processes that a launcher has started.

    Args:
        place: The place of this process among them.

    Raises:
        ValueError: if the environment is that of another backend.
        WorkerError: if the other processes cannot be reached, or one of them ends.
    """
    global _joined
    backend = keras.config.backend()
    if backend != place.backend:
        raise ValueError(
            f"{place.launcher} starts processes for {place.backend}: choose --backend "
            f"{place.backend}, or start one process. Received: {place.size} processes on {backend}"
        )
    if backend == "torch":
        from zoo.training.parallel.torch_processes import TorchGroup

        group: Group = TorchGroup.of_launcher(place)
    else:
        from zoo.training.parallel.jax_processes import JaxGroup

        group = JaxGroup(place)
    _joined = group
    try:
        with _clear_errors(group):
            yield group
    finally:
        _joined = None


@contextmanager
def training_group(devices: int, recipe: type, config: type) -> Iterator[Group]:
    """The processes of a run; those of this machine are started, unless a launcher did it.

    Args:
        devices: int. The number of devices to train on.
        recipe: The class of the recipe.
        config: The class of its configuration.

    Raises:
        WorkerError: if another process of the training ends.
    """
    if _joined is not None:
        yield _joined
        _joined.leave()
    elif devices > 1 and keras.config.backend() == "torch":
        from zoo.training.parallel.torch_processes import started

        with started(devices, (recipe, config)) as group, _clear_errors(group):
            yield group
    else:
        yield Group(devices)


@contextmanager
def own_draws(number: Callable) -> Iterator[None]:
    """Makes the devices draw different random numbers, though Keras gives all the same seeds.

    Args:
        number: Function that returns the number of the device it is called on, from 0.
    """
    draw = keras.random.SeedGenerator.next

    def draw_on_device(self, *arguments, **options):
        seed = draw(self, *arguments, **options)
        step = ops.convert_to_tensor([1_000_003, 0], seed.dtype)
        return seed + ops.cast(number(), seed.dtype) * step

    keras.random.SeedGenerator.next = draw_on_device
    try:
        yield
    finally:
        keras.random.SeedGenerator.next = draw


def has_lost(group: Group, error: RuntimeError) -> bool:
    """True if an error says that another process of the group has ended."""
    return any(word in str(error) for word in group.lost)


@contextmanager
def _clear_errors(group: Group) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, WorkerError) or not has_lost(group, error):
            raise
        raise WorkerError(
            f"Another of the {group.size} processes of the training has ended, so this one ends "
            "too. The messages above tell why; without one it was killed, as when memory ran out: "
            f"then lower training.batch_size. Received: {' '.join(str(error).split())[:200]}"
        ) from error
