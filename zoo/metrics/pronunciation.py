"""Error rates of pronunciations, of which a word may have several."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from zoo.extras import need
from zoo.metrics.translation import bucket_label
from zoo.unicode import compose

_STRESSED = re.compile(r"(?<=[A-Z])[012](?= |$)")  # of a vowel in ARPAbet, such as `EH1`


@dataclass(frozen=True)
class Pronunciation:
    """The scored pronunciation of a word.

    Attributes:
        word: The word.
        references: Its true pronunciations.
        hypothesis: The pronunciation to score.
        errors: The number of phones to substitute, insert or delete to make the nearest reference.
        phones: The number of phones of that reference.
    """

    word: str
    references: tuple[str, ...]
    hypothesis: str
    errors: int
    phones: int


def score_pronunciations(
    words: Sequence[str], references: Sequence[str], hypotheses: Sequence[str]
) -> list[Pronunciation]:
    """Scores each different word, for its first hypothesis; see `pronunciation_scores`."""
    given = {"words": list(words), "references": list(references), "hypotheses": list(hypotheses)}
    for name, texts in given.items():
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"Texts must be strings. Received: {name}[{i}]={text!r}")
    if len({len(texts) for texts in given.values()}) > 1:
        lengths = ", ".join(f"{len(texts)} {name}" for name, texts in given.items())
        raise ValueError(f"Each word needs a reference and a hypothesis. Received: {lengths}")
    if not given["words"]:
        raise ValueError("There is nothing to score: the split has no examples.")
    variants: dict[str, list[str]] = {}
    answers: dict[str, str] = {}
    for word, reference, hypothesis in zip(*given.values(), strict=True):
        word = compose(word).strip()
        variants.setdefault(word, []).append(_phones(reference))
        answers.setdefault(word, _phones(hypothesis))
    return [_scored(word, known, answers[word]) for word, known in variants.items()]


def pronunciation_scores(
    words: Sequence[str], references: Sequence[str], hypotheses: Sequence[str]
) -> dict[str, float]:
    """Error rates of pronunciations; lower is better.

    A pronunciation is a text of phones with spaces between them. A word that occurs in several rows
    has several references, and counts once.

    Args:
        words: The word of each row.
        references: A true pronunciation of each row.
        hypotheses: The pronunciation of each row to score.

    Returns:
        `word_error_rate`, the percentage of words whose hypothesis is none of their references;
        `phone_error_rate`, the percentage of phones to substitute, insert or delete to make the
        nearest reference of each hypothesis; and, where vowels have stress digits as in ARPAbet,
        `word_error_rate_unstressed`, without those digits on either side.

    Raises:
        ValueError: if there is nothing to score, or the arguments differ in length.
        TypeError: if a text is not a string.
    """
    scored = score_pronunciations(words, references, hypotheses)
    scores = {
        "word_error_rate": _word_error_rate(scored),
        "phone_error_rate": 100
        * sum(row.errors for row in scored)
        / max(sum(row.phones for row in scored), 1),
    }
    if any(_STRESSED.search(phones) for row in scored for phones in row.references):
        plain = [
            _scored(
                row.word,
                [_STRESSED.sub("", phones) for phones in row.references],
                _STRESSED.sub("", row.hypothesis),
            )
            for row in scored
        ]
        scores["word_error_rate_unstressed"] = _word_error_rate(plain)
    return scores


def word_error_rate_by_length(
    scored: Sequence[Pronunciation], edges: Sequence[int] = (4, 6, 8, 10, 12)
) -> list[tuple[str, int, float]]:
    """The word error rate by the number of letters of the word.

    Args:
        scored: What `score_pronunciations` returned.
        edges: The greatest length of each bucket but the last, in rising order.

    Returns:
        For each bucket that is not empty its label (`"up to 4"`, `"5 to 6"`, …, `"over 12"`), the
        number of its words, and their error rate.
    """
    rows = []
    for low, high in pairwise([-1, *edges, float("inf")]):
        chosen = [row for row in scored if low < len(row.word) <= high]
        if chosen:
            rows.append((bucket_label(low, high), len(chosen), _word_error_rate(chosen)))
    return rows


def _phones(text: str) -> str:
    return " ".join(compose(text).split())


def _scored(word, references, hypothesis):
    need("train", "Measuring", "rapidfuzz")
    from rapidfuzz.distance import Levenshtein

    answer = hypothesis.split()
    known = [reference.split() for reference in references]
    errors, phones = min((Levenshtein.distance(one, answer), len(one)) for one in known)
    return Pronunciation(word, tuple(references), hypothesis, errors, phones)


def _word_error_rate(scored):
    return 100 * sum(row.errors > 0 for row in scored) / len(scored)
