"""Python functions as steps of the input pipelines behind `fit` and `predict` of KerasHub."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from zoo.unicode import compose

# Ends each word where a list of words travels as one string.
WORD_END = "\x1f"


def in_python(
    function: Callable[..., dict[str, np.ndarray]],
    inputs: Sequence[Any],
    outputs: Mapping[str, tuple[str, tuple]],
) -> dict[str, Any]:
    """Calls a function on a batch: immediately, or later from the `tf.data` graph being traced.

    Args:
        function: Takes a list of strings or a NumPy array for each input.
        inputs: Lists, NumPy arrays or TensorFlow tensors; strings have the shape `[batch]`.
        outputs: The dtype and the shape of each array that the function returns.

    Returns:
        The arrays by name, as TensorFlow tensors if an input is one.
    """
    if not any(_is_tensorflow(values) for values in inputs):
        return function(*map(_plain, inputs))
    import tensorflow as tf  # heavy, and loaded already where there are tensors of it

    def run(*values):
        found = function(*map(_plain, values))
        return [found[name] for name in outputs]

    tensors = tf.numpy_function(run, list(inputs), [dtype for dtype, _ in outputs.values()])
    for tensor, (_, shape) in zip(tensors, outputs.values(), strict=True):
        tensor.set_shape(shape)
    return dict(zip(outputs, tensors, strict=True))


def holds_text(values: Any) -> bool:
    """True for strings: in lists, in a NumPy array, or in a TensorFlow tensor."""
    dtype = getattr(values, "dtype", None)
    if dtype is None:
        leaves = keras.tree.flatten(values)
        return bool(leaves) and isinstance(leaves[0], str | bytes)
    return getattr(dtype, "kind", None) in ("U", "S", "O") or "string" in str(dtype)


def join_words(values: Any) -> Any:
    """Lists of words, or of tags, as strings, which arrays and tensors can hold.

    Args:
        values: A list of strings and lists of strings, or a dictionary of such lists. Everything
            else is returned as it is.
    """
    if isinstance(values, dict):
        return {name: join_words(column) for name, column in values.items()}
    is_table = isinstance(values, np.ndarray) and values.dtype.kind in ("U", "O")
    if not (isinstance(values, list) or is_table) or not holds_text(values):
        return values
    return [
        row if isinstance(row, str | bytes) else "".join(f"{word}{WORD_END}" for word in row)
        for row in values
    ]


def split_words(row: str | Sequence[str]) -> list[str] | None:
    """The words of a list, also of one that `join_words` joined; `None` for other strings."""
    if not isinstance(row, str):
        return list(row)
    return row.split(WORD_END)[:-1] if WORD_END in row else None


def name_ids(column: str, names: Sequence[str], values: Sequence[str]) -> np.ndarray:
    """The index of each value in `names`, int32.

    Raises:
        ValueError: if a value is not among the names.
    """
    index = {compose(name): i for i, name in enumerate(names)}
    values = [compose(value) if isinstance(value, str) else value for value in values]
    if unknown := [value for value in values if value not in index]:
        raise ValueError(
            f"Each of `{column}` must be one of {list(names)}; make the model with all of them. "
            f"Received: {unknown[0]!r}"
        )
    return np.array([index[value] for value in values], "int32")


def _is_tensorflow(values):
    return type(values).__module__.partition(".")[0] == "tensorflow"


def _plain(values):
    """Strings as a list of `str`, whatever holds them."""
    if isinstance(values, np.ndarray) and values.dtype.kind in ("U", "S", "O"):
        values = values.tolist()
    if isinstance(values, list | tuple):
        return [value.decode("utf-8") if isinstance(value, bytes) else value for value in values]
    return values
