"""Times of the words of a transcript."""

from collections.abc import Sequence

import numpy as np

from zoo.models.speech_to_text.answers import Word

OUTSIDE = 0.1  # the share of a word's attention that is left out on each side


def group_words(pieces: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The words of a transcript, each with the indices of its characters.

    Args:
        pieces: The text of each token; white space separates words.
    """
    words: list[tuple[str, list[int]]] = []
    inside = False
    for i, piece in enumerate(pieces):
        if not piece.strip():
            inside = inside and not piece  # a token without a text ends no word
            continue
        if not inside:
            words.append(("", []))
        text, indices = words[-1]
        words[-1] = (text + piece, [*indices, i])
        inside = True
    return words


def words_of_spans(
    pieces: Sequence[str], spans: Sequence[tuple[int, int]], seconds: float, duration: float
) -> list[Word]:
    """The words with the times from their first to their last character.

    Args:
        pieces: The text of each token.
        spans: Of each token the first step and that after the last.
        seconds: float. The time of a step.
        duration: float. The length of the recording, in seconds.
    """
    return [
        _word(text, spans[indices[0]][0], spans[indices[-1]][1], seconds, duration)
        for text, indices in group_words(pieces)
    ]


def words_of_weights(
    pieces: Sequence[str], weights: np.ndarray, seconds: float, duration: float
) -> list[Word]:
    """The words with the times that hold the middle 80 % of their attention weights.

    Args:
        pieces: The text of each token.
        weights: Attention weights, `[tokens, steps]`.
        seconds, duration: See `words_of_spans`.
    """
    words = []
    for text, indices in group_words(pieces):
        share = weights[indices].sum(axis=0).cumsum()
        share = share / max(share[-1], 1e-9)
        first = int(np.searchsorted(share, OUTSIDE))
        last = int(np.searchsorted(share, 1 - OUTSIDE))
        words.append(_word(text, first, last + 1, seconds, duration))
    return words


def _word(text, first, end, seconds, duration):
    start, stop = (round(min(step * seconds, duration), 3) for step in (first, end))
    return Word(text, start, stop)
