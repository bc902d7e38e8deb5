"""Minimum Bayes risk: the texts that are most like other samples of a model."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from zoo.models.generation.outputs import Hypothesis


def with_utilities(samples: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Samples with their expected utility as the score: the mean chrF with the other samples.

    chrF is sacreBLEU's, of sentences. Samples that have the same text have the same utility.

    Args:
        samples: At least two, drawn from the model.

    Returns:
        The samples in the same order; scores are from 0 to 100.

    References:
        - Eikema and Aziz 2020, "Is MAP decoding all you need?", equation 6. chrF: Popović 2015.
    """
    from sacrebleu.metrics import CHRF  # takes a second, and few need it

    chrf = CHRF()
    counts = Counter(sample.text for sample in samples)
    utilities = {}
    for text in counts:
        others = counts - Counter([text])
        total = sum(
            count * chrf.sentence_score(text, [other]).score for other, count in others.items()
        )
        utilities[text] = total / (len(samples) - 1)
    return [replace(sample, score=utilities[sample.text]) for sample in samples]
