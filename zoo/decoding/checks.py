"""Errors for what cannot be decoded."""

from keras import ops


def check_limits(max_length, min_length=0, no_repeat_ngram=0):
    if not 0 <= min_length < max_length:
        raise ValueError(
            "`max_length` must be at least 1 and above `min_length`, which counts the tokens "
            f"before the end. Received: max_length={max_length}, min_length={min_length}"
        )
    if no_repeat_ngram < 0:
        raise ValueError(
            "`no_repeat_ngram` must be the size of the n-grams that may not be repeated, or 0 "
            f"for none. Received: no_repeat_ngram={no_repeat_ngram}"
        )


def check_penalties(alpha, beta):
    if alpha < 0 or beta < 0:
        raise ValueError(
            "Penalties must not be negative. "
            f"Received: length_penalty={alpha}, coverage_penalty={beta}"
        )


def checked_mask(source_mask, beta, return_attention):
    if source_mask is None and (beta or return_attention):
        raise ValueError(
            "Attention needs `source_mask`, a boolean tensor [batch, source] that is true where "
            "the source is no padding. Received: source_mask=None, "
            f"coverage_penalty={beta}, return_attention={return_attention}"
        )
    return source_mask if source_mask is None else ops.cast(source_mask, "bool")


def checked_attention(attention):
    if attention is None:
        raise ValueError(
            "`step` must return the attention [rows, source] as its third value where "
            "`coverage_penalty` or `return_attention` is asked for. Received: None"
        )
    return ops.cast(attention, "float32")
