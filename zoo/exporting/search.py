"""The options of a search that an exported graph can have. Imports no Keras."""

from collections.abc import Mapping
from typing import Any

SEARCH = (
    "beam",
    "length_penalty",
    "coverage_penalty",
    "n_best",
    "max_length",
    "min_length",
    "no_repeat_ngram",
    "repetition_penalty",
)


def check_search(options: Mapping[str, Any]) -> None:
    """Checks that a graph can have options of `infer`.

    Raises:
        ValueError: if one is no part of a graph.
    """
    if others := [name for name in options if name not in SEARCH]:
        raise ValueError(
            f"The search of an exported graph has the options {', '.join(SEARCH)}. Drawing is "
            "random, and a prefix or a glossary is text, which a graph cannot read: leave it out. "
            f"Received: {', '.join(others)}"
        )
