"""Loops over the steps of a sequence, in which each step needs the state of the one before."""

import keras
from keras import ops


def scan(step, inputs, state):
    """Runs a step function over a sequence.

    Gradients reach all tensors over which the step closes, on all backends, compiled or not.

    Args:
        step: Takes one step of the inputs, `[batch, features]`, and a state; returns an output
            `[batch, units]` and the next state.
        inputs: Float tensor `[batch, time, features]`.
        state: A nesting of tensors `[batch, ...]`, the state before the first step. The step
            receives all of them as floats of the dtype of `inputs`.

    Returns:
        The outputs, `[batch, time, units]`.
    """
    flat = [ops.cast(x, inputs.dtype) for x in keras.tree.flatten(state)]

    def flat_step(step_inputs, flat):
        output, after = step(step_inputs, keras.tree.pack_sequence_as(state, flat))
        after = [ops.cast(x, inputs.dtype) for x in keras.tree.flatten(after)]
        return ops.cast(output, inputs.dtype), after

    run = _unrolled if keras.config.backend() == "torch" else _rolled
    return run(flat_step, inputs, flat)


def scan_states(step, state, sequences, reverse=False):
    """The states after each step of a loop, without gradients.

    Args:
        step: Takes a state and the list of one step of each sequence; returns the next state.
        state: Tensor, the state before the first step.
        sequences: List of tensors `[length, ...]`.
        reverse: bool. Whether the steps run from the last to the first. Defaults to `False`.

    Returns:
        Tensor `[length, ...]`: at `t` the state after the step `t`.
    """
    run = {"tensorflow": _tensorflow_states, "torch": _torch_states}.get(keras.config.backend())
    if run is not None:
        return run(step, state, sequences, reverse)

    def body(state, now):
        state = step(state, now)
        return state, state

    return ops.stop_gradient(ops.scan(body, state, sequences, reverse=reverse)[1])


def _torch_states(step, state, sequences, reverse):
    """The same without an indexing for each step, as in `_unrolled`."""
    states = []
    steps = list(zip(*map(ops.unstack, sequences), strict=True))
    for now in reversed(steps) if reverse else steps:
        state = step(state, now)
        states.append(state)
    return ops.stop_gradient(ops.stack(states[::-1] if reverse else states))


def _tensorflow_states(step, state, sequences, reverse):
    """The same as a loop that tf2onnx can convert.

    Keras' `scan` keeps the state in an array of one element, and in reverse it writes the outputs
    from the last to the first. tf2onnx takes every array that a loop writes to for a list of
    outputs in the order of the steps.
    """
    import tensorflow as tf

    length = ops.shape(sequences[0])[0]
    states = tf.TensorArray(state.dtype, size=length, element_shape=state.shape)

    def body(count, state, states):
        t = length - 1 - count if reverse else count
        state = step(state, [ops.take(sequence, t, axis=0) for sequence in sequences])
        return count + 1, state, states.write(count, state)

    _, _, states = tf.while_loop(
        lambda count, *_: count < length, body, (0, state, states), maximum_iterations=length
    )
    states = tf.stop_gradient(states.stack())
    return tf.reverse(states, [0]) if reverse else states


def _rolled(step, inputs, state):
    """One `while` loop in the graph, which Keras differentiates on all backends."""
    sizes = [x.shape[1] if len(x.shape) > 1 else None for x in state]
    cell = _Cell(step, [size or 1 for size in sizes], keras.backend.standardize_dtype(inputs.dtype))
    return keras.layers.RNN(cell, return_sequences=True, dtype=cell.compute_dtype)(
        inputs, initial_state=state
    )


class _Cell:
    """The interface that `keras.layers.RNN` needs of a cell, for one call and without weights."""

    def __init__(self, step, state_size, dtype):
        self.call = step
        self.state_size = state_size
        self.compute_dtype = dtype

    def __call__(self, inputs, states):
        return self.call(inputs, states)


def _unrolled(step, inputs, state):
    """Runs the steps in a Python loop, which is the fastest on torch.

    The gradient of `unstack` takes time linear in the number of steps; that of the indexing in
    Keras' loop, quadratic time.
    """
    outputs = []
    for step_inputs in ops.unstack(inputs, axis=1):
        output, state = step(step_inputs, state)
        outputs.append(output)
    return ops.stack(outputs, axis=1)
