"""Several machines on JAX: `jax.distributed`, and one batch for the devices of all processes."""

import socket
import time
from typing import Any

import jax
import numpy as np
from jax._src import distributed  # the values that processes share have no public name
from jax.experimental import multihost_utils

from zoo.training.devices import Launched
from zoo.training.parallel.group import Group, WorkerError

JOIN_SECONDS = 120  # within which all processes must have met
SHUTDOWN_SECONDS = 10  # for which a process that ends waits for the others
POLL_SECONDS = 5  # after which a waiting process looks for signals


class JaxGroup(Group):
    """Processes that jax.distributed connects.

    Args:
        place: The number of this process, and the address of the first one.

    Raises:
        WorkerError: if the first process cannot be reached.
    """

    lost = ("Gloo", "gloo", "NCCL", "oordination", "UNAVAILABLE")

    def __init__(self, place: Launched):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        try:
            if place.rank:  # JAX would abort the process, without a message for its user
                _wait_for_address(place.address)
            jax.distributed.initialize(
                place.address,
                place.size,
                place.rank,
                initialization_timeout=JOIN_SECONDS,
                shutdown_timeout_seconds=SHUTDOWN_SECONDS,
            )
        except (OSError, RuntimeError) as error:
            raise WorkerError(
                f"The {place.size} processes of the training did not meet within {JOIN_SECONDS} "
                "seconds: start all of them, with the address and a free port of the first one in "
                "KERAS_DISTRIBUTION_JOB_ADDRESSES. "
                f"Received: process {place.rank} at {place.address}"
            ) from error
        super().__init__(devices=jax.device_count())
        self.rank, self.size = place.rank, place.size
        self._sent = 0

    def broadcast(self, data: bytes = b"") -> bytes:
        # A collective waits for seconds only, so the length is announced by the coordinator.
        self._sent += 1
        key = f"zoo/{self._sent}"
        client: Any = distributed.global_state.client
        if self.rank == 0:
            client.key_value_set(key, str(len(data)))
            content = np.frombuffer(data, "uint8")
        else:
            content = np.zeros(int(_wait_for(client, key)), "uint8")
        return multihost_utils.broadcast_one_to_all(content).tobytes()

    def leave(self) -> None:
        """Closes the connections, once all processes have finished."""
        jax.distributed.shutdown()


def _wait_for_address(address: str) -> None:
    """Waits until something listens at an address."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + JOIN_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=POLL_SECONDS).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _wait_for(client, key: str) -> str:
    """The value of a key, for which the first process may take long: it evaluates, and saves."""
    while True:
        try:
            return client.blocking_key_value_get(key, POLL_SECONDS * 1000)
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise
