"""Batches of sequences of similar length, padded to a few shapes, and results in input order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from zoo.checks import MAX_BATCH, check_integer
from zoo.decoding import compiled

# Most time steps of a batch, padding included: 512 rows of 16, 64 of 128, 4 of 2,048. Larger
# batches are no faster on a CPU, and take more memory: kilobytes for the hidden states, characters
# or logits of each step, and in self-attention a weight for each pair of steps of a row, so that
# 64 rows of 2,048 words took gigabytes.
MAX_INFERENCE_STEPS = 8192

# Most scores of one step of a search: 256 MB in float32.
MAX_STEP_SCORES = 1 << 26

_PROGRAM = "_zoo_program"  # the attribute of a model that holds its compiled call


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

    Batch sizes and padded lengths are powers of two, so that a model is compiled for few shapes. No
    batch has more than `MAX_INFERENCE_STEPS` time steps, unless a single sequence is longer: one
    long text beside many short ones is run alone.

    Args:
        lengths: The length of each sequence.
        batch_size: int. Most sequences in a batch.
        min_length: int. The smallest padded length. Defaults to `1`.
        skip_empty: bool. Whether to leave out sequences of length 0. Defaults to `False`.

    Raises:
        ValueError: if `batch_size` is not an integer of at least 1.
    """
    check_integer("batch_size", batch_size, 1, MAX_BATCH)
    rows = [row for row, length in enumerate(lengths) if length or not skip_empty]
    found: list[Batch] = []
    taken: list[int] = []
    for row in sorted(rows, key=lengths.__getitem__):
        length = bucket_size(lengths[row], min_length)
        if taken and len(taken) >= _most_rows(length, batch_size):
            found.append(_batch(taken, lengths, batch_size, min_length))
            taken = []
        taken.append(row)
    return [*found, _batch(taken, lengths, batch_size, min_length)] if taken else found


def _most_rows(length: int, batch_size: int) -> int:
    return max(min(batch_size, MAX_INFERENCE_STEPS // length), 1)


def _batch(rows: list[int], lengths: Sequence[int], batch_size: int, min_length: int) -> Batch:
    """The batch of rows that are sorted by length."""
    length = bucket_size(lengths[rows[-1]], min_length)
    size = min(bucket_size(len(rows)), _most_rows(length, batch_size))
    return Batch(rows, length, size - len(rows))


def rows_within(batch_size: int, scores: int) -> int:
    """The batch size, or fewer rows if each is decoded with so many scores at a step.

    Args:
        batch_size: int. Most rows.
        scores: int. Scores of each row at one step, such as beam × vocabulary.

    Raises:
        ValueError: if `batch_size` is not an integer from 1 to `zoo.checks.MAX_BATCH`.
    """
    check_integer("batch_size", batch_size, 1, MAX_BATCH)
    return max(1, min(batch_size, MAX_STEP_SCORES // scores))


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
    check_integer("batch_size", batch_size, 1, MAX_BATCH)
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
    """Outputs of a model for one batch of preprocessed inputs, as NumPy arrays.

    The same numbers as `keras.Model.predict_on_batch`, which two threads may not call: on JAX it
    takes the variables away from the model while it runs. The program, compiled once for each
    shape, is kept with the model.

    Args:
        model: A functional model. The preprocessing of a task is not run.
        inputs: A nesting of arrays, as the model takes it.
    """
    program = vars(model).get(_PROGRAM)
    if program is None:  # several threads may make one; all use the first
        made = compiled(lambda inputs: model(inputs, training=False), [model], xla=False)
        program = vars(model).setdefault(_PROGRAM, made)  # not by `setattr`, which Keras tracks
    return keras.tree.map_structure(keras.ops.convert_to_numpy, program(inputs))
