"""Ensembles: several models that write one text together."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

from zoo.models.checks import require_preprocessor
from zoo.models.generation.ensemble import (
    SharedSteps,
    check_members,
    differences_of_tokenizers,
)
from zoo.models.seq2seq_lm.task import Seq2SeqLM
from zoo.models.seq2seq_lm.writing import TextWriter


class Ensemble(SharedSteps, TextWriter):
    """Models of any architectures that write one text: the mean of their probabilities decides.

    At each step of a search the probability of a token is the arithmetic mean of those that the
    members give it. All options of `infer` and `score` are those of `Seq2SeqLM`; attention, as for
    a coverage penalty, and the length penalty are the means of the members'. Texts are truncated to
    the smallest `encoder_sequence_length` of the members.

    Args:
        members: At least two `Seq2SeqLM`s with the same vocabularies, languages and purpose.

    Raises:
        ValueError: if there are fewer, or they differ in one of these.

    Example:

    >>> model = zoo.load("gru_bahdanau_multi30k_en_de+gru_none_multi30k_en_de")
    >>> model.infer(["A man rides a bike."])
    """

    def __init__(self, members: Sequence[Seq2SeqLM]):
        self._members = check_members(members, Seq2SeqLM, "write a text for a text", _differences)
        # All read no more of a text than each can, in whichever order they are given.
        self.preprocessor = min(
            (it.preprocessor for it in self._members),
            key=lambda it: (it.encoder_sequence_length, it.decoder_sequence_length),
        )
        self.length_penalty = fmean(it.length_penalty for it in self._members)
        self.languages, self.purpose = self._members[0].languages, self._members[0].purpose

    def _token_losses(self, inputs, labels):
        losses = np.stack([it._token_losses(inputs, labels) for it in self._members])
        lowest = losses.min(axis=0)
        return lowest - np.log(np.exp(lowest - losses).mean(axis=0))


def _differences(one: Seq2SeqLM, other: Seq2SeqLM):
    """Yields properties that must be equal in two members and differ, with both values."""
    pairs: list[tuple[str, Any, Any]] = [
        ("purpose", one.purpose, other.purpose),
        ("languages", one.languages, other.languages),
    ]
    first, second = map(require_preprocessor, (one.preprocessor, other.preprocessor))
    pairs.append(("use of lower case", first.lowercase, second.lowercase))
    for what, value, found in pairs:
        if value != found:
            yield what, value, found
    yield from differences_of_tokenizers("vocabulary", first.tokenizer, second.tokenizer)
    sources = first.source_tokenizer, second.source_tokenizer
    yield from differences_of_tokenizers("source vocabulary", *sources)
