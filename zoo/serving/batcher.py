"""Micro-batching: simultaneous requests are answered by one call of the model."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from zoo.checks import check_integer, check_number


class Busy(RuntimeError):
    """More inputs wait than a `MicroBatcher` allows."""


@dataclass
class _Request:
    inputs: Sequence[Any]
    options: dict[str, Any]
    arrival: float
    answers: Future = field(default_factory=Future)


class MicroBatcher:
    """Calls a function on the inputs of several threads together.

    One thread calls the function. It takes the oldest request and all others with equal options,
    up to `max_inputs`; one with a `seed` it runs alone. While the function runs, requests collect.
    If the last batch was of several requests, their clients are about to send the next ones: an
    incomplete batch then waits until its oldest request is `max_wait` seconds old. A single client
    never waits. If a batch of several requests fails, each is run alone, so that bad input fails
    only its own request.

    Args:
        infer: Function from a list of inputs, and keyword arguments, to a list of their answers.
        max_inputs: int. Most inputs of a batch of several requests; a request with more runs alone.
            Defaults to `32`.
        max_wait: float. Longest time in seconds for which a request waits for others while the
            function is idle. Defaults to `0.005`.
        max_waiting: int. Most inputs of all requests that wait. Defaults to `4096`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        infer: Callable[..., list],
        max_inputs: int = 32,
        max_wait: float = 0.005,
        max_waiting: int = 4096,
    ):
        check_integer("max_inputs", max_inputs, 1)
        check_integer("max_waiting", max_waiting, 1)
        check_number("max_wait", max_wait, 0, 60)
        self.max_inputs, self.max_wait, self.max_waiting = max_inputs, max_wait, max_waiting
        self._infer = infer
        self._queue: deque[_Request] = deque()
        self._closed = False
        self._crowded = False  # whether the last batch was of several requests
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="micro-batches", daemon=True)
        self._thread.start()

    def infer(self, inputs: Sequence[Any], **options) -> list:
        """Answers inputs, in one batch with those of other threads.

        Args:
            inputs: A list of inputs.
            **options: Keyword arguments of the function.

        Returns:
            The answers, in order.

        Raises:
            Busy: if more than `max_waiting` inputs would wait.
            RuntimeError: if the batcher is closed.
            Exception: what the function raises for these inputs.
        """
        return self.submit(inputs, **options).result()

    def submit(self, inputs: Sequence[Any], **options) -> Future:
        """Like `infer`, without waiting: returns the future of the answers."""
        request = _Request(inputs, options, time.monotonic())
        with self._changed:
            if self._closed:
                raise RuntimeError("The server is stopping. Send the request to another one.")
            waiting = sum(len(one.inputs) for one in self._queue)
            if self._queue and waiting + len(inputs) > self.max_waiting:
                raise Busy(
                    f"At most {self.max_waiting:,} inputs can wait: send the request again later. "
                    f"Received: {len(inputs):,} inputs while {waiting:,} wait"
                )
            self._queue.append(request)
            self._changed.notify_all()
        return request.answers

    def close(self) -> None:
        """Answers the requests that wait, and refuses others."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self):
        while batch := self._next():
            self._run(batch)

    def _next(self) -> list[_Request]:
        """The requests of the next batch; none if the batcher is closed."""
        with self._changed:
            while not self._queue:
                if self._closed:
                    return []
                self._changed.wait()
            latest = self._queue[0].arrival + self.max_wait
            while (
                self._crowded and not self._closed and self._size(self._fitting()) < self.max_inputs
            ):
                if (left := latest - time.monotonic()) <= 0:
                    break
                self._changed.wait(left)
            batch = self._fitting()
            self._crowded = len(batch) > 1
            taken = set(map(id, batch))
            self._queue = deque(one for one in self._queue if id(one) not in taken)
            return batch

    def _fitting(self) -> list[_Request]:
        """The oldest request, and the others that fit into a batch with it."""
        first = self._queue[0]
        batch, size = [first], len(first.inputs)
        if first.options.get("seed") is not None:  # what is drawn depends on the place in a batch
            return batch
        for one in list(self._queue)[1:]:
            if one.options == first.options and size + len(one.inputs) <= self.max_inputs:
                batch.append(one)
                size += len(one.inputs)
        return batch

    @staticmethod
    def _size(batch: list[_Request]) -> int:
        return sum(len(one.inputs) for one in batch)

    def _run(self, batch: list[_Request]) -> None:
        inputs = [item for one in batch for item in one.inputs]
        try:
            answers = self._infer(inputs, **batch[0].options)
        except Exception as error:
            if len(batch) == 1:
                batch[0].answers.set_exception(error)
            else:
                for one in batch:
                    self._run([one])
            return
        start = 0
        for one in batch:
            one.answers.set_result(answers[start : start + len(one.inputs)])
            start += len(one.inputs)
