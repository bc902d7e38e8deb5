"""Minimum Bayes risk: the texts that are most like other samples of a model."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from zoo.extras import need
from zoo.metrics.speech import word_error_counts
from zoo.models.generation.outputs import Hypothesis


def with_utilities(
    samples: Sequence[Hypothesis], utility: Callable[[str, list[str]], list[float]]
) -> list[Hypothesis]:
    """Samples with their expected utility as the score: the mean over the other samples.

    Samples that have the same text have the same utility; a single sample has utility 0.

    Args:
        samples: At least one, drawn from the model.
        utility: From a text and others to how good it is where each of them is right.

    Returns:
        The samples in the same order.

    References:
        - Eikema and Aziz 2020, "Is MAP decoding all you need?", equation 6.
    """
    counts = Counter(sample.text for sample in samples)
    utilities = {}
    for text in counts:
        others = counts - Counter([text])
        each = utility(text, list(others)) if others else []
        total = sum(count * one for count, one in zip(others.values(), each, strict=True))
        utilities[text] = total / max(len(samples) - 1, 1)
    return [replace(sample, score=utilities[sample.text]) for sample in samples]


def chrf(text: str, others: list[str]) -> list[float]:
    """SacreBLEU's chrF of a sentence against each of others, from 0 to 100.

    References:
        - Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation".
    """
    need("train", "The option mbr", "sacrebleu")
    from sacrebleu.metrics import CHRF  # takes a second, and few need it

    scorer = CHRF()
    return [scorer.sentence_score(text, [other]).score for other in others]


def fewer_word_errors(text: str, others: list[str]) -> list[float]:
    """Minus the number of word errors of a transcript against each of others.

    References:
        - Stolcke et al. 1997, "Explicit word error minimization in N-best list rescoring".
    """
    return [-float(count) for count in word_error_counts(others, [text] * len(others))]
