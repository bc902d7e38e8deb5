"""Limits on the next token: forced, forbidden and repeated ones, and too early ends."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from zoo.checks import check_limits, check_repetition_penalty
from zoo.decoding.lexicon import Lexicon

# Lower than any log-probability, and finite.
LOWEST = -1e9


class Limits(NamedTuple):
    """Limits on the tokens of a hypothesis. See `zoo.decoding.beam_search`."""

    min_length: int = 0
    no_repeat_ngram: int = 0
    repetition_penalty: float = 1.0
    prefix: Any = None
    forbidden: Any = None
    lexicon: Any = None

    def checked(self, max_length, batch, beam):
        """The limits with tensors for all rows, `prefix` as int32 `[batch * beam, length]`.

        Raises:
            ValueError: if one has another type or shape, is out of its range, or `prefix` has
                `max_length` tokens or more.
        """
        check_limits(max_length, self.min_length, self.no_repeat_ngram)
        check_repetition_penalty(self.repetition_penalty)
        prefix, forbidden, lexicon = self.prefix, self.forbidden, self.lexicon
        if prefix is not None:
            prefix = ops.cast(prefix, "int32")
            shape = tuple(prefix.shape)
            if shape[:-1] not in ((), (batch,)) or not 0 < shape[-1] < max_length:
                raise ValueError(
                    "`prefix` must have the shape [length] or [batch, length], and fewer tokens "
                    "than `max_length`, which counts the end token. "
                    f"Received: prefix of shape {shape}, max_length={max_length}, batch={batch}"
                )
            prefix = ops.repeat(ops.broadcast_to(prefix, (batch, shape[-1])), beam, axis=0)
        if forbidden is not None:
            forbidden = ops.cast(forbidden, "int32")
            if len(forbidden.shape) != 2 or 0 in forbidden.shape:
                raise ValueError(
                    "`forbidden` must have the shape [sequences, length]: see "
                    "`zoo.decoding.token_table`. "
                    f"Received: forbidden of shape {tuple(forbidden.shape)}"
                )
        if lexicon is not None:
            lexicon = ops.cast(lexicon, "int32")
            if len(lexicon.shape) != 2 or 0 in lexicon.shape:
                raise ValueError(
                    "`lexicon` must have the shape [nodes, vocabulary]: see "
                    f"`zoo.decoding.Lexicon.table`. Received: shape {tuple(lexicon.shape)}"
                )
        return self._replace(prefix=prefix, forbidden=forbidden, lexicon=lexicon)


def token_table(sequences: Iterable[Sequence[int]]) -> np.ndarray:
    """Sequences of tokens as one array, for `forbidden` of `zoo.decoding.beam_search`.

    Args:
        sequences: Sequences of tokens, each of at least one.

    Returns:
        int32 `[sequences, length]`, filled with -1 on the left. Both sizes are rounded up to a
        power of two, so that few shapes are compiled; the first sequence fills the rest.

    Raises:
        ValueError: if there is no sequence, or an empty one.
    """
    rows = [list(row) for row in sequences]
    if not rows or not all(rows):
        raise ValueError(f"Each sequence must have at least one token. Received: {rows}")
    rows += rows[:1] * (power_of_two(len(rows)) - len(rows))
    length = power_of_two(max(map(len, rows)))
    return np.array([[-1] * (length - len(row)) + row for row in rows], "int32")


def limit(logits, index, tokens, end_id, limits, nodes=None):
    """Lowers the logits of tokens that may not be next, so that none of them is the largest.

    Args:
        logits: Float tensor `[rows, vocabulary]`.
        index: int32 scalar tensor. The index of the step.
        tokens: int32 tensor `[rows, max_length]`. The tokens of the steps before.
        end_id: int. The end token, blocked in the first `min_length` steps.
        limits: `Limits`, checked. The prefix precedes all others.
        nodes: int32 tensor `[rows]`: of a lexicon the node of each row. Defaults to `None`.

    Returns:
        Float tensor `[rows, vocabulary]`.
    """
    allowed = logits
    vocabulary = ops.arange(logits.shape[-1], dtype="int32")
    if limits.repetition_penalty != 1:
        allowed = _penalize(allowed, index, tokens, limits.repetition_penalty)
    if limits.min_length:
        too_early = ops.logical_and(vocabulary == end_id, index < limits.min_length)
        allowed = ops.where(too_early, LOWEST, allowed)
    windows = tokens.shape[1] - limits.no_repeat_ngram  # most n-grams before the last step
    if limits.no_repeat_ngram and windows > 0:
        repeats = _repeats(logits, index, tokens, limits.no_repeat_ngram, windows)
        allowed = ops.where(repeats, LOWEST, allowed)
    if limits.forbidden is not None:
        completes = _completes(logits, index, tokens, limits.forbidden)
        allowed = ops.where(completes, LOWEST, allowed)
    if limits.lexicon is not None:
        room = tokens.shape[1] - 1 - index  # tokens after this one
        allowed = ops.where(_follows(limits.lexicon, nodes, room, end_id), allowed, LOWEST)
    if limits.prefix is not None:
        length = limits.prefix.shape[1]
        forced = ops.take(limits.prefix, ops.minimum(index, length - 1), axis=1)  # [rows]
        only = ops.where(vocabulary[None, :] == forced[:, None], logits, LOWEST)
        allowed = ops.where(index < length, only, allowed)
    return allowed


def _penalize(logits, index, tokens, penalty):
    """Logits of the tokens so far, divided by the penalty if positive, else multiplied by it."""
    steps = ops.arange(tokens.shape[1], dtype="int32")[None, :]
    seen = _marked(ops.where(steps < index, tokens, logits.shape[-1]), logits.shape[-1])
    penalized = ops.where(logits > 0, logits / penalty, logits * penalty)
    return ops.where(seen, penalized, logits)


def _repeats(logits, index, tokens, size, windows):
    """True at tokens that would repeat an n-gram, `[rows, vocabulary]`."""
    starts = ops.arange(windows, dtype="int32")  # of the n-grams
    repeated = ops.logical_and(starts + size <= index, index >= size - 1)[None, :]
    for offset in range(size - 1):
        # The token of the unfinished n-gram, and the one at the same place of each n-gram.
        place = ops.maximum(index - (size - 1) + offset, 0)
        current = ops.expand_dims(ops.take(tokens, place, axis=1), 1)  # [rows, 1]
        repeated = ops.logical_and(repeated, tokens[:, offset : offset + windows] == current)
    last = tokens[:, size - 1 : size - 1 + windows]  # [rows, windows]
    return _marked(ops.where(repeated, last, logits.shape[-1]), logits.shape[-1])


def _follows(lexicon, nodes, room, end_id):
    """True at tokens after which there is room for the rest of a word, `[rows, vocabulary]`."""
    after = ops.take(lexicon, nodes, axis=0)
    missing = ops.take(-lexicon[:, end_id], ops.maximum(after, 0))  # tokens until a word is whole
    return ops.logical_and(after >= 0, missing <= room)


def next_nodes(lexicon, nodes, tokens):
    """The nodes of a lexicon `[nodes, vocabulary]` after one more token each, of any shape."""
    size = lexicon.shape[1]
    places = nodes * size + ops.minimum(tokens, size - 1)  # the padding may be no token
    after = ops.take(ops.reshape(lexicon, (-1,)), places)
    return ops.maximum(after, Lexicon.start)  # a prefix may have other words


def _completes(logits, index, tokens, forbidden):
    """True at tokens that would complete a forbidden sequence, `[rows, vocabulary]`."""
    count, length = forbidden.shape
    matched = ops.ones((tokens.shape[0], count), "bool")
    for back in range(1, length):
        expected = forbidden[:, length - 1 - back][None, :]  # [1, count]
        place = ops.maximum(index - back, 0)
        same = ops.take(tokens, place, axis=1)[:, None] == expected  # [rows, count]
        same = ops.logical_or(ops.logical_and(same, index >= back), expected < 0)
        matched = ops.logical_and(matched, same)
    return _marked(
        ops.where(matched, forbidden[:, -1][None, :], logits.shape[-1]), logits.shape[-1]
    )


def _marked(tokens, vocabulary):
    """True at the given tokens, int32 `[rows, count]`: `[rows, vocabulary]`.

    Tokens beyond the vocabulary, such as a padding that is none of the model's, mark nothing.
    """
    rows, count = tokens.shape
    column = ops.minimum(tokens, vocabulary)  # the last is an extra one
    row = ops.broadcast_to(ops.arange(rows, dtype="int32")[:, None], (rows, count))
    places = ops.reshape(ops.stack([row, column], axis=-1), (-1, 2))
    marks = ops.scatter_update(
        ops.zeros((rows, vocabulary + 1), "int32"), places, ops.ones((rows * count,), "int32")
    )
    return marks[:, :vocabulary] > 0


def power_of_two(count: int) -> int:
    """The smallest power of two that is at least `count`."""
    return 1 << math.ceil(math.log2(count))
