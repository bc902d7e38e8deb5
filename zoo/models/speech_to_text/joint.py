"""Steps of a search for texts by decoders and by CTC, of one model or several."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from zoo.layers.ctc.likelihood import IMPOSSIBLE
from zoo.layers.recurrence import scan_states

BLANK = 0


def joint_step(
    decoders: Sequence[tuple[Callable, Any]],
    heads: Sequence[Any],
    end_id: int,
    weight: float,
    language_model: tuple[Callable, Any, float] | None = None,
) -> tuple[Callable, dict[str, Any]]:
    """A step of `zoo.decoding` functions in which decoders and CTC heads choose a text together.

    The score of a token is the weighted sum of two logarithms: of its probability by the decoders,
    and by CTC, as the next label of all texts that begin with those so far. Of several decoders,
    or heads, the mean of their probabilities counts. The scores of a whole text by one model add
    up to the weighted log-probabilities of both. A text that a head cannot align is impossible.

    Args:
        decoders: Steps of decoders with their states before the first step; may be empty.
        heads: Float tensors `[batch, frames, vocabulary]`, the log-probabilities by CTC, see
            `zoo.layers.CTCHead`, of any numbers of frames; may be empty.
        end_id: int. The token that ends a text. CTC itself has none.
        weight: float. The weight of CTC, from 0 to 1; without effect unless there are both.
        language_model: A step from tokens and its state to log-probabilities of the next tokens
            and the next state, the state before the first step, and the weight by which its
            log-probabilities are added. Defaults to `None`.

    Returns:
        A step, which returns scores, with `normalize=False`, and its state. The attention weights
        are those of the first decoder.

    References:
        - Watanabe et al. 2017, "Hybrid CTC/attention architecture for end-to-end speech
          recognition", algorithm 2 and equations 48 to 52.
    """
    prefixes = [_Prefixes(one, end_id) for one in heads]

    def step(tokens, state, index):
        decoded = [
            one(tokens, before, index)
            for (one, _), before in zip(decoders, state["decoders"], strict=True)
        ]
        labelled = [
            one.step(tokens, before, index)
            for one, before in zip(prefixes, state["ctc"], strict=True)
        ]
        after = {"decoders": [one[1] for one in decoded], "ctc": [one[1] for one in labelled]}
        weights = decoded[0][2] if decoded else None
        by_decoder = [ops.log_softmax(ops.cast(one[0], "float32"), axis=-1) for one in decoded]
        by_ctc = [one[0] for one in labelled]
        scores = _log_mean(by_ctc or by_decoder)
        if by_ctc and by_decoder:
            scores = (1 - weight) * _log_mean(by_decoder) + weight * scores
        if language_model is not None:
            predict, _, its_weight = language_model
            found, after["language_model"] = predict(tokens, state["language_model"])
            scores = scores + its_weight * found
        if by_ctc:
            possible = functools.reduce(ops.minimum, by_ctc) > IMPOSSIBLE / 2
            scores = ops.where(possible, scores, IMPOSSIBLE)
        return scores, after, weights

    state = {
        "decoders": [state for _, state in decoders],
        "ctc": [one.start() for one in prefixes],
    }
    if language_model is not None:
        state["language_model"] = language_model[1]
    return step, state


def _log_mean(logarithms):
    """The logarithm of the mean, of tensors of one shape."""
    if len(logarithms) == 1:
        return logarithms[0]
    return ops.logsumexp(ops.stack(logarithms), axis=0) - math.log(len(logarithms))


class _Prefixes:
    """The probabilities by CTC that the labels of a recording begin with a prefix.

    The state of a prefix is the log-probability of the alignments of the first frames that end
    with its last label, or with a blank: before the first frame, and after each.
    """

    def __init__(self, log_probabilities, end_id):
        self.log_probabilities = ops.cast(log_probabilities, "float32")  # [batch, frames, labels]
        self.batch, self.frames, self.size = log_probabilities.shape
        self.by_label = ops.swapaxes(self.log_probabilities, 1, 2)
        self.end_id = end_id

    def start(self):
        """The state of the empty prefix."""
        blanks = ops.cumsum(self.log_probabilities[:, :, BLANK], axis=1)
        return {
            "label": ops.full((self.batch, self.frames + 1), IMPOSSIBLE, "float32"),
            "blank": ops.pad(blanks, [[0, 0], [1, 0]]),
            "last": ops.full((self.batch,), -1, "int32"),
            "score": ops.zeros((self.batch,), "float32"),
        }

    def step(self, tokens, state, index):
        """The log-probability of each label as the next one, `[rows, labels]`, and the states.

        Args:
            tokens: int32 tensor `[rows]`: the last label of each prefix.
            state: That of the prefixes without their last label.
            index: int32 scalar tensor. The number of labels.
        """
        longer = self._longer(tokens, state)
        # The first step is after the start token, which is no label.
        state = {name: ops.where(index > 0, longer[name], state[name]) for name in state}
        scores = self._next_scores(state) - state["score"][:, None]
        return ops.where(state["score"][:, None] > IMPOSSIBLE / 2, scores, IMPOSSIBLE), state

    def _longer(self, tokens, state):
        rows = tokens.shape[0]
        own = self._of_label(tokens)  # [rows, frames]
        blank = ops.repeat(self.by_label[:, BLANK], rows // self.batch, axis=0)
        # Alignments of the prefix before each frame after which the label may begin.
        before = ops.where(
            (tokens == state["last"])[:, None],
            state["blank"],
            ops.logaddexp(state["label"], state["blank"]),
        )[:, :-1]

        def step(ends, now):
            with_label, with_blank = ends[0], ends[1]
            first, label, blank = now
            return ops.maximum(
                ops.stack(
                    [
                        ops.logaddexp(with_label, first) + label,
                        ops.logaddexp(with_label, with_blank) + blank,
                    ]
                ),
                2 * IMPOSSIBLE,
            )

        none = ops.full((2, rows), IMPOSSIBLE, "float32")
        frames = list(map(ops.transpose, (before, own, blank)))  # [frames, rows] each
        ends = ops.moveaxis(scan_states(step, none, frames), 0, -1)  # [2, rows, frames]
        ends = ops.pad(ends, [[0, 0], [0, 0], [1, 0]], constant_values=IMPOSSIBLE)
        return {
            "label": ends[0],
            "blank": ends[1],
            "last": tokens,
            "score": ops.logsumexp(before + own, axis=1),
        }

    def _next_scores(self, state):
        """The log-probability of each prefix with one more label, `[rows, labels]`."""
        rows = state["last"].shape[0]
        either = ops.logaddexp(state["label"], state["blank"])
        # As a product of matrices: alignments before each frame, and labels at it.
        before = either[:, :-1]
        largest = ops.max(before, axis=1, keepdims=True)
        shares = ops.reshape(ops.exp(before - largest), (self.batch, -1, self.frames))
        sums = ops.matmul(shares, ops.exp(self.log_probabilities))  # [batch, beam, labels]
        sums = ops.reshape(sums, (rows, self.size))
        possible = sums > 1e-30
        scores = ops.where(possible, ops.log(ops.where(possible, sums, 1.0)) + largest, IMPOSSIBLE)
        # The last label again, which needs a blank between.
        last = ops.maximum(state["last"], 0)
        repeated = ops.logsumexp(state["blank"][:, :-1] + self._of_label(last), axis=1)
        labels = ops.arange(self.size, dtype="int32")[None, :]
        scores = ops.where(labels == state["last"][:, None], repeated[:, None], scores)
        scores = ops.where(labels == self.end_id, either[:, -1:], scores)
        return ops.where(labels == BLANK, IMPOSSIBLE, scores)

    def _of_label(self, labels):
        """The log-probabilities of the label of each row, `[rows, frames]`."""
        beam = labels.shape[0] // self.batch
        offsets = ops.repeat(ops.arange(self.batch, dtype="int32") * self.size, beam)
        flat = ops.reshape(self.by_label, (-1, self.frames))
        return ops.take(flat, labels + offsets, axis=0)
