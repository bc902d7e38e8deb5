"""Batches of sequences of similar length, padded to a few shapes, and results in input order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from zoo.checks import check_integer


@dataclass(frozen=True)
class Batch:
    """Sequences that are run together.

    Attributes:
        rows: Their places in the input.
        length: The length to pad them to.
        num_filling: Number of rows to add, so that the batch has one of few sizes.
    """

    rows: list[int]
    length: int
    num_filling: int

    def take(self, items: Sequence[Any]) -> list[Any]:
        """The items at `rows`, the last of them repeated `num_filling` times."""
        taken = [items[row] for row in self.rows]
        return taken + taken[-1:] * self.num_filling


def batches(
    lengths: Sequence[int], batch_size: int, min_length: int = 1, skip_empty: bool = False
) -> list[Batch]:
    """Groups sequences by length, the shortest first.

    Batch sizes and padded lengths are powers of two, so that a model is compiled for few shapes.

    Args:
        lengths: The length of each sequence.
        batch_size: int. Most sequences in a batch.
        min_length: int. The smallest padded length. Defaults to `1`.
        skip_empty: bool. Whether to leave out sequences of length 0. Defaults to `False`.

    Raises:
        ValueError: if `batch_size` is not an integer of at least 1.
    """
    check_integer("batch_size", batch_size, minimum=1)
    rows = [row for row, length in enumerate(lengths) if length or not skip_empty]
    order = sorted(rows, key=lengths.__getitem__)
    grouped = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return [
        Batch(
            rows,
            bucket_size(lengths[rows[-1]], min_length),
            min(bucket_size(len(rows)), batch_size) - len(rows),
        )
        for rows in grouped
    ]


def run_batches(
    run: Callable[[Batch], Sequence[Any]],
    lengths: Sequence[int],
    batch_size: int,
    min_length: int = 1,
    empty: Any = None,
) -> list[Any]:
    """Runs sequences in batches and returns the result of each, in input order.

    Args:
        run: Takes a `Batch` and returns the result of each of its `rows`, in their order.
        lengths, batch_size, min_length: See `batches`.
        empty: The result of sequences of length 0, which are then not run. Defaults to `None`:
            they are run as the others.
    """
    results: list[Any] = [empty] * len(lengths)
    for batch in batches(lengths, batch_size, min_length, skip_empty=empty is not None):
        for row, result in zip(batch.rows, run(batch), strict=True):
            results[row] = result
    return results


def run_by_length(
    run: Callable[[Batch], Sequence[Any]],
    lengths: Sequence[int],
    batch_size: int,
    min_length: int,
    empty: Any,
) -> list[Any]:
    """As `run_batches`, in batches of sequences with one padded length.

    For results that depend on the padded length, such as the most tokens that are generated: no
    result then depends on the other sequences.

    Args:
        run, lengths, batch_size, min_length, empty: See `run_batches`.
    """
    check_integer("batch_size", batch_size, minimum=1)
    groups: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        groups.setdefault(bucket_size(length, min_length), []).append(row)
    results: list[Any] = [empty] * len(lengths)
    for rows in groups.values():

        def run_rows(batch, rows=rows):
            return run(replace(batch, rows=[rows[i] for i in batch.rows]))

        found = run_batches(run_rows, [lengths[i] for i in rows], batch_size, min_length, empty)
        for row, result in zip(rows, found, strict=True):
            results[row] = result
    return results


def bucket_size(size: int, minimum: int = 1) -> int:
    """The smallest power of two that is at least `size`, or `minimum` if that is larger."""
    return max(minimum, 1 << max(size - 1, 0).bit_length())


def pad(
    sequences: Sequence[Sequence[int]], length: int, pad_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pads sequences of ids on the right, or truncates them.

    Args:
        sequences: Lists of ids.
        length: int. Length to pad or truncate to.
        pad_id: int.

    Returns:
        The ids, int32 `[batch, length]`, and the padding mask, bool `[batch, length]`, true on
        the ids of the sequence.
    """
    ids = np.full((len(sequences), length), pad_id, "int32")
    for row, sequence in zip(ids, sequences, strict=True):
        row[: len(sequence)] = sequence[:length]
    lengths = np.array([min(len(sequence), length) for sequence in sequences], "int32")
    return ids, np.arange(length)[None, :] < lengths[:, None]


def predict(model: keras.Model, inputs: Any) -> Any:
    """Outputs of a model for one batch of preprocessed inputs, as NumPy arrays."""
    # `predict_on_batch` of a KerasHub task would preprocess the inputs again.
    outputs = keras.Model.predict_on_batch(model, inputs)
    return keras.tree.map_structure(np.asarray, outputs)
