"""Checks of numeric arguments. Imports no Keras."""

import math
from numbers import Integral, Real
from typing import Any

# Every number that a user gives has an upper bound: what is beyond takes gigabytes or days.
MAX_BEAM = 1024  # each hypothesis is scored with every token of the vocabulary, at each step
MAX_LENGTH = 16_384  # tokens of a text
MAX_CACHE = 100_000  # hidden states of a continuous cache
MAX_BATCH = 65_536  # rows of a batch
MAX_PENALTY = 1000.0
MIN_REPETITION_PENALTY = 0.001


def check_integer(name: str, value: Any, minimum: int, maximum: int | None = None) -> None:
    """Raises a `ValueError` unless the value is an integer from `minimum` to `maximum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(
            f"`{name}` must be an integer of at least {minimum}. Received: {name}={value!r}"
        )
    if maximum is not None and int(value) > maximum:
        raise ValueError(
            f"`{name}` must be an integer of at most {maximum:,}: more would take gigabytes. "
            f"Received: {name}={value!r}"
        )


def check_number(name: str, value: Any, minimum: float, maximum: float = math.inf) -> None:
    """Raises a `ValueError` unless the value is a finite number from `minimum` to `maximum`."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < minimum:
        raise ValueError(
            f"`{name}` must be a finite number of at least {minimum}. Received: {name}={value!r}"
        )
    if value > maximum:
        raise ValueError(f"`{name}` must be at most {maximum:g}. Received: {name}={value!r}")


def check_repetition_penalty(value: Any) -> None:
    """Raises a `ValueError` unless the value is a number from 0.001 to 1,000; 1 is no penalty."""
    check_number("repetition_penalty", value, MIN_REPETITION_PENALTY, MAX_PENALTY)


def check_limits(max_length: Any, min_length: Any = 0, no_repeat_ngram: Any = 0) -> None:
    """Checks the lengths of hypotheses and of blocked n-grams."""
    check_integer("max_length", max_length, 1, MAX_LENGTH)
    check_integer("min_length", min_length, 0, MAX_LENGTH)
    check_integer("no_repeat_ngram", no_repeat_ngram, 0, MAX_LENGTH)
    if min_length >= max_length:
        raise ValueError(
            "`max_length`, which counts the end token, must be larger than `min_length`. "
            f"Received: max_length={max_length}, min_length={min_length}"
        )


def check_beam(beam: Any, n_best: Any) -> None:
    """Checks the number of hypotheses that are kept and returned."""
    check_integer("beam", beam, 1, MAX_BEAM)
    check_integer("n_best", n_best, 1, MAX_BEAM)
    if n_best > beam:
        raise ValueError(f"`n_best` must be at most `beam`. Received: n_best={n_best}, beam={beam}")


def check_groups(groups: Any, diversity: Any, beam: int) -> None:
    """Checks the groups of a beam."""
    check_integer("groups", groups, 1, MAX_BEAM)
    check_number("diversity", diversity, 0, MAX_PENALTY)
    if beam % groups:
        raise ValueError(
            "`beam` must be divisible by `groups`, which have as many hypotheses each. "
            f"Received: beam={beam}, groups={groups}"
        )


def check_penalties(length_penalty: Any, coverage_penalty: Any) -> None:
    """Checks the weights of the penalties."""
    check_number("length_penalty", length_penalty, 0, MAX_PENALTY)
    check_number("coverage_penalty", coverage_penalty, 0, MAX_PENALTY)
