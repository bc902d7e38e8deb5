"""Scores of given sequences."""

import keras
from keras import ops

from zoo.checks import check_penalties
from zoo.decoding import loops
from zoo.decoding.checks import checked_attention, checked_mask
from zoo.decoding.hypotheses import Hypotheses, apply_penalties, start_tokens, write_step


def score(
    step,
    state,
    tokens,
    start_id,
    end_id,
    length_penalty=0.0,
    coverage_penalty=0.0,
    normalize=True,
    return_attention=False,
    source_mask=None,
):
    """Scores given sequences, such as references, as `beam_search` scores its hypotheses.

    Args:
        step: See `zoo.decoding.beam_search`.
        state: A nesting of tensors `[batch, ...]`, the state before the first step.
        tokens: Integer tensor `[batch, max_length]` or `[batch, n, max_length]`: sequences
            without the start token. Tokens after an end token are ignored.
        start_id: int, or int32 tensor `[batch]`. The tokens before the first step.
        end_id: int.
        length_penalty, coverage_penalty, normalize, return_attention, source_mask: See
            `zoo.decoding.beam_search`.

    Returns:
        `zoo.decoding.Hypotheses` in the order of `tokens`.

    Raises:
        ValueError: if a penalty is no number or negative, `tokens` has another rank, or if
            attention is needed and the mask or the model's attention is missing.
    """
    check_penalties(length_penalty, coverage_penalty)
    source_mask = checked_mask(source_mask, coverage_penalty, return_attention)
    tokens = ops.cast(tokens, "int32")
    if len(tokens.shape) not in (2, 3):
        raise ValueError(
            "`tokens` must have the shape [batch, max_length] or [batch, n, max_length]. "
            f"Received: tokens of shape {tuple(tokens.shape)}"
        )
    tokens = tokens[:, None] if len(tokens.shape) == 2 else tokens
    batch, n, max_length = tokens.shape
    references = ops.reshape(tokens, (batch * n, max_length))
    ended = ops.cumsum(ops.cast(references == end_id, "int32"), axis=1)
    ended_before = ops.pad(ended[:, :-1], ((0, 0), (1, 0)))
    counts = ops.cast(ended_before == 0, "float32")  # [rows, max_length]
    wants_attention = bool(coverage_penalty) or return_attention

    def expand(values):
        return values if n == 1 else ops.repeat(values, n, axis=0)

    def advance(index, variables):
        new = dict(variables)
        logits, new["state"], attention = step(variables["last"], variables["state"], index)
        logits = ops.cast(logits, "float32")  # [rows, vocabulary]
        new["last"] = ops.take(references, index, axis=1)
        logit = ops.take_along_axis(logits, new["last"][:, None], axis=-1)[:, 0]
        normalizer = ops.logsumexp(logits, axis=-1) if normalize else 0.0
        gains = (logit - normalizer) * ops.take(counts, index, axis=1)
        new["gains"] = write_step(variables["gains"], index, gains, axis=1)
        if wants_attention:
            attention = checked_attention(attention) * ops.take(counts, index, axis=1)[:, None]
            new["attention"] = write_step(variables["attention"], index, attention, axis=1)
        return new, ops.all(ops.take(ended, index, axis=1) > 0)

    variables = {
        "state": keras.tree.map_structure(expand, state),
        "last": expand(start_tokens(start_id, batch)),
        "gains": ops.zeros((batch * n, max_length), "float32"),
    }
    if wants_attention:
        shape = (batch * n, max_length, source_mask.shape[1])
        variables["attention"] = ops.zeros(shape, "float32")
    seen = loops.repeat(advance, variables, max_length)

    def by_source(values):
        return ops.reshape(values, (batch, n, *values.shape[1:]))

    gains = by_source(seen["gains"])  # [batch, n, max_length]
    totals = ops.sum(gains, axis=-1)
    lengths = by_source(ops.cast(ops.sum(counts, axis=1), "int32"))
    attention = by_source(seen["attention"]) if wants_attention else None
    coverage = ops.sum(attention, axis=2) if wants_attention else None
    return Hypotheses(
        tokens=tokens,
        scores=apply_penalties(
            totals, lengths, coverage, source_mask, length_penalty, coverage_penalty
        ),
        log_probabilities=totals,
        token_log_probabilities=gains,
        lengths=lengths,
        attention=attention if return_attention else None,
    )
