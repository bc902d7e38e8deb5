"""Blocking of next tokens: too early ends and repeated n-grams."""

from keras import ops

# Lower than any log-probability, and finite.
LOWEST = -1e9


def block(logits, index, tokens, end_id, min_length, no_repeat_ngram):
    """Lowers the logits of blocked tokens, so that none of them is the largest.

    Args:
        logits: Float tensor `[rows, vocabulary]`.
        index: int32 scalar tensor. The index of the step.
        tokens: int32 tensor `[rows, max_length]`. The tokens of the steps before.
        end_id: int. The end token, blocked in the first `min_length` steps.
        min_length: int. Fewest tokens before the end token.
        no_repeat_ngram: int. Blocks tokens that would repeat an n-gram of this size in `tokens`.
            `0` blocks none.

    Returns:
        Float tensor `[rows, vocabulary]`.
    """
    if min_length:
        is_end = ops.arange(logits.shape[-1], dtype="int32") == end_id  # [vocabulary]
        too_early = ops.logical_and(is_end, index < min_length)
        logits = ops.where(too_early, LOWEST, logits)
    windows = tokens.shape[1] - no_repeat_ngram  # most n-grams before the last step
    if no_repeat_ngram and windows > 0:
        repeats = _repeats(logits, index, tokens, no_repeat_ngram, windows)
        logits = ops.where(repeats, LOWEST, logits)
    return logits


def _repeats(logits, index, tokens, size, windows):
    """True at tokens that would repeat an n-gram, `[rows, vocabulary]`."""
    rows, vocabulary = logits.shape
    starts = ops.arange(windows, dtype="int32")  # of the n-grams
    repeated = ops.logical_and(starts + size <= index, index >= size - 1)[None, :]
    for offset in range(size - 1):
        # The token of the unfinished n-gram, and the one at the same place of each n-gram.
        place = ops.maximum(index - (size - 1) + offset, 0)
        current = ops.expand_dims(ops.take(tokens, place, axis=1), 1)  # [rows, 1]
        repeated = ops.logical_and(repeated, tokens[:, offset : offset + windows] == current)
    last = tokens[:, size - 1 : size - 1 + windows]  # [rows, windows]
    # N-grams that are not repeated mark an extra column beyond the vocabulary.
    column = ops.where(repeated, last, vocabulary)
    row = ops.broadcast_to(ops.arange(rows, dtype="int32")[:, None], (rows, windows))
    places = ops.reshape(ops.stack([row, column], axis=-1), (-1, 2))
    blocked = ops.scatter_update(
        ops.zeros((rows, vocabulary + 1), "int32"),
        places,
        ops.ones((rows * windows,), "int32"),
    )
    return blocked[:, :vocabulary] > 0
