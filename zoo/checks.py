"""Checks of numeric arguments. Imports no Keras."""

import math
from numbers import Integral, Real
from typing import Any


def check_integer(name: str, value: Any, minimum: int) -> None:
    """Raises a `ValueError` unless the value is an integer of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(
            f"`{name}` must be an integer of at least {minimum}. Received: {name}={value!r}"
        )


def check_number(name: str, value: Any, minimum: float) -> None:
    """Raises a `ValueError` unless the value is a finite number of at least `minimum`."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < minimum:
        raise ValueError(
            f"`{name}` must be a finite number of at least {minimum}. Received: {name}={value!r}"
        )


def check_penalty(name: str, value: Any) -> None:
    """Raises a `ValueError` unless the value is a finite number above 0."""
    check_number(name, value, 0)
    if not value:
        raise ValueError(f"`{name}` must be above 0; 1 is none. Received: {name}={value!r}")


def check_limits(max_length: Any, min_length: Any = 0, no_repeat_ngram: Any = 0) -> None:
    """Checks the lengths of hypotheses and of blocked n-grams."""
    check_integer("max_length", max_length, 1)
    check_integer("min_length", min_length, 0)
    check_integer("no_repeat_ngram", no_repeat_ngram, 0)
    if min_length >= max_length:
        raise ValueError(
            "`max_length`, which counts the end token, must be larger than `min_length`. "
            f"Received: max_length={max_length}, min_length={min_length}"
        )


def check_beam(beam: Any, n_best: Any) -> None:
    """Checks the number of hypotheses that are kept and returned."""
    check_integer("beam", beam, 1)
    check_integer("n_best", n_best, 1)
    if n_best > beam:
        raise ValueError(f"`n_best` must be at most `beam`. Received: n_best={n_best}, beam={beam}")


def check_penalties(length_penalty: Any, coverage_penalty: Any) -> None:
    """Checks the weights of the penalties."""
    check_number("length_penalty", length_penalty, 0)
    check_number("coverage_penalty", coverage_penalty, 0)
