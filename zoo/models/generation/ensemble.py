"""Steps of a search that several models share, and checks of the members of an ensemble."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keras import ops


class SharedSteps:
    """Steps of a search in which the mean of the members' probabilities decides.

    A mixin for a `TextSearch`; `encoder_inputs_of` gives each member its inputs.
    """

    _members: list[Any]

    def members(self):
        return self._members

    def encoder_inputs_of(self, encoder_inputs):
        """The encoder inputs of each member. Defaults to the same for all."""
        return [encoder_inputs] * len(self._members)

    def default_max_length(self, *encoder_inputs):
        pairs = zip(self._members, self.encoder_inputs_of(encoder_inputs), strict=True)
        return min(member.default_max_length(*inputs) for member, inputs in pairs)

    def decoding(self, encoder_inputs, max_length):
        pairs = zip(self._members, self.encoder_inputs_of(encoder_inputs), strict=True)
        started = [member.decoding(inputs, max_length) for member, inputs in pairs]
        steps, states, masks = zip(*started, strict=True)

        def step(tokens, states, index):
            found = [one(tokens, it, index) for one, it in zip(steps, states, strict=True)]
            logits, states, weights = zip(*found, strict=True)
            return mean_of_probabilities(logits), states, self._mean_of_attention(weights)

        return step, states, masks[0]

    def _mean_of_attention(self, weights):
        having = [
            ops.cast(one, "float32")
            for one, member in zip(weights, self._members, strict=True)
            if member.has_attention
        ]
        return sum(having) / len(having) if having else weights[0]


def mean_of_probabilities(logits):
    """The logarithm of the mean of the probabilities, `[rows, vocabulary]`."""
    logits = ops.stack([ops.cast(one, "float32") for one in logits])
    return ops.logsumexp(logits - ops.logsumexp(logits, axis=-1, keepdims=True), axis=0)


def check_members(
    members: Sequence[Any],
    kind: type,
    writes: str,
    differences: Callable[[Any, Any], Iterator[tuple[str, Any, Any]]],
) -> list[Any]:
    """The members of an ensemble as a list.

    Args:
        members: The models.
        kind: The class of all.
        writes: What they do, in an error.
        differences: From the first member and another to what must be the same in both and is not,
            with both values.

    Raises:
        ValueError: if there are fewer than two, or they differ.
    """
    members = list(members)
    if len(members) < 2 or not all(isinstance(it, kind) for it in members):
        raise ValueError(
            f"An ensemble needs at least two models that {writes}. "
            f"Received: {[type(it).__name__ for it in members]}"
        )
    for place, member in enumerate(members[1:], 2):
        for what, one, other in differences(members[0], member):
            raise ValueError(
                f"The members of an ensemble must have the same {what}: choose models that "
                f"have, or train one with that of the other. Received: {one} in the first, "
                f"{other} in number {place}"
            )
    return members


def differences_of_tokenizers(what: str, one: Any, other: Any) -> Iterator[tuple[str, str, str]]:
    """The sizes of two vocabularies, if they are not the same."""
    pieces, others = _pieces(one), _pieces(other)
    if pieces != others or type(one) is not type(other):
        shared = len(set(pieces) & set(others))
        described = f"{len(others):,} tokens, of which {shared:,} are the same"
        yield what, f"{len(pieces):,} tokens", described


def _pieces(tokenizer) -> list[str]:
    """The tokens of a tokenizer, in order."""
    return list(map(tokenizer.id_to_token, range(tokenizer.vocabulary_size())))
