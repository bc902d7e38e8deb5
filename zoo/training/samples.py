"""Which answers a run shows of itself."""

from collections.abc import Sequence


def worst_and_best(scores: Sequence[float], samples: int) -> list[int]:
    """The rows with the lowest and the highest scores, in equal parts, the lowest first.

    Args:
        scores: The score of each row.
        samples: How many rows at most; of an odd number the worst have one more.
    """
    by_score = sorted(range(len(scores)), key=scores.__getitem__)
    samples = min(samples, len(by_score))
    best = samples // 2
    return by_score[: samples - best] + by_score[len(by_score) - best :]
