"""Checks of what a user passes to a task."""

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import keras_hub


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


def check_names(name: str, values: Any, min_count: int) -> tuple[str, ...]:
    """The names of classes as a tuple.

    Raises:
        ValueError: if they are not a list of at least `min_count` different strings.
    """
    if isinstance(values, Iterable) and not isinstance(values, str):
        names = tuple(values)
        if all(isinstance(value, str) for value in names):
            if min_count <= len(names) == len(set(names)):
                return names
    raise ValueError(
        f"`{name}` must be a list of at least {min_count} strings, all different. "
        f"Received: {name}={values!r}"
    )


def check_texts(texts: Iterable[str]) -> list[str]:
    """The texts as a list.

    Raises:
        TypeError: if `texts` is a single string, or an element is not a string.
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise TypeError(f"Texts must come in a list, even a single one. Received: texts={texts!r}")
    texts = list(texts)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"Texts must be strings. Received: texts[{i}]={text!r}")
    return texts


def check_columns(columns: Mapping[str, Sequence[Any]], *names: str) -> None:
    """Checks the columns that `score` compares.

    Raises:
        ValueError: if a column is missing, their lengths differ, or they have no rows.
    """
    if missing := [name for name in names if name not in columns]:
        raise ValueError(
            f"`score` needs the columns {list(names)}; add {missing}. Received: {list(columns)}"
        )
    lengths = {name: len(columns[name]) for name in names}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Columns must have as many rows each. Received: {lengths}")
    if 0 in lengths.values():
        raise ValueError(
            f"`score` needs at least one row; choose a split that is not empty. Received: {lengths}"
        )


def require_preprocessor(
    preprocessor: keras_hub.models.Preprocessor | None,
) -> keras_hub.models.Preprocessor:
    """The preprocessor of a task.

    Raises:
        ValueError: if the task has none.
    """
    if preprocessor is None:
        raise ValueError(
            "This model has no preprocessor, which raw inputs need. Build it with "
            "`preprocessor=…`, or load it with `zoo.load`. Received: preprocessor=None"
        )
    return preprocessor
