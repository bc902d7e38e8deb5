"""Batches of few shapes, in an order that a seed and an epoch decide.

Each new shape costs a compilation, so sequences are grouped by length into a few buckets, each
padded to its boundary, and every batch of a bucket has the same number of rows.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.src.trainers.data_adapters import data_adapter, data_adapter_utils

PREFETCHED = 8  # batches made ahead of the training step


@dataclass(frozen=True)
class PlannedBatch:
    """Which rows make a batch, and how long they are padded.

    Attributes:
        length: int. The length of the bucket.
        indices: int array `[batch]`. Rows of the data; those past `num_real` fill the batch up.
        num_real: int. How many rows, from the first, count.
    """

    length: int
    indices: np.ndarray
    num_real: int


def default_boundaries(lengths: Sequence[int], count: int = 4) -> list[int]:
    """Chooses the bucket lengths that need the least padding.

    Args:
        lengths: The length of each sequence.
        count: int. The most buckets, 1 to 6. Defaults to `4`.

    Returns:
        At most `count` rising multiples of 8; the last is no less than the longest length.
    """
    lengths = np.asarray(lengths, "int64")
    if lengths.size == 0:
        raise ValueError("Boundaries need at least one length. Received: lengths=[]")
    if not 1 <= count <= 6:
        raise ValueError(
            f"count must be 1 to 6, for each bucket costs a compilation. Received: count={count}"
        )
    candidates, rows = np.unique(np.maximum(-(-lengths // 8) * 8, 8), return_counts=True)
    if len(candidates) > 256:  # thin them out, so that the table below stays small
        kept = np.unique(np.linspace(0, len(candidates) - 1, 256).round().astype("int64"))
        rows = np.add.reduceat(rows, np.append(0, kept[:-1] + 1))
        candidates = candidates[kept]
    rows_before = np.append(0, np.cumsum(rows))
    # cells[i, j]: one bucket that holds candidates[i:j], as long as candidates[j - 1]
    cells = (rows_before[None, :] - rows_before[:, None]) * np.append(0, candidates)[None, :]
    cells = np.where(np.tri(len(rows_before), k=-1).T > 0, cells, np.inf)
    best, cuts = cells[0], []  # best[j]: the fewest cells that hold candidates[:j]
    for _ in range(min(count, len(candidates)) - 1):  # each round adds a bucket
        totals = best[:, None] + cells
        cuts.append(totals.argmin(axis=0))
        best = totals.min(axis=0)
    end, boundaries = len(candidates), [int(candidates[-1])]
    for cut in reversed(cuts):
        end = int(cut[end])
        boundaries.append(int(candidates[end - 1]))
    return boundaries[::-1]


def plan_batches(
    lengths: Sequence[int],
    boundaries: Sequence[int],
    batch_size: int,
    *,
    batch_tokens: int | None = None,
    seed: int | None = None,
    epoch: int = 0,
) -> list[PlannedBatch]:
    """Puts each row into one batch of its bucket, once.

    A row goes to the shortest bucket that holds it, one longer than all to the last (where
    the collate function cuts it). The last batch of a bucket is filled up by repeating its
    rows.

    Args:
        lengths: The length of each row.
        boundaries: The lengths of the buckets.
        batch_size: int. Rows in each batch.
        batch_tokens: int. Steps in each batch, padding included, whatever their bucket: one has
            `batch_tokens // boundary` rows then, and `batch_size` is not looked at. Defaults to
            `None`.
        seed: int. With it, rows and batches come in an order that depends on `(seed, epoch)`
            alone, so that any epoch can be planned again. Defaults to `None`: by bucket, each
            in the order of the data.
        epoch: int. Defaults to `0`.

    Returns:
        A list of `PlannedBatch`.
    """
    lengths = np.asarray(lengths, "int64")
    boundaries = np.unique(np.asarray(boundaries, "int64"))
    if boundaries.size == 0 or boundaries[0] < 1:
        raise ValueError(
            f"boundaries must be one or more lengths of at least 1. Received: {boundaries.tolist()}"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1. Received: batch_size={batch_size}")
    if batch_tokens is not None and batch_tokens < boundaries[-1]:
        raise ValueError(
            f"batch_tokens must hold a row of the longest bucket, {boundaries[-1]}. "
            f"Received: batch_tokens={batch_tokens}"
        )
    if seed is not None and (seed < 0 or epoch < 0):
        raise ValueError(
            f"seed and epoch must not be negative. Received: seed={seed}, epoch={epoch}"
        )
    random = None if seed is None else np.random.default_rng([seed, epoch])
    buckets = np.minimum(np.searchsorted(boundaries, lengths), len(boundaries) - 1)
    plan = []
    for bucket, boundary in enumerate(boundaries):
        size = batch_size if batch_tokens is None else batch_tokens // int(boundary)
        rows = np.flatnonzero(buckets == bucket)
        if random is not None:
            rows = random.permutation(rows)
        for first in range(0, len(rows), size):
            chunk = rows[first : first + size]
            plan.append(PlannedBatch(int(boundary), np.resize(chunk, size), len(chunk)))
    if random is not None:
        plan = [plan[i] for i in random.permutation(len(plan))]
    return plan


class Batches(data_adapter.DataAdapter):
    """Planned batches, collated ahead in a thread, for `fit`, `evaluate` or a plain loop.

    Every batch is `(x, y, sample_weight)`, so that there is one signature to compile; rows
    that only fill a batch up weigh 0. `fit` never shuffles them.

    A `keras.utils.PyDataset` would do but for two things: `fit` shuffles one unless told not
    to, which breaks resuming, and on TensorFlow takes the shapes of its first two batches for
    those of all. So this is the data adapter itself, which `fit` takes as it is.

    Args:
        plan: A list of `PlannedBatch`: one epoch.
        collate: A function `(indices, length)` that returns `(x, y)`, or `(x, y,
            sample_weight)`, of arrays `[batch, ...]` (or dictionaries of them).
        start: int. How many batches of the plan to pass over. Defaults to `0`.

    Example:

    ```python
    for epoch in range(epochs):
        plan = plan_batches(lengths, boundaries, 64, seed=seed, epoch=epoch)
        keras.Model.fit(model, Batches(plan, collate))
    ```
    """

    def __init__(
        self,
        plan: Sequence[PlannedBatch],
        collate: Callable[[np.ndarray, int], tuple],
        start: int = 0,
    ):
        if not 0 <= start <= len(plan):
            raise ValueError(
                f"start must be 0 to the number of planned batches, {len(plan)}. "
                f"Received: start={start}"
            )
        self.plan = list(plan[start:])
        self.collate = collate

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> tuple[Any, Any, np.ndarray]:
        batch = self.plan[index]
        x, y, *weights = self.collate(batch.indices, batch.length)
        counts = (np.arange(len(batch.indices)) < batch.num_real).astype("float32")  # [batch]
        if not weights:
            return x, y, counts
        (weight,) = weights
        weight = np.asarray(weight, "float32")  # [batch, ...]
        return x, y, weight * counts.reshape(-1, *[1] * (weight.ndim - 1))

    def __iter__(self) -> Iterator[tuple[Any, Any, np.ndarray]]:
        """The batches in order, made ahead in a thread; an error there is raised here."""
        made: queue.Queue = queue.Queue(PREFETCHED)
        stop = threading.Event()

        def hand_over(item) -> bool:
            while not stop.is_set():
                try:
                    made.put(item, timeout=0.1)
                    return True
                except queue.Full:
                    continue
            return False

        def make():
            try:
                for index in range(len(self)):
                    if not hand_over((self[index], None)):
                        return
                hand_over((None, None))
            except BaseException as error:
                hand_over((None, error))

        thread = threading.Thread(target=make, name="zoo-batches", daemon=True)
        thread.start()
        try:
            while True:
                batch, error = made.get()
                if error is not None:
                    raise error
                if batch is None:
                    return
                yield batch
        finally:
            stop.set()
            thread.join()

    def get_numpy_iterator(self):
        return iter(self)

    def get_jax_iterator(self):
        return iter(self)

    def get_torch_dataloader(self):
        return data_adapter_utils.get_torch_dataloader(iter(self))

    def get_tf_dataset(self):
        import tensorflow as tf

        # One batch of each length tells which dimensions vary.
        one_of_each = {batch.length: index for index, batch in enumerate(self.plan)}
        samples = [self[index] for index in one_of_each.values()]
        if not samples:
            raise ValueError("There is no batch to take shapes from. Received: an empty plan.")

        def specification(*arrays):
            shapes = zip(*[array.shape for array in arrays], strict=True)
            shape = [sizes[0] if len(set(sizes)) == 1 else None for sizes in shapes]
            return tf.TensorSpec(shape, arrays[0].dtype)

        signature = keras.tree.map_structure(specification, *samples)
        dataset = tf.data.Dataset.from_generator(lambda: iter(self), output_signature=signature)
        return dataset.prefetch(2)

    @property
    def num_batches(self) -> int:
        return len(self)

    @property
    def batch_size(self) -> int | None:
        sizes = {len(batch.indices) for batch in self.plan}
        return sizes.pop() if len(sizes) == 1 else None

    @property
    def has_partial_batch(self) -> bool:
        return False

    @property
    def partial_batch_size(self) -> None:
        return None
