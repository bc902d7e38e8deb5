"""Sampling and greedy decoding."""

import keras
from keras import ops

from zoo.checks import check_integer
from zoo.decoding import loops
from zoo.decoding.blocking import LOWEST, Limits, limit, next_nodes
from zoo.decoding.checks import checked_attention, checked_mask
from zoo.decoding.draws import Draws
from zoo.decoding.hypotheses import Hypotheses, start_tokens, top_k, write_step
from zoo.decoding.lexicon import Lexicon


def sample(
    step,
    state,
    batch,
    start_id,
    end_id,
    max_length,
    sampler="greedy",
    num_samples=1,
    min_length=0,
    no_repeat_ngram=0,
    repetition_penalty=1.0,
    prefix=None,
    forbidden=None,
    lexicon=None,
    normalize=True,
    return_attention=False,
    source_mask=None,
    pad_id=0,
):
    """Samples sequences from a model, token by token.

    Args:
        step, state, batch, start_id, end_id, max_length: See `zoo.decoding.beam_search`, with
            `num_samples` in the place of `beam`.
        sampler: `"greedy"`, `zoo.decoding.Draws`, or a sampler of KerasHub that chooses one token
            at a time:
            `"random"`, `"top_k"`, `"top_p"`, or an object such as
            `keras_hub.samplers.TopPSampler(p=0.9, temperature=0.7, seed=1)`. If the function is
            compiled, make the object outside of it and name it among `layers`.
        num_samples: int. Sequences for each source. Defaults to `1`.
        repetition_penalty: float. Above 1 makes tokens less probable that the sequence has:
            positive logits are divided by it, others multiplied. Defaults to `1.0`: none.
        min_length, no_repeat_ngram, prefix, forbidden, lexicon, normalize, return_attention,
            source_mask, pad_id: See `zoo.decoding.beam_search`.

    Returns:
        `zoo.decoding.Hypotheses`. Log-probabilities are the model's own, whatever the
        temperature; scores are their sums.

    Raises:
        ValueError: if an argument has another type or is out of its range, if attention is
            needed and the mask or the model's attention is missing, or if the sampler does not
            choose one token at a time.
    """
    check_integer("num_samples", num_samples, 1)
    limits = Limits(min_length, no_repeat_ngram, repetition_penalty, prefix, forbidden, lexicon)
    limits = limits.checked(max_length, batch, num_samples)
    source_mask = checked_mask(source_mask, 0.0, return_attention)
    choose, stateful = _chooser(sampler)
    rows = batch * num_samples

    def expand(values):
        return values if num_samples == 1 else ops.repeat(values, num_samples, axis=0)

    def advance(index, variables):
        new = dict(variables)
        is_open = ops.logical_not(variables["finished"])  # [rows]
        logits, new["state"], attention = step(variables["last"], variables["state"], index)
        logits = ops.cast(logits, "float32")  # [rows, vocabulary]
        normalizer = ops.logsumexp(logits, axis=-1) if normalize else 0.0
        nodes = variables.get("nodes")
        allowed = limit(logits, index, variables["tokens"], end_id, limits, nodes)
        logit, tokens = choose(logits, allowed, index)
        # Where all tokens are blocked, a blocked one is chosen: the text is then impossible.
        chosen = ops.take_along_axis(allowed, ops.expand_dims(tokens, -1), axis=-1)[:, 0]
        logit = ops.where(chosen > LOWEST / 2, logit, LOWEST)
        tokens = ops.where(is_open, tokens, pad_id)
        ended = ops.logical_or(variables["finished"], tokens == end_id)
        gains = (logit - normalizer) * ops.cast(is_open, "float32")
        new |= {
            "last": ops.where(ended, end_id, tokens),
            "tokens": write_step(variables["tokens"], index, tokens, axis=1),
            "gains": write_step(variables["gains"], index, gains, axis=1),
            "lengths": variables["lengths"] + ops.cast(is_open, "int32"),
            "finished": ended,
        }
        if nodes is not None:
            new["nodes"] = next_nodes(limits.lexicon, nodes, tokens)
        if return_attention:
            attention = checked_attention(attention) * ops.cast(is_open, "float32")[:, None]
            new["attention"] = write_step(variables["attention"], index, attention, axis=1)
        return new, ops.all(ended)

    variables = {
        "state": keras.tree.map_structure(expand, state),
        "last": expand(start_tokens(start_id, batch)),
        "tokens": ops.full((rows, max_length), pad_id, "int32"),
        "gains": ops.zeros((rows, max_length), "float32"),
        "lengths": ops.zeros((rows,), "int32"),
        "finished": ops.zeros((rows,), "bool"),
    }
    if limits.lexicon is not None:
        variables["nodes"] = ops.full((rows,), Lexicon.start, "int32")
    if return_attention:
        shape = (rows, max_length, source_mask.shape[1])
        variables["attention"] = ops.zeros(shape, "float32")
    drawn = loops.repeat(advance, variables, max_length, stateful)

    def by_source(values):
        return ops.reshape(values, (batch, num_samples, *values.shape[1:]))

    totals = by_source(ops.sum(drawn["gains"], axis=-1))
    return Hypotheses(
        tokens=by_source(drawn["tokens"]),
        scores=totals,
        log_probabilities=totals,
        token_log_probabilities=by_source(drawn["gains"]),
        lengths=by_source(drawn["lengths"]),
        attention=by_source(drawn["attention"]) if return_attention else None,
    )


def greedy(logits, allowed, index):
    """Chooses the most probable tokens; see `Draws.choose`."""
    _, tokens = top_k(allowed, 1)
    return ops.take_along_axis(logits, tokens, axis=-1)[:, 0], tokens[:, 0]


def _chooser(sampler):
    """A function that chooses tokens, and the variables that it changes.

    The function takes the logits, the logits with blocked tokens lowered, and the index of the
    step; it returns the logits of the chosen tokens and the tokens.
    """
    if sampler == "greedy":
        return greedy, ()
    if isinstance(sampler, Draws):
        return sampler.choose, ()
    import keras_hub  # heavy, and optional: greedy decoding needs Keras alone

    sampler = keras_hub.samplers.get(sampler)
    if type(sampler).get_next_token is keras_hub.samplers.Sampler.get_next_token:
        raise ValueError(
            "`sampler` must choose one token at a time: use another sampler, or "
            f"`zoo.decoding.beam_search` for a beam. Received: sampler={sampler!r}"
        )

    def draw(logits, allowed, index):
        tokens = sampler.get_next_token(sampler.compute_probabilities(allowed))
        tokens = ops.cast(tokens, "int32")
        logit = ops.take_along_axis(logits, ops.expand_dims(tokens, -1), axis=-1)
        return logit[:, 0], tokens

    return draw, sampler.variables
