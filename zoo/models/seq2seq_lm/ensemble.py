"""Ensembles: several models that write one text together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from zoo.models.checks import require_preprocessor
from zoo.models.seq2seq_lm.task import Seq2SeqLM
from zoo.models.seq2seq_lm.writing import TextWriter


class Ensemble(TextWriter):
    """Models of any architectures that write one text: the mean of their probabilities decides.

    At each step of a search the probability of a token is the arithmetic mean of those that the
    members give it. All options of `infer` and `score` are those of `Seq2SeqLM`; attention, as for
    a coverage penalty, is the mean of the members' attention. Texts are truncated to the smallest
    `encoder_sequence_length` of the members.

    Args:
        members: At least two `Seq2SeqLM`s with the same vocabularies, languages and purpose.

    Raises:
        ValueError: if there are fewer, or they differ in one of these.

    Example:

    >>> model = zoo.load("gru_bahdanau_multi30k_en_de+transformer_multi30k_en_de")
    >>> model.infer(["A man rides a bike."])
    """

    def __init__(self, members: Sequence[Seq2SeqLM]):
        members = list(members)
        if len(members) < 2 or not all(isinstance(it, Seq2SeqLM) for it in members):
            raise ValueError(
                "An ensemble needs at least two models that write a text for a text. "
                f"Received: {[type(it).__name__ for it in members]}"
            )
        self._members = members
        # All read no more of a text than each can, in whichever order they are given.
        self.preprocessor = min(
            (require_preprocessor(it.preprocessor) for it in members),
            key=lambda it: (it.encoder_sequence_length, it.decoder_sequence_length),
        )
        self.languages, self.purpose = members[0].languages, members[0].purpose
        for place, member in enumerate(members[1:], 2):
            for what, one, other in _differences(members[0], member):
                raise ValueError(
                    f"The members of an ensemble must have the same {what}: choose models that "
                    f"have, or train one with that of the other. Received: {one} in the first, "
                    f"{other} in number {place}"
                )

    def members(self):
        return self._members

    def default_max_length(self, *encoder_inputs):
        return min(it.default_max_length(*encoder_inputs) for it in self._members)

    def decoding(self, encoder_inputs, max_length):
        started = [it.decoding(encoder_inputs, max_length) for it in self._members]
        steps, states, masks = zip(*started, strict=True)

        def step(tokens, states, index):
            found = [one(tokens, it, index) for one, it in zip(steps, states, strict=True)]
            logits, states, weights = zip(*found, strict=True)
            return _mean_of_probabilities(logits), states, self._mean_of_attention(weights)

        return step, states, masks[0]

    def _mean_of_attention(self, weights):
        having = [
            ops.cast(one, "float32")
            for one, member in zip(weights, self._members, strict=True)
            if member.backbone.attention != "none"
        ]
        return sum(having) / len(having) if having else weights[0]

    def _token_losses(self, inputs, labels):
        losses = np.stack([it._token_losses(inputs, labels) for it in self._members])
        lowest = losses.min(axis=0)
        return lowest - np.log(np.exp(lowest - losses).mean(axis=0))


def _mean_of_probabilities(logits):
    """The logarithm of the mean of the probabilities, `[rows, vocabulary]`."""
    logits = ops.stack([ops.cast(one, "float32") for one in logits])
    return ops.logsumexp(logits - ops.logsumexp(logits, axis=-1, keepdims=True), axis=0)


def _differences(one: Seq2SeqLM, other: Seq2SeqLM):
    """What must be the same in two members and is not, with both values."""
    pairs: list[tuple[str, Any, Any]] = [
        ("purpose", one.purpose, other.purpose),
        ("languages", one.languages, other.languages),
    ]
    first, second = one.preprocessor, require_preprocessor(other.preprocessor)
    pairs.append(("use of lower case", first.lowercase, second.lowercase))
    for what, value, found in pairs:
        if value != found:
            yield what, value, found
    for what in ("tokenizer", "source_tokenizer"):
        pieces, others = (_pieces(getattr(it, what)) for it in (first, second))
        if pieces != others:
            shared = len(set(pieces) & set(others))
            described = f"{len(others):,} tokens, of which {shared:,} are the same"
            name = "vocabulary" if what == "tokenizer" else "source vocabulary"
            yield name, f"{len(pieces):,} tokens", described


def _pieces(tokenizer) -> list[str]:
    """The class of a tokenizer and its tokens, in order."""
    tokens = map(tokenizer.id_to_token, range(tokenizer.vocabulary_size()))
    return [type(tokenizer).__name__, *tokens]
