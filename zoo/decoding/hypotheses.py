"""Hypotheses, the results of decoding, and their scores."""

from typing import Any, NamedTuple

from keras import ops

# Coverage of a source position without any attention, so that its logarithm is finite.
UNSEEN = 1e-6


class Hypotheses(NamedTuple):
    """The `n` best hypotheses, or samples, or references, for each source.

    Attributes:
        tokens: int32 tensor `[batch, n, max_length]`: without the start token, with the end
            token if the hypothesis has ended, then padding.
        scores: float32 tensor `[batch, n]`, best first in a beam search: the log-probability
            of the hypothesis, divided by its length penalty, plus its coverage penalty; `-inf`
            in place of a hypothesis if fewer than `n` exist.
        log_probabilities: float32 tensor `[batch, n]`: natural logarithms, of the hypotheses.
        token_log_probabilities: float32 tensor `[batch, n, max_length]`: of each token, zero
            in the padding.
        lengths: int32 tensor `[batch, n]`: tokens, the end token included.
        attention: float32 tensor `[batch, n, max_length, source]`: attention weights of each
            token, zero in the padding. `None` unless requested.
    """

    tokens: Any
    scores: Any
    log_probabilities: Any
    token_log_probabilities: Any
    lengths: Any
    attention: Any = None

    @property
    def counts(self):
        """int32 tensor `[batch]`: hypotheses of each source, fewer than `n` if no more exist."""
        return ops.sum(ops.cast(self.scores > float("-inf"), "int32"), axis=1)


def length_penalty(lengths, alpha):
    """The divisor of a log-probability: `((5 + length) / 6) ** alpha`.

    Args:
        lengths: Integer tensor: tokens, the end token included.
        alpha: float. `0` favours short hypotheses most; with `1` scores are nearly means per
            token.

    Returns:
        Float tensor of the shape of `lengths`.

    References:
        - Wu et al. 2016, "Google's Neural Machine Translation System", equation 14.
    """
    return ((5.0 + ops.cast(lengths, "float32")) / 6.0) ** alpha


def coverage_penalty(coverage, source_mask, beta):
    """The addend of a score: `beta * Σ log(min(coverage, 1))` over the source, at most 0.

    Args:
        coverage: Float tensor `[batch, ..., source]`: the attention weights of each source
            position, summed over the target steps.
        source_mask: Boolean tensor `[batch, source]`, false at padding, which is left out.
        beta: float.

    Returns:
        Float tensor `[batch, ...]`.

    References:
        - Wu et al. 2016, equation 14.
    """
    mask = ops.cast(source_mask, "float32")
    batch, source = ops.shape(mask)
    mask = ops.reshape(mask, (batch, *[1] * (len(coverage.shape) - 2), source))
    return beta * ops.sum(ops.log(ops.clip(coverage, UNSEEN, 1.0)) * mask, axis=-1)


def apply_penalties(log_probabilities, lengths, coverage, source_mask, alpha, beta):
    """The score of a complete hypothesis: `log P / length penalty + coverage penalty`."""
    scores = log_probabilities
    if alpha:
        scores = scores / length_penalty(lengths, alpha)
    if beta:
        scores = scores + coverage_penalty(coverage, source_mask, beta)
    return scores


def write_step(history, index, values, axis):
    """Writes the values of one step into a history `[..., max_length, ...]`.

    Args:
        history: Tensor with all steps on the axis `axis`.
        index: int32 scalar tensor. The index of the step.
        values: Tensor of the history's shape without the axis `axis`.
        axis: int.

    Returns:
        The new history.
    """
    steps = ops.arange(history.shape[axis], dtype="int32")
    after = [1] * (len(history.shape) - axis - 1)
    here = ops.reshape(steps == index, (*[1] * axis, -1, *after))
    return ops.where(here, ops.expand_dims(values, axis), history)


def start_tokens(start_id, rows):
    """The tokens before the first step, int32 `[rows]`."""
    return ops.broadcast_to(ops.cast(start_id, "int32"), (rows,))


def top_k(logits, count):
    """The `count` largest logits of each row and their tokens, `[rows, count]` each."""
    if count > 1:
        logits, tokens = ops.top_k(logits, count)
        return logits, ops.cast(tokens, "int32")
    tokens = ops.expand_dims(ops.cast(ops.argmax(logits, axis=-1), "int32"), -1)
    return ops.take_along_axis(logits, tokens, axis=-1), tokens
