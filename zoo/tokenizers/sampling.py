"""Draws one of the many segmentations of a text, the same ones from the same seed.

SentencePiece draws too, but seeds its generator with something of the process besides the seed that
it is given, so that no other process can draw the same again.
"""

import math
import random
from collections.abc import Mapping

# The score of a character without a piece, relative to the worst piece, as in SentencePiece.
UNKNOWN_PENALTY = 10.0


class Sampler:
    """Samples from a unigram model: P(segmentation)^alpha, normalised.

    Forward, the weights of all segmentations of each prefix are summed; backward, a last piece is
    drawn again and again.

    Args:
        scores: The log-probability of each piece that may be drawn; spaces are written `▁`.

    References:
        - Kudo 2018, "Subword Regularization", equation 9 without a limit on the candidates.
    """

    def __init__(self, scores: Mapping[str, float]):
        self.scores = scores
        # Every beginning of a piece: a longer one need not be looked up once none begins so.
        self.beginnings = {piece[:end] for piece in scores for end in range(1, len(piece) + 1)}
        self.unknown = min(scores.values(), default=0.0) - UNKNOWN_PENALTY

    def draw(self, text: str, alpha: float, source: random.Random) -> list[str]:
        """Pieces that join to `text`; a character without a piece is one by itself.

        Args:
            text: The text, with `▁` for spaces.
            alpha: float. 0 makes all segmentations equally probable, a large one takes the best.
            source: Where chance comes from.
        """
        size = len(text)
        # ending[i]: (log-weight of all segmentations of text[:i] with this last piece, its start)
        ending: list[list[tuple[float, int]]] = [[] for _ in range(size + 1)]
        total = 0.0  # log-weight of all segmentations of text[:start]
        for start in range(size):
            if start:
                total = _log_sum(ending[start])
            end, found_one = start + 1, False
            while end <= size and (piece := text[start:end]) in self.beginnings:
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
