"""Alignments of the words of a text with those of another."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class WordAlignment:
    """Which words of a source the words of a target come from. Words are what spaces separate.

    Attributes:
        source: The words of the source.
        target: The words of the target.
        links: Pairs of the place of a word in the source and of one in the target, from 0.
    """

    source: list[str]
    target: list[str]
    links: list[tuple[int, int]]

    @property
    def pharaoh(self) -> str:
        """The links as `source-target` pairs in the order of the target: `"0-0 2-1"`."""
        return " ".join(f"{source}-{target}" for source, target in self.links)

    def to_dict(self) -> dict:
        return asdict(self)


def align_words(source: Sequence[str], target: Sequence[str], weights: np.ndarray) -> WordAlignment:
    """Links each word of a target to the word of the source with the most attention.

    The attention from a target word to a source word is the mean over the tokens of the first, and
    the sum over those of the second. A token of several words is shared by them.

    Args:
        source: The text of each token of the source, which join to it.
        target: Those of the target.
        weights: Float `[target, source]`: attention weights of these tokens, and maybe of further
            target tokens; of fewer source tokens if the rest was not read, and has no links.
    """
    sources, columns = _words(source)
    targets, rows = _words(target)
    by_source = np.zeros((len(target), len(sources)), "float32")
    for token, words in enumerate(columns[: weights.shape[1]]):
        for word in words:
            by_source[:, word] += weights[: len(target), token] / len(words)
    links = []
    for place in range(len(targets) if sources else 0):
        tokens = [token for token, words in enumerate(rows) if place in words]
        links.append((int(by_source[tokens].mean(axis=0).argmax()), place))
    return WordAlignment(sources, targets, links)


def _words(pieces: Sequence[str]) -> tuple[list[str], list[list[int]]]:
    """The words of a text, and those that each of its tokens has: none of a space alone.

    An empty token continues a character of the token before it.
    """
    words: list[str] = []
    places: list[list[int]] = []
    within = False  # whether the character before is of a word
    for piece in pieces:
        own = places[-1][-1:] if not piece and places else []
        for character in piece:
            if character.isspace():
                within = False
                continue
            if not within:
                words.append("")
            within = True
            words[-1] += character
            if len(words) - 1 not in own:
                own.append(len(words) - 1)
        places.append(own)
    return words, places
