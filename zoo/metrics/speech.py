"""Metrics of speech recognition, from jiwer."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from zoo.extras import need
from zoo.unicode import compose

MAX_WORDS = 20  # of a confusion matrix
NOTHING = "∅"  # of a word that was inserted or left out


def speech_scores(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, float]:
    """Error rates of transcripts.

    Case and punctuation count; only white space is normalised.

    Args:
        references: The true transcripts.
        hypotheses: The transcripts to score, as many.

    Returns:
        `wer` and `cer`, word and character error rates in percent: substitutions, insertions and
        deletions per word or character of the references, so that they may exceed 100; and
        `exact`, the share of transcripts without an error, between 0 and 1.

    Raises:
        TypeError: if a transcript is not a string.
        ValueError: if there is nothing to score, all references are empty, or references and
            hypotheses differ in number.
    """
    need("train", "Counting word errors", "jiwer")
    import jiwer

    references, hypotheses = _checked(references, hypotheses)
    exact = sum(map(str.__eq__, references, hypotheses)) / len(references)
    return {
        "wer": 100 * float(jiwer.process_words(references, hypotheses).wer),
        "cer": 100 * float(jiwer.process_characters(references, hypotheses).cer),
        "exact": exact,
    }


def word_error_counts(references: Sequence[str], hypotheses: Sequence[str]) -> list[int]:
    """The number of substituted, inserted and deleted words of each transcript.

    Args, Raises: as `speech_scores`, but references may be empty.
    """
    need("train", "Counting word errors", "jiwer")
    import jiwer

    references, hypotheses = _checked(references, hypotheses, empty=True)
    alignments = jiwer.process_words(references, hypotheses).alignments
    return [
        sum(
            max(
                chunk.ref_end_idx - chunk.ref_start_idx,
                chunk.hyp_end_idx - chunk.hyp_start_idx,
            )
            for chunk in chunks
            if chunk.type != "equal"
        )
        for chunks in alignments
    ]


def per_speaker_table(
    references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str]
) -> list[dict]:
    """Error rates of each speaker.

    Args:
        references: The true transcripts.
        hypotheses: The transcripts to score, as many.
        speakers: The speaker of each.

    Returns:
        For each speaker, those with the most errors first, a row with `speaker`, `recordings`,
        `words`, and `wer`, `cer` and `exact` of `speech_scores`.

    Raises:
        TypeError, ValueError: as `speech_scores`.
    """
    references, hypotheses = _checked(references, hypotheses)
    if len(speakers) != len(references):
        raise ValueError(
            "Each transcript needs a speaker. "
            f"Received: {len(references)} transcripts, {len(speakers)} speakers"
        )
    groups: dict[str, list[int]] = {}
    for row, speaker in enumerate(speakers):
        groups.setdefault(speaker, []).append(row)
    table = []
    for speaker, rows in groups.items():
        said = [references[row] for row in rows]
        if not any(said):
            continue  # no words, no rate
        scores = speech_scores(said, [hypotheses[row] for row in rows])
        words = sum(len(text.split()) for text in said)
        table.append({"speaker": speaker, "recordings": len(rows), "words": words, **scores})
    return sorted(table, key=lambda row: (-row["wer"], row["speaker"]))


def word_confusion(
    references: Sequence[str], hypotheses: Sequence[str], words: Sequence[str] | None = None
) -> tuple[list[str], np.ndarray]:
    """Which words were taken for which, after an alignment with the fewest errors.

    Args:
        references: The true transcripts.
        hypotheses: The transcripts to count, as many.
        words: The words in order; pairs with another word are left out. Defaults to `None`: the
            20 most frequent, sorted.

    Returns:
        The words, and at the end `"∅"`; and integers `[words, words]`, the true word in rows, the
        recognised one in columns. The last row counts insertions, the last column deletions.

    Raises:
        TypeError, ValueError: as `speech_scores`.
    """
    need("train", "Counting word errors", "jiwer")
    import jiwer

    references, hypotheses = _checked(references, hypotheses)
    if words is None:
        often = Counter(word for text in references for word in text.split())
        words = sorted(sorted(often, key=lambda word: (-often[word], word))[:MAX_WORDS])
    labels = [*words, NOTHING]
    aligned = jiwer.process_words(references, hypotheses)
    truth, predicted = [], []
    for said, heard, chunks in zip(
        aligned.references, aligned.hypotheses, aligned.alignments, strict=True
    ):
        for chunk in chunks:
            ours = said[chunk.ref_start_idx : chunk.ref_end_idx]
            theirs = heard[chunk.hyp_start_idx : chunk.hyp_end_idx]
            length = max(len(ours), len(theirs))
            truth += ours or [NOTHING] * length
            predicted += theirs or [NOTHING] * length
    counts = np.zeros((len(labels), len(labels)), int)
    place = {word: i for i, word in enumerate(labels)}
    for said, heard in zip(truth, predicted, strict=True):
        if said in place and heard in place:
            counts[place[said], place[heard]] += 1
    return labels, counts


def _checked(
    references: Sequence[str], hypotheses: Sequence[str], empty: bool = False
) -> tuple[list[str], list[str]]:
    """Composed transcripts with single spaces, after a check of types and numbers."""
    if isinstance(references, str) or isinstance(hypotheses, str):
        raise TypeError(
            "References and hypotheses must be lists of strings. Received: "
            f"{type(references).__name__} and {type(hypotheses).__name__}"
        )
    for text in (*references, *hypotheses):
        if not isinstance(text, str):
            raise TypeError(
                f"A transcript must be a string. Received: {text!r:.80} of type "
                f"{type(text).__name__}"
            )
    if len(references) != len(hypotheses):
        raise ValueError(
            "Each reference needs one hypothesis. "
            f"Received: {len(references)} references and {len(hypotheses)} hypotheses"
        )
    said, heard = (
        [" ".join(compose(text).split()) for text in texts] for texts in (references, hypotheses)
    )
    if not empty and not any(said):
        raise ValueError(
            "There is nothing to score: no reference has a word, and an error rate is per word. "
            f"Received: {len(said)} references"
        )
    return said, heard
