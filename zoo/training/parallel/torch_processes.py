"""Several devices on torch: a process for each, connected by `torch.distributed`.

The first process starts the others itself, or `torchrun` starts all of them.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from zoo.training.devices import Launched
from zoo.training.parallel.group import Group, WorkerError, has_lost, own_draws

JOIN_SECONDS = 120  # within which all processes must have met
STEP_SECONDS = 600  # for which a process waits for the gradients of another one
EPOCH_SECONDS = 7 * 24 * 3600  # for which it waits for the first one to evaluate and save


class TorchGroup(Group):
    """Processes that torch.distributed connects.

    Args:
        rank: int. The number of this process, from 0.
        size: int. The number of processes.
        local_rank: int. The number of its GPU on this machine.
        store: A store of torch.distributed. Defaults to `None`: the one that torchrun names.

    Raises:
        WorkerError: if the first process cannot be reached.
    """

    lost = ("gloo", "NCCL", "closed by peer", "Broken pipe")

    def __init__(self, rank: int, size: int, local_rank: int, store: dist.Store | None = None):
        super().__init__(devices=size)
        self.rank, self.size = rank, size
        on_gpus = torch.cuda.is_available()
        if on_gpus:
            if local_rank >= torch.cuda.device_count():
                raise ValueError(
                    "Each process needs a GPU of its own: start as many processes as this machine "
                    f"has GPUs, {torch.cuda.device_count()}. Received: LOCAL_RANK={local_rank}"
                )
            torch.cuda.set_device(local_rank)
        # gloo for what lies in the memory of the machine, NCCL for gradients on GPUs.
        backend = "cpu:gloo,cuda:nccl" if on_gpus else "gloo"
        place: dict[str, Any] = {"store": store, "rank": rank, "world_size": size} if store else {}
        try:
            dist.init_process_group(backend, timeout=timedelta(seconds=JOIN_SECONDS), **place)
        except dist.DistError as error:
            address = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
            raise WorkerError(
                f"The {size} processes of the training did not meet within {JOIN_SECONDS} seconds: "
                "start all of them, with the address and a free port of the first one in "
                f"MASTER_ADDR and MASTER_PORT. Received: process {rank} at {address}"
            ) from error
        self._steps = dist.new_group(timeout=timedelta(seconds=STEP_SECONDS))
        self._epochs = dist.new_group(backend="gloo", timeout=timedelta(seconds=EPOCH_SECONDS))

    @classmethod
    def of_launcher(cls, place: Launched) -> "TorchGroup":
        """The group of the processes that torchrun has started."""
        return cls(place.rank, place.size, int(os.environ.get("LOCAL_RANK", place.rank)))

    @contextmanager
    def scope(self):
        global _group
        _group = self
        try:
            with own_draws(lambda: self.rank):
                yield
        finally:
            _group = None

    def broadcast(self, data: bytes = b"") -> bytes:
        length = torch.tensor(len(data))
        dist.broadcast(length, 0, group=self._epochs)
        content = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else None
        if content is None:
            content = torch.empty(int(length), dtype=torch.uint8)
        dist.broadcast(content, 0, group=self._epochs)
        return content.numpy().tobytes()

    def metrics(self, model, logs):
        variables = [variable for metric in model.metrics for variable in metric.variables]
        values = [variable.value.clone() for variable in variables]
        for variable, value in zip(variables, mean(values), strict=True):
            variable.assign(value)
        # Ratios of a total and a count: the means give what the sums would.
        logs = {name: float(value) for name, value in model.get_metrics_result().items()}
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return logs

    def mean(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The means of tensors over the processes, in one message."""
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        dist.all_reduce(flat, group=self._steps)
        flat /= self.size
        parts = flat.split([tensor.numel() for tensor in tensors])
        return [part.view(like.shape) for part, like in zip(parts, tensors, strict=True)]

    def abort(self) -> None:
        """Ends a wait for gradients, from another thread."""
        self._steps.abort()

    def leave(self) -> None:
        """Closes the connections."""
        dist.destroy_process_group()


_group: TorchGroup | None = None


