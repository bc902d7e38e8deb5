"""ROUGE of summaries in any language, by words and by characters, from rouge-score."""

import operator
from collections.abc import Sequence
from types import SimpleNamespace

import regex

from zoo.extras import need
from zoo.metrics.translation import checked_texts

# A word is a run of letters and digits, in lower case, with the vowel signs and accents of all
# scripts. rouge-score's own rule, which is the same for English, would leave nothing of Korean.
WORD = regex.compile(r"(?!\p{M})\w+")
ORDERS = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}


def summary_scores(
    references: Sequence[str | Sequence[str]],
    hypotheses: Sequence[str],
    language: str | None = None,
) -> dict[str, float]:
    """Scores of summaries, with one or several references each.

    Args:
        references: The reference of each summary, or a list of several.
        hypotheses: The summaries to score.
        language: Not used: the scores are the same for all languages. Defaults to `None`.

    Returns:
        Means over the summaries of an F1 between 0 and 100, of the best reference: `rouge_1`,
        `rouge_2` and `rouge_l`, of words, word pairs and the longest common subsequence of words
        in lower case, without stemming; and `rouge_1_chars`, `rouge_2_chars`, `rouge_l_chars`, the
        same of characters without spaces, for languages such as Korean, whose words are stems with
        endings. `exact`, between 0 and 1, is the share of summaries that equal a reference.

    Raises:
        ValueError: if there is nothing to score, or references and summaries differ in number.
        TypeError: if a text is not a string.

    References:
        - Lin 2004, "ROUGE".
    """
    references, hypotheses = checked_texts(references, hypotheses)
    scores = {}
    for suffix, split in (("", _words), ("_chars", _characters)):
        rows = _rouge(references, hypotheses, split)
        for name in ORDERS:
            scores[f"{name}{suffix}"] = sum(row[name] for row in rows) / len(rows)
    scores["exact"] = sum(map(operator.contains, references, hypotheses)) / len(references)
    return scores


def summary_score_each(
    references: Sequence[str | Sequence[str]], hypotheses: Sequence[str]
) -> list[float]:
    """`rouge_l` of each summary; their mean is that of `summary_scores`.

    Args:
        references, hypotheses: See `summary_scores`.
    """
    texts, hypotheses = checked_texts(references, hypotheses)
    rows = _rouge(texts, hypotheses, _words)
    return [row["rouge_l"] for row in rows]


def _rouge(references, hypotheses, split):
    """The scores of each summary, by name."""
    need("train", "Measuring", "rouge_score")
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ORDERS.values()), tokenizer=SimpleNamespace(tokenize=split))
    rows = []
    for texts, text in zip(references, hypotheses, strict=True):
        found = scorer.score_multi(texts, text)
        rows.append({name: 100 * found[order].fmeasure for name, order in ORDERS.items()})
    return rows


def _words(text):
    return WORD.findall(text.lower())


def _characters(text):
    return list("".join(_words(text)))
