"""Planned batches as a Keras data adapter, collated ahead of the training step in a thread."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras.src.trainers.data_adapters import data_adapter, data_adapter_utils

from zoo.data.planning import PlannedBatch

PREFETCHED = 8  # batches collated ahead of the training step


class Batches(data_adapter.DataAdapter):
    """Planned batches for `fit`, `evaluate` or a plain loop, collated ahead in a thread.

    Every batch is `(x, y, sample_weight)`, so that there is one signature to compile; rows that
    only fill a batch up have weight 0.

    This is a data adapter and not a `keras.utils.PyDataset` for two reasons: `fit` shuffles a
    `PyDataset` by default, which breaks resuming, and on TensorFlow it infers the shapes of all
    batches from the first two.

    Args:
        plan: A list of `PlannedBatch`: one epoch.
        collate: A function `(indices, length)` that returns `(x, y)`, or `(x, y,
            sample_weight)`, of arrays `[batch, ...]` (or dictionaries of them).
        start: int. The number of batches to skip. Defaults to `0`.

    Raises:
        ValueError: if `start` is not 0 to the number of batches.

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

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        batch = self.plan[index]
        x, y, *weights = self.collate(batch.indices, batch.length)
        counts = (np.arange(len(batch.indices)) < batch.num_real).astype("float32")  # [batch]
        if not weights:
            return x, y, counts

        def counted(weight):
            weight = np.asarray(weight, "float32")  # [batch, ...]
            return weight * counts.reshape(-1, *[1] * (weight.ndim - 1))

        return x, y, keras.tree.map_structure(counted, *weights)

    def __iter__(self) -> Iterator[tuple[Any, Any, Any]]:
        """Yields the batches in order; an error in the thread is raised here."""
        ready: queue.Queue = queue.Queue(PREFETCHED)
        stop = threading.Event()

        def put(item) -> bool:
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.1)
                    return True
                except queue.Full:
                    continue
            return False

        def produce():
            try:
                for index in range(len(self)):
                    if not put((self[index], None)):
                        return
                put((None, None))
            except BaseException as error:
                put((None, error))

        thread = threading.Thread(target=produce, name="zoo-batches", daemon=True)
        thread.start()
        try:
            while True:
                batch, error = ready.get()
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

        # One batch of each length shows which dimensions vary.
        one_of_each = {batch.length: index for index, batch in enumerate(self.plan)}
        samples = [self[index] for index in one_of_each.values()]
        if not samples:
            raise ValueError("Shapes are inferred from batches. Received: a plan without batches")

        def specification(*arrays):
            shapes = zip(*[array.shape for array in arrays], strict=True)
            shape = [sizes[0] if len(set(sizes)) == 1 else None for sizes in shapes]
            return tf.TensorSpec(shape, arrays[0].dtype)

        signature = keras.tree.map_structure(specification, *samples)
        dataset = tf.data.Dataset.from_generator(lambda: iter(self), output_signature=signature)
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            # Keras takes means over the replicas of all inputs, to find their shapes. A functional
            # model casts them to the dtypes of its inputs.
            dataset = dataset.map(
                lambda *batch: keras.tree.map_structure(
                    lambda it: tf.cast(it, "uint8") if it.dtype == tf.bool else it, batch
                )
            )
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