def mean(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The means of tensors over the processes, without a gradient; of one process, themselves."""
    if _group is None or tensors[0].is_meta:  # as when Keras infers shapes
        return list(tensors)
    return _group.mean(tensors)


def with_mean_gradients(optimizer: type) -> type:
    """An optimizer class whose `apply` takes the mean of the gradients of all processes."""

    class Mean(optimizer):
        def apply(self, grads, trainable_variables=None):
            global _group
            group = _group
            if group is not None:
                known = [gradient for gradient in grads if gradient is not None]
                means = iter(group.mean(known))
                grads = [gradient if gradient is None else next(means) for gradient in grads]
            _group = None  # the optimizer inside a LossScaleOptimizer gets means already
            try:
                super().apply(grads, trainable_variables)
            finally:
                _group = group

    Mean.__name__ = optimizer.__name__
    return Mean


@contextmanager
def started(size: int, work: tuple[type, type]) -> Iterator[TorchGroup]:
    """Starts the other processes of a training on this machine, and ends them.

    Args:
        size: int. The number of processes, with this one.
        work: The classes of the recipe and of its configuration.

    Raises:
        ValueError: if another process cannot import the classes.
        WorkerError: if one of them ends before the training does.
    """
    names = [_name(it) for it in work]
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder, _loopback():
        yield from _group_of(size, os.path.join(folder, "store"), names)


def _group_of(size, store, names) -> Iterator[TorchGroup]:
    threads = torch.get_num_threads()
    share = max(threads // size, 1)
    workers = [_start(rank, size, share, store, names) for rank in range(1, size)]
    ending = threading.Event()
    try:
        torch.set_num_threads(share)
        for rank, worker in enumerate(workers, 1):
            if worker.stdout.readline() != READY:
                raise WorkerError(_ended(rank, size, worker))
        group = join(0, size, store)
        watch = threading.Thread(
            target=_watch, args=(workers, group, ending), daemon=True, name="zoo-workers"
        )
        watch.start()
        try:
            yield group
        except RuntimeError as error:
            if has_lost(group, error):
                watch.join(timeout=10)
            for rank, worker in enumerate(workers, 1):
                if worker.poll() not in (None, 0):
                    raise WorkerError(_ended(rank, size, worker)) from error
            raise
        finally:
            ending.set()
            group.leave()
    finally:
        torch.set_num_threads(threads)
        for worker in workers:
            worker.stdin.close()  # at which it ends
        for worker in workers:
            worker.wait()
            worker.stdout.close()


READY = b"ready\n"


def _name(work: type) -> str:
    if work.__module__ == "__main__" or "<locals>" in work.__qualname__:
        raise ValueError(
            "The processes of a training import its recipe: define it at the top of a module of "
            f"its own. Received: {work.__module__}.{work.__qualname__}"
        )
    return f"{work.__module__}:{work.__qualname__}"


@contextmanager
def _loopback() -> Iterator[None]:
    """Keeps gloo and NCCL, which check nobody's identity, at 127.0.0.1."""
    names = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
    before = {name: os.environ[name] for name in names if name in os.environ}
    os.environ.update(dict.fromkeys(names, "lo0" if sys.platform == "darwin" else "lo"))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        os.environ.update(before)


def _start(rank, size, threads, store, names) -> Any:  # a Popen whose pipes are open
    environment = os.environ | {
        "KERAS_BACKEND": "torch",
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    worker: Any = subprocess.Popen(
        [sys.executable, "-c", "from zoo.training.parallel.worker import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    worker.stdin.write(json.dumps([rank, size, store, *names]).encode() + b"\n")
    worker.stdin.flush()
    return worker


def _watch(workers, group, ending) -> None:
    """Breaks the connections off when a worker dies: NCCL would wait for it for minutes."""
    while not ending.wait(1):
        if any(worker.poll() not in (None, 0) for worker in workers):
            if torch.cuda.is_available():
                group.abort()
            return


def _ended(rank, size, worker) -> str:
    code = worker.wait()
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return (
        "A training on several devices needs all its processes: see the message above, or lower "
        f"training.batch_size if memory ran out. Received: process {rank} of {size}, which {how}"
    )


def join(rank: int, size: int, store: str) -> TorchGroup:
    """Connects a process to the others of this machine, through a file."""
    return TorchGroup(rank, size, rank, dist.FileStore(store, size))
