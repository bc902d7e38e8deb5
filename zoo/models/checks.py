"""Checks of what a user passes to a task."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras_hub

from zoo.unicode import compose


def check_names(name: str, values: Any, min_count: int) -> tuple[str, ...]:
    """The names of classes as a tuple, in NFC.

    Raises:
        ValueError: if they are not a list of at least `min_count` different strings.
    """
    if isinstance(values, Iterable) and not isinstance(values, str):
        names = tuple(compose(it) if isinstance(it, str) else it for it in values)
        are_strings = all(isinstance(value, str) for value in names)
        if are_strings and min_count <= len(names) == len(set(names)):
            return names
    raise ValueError(
        f"`{name}` must be a list of at least {min_count} strings, all different. "
        f"Received: {name}={values!r}"
    )


def check_texts(texts: Iterable[str]) -> list[str]:
    """The texts as a list, in NFC.

    Raises:
        TypeError: if `texts` is a single string, or an element is not a string.
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise TypeError(f"Texts must come in a list, even a single one. Received: texts={texts!r}")
    texts = list(texts)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"Texts must be strings. Received: texts[{i}]={text!r}")
    return [compose(text) for text in texts]


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


def warn_of_fewer(count: int, n_best: int) -> None:
    """Warns if there are fewer hypotheses than were asked for."""
    if count < n_best:
        warnings.warn(
            f"Only {count} of the {n_best} hypotheses asked for exist for an input. "
            f"Received: n_best={n_best}",
            stacklevel=4,
        )


def warn_of_unknown(characters: Sequence[str]) -> None:
    """Warns of characters or symbols that a model reads as unknown."""
    if characters:
        more = f" and {len(characters) - 10} more" if len(characters) > 10 else ""
        warnings.warn(
            "The model does not know these characters, and reads each as unknown: "
            f"{', '.join(map(repr, characters[:10]))}{more}",
            stacklevel=4,
        )


def warn_of_truncation(num_truncated: int, num_texts: int, longest: int) -> None:
    """Warns if texts were truncated to the most tokens that a model reads."""
    if num_truncated:
        warnings.warn(
            f"{num_truncated} of {num_texts} texts are longer than the model's maximum of "
            f"{longest} tokens and were truncated. Split them into sentences.",
            stacklevel=4,
        )
