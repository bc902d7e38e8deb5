"""Scores of the answers of a dialogue."""

from collections.abc import Sequence

from zoo.metrics.translation import translation_scores


def dialogue_scores(
    references: Sequence[str | Sequence[str]],
    hypotheses: Sequence[str],
    language: str | None = None,
) -> dict[str, float]:
    """Scores of answers, with one or several references each.

    A remark has many good answers, so that a low `chrf` is not a bad answer; perplexity and the
    answers themselves say more.

    Args:
        references: The reference of each answer, or a list of several.
        hypotheses: The answers to score.
        language: See `zoo.metrics.translation_scores`.

    Returns:
        `chrf` and `exact` of `translation_scores`; and `distinct_1` and `distinct_2`, see
        `distinct`, which are low where a model gives the same answer to everything.

    Raises:
        ValueError: if there is nothing to score, or references and answers differ in number.
        TypeError: if a text is not a string.
    """
    scores = translation_scores(references, hypotheses, language)
    return {
        "chrf": scores["chrf"],
        "exact": scores["exact"],
        "distinct_1": distinct(hypotheses, 1),
        "distinct_2": distinct(hypotheses, 2),
    }


def distinct(texts: Sequence[str], order: int) -> float:
    """Number of different n-grams of words in all texts, as a share of all their n-grams.

    It falls with the number of texts: compare models on the same ones.

    Args:
        texts: The texts.
        order: int. Words of an n-gram.

    Returns:
        Between 0 and 1; 0 without n-grams.

    References:
        - Li et al. 2016, "A diversity-promoting objective function", section 5.
    """
    found = [
        tuple(words[start : start + order])
        for words in (text.split() for text in texts)
        for start in range(len(words) - order + 1)
    ]
    return len(set(found)) / len(found) if found else 0.0
