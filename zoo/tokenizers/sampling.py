"""Sampling of segmentations from a unigram model, reproducible by a seed.

SentencePiece's own sampling is not reproducible: it combines the seed with a state of the process.
"""

import math
import random
from collections.abc import Mapping

# Score of a character that has no piece, below the lowest score of a piece, as in SentencePiece.
UNKNOWN_PENALTY = 10.0


class Sampler:
    """Samples segmentations with probability proportional to P(segmentation)^alpha.

    Forward filtering, backward sampling: the weights of all segmentations of each prefix are
    summed, then pieces are drawn from the last to the first.

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
        size = len(text)
        # ending[i]: (log-weight of all segmentations of text[:i] with this last piece, its start)
        ending: list[list[tuple[float, int]]] = [[] for _ in range(size + 1)]
        total = 0.0  # log-weight of all segmentations of text[:start]
        for start in range(size):
            if start:
                total = _log_sum(ending[start])
            end, found_one = start + 1, False
            while end <= size and (piece := text[start:end]) in self.prefixes:
                if piece in self.scores:
                    ending[end].append((total + alpha * self.scores[piece], start))
                    found_one = found_one or end == start + 1
                end += 1
            if not found_one:
                ending[start + 1].append((total + alpha * self.unknown, start))
        pieces, end = [], size
        while end:
            start = _draw(ending[end], source)
            pieces.append(text[start:end])
            end = start
        return pieces[::-1]


def _log_sum(weighted) -> float:
    highest = max(weighted)[0]
    return highest + math.log(sum(math.exp(weight - highest) for weight, _ in weighted))


def _draw(weighted, source) -> int:
    if len(weighted) == 1:
        return weighted[0][1]
    highest = max(weighted)[0]
    weights = [math.exp(weight - highest) for weight, _ in weighted]
    left = source.random() * sum(weights)
    for weight, (_, start) in zip(weights, weighted, strict=True):
        left -= weight
        if left < 0:
            return start
    return weighted[-1][1]
