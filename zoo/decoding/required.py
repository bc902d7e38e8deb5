"""Sequences that a hypothesis must contain: lexically constrained beam search."""

from collections.abc import Iterable, Sequence

import numpy as np
from keras import ops

from zoo.decoding.blocking import LOWEST, power_of_two


def required_table(rows: Iterable[Iterable[Sequence[int]]]) -> np.ndarray:
    """Sequences of tokens as one array, for `required` of `zoo.decoding.beam_search`.

    Args:
        rows: For each source the sequences that its hypotheses must contain; none for some.

    Returns:
        int32 `[batch, sequences, length]`, filled with -1 on the left, and with sequences of -1.
        Both sizes are rounded up to a power of two, so that few shapes are compiled.

    Raises:
        ValueError: if a sequence is empty, or there are none at all.
    """
    lists = [[list(sequence) for sequence in row] for row in rows]
    if not any(lists) or not all(all(row) for row in lists):
        raise ValueError(f"Each sequence must have at least one token. Received: {lists}")
    length = power_of_two(max(len(sequence) for row in lists for sequence in row))
    table = np.full((len(lists), power_of_two(max(map(len, lists))), length), -1, "int32")
    for row, sequences in zip(table, lists, strict=True):
        for place, sequence in zip(row, sequences, strict=False):
            place[length - len(sequence) :] = sequence
    return table


