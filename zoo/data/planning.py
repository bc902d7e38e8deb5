"""Planning of batches: buckets by length, and an order that depends on a seed and an epoch.

Each new shape costs a compilation, so sequences are grouped by length into a few buckets, each
padded to its boundary, and all batches of a bucket have the same number of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

# Most time steps of a batch that is planned by rows: 64 rows of 256. Without a bound, one line of
# 2,000 words in a file makes batches of 64 × 2,000, whose training takes gigabytes.
MAX_BATCH_STEPS = 16_384


@dataclass(frozen=True)
class PlannedBatch:
    """The rows of a batch, and the length to which they are padded.

    Attributes:
        length: int. The length of the bucket.
        indices: int array `[batch]`. Rows of the data; those after the first `num_real` only fill
            the batch up.
        num_real: int. The number of rows that count.
    """

    length: int
    indices: np.ndarray
    num_real: int


def default_boundaries(lengths: Sequence[int], count: int = 4) -> list[int]:
    """Chooses the bucket lengths that need the least padding.

    Args:
        lengths: The length of each sequence.
        count: int. The greatest number of buckets, 1 to 6. Defaults to `4`.

    Returns:
        At most `count` rising multiples of 8, of which the last is at least the longest length.

    Raises:
        ValueError: if there are no lengths, or `count` is not 1 to 6.
    """
    lengths = np.asarray(lengths, "int64")
    if lengths.size == 0:
        raise ValueError("Boundaries need at least one length. Received: lengths=[]")
    if not 1 <= count <= 6:
        raise ValueError(
            f"count must be 1 to 6: each bucket costs a compilation. Received: count={count}"
        )
    candidates, rows = np.unique(np.maximum(-(-lengths // 8) * 8, 8), return_counts=True)
    if len(candidates) > 256:  # fewer, so that the table below stays small
        kept = np.unique(np.linspace(0, len(candidates) - 1, 256).round().astype("int64"))
        rows = np.add.reduceat(rows, np.append(0, kept[:-1] + 1))
        candidates = candidates[kept]
    rows_before = np.append(0, np.cumsum(rows))
    # cells[i, j]: cells of one bucket for candidates[i:j], of length candidates[j - 1]
    cells = (rows_before[None, :] - rows_before[:, None]) * np.append(0, candidates)[None, :]
    cells = np.where(np.tri(len(rows_before), k=-1).T > 0, cells, np.inf)
    best, cuts = cells[0], []  # best[j]: the fewest cells for candidates[:j]
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
    multiple: int = 1,
    seed: int | None = None,
    epoch: int = 0,
) -> list[PlannedBatch]:
    """Assigns each row to one batch of its bucket.

    The bucket of a row is the shortest that holds it, or the longest if none does (the collate
    function truncates the row). The last batch of a bucket is filled up with its own rows.

    Args:
        lengths: The length of each row.
        boundaries: The lengths of the buckets.
        batch_size: int. Rows in each batch, and fewer in a bucket where they would be more than
            `MAX_BATCH_STEPS` time steps, padding included; at least one.
        batch_tokens: int. Time steps in each batch, padding included: a batch has
            `batch_tokens // boundary` rows, and `batch_size` is ignored. Defaults to `None`.
        multiple: int. The number of rows of a batch is a multiple of it, and at least that: the
            number of devices that share a batch. Defaults to `1`.
        seed: int. Seed of the order of rows and batches, which depends on `(seed, epoch)` alone,
            so that any epoch can be planned again. Defaults to `None`, which keeps the order of
            the data within each bucket.
        epoch: int. Number of the epoch. Defaults to `0`.

    Returns:
        A list of `PlannedBatch`.

    Raises:
        ValueError: if an argument is out of range.
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
        size = (batch_tokens or MAX_BATCH_STEPS) // int(boundary)
        if batch_tokens is None:
            size = min(size, batch_size)
        size = max(size // multiple, 1) * multiple
        rows = np.flatnonzero(buckets == bucket)
        if random is not None:
            rows = random.permutation(rows)
        for first in range(0, len(rows), size):
            chunk = rows[first : first + size]
            plan.append(PlannedBatch(int(boundary), np.resize(chunk, size), len(chunk)))
    if random is not None:
        plan = [plan[i] for i in random.permutation(len(plan))]
    return plan


def in_pairs(plan: Sequence[PlannedBatch]) -> list[PlannedBatch]:
    """A plan in which each row is two rows of its batch, one after the other."""
    return [
        replace(batch, indices=np.repeat(batch.indices, 2), num_real=2 * batch.num_real)
        for batch in plan
    ]


def part_of(batch: PlannedBatch, number: int, count: int) -> PlannedBatch:
    """One of `count` parts of a batch with equally many rows; `number` counts from 0."""
    rows = len(batch.indices) // count
    first = number * rows
    real = min(max(batch.num_real - first, 0), rows)
    return replace(batch, indices=batch.indices[first : first + rows], num_real=real)
