"""Forward–backward of connectionist temporal classification (CTC)."""

import keras
from keras import ops

from zoo.layers.recurrence import scan_states

# Log-probability of what cannot be: lower than any other, and finite.
IMPOSSIBLE = -1e9


def ctc_log_likelihood(log_probabilities, labels):
    """The log-probability of label sequences: the sum over all their alignments with frames.

    `keras.ops.ctc_loss` is not used: its result for a sequence that no alignment has differs by
    backend (infinity with NaN gradients on torch, 1e5 on JAX, about 700 on TensorFlow, with
    gradients). Here the gradient does not pass through the recursion. The derivative by the
    log-probability of a label at a frame is the probability that an alignment is there, which both
    recursions give.

    Args:
        log_probabilities: Float tensor `[batch, frames, vocabulary]`, normalized over the
            vocabulary. Label 0 is the blank; at padding it has log-probability 0 and the others
            `IMPOSSIBLE`, see `CTCHead`.
        labels: Integer tensor `[batch, labels]`, right-padded with 0.

    Returns:
        Float tensor `[batch]`, at most 0; `IMPOSSIBLE` or less of labels that no alignment has,
        which need more frames than there are. Their gradient is zero.

    References:
        - Graves et al. 2006, section 4.1, equations 6 to 16.
    """
    dtype = keras.backend.result_type(log_probabilities.dtype, "float32")
    log_probabilities = ops.cast(log_probabilities, dtype)
    labels = ops.cast(labels, "int32")
    batch, frames, _ = ops.shape(log_probabilities)
    count = ops.cast(ops.sum(ops.cast(labels > 0, "int32"), axis=1, keepdims=True), "int32")
    states = _with_blanks(labels)  # [batch, states]
    places = ops.arange(ops.shape(states)[1], dtype="int32")[None, :]
    last = 2 * count  # the last state of each row
    valid = places <= last
    # Blanks are states too: a row of `n` labels has `2n + 1`.
    indices = ops.broadcast_to(states[:, None, :], (batch, frames, ops.shape(states)[1]))
    emissions = ops.take_along_axis(log_probabilities, indices, axis=2)  # [batch, frames, states]
    flat = ops.stop_gradient(emissions)

    # The backward recursion is the forward one of the reversed labels and frames.
    reverse = ops.where(valid, last - places, places)
    reversed_states = ops.take_along_axis(states, reverse, axis=1)
    order = ops.broadcast_to(reverse[:, None, :], ops.shape(flat))
    reversed_flat = ops.take_along_axis(ops.flip(flat, axis=1), order, axis=2)
    both = ops.stack([flat, reversed_flat])  # [2, batch, frames, states]
    messages = _forward(both, ops.stack([states, reversed_states]))
    forward = messages[0]
    backward = ops.flip(ops.take_along_axis(messages[1], order, axis=2), axis=1)

    ends = ops.logical_and(valid, places >= last - 1)
    total = ops.logsumexp(ops.where(ends, forward[:, -1], IMPOSSIBLE), axis=1)  # [batch]
    occupied = ops.exp(ops.minimum(forward + backward - flat - total[:, None, None], 0.0))
    possible = ops.logical_and(valid, total[:, None] > IMPOSSIBLE / 2)[:, None, :]
    # An emission that cannot be has no occupancy, and must not be multiplied.
    possible = ops.logical_and(possible, flat > IMPOSSIBLE / 2)
    carrier = ops.sum(ops.where(possible, occupied * emissions, 0.0), axis=(1, 2))
    return total + (carrier - ops.stop_gradient(carrier))


def _with_blanks(labels):
    """Labels with a blank before, between and after them: `[batch, 2 * labels + 1]`."""
    labels = ops.pad(labels, [[0, 0], [0, 1]])  # so that there is one to reshape
    pairs = ops.stack([ops.zeros_like(labels), labels], axis=2)
    return ops.reshape(pairs, (-1, 2 * ops.shape(labels)[1]))[:, :-1]


def _forward(emissions, states):
    """Log-probabilities of all alignments up to each frame that end in each state.

    Args:
        emissions: Float tensor `[..., frames, states]`.
        states: Integer tensor `[..., states]`.

    Returns:
        Float tensor `[..., frames, states]`, without a gradient.
    """
    width = [[0, 0]] * (len(states.shape) - 1)
    before = ops.pad(states, [*width, [2, 0]])[..., :-2]
    # From a label to the next one without a blank between, unless they are the same.
    skips = ops.logical_and(states != 0, states != before)
    skips = ops.where(skips, 0.0, IMPOSSIBLE)
    skips = ops.cast(skips, emissions.dtype)
    emissions = ops.moveaxis(emissions, -2, 0)  # [frames, ..., states]
    start = ops.full_like(emissions[0], IMPOSSIBLE)
    first = ops.arange(ops.shape(states)[-1], dtype="int32") == 0
    start = ops.where(first, 0.0, start)

    def step(scores, now):
        padded = ops.pad(scores, [*width, [2, 0]], constant_values=IMPOSSIBLE)
        one, two = padded[..., 1:-1], padded[..., :-2] + skips
        reached = ops.logsumexp(ops.stack([scores, one, two]), axis=0)
        return ops.maximum(reached + now[0], 2 * IMPOSSIBLE)

    return ops.moveaxis(scan_states(step, start, [emissions]), 0, -2)
