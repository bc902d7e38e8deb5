"""Tokens that may not come next."""

from keras import ops

# Beneath every log-probability, and finite.
LOWEST = -1e9


def block(logits, index, tokens, end_id, min_length, no_repeat_ngram):
    """Logits in which no blocked token can be the largest.

    Args:
        logits: Float tensor `[rows, vocabulary]`.
        index: int32 scalar tensor: the step.
        tokens: int32 tensor `[rows, max_length]`: those of the steps before.
        end_id: int. Blocked in the first `min_length` steps.
        min_length: int.
        no_repeat_ngram: int. Tokens that would end an n-gram of this size which is in `tokens`
            already are blocked. `0` blocks none.
    """
    if min_length:
        is_end = ops.arange(logits.shape[-1], dtype="int32") == end_id  # [vocabulary]
        too_early = ops.logical_and(is_end, index < min_length)
        logits = ops.where(too_early, LOWEST, logits)
    windows = tokens.shape[1] - no_repeat_ngram  # n-grams that may be there before the last step
    if no_repeat_ngram and windows > 0:
        repeats = _repeats(logits, index, tokens, no_repeat_ngram, windows)
        logits = ops.where(repeats, LOWEST, logits)
    return logits


def _repeats(logits, index, tokens, size, windows):
    rows, vocabulary = logits.shape
    starts = ops.arange(windows, dtype="int32")  # of the n-grams
    repeated = ops.logical_and(starts + size <= index, index >= size - 1)[None, :]
    for offset in range(size - 1):
        # The token of the n-gram under way, and that at the same place of each n-gram.
        place = ops.maximum(index - (size - 1) + offset, 0)
        current = ops.expand_dims(ops.take(tokens, place, axis=1), 1)  # [rows, 1]
        repeated = ops.logical_and(repeated, tokens[:, offset : offset + windows] == current)
    last = tokens[:, size - 1 : size - 1 + windows]  # [rows, windows]
    # N-grams that are not repeated fall on a column beyond the vocabulary.
    column = ops.where(repeated, last, vocabulary)
    row = ops.broadcast_to(ops.arange(rows, dtype="int32")[:, None], (rows, windows))
    places = ops.reshape(ops.stack([row, column], axis=-1), (-1, 2))
    blocked = ops.scatter_update(
        ops.zeros((rows, vocabulary + 1), "int32"),
        places,
        ops.ones((rows * windows,), "int32"),
    )
    return blocked[:, :vocabulary] > 0
