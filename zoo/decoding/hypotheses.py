"""What decoding gives, and how a whole hypothesis is scored."""

from typing import Any, NamedTuple

from keras import ops

# What is taken for the attention that a source position without any has had.
UNSEEN = 1e-6


class Hypotheses(NamedTuple):
    """The `n` best hypotheses, or samples, or references, for each source.

    Attributes:
        tokens: int32 tensor `[batch, n, max_length]`: no start token, the end token if it came
            to that, then padding.
        scores: float32 tensor `[batch, n]`, best first in a beam search: the log-probability
            of the hypothesis, over its length penalty, plus its coverage penalty.
        log_probabilities: float32 tensor `[batch, n]`: natural, of the hypothesis.
        token_log_probabilities: float32 tensor `[batch, n, max_length]`: of each token, zero
            in the padding.
        lengths: int32 tensor `[batch, n]`: tokens, the end token included.
        attention: float32 tensor `[batch, n, max_length, source]`: what each token was read
            from, zero in the padding. `None` unless asked for.
    """

    tokens: Any
    scores: Any
    log_probabilities: Any
    token_log_probabilities: Any
    lengths: Any
    attention: Any = None


def length_penalty(lengths, alpha):
    """What a log-probability is divided by: `((5 + length) / 6) ** alpha`.

    Args:
        lengths: Integer tensor: tokens, the end token included.
        alpha: float. `0` favours short hypotheses most, `1` is nearly the mean per token.

    References:
        - Wu et al. 2016, "Google's Neural Machine Translation System", equation 14.
    """
    return ((5.0 + ops.cast(lengths, "float32")) / 6.0) ** alpha


def coverage_penalty(coverage, source_mask, beta):
    """What is added to a score: `beta * Σ log(min(coverage, 1))` over the source, at most 0.

    Args:
        coverage: Float tensor `[batch, ..., source]`: the attention each source position has
            had, summed over the target steps.
        source_mask: Boolean tensor `[batch, source]`; padding takes no part.
        beta: float.

    References:
        - Wu et al. 2016, equation 14.
    """
    mask = ops.cast(source_mask, "float32")
    mask = ops.reshape(mask, (mask.shape[0], *[1] * (len(coverage.shape) - 2), mask.shape[-1]))
    return beta * ops.sum(ops.log(ops.clip(coverage, UNSEEN, 1.0)) * mask, axis=-1)


def apply_penalties(log_probabilities, lengths, coverage, source_mask, alpha, beta):
    """The score of a whole hypothesis: `log P / length penalty + coverage penalty`."""
    scores = log_probabilities
    if alpha:
        scores = scores / length_penalty(lengths, alpha)
    if beta:
        scores = scores + coverage_penalty(coverage, source_mask, beta)
    return scores


def write_step(history, index, values, axis):
    """A history `[..., max_length, ...]` in which the step `index` has been filled in."""
    steps = ops.arange(history.shape[axis], dtype="int32")
    after = [1] * (len(history.shape) - axis - 1)
    here = ops.reshape(steps == index, (*[1] * axis, -1, *after))
    return ops.where(here, ops.expand_dims(values, axis), history)


def start_tokens(start_id, rows):
    """What the first step is given, int32 `[rows]`."""
    return ops.broadcast_to(ops.cast(start_id, "int32"), (rows,))


def top_k(logits, count):
    """The largest `count` logits of each row and their tokens, `[rows, count]` each."""
    if count > 1:
        logits, tokens = ops.top_k(logits, count)
        return logits, ops.cast(tokens, "int32")
    tokens = ops.expand_dims(ops.cast(ops.argmax(logits, axis=-1), "int32"), -1)
    return ops.take_along_axis(logits, tokens, axis=-1), tokens