class Required:
    """The sequences that the hypotheses of a search must contain, and how much of them they have.

    Hypotheses are matched with all sequences bit by bit (shift-and). Those with equally many tokens
    of the sequences are a bank, and compete with one another alone: each bank gets an equal share
    of the beam. A hypothesis has the tokens of the sequences that it contains, and those of the
    longest beginning of another one that it ends with.

    Args:
        table: int32 tensor `[batch, sequences, length]` or `[sequences, length]`: see
            `required_table`.
        batch: int.
        max_length: int. Most tokens of a hypothesis.

    Raises:
        ValueError: if the table has another shape.

    References:
        - Post and Vilar 2018, "Fast lexically constrained decoding with dynamic beam allocation",
          section 3. Banks are from Hokamp and Liu 2017, "Grid beam search".
        - Shift-and: Baeza-Yates and Gonnet 1992, "A new approach to text searching".
    """

    def __init__(self, table, batch, max_length):
        table = ops.cast(table, "int32")
        shape = tuple(table.shape)
        if len(shape) not in (2, 3) or 0 in shape or shape[:-2] not in ((), (batch,)):
            raise ValueError(
                "`required` must have the shape [sequences, length] or [batch, sequences, length]: "
                "see `zoo.decoding.required_table`. "
                f"Received: required of shape {shape}, batch={batch}"
            )
        self.table = ops.broadcast_to(table, (batch, *shape[-2:]))
        self.max_length = max_length
        self.num_banks = shape[-2] * shape[-1] + 1
        self.places = ops.cumsum(ops.cast(self.table >= 0, "int32"), axis=-1)  # the tokens up to it
        self.lengths = self.places[..., -1]  # [batch, sequences]
        self.total = ops.sum(self.lengths, axis=-1)  # [batch]

    def start(self, beam):
        """The matches of empty hypotheses: bool `[batch, beam, sequences, length]`.

        True where a hypothesis ends with a sequence up to this token; of a sequence that the
        hypothesis contains everywhere.
        """
        return ops.repeat((self.table < 0)[:, None], beam, axis=1)

    def after(self, matched, tokens):
        """The matches after one more token, `[batch, beam, width, sequences, length]`.

        Args:
            matched: Those before it, `[batch, beam, sequences, length]`.
            tokens: int32 `[batch, beam, width]`.
        """
        before = ops.concatenate([ops.ones_like(matched[..., :1]), matched[..., :-1]], axis=-1)
        table = self.table[:, None, None]
        same = ops.logical_or(table == tokens[..., None, None], table < 0)
        found = ops.logical_and(before[:, :, None], same)
        return ops.logical_or(found, matched[:, :, None, :, -1:])

    def written(self, matched):
        """The number of tokens of the sequences that hypotheses have: `[batch, beam, ...]`."""
        ones = (1,) * (len(matched.shape) - 3)
        batch, sequences, length = self.table.shape
        places = ops.reshape(self.places, (batch, *ones, sequences, length))
        lengths = ops.reshape(self.lengths, (batch, *ones, sequences))
        begun = ops.max(ops.where(matched, places, 0), axis=-1)
        whole = matched[..., -1]
        return ops.sum(ops.where(whole, lengths, 0), axis=-1) + ops.max(
            ops.where(whole, 0, begun), axis=-1
        )

    def missing(self, matched):
        """The number of tokens that hypotheses lack: `[batch, beam, ...]`."""
        written = self.written(matched)
        return ops.reshape(self.total, (-1, *[1] * (len(written.shape) - 1))) - written

    def without_end(self, logits, matched, end_id):
        """Logits `[rows, vocabulary]` with those of the end lowered where a sequence is missing."""
        lacks = ops.reshape(self.missing(matched) > 0, (-1, 1))
        is_end = ops.arange(logits.shape[-1], dtype="int32")[None, :] == end_id
        return ops.where(ops.logical_and(lacks, is_end), LOWEST, logits)

    def continuations(self, logits, matched, tokens):
        """The next token of each sequence that is missing, as more candidates.

        Args:
            logits: Float `[rows, vocabulary]`: of blocked tokens lowered.
            matched: `[batch, beam, sequences, length]`.
            tokens: int32 `[rows, width]`: the candidates that there are.

        Returns:
            Their logits and the tokens, `[rows, sequences]` each; lowered where a token is among
            the candidates already.
        """
        batch, beam, count, length = matched.shape
        begun = ops.max(
            ops.where(matched, self.places[:, None], 0), axis=-1
        )  # [batch, beam, count]
        place = ops.minimum(length - self.lengths[:, None] + begun, length - 1)
        table = ops.broadcast_to(self.table[:, None], (batch, beam, count, length))
        following = ops.take_along_axis(table, place[..., None], axis=-1)[..., 0]
        following = ops.where(matched[..., -1], -1, following)
        following = ops.reshape(following, (batch * beam, count))
        known = ops.any(following[:, :, None] == tokens[:, None, :], axis=-1)
        for i in range(1, count):
            earlier = ops.any(following[:, i : i + 1] == following[:, :i], axis=-1, keepdims=True)
            columns = ops.arange(count, dtype="int32")[None, :] == i
            known = ops.logical_or(known, ops.logical_and(columns, earlier))
        chosen = ops.maximum(following, 0)
        values = ops.take_along_axis(logits, chosen, axis=-1)
        return ops.where(ops.logical_or(known, following < 0), LOWEST, values), chosen

    def fits(self, matched, index):
        """True where the missing tokens still fit, one sequence after another."""
        return self.missing(matched) <= self.max_length - 1 - index

    def allocate(self, scores, matched, possible, count):
        """The places of the candidates to keep: the best of each bank, then the second best, ….

        Args:
            scores: Float `[batch, candidates]`.
            matched: Their matches, `[batch, candidates, sequences, length]`.
            possible: bool `[batch, candidates]`. The others come last.
            count: int. How many to keep.
        """
        order = ops.argsort(ops.where(possible, -scores, -LOWEST), axis=-1)
        order = ops.cast(order, "int32")
        bank = ops.where(possible, self.written(matched), self.num_banks)
        bank = ops.take_along_axis(bank, order, axis=-1)
        banks = ops.arange(self.num_banks, dtype="int32")
        is_in = ops.cast(bank[:, :, None] == banks, "int32")  # [batch, candidates, banks]
        rank = ops.sum(is_in * ops.cumsum(is_in, axis=1), axis=-1) - 1
        rank = ops.where(rank < 0, count, ops.minimum(rank, count))
        candidates = scores.shape[-1]
        turn = rank * candidates + ops.arange(candidates, dtype="int32")
        first = ops.cast(ops.argsort(turn, axis=-1)[:, :count], "int32")
        return ops.take_along_axis(order, first, axis=-1)
