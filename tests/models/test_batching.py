"""Batches of sequences: shapes, order, padding."""

import numpy as np
import pytest

from zoo.models.batching import MAX_INFERENCE_STEPS, Batch, batches, bucket_size, pad, run_batches

pytestmark = pytest.mark.once

LENGTHS = [5, 0, 17, 3, 16]


def test_sequences_are_grouped_by_length():
    assert batches(LENGTHS, 2, min_length=4) == [
        Batch([1, 3], 4, 0),
        Batch([0, 4], 16, 0),
        Batch([2], 32, 0),
    ]
    assert batches(LENGTHS, 64) == [Batch([1, 3, 0, 4, 2], 32, 3)]
    assert batches(LENGTHS, 6, skip_empty=True) == [Batch([3, 0, 4, 2], 32, 0)]
    assert batches(LENGTHS, 5)[0].num_filling == 0  # never more rows than batch_size
    assert batches([], 2) == []


def test_batches_are_bounded_by_their_steps():
    """A batch is padded to its longest: one long text must not make all of them long."""
    lengths = [5] * 63 + [2000]
    assert batches(lengths, 64, 16) == [
        Batch([*range(63)], 16, 1),
        Batch([63], 2048, 0),
    ]
    random = np.random.default_rng(0)
    lengths = [*random.integers(0, 300, 500).tolist(), *random.integers(0, 9000, 40).tolist()]
    found = batches(lengths, 256, 16)
    assert sorted(row for batch in found for row in batch.rows) == list(range(540))
    shapes = {(len(batch.rows) + batch.num_filling, batch.length) for batch in found}
    assert max(rows * length for rows, length in shapes if rows > 1) == MAX_INFERENCE_STEPS
    assert (1, 16_384) in shapes  # a single text is run however long it is
    assert all(rows & (rows - 1) == 0 for rows, _ in shapes) and len(shapes) <= 16


def test_filling_rows_repeat_the_last():
    assert Batch([2, 0, 1], 4, 1).take(["a", "b", "c"]) == ["c", "a", "b", "b"]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_results_are_in_input_order(batch_size):
    def run(batch):
        assert all(LENGTHS[row] <= batch.length for row in batch.rows)
        return [(row, LENGTHS[row]) for row in batch.rows]

    assert run_batches(run, LENGTHS, batch_size) == list(enumerate(LENGTHS))
    expected = [(i, n) if n else "empty" for i, n in enumerate(LENGTHS)]
    assert run_batches(run, LENGTHS, batch_size, empty="empty") == expected
    assert run_batches(run, [], batch_size) == []


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "3", [2], None, True])
def test_invalid_batch_sizes_raise(batch_size):
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1. Received"):
        batches([1], batch_size)


def test_bucket_sizes_are_powers_of_two():
    assert [bucket_size(n) for n in (0, 1, 2, 3, 4, 5, 64, 65)] == [1, 1, 2, 4, 4, 8, 64, 128]
    assert bucket_size(3, minimum=16) == 16


def test_padding_and_truncation():
    ids, mask = pad([[5, 6, 7], [], [8]], 2, pad_id=9)
    np.testing.assert_array_equal(ids, [[5, 6], [9, 9], [8, 9]])
    np.testing.assert_array_equal(mask, [[True, True], [False, False], [True, False]])
    assert ids.dtype == "int32" and mask.dtype == bool
