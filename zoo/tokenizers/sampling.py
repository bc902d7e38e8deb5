"""Sampling of segmentations from a unigram model, reproducible by a seed.

SentencePiece's own sampling is not reproducible: it combines the seed with a state of the process.
"""

import functools
import itertools
import math
import random
import re
from bisect import bisect_right
from collections.abc import Mapping

# Score of a character that has no piece, below the lowest score of a piece, as in SentencePiece.
UNKNOWN_PENALTY = 10.0
# Words with their spaces in front, at which a text may be divided if no piece goes beyond one.
_WORD = re.compile("▁+[^▁]*|[^▁]+")
_BEYOND_A_WORD = re.compile("[^▁]▁")
MAX_CACHED = 64  # characters of a word


class Sampler:
    """Samples segmentations with probability proportional to P(segmentation)^alpha.

    Forward filtering, backward sampling: the weights of all segmentations of each prefix are
    summed, then pieces are drawn from the last to the first. Segmentations of different words are
    independent, so that the sums of frequent words are kept.

    Args:
        scores: The log-probability of each piece, with `▁` for spaces.

    References:
        - Kudo 2018, "Subword Regularization", equation 9 without a limit on the candidates.
    """

    def __init__(self, scores: Mapping[str, float]):
        self.scores = scores
        # All prefixes of pieces, at which the search for longer pieces ends.
        self.prefixes = {piece[:end] for piece in scores for end in range(1, len(piece) + 1)}
        self.unknown = min(scores.values(), default=0.0) - UNKNOWN_PENALTY
        self._by_word = not any(map(_BEYOND_A_WORD.search, scores))
        self._cached = functools.lru_cache(maxsize=1 << 16)(self._last_pieces)

    def draw(self, text: str, alpha: float, source: random.Random) -> list[str]:
        """Draws a segmentation.

        Args:
            text: The text, with `▁` for spaces.
            alpha: float. With 0 all segmentations are equally probable; a large value draws the
                best one.
            source: The random generator.

        Returns:
            Pieces that join to `text`. A character that has no piece is a piece by itself.
        """
        pieces = []
        for word in _WORD.findall(text) if self._by_word else [text]:
            last_pieces = self._cached if len(word) <= MAX_CACHED else self._last_pieces
            choices = last_pieces(word, alpha)
            drawn, end = [], len(word)
            while end:
                ending, cumulated = choices[end]
                piece = ending[0]
                if len(ending) > 1:
                    chosen = bisect_right(cumulated, source.random() * cumulated[-1])
                    piece = ending[min(chosen, len(ending) - 1)]
                drawn.append(piece)
                end -= len(piece)
            pieces += drawn[::-1]
        return pieces

    def _last_pieces(self, text, alpha) -> list[tuple[list[str], list[float]]]:
        """The possible last pieces of each prefix, and their cumulated weights."""
        size = len(text)
        # ending[i]: (log-weight of all segmentations of text[:i] with this last piece, the piece)
        ending: list[list[tuple[float, str]]] = [[] for _ in range(size + 1)]
        choices: list[tuple[list[str], list[float]]] = [([], [])]
        total = 0.0  # log-weight of all segmentations of text[:start]
        for start in range(size):
            end, found_one = start + 1, False
            while end <= size and (piece := text[start:end]) in self.prefixes:
                if piece in self.scores:
                    ending[end].append((total + alpha * self.scores[piece], piece))
                    found_one = found_one or end == start + 1
                end += 1
            if not found_one:
                piece = text[start]
                ending[start + 1].append((total + alpha * self.unknown, piece))
            weighted = ending[start + 1]
            highest = max(weighted)[0]
            weights = [math.exp(weight - highest) for weight, _ in weighted]
            choices.append(([piece for _, piece in weighted], list(itertools.accumulate(weights))))
            total = highest + math.log(choices[-1][1][-1])
            ending[start + 1] = []
        return choices
