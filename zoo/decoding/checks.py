"""Checks of the arguments of decoding."""

import math
from numbers import Integral, Real

from keras import ops


def check_integer(name, value, minimum):
    """Raises a `ValueError` unless the value is an integer of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(
            f"`{name}` must be an integer of at least {minimum}. Received: {name}={value!r}"
        )


def check_number(name, value, minimum):
    """Raises a `ValueError` unless the value is a finite number of at least `minimum`."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < minimum:
        raise ValueError(
            f"`{name}` must be a finite number of at least {minimum}. Received: {name}={value!r}"
        )


def check_limits(max_length, min_length=0, no_repeat_ngram=0):
    """Checks the lengths of hypotheses and of blocked n-grams."""
    check_integer("max_length", max_length, 1)
    check_integer("min_length", min_length, 0)
    check_integer("no_repeat_ngram", no_repeat_ngram, 0)
    if min_length >= max_length:
        raise ValueError(
            "`max_length`, which counts the end token, must be larger than `min_length`. "
            f"Received: max_length={max_length}, min_length={min_length}"
        )


def check_beam(beam, n_best):
    """Checks the number of hypotheses that are kept and returned."""
    check_integer("beam", beam, 1)
    check_integer("n_best", n_best, 1)
    if n_best > beam:
        raise ValueError(f"`n_best` must be at most `beam`. Received: n_best={n_best}, beam={beam}")


def check_penalties(length_penalty, coverage_penalty):
    """Checks the weights of the penalties."""
    check_number("length_penalty", length_penalty, 0)
    check_number("coverage_penalty", coverage_penalty, 0)


def checked_mask(source_mask, coverage_penalty, return_attention):
    """The source mask as a boolean tensor; an error if it is missing and needed."""
    if source_mask is None and (coverage_penalty or return_attention):
        raise ValueError(
            "Attention needs `source_mask`, a boolean tensor [batch, source], false where the "
            "source is padding. Received: source_mask=None, "
            f"coverage_penalty={coverage_penalty}, return_attention={return_attention}"
        )
    return source_mask if source_mask is None else ops.cast(source_mask, "bool")


def checked_attention(attention):
    """The attention weights of a step in float32; an error if the model has none."""
    if attention is None:
        raise ValueError(
            "`coverage_penalty` and `return_attention` need a model with attention: set them to "
            "0 and False, or have `step` return the attention weights [rows, source] as its "
            "third value. Received: attention=None"
        )
    return ops.cast(attention, "float32")
