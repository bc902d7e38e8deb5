"""Selection of the answers that a run shows as samples."""

from collections.abc import Sequence


def worst_and_best(scores: Sequence[float], samples: int) -> list[int]:
    """Rows with the lowest and the highest scores, in equal parts, the lowest first.

    Args:
        scores: The score of each row.
        samples: Maximum number of rows; of an odd number the lowest get one more.
    """
    by_score = sorted(range(len(scores)), key=scores.__getitem__)
    samples = min(samples, len(by_score))
    best = samples // 2
    return by_score[: samples - best] + by_score[len(by_score) - best :]
