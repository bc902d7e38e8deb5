"""Vectors of subwords from those of the words they occur in."""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

import numpy as np
import regex

from zoo.vectors.table import WordVectors

_EDGES = regex.compile(r"^[\p{P}\p{S}]+|[\p{P}\p{S}]+$")


class Tokenizer(Protocol):
    """The parts of a subword tokenizer that are used here."""

    def encode(self, texts: Iterable[str]) -> list[list[int]]: ...

    def vocabulary_size(self) -> int: ...

    def id_to_token(self, id: int) -> str: ...


def split_words(text: str) -> list[str]:
    """The words of a text between spaces, without punctuation at either end."""
    return [core for word in text.split() if (core := _EDGES.sub("", word))]


def subword_matrix(tokenizer: Tokenizer, vectors: WordVectors, words: Iterable[str]) -> np.ndarray:
    """The vector of each subword: the mean of those of the words it occurs in.

    Each word counts as often as it occurs. A piece that is a whole word has the vector of that
    word; one that is in no word with a vector has zeros.

    Args:
        tokenizer: A subword tokenizer, which writes the space before a word as `▁`.
        vectors: The vectors of words.
        words: The words of the training texts, each as often as it occurs.

    Returns:
        float32 `[vocabulary, size]`.
    """
    counts = Counter(words)
    rows = {word: vectors.row(word) for word in counts}
    known = [word for word, row in rows.items() if row is not None]
    sums = np.zeros((tokenizer.vocabulary_size(), vectors.size), "float32")
    weights = np.zeros((len(sums), 1), "float32")
    for word, ids in zip(known, tokenizer.encode(known), strict=True):
        pieces = sorted(set(ids))
        sums[pieces] += counts[word] * vectors.matrix[rows[word]]
        weights[pieces] += counts[word]
    matrix = sums / np.maximum(weights, 1)
    for i in range(len(matrix)):
        piece = tokenizer.id_to_token(i)
        row = rows.get(piece[1:]) if piece[:1] == "▁" else None
        if row is not None:
            matrix[i] = vectors.matrix[row]
    return matrix
