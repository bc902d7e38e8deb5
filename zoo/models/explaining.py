"""Parts of every task's explanation: the choice of methods, and variants without a word."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.explain.effects import METHODS
from zoo.explain.words import Word
from zoo.suggestions import did_you_mean


def chosen_methods(method: str | None, has_attention: bool) -> tuple[str, ...]:
    """The methods that an explanation draws.

    Args:
        method: `"attention"`, `"occlusion"`, `"gradient"`, or `None`: attention and occlusion, or
            occlusion alone where there is no attention.
        has_attention: bool. Whether the model has attention.

    Raises:
        ValueError: if there is no such method, or no attention to draw.
    """
    if method is None:
        return ("attention", "occlusion") if has_attention else ("occlusion",)
    if method not in METHODS:
        raise ValueError(
            f"`method` must be one of {list(METHODS)}, or be left out for attention and occlusion."
            f"{did_you_mean(str(method), METHODS)} Received: method={method!r}"
        )
    if method == "attention" and not has_attention:
        raise ValueError(
            "This model has no attention to explain; use method='occlusion' or 'gradient'. "
            "Received: method='attention'"
        )
    return (method,)


def without(ids: Sequence[Any], word: Word) -> list[Any]:
    """The ids of a text without those of a word; its punctuation stays."""
    left_out = set(word.core)
    return [one for i, one in enumerate(ids) if i not in left_out]


def by_word(values: np.ndarray, words: Sequence[Word], core: bool = False) -> np.ndarray:
    """Sums the values of the tokens of each word.

    Args:
        values: `[..., tokens]`.
        words: The words.
        core: bool. Whether to leave out punctuation and white space. Defaults to `False`.

    Returns:
        `[..., words]`.
    """
    groups = [list(word.core if core else word.tokens) for word in words]
    return np.stack([values[..., group].sum(axis=-1) for group in groups], axis=-1)
