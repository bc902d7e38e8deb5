"""Groups of hypotheses that differ from one another: diverse beam search."""

from typing import Any, NamedTuple

from keras import ops

from zoo.decoding.best import Best


class Candidates(NamedTuple):
    """The candidates after each hypothesis of a step, all `[batch, beam, width]`.

    Attributes:
        gains: The log-probabilities of their tokens.
        tokens: int32.
        totals: Their log-probabilities.
        compared: Those with a penalty of repetition.
        scores: Their scores.
        places: int32 `[batch, beam]`: those to keep, among `beam * width`; `None` for the best.
    """

    gains: Any
    tokens: Any
    totals: Any
    compared: Any
    scores: Any
    places: Any


class Groups:
    """The groups of a beam; a single one is the whole beam.

    The variables of a search with several have a row for each group, those of a source next to
    each other.

    Args:
        count: int.
        diversity: float. What lowers the score of a token for each hypothesis that took it.
        beam: int. Hypotheses of all groups together.
    """

    def __init__(self, count, diversity, beam):
        self.count = count
        self.diversity = diversity
        self.size = beam // count

    def rank(self, rank, logits, index, variables):
        """The `Candidates` of all groups, ranked one group after another.

        Args:
            rank: Takes logits, the index of the step, variables and what lowers the scores of
                tokens, `[batch, vocabulary]`, of one group; returns its `Candidates`.
            logits: Float tensor `[rows, vocabulary]`, of all groups, as the variables.
            index: int32 scalar tensor.
            variables: Those of a search.
        """
        if self.count == 1:
            return rank(logits, index, variables)
        batch, vocabulary = variables["finished"].shape[0] // self.count, logits.shape[-1]
        logits = ops.reshape(logits, (batch, self.count, self.size, vocabulary))
        lowered = ops.zeros((batch, vocabulary), "float32")
        split = {name: self._split(value) for name, value in variables.items() if _is_ranked(name)}
        found = []
        for group in range(self.count):
            own = {name: value[:, group] for name, value in split.items()}
            of_group = ops.reshape(logits[:, group], (-1, vocabulary))
            ranked = rank(of_group, index, own, lowered)
            found.append(ranked)
            best = Best(ranked.scores, self.size, ranked.places)
            tokens = best.candidates(ranked.tokens)
            tokens = ops.where(best.beams(own["finished"]), -1, tokens)
            taken = tokens[:, :, None] == ops.arange(vocabulary, dtype="int32")
            lowered = lowered + self.diversity * ops.sum(ops.cast(taken, "float32"), axis=1)
        return Candidates(
            *(
                ops.reshape(ops.stack(parts, axis=1), (-1, *parts[0].shape[1:]))
                for parts in zip(*found, strict=True)
            )
        )

    def joined(self, variables):
        """The variables with a row for each source, after the last step."""
        if self.count == 1:
            return variables
        found = {}
        for name, value in variables.items():
            if name in ("state", "last"):
                continue
            value = self._split(value)  # [batch, groups, size, ...]
            if name == "origins":  # the places of beams
                first = self.size * ops.arange(self.count, dtype="int32")
                value = value + first[None, :, None, None]
            found[name] = ops.reshape(value, (value.shape[0], -1, *value.shape[3:]))
        return found

    def _split(self, values):
        return ops.reshape(values, (-1, self.count, *values.shape[1:]))


def _is_ranked(name):
    return name not in ("state", "last", "attention", "origins", "token_log_probabilities")
